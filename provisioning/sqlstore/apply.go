package sqlstore

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/usher-go/usher/provisioning"
)

// txActions is about how many actions share a transaction.
const txActions = 500

// Apply implements provisioning.Store.
func (s *Store) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	results := make([]provisioning.Result, 0, len(actions))
	for batch := range batches(actions) {
		groups := newGroups(batch)
		if err := s.applyGroups(ctx, tenant, len(batch), groups); err != nil {
			return results, fmt.Errorf("sqlstore: apply: %w", err)
		}
		for _, g := range groups {
			results = append(results, g.results...)
		}
	}
	return results, nil
}

// batches yields the actions in pieces of about txActions, never between two
// of one group.
func batches(actions []provisioning.Action) iter.Seq[[]provisioning.Action] {
	return func(yield func([]provisioning.Action) bool) {
		from, to := 0, 0
		for group := range provisioning.Groups(actions) {
			if to += len(group); to-from < txActions {
				continue
			}
			if !yield(actions[from:to]) {
				return
			}
			from = to
		}
		if from < to {
			yield(actions[from:to])
		}
	}
}

// applyGroups does n actions in one transaction. Where the database refuses a
// statement, which undoes the transaction, it does them in another one, piece by
// piece, so that the refusal is the result of the group that it is about.
func (s *Store) applyGroups(ctx context.Context, tenant string, n int, groups []*group) error {
	refused := false
	err := s.write(ctx, tenant, n, func(w *writer) error {
		err := w.apply(ctx, groups)
		refused = err != nil
		return err
	})
	if refused && ctx.Err() == nil {
		err = s.write(ctx, tenant, n, func(w *writer) error { return w.applyApart(ctx, groups) })
	}
	return err
}

// applyApart does the groups in a savepoint, and where that fails, one half of
// them after the other. The failure of one group is its own if going back to
// the savepoint mends it.
func (w *writer) applyApart(ctx context.Context, groups []*group) error {
	if err := w.exec(ctx, `SAVEPOINT usher_groups`); err != nil {
		return err
	}
	failure := w.apply(ctx, groups)
	if failure != nil {
		if err := w.exec(ctx, `ROLLBACK TO SAVEPOINT usher_groups`); err != nil {
			return fmt.Errorf("undo after %q: %w", failure.Error(), err)
		}
	}
	if err := w.exec(ctx, `RELEASE SAVEPOINT usher_groups`); err != nil || failure == nil {
		return err
	}
	if len(groups) == 1 {
		groups[0].refuse(failure)
		return nil
	}
	half := len(groups) / 2
	if err := w.applyApart(ctx, groups[:half]); err != nil {
		return err
	}
	return w.applyApart(ctx, groups[half:])
}

// apply does the groups in their order, those that have nothing to do with each
// other at a time.
func (w *writer) apply(ctx context.Context, groups []*group) error {
	for len(groups) > 0 {
		n := apart(groups)
		if err := w.applyRun(ctx, groups[:n]); err != nil {
			return err
		}
		groups = groups[n:]
	}
	return nil
}

// apart returns how many groups, from the first on, and at least one, name no
// key, member, address and identity twice among them. Then none of them decides
// about another, but by what it gives up.
func apart(groups []*group) int {
	named := make(map[claim]bool, 4*len(groups))
	for n, g := range groups {
		if n > 0 && (g.twins || slices.ContainsFunc(g.claims, func(c claim) bool { return named[c] })) {
			return n
		}
		if g.twins {
			return 1
		}
		for _, c := range g.claims {
			named[c] = true
		}
	}
	return len(groups)
}

// applyRun does groups that are apart: all at once if that can be, otherwise
// those that can, in pieces between the others, which it does one by one.
func (w *writer) applyRun(ctx context.Context, groups []*group) error {
	var rows []*row
	members := make(map[string]bool)
	for _, g := range groups {
		g.reset()
		rows = append(rows, g.pending...)
	}
	if len(groups) > 1 {
		for _, r := range rows {
			members[r.member.ID] = true
		}
	}
	states, err := w.attempt(ctx, rows, !groups[0].twins)
	if states == nil {
		return err
	}
	var clean []*group
	for _, g := range groups {
		n := len(g.pending)
		mine := states[:n]
		states = states[n:]
		if g.judge(mine, members); len(g.holders) == 0 {
			clean = append(clean, g)
			continue
		}
		if err := w.writeAll(ctx, clean); err != nil {
			return err
		}
		clean = nil
		if len(groups) > 1 { // somebody before it may have given up what it wants
			err = w.applyRun(ctx, []*group{g})
		} else {
			err = w.exchange(ctx, g)
		}
		if err != nil {
			return err
		}
	}
	return w.writeAll(ctx, clean)
}

// exchange does a group whose members want what others of them have: those give
// it up first, so that addresses and identities can change hands in any
// direction under unique indexes.
func (w *writer) exchange(ctx context.Context, g *group) error {
	for _, id := range g.holders {
		const release = `UPDATE @members SET email_key = NULL, managed = FALSE WHERE tenant = ? AND id = ?`
		if err := w.exec(ctx, release, w.tenant, id); err != nil {
			return err
		}
	}
	return w.writeAll(ctx, []*group{g})
}

// writeAll writes what is pending of groups, of which nothing is in the way.
func (w *writer) writeAll(ctx context.Context, groups []*group) error {
	var rows []*row
	for _, g := range groups {
		rows = append(rows, g.pending...)
	}
	if len(rows) == 0 {
		return nil
	}
	states, err := w.attempt(ctx, rows, true)
	if states != nil { // by the host's own SQL, which took no turn
		err = fmt.Errorf("written to meanwhile: %w", provisioning.ErrStale)
	}
	return err
}
