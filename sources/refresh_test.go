package sources_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
)

func canonical(t require.TestingT, s *sources.Snapshot) string {
	var b bytes.Buffer
	require.NoError(t, sources.WriteSnapshot(&b, s))
	return b.String()
}

// deltas is a source with given rounds of changes; its listings are empty.
type deltas struct {
	fake
	rounds map[sources.Cursor][]sources.Change
}

func (d deltas) Changes(_ context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	round, ok := d.rounds[after]
	if !ok {
		return then[sources.Change](sources.ErrCursorExpired)
	}
	return yields(round...)
}

func TestRefreshFoldsChanges(t *testing.T) {
	d := directory()
	first, at, err := sources.Refresh(t.Context(), d, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	require.NotEmpty(t, at)
	assert.Equal(t, all, first.Proven)
	before := canonical(t, first)

	d.RemoveUsers("1")
	d.PutUsers(sources.User{ID: "2", Title: "new"}, sources.User{ID: "0"})
	d.RemoveGroups("g2")
	d.PutGroups(sources.Group{ID: "g4"})
	requests := d.Requests()
	second, next, err := sources.Refresh(t.Context(), d, first, at, sources.CollectConfig{Queries: []string{"some"}})
	require.NoError(t, err)
	assert.Equal(t, &sources.Snapshot{
		Format: 1, Kind: "test", Connection: "test", Proven: all,
		Users:   []sources.User{{ID: "2", Title: "new"}, {ID: "3"}, {ID: "0"}},
		Groups:  []sources.Group{{ID: "g1", Members: []string{"1", "2"}}, {ID: "g3", Members: []string{"3"}}, {ID: "g4"}},
		Matches: map[string][]string{"some": {"1", "3"}},
	}, second)
	assert.NotEqual(t, at, next)
	assert.Equal(t, before, canonical(t, first), "prev is not changed")
	assert.Equal(t, 3+1, d.Requests()-requests, "five changes and a cursor on three pages, and the query")
}

// Whatever changes in a directory, and wherever reading fails: a Refresh without an
// error returns the directory, and one with an error proves nothing false. A caller
// that keeps the old snapshot, or uses the partial one, recovers in the next call.
func TestRefreshReturnsTheDirectory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := sourcetest.NewDirectory(sourcetest.DirectoryConfig{PageSize: rapid.IntRange(1, 3).Draw(t, "page")})
		ids := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		var prev *sources.Snapshot
		var at sources.Cursor
		for step := range rapid.IntRange(1, 8).Draw(t, "steps") {
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				id := ids.Draw(t, "id")
				switch rapid.IntRange(0, 4).Draw(t, "change") {
				case 0:
					d.PutUsers(sources.User{ID: id, Title: fmt.Sprint(step)})
				case 1:
					d.RemoveUsers(id)
				case 2:
					d.PutGroups(sources.Group{ID: id, Members: []string{ids.Draw(t, "member")}})
				case 3:
					d.RemoveGroups(id)
				case 4:
					d.ExpireCursors()
				}
			}
			want, err := sources.Collect(context.Background(), d, sources.CollectConfig{})
			require.NoError(t, err)

			d.FailFrom(rapid.IntRange(0, 8).Draw(t, "fail"), sources.ErrUnavailable)
			got, next, err := sources.Refresh(context.Background(), d, prev, at, sources.CollectConfig{})
			assert.Equal(t, d.Failed() > 0, err != nil)
			d.FailFrom(0, nil)
			if err != nil {
				assert.False(t, got.Proven.Has(sources.FactUsers), "S12")
				if rapid.Bool().Draw(t, "keep what there was") {
					at = next
				} else {
					prev, at = got, next
				}
				continue
			}
			assert.Equal(t, canonical(t, want), canonical(t, got))
			prev, at = got, next
		}
	})
}

