package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

const (
	readState   = `SELECT document, revision FROM @states WHERE tenant = ? AND name = ?`
	updateState = `UPDATE @states SET document = ?, revision = ? WHERE tenant = ? AND name = ? AND revision = ?`
	readWindow  = `SELECT class, n FROM @windows WHERE tenant = ? AND minute >= ? AND minute <= ? AND connection = ?`
)

// State implements provisioning.StateStore.
func (s *Store) State(ctx context.Context, tenant, name string) (document []byte, revision provisioning.Revision, err error) {
	err = s.read(ctx, func(tx *sqldb.Tx) error {
		found, err := tx.Get(ctx, readState, []any{tenant, name}, &document, &revision)
		if found && document == nil { // some drivers return nil for an empty document
			document = []byte{}
		}
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("sqlstore: state %s: %w", name, err)
	}
	return document, revision, nil
}

// SetState implements provisioning.StateStore. Revisions are random, so that no
// revision occurs again after a document was removed.
func (s *Store) SetState(ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
	next := provisioning.Revision(rand.Text())
	query, args := updateState, []any{document, string(next), tenant, name, string(revision)}
	switch {
	case document == nil:
		query, args, next = `DELETE FROM @states WHERE tenant = ? AND name = ? AND revision = ?`, args[2:], ""
	case revision == "":
		query = `INSERT INTO @states (document, revision, tenant, name) VALUES (?, ?, ?, ?) ON CONFLICT (tenant, name) DO NOTHING`
		args = args[:4]
	}
	err := s.db.Write(ctx, s.byIndex(ctx, func(tx *sqldb.Tx) error {
		changed, err := tx.Exec(ctx, query, args...)
		if err != nil || changed > 0 {
			return err
		}
		if document == nil && revision == "" {
			var stored string
			found, err := tx.Get(ctx, `SELECT revision FROM @states WHERE tenant = ? AND name = ?`, []any{tenant, name}, &stored)
			if err != nil || !found {
				return err
			}
		}
		return provisioning.ErrStale
	}))
	if err != nil {
		return "", fmt.Errorf("sqlstore: set state %s: %w", name, err)
	}
	return next, nil
}

// Window implements provisioning.StateStore.
func (s *Store) Window(ctx context.Context, tenant, connection string, length time.Duration) (provisioning.Window, error) {
	window := provisioning.Window{Done: make(map[provisioning.Class]int)}
	err := s.read(ctx, func(tx *sqldb.Tx) error {
		now := s.now()
		args := []any{tenant, minuteOf(now.Add(-length)), minuteOf(now.Add(provisioning.MaxWindow)), connection}
		return tx.Each(ctx, readWindow, args, func(rows *sql.Rows) error {
			var word string
			var n int
			if err := rows.Scan(&word, &n); err != nil {
				return err
			}
			if word == grown {
				window.Grown += n
				return nil
			}
			var class provisioning.Class
			err := class.UnmarshalText([]byte(word))
			if n != 0 {
				window.Done[class] += n
			}
			return err
		})
	})
	if err != nil {
		return provisioning.Window{}, fmt.Errorf("sqlstore: window of %s: %w", connection, err)
	}
	return window, nil
}

// grown is the class under which @windows counts people.
const grown = ""

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// A windowCount is an amount that is added to the counts of this minute.
type windowCount struct {
	connection, class string
	n                 int64
}

const (
	insertWindow = `INSERT INTO @windows (tenant, minute, connection, class, n) `
	orAddWindow  = ` ON CONFLICT (tenant, minute, connection, class) DO UPDATE SET n = @windows.n + excluded.n`
)

var writeWindows = manyRows(insertWindow+`VALUES `, make([]string, 5), orAddWindow)

// windowCounts returns the counts that the actions of rows, in their order, add to
// the window. The result anew lists the counts that are set to 0 before, because
// their classes were approved.
func (w *writer) windowCounts(rows []*row, tallies []tally) (added, anew []windowCount) {
	sum := make(map[windowCount]int64) // by a windowCount whose n is 0
	for _, r := range rows {
		a := r.action
		for _, class := range a.Approved {
			of := windowCount{connection: a.Member.Connection, class: class.String()}
			sum[of] = 0
			if !slices.Contains(anew, of) {
				anew = append(anew, of)
			}
		}
		for _, class := range a.Classes {
			if !slices.Contains(a.Approved, class) {
				sum[windowCount{connection: a.Member.Connection, class: class.String()}]++
			}
		}
	}
	for _, t := range tallies {
		if t.kind == countPeople {
			sum[windowCount{connection: t.name, class: grown}] = t.n
		}
	}
	for of, n := range sum {
		if of.n = n; n != 0 {
			added = append(added, of)
		}
	}
	slices.SortFunc(added, func(a, b windowCount) int {
		return slices.Compare([]string{a.connection, a.class}, []string{b.connection, b.class})
	})
	return added, anew
}

// writeWindows sets the counts in anew to 0, and then adds the others to the counts
// of this minute.
func (w *writer) writeWindows(ctx context.Context, added, anew []windowCount) error {
	for _, of := range anew {
		const query = `UPDATE @windows SET n = 0 WHERE tenant = ? AND minute >= ? AND connection = ? AND class = ?`
		if err := w.exec(ctx, query, w.tenant, minuteOf(w.at.Add(-provisioning.MaxWindow)), of.connection, of.class); err != nil {
			return err
		}
	}
	return w.several(ctx, writeWindows, len(added), func(i int, args []any) []any {
		return append(args, w.tenant, minuteOf(w.at), added[i].connection, added[i].class, added[i].n)
	}, nil)
}

// forgetWindows removes counts that are older than provisioning.MaxWindow, and
// counts of the future, which came from a clock that was ahead.
func (w *writer) forgetWindows(ctx context.Context) error {
	oldest, latest := minuteOf(w.at.Add(-provisioning.MaxWindow)), minuteOf(w.at.Add(provisioning.MaxWindow))
	if err := w.exec(ctx, `DELETE FROM @windows WHERE tenant = ? AND minute < ?`, w.tenant, oldest); err != nil {
		return err
	}
	return w.exec(ctx, `DELETE FROM @windows WHERE tenant = ? AND minute > ?`, w.tenant, latest)
}
