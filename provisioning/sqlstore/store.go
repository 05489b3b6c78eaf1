package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// Config says where a store is.
type Config struct {
	// DB is the database, opened by the program with a driver of its choice.
	// It is required, and stays the program's: the store never closes it.
	DB *sql.DB
	// Dialect is the language of DB. The zero value is SQLite.
	Dialect Dialect
	// Prefix is what the name of every table begins with: lower-case letters,
	// digits and underscores, at most 32. "" stands for "usher_".
	Prefix string
	// Lease is how long a tenant stays locked after its holder died. 0 stands
	// for 30 seconds; the least is 100 milliseconds.
	Lease time.Duration
	// Now is the clock of the audit log. nil stands for time.Now.
	Now func() time.Time
}

// A Store is a team in an SQL database. It is safe for concurrent use, also by
// several processes. Get one from Open; it has nothing to close.
type Store struct {
	db      *sql.DB
	dialect *dialect
	lease   time.Duration
	now     func() time.Time
}

var (
	_ provisioning.Store     = (*Store)(nil)
	_ provisioning.Locker    = (*Store)(nil)
	_ provisioning.Outbox    = (*Store)(nil)
	_ provisioning.PlanStore = (*Store)(nil)
	_ provisioning.AuditLog  = (*Store)(nil)
)

const (
	defaultPrefix = "usher_"
	defaultLease  = 30 * time.Second
	minLease      = 100 * time.Millisecond
	// busyTimeout is how long a connection to SQLite waits for another writer,
	// in milliseconds.
	busyTimeout = 10_000
)

var usablePrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`)

// Open returns the store in a database, with its tables made or brought up to
// date. Several processes may open one database at the same time. The error
// tells what is wrong with the config, or that the tables are newer than this
// package.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if cfg.Lease == 0 {
		cfg.Lease = defaultLease
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	var problems []error
	if cfg.DB == nil {
		problems = append(problems, errors.New("sqlstore: Config.DB is nil; want an open database"))
	}
	if cfg.Dialect > PostgreSQL {
		problems = append(problems, fmt.Errorf("sqlstore: Config.Dialect is %d; want SQLite or PostgreSQL", cfg.Dialect))
	}
	if !usablePrefix.MatchString(cfg.Prefix) {
		problems = append(problems, fmt.Errorf("sqlstore: Config.Prefix is %q; want at most 32 lower-case letters, digits and underscores", cfg.Prefix))
	}
	if cfg.Lease < minLease {
		problems = append(problems, fmt.Errorf("sqlstore: Config.Lease is %v; want at least %v", cfg.Lease, minLease))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	s := &Store{db: cfg.DB, dialect: newDialect(cfg.Dialect, cfg.Prefix), lease: cfg.Lease, now: cfg.Now}
	if err := s.migrate(ctx); err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	return s, nil
}

// withConn runs work on a connection of the pool, which has the settings that
// SQLite keeps for each. Where the context ended, the error matches the
// context's, whatever the driver made of it.
func (s *Store) withConn(ctx context.Context, work func(conn *sql.Conn) error) (err error) {
	defer func() {
		if ended := ctx.Err(); err != nil && ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err)
		}
	}()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	if s.dialect.kind == SQLite {
		if err := prepareSQLite(ctx, conn); err != nil {
			return err
		}
	}
	return work(conn)
}

func prepareSQLite(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = ON"); err != nil {
		return err
	}
	var timeout int
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&timeout); err != nil {
		return err
	}
	if timeout > 0 {
		return nil // the program's own choice
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout))
	return err
}

// exec runs one statement by itself.
func (s *Store) exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	err = s.withConn(ctx, func(conn *sql.Conn) error {
		result, err := conn.ExecContext(ctx, s.dialect.sql(query), args...)
		if err == nil {
			changed, err = result.RowsAffected()
		}
		return err
	})
	return changed, err
}

// inTx runs work in a transaction, which is committed if work succeeds.
func (s *Store) inTx(ctx context.Context, conn *sql.Conn, work func(tx *sql.Tx) error) error {
	tx, err := conn.BeginTx(ctx, s.dialect.tx)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// A writer is a transaction that has a tenant for itself.
type writer struct {
	tx       *sql.Tx
	dialect  *dialect
	tenant   string
	at       time.Time
	revision int64 // the last one given
	prepared map[string]*sql.Stmt
}

// write runs work in a transaction that may give n revisions. It begins by
// taking them from the tenant's row, on which every other writer waits: in
// SQLite, because a transaction that begins with a write waits for its turn,
// where one that reads first would fail.
func (s *Store) write(ctx context.Context, tenant string, n int, work func(w *writer) error) error {
	const draw = `INSERT INTO @tenants (tenant, revision) VALUES (?, ?)
		ON CONFLICT (tenant) DO UPDATE SET revision = @tenants.revision + excluded.revision RETURNING revision`
	return s.withConn(ctx, func(conn *sql.Conn) error {
		return s.inTx(ctx, conn, func(tx *sql.Tx) error {
			w := &writer{tx: tx, dialect: s.dialect, tenant: tenant, at: s.now().UTC(), prepared: make(map[string]*sql.Stmt)}
			if err := tx.QueryRowContext(ctx, s.dialect.sql(draw), tenant, n).Scan(&w.revision); err != nil {
				return err
			}
			w.revision -= int64(n)
			return work(w)
		})
	})
}

// prepare returns the statement for a query; it lives as long as the
// transaction.
func (w *writer) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := w.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.tx.PrepareContext(ctx, w.dialect.sql(query))
	if err == nil {
		w.prepared[query] = stmt
	}
	return stmt, err
}

// exec runs a statement and returns how many rows it changed.
func (w *writer) exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	stmt, err := w.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// get reads one row into targets, and reports whether there is one.
func (w *writer) get(ctx context.Context, query string, args []any, targets ...any) (bool, error) {
	stmt, err := w.prepare(ctx, query)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(ctx, args...).Scan(targets...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
