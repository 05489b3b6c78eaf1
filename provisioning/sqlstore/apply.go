package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"

	"github.com/usher-go/usher/provisioning"
)

// txActions is about how many actions share a transaction.
const txActions = 100

// Apply implements provisioning.Store.
func (s *Store) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	results := make([]provisioning.Result, 0, len(actions))
	for batch := range batches(actions) {
		var done []provisioning.Result
		err := s.write(ctx, tenant, len(batch), func(w *writer) error {
			for group := range provisioning.CommitGroups(batch) {
				groupResults, err := w.group(ctx, group)
				if err != nil {
					return err
				}
				done = append(done, groupResults...)
			}
			return nil
		})
		if err != nil {
			return results, fmt.Errorf("sqlstore: apply: %w", err)
		}
		results = append(results, done...)
	}
	return results, nil
}

// batches yields the actions in pieces of about txActions, never between two
// of one group.
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

// group does the actions of one group, all or none. A failure that a rollback
// to the savepoint mends is the group's own, and stands in its results; any
// other is the returned error.
func (w *writer) group(ctx context.Context, group []provisioning.Action) ([]provisioning.Result, error) {
	results := make([]provisioning.Result, len(group))
	var pending []*provisioning.Action
	for i := range group {
		a := &group[i]
		repeated, err := w.isDone(ctx, a.Key)
		if err != nil {
			return nil, err
		}
		results[i] = provisioning.Result{Key: a.Key, Kind: a.Kind, MemberID: a.Member.ID, Repeated: repeated}
		if !repeated {
			pending = append(pending, a)
		}
	}
	if len(pending) == 0 {
		return results, nil
	}
	if _, err := w.exec(ctx, `SAVEPOINT usher_group`); err != nil {
		return nil, err
	}
	if failure := w.doAll(ctx, pending); failure != nil {
		if _, err := w.exec(ctx, `ROLLBACK TO SAVEPOINT usher_group`); err != nil {
			return nil, fmt.Errorf("undo after %q: %w", failure.Error(), err)
		}
		for i := range results {
			if !results[i].Repeated {
				results[i].Err = failure
			}
		}
	}
	_, err := w.exec(ctx, `RELEASE SAVEPOINT usher_group`)
	return results, err
}

// isDone reports whether an action was done under the key. A key counts as
// long as its member is there, also where the host deleted the member on a
// connection that does not enforce foreign keys.
func (w *writer) isDone(ctx context.Context, key string) (bool, error) {
	const query = `SELECT k.member_id FROM @keys k JOIN @members m ON m.tenant = k.tenant AND m.id = k.member_id
		WHERE k.tenant = ? AND k.action_key = ?`
	var id string
	return w.get(ctx, query, []any{w.tenant, key}, &id)
}

// doAll does actions that commit together. What they give up is taken from all
// of them before anything is given to one, so that addresses and identities
// can change hands in any direction under unique indexes.
func (w *writer) doAll(ctx context.Context, actions []*provisioning.Action) error {
	from := make([]int64, len(actions))
	for i, a := range actions {
		var err error
		if from[i], err = w.check(ctx, a.Member.ID, a.Revision, a.Kind == provisioning.KindCreate); err != nil {
			return fmt.Errorf("%s %s: %w", a.Kind, a.Member.ID, err)
		}
	}
	if len(actions) > 1 {
		for _, a := range actions {
			const release = `UPDATE @members SET email_key = NULL, managed = FALSE WHERE tenant = ? AND id = ?`
			if _, err := w.exec(ctx, release, w.tenant, a.Member.ID); err != nil {
				return fmt.Errorf("%s %s: %w", a.Kind, a.Member.ID, err)
			}
		}
	}
	for i, a := range actions {
		if err := w.do(ctx, a, from[i]); err != nil {
			return fmt.Errorf("%s %s: %w", a.Kind, a.Member.ID, err)
		}
	}
	return nil
}

