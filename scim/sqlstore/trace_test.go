package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A trace records the statements that run on a database, also prepared ones. It
// is a driver that wraps the real driver.
type trace struct {
	mu    sync.Mutex
	lines []traceLine
}

type traceLine struct {
	text string
	args []any
}

func (tr *trace) add(text string, args []driver.NamedValue) {
	line := traceLine{text: text}
	for _, arg := range args {
		line.args = append(line.args, arg.Value)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, line)
}

// take returns the statements since the last call.
func (tr *trace) take() []traceLine {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	lines := tr.lines
	tr.lines = nil
	return lines
}

// open opens a place through the trace.
func (tr *trace) open(tb testing.TB, p place) *sql.DB {
	plain := p.open(tb)
	db := sql.OpenDB(tracedConnector{tr, plain.Driver(), p.dsn})
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

type tracedConnector struct {
	trace  *trace
	driver driver.Driver
	dsn    string
}

func (c tracedConnector) Driver() driver.Driver { return c.driver }

func (c tracedConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	return &tracedConn{conn, c.trace}, err
}

// A tracedConn has those abilities of the driver's connection that the store
// uses.
type tracedConn struct {
	driver.Conn
	trace *trace
}

func (c *tracedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, options)
}

func (c *tracedConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	return &tracedStmt{stmt, c.trace, text}, err
}

func (c *tracedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.trace.add(text, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
}

func (c *tracedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.trace.add(text, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
}

type tracedStmt struct {
	driver.Stmt
	trace *trace
	text  string
}

func (s *tracedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.trace.add(s.text, args)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *tracedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.trace.add(s.text, args)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
