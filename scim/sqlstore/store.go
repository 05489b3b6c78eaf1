package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// A Dialect is the SQL dialect of a database.
type Dialect = sqldb.Dialect

// The dialects.
const (
	SQLite     = sqldb.SQLite
	PostgreSQL = sqldb.PostgreSQL
)

// Config describes the place of a store.
type Config struct {
	// DB is the database, which the program opens with a driver of its choice.
	// It is required. The program owns it: the store never closes it.
	DB *sql.DB
	// Dialect is the dialect of DB. The zero value is SQLite.
	Dialect Dialect
	// Prefix is the beginning of the name of every table: lower-case letters,
	// digits and underscores, at most 32. "" means "usher_scim_".
	Prefix string
}

const defaultPrefix = "usher_scim_"

// A Store is a scim.Store in an SQL database. It is safe for concurrent use,
// also by several processes. Open returns one; it need not be closed.
type Store struct {
	db    *sqldb.DB
	texts statements
	turns turns
}

var (
	_ scim.Store        = (*Store)(nil)
	_ scim.RequestStore = (*Store)(nil)
)

// Open returns the store in a database. It creates the tables or brings them up
// to date. Several processes may open one database at the same time. The error
// describes what is wrong with the config, or reports that the tables are newer
// than this package.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	db, err := sqldb.New(cfg.DB, cfg.Dialect, cfg.Prefix)
	if err == nil {
		err = db.Migrate(ctx, migrations(), func(ctx context.Context, tx *sqldb.Tx) error { return refill(ctx, tx, cfg.Dialect) })
	}
	if err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	s := &Store{db: db, texts: newStatements(cfg.Dialect)}
	if err := s.keep(ctx); err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	return s, nil
}

// keep prepares the statements that do not depend on a query.
func (s *Store) keep(ctx context.Context) error {
	kept := slices.Concat(s.texts.get[:], []string{s.texts.changes})
	if s.db.Dialect() == PostgreSQL {
		kept = append(kept, callApply)
	} else {
		kept = append(kept, liteStatements...)
	}
	return s.db.Keep(ctx, kept...)
}

// fail adds the failed operation to an error, and to an outage the time after
// which to retry. The refusals in the contract of scim.Store stay unchanged.
func fail(op string, err error) error {
	var noMember *scim.NoMemberError
	if errors.As(err, &noMember) || errors.Is(err, scim.ErrNotFound) || errors.Is(err, scim.ErrDuplicate) || errors.Is(err, scim.ErrConflict) {
		return err
	}
	retry, outage := sqldb.Outage(err)
	err = fmt.Errorf("sqlstore: %s: %w", op, err)
	if outage {
		err = &scim.UnavailableError{RetryAfter: retry, Err: err}
	}
	return err
}

// isText reports whether a database can hold the text s. No record has an ID or
// a key that is not such a text, but a request may ask for one.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Times are stored as microseconds since 1970.

func fromTime(t time.Time) int64 { return t.UnixMicro() }

func toTime(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
