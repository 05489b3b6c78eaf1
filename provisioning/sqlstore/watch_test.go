package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// A call is one call to a database: a statement with its arguments, or BEGIN,
// COMMIT or ROLLBACK.
type call struct {
	query string
	args  []driver.NamedValue
	// prepares is true if the statement is only prepared.
	prepares bool
}

// A watchDriver passes each call to watch before it makes the call. If watch
// returns an error, the call is not made. After a COMMIT, watch gets a second
// call, COMMITTED: an error then simulates a lost answer.
type watchDriver struct {
	inner driver.Driver
	dsn   string
	watch func(call) error
}

// openWatched opens a database whose calls are passed to watch, also those of
// parallel connections.
func openWatched(inner driver.Driver, dsn string, watch func(call) error) *sql.DB {
	return sql.OpenDB(&watchDriver{inner, dsn, watch})
}

func (d *watchDriver) Driver() driver.Driver { return d.inner }

func (d *watchDriver) Connect(context.Context) (driver.Conn, error) {
	if err := d.watch(call{query: "CONNECT"}); err != nil {
		return nil, err
	}
	conn, err := d.inner.Open(d.dsn)
	if err != nil {
		return nil, err
	}
	return &watchedConn{conn.(fullConn), d.watch}, nil
}

// fullConn has the abilities of a driver's connection that these tests pass on.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type watchedConn struct {
	fullConn
	watch func(call) error
}

func (c *watchedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.watch(call{query: "BEGIN"}); err != nil {
		return nil, err
	}
	tx, err := c.fullConn.BeginTx(ctx, opts)
	return &watchedTx{tx, c.watch}, err
}

func (c *watchedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.watch(call{query: query, prepares: true}); err != nil {
		return nil, err
	}
	stmt, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &watchedStmt{stmt, query, c.watch}, nil
}

func (c *watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.watch(call{query: query, args: args}); err != nil {
		return nil, err
	}
	return c.fullConn.ExecContext(ctx, query, args)
}

func (c *watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.watch(call{query: query, args: args}); err != nil {
		return nil, err
	}
	return c.fullConn.QueryContext(ctx, query, args)
}

type watchedTx struct {
	driver.Tx
	watch func(call) error
}

func (t *watchedTx) Commit() error {
	if err := t.watch(call{query: "COMMIT"}); err != nil {
		return err
	}
	if err := t.Tx.Commit(); err != nil {
		return err
	}
	return t.watch(call{query: "COMMITTED"})
}

func (t *watchedTx) Rollback() error {
	if err := t.watch(call{query: "ROLLBACK"}); err != nil {
		return err
	}
	return t.Tx.Rollback()
}

type watchedStmt struct {
	driver.Stmt
	query string
	watch func(call) error
}

func (s *watchedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.watch(call{query: s.query, args: args}); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *watchedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.watch(call{query: s.query, args: args}); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
