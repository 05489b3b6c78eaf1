package provisioning

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// An Approval releases what a breaker holds. It is for one class and, by the hash,
// for exactly what the class holds (S15). No approval is permanent, and none is for
// everything. It is also valid for a new plan in which the class holds the same.
type Approval struct {
	Class Class
	// Hash is Breaker.Hash.
	Hash string
}

// Approve returns the approval of what the plan holds of a class. Apply refuses the
// approval of a class that holds nothing.
func (p *Plan) Approve(class Class) Approval {
	for i := range p.Breakers {
		if p.Breakers[i].Class == class {
			return Approval{Class: class, Hash: p.Breakers[i].Hash}
		}
	}
	return Approval{Class: class}
}

// An Outcome says what Apply did with a plan.
type Outcome struct {
	// Results has one entry for each action that was tried, in order.
	Results []Result
	// Done, Repeated and Refused count Results: done now, done before under the
	// same key, and refused with an error.
	Done, Repeated, Refused int
	// Held counts the actions that still wait for an approval.
	Held int
}

// applyBatch is the number of actions that are passed to the store in one call, so
// that a large plan is applied in steps.
const applyBatch = 500

// Apply does what the plan says, in its order, and nothing else: the actions, and
// the held actions of which every class is approved. A refused action does not stop
// the rest; the next run plans again what is missing (S28).
//
// Apply checks the plan before it does anything. The error matches ErrPlanChanged
// if the plan was changed after it was made or an approval does not fit it,
// ErrOtherTenant if the plan is another tenant's, and ErrSuperseded if the store
// keeps plans and has a newer plan about everybody of the connection (S45). Any
// other error is the store's, and the Outcome holds what was done before it.
//
// If the store is a Locker, Apply locks the tenant, unless the context says that
// the caller holds the lock (WithLock). Applying a plan again after a crash or a
// partial failure does only what is missing.
func Apply(ctx context.Context, store Store, tenant string, plan *Plan, approvals ...Approval) (Outcome, error) {
	if plan == nil || tenant == "" {
		return Outcome{}, errors.New("provisioning: apply: want a plan and the tenant it is for")
	}
	if plan.Tenant != tenant {
		return Outcome{}, fmt.Errorf("provisioning: apply: %w: it names %q, and is applied to %q", ErrOtherTenant, plan.Tenant, tenant)
	}
	actions, waiting, err := plan.approved(approvals)
	if err != nil {
		return Outcome{}, fmt.Errorf("provisioning: apply: %w", err)
	}
	outcome := Outcome{Held: waiting}
	if len(actions) == 0 {
		return outcome, nil
	}
	if locker, ok := store.(Locker); ok && !isLocked(ctx, tenant) {
		unlock, err := locker.Lock(ctx, tenant)
		if err != nil {
			return outcome, fmt.Errorf("provisioning: apply: %w", err)
		}
		defer unlock()
	}
	if plans, ok := store.(PlanStore); ok && plan.About == nil {
		newest, err := plans.Superseded(ctx, tenant, plan.Hash)
		if err != nil {
			return outcome, fmt.Errorf("provisioning: apply: %w", err)
		}
		if newest {
			return outcome, fmt.Errorf("provisioning: apply: %s: %w", CodeSuperseded, ErrSuperseded)
		}
	}
	for batch := range batches(actions, applyBatch) {
		results, err := store.Apply(ctx, tenant, batch)
		outcome.add(results)
		if err != nil {
			return outcome, fmt.Errorf("provisioning: apply: %w", err)
		}
	}
	return outcome, nil
}

type lockKey struct{ tenant string }

// WithLock returns a context which says that the caller holds the tenant's lock, so
// that Apply does not take it (S28).
func WithLock(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, lockKey{tenant}, true)
}

func isLocked(ctx context.Context, tenant string) bool {
	held, _ := ctx.Value(lockKey{tenant}).(bool)
	return held
}

func (o *Outcome) add(results []Result) {
	o.Results = append(o.Results, results...)
	for _, r := range results {
		switch {
		case r.Err != nil:
			o.Refused++
		case r.Repeated:
			o.Repeated++
		default:
			o.Done++
		}
	}
}

// String returns the counts on one line.
func (o Outcome) String() string {
	return fmt.Sprintf("%d done, %d done before, %d refused, %d held", o.Done, o.Repeated, o.Refused, o.Held)
}

// approved returns the plan's actions together with the held actions that are
// released, and the number of those that stay held. It verifies the hash of the
// plan, and that each approval fits what its class holds.
func (p *Plan) approved(approvals []Approval) (actions []Action, waiting int, err error) {
	if p.Hash == "" || p.digest() != p.Hash {
		return nil, 0, fmt.Errorf("%s: %w: the plan was changed after it was made", CodePlanChanged, ErrPlanChanged)
	}
	var released classes
	for _, a := range approvals {
		i := slices.IndexFunc(p.Breakers, func(b Breaker) bool { return b.Class == a.Class })
		switch {
		case !a.Class.valid():
			return nil, 0, fmt.Errorf("approval: class %s: want one that the plan holds", a.Class)
		case i < 0:
			return nil, 0, fmt.Errorf("%s: %w: the plan holds nothing of class %s", CodePlanChanged, ErrPlanChanged, a.Class)
		case a.Hash == "" || a.Hash != p.classHash(a.Class):
			return nil, 0, fmt.Errorf("%s: %w: of class %s, approved %.12s, and the plan holds %.12s", CodePlanChanged, ErrPlanChanged, a.Class, a.Hash, p.Breakers[i].Hash)
		}
		released |= 1 << a.Class
	}
	actions = p.Actions[:len(p.Actions):len(p.Actions)]
	rehired := make(map[string]bool) // members whose record an approved action gives to a newcomer
	for i := range p.Held {
		h := &p.Held[i]
		if len(h.Classes) > 0 && !slices.ContainsFunc(h.Classes, func(c Class) bool { return !released.has(c) }) {
			a := h.Action
			a.Approved = h.Classes
			actions = append(actions, a)
			rehired[h.Action.Member.ID] = h.Action.Kind == KindRehire || rehired[h.Action.Member.ID]
		} else {
			waiting++
		}
	}
	if len(actions) > len(p.Actions) {
		actions = slices.DeleteFunc(actions, func(a Action) bool { return a.Kind == KindDeactivate && rehired[a.Member.ID] })
		slices.SortStableFunc(actions, func(a, b Action) int { return compareActions(&a, &b) })
		actions = gather(actions)
	}
	return actions, waiting, nil
}

// batches yields the actions in slices of about n. Actions that must commit
// together are in one slice.
func batches(actions []Action, n int) func(yield func([]Action) bool) {
	return func(yield func([]Action) bool) {
		for len(actions) > 0 {
			end := min(n, len(actions))
			for end < len(actions) && actions[end].With != "" && actions[end].With == actions[end-1].With {
				end++
			}
			if !yield(actions[:end]) {
				return
			}
			actions = actions[end:]
		}
	}
}
