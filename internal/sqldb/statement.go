package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// A keptStatement is a statement that is run many times.
type keptStatement struct {
	text string    // in the dialect of the database
	stmt *sql.Stmt // nil on PostgreSQL, whose drivers cache statements
}

// Keep translates and prepares queries once, until the database is closed. Call it
// before they are run, outside of a transaction, and only for a bounded number of
// queries.
func (db *DB) Keep(ctx context.Context, queries ...string) error {
	for _, query := range queries {
		if err := db.keep(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) keep(ctx context.Context, query string) error {
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

// statement returns a query in the dialect of the database, and its prepared
// statement if Keep was called.
func (db *DB) statement(query string) (string, *sql.Stmt) {
	if k, ok := db.kept.Load(query); ok {
		k := k.(*keptStatement)
		return k.text, k.stmt
	}
	return db.SQL(query), nil
}

// maxTries is how often a statement is sent if connections of the pool are dead.
const maxTries = 3

// Query runs one statement without a transaction and calls scan for each row of the
// answer: it takes one round trip and sees one state of the database.
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
		// The driver returns ErrBadConn only if the database has not received the
		// statement.
		if !errors.Is(err, driver.ErrBadConn) || try == maxTries {
			return err
		}
	}
}

// queryFile reads from SQLite on any connection. A connection that is not set up
// does not wait for others; if the statement fails because of that, it is run again
// on one that does.
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
