package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Errors of retired connections and of Retire. Test with errors.Is.
var (
	// ErrInUse says that Retire was refused, because the connection still gives
	// people access. The report's plan lists them.
	ErrInUse = errors.New("the connection is still in use")
	// ErrRetired says that the connection is retired. See Syncer.Reinstate.
	ErrRetired = errors.New("the connection is retired")
)

// isRefusal reports whether a round did not begin because the connection is
// paused, retired or in use, or because another process has newer rules. That is
// not a failure of the connection.
func isRefusal(err error) bool {
	return errors.Is(err, ErrPaused) || errors.Is(err, ErrRetired) || errors.Is(err, ErrInUse) || errors.Is(err, errReplaced)
}

// Retire ends the use of a connection, such as the old one after a migration (A22,
// R146, R147). If nobody would lose access, the connection is retired. Otherwise
// nothing changes, the error matches ErrInUse, and the report's plan lists the
// people who would lose access. To retire the connection nevertheless, call
// Retire again with the approval of what the plan holds. Approvals do not release
// protected people and people who have to keep a role: with them, the connection
// stays in use.
//
// After that, nothing is decided for the connection, whatever is pushed into it.
// The admin has to deactivate the old application at the provider after Retire,
// not before it (R147).
func (s *Syncer) Retire(ctx context.Context, target Target, approvals ...provisioning.Approval) (Report, error) {
	r := &round{Syncer: s, target: target, job: job{admin: true, approvals: approvals}, id: newID(), began: s.cfg.Now()}
	r.start(ctx)
	err := r.retire(ctx)
	r.finish(ctx, err)
	if r.report.Outcome.Done > 0 {
		s.deliverSoon(target.Tenant)
		s.lookAround(target.Tenant, target.Connection)
	}
	return r.report, err
}

func (r *round) retire(ctx context.Context) error {
	if err := r.configure(ctx); err != nil {
		return err
	}
	resolver, err := provisioning.New(r.setup.Rules)
	if err != nil {
		return err
	}
	unlock, err := r.cfg.Store.Lock(ctx, r.target.Tenant)
	if err != nil {
		return fmt.Errorf("syncer: %w", err)
	}
	defer unlock()
	ctx = provisioning.WithLock(ctx, r.target.Tenant)
	if r.st, err = r.load(ctx, r.target); err != nil || r.st.Retired != nil {
		return err
	}
	if err := r.resume(ctx); err != nil || r.st.Retired != nil {
		return err
	}
	team, err := provisioning.Team(ctx, r.cfg.Store, r.target.Tenant)
	if err != nil {
		return fmt.Errorf("syncer: read team: %w", err)
	}
	plan := resolver.Retire(provisioning.Input{Tenant: r.target.Tenant, Snapshot: &sources.Snapshot{Taken: r.began}, Members: team})
	r.report.Plan, r.decided = plan, true
	if err := r.cfg.Store.SavePlan(ctx, r.target.Tenant, plan); err != nil {
		return fmt.Errorf("syncer: save plan: %w", err)
	}
	if left := r.unreleased(plan); left > 0 {
		return fmt.Errorf("syncer: retire %s: %w: %d would lose access", r.target.Connection, ErrInUse, left)
	}
	if err := r.st.checkUnused(r.job.approvals, plan.Hash); err != nil {
		return err
	}
	r.st.Retired = &Pause{Actor: provisioning.ActorFrom(ctx), Since: r.began.UTC()}
	if err := r.apply(ctx, plan); err != nil {
		return err
	}
	if n := r.report.Outcome.Refused; n > 0 { // because of an edit meanwhile
		r.st.Retired = nil
		return errors.Join(fmt.Errorf("syncer: retire %s: %w: %d could not be deactivated", r.target.Connection, ErrInUse, n), r.store(ctx))
	}
	return nil
}

// unreleased counts the held actions of a plan that the approvals do not release.
func (r *round) unreleased(plan *provisioning.Plan) int {
	left := 0
	for _, h := range plan.Held {
		if len(h.Classes) == 0 || slices.ContainsFunc(h.Classes, func(class provisioning.Class) bool { return !isApproved(class, r.job.approvals) }) {
			left++
		}
	}
	return left
}

// Reinstate makes a retired connection work again, and decides everybody. The host
// calls it after the connection was authenticated again, with new credentials
// (R140).
func (s *Syncer) Reinstate(ctx context.Context, target Target) error {
	err := s.change(ctx, target, func(st *state) {
		if st.Retired != nil {
			st.Retired, st.Cursor, st.WholeDue = nil, "", "reinstated"
		}
	})
	if err == nil {
		s.enqueue(target, job{}, true)
	}
	return err
}
