// Package sqldb is what the SQL stores of this module have in common: one SQL
// text for two databases, the settings that SQLite keeps for each connection,
// turns for writers, and numbered migrations.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Dialect is the language of a database.
type Dialect uint8

// The dialects.
const (
	SQLite Dialect = iota
	PostgreSQL
)

// busyTimeout is how long a connection to SQLite waits for a writer of another
// process, in milliseconds.
const busyTimeout = 10_000

var usablePrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`)

// A DB is a database that a store has tables in.
type DB struct {
	pool    *sql.DB
	dialect Dialect
	words   *strings.Replacer
	// writer holds a token while nobody in this process writes. It is nil where
	// the database lets several write.
	writer chan struct{}
}

// New returns a database whose tables have names that begin with prefix. The
// errors name the fields of a store's Config: DB, Dialect and Prefix.
func New(pool *sql.DB, dialect Dialect, prefix string) (*DB, error) {
	var problems []error
	if pool == nil {
		problems = append(problems, errors.New("Config.DB is nil; want an open database"))
	}
	if dialect > PostgreSQL {
		problems = append(problems, fmt.Errorf("Config.Dialect is %d; want SQLite or PostgreSQL", dialect))
	}
	if !usablePrefix.MatchString(prefix) {
		problems = append(problems, fmt.Errorf("Config.Prefix is %q; want at most 32 lower-case letters, digits and underscores", prefix))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	db := &DB{pool: pool, dialect: dialect}
	if dialect == PostgreSQL {
		db.words = strings.NewReplacer("@", prefix, "EXACT_TEXT", `TEXT COLLATE "C"`, "JSON_TYPE", "JSONB", "BYTES_TYPE", "BYTEA",
			"SERIAL_KEY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BY_KEY", "",
			"BY_INDEX", "set_config('enable_seqscan', 'off', true) || set_config('enable_bitmapscan', 'off', true)", "FOR_UPDATE", "FOR UPDATE",
			"NOW_MS", "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)")
		return db, nil
	}
	db.words = strings.NewReplacer("@", prefix, "EXACT_TEXT", "TEXT", "JSON_TYPE", "TEXT", "BYTES_TYPE", "BLOB",
		"SERIAL_KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", "BY_KEY", "WITHOUT ROWID",
		"BY_INDEX", "''", "FOR_UPDATE", "",
		"NOW_MS", "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)")
	db.writer = make(chan struct{}, 1)
	db.writer <- struct{}{}
	return db, nil
}

// SQL returns a query in the language of the database. In the query @ stands
// for the prefix of the tables, ? for an argument, and these words for what
// each language says in its own way: EXACT_TEXT, a text that compares byte for
// byte; JSON_TYPE, a JSON document; BYTES_TYPE, bytes; SERIAL_KEY, a primary key that counts;
// BY_KEY, at the end of a table whose rows are kept in the order of its key;
// BY_INDEX, a value that has the rest of a transaction planned with indexes, even
// where PostgreSQL thinks that a table is as small as when it was last analyzed;
// FOR_UPDATE, at the end of a SELECT whose row is to stay as it is; NOW_MS, the
// clock of the database, in milliseconds since 1970.
func (db *DB) SQL(query string) string {
	query = db.words.Replace(query)
	if db.dialect == SQLite {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

// withConn runs work on a connection of the pool, which has the settings that
// SQLite keeps for each. Where the context ended, the error matches the
// context's, whatever the driver made of it.
func (db *DB) withConn(ctx context.Context, work func(*sql.Conn) error) (err error) {
	defer func() {
		if ended := ctx.Err(); err != nil && ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err)
		}
	}()
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	if db.dialect == SQLite {
		if err := prepareSQLite(ctx, conn); err != nil {
			return err
		}
	}
	return work(conn)
}

// prepareSQLite has a connection enforce foreign keys, and wait for other
// processes where the program has made no choice of its own.
func prepareSQLite(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = ON"); err != nil {
		return err
	}
	var timeout int
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&timeout); err != nil || timeout > 0 {
		return err
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout))
	return err
}

// A Tx is a transaction.
type Tx struct {
	*sql.Tx
	db *DB
}

// Write runs work in a transaction and commits it; an error of work undoes it
// all. Its first statement has to be a write: a transaction of SQLite that
// reads first would fail if another process wrote between. Writers of this
// process take turns in SQLite, in the order in which they came, since those
// who poll for the lock of a file overtake each other.
func (db *DB) Write(ctx context.Context, work func(*Tx) error) error {
	if db.writer != nil {
		select {
		case <-db.writer:
			defer func() { db.writer <- struct{}{} }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	options := new(sql.TxOptions)
	if db.dialect == PostgreSQL { // what statements that wait for a row are written for
		options.Isolation = sql.LevelReadCommitted
	}
	return db.transaction(ctx, options, work)
}

// Read runs work in a transaction that sees one state of the database.
func (db *DB) Read(ctx context.Context, work func(*Tx) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if db.dialect == PostgreSQL { // a transaction of SQLite is never less
		options.Isolation = sql.LevelRepeatableRead
	}
	return db.transaction(ctx, options, work)
}

func (db *DB) transaction(ctx context.Context, options *sql.TxOptions, work func(*Tx) error) error {
	return db.withConn(ctx, func(conn *sql.Conn) error {
		tx, err := conn.BeginTx(ctx, options)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after Commit
		if err := work(&Tx{Tx: tx, db: db}); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	result, err := tx.ExecContext(ctx, tx.db.SQL(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Get reads one row into targets, and reports whether there is one.
func (tx *Tx) Get(ctx context.Context, query string, args []any, targets ...any) (bool, error) {
	err := tx.QueryRowContext(ctx, tx.db.SQL(query), args...).Scan(targets...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Each reads the rows of a query: scan is called on each and reads it.
func (tx *Tx) Each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, tx.db.SQL(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Marks returns n question marks with commas between, and each in the given
// form, such as "(?, ?)".
func Marks(form string, n int) string {
	return strings.TrimSuffix(strings.Repeat(form+", ", n), ", ")
}
