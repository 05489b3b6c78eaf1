package storetest

import (
	"context"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// checkGroups: of the actions with the same With, all are done or none.
func checkGroups(ctx context.Context, b *bench) error {
	members, err := b.hired(ctx, "ana", "bob", "cyd", "dan")
	if err != nil {
		return err
	}
	ana, bob, cyd, dan := members[0], members[1], members[2], members[3]
	outdated := update(cyd, titled("x"))
	outdated.Revision = "outdated"
	eve, fay, gil := person("eve"), person("fay"), person("gil")
	eve.Email, gil.Email = bob.Email, fay.Email

	actions := together("stale", create(person("hal")), update(ana, titled("x")), update(bob, mailed("free")), outdated)
	actions = append(actions, together("conflict", update(ana, titled("y")), create(eve))...)
	actions = append(actions, together("twins", create(fay), create(gil))...)
	actions = append(actions, update(dan, titled("VP")))
	want := []outcome{stale, stale, stale, stale, conflict, conflict, conflict, conflict, done}
	if err := b.apply(ctx, tenant, actions, want...); err != nil {
		return fmt.Errorf("one refused action refuses its whole group, for its reason, and no other: %w", err)
	}
	planned := dan
	planned.Title = "VP"
	if err := b.expect(ctx, tenant, ana, bob, cyd, planned); err != nil {
		return fmt.Errorf("a group that was refused changed the team, want all or none: %w", err)
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	delete(team, dan.ID)
	if !sameRevisions(team, map[string]provisioning.Member{ana.ID: ana, bob.ID: bob, cyd.ID: cyd}) {
		return fmt.Errorf("a group that was refused gave members another revision")
	}
	if err := b.left(ctx, 4, 5, "a refused group leaves nothing"); err != nil {
		return err
	}
	mended := together("stale", create(person("hal")), update(ana, titled("x")), update(bob, mailed("free")), update(cyd, titled("x")))
	if err := b.apply(ctx, tenant, mended, done); err != nil {
		return fmt.Errorf("the keys of a refused group are still free: %w", err)
	}
	if err := b.apply(ctx, tenant, mended, repeated); err != nil {
		return fmt.Errorf("a group that was done is not done again: %w", err)
	}
	return nil
}

// checkSwaps: inside a group only the final state counts, so addresses and
// identities may change owners in any direction (S2).
func checkSwaps(ctx context.Context, b *bench) error {
	identify := func(name string) func(m *provisioning.Member) {
		return func(m *provisioning.Member) { m.ExternalID = "ext-" + name }
	}
	leave := func(m *provisioning.Member) { m.Email, m.Managed = "gone@acme.example", false }
	// Each swap gives people the addresses or identities of others.
	swaps := []struct {
		name  string
		edits []func(m *provisioning.Member) // of ana, bob, cyd
	}{
		{"two swap addresses", []func(*provisioning.Member){mailed("bob"), mailed("ana")}},
		{"three pass addresses round", []func(*provisioning.Member){mailed("bob"), mailed("cyd"), mailed("ana")}},
		{"a chain, the taker first", []func(*provisioning.Member){mailed("bob"), mailed("cyd"), mailed("new")}},
		{"a chain, the giver first", []func(*provisioning.Member){mailed("new"), mailed("ana"), mailed("bob")}},
		{"two swap identities", []func(*provisioning.Member){identify("bob"), identify("ana")}},
		{"one leaves, another takes address and identity", []func(*provisioning.Member){
			func(m *provisioning.Member) { mailed("bob")(m); identify("bob")(m) }, leave,
		}},
	}
	for _, s := range swaps {
		b.store = b.h.New(b.t)
		members, err := b.hired(ctx, "ana", "bob", "cyd")
		if err != nil {
			return err
		}
		var group []provisioning.Action
		for i, edit := range s.edits {
			group = append(group, update(members[i], edit))
			edit(&members[i])
		}
		if err := b.apply(ctx, tenant, together("swap", group...), done); err != nil {
			return fmt.Errorf("%s in one group, which is no conflict at its end: %w", s.name, err)
		}
		if err := b.expect(ctx, tenant, members...); err != nil {
			return fmt.Errorf("%s in one group: %w", s.name, err)
		}
	}
	return b.createInPlace(ctx)
}

// createInPlace: a group may create a member with an address that another member of
// the group gives up, in any order of the two actions.
func (b *bench) createInPlace(ctx context.Context) error {
	for _, createFirst := range []bool{true, false} {
		b.store = b.h.New(b.t)
		members, err := b.hired(ctx, "ana")
		if err != nil {
			return err
		}
		hire, leave := person("bob"), update(members[0], mailed("gone"))
		hire.Email = members[0].Email
		group := together("succession", leave, create(hire))
		if createFirst {
			group[0], group[1] = group[1], group[0]
		}
		if err := b.apply(ctx, tenant, group, done); err != nil {
			return fmt.Errorf("an address given up and given to somebody new in one group: %w", err)
		}
		if err := b.expect(ctx, tenant, leave.Member, hire); err != nil {
			return err
		}
	}
	return nil
}
