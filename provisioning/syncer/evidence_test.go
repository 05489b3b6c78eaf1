package syncer_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// A brokenSource fails after its first user.
type brokenSource struct{ sources.Source }

func (b brokenSource) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return func(yield func(sources.User, error) bool) {
		for u, err := range b.Source.Users(ctx) {
			if !yield(u, err) {
				return
			}
			yield(sources.User{}, sources.ErrUnavailable)
			return
		}
	}
}

// Any process can return the evidence of a plan, also of a plan that was not
// applied. If the same plan is made from a newer snapshot, it has the evidence
// of that snapshot.
func TestEvidence(t *testing.T) {
	h := newHost(t, acme, "okta", syncer.Config{}, nil)
	h.hire("ana")
	h.hire("bo")
	plan, err := h.sync.Plan(t.Context(), acme)
	require.NoError(t, err)
	other := h.replica(syncer.Config{})
	e, err := other.Evidence(t.Context(), acme, plan.Hash)
	require.NoError(t, err)
	require.True(t, e.Proven.Has(sources.FactUsers), "%s", e.Proven)
	require.Equal(t, [2]int{2, 0}, [2]int{e.Users, e.Groups})
	require.WithinDuration(t, time.Now(), e.Taken, time.Minute)
	require.False(t, e.Made.Before(e.Taken))

	again, err := h.sync.Plan(t.Context(), acme)
	require.NoError(t, err)
	require.Equal(t, plan.Hash, again.Hash)
	newer, err := other.Evidence(t.Context(), acme, plan.Hash)
	require.NoError(t, err)
	require.True(t, newer.Taken.After(e.Taken))

	h.change(func(s *syncer.Setup) { s.Source, s.Pushed = brokenSource{s.Source}, false })
	partial, err := h.sync.Plan(t.Context(), acme)
	require.ErrorIs(t, err, sources.ErrUnavailable)
	require.NotNil(t, partial)
	e, err = other.Evidence(t.Context(), acme, partial.Hash)
	require.NoError(t, err)
	if partial.Hash != plan.Hash {
		require.False(t, e.Proven.Has(sources.FactUsers))
	}
	require.Equal(t, 1, e.Users)

	for _, unknown := range []struct {
		target syncer.Target
		plan   string
	}{{acme, strings.Repeat("0", 64)}, {syncer.Target{Tenant: "rival", Connection: "okta"}, plan.Hash}, {syncer.Target{Tenant: "acme", Connection: "x"}, plan.Hash}} {
		e, err = other.Evidence(t.Context(), unknown.target, unknown.plan)
		require.NoError(t, err)
		require.Zero(t, e)
	}
}
