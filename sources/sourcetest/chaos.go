package sourcetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/usher-go/usher/sources"
)

// chaosChecks returns a check for each thing that can go wrong between source and
// provider.
func (h HTTPHarness) chaosChecks() []subtest {
	const (
		truth = "a listing that meets this at any request tells the truth or returns an error"
		once  = "a request that fails for once is repeated, and the listing tells the truth"
		same  = "this changes nothing"
	)
	var checks []subtest
	for _, c := range []struct {
		name string
		rule string
		want verdict
		ever bool // also run with every request from some point on
	}{
		{"cut body", once, mustBeTrue, true},
		{"429", once, mustBeTrue, true},
		{"bare 429", once, mustBeTrue, true},
		{"500", once, mustBeTrue, true},
		{"502", once, mustBeTrue, true},
		{"503", once, mustBeTrue, true},
		{"lost connection", once, mustBeTrue, true},
		{"slow bytes", truth, mayFail, true},
		{"empty answer", truth, mayFail, true},
		{"no content", truth, mayFail, true},
		{"another shape", truth, mayFail, true},
		{"null", truth, mayFail, true},
		{"login page", truth, mayFail, true},
		{"redirect", truth, mayFail, true},
		{"401", truth, mayFail, true},
		{"repeated answer", truth, mayFail, true},
		{"repeated link", truth, mayFail, true},
		{"foreign link", truth, mayFail, true},
		{"merged links", same, mustBeTrue, false},
	} {
		checks = append(checks, subtest{name: c.name, rule: c.rule, run: func(t *testing.T) error {
			err := h.each(t, c.want, func(w *world, at int) { w.wire.from, w.wire.to, w.wire.harm = at, at+1, harms[c.name] })
			if err == nil && c.ever {
				err = h.each(t, mayFail, func(w *world, at int) { w.wire.from, w.wire.to, w.wire.harm = at, forever, harms[c.name] })
			}
			return err
		}})
	}
	return append(checks,
		subtest{name: "tokens revoked", rule: truth, run: func(t *testing.T) error {
			return h.each(t, mayFail, func(w *world, at int) {
				if provider, ok := w.provider.(interface{ RevokeTokens() }); ok {
					w.before(at, provider.RevokeTokens)
				}
			})
		}},
		subtest{name: "slow provider", rule: "tokens that end in the middle of a listing are renewed", run: func(t *testing.T) error {
			return h.each(t, mustBeTrue, func(w *world, _ int) {
				w.wire.before = func(int, *http.Request) { time.Sleep(45 * time.Second) }
			})
		}},
		subtest{name: "clock ahead", rule: same, run: func(t *testing.T) error { return h.skewed(t, 25*time.Hour) }},
		subtest{name: "clock behind", rule: same, run: func(t *testing.T) error { return h.skewed(t, -25*time.Hour) }},
		subtest{name: "drift", rule: "who is in the directory before and after a change in the middle of a listing is listed", run: h.drift},
		subtest{name: "history", ability: can[sources.DeltaSource], run: h.history,
			rule: "a round of changes folded into what was known gives what a full reading gives, whatever happened"},
	)
}

// A verdict says how a listing may end.
type verdict bool

const (
	mayFail    verdict = false
	mustBeTrue verdict = true
)

// before calls do before one request.
func (w *world) before(at int, do func()) {
	w.wire.before = func(n int, _ *http.Request) {
		if n == at {
			do()
		}
	}
}

// A reading is one way to read a complete directory.
type reading struct {
	name string
	read func(context.Context, sources.Source) (*sources.Snapshot, error)
}

// readings returns the ways in which src can be read.
func readings(src sources.Source) []reading {
	all := []reading{
		{"Users", func(ctx context.Context, src sources.Source) (*sources.Snapshot, error) {
			l := list(src.Users(ctx))
			return &sources.Snapshot{Users: l.values, Proven: sources.FactUsers}, errors.Join(l.err, l.breach)
		}},
		{"Groups", func(ctx context.Context, src sources.Source) (*sources.Snapshot, error) {
			l := list(src.Groups(ctx))
			return &sources.Snapshot{Groups: l.values, Proven: sources.FactGroups}, errors.Join(l.err, l.breach)
		}},
	}
	if can[sources.DeltaSource](src) {
		all = append(all, reading{"Changes", func(ctx context.Context, src sources.Source) (*sources.Snapshot, error) {
			s, _, err := sources.Refresh(ctx, src, nil, "", sources.CollectConfig{})
			return s, err
		}})
	}
	return all
}

// each reads the directory in every way, once for each request of an undisturbed
// reading, and lets spoil disturb that request.
func (h HTTPHarness) each(t *testing.T, want verdict, spoil func(w *world, at int)) error {
	return h.eachAt(t, time.Now, want, spoil)
}

func (h HTTPHarness) eachAt(t *testing.T, clock func() time.Time, want verdict, spoil func(w *world, at int)) error {
	for _, r := range readings(h.New(t, address, h.world().wire)) {
		whole := h.world()
		if _, err := r.read(t.Context(), h.New(t, address, whole.wire)); err != nil {
			return fmt.Errorf("%s, with nothing wrong: %w", r.name, err)
		}
		for at := range whole.wire.requests {
			w := h.worldAt(clock)
			spoil(w, at)
			got, err := r.read(t.Context(), h.New(t, address, w.wire))
			if err := cmp.Or(w.wire.left(), h.judge(got, err, want)); err != nil {
				return fmt.Errorf("%s, at request %d: %w", r.name, at, err)
			}
		}
	}
	return nil
}

