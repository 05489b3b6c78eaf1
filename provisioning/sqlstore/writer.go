package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// A writer is a transaction that is the only writer of a tenant.
type writer struct {
	s      *Store
	tx     *sqldb.Tx
	tenant string
	at     time.Time
	before int64 // the last revision that was given before this transaction
	// members are the existing members of the topic, in their present state. done
	// has the keys of the topic whose actions are done.
	members map[string]*provisioning.Member
	done    map[string]bool
}

// A topic says what a transaction needs and reads at its beginning.
type topic struct {
	revisions     int      // how many revisions the transaction may give
	members, keys []string // member IDs and action keys, each once
}

// write calls work in a transaction. The transaction first takes revisions from the
// tenant's row, so that every other writer of the tenant waits. Then it reads the
// members and the keys of the topic.
func (s *Store) write(ctx context.Context, tenant string, about topic, work func(w *writer) error) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		w := &writer{
			s: s, tx: tx, tenant: tenant, at: s.now().UTC(),
			members: make(map[string]*provisioning.Member), done: make(map[string]bool),
		}
		begin := w.begin
		if s.dialect == PostgreSQL {
			begin = w.beginCall
		}
		if err := begin(ctx, about); err != nil {
			return err
		}
		w.before -= int64(about.revisions)
		return work(w)
	})
}

var (
	readMembers = manyRows(`WITH j(tenant, id) AS (VALUES `, make([]string, 2),
		`) SELECT `+memberFields("m.")+` FROM j CROSS JOIN @members m ON m.tenant = j.tenant AND m.id = j.id`)
	readKeys = manyRows(`WITH j(tenant, action_key) AS (VALUES `, make([]string, 2),
		`) SELECT k.action_key FROM j CROSS JOIN @keys k ON k.tenant = j.tenant AND k.action_key = j.action_key`)
)

const draw = `INSERT INTO @tenants (tenant, revision) VALUES (?, ?)
	ON CONFLICT (tenant) DO UPDATE SET revision = @tenants.revision + excluded.revision RETURNING revision`

func (w *writer) begin(ctx context.Context, about topic) error {
	if _, err := w.tx.Get(ctx, draw, []any{w.tenant, about.revisions}, &w.before); err != nil {
		return err
	}
	reader := newMemberReader()
	if err := w.several(ctx, readMembers, len(about.members), func(i int, args []any) []any {
		return append(args, w.tenant, about.members[i])
	}, func(rows *sql.Rows) error {
		m, err := reader.read(rows)
		w.members[m.ID] = &m
		return err
	}); err != nil {
		return err
	}
	return w.several(ctx, readKeys, len(about.keys), func(i int, args []any) []any {
		return append(args, w.tenant, about.keys[i])
	}, func(rows *sql.Rows) error {
		var key string
		err := rows.Scan(&key)
		w.done[key] = true
		return err
	})
}

// storable returns the texts that PostgreSQL can store. Any other text cannot be an
// ID or a key in the tables.
func storable(texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool {
		return !utf8.ValidString(text) || strings.Contains(text, "\x00")
	})
}

var callTurn = `SELECT t.drawn, t.done, ` + memberFields("(t.member).") + `
	FROM @turn(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT[]), CAST(? AS TEXT[])) AS t`

// beginCall is begin in one statement of PostgreSQL.
func (w *writer) beginCall(ctx context.Context, about topic) error {
	reader := newMemberReader()
	args := []any{w.tenant, about.revisions, literal(storable(about.members)), literal(storable(about.keys))}
	first := true
	return w.tx.Each(ctx, callTurn, args, func(rows *sql.Rows) error {
		if !first {
			var drawn, done sql.RawBytes
			m, err := reader.read(rows, &drawn, &done)
			w.members[m.ID] = &m
			return err
		}
		first = false
		var done []byte
		targets := []any{&w.before, &done}
		for range reader.targets {
			targets = append(targets, new(sql.RawBytes))
		}
		if err := rows.Scan(targets...); err != nil || done == nil {
			return err
		}
		var keys []string
		err := json.Unmarshal(done, &keys)
		for _, key := range keys {
			w.done[key] = true
		}
		return err
	})
}

// after returns the member of a row as it will be after the row is written.
func (w *writer) after(r *row) provisioning.Member {
	m := *r.member
	m.Revision = revisionOf(w.before + r.turn)
	if r.action != nil { // only the host writes Protected and Subject
		m.Protected, m.Subject = false, ""
		if before := w.members[m.ID]; before != nil {
			m.Protected, m.Subject = before.Protected, before.Subject
		}
	}
	return m
}

// note updates w.members and w.done after rows were written.
func (w *writer) note(rows []*row) {
	for _, r := range rows {
		m := w.after(r)
		w.members[m.ID], w.done[r.action.Key] = &m, true
	}
}

// run runs a statement. The function scan, unless it is nil, reads each row of the
// answer.
func (w *writer) run(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	if scan == nil {
		return w.exec(ctx, query, args...)
	}
	ctx, err := w.uncancelled(ctx)
	if err != nil {
		return err
	}
	return w.tx.Each(ctx, query, args, scan)
}

// exec runs a statement that changes rows.
func (w *writer) exec(ctx context.Context, query string, args ...any) error {
	_, err := w.change(ctx, query, args...)
	return err
}

// change is exec, and returns the number of the rows.
func (w *writer) change(ctx context.Context, query string, args ...any) (changed int64, err error) {
	if ctx, err = w.uncancelled(ctx); err != nil {
		return 0, err
	}
	return w.tx.Exec(ctx, query, args...)
}

// uncancelled returns the context of a statement. On SQLite a context is checked
// only before each statement: to cancel a statement in the middle, the driver would
// need a goroutine for each one.
func (w *writer) uncancelled(ctx context.Context) (context.Context, error) {
	if w.s.dialect != SQLite {
		return ctx, nil
	}
	return context.WithoutCancel(ctx), ctx.Err()
}
