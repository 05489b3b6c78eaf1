package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// A keptStatement is one that is run again and again.
type keptStatement struct {
	text string    // in the language of the database
	stmt *sql.Stmt // nil on PostgreSQL, whose drivers keep statements themselves
}

// Keep has a query translated and prepared once, for as long as the database is
// open. Call it before the query is run, not in a transaction, and only for
// queries of which there is a bounded number.
func (db *DB) Keep(ctx context.Context, query string) error {
	if _, ok := db.kept.Load(query); ok {
		return nil
	}
	k := &keptStatement{text: db.SQL(query)}
	if db.dialect == SQLite {
		var err error
		if k.stmt, err = db.pool.PrepareContext(ctx, k.text); err != nil {
			return err
		}
	}
	if _, other := db.kept.LoadOrStore(query, k); other && k.stmt != nil {
		return k.stmt.Close()
	}
	return nil
}

// statement returns a query in the language of the database, and prepared if
// it was kept.
func (db *DB) statement(query string) (string, *sql.Stmt) {
	if k, ok := db.kept.Load(query); ok {
		k := k.(*keptStatement)
		return k.text, k.stmt
	}
	return db.SQL(query), nil
}

// maxTries is how often a statement is sent where connections of the pool turn
// out to be dead.
const maxTries = 3

// Query runs one statement by itself and calls scan on each row of its answer:
// one round trip, and one state of the database.
func (db *DB) Query(ctx context.Context, wait Wait, query string, args []any, scan func(*sql.Rows) error) error {
	if db.dialect == SQLite {
		return db.queryFile(ctx, query, args, scan)
	}
	text, _ := db.statement(query)
	for try := 1; ; try++ {
		err := db.withConn(ctx, wait, func(conn *sql.Conn) error {
			rows, err := conn.QueryContext(ctx, text, args...)
			if err != nil {
				return err
			}
			return each(rows, scan)
		})
		// The driver says so only where the database has not seen the statement.
		if !errors.Is(err, driver.ErrBadConn) || try == maxTries {
			return err
		}
	}
}

// queryFile reads from SQLite on any connection. One that is not set up does
// not wait for others, so a statement that met one is run again where it does.
func (db *DB) queryFile(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	text, stmt := db.statement(query)
	var rows *sql.Rows
	var err error
	if stmt != nil {
		rows, err = stmt.QueryContext(ctx, args...)
	} else {
		rows, err = db.pool.QueryContext(ctx, text, args...)
	}
	begun := false
	if err == nil {
		err = each(rows, func(rows *sql.Rows) error {
			begun = true
			return scan(rows)
		})
	}
	if retry, _ := Outage(err); retry != retryBusy || begun {
		return err
	}
	return db.Read(ctx, func(tx *Tx) error { return tx.Each(ctx, query, args, scan) })
}