// judge compares what was read with the directory.
func (h HTTPHarness) judge(got *sources.Snapshot, err error, want verdict) error {
	if err != nil {
		if want == mustBeTrue {
			return fmt.Errorf("want no error, got: %w", err)
		}
		return run{Harness: Harness{Secrets: h.Secrets}}.judgeForm(err)
	}
	var wrong []error
	if got.Proven.Has(sources.FactUsers) {
		wrong = append(wrong, sameUsers(got.Users, h.Users))
	}
	if got.Proven.Has(sources.FactGroups) {
		wrong = append(wrong, sameGroups(got.Groups, h.Groups))
	}
	return errors.Join(wrong...)
}

// skewed reads a provider whose clock differs from ours.
func (h HTTPHarness) skewed(t *testing.T, by time.Duration) error {
	return h.eachAt(t, func() time.Time { return time.Now().Add(by) }, mustBeTrue, func(*world, int) {})
}

// drift changes the directory before each request of each reading.
func (h HTTPHarness) drift(t *testing.T) error {
	type change struct {
		name string
		make func(*world)
	}
	changes := []change{
		{"somebody is added", func(w *world) {
			u := h.Users[0].Clone()
			u.ID = nextID(h.Users)
			w.directory.PutUsers(u)
		}},
		{"everything at once", func(w *world) { h.change(w.directory) }},
	}
	for _, u := range h.Users {
		changes = append(changes, change{"user " + u.ID + " is removed", func(w *world) { w.directory.RemoveUsers(u.ID) }})
		changes = append(changes, change{"user " + u.ID + " is removed and somebody added", func(w *world) {
			added := u.Clone()
			added.ID = nextID(h.Users)
			w.directory.PutUsers(added)
			w.directory.RemoveUsers(u.ID)
		}})
	}
	if from, to, user := h.mover(); user != "" {
		changes = append(changes, change{"user " + user + " moves from group " + from.ID + " to " + to.ID, func(w *world) {
			from, to := from, to
			from.Members = slices.DeleteFunc(slices.Clone(from.Members), func(id string) bool { return id == user })
			to.Members = append(slices.Clone(to.Members), user)
			w.directory.PutGroups(from, to)
		}})
	}
	for _, g := range h.Groups {
		changes = append(changes, change{"group " + g.ID + " is removed", func(w *world) { w.directory.RemoveGroups(g.ID) }})
		changes = append(changes, change{"group " + g.ID + " is emptied", func(w *world) {
			w.directory.PutGroups(sources.Group{ID: g.ID, Name: g.Name})
		}})
	}
	for _, c := range changes {
		for _, r := range readings(h.New(t, address, h.world().wire)) {
			for at := 0; ; at++ {
				w := h.world()
				happened := false
				w.before(at, func() {
					time.Sleep(2 * time.Second) // so that later changes are seen as later
					c.make(w)
					happened = true
				})
				got, err := r.read(t.Context(), h.New(t, address, w.wire))
				if !happened {
					break
				}
				if err == nil {
					err = between(got, h.Users, w.directory.Users(), h.Groups, w.directory.Groups())
				} else {
					err = run{Harness: Harness{Secrets: h.Secrets}}.judgeForm(err)
				}
				if err != nil {
					return fmt.Errorf("%s, %s before request %d: %w", r.name, c.name, at, err)
				}
			}
		}
	}
	return nil
}

// mover returns two groups and a user who is in the first only, or "".
func (h HTTPHarness) mover() (from, to sources.Group, user string) {
	for _, from := range h.Groups {
		for _, to := range h.Groups {
			for _, user := range from.Members {
				if !slices.Contains(to.Members, user) {
					return from, to, user
				}
			}
		}
	}
	return from, to, ""
}

// between returns what in a reading was true neither before nor after a change.
func between(got *sources.Snapshot, usersBefore, usersAfter []sources.User, groupsBefore, groupsAfter []sources.Group) error {
	var found []error
	say := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if got.Proven.Has(sources.FactUsers) {
		userID := func(u sources.User) string { return u.ID }
		compare(say, "user", userID, got.Users, usersBefore, usersAfter, func(got sources.User, states []sources.User) bool {
			return slices.ContainsFunc(states, func(u sources.User) bool { return text(u) == text(got) })
		})
	}
	if got.Proven.Has(sources.FactGroups) {
		groupID := func(g sources.Group) string { return g.ID }
		compare(say, "group", groupID, got.Groups, groupsBefore, groupsAfter, func(got sources.Group, states []sources.Group) bool {
			for _, member := range got.Members { // no member who never was one
				if !slices.ContainsFunc(states, func(g sources.Group) bool { return slices.Contains(g.Members, member) }) {
					return false
				}
			}
			for _, member := range states[0].Members { // every member who always was one
				always := !slices.ContainsFunc(states, func(g sources.Group) bool { return !slices.Contains(g.Members, member) })
				if always && !slices.Contains(got.Members, member) {
					return false
				}
			}
			return true
		})
	}
	return errors.Join(found...)
}

// compare returns what was listed twice, what was listed in a state that it never
// had, and what existed all the time and was not listed.
func compare[T any](say func(string, ...any), what string, id func(T) string, got, before, after []T, may func(got T, states []T) bool) {
	states := make(map[string][]T)
	for _, value := range slices.Concat(before, after) {
		states[id(value)] = append(states[id(value)], value)
	}
	listed := make(map[string]bool)
	for _, value := range got {
		switch {
		case listed[id(value)]:
			say("%s %q is listed twice", what, id(value))
		case states[id(value)] == nil:
			say("%s %q is listed and never was in the directory", what, id(value))
		case !may(value, states[id(value)]):
			say("%s %q is listed as it never was: %s", what, id(value), text(value))
		}
		listed[id(value)] = true
	}
	for key, states := range states {
		if len(states) == 2 && !listed[key] {
			say("%s %q was in the directory all the time and is not listed", what, key)
		}
	}
}