// check tells whether a member is in the state that is to be written over: the
// given revision, or not there. It returns the revision as a number, 0 for a
// member that is not there.
func (w *writer) check(ctx context.Context, id string, revision provisioning.Revision, create bool) (int64, error) {
	var current int64
	exists, err := w.get(ctx, `SELECT revision FROM @members WHERE tenant = ? AND id = ?`, []any{w.tenant, id}, &current)
	if err != nil {
		return 0, err
	}
	if exists == create || revision != revisionOf(current) {
		return 0, provisioning.ErrStale
	}
	return current, nil
}

// revisionOf is the form in which others see a revision.
func revisionOf(n int64) provisioning.Revision {
	if n == 0 {
		return ""
	}
	return provisioning.Revision(strconv.FormatInt(n, 10))
}

// do writes one action, over the given state of its member, with everything
// that belongs to it.
func (w *writer) do(ctx context.Context, a *provisioning.Action, from int64) error {
	if err := w.put(ctx, &a.Member, from); err != nil {
		return err
	}
	const key = `INSERT INTO @keys (tenant, action_key, member_id) VALUES (?, ?, ?)
		ON CONFLICT (tenant, action_key) DO UPDATE SET member_id = excluded.member_id`
	if _, err := w.exec(ctx, key, w.tenant, a.Key, a.Member.ID); err != nil {
		return err
	}
	for _, e := range a.Effects {
		const effect = `INSERT INTO @effects (tenant, kind, action_key, to_id, about_id) VALUES (?, ?, ?, ?, ?)`
		if _, err := w.exec(ctx, effect, w.tenant, string(e.Kind), e.Key, e.To, e.About); err != nil {
			return err
		}
	}
	return w.record(ctx, a)
}

// put writes a member over the state that check found it in, under the next
// revision of the transaction.
func (w *writer) put(ctx context.Context, m *provisioning.Member, from int64) error {
	if err := w.checkUnique(ctx, m); err != nil {
		return err
	}
	values, err := memberValues(m)
	if err != nil {
		return err
	}
	w.revision++
	values = append(values, w.revision, w.tenant, m.ID)
	query := insertMember
	if from > 0 {
		query, values = updateMember, append(values, from)
	}
	changed, err := w.exec(ctx, query, values...)
	if err == nil && changed == 0 { // the host's own SQL came between
		err = provisioning.ErrStale
	}
	return err
}

// checkUnique tells whether another member has the address or the identity.
func (w *writer) checkUnique(ctx context.Context, m *provisioning.Member) error {
	const query = `SELECT id FROM @members WHERE tenant = ? AND email_key = ? AND id <> ?
		UNION ALL SELECT id FROM @members
			WHERE tenant = ? AND managed AND connection = ? AND external_id <> '' AND external_id = ? AND id <> ?
		LIMIT 1`
	externalID := m.ExternalID
	if !m.Managed {
		externalID = ""
	}
	args := []any{w.tenant, foldASCII(m.Email), m.ID, w.tenant, m.Connection, externalID, m.ID}
	var other string
	taken, err := w.get(ctx, query, args, &other)
	if taken {
		return fmt.Errorf("member %s has it: %w", other, provisioning.ErrConflict)
	}
	return err
}

// record writes the action into the audit log. A kind that cannot be read again
// is refused.
func (w *writer) record(ctx context.Context, a *provisioning.Action) error {
	kind := a.Kind.String()
	if err := new(provisioning.Kind).UnmarshalText([]byte(kind)); err != nil {
		return err
	}
	changes, err := json.Marshal(a.Changes)
	if err != nil {
		return err
	}
	reasons, err := json.Marshal(a.Reasons)
	if err != nil {
		return err
	}
	const query = `INSERT INTO @audit (tenant, committed_at, action_key, kind, member_id, email, actor, changes, reasons)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	_, err = w.exec(ctx, query, w.tenant, w.at.Format(timeLayout), a.Key, kind, a.Member.ID, a.Member.Email,
		provisioning.ActorFrom(ctx), string(changes), string(reasons))
	return err
}
