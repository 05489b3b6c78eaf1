// Package sqldb has what the SQL stores of this module share: one SQL text for two
// databases, the settings of SQLite's connections, turns for writers, prepared
// statements, outages, and numbered migrations.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Dialect is the SQL dialect of a database.
type Dialect uint8

// The dialects.
const (
	SQLite Dialect = iota
	PostgreSQL
)

var usablePrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`)

// A DB is a database with the tables of a store.
type DB struct {
	// Patience is how long a writer waits in all: for earlier writers of this
	// process, for a connection, and for a lock of the database. 0 means 10
	// seconds. Set it before the database is used.
	Patience time.Duration

	pool    *sql.DB
	dialect Dialect
	words   *strings.Replacer
	// writer has a token while no goroutine of this process writes. It is nil if
	// the database allows several writers.
	writer chan struct{}
	place  place // of a SQLite database
	conns  connections
	kept   sync.Map // *keptStatement by query; see Keep
}

// Dialect returns the SQL dialect of the database.
func (db *DB) Dialect() Dialect { return db.dialect }

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
			"NOW_MS", "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
			"JSON_LIST", "json_agg", "JSON_ROW", "json_build_array")
		return db, nil
	}
	db.words = strings.NewReplacer("@", prefix, "EXACT_TEXT", "TEXT", "JSON_TYPE", "TEXT", "BYTES_TYPE", "BLOB",
		"SERIAL_KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", "BY_KEY", "WITHOUT ROWID",
		"BY_INDEX", "''", "FOR_UPDATE", "",
		"NOW_MS", "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
		"JSON_LIST", "json_group_array", "JSON_ROW", "json_array")
	db.writer = make(chan struct{}, 1)
	db.writer <- struct{}{}
	return db, nil
}

// SQL returns a query in the dialect of the database. In the query @ stands for the
// prefix of the tables, ? for the next argument and ?3 for the third. These words
// stand for what the dialects express differently: EXACT_TEXT, a text that is
// compared byte by byte; JSON_TYPE, a JSON document; BYTES_TYPE, bytes; SERIAL_KEY,
// an automatic primary key; BY_KEY, at the end of a table whose rows are stored in
// the order of the key; BY_INDEX, a value that makes the rest of a transaction use
// indexes, even if PostgreSQL believes that a table is as small as when it was last
// analyzed; FOR_UPDATE, at the end of a SELECT that locks its row; NOW_MS, the
// clock of the database, in milliseconds since 1970; JSON_LIST, the function that
// collects values in a JSON array, and JSON_ROW, the function that makes a JSON
// array of its arguments.
func (db *DB) SQL(query string) string {
	query = db.words.Replace(query)
	if db.dialect == SQLite {
		return query
	}
	var b strings.Builder
	for n := 1; ; {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		if after == "" || after[0] < '1' || after[0] > '9' {
			b.WriteString(strconv.Itoa(n))
			n++
		}
		query = after
	}
}

// withConn calls work with a connection of the pool that is set up. It waits for
// one as long as wait allows. If the context ended, the error matches the context's
// error, whatever the driver returns.
func (db *DB) withConn(ctx context.Context, wait Wait, work func(*sql.Conn) error) (err error) {
	defer func() {
		if ended := ctx.Err(); err != nil && ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err)
		}
	}()
	waiting, stop := wait.Context(ctx)
	defer stop()
	conn, err := db.pool.Conn(waiting)
	if err != nil {
		if waiting.Err() != nil {
			return context.Cause(waiting)
		}
		return noConnection{err}
	}
	defer func() { _ = conn.Close() }() // returns it to the pool
	if db.dialect != SQLite {
		return work(conn)
	}
	return db.conns.with(ctx, conn, wait, work)
}

// A Tx is a transaction.
type Tx struct {
	*sql.Tx
	db    *DB
	stmts map[string]*sql.Stmt // the prepared statements that this transaction has used, by query
}

// Write calls work in a transaction and commits it; if work returns an error, it
// rolls back. The first statement must be a write: a transaction of SQLite that
// reads first fails if another process writes in between. In SQLite, the writers of
// this process take turns in the order of their calls, since polling for the lock
// of a file is not fair. A writer that cannot begin within Patience gets ErrBusy.
// After Migrate, nothing is written to a file that is no longer at its path.
func (db *DB) Write(ctx context.Context, work func(*Tx) error) error {
	return db.WriteWithin(ctx, db.NewWait(), work)
}

// WriteWithin is Write for a writer that has already waited for something else.
func (db *DB) WriteWithin(ctx context.Context, wait Wait, work func(*Tx) error) error {
	return db.write(ctx, wait, db.transaction, work)
}

// WriteUnsynced is Write for data that may be lost if the machine fails: SQLite
// does not wait for the disk. It is not lost if the process ends, and later durable
// writes make it durable, too.
func (db *DB) WriteUnsynced(ctx context.Context, work func(*Tx) error) error {
	if db.dialect != SQLite {
		return db.Write(ctx, work)
	}
	return db.write(ctx, db.NewWait(), func(ctx context.Context, wait Wait, options *sql.TxOptions, work func(*Tx) error) error {
		return db.withConn(ctx, wait, func(conn *sql.Conn) error {
			return db.conns.unsynced(ctx, conn, func(conn *sql.Conn) error { return db.commit(ctx, conn, options, work) })
		})
	}, work)
}

type transaction func(ctx context.Context, wait Wait, options *sql.TxOptions, work func(*Tx) error) error

func (db *DB) write(ctx context.Context, wait Wait, transact transaction, work func(*Tx) error) error {
	if db.writer != nil {
		waiting, stop := wait.Context(ctx)
		defer stop()
		select {
		case <-db.writer:
			defer func() { db.writer <- struct{}{} }()
		case <-waiting.Done():
			return context.Cause(waiting)
		}
		if err := db.place.check(); err != nil {
			return err
		}
	}
	options := new(sql.TxOptions)
	if db.dialect == PostgreSQL { // required by statements that wait for a row
		options.Isolation = sql.LevelReadCommitted
	}
	return transact(ctx, wait, options, work)
}

// Read calls work in a transaction that sees one state of the database.
func (db *DB) Read(ctx context.Context, work func(*Tx) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if db.dialect == PostgreSQL { // always so in SQLite
		options.Isolation = sql.LevelRepeatableRead
	}
	return db.transaction(ctx, db.NewWait(), options, work)
}

func (db *DB) transaction(ctx context.Context, wait Wait, options *sql.TxOptions, work func(*Tx) error) error {
	return db.withConn(ctx, wait, func(conn *sql.Conn) error { return db.commit(ctx, conn, options, work) })
}

// commit calls work in a transaction on a connection.
func (db *DB) commit(ctx context.Context, conn *sql.Conn, options *sql.TxOptions, work func(*Tx) error) error {
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := work(&Tx{Tx: tx, db: db}); err != nil {
		return err
	}
	return tx.Commit()
}

// Exec runs a statement and returns the number of changed rows.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	text, stmt := tx.statement(ctx, query)
	var result sql.Result
	if stmt != nil {
		result, err = stmt.ExecContext(ctx, args...)
	} else {
		result, err = tx.ExecContext(ctx, text, args...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (tx *Tx) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	text, stmt := tx.statement(ctx, query)
	if stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return tx.QueryContext(ctx, text, args...)
}

// statement is DB.statement in the transaction. Each call of StmtContext adds a
// statement to the transaction, so it is called once for each query.
func (tx *Tx) statement(ctx context.Context, query string) (string, *sql.Stmt) {
	if stmt := tx.stmts[query]; stmt != nil {
		return "", stmt
	}
	text, stmt := tx.db.statement(query)
	if stmt != nil {
		stmt = tx.StmtContext(ctx, stmt)
		if tx.stmts == nil {
			tx.stmts = make(map[string]*sql.Stmt)
		}
		tx.stmts[query] = stmt
	}
	return text, stmt
}

// Get reads one row into targets, and reports whether there is one.
func (tx *Tx) Get(ctx context.Context, query string, args []any, targets ...any) (bool, error) {
	rows, err := tx.query(ctx, query, args)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	if err := rows.Scan(targets...); err != nil {
		return false, err
	}
	return true, rows.Close()
}

// Each runs a query and calls scan for each row.
func (tx *Tx) Each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := tx.query(ctx, query, args)
	if err != nil {
		return err
	}
	return each(rows, scan)
}

func each(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Marks returns n copies of form, such as "?" or "(?, ?)", separated by commas.
func Marks(form string, n int) string {
	return strings.TrimSuffix(strings.Repeat(form+", ", n), ", ")
}