func TestRefreshReadsEverythingAgain(t *testing.T) {
	d := directory()
	first, at, err := sources.Refresh(t.Context(), d, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	// No change says that the ghost is gone.
	first.Users = append(first.Users, sources.User{ID: "ghost"})
	ghosts, _, err := sources.Refresh(t.Context(), d, first, at, sources.CollectConfig{})
	require.NoError(t, err)
	require.Len(t, ghosts.Users, 4)

	unproven, unmanaged, foreign, other := *first, *first, *first, *first
	unproven.Proven = all &^ sources.FactUsers
	unmanaged.Proven = all &^ sources.FactManagers
	foreign.Connection = "another"
	other.Kind = "another"
	for name, c := range map[string]struct {
		prev *sources.Snapshot
		at   sources.Cursor
	}{
		"no snapshot":         {nil, at},
		"no cursor":           {first, ""},
		"users not proven":    {&unproven, at},
		"managers not proven": {&unmanaged, at},
		"other connection":    {&foreign, at},
		"other kind":          {&other, at},
		"cursor is expired":   {first, "9.9"},
	} {
		got, next, err := sources.Refresh(t.Context(), d, c.prev, c.at, sources.CollectConfig{})
		require.NoError(t, err, name)
		assert.NotEmpty(t, next, name)
		assert.Equal(t, []sources.User{{ID: "1"}, {ID: "2"}, {ID: "3"}}, got.Users, name)
		assert.Equal(t, all, got.Proven, name)
	}
}

// A source that accepts no cursor at all is listed, and so is one without deltas.
func TestRefreshFallsBackToCollect(t *testing.T) {
	prev := &sources.Snapshot{Kind: "test", Connection: "c", Proven: all, Users: []sources.User{{ID: "gone"}}}
	plain := listing(all, sources.User{ID: "1"})
	for name, src := range map[string]sources.Source{"expired": deltas{fake: plain}, "plain": plain} {
		s, next, err := sources.Refresh(t.Context(), src, prev, "old", sources.CollectConfig{})
		require.NoError(t, err, name)
		assert.Empty(t, next, name)
		assert.Equal(t, []sources.User{{ID: "1"}}, s.Users, name)
		assert.Equal(t, all, s.Proven, name)
	}
}

// S12: a round without a cursor at its end is incomplete and proves nothing.
func TestRefreshNeedsTheEndOfTheRound(t *testing.T) {
	prev := &sources.Snapshot{Kind: "test", Connection: "c", Proven: all, Users: []sources.User{{ID: "1"}, {ID: "2"}}}
	for name, c := range map[string]struct {
		round []sources.Change
		want  string
	}{
		"no cursor":      {nil, "test: list changes: malformed answer: the round of changes ended without a cursor"},
		"empty change":   {[]sources.Change{{}, {Next: "n"}}, "test: list changes: malformed answer: change 1: 0 fields are set, want exactly one"},
		"double change":  {[]sources.Change{{UserRemoved: "2", Next: "n"}}, "test: list changes: malformed answer: change 1: 2 fields are set, want exactly one"},
		"nameless user":  {[]sources.Change{{User: &sources.User{}}, {Next: "n"}}, "test: list changes: malformed answer: change 1: the user has no ID"},
		"nameless group": {[]sources.Change{{Group: &sources.Group{}}, {Next: "n"}}, "test: list changes: malformed answer: change 1: the group has no ID"},
	} {
		round := append([]sources.Change{{UserRemoved: "1"}}, c.round...)
		src := deltas{listing(all), map[sources.Cursor][]sources.Change{"c1": round}}
		s, next, err := sources.Refresh(t.Context(), src, prev, "c1", sources.CollectConfig{})
		assert.EqualError(t, err, c.want, name)
		assert.ErrorIs(t, err, sources.ErrMalformed, name)
		assert.Equal(t, []sources.User{{ID: "2"}}, s.Users, name)
		assert.Zero(t, s.Proven, name)
		assert.Equal(t, sources.Cursor("c1"), next, name)
	}
}

// S12: a source that ignores its cancelled context does not prove a round.
func TestRefreshSeesCancellation(t *testing.T) {
	for name, round := range map[string][]sources.Change{"silent": nil, "with a cursor": {{Next: "c1"}}} {
		ctx, cancel := context.WithCancel(t.Context())
		src := cancelling{deltas{listing(all), map[sources.Cursor][]sources.Change{"": round}}, cancel}
		s, next, err := sources.Refresh(ctx, src, nil, "", sources.CollectConfig{})
		assert.EqualError(t, err, "test: list changes: context canceled", name)
		assert.ErrorIs(t, err, context.Canceled, name)
		assert.Zero(t, s.Proven, name)
		assert.Empty(t, next, name)
	}
}

// cancelling cancels its context as soon as it is asked.
type cancelling struct {
	deltas
	cancel func()
}

func (c cancelling) Changes(ctx context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	c.cancel()
	return c.deltas.Changes(ctx, after)
}

func TestRefreshTakesChangesInOrder(t *testing.T) {
	prev := &sources.Snapshot{Kind: "test", Connection: "c", Proven: all, Users: []sources.User{
		{ID: "1"}, {ID: "2", Title: "a"}, {ID: "2", Title: "b"}, {ID: "3"},
	}}
	src := deltas{listing(all), map[sources.Cursor][]sources.Change{"c1": {
		{User: &sources.User{ID: "9", Title: "first"}},
		{UserRemoved: "1"},
		{User: &sources.User{ID: "2", Title: "one"}}, // both of prev become the one
		{User: &sources.User{ID: "9", Title: "last"}},
		{UserRemoved: "3"},
		{User: &sources.User{ID: "3", Title: "back"}},
		{UserRemoved: "never seen"},
		{Next: "c2"},
		{UserRemoved: "9"}, // after the end of the round
	}}}
	s, next, err := sources.Refresh(t.Context(), src, prev, "c1", sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, sources.Cursor("c2"), next)
	assert.Equal(t, []sources.User{{ID: "2", Title: "one"}, {ID: "3", Title: "back"}, {ID: "9", Title: "last"}}, s.Users)
}

// S12: groups that prev does not prove are listed, since changes cannot prove them.
func TestRefreshListsGroupsThatWereNotProven(t *testing.T) {
	d := directory()
	first, at, err := sources.Refresh(t.Context(), d, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	part := *first
	part.Proven, part.Groups = sources.FactUsers|sources.FactManagers, part.Groups[:1]
	s, next, err := sources.Refresh(t.Context(), d, &part, at, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, at, next)
	assert.Equal(t, all, s.Proven)
	assert.Len(t, s.Groups, 3)
}

func TestRefreshIsBounded(t *testing.T) {
	prev := &sources.Snapshot{Kind: "test", Connection: "c", Proven: all, Users: []sources.User{{ID: "1"}, {ID: "2"}}}
	src := deltas{listing(all), map[sources.Cursor][]sources.Change{
		"":   {{Group: &sources.Group{ID: "g", Members: []string{"1", "2"}}}, {Group: &sources.Group{ID: "h"}}, {Next: "c1"}},
		"c1": {{User: &sources.User{ID: "3"}}, {Next: "c2"}},
	}}
	for want, cfg := range map[string]sources.CollectConfig{
		"more than 2 users":       {MaxUsers: 2},
		"more than 1 groups":      {MaxGroups: 1},
		"more than 1 memberships": {MaxMemberships: 1},
	} {
		at := sources.Cursor("c1")
		if cfg.MaxUsers == 0 {
			at = ""
		}
		s, next, err := sources.Refresh(t.Context(), src, prev, at, cfg)
		assert.ErrorIs(t, err, sources.ErrTooLarge)
		assert.ErrorContains(t, err, want)
		assert.Zero(t, s.Proven)
		assert.Equal(t, at, next)
	}
}

// The limits count the last state of a group, however often it was reported.
func TestRefreshCountsMembershipsOnce(t *testing.T) {
	g := &sources.Group{ID: "g", Members: []string{"1", "2"}}
	src := deltas{listing(all), map[sources.Cursor][]sources.Change{
		"": {{Group: g}, {Group: g}, {GroupRemoved: "g"}, {Group: &sources.Group{ID: "h", Members: []string{"1", "2"}}}, {Next: "c1"}},
	}}
	s, _, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{MaxMemberships: 2})
	require.NoError(t, err)
	assert.Len(t, s.Groups, 1)
}

func TestRefreshReportsProgress(t *testing.T) {
	var round []sources.Change
	for i := range 1500 {
		round = append(round, sources.Change{User: &sources.User{ID: fmt.Sprint(i)}})
	}
	src := deltas{listing(all), map[sources.Cursor][]sources.Change{"": append(round, sources.Change{Next: "c"})}}
	var told []sources.Progress
	_, _, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{Progress: func(p sources.Progress) { told = append(told, p) }})
	require.NoError(t, err)
	assert.Equal(t, []sources.Progress{
		{Op: "list changes", Changes: 1000},
		{Op: "list changes", Changes: 1500, Users: 1500},
	}, told)
}
