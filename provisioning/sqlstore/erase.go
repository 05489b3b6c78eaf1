package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// Erase implements provisioning.Eraser. It is one transaction. Other writers of the
// tenant wait for its end.
func (s *Store) Erase(ctx context.Context, tenant, memberID string) error {
	err := s.write(ctx, tenant, topic{members: []string{memberID}}, func(w *writer) error {
		var own []provisioning.Record
		if err := w.eachRecord(ctx, func(_ int64, r provisioning.Record) error {
			if r.MemberID == memberID {
				own = append(own, r)
			}
			return nil
		}); err != nil {
			return err
		}
		var m provisioning.Member
		if known := w.members[memberID]; known != nil {
			m = *known
		}
		e := provisioning.NewErasure(memberID, m, own)
		if err := w.deleteMember(ctx, memberID); err != nil {
			return err
		}
		if err := w.eachRecord(ctx, func(seq int64, r provisioning.Record) error {
			redacted, named := e.Redact(r)
			if !named {
				return nil
			}
			return w.rewriteRecord(ctx, seq, redacted)
		}); err != nil {
			return err
		}
		return w.erasePlans(ctx, e)
	})
	if err != nil {
		return fmt.Errorf("sqlstore: erase member %s: %w", memberID, err)
	}
	return nil
}

func (w *writer) rewriteRecord(ctx context.Context, seq int64, r provisioning.Record) error {
	changes, err := json.Marshal(r.Changes)
	if err != nil {
		return err
	}
	reasons, err := json.Marshal(r.Reasons)
	if err != nil {
		return err
	}
	const query = `UPDATE @audit SET email = ?, changes = CAST(? AS JSON_TYPE), reasons = CAST(? AS JSON_TYPE) WHERE tenant = ? AND seq = ?`
	return w.exec(ctx, query, r.Email, string(changes), string(reasons), w.tenant, seq)
}

// eachRecord calls do with every audit record of the tenant, a page at a time.
func (w *writer) eachRecord(ctx context.Context, do func(seq int64, r provisioning.Record) error) error {
	const query = `SELECT seq, committed_at, action_key, kind, member_id, email, actor, changes, reasons
		FROM @audit WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?`
	type numbered struct {
		seq    int64
		record provisioning.Record
	}
	for after := int64(0); ; {
		var page []numbered
		if err := w.run(ctx, query, []any{w.tenant, after, pageSize}, func(rows *sql.Rows) error {
			seq, r, err := scanRecord(rows)
			page = append(page, numbered{seq, r})
			return err
		}); err != nil {
			return err
		}
		for _, one := range page {
			after = one.seq
			if err := do(one.seq, one.record); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// erasePlans removes the content of the plans that name a person. It reads one plan
// at a time. The row of such a plan remains, because it says which plans the plan
// superseded.
func (w *writer) erasePlans(ctx context.Context, e *provisioning.Erasure) error {
	const query = `SELECT hash, plan FROM @plans WHERE tenant = ? AND hash > ? ORDER BY hash LIMIT 1`
	for after := ""; ; {
		var plan []byte
		found := false
		if err := w.run(ctx, query, []any{w.tenant, after}, func(rows *sql.Rows) error {
			found = true
			return rows.Scan(&after, &plan)
		}); err != nil || !found {
			return err
		}
		if len(plan) == 0 {
			continue
		}
		text, err := decompress(plan)
		if err == nil && !e.Names(text) { // a plan that cannot be read is erased as well
			continue
		}
		if err := w.exec(ctx, `UPDATE @plans SET plan = ? WHERE tenant = ? AND hash = ?`, []byte{}, w.tenant, after); err != nil {
			return err
		}
	}
}

// Forget implements provisioning.Eraser.
func (s *Store) Forget(ctx context.Context, tenant string, before time.Time) error {
	err := s.write(ctx, tenant, topic{}, func(w *writer) error {
		at := before.UTC().Format(timeLayout)
		if err := w.exec(ctx, `DELETE FROM @audit WHERE tenant = ? AND committed_at < ?`, tenant, at); err != nil {
			return err
		}
		return w.exec(ctx, `UPDATE @plans SET plan = ? WHERE tenant = ? AND saved_at < ?`, []byte{}, tenant, at)
	})
	if err != nil {
		return fmt.Errorf("sqlstore: forget what is older than %s: %w", before.UTC().Format(time.RFC3339), err)
	}
	return nil
}
