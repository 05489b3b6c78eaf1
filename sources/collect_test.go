package sources_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
)

const all = sources.FactAll

func directory() *sourcetest.Directory {
	return sourcetest.NewDirectory(sourcetest.DirectoryConfig{
		Users:   []sources.User{{ID: "1"}, {ID: "2"}, {ID: "3"}},
		Groups:  []sources.Group{{ID: "g1", Members: []string{"1", "2"}}, {ID: "g2"}, {ID: "g3", Members: []string{"3"}}},
		Matches: map[string][]string{"some": {"3", "1"}, "none": {}},
	})
}

// fake is a source with the two given listings.
type fake struct {
	info   sources.Info
	users  iter.Seq2[sources.User, error]
	groups iter.Seq2[sources.Group, error]
}

func (f fake) Info() sources.Info                                     { return f.info }
func (f fake) Users(context.Context) iter.Seq2[sources.User, error]   { return f.users }
func (f fake) Groups(context.Context) iter.Seq2[sources.Group, error] { return f.groups }
func yields[T any](values ...T) iter.Seq2[T, error]                   { return then(nil, values...) }
func listing(lists sources.Facts, users ...sources.User) fake {
	return fake{sources.Info{Kind: "test", Connection: "c", Lists: lists}, yields(users...), yields[sources.Group]()}
}

// then yields the values and, if it is not nil, the error.
func then[T any](err error, values ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, value := range values {
			if !yield(value, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

func TestCollect(t *testing.T) {
	s, err := sources.Collect(t.Context(), directory(), sources.CollectConfig{Queries: []string{"some", "none", "some"}})
	require.NoError(t, err)
	assert.Equal(t, &sources.Snapshot{
		Format: 1, Kind: "test", Connection: "test", Proven: all,
		Users:   []sources.User{{ID: "1"}, {ID: "2"}, {ID: "3"}},
		Groups:  []sources.Group{{ID: "g1", Members: []string{"1", "2"}}, {ID: "g2"}, {ID: "g3", Members: []string{"3"}}},
		Matches: map[string][]string{"some": {"1", "3"}, "none": {}},
	}, s)
}

// once is a source whose listings can each be started once, like a stream.
type once struct {
	fake
	sources.Matcher
	answers map[string][]string
	listed  bool
}

func (o *once) Info() sources.Info { return o.fake.Info() }
func (o *once) Users(context.Context) iter.Seq2[sources.User, error] {
	return then[sources.User](errors.New("not this way"))
}
func (o *once) Groups(ctx context.Context) iter.Seq2[sources.Group, error] { return o.fake.Groups(ctx) }
func (o *once) UsersAndMatches(_ context.Context, queries []string) (iter.Seq2[sources.User, error], func(string) iter.Seq2[string, error]) {
	users := func(yield func(sources.User, error) bool) {
		o.fake.users(yield)
		o.listed = true
	}
	return users, func(query string) iter.Seq2[string, error] {
		if !o.listed || !slices.Contains(queries, query) {
			return then[string](errors.New("not at hand"))
		}
		if o.answers[query] == nil {
			return then[string](&sources.Error{Kind: "test", Op: "match", Reason: sources.ErrBadQuery})
		}
		return yields(o.answers[query]...)
	}
}

// A BatchMatcher is read once, also through a wrapper that only observes.
func TestCollectInOneReading(t *testing.T) {
	src := &once{fake: listing(all, sources.User{ID: "1"}, sources.User{ID: "2"}), answers: map[string][]string{"a": {"2", "1"}, "b": {}}}
	s, err := sources.Collect(t.Context(), observed{src}, sources.CollectConfig{Queries: []string{"b", "a", "bad"}})
	require.ErrorIs(t, err, sources.ErrBadQuery)
	require.ErrorContains(t, err, `match "bad"`)
	assert.Equal(t, map[string][]string{"a": {"1", "2"}, "b": {}}, s.Matches)
	assert.Len(t, s.Users, 2)
	assert.Equal(t, all, s.Proven)
}

type observed struct{ sources.Source }

func (o observed) Unwrap() sources.Source { return o.Source }

// S45: a snapshot has the time at which it was taken, if the caller states it.
func TestTaken(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	s, err := sources.Collect(t.Context(), directory(), sources.CollectConfig{Taken: at})
	require.NoError(t, err)
	assert.Equal(t, at.UTC(), s.Taken)
	next, _, err := sources.Refresh(t.Context(), directory(), s, "", sources.CollectConfig{Taken: at.Add(time.Hour)})
	require.NoError(t, err)
	assert.Equal(t, at.UTC().Add(time.Hour), next.Taken)
	silent, _, err := sources.Refresh(t.Context(), directory(), s, "", sources.CollectConfig{})
	require.NoError(t, err)
	assert.Zero(t, silent.Taken, "the time of an older reading is not the time of this one")

	var text strings.Builder
	require.NoError(t, sources.WriteSnapshot(&text, s))
	assert.Contains(t, text.String(), `"connection":"test","taken":"2026-01-02T02:04:05.0000006Z","proven":`)
	again, err := sources.ReadSnapshot([]byte(text.String()))
	require.NoError(t, err)
	assert.Equal(t, s.Taken, again.Taken)
	var plain strings.Builder
	require.NoError(t, sources.WriteSnapshot(&plain, silent))
	assert.NotContains(t, plain.String(), "taken")

	for _, taken := range []string{`5`, `"yesterday"`, `"2026-01-02"`} {
		_, err := sources.ReadSnapshot([]byte(strings.Replace(text.String(), `"2026-01-02T02:04:05.0000006Z"`, taken, 1)))
		require.ErrorContains(t, err, "taken: ", taken)
	}
}

// S12: wherever a reading fails, each fact is proven on its own; what is proven is
// complete, and what is incomplete has an error.
func TestCollectProvesEachFactAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := sourcetest.DirectoryConfig{
			Lists:    sources.Facts(rapid.IntRange(1, 15).Draw(t, "lists")),
			PageSize: rapid.IntRange(1, 4).Draw(t, "page"),
			Matches:  map[string][]string{"a": {"u0", "u1"}, "b": nil},
		}
		for i := range rapid.IntRange(0, 9).Draw(t, "users") {
			cfg.Users = append(cfg.Users, sources.User{ID: fmt.Sprint("u", i)})
		}
		for i := range rapid.IntRange(0, 9).Draw(t, "groups") {
			cfg.Groups = append(cfg.Groups, sources.Group{ID: fmt.Sprint("g", i)})
		}
		d := sourcetest.NewDirectory(cfg)
		d.FailFrom(rapid.IntRange(0, 25).Draw(t, "fail"), rapid.SampledFrom([]error{
			sources.ErrUnauthorized, sources.ErrRateLimited, sources.ErrUnavailable, sources.ErrMalformed,
		}).Draw(t, "reason"))

		s, err := sources.Collect(context.Background(), d, sources.CollectConfig{Queries: []string{"a", "b"}})
		require.NotNil(t, s)
		assert.Equal(t, d.Failed() > 0, err != nil)
		assert.Zero(t, s.Proven&^cfg.Lists, "no more than Info.Lists says")
		if s.Proven&(sources.FactUsers|sources.FactManagers) != 0 {
			assert.Len(t, s.Users, len(cfg.Users))
		}
		if s.Proven&(sources.FactGroups|sources.FactMemberships) != 0 {
			assert.Len(t, s.Groups, len(cfg.Groups))
		}
		for query, ids := range s.Matches {
			assert.ElementsMatch(t, cfg.Matches[query], ids)
		}
		if err == nil {
			assert.Equal(t, cfg.Lists, s.Proven)
			assert.Len(t, s.Matches, 2)
		}
	})
}

