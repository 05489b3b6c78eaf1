package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// checkCrash: if a plan is killed at any write and applied again, the result is the
// same team, with the same effects and the same records, each once (L7).
func checkCrash(ctx context.Context, b *bench) error {
	const mostWrites = 10_000
	for k := 1; k <= mostWrites; k++ {
		died, err := b.crashAt(ctx, k)
		if err != nil {
			return fmt.Errorf("killed at write %d: %w", k, err)
		}
		if !died && k == 1 {
			return fmt.Errorf("the harness never cuts the database off: the actions were done without a first write")
		}
		if !died {
			return nil
		}
	}
	return fmt.Errorf("the actions were not done in %d writes", mostWrites)
}

// crashAt kills a plan at the k-th write on a new database, and applies it again.
func (b *bench) crashAt(ctx context.Context, k int) (died bool, err error) {
	crasher := b.h.Crash(b.t)
	if b.store, err = crasher.Open(); err != nil {
		return false, fmt.Errorf("Open: %w", err)
	}
	before, err := b.hired(ctx, "ana", "bob", "cyd", "dan")
	if err != nil {
		return false, err
	}
	plan := crashPlan(before)
	if died, err = crasher.Apply(ctx, tenant, plan, k); err != nil {
		return died, err
	}
	if b.store, err = crasher.Open(); err != nil {
		return died, fmt.Errorf("Open after the crash: %w", err)
	}
	finished, err := b.finished(ctx, before, plan)
	if err != nil {
		return died, fmt.Errorf("after the crash: %w", err)
	}
	if err := b.traces(ctx, len(before), plan, finished); err != nil {
		return died, fmt.Errorf("after the crash: %w", err)
	}
	if err := b.indexed(ctx, "after the crash"); err != nil {
		return died, err
	}
	want, after := make([]outcome, len(plan)), slices.Clone(before)
	for i := range plan {
		if finished[i] {
			want[i] = repeated
		}
		after = slices.DeleteFunc(after, func(m provisioning.Member) bool { return m.ID == plan[i].Member.ID })
		after = append(after, plan[i].Member)
	}
	if err := b.apply(ctx, tenant, plan, want...); err != nil {
		return died, fmt.Errorf("when the plan was resumed: %w", err)
	}
	if err := b.expect(ctx, tenant, after...); err != nil {
		return died, fmt.Errorf("when the plan was resumed: %w", err)
	}
	for i := range finished {
		finished[i] = true
	}
	if err := b.traces(ctx, len(before), plan, finished); err != nil {
		return died, fmt.Errorf("when the plan was resumed: %w", err)
	}
	return died, b.indexed(ctx, "when the plan was resumed")
}

// indexed compares the answers of a Finder with the team.
func (b *bench) indexed(ctx context.Context, when string) error {
	if _, ok := b.store.(provisioning.Finder); !ok {
		return nil
	}
	w := &watch{bench: b, seen: make(map[provisioning.MemberKey]bool)}
	if err := w.found(ctx, when); err != nil {
		return err
	}
	return w.counted(ctx, when)
}

// crashPlan does everything that an action can do: it deactivates ana, swaps the
// addresses of bob and cyd, changes dan, and creates two people with effects. One
// of these needs what ana gives back.
func crashPlan(team []provisioning.Member) []provisioning.Action {
	leave := update(team[0], func(m *provisioning.Member) { m.Active, m.Capture = false, nil })
	leave.Kind = provisioning.KindDeactivate
	plan := []provisioning.Action{leave}
	plan = append(plan, together("swap", update(team[1], mailed("cyd")), update(team[2], mailed("bob")))...)
	plan = append(plan, creates("eve", "fay")...)
	plan[len(plan)-1].Needs = []string{leave.Key}
	plan = append(plan, update(team[3], titled("VP")))
	for i := range plan {
		plan[i].Classes = []provisioning.Class{provisioning.ClassGrant} // each action counts in one class
	}
	return plan
}

// finished returns which actions are visible in the team. Each must be visible
// completely or not at all, and all actions of a group in the same way.
func (b *bench) finished(ctx context.Context, before []provisioning.Member, plan []provisioning.Action) ([]bool, error) {
	team, err := b.team(ctx, tenant)
	if err != nil {
		return nil, err
	}
	finished := make([]bool, 0, len(plan))
	for group := range provisioning.CommitGroups(plan) {
		first := len(finished)
		for i := range group {
			a := &group[i]
			got, exists := team[a.Member.ID]
			delete(team, a.Member.ID)
			is := exists && sameMember(got, a.Member) == nil
			if !is && !unchanged(got, exists, before) {
				return nil, fmt.Errorf("member %s is neither as before the action nor as after it", a.Member.ID)
			}
			if finished = append(finished, is); is != finished[first] {
				return nil, fmt.Errorf("of the group %q %s is done and %s is not, want all or none", a.With, group[0].Member.ID, a.Member.ID)
			}
		}
	}
	for id := range team {
		return nil, fmt.Errorf("member %s is in the team, and no action is about it", id)
	}
	return finished, nil
}

func unchanged(got provisioning.Member, exists bool, before []provisioning.Member) bool {
	i := slices.IndexFunc(before, func(m provisioning.Member) bool { return m.ID == got.ID })
	if !exists {
		return i < 0
	}
	return i >= 0 && before[i].Revision == got.Revision && sameMember(got, before[i]) == nil
}

// traces compares effects and audit records with the actions that are visible in
// the team. The people who existed before were created with one of each.
func (b *bench) traces(ctx context.Context, before int, plan []provisioning.Action, finished []bool) error {
	effects, records := before, before
	for i, is := range finished {
		if is {
			effects += len(plan[i].Effects)
			records++
		}
	}
	if outbox, ok := b.store.(provisioning.Outbox); ok {
		due, err := collect(outbox.Effects(ctx, tenant))
		if err != nil {
			return err
		}
		if err := onePerAction(due, effects, func(e provisioning.Effect) string { return e.Key }); err != nil {
			return fmt.Errorf("effects: %w", err)
		}
	}
	if log, ok := b.store.(provisioning.AuditLog); ok {
		kept, err := collect(log.Audit(ctx, tenant))
		if err != nil {
			return err
		}
		if err := onePerAction(kept, records, func(r provisioning.Record) string { return r.Key }); err != nil {
			return fmt.Errorf("audit records: %w", err)
		}
	}
	if states, ok := b.store.(provisioning.StateStore); ok {
		window, err := states.Window(ctx, tenant, "okta-prod", time.Hour)
		if got := window.Done[provisioning.ClassGrant]; err != nil || got != records-before {
			return fmt.Errorf("the window counts %d actions with %s, want %d: those that are done", got, said(err), records-before)
		}
	}
	return nil
}

// onePerAction checks what actions left behind: want items, and one for each key.
func onePerAction[T any](all []T, want int, key func(T) string) error {
	seen := make(map[string]bool)
	for _, one := range all {
		if seen[key(one)] {
			return fmt.Errorf("there are two for action %s, want one", key(one))
		}
		seen[key(one)] = true
	}
	if len(all) != want {
		return fmt.Errorf("there are %d, want %d: one for each action that is done", len(all), want)
	}
	return nil
}
