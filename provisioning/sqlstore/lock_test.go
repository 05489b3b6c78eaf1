package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// shortLease is long in comparison with the delays of a holder's renewal on a
// busy machine.
const shortLease = 5 * time.Second

// openLeasing opens a store with the given lease: the time after which the lock
// of a dead holder ends.
func openLeasing(t *testing.T, dsn string, lease time.Duration) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: openDB(t, dsn), Lease: lease})
	require.NoError(t, err)
	return store
}

// S28: a dead holder loses the lock of the tenant, and the next holder waits
// for that.
func TestDeadHolderLosesTheLock(t *testing.T) {
	t.Parallel()
	dsn := fileDSN(t)
	db, fault := openFaulty(new(sqlite.Driver), dsn, 7, func() {}) // Open makes writes 1 to 4, for existing tables; the lock is the 5th
	defer db.Close()
	second := openLeasing(t, dsn, shortLease)
	first, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Lease: shortLease})
	require.NoError(t, err)
	unlock, err := first.Lock(t.Context(), tenant)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	unlockSecond, err := second.Lock(ctx, tenant)
	require.NoError(t, err)
	assert.True(t, fault.dead(), "the lock went over while its holder lived")
	unlock()

	// If the former holder comes back, it cannot get the lock: another holder
	// has it.
	short, cancel := context.WithTimeout(t.Context(), shortLease/3)
	defer cancel()
	_, err = openLeasing(t, dsn, shortLease).Lock(short, tenant)
	assert.ErrorIs(t, err, provisioning.ErrLocked)
	unlockSecond()
}

// If a connection is lost while the lock is taken or released, the tenant is
// free at once. The database may or may not have done the change, and the store
// does not learn which.
func TestLockSurvivesLostConnections(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]struct {
		query string
		done  bool // before the loss of the connection
	}{
		"taken":          {"INSERT INTO usher_locks", true},
		"not taken":      {"INSERT INTO usher_locks", false},
		"given back":     {"DELETE FROM usher_locks", true},
		"not given back": {"DELETE FROM usher_locks", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := fileDSN(t)
			hit, commits := false, false
			db := openWatched(new(sqlite.Driver), dsn, func(c call) error {
				switch {
				case !hit && strings.HasPrefix(c.query, lost.query):
					hit, commits = true, lost.done
					if !lost.done {
						return driver.ErrBadConn
					}
				case commits && c.query == "COMMITTED":
					commits = false
					return io.ErrUnexpectedEOF
				}
				return nil
			})
			defer db.Close()
			store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Lease: time.Hour})
			require.NoError(t, err)
			unlock, err := store.Lock(t.Context(), tenant)
			if err == nil {
				unlock()
			}
			assert.True(t, hit)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			unlock, err = openLeasing(t, dsn, time.Hour).Lock(ctx, tenant)
			require.NoError(t, err, "the tenant waits for the end of a lease")
			unlock()
		})
	}
}

// A dead holder leaves the tenant locked for one lease, also if the clock of
// the database has gone back by hours since.
func TestLockOfAClockThatWentBack(t *testing.T) {
	t.Parallel()
	for dialect, open := range map[sqlstore.Dialect]func(t *testing.T) *sql.DB{
		sqlstore.SQLite: func(t *testing.T) *sql.DB { return openDB(t, fileDSN(t)) },
		sqlstore.PostgreSQL: func(t *testing.T) *sql.DB {
			db, err := sql.Open(pgtest.Driver, pgtest.Start(t).Schema(t))
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, db.Close()) })
			return db
		},
	} {
		t.Run(fmt.Sprint(dialect), func(t *testing.T) {
			t.Parallel()
			db := open(t)
			store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect, Lease: shortLease})
			require.NoError(t, err)
			_, err = db.Exec(`INSERT INTO usher_locks (tenant, owner, expires_ms) VALUES ($1, 'dead', $2)`, tenant, time.Now().Add(5*time.Hour).UnixMilli())
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			unlock, err := store.Lock(ctx, tenant)
			require.NoError(t, err)
			unlock()
		})
	}
}

// A live holder keeps the lock for longer than a lease.
func TestLivingHolderKeepsTheLock(t *testing.T) {
	t.Parallel()
	dsn := fileDSN(t)
	unlock, err := openLeasing(t, dsn, shortLease).Lock(t.Context(), tenant)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*shortLease)
	defer cancel()
	_, err = openLeasing(t, dsn, shortLease).Lock(ctx, tenant)
	assert.ErrorIs(t, err, provisioning.ErrLocked)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	unlock()
}

// The lock can be released after the context in which it was taken has ended.
func TestUnlockAfterTheContext(t *testing.T) {
	t.Parallel()
	store := openStore(t, fileDSN(t))
	ctx, cancel := context.WithCancel(t.Context())
	unlock, err := store.Lock(ctx, tenant)
	require.NoError(t, err)
	cancel()
	unlock()
	unlock, err = store.Lock(t.Context(), tenant)
	require.NoError(t, err)
	unlock()
}
