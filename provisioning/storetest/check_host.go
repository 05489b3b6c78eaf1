package storetest

import (
	"context"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// checkProtected: only the host writes Protected and Subject. No action changes
// them, whatever values it has for them (S16, S42).
func checkProtected(ctx context.Context, b *bench) error {
	guarded, plain := complete(), person("bob")
	guarded.Protected, guarded.Subject = true, "sub|Ana"
	for _, m := range []provisioning.Member{guarded, plain} {
		if err := b.h.Put(ctx, b.store, tenant, m); err != nil {
			return err
		}
	}
	if err := b.expect(ctx, tenant, guarded, plain); err != nil {
		return fmt.Errorf("a member that the host wrote is not read as it was written: %w", err)
	}
	for _, kind := range []provisioning.Kind{
		provisioning.KindUpdate, provisioning.KindDeactivate, provisioning.KindReactivate, provisioning.KindRehire, provisioning.KindAdopt,
	} {
		team, err := b.team(ctx, tenant)
		if err != nil {
			return err
		}
		title, active := kind.String(), kind != provisioning.KindDeactivate
		withdraw := func(m *provisioning.Member) { m.Title, m.Active, m.Protected, m.Subject = title, active, false, "" }
		claim := func(m *provisioning.Member) {
			m.Title, m.Active, m.Protected, m.Subject = title, active, true, "sub|forged"
		}
		actions := []provisioning.Action{update(team[guarded.ID], withdraw), update(team[plain.ID], claim)}
		actions[0].Kind, actions[1].Kind = kind, kind
		if err := b.apply(ctx, tenant, actions, done); err != nil {
			return err
		}
		guarded.Title, guarded.Active, plain.Title, plain.Active = title, active, title, active
		if err := b.expect(ctx, tenant, guarded, plain); err != nil {
			return fmt.Errorf("an action of kind %s changed Protected or Subject, which are the host's: %w", kind, err)
		}
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	edited := team[plain.ID].Clone()
	edited.Title = "edited"
	if err := b.h.Put(ctx, b.store, tenant, edited); err != nil {
		return err
	}
	outdated := update(team[plain.ID], titled("planned"))
	if err := b.apply(ctx, tenant, []provisioning.Action{outdated}, stale); err != nil {
		return fmt.Errorf("a write by the host makes plans from before it stale: %w", err)
	}
	return nil
}

// checkDeleted: the keys of done actions stay after the member is deleted. So an old
// plan cannot create a deleted member again; a newer plan can (S45).
func checkDeleted(ctx context.Context, b *bench) error {
	members, err := b.hired(ctx, "ana", "bob")
	if err != nil {
		return err
	}
	ana, bob := members[0], members[1]
	promote := update(ana, titled("VP"))
	if err := b.apply(ctx, tenant, []provisioning.Action{promote}, done); err != nil {
		return err
	}
	if err := b.h.Delete(ctx, b.store, tenant, ana.ID); err != nil {
		return err
	}
	if err := b.expect(ctx, tenant, bob); err != nil {
		return fmt.Errorf("after a member was deleted: %w", err)
	}
	old := append(creates("ana", "bob"), promote)
	if err := b.apply(ctx, tenant, old, repeated); err != nil {
		return fmt.Errorf("the keys of what was done to a member outlive the member: %w", err)
	}
	if err := b.expect(ctx, tenant, bob); err != nil {
		return fmt.Errorf("a plan that was applied again made somebody again whom the host deleted: %w", err)
	}
	heir := update(bob, titled("CFO"))
	heir.Needs = []string{promote.Key}
	anew := keyed("create from a newer snapshot", create(person("ana")))
	if err := b.apply(ctx, tenant, []provisioning.Action{heir, anew}, done); err != nil {
		return fmt.Errorf("what was done to a deleted member is done for those who need it, and under another key the person can be created: %w", err)
	}
	bob.Title = "CFO"
	if err := b.expect(ctx, tenant, person("ana"), bob); err != nil {
		return err
	}
	outdated := keyed("outdated", update(ana, titled("x")))
	if err := b.apply(ctx, tenant, []provisioning.Action{outdated}, stale); err != nil {
		return fmt.Errorf("a plan from before a member was deleted and created again is stale: %w", err)
	}
	return nil
}
