// Package scimtest holds the suites for SCIM: one for anybody's scim.Store and
// one for a SCIM server anywhere.
//
//	func TestStore(t *testing.T) {
//		scimtest.TestStore(t, scimtest.Harness{
//			New: func(t testing.TB) scim.Store { return newStore(t) },
//			Unsupported: map[string]string{
//				"durable": "the store is a cache",
//			},
//		})
//	}
//
//	func TestServer(t *testing.T) {
//		scimtest.TestServer(t, scimtest.Target{
//			BaseURL: "https://staging.example.com/scim/v2", Token: token, OtherToken: other,
//		})
//	}
//
// [Load] works a server from many clients at once and keeps a [Ledger] of what
// it acknowledged, to be compared with what it has afterwards: also after the
// process was killed.
package scimtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/usher-go/usher/scim"
)

// A Harness says how to get at one kind of store. New is required.
type Harness struct {
	// New returns a store over an empty database, another one on each call.
	New func(t testing.TB) scim.Store
	// Reopen returns a store over the database of one that New returned, as a
	// process finds it that starts after that one has died.
	Reopen func(t testing.TB, store scim.Store) scim.Store
	// Unsupported gives for each check that the store cannot meet the reason.
	// Core checks, which are the contract of scim.Store, cannot be left out.
	Unsupported map[string]string
}

// A check is one rule of the contract. It returns an error instead of failing
// a test, so that the suite's own tests can see it fail.
type check struct {
	name  string
	rule  string
	core  bool
	shown func(Harness) bool // whether the harness has what the check needs
	run   func(*bench) error
}

func checks() []check {
	return slices.Concat(recordChecks(), listChecks(), memberChecks(), changeChecks(), concurrentChecks(), []check{
		{name: "durable", run: (*bench).durable, shown: func(h Harness) bool { return h.Reopen != nil },
			rule: "when Apply returns nil, the write is there for the next process"},
	})
}

// TestStore runs the suite, one subtest for each check, each on a store of its
// own. All checks are core but "durable".
func TestStore(t *testing.T, h Harness) {
	for _, problem := range h.problems() {
		t.Error(problem)
	}
	if t.Failed() {
		return
	}
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			if reason, ok := h.Unsupported[c.name]; ok {
				t.Skip("unsupported: " + reason)
			}
			if err := c.try(t, h); err != nil {
				t.Errorf("%v\nThe rule: %s", err, c.rule)
			}
		})
	}
}

// problems tells what is wrong with the harness itself.
func (h Harness) problems() []string {
	if h.New == nil {
		return []string{"Harness.New is nil: want a function that returns an empty store"}
	}
	var found []string
	left := maps.Clone(h.Unsupported)
	for _, c := range checks() {
		reason, excused := left[c.name]
		delete(left, c.name)
		switch {
		case excused && c.core:
			found = append(found, fmt.Sprintf("Harness.Unsupported[%q]: this check is of the core and cannot be left out: %s", c.name, c.rule))
		case excused && reason == "":
			found = append(found, fmt.Sprintf("Harness.Unsupported[%q]: want the reason", c.name))
		case !excused && !c.core && !c.shown(h):
			found = append(found, fmt.Sprintf("Harness has nothing for the check %q (%s): give it, or the reason in Unsupported", c.name, c.rule))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		found = append(found, fmt.Sprintf("Harness.Unsupported[%q]: there is no check of that name", name))
	}
	return found
}

// checkTimeout is how long a check waits for a store that does not answer.
const checkTimeout = 5 * time.Minute

func (c check) try(tb testing.TB, h Harness) error {
	ctx, cancel := context.WithTimeout(tb.Context(), checkTimeout)
	defer cancel()
	return c.run(&bench{Harness: h, tb: tb, ctx: ctx, Store: h.New(tb), dir: scim.Directory{Tenant: "acme", Connection: "okta-1"}})
}
