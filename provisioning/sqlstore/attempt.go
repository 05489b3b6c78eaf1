package sqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// Parts that the statements below share with applySet.
const (
	insertKey    = `INSERT INTO @keys (tenant, action_key, member_id) `
	insertEffect = `INSERT INTO @effects (tenant, kind, action_key, to_id, about_id) `
	insertAudit  = `INSERT INTO @audit (tenant, committed_at, action_key, kind, member_id, email, actor, changes, reasons) `
)

var (
	lookUp = manyRows(`WITH j(n, tenant, id, action_key, email_key, connection, external_id, managed) AS (VALUES `,
		[]string{"INTEGER", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT", "BOOLEAN"}, `) SELECT n, `+states+` FROM j`)
	writeMembers = manyRows(insertMember+`VALUES `, make([]string, len(columns)+len(keyColumns)+3), orUpdateMember)
	writeKeys    = manyRows(insertKey+`VALUES `, make([]string, 3), "")
	writeEffects = manyRows(insertEffect+`VALUES `, make([]string, 5), "")
	writeAudit   = manyRows(insertAudit+`VALUES `, make([]string, 9), "")
	writeCounts  = manyRows(insertCount+`VALUES `, make([]string, 4), orAddCount)
)

// A rowsStatement is a statement with rows of values. It has a text for one row and
// a text for n rows.
type rowsStatement struct {
	one, many string
	n         int
}

// maxArgs is the approximate number of arguments of a statement. The SQLite driver
// needs a fixed time for each statement, and a time for the arguments that grows
// with the square of their number. Near this number, the total time is smallest.
const maxArgs = 70

// manyRows returns the statement that has rows of values between before and after.
// Each value is cast to its type, unless the type is "".
func manyRows(before string, types []string, after string) rowsStatement {
	row := make([]string, len(types))
	for i, name := range types {
		if row[i] = "?"; name != "" {
			row[i] = "CAST(? AS " + name + ")"
		}
	}
	n := max(1, maxArgs/len(types))
	values := "(" + strings.Join(row, ", ") + ")"
	return rowsStatement{before + values + after, before + sqldb.Marks(values, n) + after, n}
}

// several runs a statement for n rows. The function values appends the values of
// the i-th row. The function scan reads a row of the answer; it is nil if the
// statement returns no rows.
func (w *writer) several(ctx context.Context, s rowsStatement, n int, values func(i int, args []any) []any, scan func(*sql.Rows) error) error {
	args := make([]any, 0, maxArgs)
	for i := 0; i < n; {
		query, rows := s.many, s.n
		if n-i < rows {
			query, rows = s.one, 1
		}
		args = args[:0]
		for range rows {
			args = values(i, args)
			i++
		}
		if err := w.run(ctx, query, args, scan); err != nil {
			return err
		}
	}
	return nil
}

// attempt writes all rows if write is true and every row is clean. Otherwise it
// writes nothing and returns the states of the rows. No two rows may have the same
// key, member, address or identity.
func (w *writer) attempt(ctx context.Context, rows []*row, write bool) (found []state, err error) {
	if w.s.dialect == PostgreSQL {
		found, err = w.attemptSet(ctx, rows, write)
	} else {
		found, err = w.attemptRows(ctx, rows, write)
	}
	if err == nil && found == nil {
		w.note(rows)
	}
	return found, err
}

func (w *writer) attemptRows(ctx context.Context, rows []*row, write bool) ([]state, error) {
	found, err := w.look(ctx, rows)
	if err != nil {
		return nil, err
	}
	for i, r := range rows {
		write = write && found[i].clean(r)
	}
	if !write {
		return found, nil
	}
	return nil, w.writeRows(ctx, rows)
}

// look reads the states of rows.
func (w *writer) look(ctx context.Context, rows []*row) ([]state, error) {
	found := make([]state, len(rows))
	err := w.several(ctx, lookUp, len(rows), func(i int, args []any) []any {
		m := rows[i].member
		var key any
		if a := rows[i].action; a != nil {
			key = a.Key
		}
		return append(args, i, w.tenant, m.ID, key, rows[i].keys[emailColumn], m.Connection, m.ExternalID, m.Managed)
	}, func(rows *sql.Rows) error {
		var i int
		var s state
		err := rows.Scan(append([]any{&i}, s.targets()...)...)
		if err == nil {
			found[i] = s
		}
		return err
	})
	return found, err
}

// writeMembers writes the members of rows. The revision of each is w.before plus
// its turn.
func (w *writer) writeMembers(ctx context.Context, rows []*row) error {
	values := func(r *row, args []any) []any {
		args = append(append(args, r.values...), r.keys...)
		return append(args, w.before+r.turn, w.tenant, r.member.ID)
	}
	if w.s.dialect == SQLite {
		args := make([]any, 0, len(columns)+len(keyColumns)+3)
		upserts := make([]*row, 0, len(rows))
		for _, r := range rows {
			if w.members[r.member.ID] != nil {
				changed, err := w.change(ctx, updateMember, values(r, args)...)
				if err != nil {
					return err
				}
				if changed > 0 {
					continue
				}
			}
			upserts = append(upserts, r)
		}
		rows = upserts
	}
	return w.several(ctx, writeMembers, len(rows), func(i int, args []any) []any { return values(rows[i], args) }, nil)
}

// writeCounts adds tallies to the counters.
func (w *writer) writeCounts(ctx context.Context, tallies []tally) error {
	return w.several(ctx, writeCounts, len(tallies), func(i int, args []any) []any {
		return append(args, w.tenant, tallies[i].kind, tallies[i].name, tallies[i].n)
	}, nil)
}

// writeRows writes the members of rows, and the counters, window counts, keys,
// effects and audit records of their actions.
func (w *writer) writeRows(ctx context.Context, rows []*row) error {
	if err := w.writeMembers(ctx, rows); err != nil {
		return err
	}
	tallies := w.tallies(rows)
	if err := w.writeCounts(ctx, tallies); err != nil {
		return err
	}
	added, anew := w.windowCounts(rows, tallies)
	if err := w.writeWindows(ctx, added, anew); err != nil {
		return err
	}
	if err := w.several(ctx, writeKeys, len(rows), func(i int, args []any) []any {
		return append(args, w.tenant, rows[i].action.Key, rows[i].member.ID)
	}, nil); err != nil {
		return err
	}
	var effects []provisioning.Effect
	for _, r := range rows {
		effects = append(effects, r.action.Effects...)
	}
	if err := w.several(ctx, writeEffects, len(effects), func(i int, args []any) []any {
		e := &effects[i]
		return append(args, w.tenant, string(e.Kind), e.Key, e.To, e.About)
	}, nil); err != nil {
		return err
	}
	at, actor := w.at.Format(timeLayout), provisioning.ActorFrom(ctx)
	return w.several(ctx, writeAudit, len(rows), func(i int, args []any) []any {
		a := rows[i].action
		return append(args, w.tenant, at, a.Key, a.Kind.String(), a.Member.ID, a.Member.Email, actor, rows[i].changes, rows[i].reasons)
	}, nil)
}
