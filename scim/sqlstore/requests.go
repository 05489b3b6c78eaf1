package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// requestRows is the number of rows that one statement inserts.
const requestRows = 50

// The kinds of counts.
const (
	countToken   = "token"
	countRefused = "refused"
	countDropped = "dropped"
)

// AddRequests implements scim.RequestStore, in one transaction.
func (s *Store) AddRequests(ctx context.Context, batches []scim.RequestBatch, limits scim.RequestLimits) error {
	batches = slices.DeleteFunc(slices.Clone(batches), func(b scim.RequestBatch) bool { return !isText(b.Tenant) || !isText(b.Connection) })
	requests, counts, err := requestValues(batches)
	if err != nil {
		return fail("add requests", err)
	}
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if s.db.Dialect() == PostgreSQL {
			if _, err := tx.Exec(ctx, `SELECT BY_INDEX`); err != nil {
				return err
			}
		}
		if err := insertRows(ctx, tx, `INSERT INTO @requests (tenant, connection, at, tie, day, entry) VALUES `, "", requests); err != nil {
			return err
		}
		if err := insertRows(ctx, tx, `INSERT INTO @request_counts (tenant, connection, kind, name, first, last, total, entry) VALUES `,
			` ON CONFLICT (tenant, connection, kind, name) DO UPDATE SET total = @request_counts.total + excluded.total,
				first = CASE WHEN excluded.first < @request_counts.first THEN excluded.first ELSE @request_counts.first END,
				last = CASE WHEN excluded.last > @request_counts.last THEN excluded.last ELSE @request_counts.last END,
				entry = CASE WHEN excluded.last >= @request_counts.last THEN excluded.entry ELSE @request_counts.entry END`, counts); err != nil {
			return err
		}
		return dropRequests(ctx, tx, batches, limits)
	})
	if err != nil {
		return fail("add requests", err)
	}
	return nil
}

// requestValues returns the rows of both tables in the order of their keys, so
// that processes that write at the same time do not deadlock.
func requestValues(batches []scim.RequestBatch) (requests, counts [][]any, err error) {
	for i := range batches {
		b := &batches[i]
		for _, r := range b.Requests {
			entry, err := json.Marshal(r)
			if err != nil {
				return nil, nil, err
			}
			requests = append(requests, []any{b.Tenant, b.Connection, fromTime(r.At), rand.Int64(), day(r.At), string(entry)})
		}
		count := func(kind, name string, c scim.RequestCount, entry string) {
			if c.N > 0 {
				counts = append(counts, []any{b.Tenant, b.Connection, kind, name, fromTime(c.First), fromTime(c.Last), c.N, entry})
			}
		}
		count(countDropped, "", b.Dropped, "")
		count(countRefused, "", b.Refused, "")
		for _, u := range b.Tokens {
			entry, err := json.Marshal(u.Did)
			if err != nil {
				return nil, nil, err
			}
			if isText(u.Token) {
				count(countToken, u.Token, u.RequestCount, string(entry))
			}
		}
	}
	slices.SortFunc(counts, func(a, b []any) int {
		for i := range 4 {
			if c := cmp.Compare(a[i].(string), b[i].(string)); c != 0 {
				return c
			}
		}
		return 0
	})
	return requests, counts, nil
}

// insertRows inserts rows with statements of bounded size.
func insertRows(ctx context.Context, tx *sqldb.Tx, insert, conflict string, rows [][]any) error {
	for part := range slices.Chunk(rows, requestRows) {
		form := "(" + sqldb.Marks("?", len(part[0])) + ")"
		if _, err := tx.Exec(ctx, insert+sqldb.Marks(form, len(part))+conflict, slices.Concat(part...)...); err != nil {
			return err
		}
	}
	return nil
}

// dropRequests deletes the rows that exceed the limits.
func dropRequests(ctx context.Context, tx *sqldb.Tx, batches []scim.RequestBatch, limits scim.RequestLimits) error {
	for i := range batches {
		dir := batches[i].Directory
		if _, err := tx.Exec(ctx, `DELETE FROM @requests WHERE tenant = ?1 AND connection = ?2 AND (at, tie) <=
			(SELECT at, tie FROM @requests WHERE tenant = ?1 AND connection = ?2 ORDER BY at DESC, tie DESC LIMIT 1 OFFSET ?3)`,
			dir.Tenant, dir.Connection, max(limits.Requests, 0)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM @request_counts WHERE tenant = ?1 AND connection = ?2 AND kind = ?3 AND name NOT IN
			(SELECT name FROM @request_counts WHERE tenant = ?1 AND connection = ?2 AND kind = ?3 ORDER BY last DESC, name LIMIT ?4)`,
			dir.Tenant, dir.Connection, countToken, scim.MaxTokens); err != nil {
			return err
		}
	}
	since := fromTime(limits.Since)
	// A call with batches deletes whole days only. Calls without batches, which
	// are rare, also check each request of the last day.
	old, args := `DELETE FROM @requests WHERE day < ?`, []any{day(limits.Since)}
	if len(batches) == 0 {
		old, args = `DELETE FROM @requests WHERE day <= ? AND at < ?`, append(args, since)
	}
	if _, err := tx.Exec(ctx, old, args...); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM @request_counts WHERE last < ?`, since)
	return err
}

// day returns the number of the day since 1970.
func day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// Requests implements scim.RequestStore.
func (s *Store) Requests(ctx context.Context, dir scim.Directory, most int) (scim.RequestHistory, error) {
	var out scim.RequestHistory
	if !isText(dir.Tenant) || !isText(dir.Connection) {
		return out, nil
	}
	record := func(entry string) (r scim.RequestRecord, err error) {
		if err = json.Unmarshal([]byte(entry), &r); err != nil {
			err = fmt.Errorf("entry: %w", err)
		}
		return r, err
	}
	err := s.db.Query(ctx, s.db.NewWait(), `SELECT entry FROM @requests WHERE tenant = ? AND connection = ? ORDER BY at DESC, tie DESC LIMIT ?`,
		[]any{dir.Tenant, dir.Connection, max(most, 0)}, func(rows *sql.Rows) error {
			var entry string
			if err := rows.Scan(&entry); err != nil {
				return err
			}
			r, err := record(entry)
			out.Requests = append(out.Requests, r)
			return err
		})
	if err != nil {
		return out, fail("requests", err)
	}
	err = s.db.Query(ctx, s.db.NewWait(), `SELECT kind, name, first, last, total, entry FROM @request_counts
		WHERE tenant = ? AND connection = ? ORDER BY last DESC, name`,
		[]any{dir.Tenant, dir.Connection}, func(rows *sql.Rows) error {
			var kind, name, entry string
			var first, last, total int64
			if err := rows.Scan(&kind, &name, &first, &last, &total, &entry); err != nil {
				return err
			}
			c := scim.RequestCount{N: total, First: toTime(first), Last: toTime(last)}
			switch kind {
			case countRefused:
				out.Refused = c
			case countDropped:
				out.Dropped = c
			case countToken:
				did, err := record(entry)
				out.Tokens = append(out.Tokens, scim.TokenUse{Token: name, RequestCount: c, Did: did})
				return err
			}
			return nil
		})
	if err != nil {
		return out, fail("requests", err)
	}
	return out, nil
}
