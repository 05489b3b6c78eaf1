package sqlstore_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
)

// A fault prevents the k-th write to a database and everything after it. It
// calls kill first. If kill returns, every connection fails as if its process
// were dead. A write is a COMMIT, or a statement that does more than read or
// change a setting of its connection.
type fault struct {
	kill func()

	mu     sync.Mutex
	before int // writes that still succeed; counts down to -1, which means dead
}

// errDead is the error of a dead database. It is not driver.ErrBadConn, because
// after that database/sql would leave statements open, and with them the file.
var errDead = errors.New("the process is dead")

// openFaulty opens a database that dies at the k-th write, counted from 1.
func openFaulty(inner driver.Driver, dsn string, k int, kill func()) (*sql.DB, *fault) {
	f := &fault{kill: kill, before: k - 1}
	return openWatched(inner, dsn, f.allow), f
}

// dieAt makes the k-th write from now on the first one that fails.
func (f *fault) dieAt(k int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = k - 1
}

func (f *fault) dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.before < 0
}

// allow counts a call and reports whether it may reach the database. A dead
// database rolls back by itself when the connection is closed.
func (f *fault) allow(c call) error {
	if c.query == "COMMITTED" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if writes(c) && f.before >= 0 {
		if f.before--; f.before < 0 {
			f.kill()
		}
	}
	if f.before < 0 {
		return errDead
	}
	return nil
}

func writes(c call) bool {
	word, rest, _ := strings.Cut(strings.TrimSpace(c.query), " ")
	switch word {
	case "CONNECT", "BEGIN", "ROLLBACK", "SELECT", "PRAGMA":
		return word == "ROLLBACK" && strings.HasPrefix(rest, "TO")
	case "WITH":
		return strings.Contains(rest, "INSERT")
	}
	return !c.prepares
}
