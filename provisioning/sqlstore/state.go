package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// State implements provisioning.StateStore.
func (s *Store) State(ctx context.Context, tenant, name string) (document []byte, revision provisioning.Revision, err error) {
	err = s.read(ctx, func(tx *sqldb.Tx) error {
		var number int64
		found, err := tx.Get(ctx, `SELECT revision, document FROM @states WHERE tenant = ? AND name = ?`, []any{tenant, name}, &number, &document)
		if found {
			revision = revisionOf(number)
		}
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("sqlstore: state %q: %w", name, err)
	}
	return document, revision, nil
}

// forgetEvery is after how many revisions of a tenant SetState forgets what the
// windows no longer need.
const forgetEvery = 64

// SetState implements provisioning.StateStore.
func (s *Store) SetState(ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
	var next provisioning.Revision
	err := s.write(ctx, tenant, topic{revisions: 1}, func(w *writer) error {
		var written, there bool
		var err error
		number, known := w.before+1, numberOf(revision)
		next = revisionOf(number)
		switch {
		case document != nil && revision == "":
			written, err = w.returns(ctx, `INSERT INTO @states (tenant, name, revision, document) VALUES (?, ?, ?, ?)
				ON CONFLICT DO NOTHING RETURNING revision`, tenant, name, number, document)
		case document != nil:
			written, err = w.returns(ctx, `UPDATE @states SET revision = ?, document = ? WHERE tenant = ? AND name = ? AND revision = ?
				RETURNING revision`, number, document, tenant, name, known)
		case revision == "":
			next = ""
			there, err = w.returns(ctx, `SELECT revision FROM @states WHERE tenant = ? AND name = ?`, tenant, name)
			written = !there
		default:
			next = ""
			written, err = w.returns(ctx, `DELETE FROM @states WHERE tenant = ? AND name = ? AND revision = ? RETURNING revision`, tenant, name, known)
		}
		if err == nil && !written {
			err = provisioning.ErrStale
		}
		if err == nil && number%forgetEvery == 0 {
			err = w.forgetWindows(ctx)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("sqlstore: set state %q: %w", name, err)
	}
	return next, nil
}

// returns reports whether a statement returns a row.
func (w *writer) returns(ctx context.Context, query string, args ...any) (bool, error) {
	var number int64
	return w.tx.Get(ctx, query, args, &number)
}

// numberOf returns the number of a revision; one that this store did not give is
// nobody's.
func numberOf(revision provisioning.Revision) int64 {
	number, err := strconv.ParseInt(string(revision), 10, 64)
	if err != nil {
		return -1
	}
	return number
}

// The window is counted by minutes: a counter is of the kind countWindow with
// the connection, and its name is the minute, in digits of one length so that
// names sort by time, and the class, or grown for the population.
const (
	countWindow  = "window/"
	minuteDigits = 10
	grown        = "grown"
)

func minuteName(at time.Time) string { return fmt.Sprintf("%0*d", minuteDigits, at.Unix()/60) }

// addAction adds what a done action counts in the window of its connection: one
// for each class that was not approved, and by how many the population grew
// (S39).
func (s sums) addAction(at time.Time, before, after *provisioning.Member, a *provisioning.Action) {
	kind, minute := countWindow+after.Connection, minuteName(at)
	for _, class := range a.Classes {
		if !slices.Contains(a.Approved, class) {
			s[[2]string{kind, minute + " " + class.String()}]++
		}
	}
	growth := after.Counted(after.Connection).Population
	if before != nil {
		growth -= before.Counted(after.Connection).Population
	}
	if growth != 0 {
		s[[2]string{kind, minute + " " + grown}] += int64(growth)
	}
}

// beginWindows begins the counts anew of the classes of which actions were
// approved.
func (w *writer) beginWindows(ctx context.Context, rows []*row) error {
	approved := make(map[[2]string]bool)
	for _, r := range rows {
		for _, class := range r.action.Approved {
			approved[[2]string{countWindow + r.member.Connection, class.String()}] = true
		}
	}
	for kind := range approved {
		query := `DELETE FROM @counts WHERE tenant = ? AND kind = ? AND substr(name, ` + strconv.Itoa(minuteDigits+2) + `) = ?`
		if err := w.exec(ctx, query, w.tenant, kind[0], kind[1]); err != nil {
			return err
		}
	}
	return nil
}

// forgetWindows forgets what is older than a window may be.
func (w *writer) forgetWindows(ctx context.Context) error {
	return w.exec(ctx, `DELETE FROM @counts WHERE tenant = ? AND kind LIKE '`+countWindow+`%' AND name < ?`,
		w.tenant, minuteName(w.at.Add(-provisioning.MaxWindow)))
}

// Window implements provisioning.StateStore.
func (s *Store) Window(ctx context.Context, tenant, connection string, length time.Duration) (provisioning.Window, error) {
	window := provisioning.Window{Done: make(map[provisioning.Class]int)}
	err := s.read(ctx, func(tx *sqldb.Tx) error {
		const query = `SELECT name, n FROM @counts WHERE tenant = ? AND kind = ? AND name >= ?`
		args := []any{tenant, countWindow + connection, minuteName(s.now().Add(-length))}
		return tx.Each(ctx, query, args, func(rows *sql.Rows) error {
			var name string
			var n int
			if err := rows.Scan(&name, &n); err != nil {
				return err
			}
			_, counted, _ := strings.Cut(name, " ")
			if counted == grown {
				window.Grown += n
				return nil
			}
			var class provisioning.Class
			err := class.UnmarshalText([]byte(counted))
			window.Done[class] += n
			return err
		})
	})
	if err != nil {
		return provisioning.Window{}, fmt.Errorf("sqlstore: window: %w", err)
	}
	return window, nil
}
