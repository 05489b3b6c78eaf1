package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// Put writes a member as the host's own act, such as a member made by hand or
// an edit that provisioning.Locks allowed, and returns it as it is now, with a
// new revision. Plans made from before are stale for this member.
//
// A member whose Revision is "" must not exist yet; any other must still have
// that revision, so that of two edits of one state the second is refused. The
// error matches provisioning.ErrStale or provisioning.ErrConflict then. The
// audit log is about plans and does not show the write.
func (s *Store) Put(ctx context.Context, tenant string, m provisioning.Member) (provisioning.Member, error) {
	m = m.Clone()
	m.Normalize()
	err := s.write(ctx, tenant, 1, func(w *writer) error {
		if m.ID == "" {
			return errors.New("its ID is empty")
		}
		from, err := w.check(ctx, m.ID, m.Revision, m.Revision == "")
		if err != nil {
			return err
		}
		if err := w.put(ctx, &m, from); err != nil {
			return err
		}
		m.Revision = revisionOf(w.revision)
		_, err = w.exec(ctx, `UPDATE @members SET protected = ? WHERE tenant = ? AND id = ?`, m.Protected, tenant, m.ID)
		return err
	})
	if err != nil {
		return provisioning.Member{}, fmt.Errorf("sqlstore: put member %s: %w", m.ID, err)
	}
	return m, nil
}

// Delete removes a member for good, with the keys of what was done to it, so
// that the person can be created again. Audit records stay, with the address
// in them: to forget a person altogether, the host deletes those as well.
// Deleting a member who is not there is no error.
func (s *Store) Delete(ctx context.Context, tenant, memberID string) error {
	err := s.write(ctx, tenant, 0, func(w *writer) error {
		_, err := w.exec(ctx, `DELETE FROM @members WHERE tenant = ? AND id = ?`, tenant, memberID)
		return err
	})
	if err != nil {
		return fmt.Errorf("sqlstore: delete member %s: %w", memberID, err)
	}
	return nil
}
