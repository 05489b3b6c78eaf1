package sqlstore

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/usher-go/usher/provisioning"
)

// txActions is the approximate number of actions in a transaction.
const txActions = 500

// Apply implements provisioning.Store.
func (s *Store) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	results := make([]provisioning.Result, 0, len(actions))
	for batch := range batches(actions) {
		groups := newGroups(batch)
		if err := s.applyGroups(ctx, tenant, about(batch), groups); err != nil {
			return results, fmt.Errorf("sqlstore: apply: %w", err)
		}
		for _, g := range groups {
			results = append(results, g.results...)
		}
	}
	return results, nil
}

// batches yields the actions in batches of about txActions. It never divides a
// commit group.
func batches(actions []provisioning.Action) iter.Seq[[]provisioning.Action] {
	return func(yield func([]provisioning.Action) bool) {
		from, to := 0, 0
		for group := range provisioning.CommitGroups(actions) {
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

// about returns the topic of a transaction that does the actions.
func about(actions []provisioning.Action) topic {
	t := topic{revisions: len(actions)}
	for i := range actions {
		t.members = append(t.members, actions[i].Member.ID)
		t.keys = append(append(t.keys, actions[i].Key), actions[i].Needs...)
	}
	slices.Sort(t.members)
	slices.Sort(t.keys)
	t.members, t.keys = slices.Compact(t.members), slices.Compact(t.keys)
	return t
}

// applyGroups does the actions of groups in one transaction. If the database
// refuses a statement, the transaction is rolled back, and a second transaction
// does the groups with applyApart. So the refusal becomes the result of the group
// that causes it.
func (s *Store) applyGroups(ctx context.Context, tenant string, about topic, groups []*group) error {
	refused := false
	err := s.write(ctx, tenant, about, func(w *writer) error {
		err := w.apply(ctx, groups)
		refused = err != nil
		return err
	})
	if refused && ctx.Err() == nil {
		err = s.write(ctx, tenant, about, func(w *writer) error { return w.applyApart(ctx, groups) })
	}
	return err
}

// applyApart does the groups inside a savepoint. If that fails, it rolls back to
// the savepoint, and does the first half of the groups and then the second half in
// the same way. The failure of a single group becomes its result. If the rollback
// itself fails, applyApart returns the error.
func (w *writer) applyApart(ctx context.Context, groups []*group) error {
	if err := w.exec(ctx, `SAVEPOINT usher_groups`); err != nil {
		return err
	}
	members, done := maps.Clone(w.members), maps.Clone(w.done)
	failure := w.apply(ctx, groups)
	if failure != nil {
		w.members, w.done = members, done
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

// apply does the groups in their order. It does groups that do not conflict
// together; see apart.
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

// apart returns the number of groups at the beginning of the list, at least one,
// which together name no key, member, address or identity twice. Such groups do not
// depend on each other, except that one may give up what another one needs.
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

// applyRun does groups that are apart. If possible, it writes all of them at once.
// Otherwise it does the groups that have holders one by one, and writes the groups
// between them at once.
func (w *writer) applyRun(ctx context.Context, groups []*group) error {
	var rows []*row
	members, kept := make(map[string]bool), make(map[string]bool)
	write := !groups[0].twins
	for _, g := range groups {
		g.reset()
		rows = append(rows, g.pending...)
		for _, r := range g.pending {
			write = write && w.objection(g, r, kept) == nil
		}
		g.keep(kept)
	}
	if len(groups) > 1 {
		for _, r := range rows {
			members[r.member.ID] = true
		}
	}
	states, err := w.attempt(ctx, rows, write)
	if states == nil {
		return err
	}
	var clean []*group
	clear(kept)
	for _, g := range groups {
		n := len(g.pending)
		mine := states[:n]
		states = states[n:]
		g.judge(mine, members, func(r *row) error { return w.objection(g, r, kept) })
		if len(g.holders) == 0 {
			clean = append(clean, g)
			g.keep(kept)
			continue
		}
		if err := w.writeAll(ctx, clean); err != nil {
			return err
		}
		clean = nil
		if len(groups) > 1 { // an earlier group may have given up what this one needs
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

// objection returns the reason why a row must not be written although its member
// had the expected revision, or nil: the member has changed since, the action does
// not show what it writes, or the action needs an action that is neither done, nor
// in its group, nor in kept, which has the keys of earlier groups.
func (w *writer) objection(g *group, r *row, kept map[string]bool) error {
	before := w.members[r.member.ID]
	if before == nil {
		before = new(provisioning.Member)
	}
	if before.Revision != r.action.Revision { // the host's own SQL changed it after the transaction began
		return r.refusal(provisioning.ErrStale)
	}
	if err := r.action.Check(before); err != nil {
		return err
	}
	for _, key := range r.action.Needs {
		if !w.done[key] && !kept[key] && !g.has(key) {
			return r.refusal(provisioning.ErrNeeds)
		}
	}
	return nil
}

// exchange does a group in which members need addresses or identities that other
// members of the group have. It first removes these from their holders. So they
// can change owners in any direction under unique indexes.
func (w *writer) exchange(ctx context.Context, g *group) error {
	for _, id := range g.holders {
		const release = `UPDATE @members SET email_key = NULL, managed = FALSE WHERE tenant = ? AND id = ?`
		if err := w.exec(ctx, release, w.tenant, id); err != nil {
			return err
		}
	}
	return w.writeAll(ctx, []*group{g})
}

// writeAll writes the pending rows of groups that have no holders.
func (w *writer) writeAll(ctx context.Context, groups []*group) error {
	var rows []*row
	for _, g := range groups {
		rows = append(rows, g.pending...)
	}
	if len(rows) == 0 {
		return nil
	}
	states, err := w.attempt(ctx, rows, true)
	if states != nil { // the host's own SQL wrote without waiting for this transaction
		err = fmt.Errorf("written to meanwhile: %w", provisioning.ErrStale)
	}
	return err
}
