package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// checkErase: of an erased person, only IDs and the facts of the actions remain. The
// data of all others remains unchanged.
func checkErase(ctx context.Context, b *bench) error {
	eraser := b.store.(provisioning.Eraser)
	team, err := b.hired(ctx, "ana", "bob", "cyd")
	if err != nil {
		return err
	}
	move := update(team[0], mailed("new-ana"))
	report := update(team[1], func(m *provisioning.Member) { m.ManagerID = team[0].ID })
	report.Reasons = []provisioning.Reason{
		{Code: provisioning.CodeManagerSet, Facts: map[string]string{"manager": "Boss " + strings.ToUpper(team[0].Email)}},
		{Code: provisioning.CodeSourceValue, Facts: map[string]string{"fields": "title"}},
	}
	if err := b.apply(ctx, tenant, []provisioning.Action{move, report}, done); err != nil {
		return err
	}
	about, aboutErr := plan("ana")
	other, otherErr := plan("cyd")
	if err := errors.Join(aboutErr, otherErr); err != nil {
		return err
	}
	plans, keepsPlans := b.store.(provisioning.PlanStore)
	if keepsPlans {
		if err := errors.Join(plans.SavePlan(ctx, tenant, about), plans.SavePlan(ctx, tenant, other)); err != nil {
			return fmt.Errorf("SavePlan: %w", err)
		}
	}
	for _, id := range []string{team[0].ID, team[0].ID, "id-never"} {
		if err := eraser.Erase(ctx, tenant, id); err != nil {
			return fmt.Errorf("Erase of %s: %w", id, err)
		}
	}
	if err := b.expect(ctx, tenant, report.Member, team[2]); err != nil {
		return fmt.Errorf("after somebody was erased: %w", err)
	}
	if keepsPlans {
		if _, err := plans.Plan(ctx, tenant, about.Hash); !errors.Is(err, provisioning.ErrNoPlan) {
			return fmt.Errorf("Plan of one that names somebody who was erased gave %s, want ErrNoPlan", said(err))
		}
		if kept, err := plans.Plan(ctx, tenant, other.Hash); err != nil || text(kept) != text(other) {
			return fmt.Errorf("Plan of one that does not name who was erased gave %s, want it as it was saved", said(err))
		}
	}
	if finder, ok := b.store.(provisioning.Finder); ok {
		if found, err := finder.FindMembers(ctx, tenant, team[0].Keys(), 10); err != nil || len(found) > 0 {
			return fmt.Errorf("FindMembers finds %d by the keys of who was erased with %s, want nobody", len(found), said(err))
		}
	}
	log, ok := b.store.(provisioning.AuditLog)
	if !ok {
		return nil
	}
	records, err := collect(log.Audit(ctx, tenant))
	if err != nil {
		return err
	}
	return erased(records, team, report.Key)
}

// erased checks the audit records after the erasure of the first member of the team.
func erased(records []provisioning.Record, team []provisioning.Member, report string) error {
	own := 0
	for _, r := range records {
		shown := strings.ToLower(text(r))
		for _, word := range []string{strings.ToLower(team[0].Email), "new-ana@", strings.ToLower(team[0].ExternalID)} {
			if strings.Contains(shown, word) {
				return fmt.Errorf("the audit record %s names %q, who was erased", text(r), word)
			}
		}
		switch {
		case r.MemberID == team[0].ID:
			if own++; r.Key == "" || r.Kind == 0 || r.At.IsZero() {
				return fmt.Errorf("of a done action key, kind and time remain, and the record is %s", text(r))
			}
		case r.MemberID == team[2].ID && (r.Email != team[2].Email || len(r.Changes) == 0):
			return fmt.Errorf("the record of somebody else is %s, want it untouched", text(r))
		case r.Key == report && (len(r.Reasons) != 2 || r.Reasons[1].Facts["fields"] != "title"):
			return fmt.Errorf("of the reasons of somebody else %s are left, want what does not name who was erased", text(r.Reasons))
		}
	}
	if own != 2 || len(records) != 5 {
		return fmt.Errorf("%d records are left, %d of them about who was erased, want 5 and 2: the facts remain", len(records), own)
	}
	return nil
}

// checkForget: records and plans that are older than a given time are gone. A plan
// that a forgotten plan superseded stays superseded.
func checkForget(ctx context.Context, b *bench) error {
	eraser := b.store.(provisioning.Eraser)
	if _, err := b.hired(ctx, "ana"); err != nil {
		return err
	}
	first, firstErr := plan("ana")
	second, secondErr := plan("bob")
	if err := errors.Join(firstErr, secondErr); err != nil {
		return err
	}
	plans, keepsPlans := b.store.(provisioning.PlanStore)
	if keepsPlans {
		if err := errors.Join(plans.SavePlan(ctx, tenant, first), plans.SavePlan(ctx, tenant, second)); err != nil {
			return fmt.Errorf("SavePlan: %w", err)
		}
	}
	left := func(when string, records int, known bool) error {
		if log, ok := b.store.(provisioning.AuditLog); ok {
			if all, err := collect(log.Audit(ctx, tenant)); err != nil || len(all) != records {
				return fmt.Errorf("%s there are %d audit records with %s, want %d", when, len(all), said(err), records)
			}
		}
		if !keepsPlans {
			return nil
		}
		if _, err := plans.Plan(ctx, tenant, first.Hash); (err == nil) != known || err != nil && !errors.Is(err, provisioning.ErrNoPlan) {
			return fmt.Errorf("%s Plan gave %s", when, said(err))
		}
		if superseded, err := plans.Superseded(ctx, tenant, first.Hash); err != nil || !superseded {
			return fmt.Errorf("%s the first plan is not superseded by the second (%s)", when, said(err))
		}
		return nil
	}
	for _, step := range []struct {
		when, of string
		before   time.Duration
		records  int
		known    bool
	}{
		{"after what is older than an hour was forgotten", tenant, -time.Hour, 1, true},
		{"after everything of another tenant was forgotten", "other", time.Hour, 1, true},
		{"after everything was forgotten", tenant, time.Hour, 0, false},
	} {
		if err := eraser.Forget(ctx, step.of, time.Now().Add(step.before)); err != nil {
			return fmt.Errorf("Forget: %w", err)
		}
		if err := left(step.when, step.records, step.known); err != nil {
			return err
		}
	}
	return b.apply(ctx, tenant, creates("ana"), repeated) // keys of done actions stay when their records are gone
}
