package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// A Dialect is the SQL dialect of a database.
type Dialect = sqldb.Dialect

// The dialects.
const (
	SQLite     = sqldb.SQLite
	PostgreSQL = sqldb.PostgreSQL
)

// Config configures a store.
type Config struct {
	// DB is the database. It is required. The program opens it with a driver of its
	// choice and closes it: the store never closes it.
	DB *sql.DB
	// Dialect is the SQL dialect of DB. The zero value is SQLite.
	Dialect Dialect
	// Prefix is the beginning of every table name: lower-case letters, digits and
	// underscores, at most 32. "" stands for "usher_".
	Prefix string
	// Lease is how long a tenant stays locked after its holder died. It must be the
	// same in all processes of one database. 0 stands for 10 seconds; the minimum is
	// 100 milliseconds. A holder that cannot reach the database for so long loses
	// the lock while it lives. This does no harm, but its work is done again.
	Lease time.Duration
	// Now is the clock of the audit log and of the window counts. nil stands for
	// time.Now.
	Now func() time.Time
}

// A Store is a team in an SQL database. It is safe for concurrent use, also by
// several processes. Open returns one. It needs no Close.
type Store struct {
	db      *sqldb.DB
	dialect Dialect
	lease   time.Duration
	now     func() time.Time
}

var (
	_ provisioning.Store      = (*Store)(nil)
	_ provisioning.Finder     = (*Store)(nil)
	_ provisioning.Locker     = (*Store)(nil)
	_ provisioning.Outbox     = (*Store)(nil)
	_ provisioning.PlanStore  = (*Store)(nil)
	_ provisioning.MemberLog  = (*Store)(nil)
	_ provisioning.StateStore = (*Store)(nil)
	_ provisioning.Eraser     = (*Store)(nil)
)

const (
	defaultPrefix = "usher_"
	defaultLease  = 10 * time.Second
	minLease      = 100 * time.Millisecond
)

// Open creates the tables of a store or brings them up to date, and returns the
// store. Several processes may open one database at the same time. The error says
// what is wrong with the config, or that the tables are newer than this package.
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
	db, err := sqldb.New(cfg.DB, cfg.Dialect, cfg.Prefix)
	if cfg.Lease < minLease {
		err = errors.Join(err, fmt.Errorf("Config.Lease is %v; want at least %v", cfg.Lease, minLease))
	}
	if err == nil {
		err = db.Migrate(ctx, migrations, refill)
	}
	if err == nil {
		err = db.Keep(ctx, kept(cfg.Dialect)...)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	return &Store{db: db, dialect: cfg.Dialect, lease: cfg.Lease, now: cfg.Now}, nil
}

// kept returns the statements of a pushed change and of a batch of actions. They are
// prepared once: to prepare them for each transaction took a fifth of the CPU time of a
// push on SQLite.
func kept(dialect Dialect) []string {
	queries := []string{savePlan, readCounts, readState, updateState, readWindow, insertLease, renewLease, deleteLease}
	if dialect == PostgreSQL {
		return append(queries, callTurn, applySet)
	}
	queries = append(queries, draw, updateMember)
	for _, s := range []rowsStatement{readMembers, readKeys, lookUp, writeMembers, writeCounts, writeWindows, writeKeys, writeEffects, writeAudit} {
		queries = append(queries, s.one, s.many)
	}
	return queries
}

// read calls work in a transaction that sees one state of the database and uses
// indexes.
func (s *Store) read(ctx context.Context, work func(tx *sqldb.Tx) error) error {
	return s.db.Read(ctx, s.byIndex(ctx, work))
}

// byIndex returns work, extended by a first statement that makes the transaction use
// indexes, whatever size PostgreSQL expects a table to have.
func (s *Store) byIndex(ctx context.Context, work func(tx *sqldb.Tx) error) func(tx *sqldb.Tx) error {
	if s.dialect != PostgreSQL {
		return work
	}
	return func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT BY_INDEX`); err != nil {
			return err
		}
		return work(tx)
	}
}
