package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/usher-go/usher/provisioning"
)

// checkNotShown: an action is refused if it writes something that its changes do not
// show, or if its changes do not fit the stored row (S45).
func checkNotShown(ctx context.Context, b *bench) error {
	if err := b.leavesOut(ctx); err != nil {
		return err
	}
	if err := b.showsOther(ctx); err != nil {
		return err
	}
	return b.showsAsRead(ctx)
}

// leavesOut tries a create and an update, each time without one of the changes: each
// field, and each owner.
func (b *bench) leavesOut(ctx context.Context) error {
	full, ana := complete(), person("ana")
	if err := b.apply(ctx, tenant, []provisioning.Action{create(ana)}, done); err != nil {
		return err
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	whole := update(team[ana.ID], func(m *provisioning.Member) {
		*m = full.Clone()
		m.ID, m.Active, m.Managed = ana.ID, false, false
	})
	owned := update(team[ana.ID], func(m *provisioning.Member) { m.Owners = full.Owners })
	var refused []provisioning.Action
	for _, a := range []provisioning.Action{create(full), whole, owned} {
		for i, c := range a.Changes {
			short := keyed(fmt.Sprintf("%s %d without %s", a.Kind, len(a.Changes), c.Field), a)
			short.Changes = slices.Delete(slices.Clone(a.Changes), i, i+1)
			refused = append(refused, short)
		}
	}
	if err := b.refuses(ctx, refused, ana); err != nil {
		return fmt.Errorf("an action that leaves out a change which it makes: %w", err)
	}
	if err := b.apply(ctx, tenant, []provisioning.Action{create(full)}, done); err != nil {
		return fmt.Errorf("the same action with all of its changes: %w", err)
	}
	return b.expect(ctx, tenant, ana, full)
}

// refuses applies actions. Each must be refused with ErrNotShown and leave the team
// unchanged.
func (b *bench) refuses(ctx context.Context, actions []provisioning.Action, team ...provisioning.Member) error {
	before, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	if err := b.apply(ctx, tenant, actions, notShown); err != nil {
		return err
	}
	if err := b.expect(ctx, tenant, team...); err != nil {
		return fmt.Errorf("it was refused and changed the team: %w", err)
	}
	after, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	if !sameRevisions(before, after) {
		return fmt.Errorf("it was refused and gave a member another revision")
	}
	return nil
}

// showsOther tries actions whose changes differ from the stored row or from the
// member, between other actions that are done.
func (b *bench) showsOther(ctx context.Context) error {
	b.store = b.h.New(b.t)
	members, err := b.hired(ctx, "ana", "bob", "cyd")
	if err != nil {
		return err
	}
	ana, bob, cyd := members[0], members[1], members[2]
	cost := provisioning.Attribute("cost_center")
	edited := func(m *provisioning.Member) {
		m.Title, m.Seats, m.Attributes = "VP", []string{"core", "plus"}, map[string]string{"cost_center": "42"}
		m.Owners = m.Owners.With(provisioning.FieldTitle, provisioning.OwnerSource).With(cost, provisioning.OwnerSource)
	}
	var refused []provisioning.Action
	differ := func(how string, field provisioning.Field, edit func(c *provisioning.Change)) {
		a := keyed(how, update(ana, edited))
		a.Effects = []provisioning.Effect{{Kind: provisioning.AccessReduced, Key: a.Key, About: ana.ID}}
		for i := range a.Changes {
			if a.Changes[i].Field == field {
				edit(&a.Changes[i])
			}
		}
		refused = append(refused, a)
	}
	differ("another old text", provisioning.FieldTitle, func(c *provisioning.Change) { c.Old = "CEO" })
	differ("another new text", provisioning.FieldTitle, func(c *provisioning.Change) { c.New = "CEO" })
	differ("no new text", provisioning.FieldTitle, func(c *provisioning.Change) { c.New = nil })
	differ("no text", provisioning.FieldTitle, func(c *provisioning.Change) { c.New = 7.0 })
	differ("another owner", provisioning.FieldTitle, func(c *provisioning.Change) { c.Owner = provisioning.OwnerHand })
	differ("no owner", provisioning.FieldTitle, func(c *provisioning.Change) { c.Owner = provisioning.OwnerNobody })
	differ("no field", provisioning.FieldTitle, func(c *provisioning.Change) { c.Field = "rank" })
	differ("another field", provisioning.FieldTitle, func(c *provisioning.Change) { c.Field = provisioning.FieldPhone })
	differ("no old seats", provisioning.FieldSeats, func(c *provisioning.Change) { c.Old = nil })
	differ("fewer new seats", provisioning.FieldSeats, func(c *provisioning.Change) { c.New = []string{"plus"} })
	differ("another old attribute", cost, func(c *provisioning.Change) { c.Old = "41" })
	differ("another new attribute", cost, func(c *provisioning.Change) { c.New = "43" })
	differ("another owner of an attribute", cost, func(c *provisioning.Change) { c.Owner = provisioning.OwnerHand })
	differ("another attribute", cost, func(c *provisioning.Change) { c.Field = provisioning.Attribute("Cost_Center") })
	unmade := keyed("a change that is not made", update(ana, edited))
	unmade.Changes = append(unmade.Changes, provisioning.Change{Field: provisioning.FieldPhone, New: "+12125551994"})
	eve := create(person("eve"))
	for i := range eve.Changes {
		if eve.Changes[i].Field == provisioning.FieldActive {
			eve.Changes[i].Old = true
		}
	}
	refused = append(refused, unmade, eve)
	if err := b.refuses(ctx, refused, members...); err != nil {
		return fmt.Errorf("an action whose changes are not those which it makes: %w", err)
	}
	mixed := slices.Concat([]provisioning.Action{refused[0], update(bob, titled("VP"))}, together("pair", update(cyd, titled("VP")), refused[1]), creates("dan"))
	if err := b.apply(ctx, tenant, mixed, notShown, done, notShown, notShown, done); err != nil {
		return fmt.Errorf("an action that is not shown is refused with its whole group, and the others go on: %w", err)
	}
	bob.Title = "VP"
	if err := b.expect(ctx, tenant, ana, bob, cyd, person("dan")); err != nil {
		return err
	}
	if err := b.left(ctx, 4, 5, "refused actions leave nothing"); err != nil {
		return err
	}
	mended := keyed(refused[0].Key, update(ana, edited))
	if err := b.apply(ctx, tenant, []provisioning.Action{mended}, done); err != nil {
		return fmt.Errorf("the key of a refused action is still free: %w", err)
	}
	return nil
}

// showsAsRead: a plan that was stored as JSON shows the same as before. Fields that
// only the host writes need not be shown.
func (b *bench) showsAsRead(ctx context.Context) error {
	b.store = b.h.New(b.t)
	full := complete()
	claimed := full
	claimed.Protected, claimed.Subject = true, "sub|forged"
	hire, err := asRead(create(claimed))
	if err != nil {
		return err
	}
	if err := b.apply(ctx, tenant, []provisioning.Action{hire}, done); err != nil {
		return fmt.Errorf("an action that was read from JSON, and says that it is protected and has a subject: %w", err)
	}
	if err := b.expect(ctx, tenant, full); err != nil {
		return fmt.Errorf("a create wrote what is the host's: %w", err)
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	clear, err := asRead(update(team[full.ID], func(m *provisioning.Member) { *m = provisioning.Member{ID: m.ID} }))
	if err != nil {
		return err
	}
	if err := b.apply(ctx, tenant, []provisioning.Action{clear}, done); err != nil {
		return fmt.Errorf("an action that clears every field, read from JSON: %w", err)
	}
	return b.expect(ctx, tenant, provisioning.Member{ID: full.ID})
}

// asRead returns an action as it is read from a stored plan.
func asRead(a provisioning.Action) (read provisioning.Action, err error) {
	return read, json.Unmarshal([]byte(text(a)), &read)
}