// S12: after a failed listing of users, groups and queries are still proven.
func TestCollectGoesOnAfterAFailure(t *testing.T) {
	boom := errors.New("boom")
	src := fake{
		info:   sources.Info{Kind: "test", Connection: "c", Lists: all},
		users:  then(boom, sources.User{ID: "1"}),
		groups: yields(sources.Group{ID: "g"}),
	}
	s, err := sources.Collect(t.Context(), src, sources.CollectConfig{Queries: []string{"q"}})
	assert.Equal(t, sources.FactGroups|sources.FactMemberships, s.Proven)
	assert.Len(t, s.Users, 1)
	assert.Len(t, s.Groups, 1)
	assert.Nil(t, s.Matches)
	assert.ErrorIs(t, err, boom)
	assert.ErrorIs(t, err, sources.ErrUnsupported)
	assert.EqualError(t, err, "test: list users: boom\nmatch \"q\": test: match: not supported by this source")
}

func TestCollectStops(t *testing.T) {
	t.Run("credentials refused", func(t *testing.T) {
		d := directory()
		d.FailFrom(1, sources.ErrUnauthorized)
		s, err := sources.Collect(t.Context(), d, sources.CollectConfig{Queries: []string{"some"}})
		assert.ErrorIs(t, err, sources.ErrUnauthorized)
		assert.Equal(t, 1, d.Failed(), "no request after the refusal")
		assert.Zero(t, s.Proven)
		assert.Len(t, s.Users, 2)
	})
	t.Run("context cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := directory()
		s, err := sources.Collect(ctx, d, sources.CollectConfig{Queries: []string{"some"}})
		assert.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, d.Requests())
		assert.Zero(t, s.Proven)
	})
	t.Run("a source that hides its cancellation", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		src := listing(all)
		src.users = func(yield func(sources.User, error) bool) { cancel() }
		s, err := sources.Collect(ctx, src, sources.CollectConfig{})
		assert.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, s.Proven)
	})
}

