// Package storetest is the conformance suite for implementations of
// provisioning.Store.
//
//	func TestStore(t *testing.T) {
//		storetest.Test(t, storetest.Harness{
//			New: func(t *testing.T) provisioning.Store { return newStore(t) },
//			Unsupported: map[string]string{
//				"Crash": "the fake keeps everything in memory",
//			},
//		})
//	}
//
// Every check is a subtest. If it fails, it says in words which rule the store
// broke. Harness.Unsupported names what a store cannot do, each with the reason;
// these checks are skipped visibly. A method that is missing by mistake, for
// instance because it has another signature, makes its check fail. The core checks
// are the contract of Store itself and cannot be skipped.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// A Harness gives the suite access to one kind of store. Only New is required.
type Harness struct {
	// New returns a store over an empty database. Each call returns a new one.
	New func(t *testing.T) provisioning.Store
	// Put writes a member as the host itself does, including Protected and Subject,
	// and gives it a new revision. A member whose Revision is "" does not exist yet.
	// Any other member is as Members yielded it, except for the changes.
	Put func(ctx context.Context, store provisioning.Store, tenant string, m provisioning.Member) error
	// Delete removes a member permanently, as the host itself does.
	Delete func(ctx context.Context, store provisioning.Store, tenant, memberID string) error
	// Crash returns an empty database whose writer can be stopped during its work.
	// Each call returns a new one.
	Crash func(t *testing.T) Crasher
	// Unsupported names the checks that the store cannot meet, each with the
	// reason. It must not name core checks.
	Unsupported map[string]string
}

// A Crasher is a database whose writer can be killed.
type Crasher interface {
	// Open opens the database as a starting process does, with everything that
	// earlier processes left behind.
	Open() (provisioning.Store, error)
	// Apply opens the database, applies the actions, and dies at the k-th write,
	// counted from 1. This write and everything after it do not reach the database,
	// not even a rollback. It returns false if the actions were done in fewer than k
	// writes. For an SQL store, the k-th write may be a statement that the driver
	// refuses before it closes its connection; a real crash kills the process.
	Apply(ctx context.Context, tenant string, actions []provisioning.Action, k int) (died bool, err error)
}

// A check is one rule of the contract.
type check struct {
	name string
	// core checks are the contract of Store and cannot be skipped.
	core bool
	// needs returns what the check needs and the harness or the store does not have,
	// or "".
	needs func(b *bench) string
	run   func(ctx context.Context, b *bench) error
}

// checks returns all checks. A simple rule comes before the rules that depend on it.
func checks() []check {
	return []check{
		{name: "RoundTrip", core: true, run: checkRoundTrip},
		{name: "OwnsValues", core: true, run: checkOwnsValues},
		{name: "Members", core: true, run: checkMembers},
		{name: "Tenants", core: true, run: checkTenants},
		{name: "Order", core: true, run: checkOrder},
		{name: "Sets", core: true, run: checkSets},
		{name: "Revisions", core: true, run: checkRevisions},
		{name: "Repeated", core: true, run: checkRepeated},
		{name: "Stale", core: true, run: checkStale},
		{name: "Conflict", core: true, run: checkConflict},
		{name: "NotShown", core: true, run: checkNotShown},
		{name: "Needs", core: true, run: checkNeeds},
		{name: "Groups", core: true, run: checkGroups},
		{name: "Swaps", core: true, run: checkSwaps},
		{name: "Cancelled", core: true, run: checkCancelled},
		{name: "Concurrent", core: true, run: checkConcurrent},
		{name: "Protected", needs: needsPut, run: checkProtected},
		{name: "Deleted", needs: needsDelete, run: checkDeleted},
		{name: "Outbox", needs: needs[provisioning.Outbox], run: checkOutbox},
		{name: "Plans", needs: needs[provisioning.PlanStore], run: checkPlans},
		{name: "Superseded", needs: needs[provisioning.PlanStore], run: checkSuperseded},
		{name: "Audit", needs: needs[provisioning.AuditLog], run: checkAudit},
		{name: "Find", needs: needs[provisioning.Finder], run: checkFind},
		{name: "Count", needs: needs[provisioning.Finder], run: checkCount},
		{name: "State", needs: needs[provisioning.StateStore], run: checkState},
		{name: "Window", needs: needs[provisioning.StateStore], run: checkWindow},
		{name: "Erase", needs: needs[provisioning.Eraser], run: checkErase},
		{name: "Forget", needs: needs[provisioning.Eraser], run: checkForget},
		{name: "Lock", needs: needs[provisioning.Locker], run: checkLock},
		{name: "Crash", needs: needsCrash, run: checkCrash},
	}
}

// Test runs every check against stores of the harness. It may run in parallel with
// other tests.
func Test(t *testing.T, h Harness) {
	t.Helper()
	for _, complaint := range h.complaints() {
		t.Error(complaint)
	}
	if h.New == nil {
		return
	}
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			if reason := h.Unsupported[c.name]; reason != "" && !c.core {
				t.Skip("unsupported: " + reason)
			}
			if err := c.try(t, &h); err != nil {
				t.Error(err)
			}
		})
	}
}

// complaints returns the mistakes in the harness itself.
func (h *Harness) complaints() []string {
	var all []string
	if h.New == nil {
		all = append(all, "Harness.New is nil; want a function that returns an empty store")
	}
	known := checks()
	for name, reason := range h.Unsupported {
		i := slices.IndexFunc(known, func(c check) bool { return c.name == name })
		switch {
		case i < 0:
			all = append(all, fmt.Sprintf("Harness.Unsupported names %q, which is not a check", name))
		case known[i].core:
			all = append(all, fmt.Sprintf("Harness.Unsupported names %q, which is the contract of every Store and is not skipped", name))
		case reason == "":
			all = append(all, fmt.Sprintf("Harness.Unsupported gives no reason for %q", name))
		}
	}
	slices.Sort(all)
	return all
}

// checkTimeout is how long a check waits for a store that does not answer.
const checkTimeout = 5 * time.Minute

// try runs one check on a new store.
func (c *check) try(t *testing.T, h *Harness) error {
	ctx, cancel := context.WithTimeout(t.Context(), checkTimeout)
	defer cancel()
	b := &bench{t: t, h: h, store: h.New(t)}
	if c.needs != nil {
		if missing := c.needs(b); missing != "" {
			return fmt.Errorf("%s; if that is meant, name %q in Harness.Unsupported with the reason", missing, c.name)
		}
	}
	return c.run(ctx, b)
}

func needs[T any](b *bench) string {
	if _, ok := b.store.(T); ok {
		return ""
	}
	return fmt.Sprintf("a %T does not implement %T", b.store, (*T)(nil))
}

func needsPut(b *bench) string {
	if b.h.Put == nil {
		return "Harness.Put is nil"
	}
	return ""
}

func needsDelete(b *bench) string {
	if b.h.Delete == nil {
		return "Harness.Delete is nil"
	}
	return ""
}

func needsCrash(b *bench) string {
	if b.h.Crash == nil {
		return "Harness.Crash is nil"
	}
	return ""
}
