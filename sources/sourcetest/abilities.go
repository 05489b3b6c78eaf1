package sourcetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/usher-go/usher/sources"
)

// abilityChecks are the rules of the optional interfaces. They apply if the source
// has the ability.
func abilityChecks() []check {
	return []check{
		{name: "match", ability: can[sources.Matcher], run: run.match,
			shown: func(h Harness) bool { return len(h.Matches) > 0 },
			rule:  "a query yields the ID of every user it selects, and no other"},
		{name: "bad query", ability: can[sources.Matcher], run: run.badQuery,
			shown: func(h Harness) bool { return h.BadQuery != "" },
			rule:  "a query that is refused yields an error that matches ErrBadQuery"},
		{name: "batch match", ability: can[sources.BatchMatcher], run: run.batchMatch,
			shown: func(h Harness) bool { return len(h.Matches) > 0 && h.BadQuery != "" },
			rule:  "users and answers to queries that are listed together are those that are listed one by one"},
		{name: "read one", ability: can[sources.OneReader], run: run.readOne,
			shown: func(h Harness) bool { return h.MissingID != "" },
			rule:  "one user is read as the listings have it: the user, the groups and the queries, and nothing else is claimed to be proven; that there is no such user is an answer"},
		{name: "check", ability: can[sources.Checker], run: run.check,
			shown: func(Harness) bool { return true },
			rule:  "Check finds nothing wrong with a connection that works"},
		{name: "delta", ability: can[sources.DeltaSource], run: run.delta,
			shown: func(h Harness) bool { return h.Mutable != nil },
			rule:  "a round of changes ends with a cursor, and folded into the listing before it gives the listing after it"},
		{name: "expired cursor", ability: can[sources.DeltaSource], run: run.expiredCursor,
			shown: func(h Harness) bool { return h.ExpiredCursor != "" },
			rule:  "a cursor that has expired yields an error that matches ErrCursorExpired, and no change"},
	}
}

func can[T any](src sources.Source) bool {
	_, ok := sources.As[T](src)
	return ok
}

func (r run) match() error {
	src := r.New(r.tb)
	for _, query := range sortedKeys(r.Matches) {
		ids, err := list(sources.Match(r.tb.Context(), src, query)).good("Match " + query)
		if err != nil {
			return err
		}
		slices.Sort(ids)
		want := slices.Sorted(slices.Values(r.Matches[query]))
		if !slices.Equal(slices.Compact(ids), want) {
			return fmt.Errorf("Match %s: got %q, want %q", query, ids, want)
		}
	}
	return nil
}

func (r run) badQuery() error {
	got := list(sources.Match(r.tb.Context(), r.New(r.tb), r.BadQuery))
	if got.breach != nil {
		return got.breach
	}
	return r.judge(got.err, sources.ErrBadQuery)
}

func (r run) batchMatch() error {
	ctx := r.tb.Context()
	batch, _ := sources.As[sources.BatchMatcher](r.New(r.tb))
	users, match := batch.UsersAndMatches(ctx, append(sortedKeys(r.Matches), r.BadQuery))
	answers := func(when string) error {
		for _, query := range sortedKeys(r.Matches) {
			ids, err := list(match(query)).good(when + ": the answer to " + query)
			if err != nil {
				return err
			}
			slices.Sort(ids)
			if want := slices.Sorted(slices.Values(r.Matches[query])); !slices.Equal(slices.Compact(ids), want) {
				return fmt.Errorf("%s: the answer to %s: got %q, want %q", when, query, ids, want)
			}
		}
		got := list(match(r.BadQuery))
		if got.breach != nil {
			return got.breach
		}
		return r.judge(got.err, sources.ErrBadQuery)
	}
	if err := answers("before the listing"); err != nil {
		return err
	}
	if err := errors.Join(breakAfter(users, 1), answers("after a listing that was broken off")); err != nil {
		return err
	}
	for range 2 {
		listed, err := list(users).good("UsersAndMatches")
		if err != nil {
			return err
		}
		if err := errors.Join(sameUsers(listed, r.Users), answers("after the listing")); err != nil {
			return err
		}
	}
	return nil
}

// readOne reads every user directly, and completed by listings. The direct read may
// leave things out but must claim nothing wrong.
func (r run) readOne() error {
	ctx, src := r.tb.Context(), r.New(r.tb)
	reader, _ := sources.As[sources.OneReader](src)
	queries := sortedKeys(r.Matches)
	for _, want := range r.Users {
		direct, err := reader.One(ctx, want.ID, queries...)
		if err != nil {
			return fmt.Errorf("reading %q: want no error, got: %w", want.ID, err)
		}
		if err := r.judgeOne(direct, want); err != nil {
			return fmt.Errorf("reading %q directly: %w", want.ID, err)
		}
		whole, err := sources.ReadOne(ctx, src, want.ID, queries...)
		if err != nil {
			return fmt.Errorf("reading %q with ReadOne: want no error, got: %w", want.ID, err)
		}
		if err := r.judgeOne(whole, want); err != nil {
			return fmt.Errorf("reading %q with ReadOne: %w", want.ID, err)
		}
		if missing := src.Info().Lists &^ sources.FactGroups &^ whole.Proven; missing != 0 || len(whole.Matches) != len(queries) {
			return fmt.Errorf("reading %q with ReadOne: %s not proven and %d of %d queries answered, though listings prove and answer them",
				want.ID, missing, len(whole.Matches), len(queries))
		}
	}
	got, err := sources.ReadOne(ctx, src, r.MissingID, queries...)
	switch {
	case err != nil:
		return fmt.Errorf("reading a user that is missing: want an answer and no error, got: %w", err)
	case got.Found || !reflect.ValueOf(got.User).IsZero() || got.Groups != nil || got.Matches != nil:
		return fmt.Errorf("reading a user that is missing: want Found false and nothing else, got %+v", got)
	case got.Proven&^sources.FactUsers != 0:
		return fmt.Errorf("reading a user that is missing: it claims to prove %s, want users at most", got.Proven)
	case got.Proven != src.Info().Lists&sources.FactUsers:
		return fmt.Errorf("reading a user that is missing: it proves %s, want what a listing proves of users", got.Proven)
	}
	return nil
}