func TestCollectRefusesEntriesWithoutAnID(t *testing.T) {
	s, err := sources.Collect(t.Context(), listing(all, sources.User{ID: "1"}, sources.User{Email: "x"}, sources.User{ID: "3"}), sources.CollectConfig{})
	assert.ErrorIs(t, err, sources.ErrMalformed)
	assert.EqualError(t, err, "test: list users: malformed answer: user 1 has no ID")
	assert.False(t, s.Proven.Has(sources.FactUsers))
	assert.True(t, s.Proven.Has(sources.FactGroups))
	assert.Equal(t, []sources.User{{ID: "1"}, {ID: "3"}}, s.Users, "the others can still be created and updated")

	src := listing(all)
	src.groups = yields(sources.Group{Name: "x"})
	s, err = sources.Collect(t.Context(), src, sources.CollectConfig{})
	assert.EqualError(t, err, "test: list groups: malformed answer: group 0 has no ID")
	assert.Equal(t, sources.FactUsers|sources.FactManagers, s.Proven)

	src.groups = yields(sources.Group{}, sources.Group{ID: "g"}, sources.Group{})
	_, err = sources.Collect(t.Context(), src, sources.CollectConfig{})
	assert.EqualError(t, err, "test: list groups: malformed answer: group 0 has no ID", "the first one is enough")

	d := directory()
	d.SetMatches("some", "1", "")
	s, err = sources.Collect(t.Context(), d, sources.CollectConfig{Queries: []string{"some"}})
	assert.EqualError(t, err, "test: match \"some\": malformed answer: answer 1 is an empty ID")
	assert.Empty(t, s.Matches)
}

// Both users stay; the resolver decides (S5).
func TestCollectKeepsDuplicates(t *testing.T) {
	s, err := sources.Collect(t.Context(), listing(all, sources.User{ID: "1", Email: "a"}, sources.User{ID: "1", Email: "b"}), sources.CollectConfig{})
	require.NoError(t, err)
	assert.Len(t, s.Users, 2)
}

func TestCollectIsBounded(t *testing.T) {
	endless := listing(all)
	endless.users = func(yield func(sources.User, error) bool) {
		for i := 0; yield(sources.User{ID: fmt.Sprint(i)}, nil); i++ {
		}
	}
	s, err := sources.Collect(t.Context(), endless, sources.CollectConfig{MaxUsers: 10})
	assert.ErrorIs(t, err, sources.ErrTooLarge)
	assert.EqualError(t, err, "test: list users: answer too large: more than 10 users")
	assert.Len(t, s.Users, 10)
	assert.False(t, s.Proven.Has(sources.FactUsers))

	_, err = sources.Collect(t.Context(), directory(), sources.CollectConfig{MaxUsers: 3, MaxGroups: 3, MaxMemberships: 3})
	assert.NoError(t, err, "a limit that is met exactly")

	s, err = sources.Collect(t.Context(), directory(), sources.CollectConfig{MaxGroups: 2})
	assert.ErrorContains(t, err, "more than 2 groups")
	assert.Equal(t, sources.FactUsers|sources.FactManagers, s.Proven)

	_, err = sources.Collect(t.Context(), directory(), sources.CollectConfig{MaxMemberships: 2})
	assert.ErrorContains(t, err, "more than 2 memberships")

	d := directory()
	d.SetMatches("some", "1", "2", "3", "4")
	s, err = sources.Collect(t.Context(), d, sources.CollectConfig{MaxUsers: 3, Queries: []string{"some"}})
	assert.ErrorContains(t, err, "more than 3 answers")
	assert.Empty(t, s.Matches)
}

func TestCollectValidatesItsConfig(t *testing.T) {
	for want, cfg := range map[string]sources.CollectConfig{
		"sources: CollectConfig.MaxUsers is -1: want 0 for the default, or a limit":       {MaxUsers: -1},
		"sources: CollectConfig.MaxGroups is -2: want 0 for the default, or a limit":      {MaxGroups: -2},
		"sources: CollectConfig.MaxMemberships is -3: want 0 for the default, or a limit": {MaxMemberships: -3},
		"sources: CollectConfig.Queries holds an empty query":                             {Queries: []string{"q", ""}},
	} {
		d := directory()
		s, err := sources.Collect(t.Context(), d, cfg)
		assert.EqualError(t, err, want)
		assert.Zero(t, s.Proven)
		_, _, err = sources.Refresh(t.Context(), d, nil, "", cfg)
		assert.EqualError(t, err, want)
		assert.Zero(t, d.Requests())
	}
	s, err := sources.Collect(t.Context(), nil, sources.CollectConfig{})
	assert.EqualError(t, err, "sources: the source is nil")
	assert.Zero(t, s.Proven)
}

func TestCollectReportsProgress(t *testing.T) {
	users := make([]sources.User, 2500)
	for i := range users {
		users[i].ID = fmt.Sprint(i)
	}
	src := listing(all, users...)
	src.groups = yields(sources.Group{ID: "g", Members: []string{"1", "2"}})
	var told []sources.Progress
	_, err := sources.Collect(t.Context(), src, sources.CollectConfig{Progress: func(p sources.Progress) { told = append(told, p) }})
	require.NoError(t, err)
	assert.Equal(t, []sources.Progress{
		{Op: "list users", Users: 1000},
		{Op: "list users", Users: 2000},
		{Op: "list users", Users: 2500},
		{Op: "list groups", Users: 2500, Groups: 1, Memberships: 2},
	}, told)
}
