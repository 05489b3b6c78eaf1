package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-go/usher/provisioning"
)

// Apply does a plan of Plan or Run, and what it holds of the classes that are
// approved. An approval is used once (S15).
//
// An action whose member changed since the plan was made is refused, and the
// others are done; what a refused one is about is decided again. If a newer run
// has planned everybody, or the rules changed, an approval still holds where
// the same waits: everybody is planned anew and that plan is done, or nothing
// at all, with an error that matches provisioning.ErrPlanChanged, if something
// else waits. Without an approval, such a plan is refused with
// provisioning.ErrSuperseded.
func (s *Syncer) Apply(ctx context.Context, target Target, plan *provisioning.Plan, approvals ...provisioning.Approval) (Report, error) {
	if plan == nil || plan.Tenant != target.Tenant || plan.Connection != target.Connection {
		return Report{}, fmt.Errorf("syncer: apply: %w: want a plan of %s", provisioning.ErrOtherTenant, target.Connection)
	}
	r := &round{Syncer: s, target: target, job: job{admin: true, approvals: approvals}, id: newID(), began: s.cfg.Now()}
	err := r.applyPlan(ctx, plan)
	var report Report
	if errors.Is(err, provisioning.ErrSuperseded) && len(approvals) > 0 {
		report, err = s.round(ctx, target, job{whole: true, admin: true, approvals: approvals})
		if errors.Is(err, provisioning.ErrPlanChanged) && report.Plan != nil {
			err = fmt.Errorf("%w; %s", err, difference(plan, report.Plan, approvals))
		}
	} else {
		r.finish(ctx, err)
		report = r.report
	}
	if report.Outcome.Done > 0 {
		s.deliverSoon(target.Tenant)
		s.lookAround(target.Tenant, "")
	}
	if err == nil {
		s.tryAgain(target, report, nil)
	}
	return report, err
}

// difference says who waits for the approved classes in one plan and not in the
// other, or with something else.
func difference(shown, now *provisioning.Plan, approvals []provisioning.Approval) string {
	waiting := func(p *provisioning.Plan) map[string]string {
		who := make(map[string]string)
		for i := range p.Held {
			h := &p.Held[i]
			if slices.ContainsFunc(h.Classes, func(class provisioning.Class) bool { return isApproved(class, approvals) }) {
				changes, _ := json.Marshal(h.Action.Changes) // what cannot be written was refused by the plan
				who[h.Action.Member.ID] = string(changes)
			}
		}
		return who
	}
	before, after := waiting(shown), waiting(now)
	var more, less, other []string
	for id, changes := range after {
		if was, known := before[id]; !known {
			more = append(more, id)
		} else if was != changes {
			other = append(other, id)
		}
	}
	for id := range before {
		if _, still := after[id]; !still {
			less = append(less, id)
		}
	}
	return fmt.Sprintf("besides wait: %s; no more: %s; with something else: %s", listed(more), listed(less), listed(other))
}

// listed returns the first of some IDs, and how many more there are.
func listed(ids []string) string {
	const most = 5
	slices.Sort(ids)
	switch {
	case len(ids) == 0:
		return "nobody"
	case len(ids) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], ", "), len(ids)-most)
	}
	return strings.Join(ids, ", ")
}

// applyPlan does a plan as it is.
func (r *round) applyPlan(ctx context.Context, plan *provisioning.Plan) error {
	if err := r.configure(ctx); err != nil {
		return err
	}
	unlock, err := r.cfg.Store.Lock(ctx, r.target.Tenant)
	if err != nil {
		return fmt.Errorf("syncer: %w", err)
	}
	defer unlock()
	ctx = provisioning.WithLock(ctx, r.target.Tenant)
	if err := r.open(ctx); err != nil {
		return err
	}
	if err := r.resume(ctx); err != nil {
		return err
	}
	if err := r.st.checkUnused(r.job.approvals); err != nil {
		return err
	}
	superseded, err := r.cfg.Store.Superseded(ctx, r.target.Tenant, plan.Hash)
	if err != nil {
		return fmt.Errorf("syncer: %w", err)
	}
	if superseded || plan.ConfigRevision != r.setup.Rules.Revision {
		return fmt.Errorf("syncer: apply: %s: %w", provisioning.CodeSuperseded, provisioning.ErrSuperseded)
	}
	if _, err := r.cfg.Store.Plan(ctx, r.target.Tenant, plan.Hash); err != nil {
		return fmt.Errorf("syncer: apply: %w", err)
	}
	r.start(ctx)
	return r.apply(ctx, plan)
}

// approve notes that approvals are used, and on which plan, before the plan is
// done, so that a crash in between loses none of it (S15, L7).
func (r *round) approve(ctx context.Context, plan *provisioning.Plan, approvals []provisioning.Approval) error {
	if err := r.st.checkUnused(approvals); err != nil {
		return err
	}
	for _, a := range approvals {
		if held := plan.Approve(a.Class); held.Hash != a.Hash || a.Hash == "" {
			return fmt.Errorf("syncer: %s: %w: of class %s, approved %.12s, and now %.12s waits", provisioning.CodePlanChanged, provisioning.ErrPlanChanged, a.Class, a.Hash, held.Hash)
		}
	}
	before := *r.st // the rest of the state is not true before the plan is done
	current, err := r.load(ctx, r.target)
	if err != nil {
		return err
	}
	current.Approving = &approving{Plan: plan.Hash, Approvals: approvals, Actor: provisioning.ActorFrom(ctx)}
	current.use(approvals)
	if err := r.save(ctx, r.target, current); err != nil {
		return err
	}
	before.Approving, before.Used = current.Approving, current.Used
	before.revision, before.stored = current.revision, current.stored
	*r.st = before
	return nil
}

// resume finishes an approved plan that a crash interrupted.
func (r *round) resume(ctx context.Context) error {
	left := r.st.Approving
	if left == nil {
		return nil
	}
	plan, err := r.cfg.Store.Plan(ctx, r.target.Tenant, left.Plan)
	var outcome provisioning.Outcome
	if err == nil {
		outcome, err = r.do(provisioning.WithActor(ctx, left.Actor), plan, left.Approvals)
	}
	r.st.Approving = nil
	switch {
	case errors.Is(err, provisioning.ErrNoPlan), errors.Is(err, provisioning.ErrSuperseded), errors.Is(err, provisioning.ErrPlanChanged):
		r.st.WholeDue = "an approved plan could not be finished"
		return r.store(ctx)
	case err != nil:
		return fmt.Errorf("syncer: resume: %w", err)
	}
	return r.commitApproved(ctx, plan, outcome, left.Approvals)
}
