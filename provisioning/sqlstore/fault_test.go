package sqlstore_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
)

// A fault lets the k-th write to a database not happen, nor anything after it:
// kill is called first, and if it returns, every connection is as dead as if
// its process were. A write is a statement that neither only reads nor sets
// something for its connection, or a COMMIT.
type fault struct {
	kill func()

	mu     sync.Mutex
	before int // writes that are still to happen; counts down to -1, which is dead
}

// errDead is what a dead database answers. It is not driver.ErrBadConn, after
// which database/sql would leave statements open, and with them the file.
var errDead = errors.New("the process is dead")

// openFaulty opens a database that dies at the k-th write, from 1.
func openFaulty(inner driver.Driver, dsn string, k int, kill func()) (*sql.DB, *fault) {
	f := &fault{kill: kill, before: k - 1}
	return openWatched(inner, dsn, f.allow), f
}

// dieAt lets the k-th write from now on be the one that does not happen.
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

// allow counts a call and says whether it may reach the database. A dead one
// finds out by itself, when the connection is closed, that nothing is to be
// committed.
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
