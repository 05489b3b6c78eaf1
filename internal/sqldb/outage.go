package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// How long to wait before a retry.
const (
	retryBusy = time.Second      // others use the database
	retryDown = 5 * time.Second  // the database is down or fails over to another machine
	retryFull = 30 * time.Second // an operator has to free space
)

// sqlStates are the SQLSTATEs of PostgreSQL, or their classes, of errors that may
// pass (PostgreSQL documentation, appendix A).
var sqlStates = []struct {
	prefix string
	retry  time.Duration
}{
	{"40001", retryBusy}, // serialization_failure
	{"40P01", retryBusy}, // deadlock_detected
	{"55P03", retryBusy}, // lock_not_available
	{"57014", retryBusy}, // query_canceled, by statement_timeout
	{"08", retryDown},    // connection exception
	{"57P", retryDown},   // operator intervention: shutdown, crash, starting up
	{"25006", retryDown}, // read_only_sql_transaction: a standby
	{"53300", retryDown}, // too_many_connections
	{"53", retryFull},    // insufficient resources: disk, memory
	{"58", retryFull},    // system error: input and output
}

// liteTexts are the texts of SQLite's result codes (sqlite3_errstr), which all
// drivers pass on, and of database/sql.
var liteTexts = []struct {
	text  string
	retry time.Duration
}{
	{"database is locked", retryBusy},
	{"database table is locked", retryBusy},
	{"database or disk is full", retryFull},
	{"disk I/O error", retryFull},
	{"out of memory", retryFull},
	{"unable to open database file", retryFull},
	{"attempt to write a readonly database", retryFull},
	{"sql: database is closed", retryDown},
}

// Serialization reports whether PostgreSQL refuses to continue a transaction
// because of its isolation, repeatable read or serializable.
func Serialization(err error) bool {
	var state interface{ SQLState() string }
	return errors.As(err, &state) && state.SQLState() == "40001"
}

// A noConnection error says that the pool could not connect, for any reason: the
// database may be renamed, its certificate expired, the password changed, or the
// server too slow for the driver's time limit.
type noConnection struct{ error }

func (e noConnection) Unwrap() error { return e.error }

// Outage reports whether an error says that the database cannot work at present,
// and after how long a retry makes sense.
func Outage(err error) (retry time.Duration, ok bool) {
	if retry, ok = passing(err); !ok && errors.As(err, new(noConnection)) {
		return retryDown, true
	}
	return retry, ok
}

// passing is Outage for errors that say themselves that they may pass.
func passing(err error) (retry time.Duration, ok bool) {
	switch {
	case err == nil:
		return 0, false
	case errors.Is(err, ErrBusy):
		return retryBusy, true
	case errors.Is(err, errMoved):
		return retryFull, true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return 0, false // the caller ended the context
	}
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		for _, s := range sqlStates {
			if strings.HasPrefix(state.SQLState(), s.prefix) {
				return s.retry, true
			}
		}
		return 0, false
	}
	// For instance, pgx reports a closed connection in this way: nothing was sent,
	// and the next connection may work.
	var unsent interface{ SafeToRetry() bool }
	if errors.As(err, &unsent) && unsent.SafeToRetry() {
		return retryDown, true
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return retryDown, true
	}
	for _, t := range liteTexts {
		if strings.Contains(err.Error(), t.text) {
			return t.retry, true
		}
	}
	return 0, false
}
