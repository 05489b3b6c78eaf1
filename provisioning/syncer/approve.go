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

// Apply does a plan that Plan or Run returned. It also does the held actions of the
// approved classes. An approval can be used once (S15).
//
// If a member changed after the plan was made, its action is refused, and the
// other actions are done. The person of a refused action is decided again.
//
// A plan is superseded if a newer run has planned everybody, or if the rules
// changed. Without approvals, Apply refuses such a plan with
// provisioning.ErrSuperseded. With approvals, it plans everybody anew. If the same
// actions wait for the approved classes, it does the new plan. If not, it does
// nothing, and the error matches provisioning.ErrPlanChanged.
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

// difference describes how the people who wait for the approved classes differ
// between two plans: who is new, who is gone, and whose changes are different.
func difference(shown, now *provisioning.Plan, approvals []provisioning.Approval) string {
	waiting := func(p *provisioning.Plan) map[string]string {
		who := make(map[string]string)
		for i := range p.Held {
			h := &p.Held[i]
			if slices.ContainsFunc(h.Classes, func(class provisioning.Class) bool { return isApproved(class, approvals) }) {
				changes, _ := json.Marshal(h.Action.Changes) // cannot fail: the plan refused values that have no JSON form
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

// listed returns a text with the first IDs, and the number of the others.
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

// applyPlan does a plan without making it anew.
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
	if r.st.Retired != nil {
		return ErrRetired
	}
	superseded, err := r.cfg.Store.Superseded(ctx, r.target.Tenant, plan.Hash)
	if err != nil {
		return fmt.Errorf("syncer: %w", err)
	}
	superseded = superseded || plan.ConfigRevision != r.setup.Rules.Revision
	approvedFor := plan.Hash
	if superseded { // the approvals would be used for another plan than the one that was shown
		approvedFor = ""
	}
	if err := r.st.checkUnused(r.job.approvals, approvedFor); err != nil {
		return err
	}
	if superseded {
		return fmt.Errorf("syncer: apply: %s: %w", provisioning.CodeSuperseded, provisioning.ErrSuperseded)
	}
	if _, err := r.cfg.Store.Plan(ctx, r.target.Tenant, plan.Hash); err != nil {
		return fmt.Errorf("syncer: apply: %w", err)
	}
	r.start(ctx)
	return r.apply(ctx, plan)
}

// approve stores that the approvals are used, and for which plan, before the plan
// is done. So a round after a crash can finish the plan (S15, L7).
func (r *round) approve(ctx context.Context, plan *provisioning.Plan, approvals []provisioning.Approval) error {
	approvedFor := plan.Hash
	if r.job.whole { // another plan was shown
		approvedFor = ""
	}
	if err := r.st.checkUnused(approvals, approvedFor); err != nil {
		return err
	}
	for _, a := range approvals {
		if held := plan.Approve(a.Class); held.Hash != a.Hash || a.Hash == "" {
			return fmt.Errorf("syncer: %s: %w: of class %s, approved %.12s, and now %.12s waits", provisioning.CodePlanChanged, provisioning.ErrPlanChanged, a.Class, a.Hash, held.Hash)
		}
	}
	before := *r.st // the other changes of the state must not be saved before the plan is done
	current, err := r.load(ctx, r.target)
	if err != nil {
		return err
	}
	current.Approving = &approving{Plan: plan.Hash, Approvals: approvals, Actor: provisioning.ActorFrom(ctx), Retires: r.st.Retired}
	current.use(approvals, plan.Hash)
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
		r.st.unuse(left.Approvals, left.Plan)
		return r.store(ctx)
	case err != nil:
		return fmt.Errorf("syncer: resume: %w", err)
	}
	if left.Retires != nil && outcome.Refused == 0 {
		r.st.Retired = left.Retires
	}
	return r.commitApproved(ctx, plan, outcome, left.Approvals)
}
