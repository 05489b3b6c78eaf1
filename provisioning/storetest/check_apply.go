package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/usher-go/usher/provisioning"
)

// checkOrder: actions are done in their order, and each has its result, also if a
// store works in batches.
func checkOrder(ctx context.Context, b *bench) error {
	if err := b.apply(ctx, tenant, nil); err != nil {
		return fmt.Errorf("no actions, no results and no error: %w", err)
	}
	names := make([]string, 600)
	for i := range names {
		names[i] = fmt.Sprintf("p%03d", i)
	}
	many := creates(names...)
	want := make([]outcome, len(many))
	for _, i := range []int{7, 299, 598} { // these create a member who exists
		many[i], want[i] = keyed(many[i].Key, create(person("p000"))), stale
	}
	if err := b.apply(ctx, tenant, many, want...); err != nil {
		return err
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	release, grant := update(team["id-p010"], mailed("free")), update(team["id-p011"], mailed("p010"))
	if err := b.apply(ctx, tenant, []provisioning.Action{grant, release, grant}, conflict, done, done); err != nil {
		return fmt.Errorf("an address is free once its holder gave it up, and not before: %w", err)
	}
	return nil
}

// checkSets: many actions in one call have the same results as the same actions
// one by one, also if actions in the middle depend on earlier ones or are refused.
func checkSets(ctx context.Context, b *bench) error {
	members, err := b.hired(ctx, "ana", "bob", "cyd", "dan")
	if err != nil {
		return err
	}
	ana, bob, cyd, dan := members[0], members[1], members[2], members[3]
	called := func(key string, a provisioning.Action) provisioning.Action {
		a.Key = key
		return a
	}
	at := func(address string, m provisioning.Member) provisioning.Member {
		m.Email = address
		return m
	}
	fay, gil, hal, ida := at(ana.Email, person("fay")), person("gil"), person("hal"), person("ida")
	steps := []struct {
		want    outcome
		actions []provisioning.Action
	}{
		{conflict, []provisioning.Action{create(at(ana.Email, person("eve")))}},
		{done, []provisioning.Action{update(ana, mailed("free"))}},
		{done, []provisioning.Action{create(fay)}},
		{done, []provisioning.Action{create(gil)}},
		{repeated, []provisioning.Action{create(gil)}},
		{done, []provisioning.Action{create(hal)}},
		{stale, []provisioning.Action{called("another hal", create(hal))}},
		{done, []provisioning.Action{update(bob, titled("VP"))}},
		{stale, []provisioning.Action{called("another bob", update(bob, titled("CEO")))}},
		{done, together("swap", update(cyd, mailed("dan")), update(dan, mailed("cyd")))},
		{conflict, together("refused", create(ida), create(at("free@acme.example", person("jan"))))},
		{done, []provisioning.Action{create(ida)}},
	}
	var actions []provisioning.Action
	var want []outcome
	after := []provisioning.Member{fay, gil, hal, ida, at("free@acme.example", ana), bob, at(dan.Email, cyd), at(cyd.Email, dan)}
	after[5].Title = "VP"
	for i, step := range steps {
		actions = append(actions, step.actions...)
		for range step.actions {
			want = append(want, step.want)
		}
		for n := range 40 { // these are independent of the others
			filler := person(fmt.Sprintf("p%02d-%02d", i, n))
			actions, want, after = append(actions, create(filler)), append(want, done), append(after, filler)
		}
	}
	if err := b.apply(ctx, tenant, actions, want...); err != nil {
		return fmt.Errorf("among many actions each is done or refused as if they came one by one: %w", err)
	}
	if err := b.expect(ctx, tenant, after...); err != nil {
		return fmt.Errorf("among many actions: %w", err)
	}
	// Each creation has an effect and a record; the changes of four members have
	// records.
	return b.left(ctx, len(after), len(after)+4, "what was refused among many actions leaves nothing")
}

// checkRevisions: every write gives the member a revision that it never had.
func checkRevisions(ctx context.Context, b *bench) error {
	if _, err := b.hired(ctx, "ana"); err != nil {
		return err
	}
	seen := make(map[provisioning.Revision]bool)
	for _, title := range []string{"one", "two", "one", "one"} {
		team, err := b.team(ctx, tenant)
		if err != nil {
			return err
		}
		m := team["id-ana"]
		if seen[m.Revision] {
			return fmt.Errorf("revision %q came back after a write, want another one for every write", m.Revision)
		}
		seen[m.Revision] = true
		again, err := b.team(ctx, tenant)
		if err != nil {
			return err
		}
		if now := again[m.ID].Revision; now != m.Revision {
			return fmt.Errorf("revision went from %q to %q without a write", m.Revision, now)
		}
		if err := b.apply(ctx, tenant, []provisioning.Action{update(m, titled(title))}, done); err != nil {
			return err
		}
	}
	return nil
}

// checkRepeated: for each key, an action is done once, even if its content differs
// or the member has changed since (S27).
func checkRepeated(ctx context.Context, b *bench) error {
	hire := creates("ana", "bob")
	twice := append(slices.Clone(hire), hire[0])
	if err := b.apply(ctx, tenant, twice, done, done, repeated); err != nil {
		return fmt.Errorf("a key that stands twice in one call is done once: %w", err)
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	promote := update(team["id-ana"], titled("VP"))
	if err := b.apply(ctx, tenant, []provisioning.Action{promote}, done); err != nil {
		return err
	}
	promoted, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	other := keyed(promote.Key, update(promoted["id-ana"], titled("CEO")))
	for _, actions := range [][]provisioning.Action{{hire[0], hire[1], promote}, {other}} {
		if err := b.apply(ctx, tenant, actions, repeated); err != nil {
			return fmt.Errorf("an action whose key was done is not done again: %w", err)
		}
	}
	after, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	if !sameRevisions(promoted, after) || after["id-ana"].Title != "VP" {
		return fmt.Errorf("a repeated action wrote to the team, want nothing changed")
	}
	return b.left(ctx, 2, 3, "repeated actions leave nothing")
}

func sameRevisions(a, b map[string]provisioning.Member) bool {
	if len(a) != len(b) {
		return false
	}
	for id, m := range a {
		if other, ok := b[id]; !ok || other.Revision != m.Revision {
			return false
		}
	}
	return true
}

// left checks the numbers of due effects and of audit records, if the store has
// them.
func (b *bench) left(ctx context.Context, effects, records int, rule string) error {
	if outbox, ok := b.store.(provisioning.Outbox); ok {
		due, err := collect(outbox.Effects(ctx, tenant))
		if err != nil {
			return err
		}
		if len(due) != effects {
			return fmt.Errorf("%d effects are due, want %d: %s", len(due), effects, rule)
		}
	}
	if log, ok := b.store.(provisioning.AuditLog); ok {
		kept, err := collect(log.Audit(ctx, tenant))
		if err != nil {
			return err
		}
		if len(kept) != records {
			return fmt.Errorf("the audit log has %d records, want %d: %s", len(kept), records, rule)
		}
	}
	return nil
}

// checkStale: an action that was planned from another state changes nothing, and
// the other actions are done (S28).
func checkStale(ctx context.Context, b *bench) error {
	members, err := b.hired(ctx, "ana", "bob", "cyd")
	if err != nil {
		return err
	}
	ana, bob, cyd := members[0], members[1], members[2]
	outdated, nonsense, none := update(ana, titled("x")), update(ana, titled("x")), update(ana, titled("x"))
	outdated.Revision, outdated.Key = bob.Revision, "outdated"
	nonsense.Revision, nonsense.Key = "not a revision", "nonsense"
	none.Revision, none.Key = "", "none"
	if bob.Revision == ana.Revision { // a store may count revisions for each member
		outdated.Revision += "0"
	}
	double := ana
	double.Title = "x"
	again := keyed("create again", create(double))
	missing := update(person("nobody"), titled("x"))
	missing.Key, missing.Revision = "update nobody", ana.Revision
	for _, a := range []*provisioning.Action{&outdated, &nonsense, &none, &again, &missing} {
		a.Effects = []provisioning.Effect{{Kind: provisioning.NotifyManager, Key: a.Key, To: "id-boss", About: a.Member.ID}}
	}
	actions := []provisioning.Action{outdated, update(bob, titled("VP")), nonsense, again, missing, none, update(cyd, titled("CFO"))}
	if err := b.apply(ctx, tenant, actions, stale, done, stale, stale, stale, stale, done); err != nil {
		return fmt.Errorf("an update wants the member's revision, and a create wants no member; one refusal does not stop the rest: %w", err)
	}
	bob.Title, cyd.Title = "VP", "CFO"
	if err := b.expect(ctx, tenant, ana, bob, cyd); err != nil {
		return fmt.Errorf("a refused action changed the team: %w", err)
	}
	if err := b.left(ctx, 3, 5, "refused actions leave nothing"); err != nil {
		return err
	}
	mended := outdated
	mended.Revision = ana.Revision
	if err := b.apply(ctx, tenant, []provisioning.Action{mended}, done); err != nil {
		return fmt.Errorf("the key of a refused action is still free: %w", err)
	}
	return nil
}

// checkConflict: two members never have the same primary email, whatever its ASCII
// case, nor the same identity.
func checkConflict(ctx context.Context, b *bench) error {
	members, err := b.hired(ctx, "ana", "bob", "josé")
	if err != nil {
		return err
	}
	namesake, linked, elsewhere := person("eve"), person("fay"), person("gil")
	namesake.Email = "ANA@Acme.Example"
	linked.ExternalID = members[0].ExternalID
	elsewhere.ExternalID, elsewhere.Connection = members[0].ExternalID, "okta-test"
	accent, shared := person("hal"), person("ida")
	accent.Email = "JOSÉ@acme.example" // only ASCII is folded (S7)
	shared.OtherEmails = []string{members[0].Email}
	rename := update(members[1], mailed("ana"))
	rename.Key = "take the address of ana"
	actions := []provisioning.Action{create(namesake), create(linked), create(elsewhere), create(accent), create(shared), rename}
	if err := b.apply(ctx, tenant, actions, conflict, conflict, done, done, done, conflict); err != nil {
		return fmt.Errorf("no two members have one primary email, ASCII case aside, or one connection and external ID: %w", err)
	}
	if err := b.expect(ctx, tenant, members[0], members[1], members[2], elsewhere, accent, shared); err != nil {
		return fmt.Errorf("an action refused for a conflict changed the team: %w", err)
	}
	var nameless []provisioning.Action
	for _, name := range []string{"kim", "lea"} {
		m := person(name)
		m.Email = ""
		nameless = append(nameless, create(m))
	}
	if err := b.apply(ctx, tenant, nameless, done); err != nil {
		return fmt.Errorf("having no address is no conflict: %w", err)
	}
	upper := update(members[0], func(m *provisioning.Member) { m.Email = "ANA@ACME.EXAMPLE" })
	if err := b.apply(ctx, tenant, []provisioning.Action{upper}, done); err != nil {
		return fmt.Errorf("a member does not conflict with itself: %w", err)
	}
	return nil
}
