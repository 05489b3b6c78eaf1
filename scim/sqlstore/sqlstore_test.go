package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/scimtest"
	"github.com/usher-go/usher/scim/sqlstore"
)

// A place is a database in which a store can be opened repeatedly.
type place struct {
	driver, dsn string
	dialect     sqlstore.Dialect
}

func filePlace(tb testing.TB) place {
	return place{"sqlite", "file:" + filepath.Join(tb.TempDir(), "scim.db"), sqlstore.SQLite}
}

func schemaPlace(tb testing.TB, server *pgtest.Server) place {
	return place{pgtest.Driver, server.Schema(tb), sqlstore.PostgreSQL}
}

// open opens the database until the end of the test.
func (p place) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open(p.driver, p.dsn)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, db.Close()) })
	return db
}

func (p place) store(tb testing.TB) *sqlstore.Store {
	tb.Helper()
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: p.open(tb), Dialect: p.dialect})
	require.NoError(tb, err)
	return store
}

// harness returns the conformance harness of stores in new places.
func harness(newPlace func(tb testing.TB) place) scimtest.Harness {
	var places sync.Map // the place of each store that New returned
	return scimtest.Harness{
		New: func(tb testing.TB) scim.Store {
			p := newPlace(tb)
			store := p.store(tb)
			places.Store(store, p)
			return store
		},
		Reopen: func(tb testing.TB, store scim.Store) scim.Store {
			p, _ := places.Load(store.(*sqlstore.Store))
			return p.(place).store(tb)
		},
	}
}

func TestSQLite(t *testing.T) { scimtest.TestStore(t, harness(filePlace)) }

func TestPostgreSQL(t *testing.T) {
	server := pgtest.Start(t)
	scimtest.TestStore(t, harness(func(tb testing.TB) place { return schemaPlace(tb, server) }))
}

func TestRequestsSQLite(t *testing.T) {
	scimtest.TestRequestStore(t, func(tb testing.TB) scim.RequestStore { return filePlace(tb).store(tb) })
}

func TestRequestsPostgreSQL(t *testing.T) {
	server := pgtest.Start(t)
	scimtest.TestRequestStore(t, func(tb testing.TB) scim.RequestStore { return schemaPlace(tb, server).store(tb) })
}

// A database in memory can only be used through a pool of one connection.
func TestSQLiteInMemory(t *testing.T) {
	scimtest.TestStore(t, scimtest.Harness{
		New: func(tb testing.TB) scim.Store {
			db := place{driver: "sqlite", dsn: ":memory:"}.open(tb)
			db.SetMaxOpenConns(1)
			store, err := sqlstore.Open(tb.Context(), sqlstore.Config{DB: db})
			require.NoError(tb, err)
			return store
		},
		Unsupported: map[string]string{"durable": "the database ends with its connection"},
	})
}