// judgeOne returns what in got contradicts the listings.
func (r run) judgeOne(got sources.One, want sources.User) error {
	if !got.Found {
		return errors.New("the field Found is false")
	}
	if err := sameUsers([]sources.User{got.User}, []sources.User{want}); err != nil {
		return err
	}
	var in []sources.Group
	for _, g := range r.Groups {
		if slices.Contains(g.Members, want.ID) {
			in = append(in, sources.Group{ID: g.ID, Name: g.Name})
		}
	}
	if !got.Proven.Has(sources.FactMemberships) { // not proven: groups may be missing
		in = slices.DeleteFunc(in, func(g sources.Group) bool {
			return !slices.ContainsFunc(got.Groups, func(have sources.Group) bool { return have.ID == g.ID })
		})
	}
	if err := sameGroups(got.Groups, in); err != nil {
		return err
	}
	if got.Proven.Has(sources.FactGroups) {
		return errors.New("it claims to prove groups, which one user cannot")
	}
	for query, selected := range got.Matches {
		ids, asked := r.Matches[query]
		if !asked || selected != slices.Contains(ids, want.ID) {
			return fmt.Errorf("its Matches[%q] is %t, want %t", query, selected, !selected)
		}
	}
	return nil
}

func (r run) check() error {
	if err := sources.Check(r.tb.Context(), r.New(r.tb)); err != nil {
		return fmt.Errorf("want no error, got: %w", err)
	}
	return nil
}

func (r run) expiredCursor() error {
	delta, _ := sources.As[sources.DeltaSource](r.New(r.tb))
	got := list(delta.Changes(r.tb.Context(), r.ExpiredCursor))
	switch {
	case got.breach != nil:
		return got.breach
	case len(got.values) > 0:
		return fmt.Errorf("%d changes came instead of the error alone", len(got.values))
	}
	return r.judge(got.err, sources.ErrCursorExpired)
}

func (r run) delta() error {
	ctx := r.tb.Context()
	src, change := r.Mutable(r.tb)
	first, at, err := sources.Refresh(ctx, src, nil, "", sources.CollectConfig{})
	if err != nil {
		return fmt.Errorf("the round from the empty cursor: %w", err)
	}
	before, err := r.full(src)
	if err != nil {
		return err
	}
	if err := sameListing(first, before); err != nil {
		return fmt.Errorf("the round from the empty cursor: %w", err)
	}

	change()
	after, err := r.full(src)
	if err != nil {
		return err
	}
	if sameListing(before, after) == nil {
		return errors.New("Harness.Mutable: its function changes nothing")
	}
	// Twice: a caller that could not store the outcome starts again from its old
	// cursor.
	for round := range 2 {
		second, next, err := sources.Refresh(ctx, src, first, at, sources.CollectConfig{})
		if err != nil {
			return fmt.Errorf("the round after a change, time %d: %w", round+1, err)
		}
		if err := sameListing(second, after); err != nil {
			return fmt.Errorf("the round after a change, time %d: %w", round+1, err)
		}
		third, _, err := sources.Refresh(ctx, src, second, next, sources.CollectConfig{})
		if err != nil {
			return fmt.Errorf("the round in which nothing changed: %w", err)
		}
		if err := sameListing(third, after); err != nil {
			return fmt.Errorf("the round in which nothing changed: %w", err)
		}
	}
	return r.rounds(src, at)
}

// rounds checks the form of the changes themselves.
func (r run) rounds(src sources.Source, at sources.Cursor) error {
	delta, _ := sources.As[sources.DeltaSource](src)
	for _, from := range []sources.Cursor{"", at} {
		changes, err := list(delta.Changes(r.tb.Context(), from)).good("Changes")
		if err != nil {
			return err
		}
		for i, c := range changes {
			if last := i == len(changes)-1; last != (c.Next != "") {
				return fmt.Errorf("change %d of %d: want Next in the last change and in no other", i+1, len(changes))
			}
		}
		if len(changes) == 0 {
			return errors.New("the round has no change, want at least the one with Next")
		}
	}
	return nil
}

func (r run) full(src sources.Source) (*sources.Snapshot, error) {
	snapshot, err := sources.Collect(r.tb.Context(), src, sources.CollectConfig{})
	if err != nil {
		return nil, fmt.Errorf("the full listing: %w", err)
	}
	return snapshot, nil
}

// sameListing compares two snapshots. It ignores members who are not listed as
// users: a listing leaves them out at once, and a delta may report that later.
func sameListing(got, want *sources.Snapshot) error {
	return errors.Join(
		sameUsers(got.Users, want.Users),
		sameGroups(listedMembers(got), listedMembers(want)))
}

func listedMembers(s *sources.Snapshot) []sources.Group {
	listed := make(map[string]bool, len(s.Users))
	for i := range s.Users {
		listed[s.Users[i].ID] = true
	}
	groups := slices.Clone(s.Groups)
	for i, g := range groups {
		groups[i].Members = slices.DeleteFunc(slices.Clone(g.Members), func(id string) bool { return !listed[id] })
	}
	return groups
}
