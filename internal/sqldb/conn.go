package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// patience is how long a writer waits in all if DB.Patience is 0.
const patience = 10 * time.Second

// ErrBusy says that a wait ended because others used the database for too long.
var ErrBusy = errors.New("the database is busy")

// A Wait limits how long one writer waits, for everything that it waits for
// together. It does not limit the work itself. As an argument of a statement it is
// the number of milliseconds that are left, at least 1.
type Wait struct{ end time.Time }

// NewWait returns a wait that begins now.
func (db *DB) NewWait() Wait { return Wait{time.Now().Add(cmp.Or(db.Patience, patience))} }

// Context returns a context for waiting. When the wait is over, its cause is
// ErrBusy.
func (w Wait) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(ctx, w.end, ErrBusy)
}

// Value implements driver.Valuer. It is called after the statement has got its
// connection.
func (w Wait) Value() (driver.Value, error) { return w.left().Milliseconds(), nil }

func (w Wait) left() time.Duration { return max(time.Until(w.end), time.Millisecond) }

// maxConnections is the largest number of connections whose settings are
// remembered.
const maxConnections = 1000

// connections remembers, by the driver's value, the connections to SQLite that are
// set up. The zero value is ready to use.
type connections struct {
	mu       sync.Mutex
	settings map[any]settings
}

// settings are the settings of one connection.
type settings struct {
	timeout time.Duration
	// synchronous is the value of the pragma; above 1, each commit waits for the
	// disk.
	synchronous int
}

// with sets up a connection and calls work: the connection enforces foreign keys,
// and waits for other processes, unless the program has chosen otherwise, but never
// longer than wait.
func (c *connections) with(ctx context.Context, conn *sql.Conn, wait Wait, work func(*sql.Conn) error) error {
	has, err := c.setUp(ctx, conn)
	if err != nil {
		return err
	}
	if left := wait.left(); left < has.timeout-has.timeout/10 {
		if err := setTimeout(ctx, conn, left); err != nil {
			return err
		}
		defer func() { _ = setTimeout(context.WithoutCancel(ctx), conn, has.timeout) }() // if it fails, the connection is broken
	}
	return work(conn)
}

// unsynced calls work with a connection that is set up and whose commits do not
// wait for the disk during the call.
func (c *connections) unsynced(ctx context.Context, conn *sql.Conn, work func(*sql.Conn) error) error {
	has, err := c.setUp(ctx, conn)
	if err != nil {
		return err
	}
	if has.synchronous <= 1 {
		return work(conn)
	}
	if err := setSynchronous(ctx, conn, 1); err != nil {
		return err
	}
	defer func() {
		if err := setSynchronous(context.WithoutCancel(ctx), conn, has.synchronous); err != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the connection is not used again
		}
	}()
	return work(conn)
}

func setSynchronous(ctx context.Context, conn *sql.Conn, value int) error {
	_, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA synchronous = %d", value))
	return err
}

func (c *connections) setUp(ctx context.Context, conn *sql.Conn) (has settings, err error) {
	var key any
	_ = conn.Raw(func(of any) error {
		if reflect.TypeOf(of).Comparable() {
			key = of
		}
		return nil
	})
	c.mu.Lock()
	has, done := c.settings[key]
	c.mu.Unlock()
	if done {
		return has, nil
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = ON"); err != nil {
		return has, err
	}
	var chosen int64
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&chosen); err != nil {
		return has, err
	}
	has.timeout = time.Duration(chosen) * time.Millisecond
	if has.timeout <= 0 {
		has.timeout = patience
		if err := setTimeout(ctx, conn, has.timeout); err != nil {
			return has, err
		}
	}
	if err := conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&has.synchronous); err != nil {
		return has, err
	}
	if key != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.settings == nil || len(c.settings) >= maxConnections {
			c.settings = make(map[any]settings) // forgets closed connections
		}
		c.settings[key] = has
	}
	return has, nil
}

func setTimeout(ctx context.Context, conn *sql.Conn, timeout time.Duration) error {
	_, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", timeout.Milliseconds()))
	return err
}
