// Package scimtest has the test suites for SCIM: one for any scim.Store and one
// for any SCIM server.
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
// [Load] sends requests to a server from many clients at the same time and
// records in a [Ledger] what the server acknowledged. [Ledger.Verify] compares
// this with the server's later state, also after its process was killed.
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

// A Harness makes one kind of store available. New is required.
type Harness struct {
	// New returns a store over a new empty database.
	New func(t testing.TB) scim.Store
	// Reopen returns a new store over the database of a store that New
	// returned, as a process does that starts after the first one was killed.
	Reopen func(t testing.TB, store scim.Store) scim.Store
	// Unsupported lists the checks that the store cannot pass, each with the
	// reason. Core checks, which are the contract of scim.Store, cannot be
	// excluded.
	Unsupported map[string]string
}

// A check is one rule of the contract. It returns an error instead of failing a
// test, so that the suite's own tests can check that it fails.
type check struct {
	name  string
	rule  string
	core  bool
	shown func(Harness) bool // reports whether the harness has everything that the check needs
	run   func(*bench) error
}

func checks() []check {
	return slices.Concat(recordChecks(), listChecks(), memberChecks(), changeChecks(), concurrentChecks(), []check{
		{name: "durable", run: (*bench).durable, shown: func(h Harness) bool { return h.Reopen != nil },
			rule: "when Apply returns nil, the write is there for the next process"},
	})
}

// TestStore runs the suite. Each check is a subtest with its own store. All
// checks except "durable" are core.
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

// problems returns the errors in the harness itself.
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

// checkTimeout is the time after which a check of a store that does not answer
// fails.
const checkTimeout = 5 * time.Minute

func (c check) try(tb testing.TB, h Harness) error {
	ctx, cancel := context.WithTimeout(tb.Context(), checkTimeout)
	defer cancel()
	return c.run(&bench{Harness: h, tb: tb, ctx: ctx, Store: h.New(tb), dir: scim.Directory{Tenant: "acme", Connection: "okta-1"}})
}
