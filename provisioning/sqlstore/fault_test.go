package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
)

// A faultyDriver opens databases of which the k-th write, from 1, does not
// happen, and nothing after it: kill is called first, and if it returns, every
// connection is as dead as if its process were. A write is a statement that is
// no SELECT and no PRAGMA, or a COMMIT.
type faultyDriver struct {
	inner driver.Driver
	dsn   string
	kill  func()

	mu     sync.Mutex
	before int // writes that are still to happen; counts down to -1, which is dead
}

// errDead is what a dead database answers. It is not driver.ErrBadConn, after
// which database/sql would leave statements open, and with them the file.
var errDead = errors.New("the process is dead")

// openFaulty opens a database that dies at the k-th write.
func openFaulty(inner driver.Driver, dsn string, k int, kill func()) (*sql.DB, *faultyDriver) {
	f := &faultyDriver{inner: inner, dsn: dsn, kill: kill, before: k - 1}
	return sql.OpenDB(f), f
}

func (f *faultyDriver) Connect(context.Context) (driver.Conn, error) {
	if f.dead() {
		return nil, errDead
	}
	conn, err := f.inner.Open(f.dsn)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn.(fullConn), f}, nil
}

func (f *faultyDriver) Driver() driver.Driver { return f.inner }

func (f *faultyDriver) dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.before < 0
}

// allow counts a call and says whether it may reach the database.
func (f *faultyDriver) allow(query string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	word, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	if word != "SELECT" && word != "PRAGMA" && f.before >= 0 {
		if f.before--; f.before < 0 {
			f.kill()
		}
	}
	if f.before < 0 {
		return errDead
	}
	return nil
}

// fullConn is what a driver's connections can do and these tests pass on.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type faultyConn struct {
	fullConn
	f *faultyDriver
}

func (c *faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.f.dead() {
		return nil, errDead
	}
	tx, err := c.fullConn.BeginTx(ctx, opts)
	return &faultyTx{tx, c.f}, err
}

func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if c.f.dead() {
		return nil, errDead
	}
	stmt, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &faultyStmt{stmt, query, c.f}, nil
}

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.f.allow(query); err != nil {
		return nil, err
	}
	return c.fullConn.ExecContext(ctx, query, args)
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.f.allow(query); err != nil {
		return nil, err
	}
	return c.fullConn.QueryContext(ctx, query, args)
}

type faultyTx struct {
	driver.Tx
	f *faultyDriver
}

func (t *faultyTx) Commit() error {
	if err := t.f.allow("COMMIT"); err != nil {
		return err
	}
	return t.Tx.Commit()
}

// Rollback does not reach a database whose process is dead: the database finds
// out by itself, when the connection is closed.
func (t *faultyTx) Rollback() error {
	if t.f.dead() {
		return errDead
	}
	return t.Tx.Rollback()
}

type faultyStmt struct {
	driver.Stmt
	query string
	f     *faultyDriver
}

func (s *faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.f.allow(s.query); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.f.allow(s.query); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
