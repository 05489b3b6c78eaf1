package provisioning

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// An Approval releases what a breaker held: of one plan, and of one class
// (S15). There is none that lasts, and none for everything.
type Approval struct {
	PlanHash string
	Class    Class
}

// An Outcome is what became of a plan.
type Outcome struct {
	// Results are one for each action that was tried, in order.
	Results []Result
	// Done, Repeated and Refused count them: done now, done before under the
	// same key, and refused with an error.
	Done, Repeated, Refused int
	// Held counts the actions that still wait.
	Held int
}

// applyBatch is how many actions go to the store in one call, so that progress
// is made however large the plan is.
const applyBatch = 500

// Apply does what the plan says, in its order, and nothing else: the actions,
// and those held ones of which every class is approved. A refused action does
// not stop the rest; the next run plans just what is missing (S28).
//
// If the store is a Locker, the tenant is locked meanwhile. Applying a plan
// again, after a crash or a partial failure, does only what is missing. The
// error matches ErrPlanChanged if an approval names another plan; then nothing
// was done. Otherwise an error is the store's, and the Outcome holds what was
// done before it.
//
// Apply takes the tenant's lock itself; a host that holds it already must give
// it back first. The tenant is required: a plan does not name one, so that it
// is the host who must not apply one tenant's plan to another. Plans that a
// newer one supersedes are to be dropped: a create of an old plan has no
// revision by which it could be seen to be stale.
func Apply(ctx context.Context, store Store, tenant string, plan *Plan, approvals ...Approval) (Outcome, error) {
	if plan == nil || tenant == "" {
		return Outcome{}, errors.New("provisioning: apply: want a plan and the tenant it is for")
	}
	actions, waiting, err := plan.approved(approvals)
	if err != nil {
		return Outcome{}, err
	}
	outcome := Outcome{Held: waiting}
	if locker, ok := store.(Locker); ok && len(actions) > 0 {
		unlock, err := locker.Lock(ctx, tenant)
		if err != nil {
			return outcome, fmt.Errorf("provisioning: apply: %w", err)
		}
		defer unlock()
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

// String returns the counts in a line.
func (o Outcome) String() string {
	return fmt.Sprintf("%d done, %d done before, %d refused, %d held", o.Done, o.Repeated, o.Refused, o.Held)
}

// approved returns the plan's actions with the held ones that are released,
// and the number of those that are not.
func (p *Plan) approved(approvals []Approval) (actions []Action, waiting int, err error) {
	var released classes
	if len(approvals) > 0 && p.digest() != p.Hash {
		return nil, 0, fmt.Errorf("provisioning: %s: %w: the plan was changed after it was made", CodePlanChanged, ErrPlanChanged)
	}
	for _, a := range approvals {
		if !a.Class.valid() {
			return nil, 0, fmt.Errorf("provisioning: approval: class %s: want one that the plan holds", a.Class)
		}
		if a.PlanHash == "" || a.PlanHash != p.Hash {
			return nil, 0, fmt.Errorf("provisioning: %s: %w: approved %.12s, applying %.12s", CodePlanChanged, ErrPlanChanged, a.PlanHash, p.Hash)
		}
		released |= 1 << a.Class
	}
	actions = slices.Clone(p.Actions)
	for i := range p.Held {
		h := &p.Held[i]
		if len(h.Classes) > 0 && !slices.ContainsFunc(h.Classes, func(c Class) bool { return !released.has(c) }) {
			actions = append(actions, h.Action)
		} else {
			waiting++
		}
	}
	if len(actions) > len(p.Actions) {
		slices.SortStableFunc(actions, func(a, b Action) int { return compareActions(&a, &b) })
		actions = gather(actions)
	}
	return actions, waiting, nil
}

// batches yields the actions in pieces of about n, never between two that must
// commit together.
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
