package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// Effects implements provisioning.Outbox. It holds no connection between pages, so
// that the caller can deliver inside the loop. If several processes deliver, only
// one at a time may deliver for a tenant, for instance under its lock. Otherwise an
// effect that is yielded to two processes is delivered twice.
func (s *Store) Effects(ctx context.Context, tenant string) iter.Seq2[provisioning.Effect, error] {
	const query = `SELECT seq, kind, action_key, to_id, about_id FROM @effects WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?`
	return pages(ctx, s, "effects", query, tenant, func(rows *sql.Rows) (seq int64, e provisioning.Effect, err error) {
		err = rows.Scan(&seq, &e.Kind, &e.Key, &e.To, &e.About)
		return seq, e, err
	})
}

// Delivered implements provisioning.Outbox. It removes the effect.
func (s *Store) Delivered(ctx context.Context, tenant string, e provisioning.Effect) error {
	err := s.db.Write(ctx, s.byIndex(ctx, func(tx *sqldb.Tx) error {
		const query = `DELETE FROM @effects WHERE action_key = ? AND tenant || '' = ? AND kind = ? AND to_id = ? AND about_id = ?`
		_, err := tx.Exec(ctx, query, e.Key, tenant, string(e.Kind), e.To, e.About)
		return err
	}))
	if err != nil {
		return fmt.Errorf("sqlstore: delivered %s: %w", e.Key, err)
	}
	return nil
}

// Audit implements provisioning.AuditLog.
func (s *Store) Audit(ctx context.Context, tenant string) iter.Seq2[provisioning.Record, error] {
	const query = `SELECT seq, committed_at, action_key, kind, member_id, email, actor, changes, reasons
		FROM @audit WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?`
	return pages(ctx, s, "audit", query, tenant, scanRecord)
}

// MemberAudit implements provisioning.MemberLog.
func (s *Store) MemberAudit(ctx context.Context, tenant, memberID string, most int) ([]provisioning.Record, error) {
	var records []provisioning.Record
	err := s.read(ctx, func(tx *sqldb.Tx) error {
		const query = `SELECT seq, committed_at, action_key, kind, member_id, email, actor, changes, reasons
			FROM @audit WHERE member_id = ? AND tenant || '' = ? ORDER BY seq DESC LIMIT ?`
		return tx.Each(ctx, query, []any{memberID, tenant, max(most, 0)}, func(rows *sql.Rows) error {
			_, r, err := scanRecord(rows)
			records = append(records, r)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: audit of %s: %w", memberID, err)
	}
	return records, nil
}

// scanRecord reads the columns seq, committed_at, action_key, kind, member_id,
// email, actor, changes and reasons.
func scanRecord(rows *sql.Rows) (seq int64, r provisioning.Record, err error) {
	var at, kind string
	var changes, reasons []byte
	if err := rows.Scan(&seq, &at, &r.Key, &kind, &r.MemberID, &r.Email, &r.Actor, &changes, &reasons); err != nil {
		return 0, r, err
	}
	if r.At, err = time.Parse(timeLayout, at); err != nil {
		return 0, r, err
	}
	if err := r.Kind.UnmarshalText([]byte(kind)); err != nil {
		return 0, r, err
	}
	if err := json.Unmarshal(changes, &r.Changes); err != nil {
		return 0, r, err
	}
	return seq, r, json.Unmarshal(reasons, &r.Reasons)
}

// pageSize is the number of rows in a page.
const pageSize = 256

// pages yields rows in the order of seq. The arguments of the query are the tenant,
// the seq after which to begin, and the number of rows to read.
func pages[T any](ctx context.Context, s *Store, op, query, tenant string, scan func(*sql.Rows) (int64, T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after := int64(0); ; {
			page, last, err := readPage(ctx, s, query, tenant, after, scan)
			if err != nil {
				var zero T
				yield(zero, fmt.Errorf("sqlstore: %s: %w", op, err))
				return
			}
			for _, value := range page {
				if !yield(value, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			after = last
		}
	}
}

func readPage[T any](ctx context.Context, s *Store, query, tenant string, after int64, scan func(*sql.Rows) (int64, T, error)) (page []T, last int64, err error) {
	err = s.read(ctx, func(tx *sqldb.Tx) error {
		return tx.Each(ctx, query, []any{tenant, after, pageSize}, func(rows *sql.Rows) error {
			seq, value, err := scan(rows)
			page, last = append(page, value), seq
			return err
		})
	})
	return page, last, err
}
