package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// Put writes a member for the host itself, such as a member made by hand or an edit
// that provisioning.Locks allowed. It returns the stored member, which has a new
// revision. For this member, plans that were made before are stale.
//
// A member whose Revision is "" must not exist yet. Any other member must still have
// that revision; so the second of two edits of one state is refused. If this does
// not hold, the error matches provisioning.ErrStale. If another member has the
// address or the identity, it matches provisioning.ErrConflict. Only Put writes
// Protected and Subject. The audit log contains only the actions of plans, and does
// not show the write.
func (s *Store) Put(ctx context.Context, tenant string, m provisioning.Member) (provisioning.Member, error) {
	m = m.Clone()
	m.Normalize()
	r := row{turn: 1}
	err := r.fillMember(&m, m.Revision, m.Revision == "")
	if m.ID == "" {
		err = errors.New("its ID is empty")
	}
	if err == nil {
		about := topic{revisions: 1, members: []string{m.ID}}
		err = s.write(ctx, tenant, about, func(w *writer) error { return w.putByHand(ctx, &r) })
	}
	if err != nil {
		return provisioning.Member{}, fmt.Errorf("sqlstore: put member %s: %w", m.ID, err)
	}
	return m, nil
}

// putByHand writes a row of the host, if the member has the expected revision and
// nothing conflicts.
func (w *writer) putByHand(ctx context.Context, r *row) error {
	states, err := w.look(ctx, []*row{r})
	if err != nil {
		return err
	}
	found := &states[0]
	if found.revision != r.expected {
		return provisioning.ErrStale
	}
	if holder := cmp.Or(found.emailHolder, found.identityHolder); holder != nil {
		return takenBy(*holder)
	}
	if err := w.writeMembers(ctx, []*row{r}); err != nil {
		return err
	}
	if err := w.writeCounts(ctx, w.tallies([]*row{r})); err != nil {
		return err
	}
	r.member.Revision = revisionOf(w.before + r.turn)
	const query = `UPDATE @members SET protected = ?, subject = ? WHERE tenant = ? AND id = ?`
	return w.exec(ctx, query, r.member.Protected, r.member.Subject, w.tenant, r.member.ID)
}

// Delete removes a member permanently. The keys of the actions on the member stay,
// so that an old plan cannot create the person again; a newer plan can (S45). Audit
// records and plans stay as well, and contain the address; Erase removes all data
// of a person. It is not an error if the member does not exist.
func (s *Store) Delete(ctx context.Context, tenant, memberID string) error {
	err := s.write(ctx, tenant, topic{members: []string{memberID}}, func(w *writer) error {
		return w.deleteMember(ctx, memberID)
	})
	if err != nil {
		return fmt.Errorf("sqlstore: delete member %s: %w", memberID, err)
	}
	return nil
}

func (w *writer) deleteMember(ctx context.Context, memberID string) error {
	before := w.members[memberID]
	if before == nil {
		return nil
	}
	if err := w.exec(ctx, `DELETE FROM @members WHERE tenant = ? AND id = ?`, w.tenant, memberID); err != nil {
		return err
	}
	sum := make(sums)
	sum.add(before, -1)
	return w.writeCounts(ctx, sum.tallies())
}
