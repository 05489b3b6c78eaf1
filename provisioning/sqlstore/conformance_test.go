package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/provisioning/storetest"
)

// harness returns the conformance harness of the stores that open returns.
func harness(open func(t *testing.T) provisioning.Store) storetest.Harness {
	return storetest.Harness{
		New: open,
		Put: func(ctx context.Context, store provisioning.Store, tenant string, m provisioning.Member) error {
			_, err := store.(*sqlstore.Store).Put(ctx, tenant, m)
			return err
		},
		Delete: func(ctx context.Context, store provisioning.Store, tenant, memberID string) error {
			return store.(*sqlstore.Store).Delete(ctx, tenant, memberID)
		},
	}
}

// openDB opens a database with the driver under test, until the end of the
// test.
func openDB(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// fileDSN returns the DSN of a database in a file that does not exist yet.
func fileDSN(t testing.TB) string { return "file:" + filepath.Join(t.TempDir(), "team.db") }

// openStore opens a store with the settings that a host starts with.
func openStore(t testing.TB, dsn string) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: openDB(t, dsn)})
	require.NoError(t, err)
	return store
}

func TestFile(t *testing.T) {
	t.Parallel()
	h := harness(func(t *testing.T) provisioning.Store { return openStore(t, fileDSN(t)) })
	h.Crash = func(t *testing.T) storetest.Crasher {
		return &cutCrasher{t: t, inner: new(sqlite.Driver), dsn: fileDSN(t)}
	}
	storetest.Test(t, h)
}

func TestSharedMemory(t *testing.T) {
	t.Parallel()
	databases := 0
	h := harness(func(t *testing.T) provisioning.Store {
		databases++
		return openStore(t, fmt.Sprintf("file:conformance%d?mode=memory&cache=shared", databases))
	})
	h.Unsupported = map[string]string{"Crash": "the database lives and dies with its connections"}
	storetest.Test(t, h)
}

// A plain database in memory can only be used through a pool of one connection.
func TestSingleConnection(t *testing.T) {
	t.Parallel()
	h := harness(func(t *testing.T) provisioning.Store {
		db := openDB(t, ":memory:")
		db.SetMaxOpenConns(1)
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
		require.NoError(t, err)
		return store
	})
	h.Unsupported = map[string]string{"Crash": "the database lives and dies with its connection"}
	storetest.Test(t, h)
}

// cutCrasher simulates a crash by a driver that refuses the k-th write and
// everything after it.
type cutCrasher struct {
	t     *testing.T
	inner driver.Driver
	cfg   sqlstore.Config // all fields except DB
	dsn   string
}

func (c *cutCrasher) Open() (provisioning.Store, error) {
	cfg := c.cfg
	cfg.DB, _ = openFaulty(c.inner, c.dsn, math.MaxInt, nil)
	c.t.Cleanup(func() { assert.NoError(c.t, cfg.DB.Close()) })
	return sqlstore.Open(c.t.Context(), cfg)
}

func (c *cutCrasher) Apply(ctx context.Context, tenant string, actions []provisioning.Action, k int) (bool, error) {
	cfg := c.cfg
	db, fault := openFaulty(c.inner, c.dsn, k, func() {})
	defer db.Close()
	cfg.DB = db
	store, err := sqlstore.Open(ctx, cfg)
	if err == nil {
		_, err = store.Apply(ctx, tenant, actions)
	}
	if fault.dead() {
		return true, nil
	}
	return false, err
}
