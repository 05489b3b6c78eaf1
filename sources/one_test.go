package sources_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
)

const ofOne = sources.FactUsers | sources.FactMemberships | sources.FactManagers

// lists has the listings and queries of a directory, and is no OneReader.
type lists struct{ d *sourcetest.Directory }

func (l lists) Info() sources.Info                                         { return l.d.Info() }
func (l lists) Users(ctx context.Context) iter.Seq2[sources.User, error]   { return l.d.Users(ctx) }
func (l lists) Groups(ctx context.Context) iter.Seq2[sources.Group, error] { return l.d.Groups(ctx) }
func (l lists) Match(ctx context.Context, q string) iter.Seq2[string, error] {
	return l.d.Match(ctx, q)
}

// terse is a OneReader that returns nothing but the user.
type terse struct{ lists }

func (s terse) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	one, err := s.d.One(ctx, id)
	one.Groups, one.Proven = nil, one.Proven&sources.FactUsers
	return one, err
}

// S44: ReadOne returns the groups and answers that a snapshot would have, whatever
// the source can read directly.
func TestReadOne(t *testing.T) {
	d := directory()
	for name, src := range map[string]sources.Source{"direct": observer{d}, "by listings": lists{d}, "in part direct": terse{lists{d}}} {
		one, err := sources.ReadOne(t.Context(), src, "3", "some", "none")
		require.NoError(t, err, name)
		want := sources.One{
			Found: true, User: sources.User{ID: "3"}, Groups: []sources.Group{{ID: "g3"}},
			Matches: map[string]bool{"some": true, "none": false}, Proven: ofOne,
		}
		if name == "in part direct" {
			want.Proven &^= sources.FactManagers // no listing makes up for what the user lacks
		}
		assert.Equal(t, want, one, name)
		one, err = sources.ReadOne(t.Context(), src, "nobody", "some")
		require.NoError(t, err, name)
		assert.Equal(t, sources.One{Proven: sources.FactUsers}, one, name)
	}
}

// A user who was not seen is not proven to be missing (S12).
func TestReadOneThatFails(t *testing.T) {
	d := directory()
	d.FailFrom(1, sources.ErrUnavailable) // on the second page of users
	one, err := sources.ReadOne(t.Context(), lists{d}, "nobody")
	assert.ErrorIs(t, err, sources.ErrUnavailable)
	assert.Zero(t, one)

	// What could be read comes with the error, and Proven claims no more.
	d.FailFrom(2, sources.ErrUnavailable) // on the second page of groups
	one, err = sources.ReadOne(t.Context(), lists{d}, "1", "some")
	assert.ErrorIs(t, err, sources.ErrUnavailable)
	assert.Equal(t, sources.One{
		Found: true, User: sources.User{ID: "1"}, Groups: []sources.Group{{ID: "g1"}}, Proven: sources.FactUsers | sources.FactManagers,
	}, one)

	d.FailFrom(0, nil)
	one, err = sources.ReadOne(t.Context(), observer{d}, "1", "some", "unheard of")
	assert.ErrorIs(t, err, sources.ErrBadQuery)
	assert.Equal(t, map[string]bool{"some": true}, one.Matches, "an unanswered query has no entry")
	assert.Equal(t, ofOne, one.Proven)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sources.ReadOne(ctx, listing(all), "1")
	assert.ErrorIs(t, err, context.Canceled)
	one, err = sources.ReadOne(t.Context(), listing(sources.FactGroups, sources.User{ID: "1"}), "2")
	require.NoError(t, err)
	assert.Zero(t, one.Proven, "a listing that proves nothing of users does not prove that somebody is not there")
}
