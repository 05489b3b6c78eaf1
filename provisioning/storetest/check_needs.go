package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/usher-go/usher/provisioning"
)

// checkNeeds: an action is done only if the actions are done that give back what it
// grants (S28, L9).
func checkNeeds(ctx context.Context, b *bench) error {
	members, err := b.hired(ctx, "ana", "bob", "cyd", "dan", "eve", "fay")
	if err != nil {
		return err
	}
	seated := func(m *provisioning.Member) { m.Seats = append(m.Seats, "plus") }
	release := func(m *provisioning.Member) { m.Seats = nil }
	grant := func(who int, key string, needs ...string) provisioning.Action {
		a := keyed(key, update(members[who], seated))
		a.Effects = []provisioning.Effect{{Kind: provisioning.AccessReduced, Key: key, About: a.Member.ID}}
		a.Needs = needs
		return a
	}
	outdated := keyed("outdated", update(members[0], release))
	outdated.Revision = "outdated"
	if err := b.apply(ctx, "other", creates("gil"), done); err != nil {
		return err
	}
	given := keyed("given", update(members[0], release))
	actions := slices.Concat(
		[]provisioning.Action{grant(1, "needs what never was", "unheard of"), grant(1, "needs what another tenant did", "create id-gil")},
		[]provisioning.Action{outdated, grant(1, "needs what was refused", outdated.Key), grant(1, "needs what needs it", "needs what was refused")},
		[]provisioning.Action{grant(1, "needs what comes later", given.Key), given, grant(1, "needs two", given.Key, "unheard of")},
		together("pair", update(members[2], titled("VP")), grant(3, "its pair needs", "unheard of")),
	)
	want := []outcome{needy, needy, stale, needy, needy, needy, done, needy, needy, needy}
	if err := b.apply(ctx, tenant, actions, want...); err != nil {
		return fmt.Errorf("an action is refused with its group unless everything that it needs is done, before it or with it: %w", err)
	}
	left := slices.Clone(members)
	left[0].Seats = nil
	if err := b.expect(ctx, tenant, left...); err != nil {
		return fmt.Errorf("an action of which a need is not done changed the team: %w", err)
	}
	if err := b.left(ctx, 6, 7, "an action of which a need is not done leaves nothing"); err != nil {
		return err
	}
	later := keyed("given in the same call", update(members[5], release))
	takes := grant(3, "needs its pair", "its pair")
	takes.With = "trade"
	actions = []provisioning.Action{
		grant(1, "needs two", given.Key, "create id-ana"),
		later, grant(2, "needs this call", later.Key),
		takes, together("trade", keyed("its pair", update(members[4], release)))[0],
	}
	if err := b.apply(ctx, tenant, actions, done); err != nil {
		return fmt.Errorf("what is needed may be done in an earlier call, earlier in the same one, or anywhere in the same group: %w", err)
	}
	for i := 1; i <= 3; i++ {
		seated(&left[i])
	}
	left[4].Seats, left[5].Seats = nil, nil
	if err := b.expect(ctx, tenant, left...); err != nil {
		return err
	}
	again := slices.Clone(actions)
	again[0].Needs = []string{"unheard of"}
	if err := b.apply(ctx, tenant, again, repeated); err != nil {
		return fmt.Errorf("what was done is done, whatever it needs: %w", err)
	}
	return b.needsRefusedGroup(ctx, left)
}

// needsRefusedGroup: the actions of a refused group count as not done, for actions
// outside the group and inside it.
func (b *bench) needsRefusedGroup(ctx context.Context, left []provisioning.Member) error {
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	outdated := keyed("outdated too", update(team["id-bob"], titled("x")))
	outdated.Revision = "outdated"
	free, inside, outside := keyed("free", update(team["id-ana"], titled("x"))), keyed("inside", update(team["id-cyd"], titled("x"))), keyed("outside", update(team["id-dan"], titled("x")))
	inside.Needs, outside.Needs = []string{free.Key}, []string{free.Key}
	actions := append(together("refused", free, inside, outdated), outside)
	if err := b.apply(ctx, tenant, actions, stale, stale, stale, needy); err != nil {
		return fmt.Errorf("what was refused with its group is not done: %w", err)
	}
	return b.expect(ctx, tenant, left...)
}
