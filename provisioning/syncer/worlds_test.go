package syncer_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver of the worlds on SQLite

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	teamstore "github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
	directorystore "github.com/usher-go/usher/scim/sqlstore"
)

// A world is where directory and team are kept. Each process of a host opens
// the same.
type world struct {
	name string
	make func(t testing.TB) (open func() (scim.Store, syncer.Store))
}

// open makes a world for one process.
func (w world) open(t testing.TB) (scim.Store, syncer.Store) { return w.make(t)() }

// worlds are the stores on which the same is tested.
var worlds = []world{
	{"memory", func(testing.TB) func() (scim.Store, syncer.Store) {
		directory, team := new(scim.Memory), new(provisioning.Memory)
		return func() (scim.Store, syncer.Store) { return directory, team }
	}},
	{"sqlite", func(t testing.TB) func() (scim.Store, syncer.Store) {
		dsn := "file:" + filepath.Join(t.TempDir(), "host.db")
		return func() (scim.Store, syncer.Store) {
			return openWorld(t, "sqlite", dsn, directorystore.SQLite, teamstore.SQLite)
		}
	}},
	{"postgresql", func(t testing.TB) func() (scim.Store, syncer.Store) {
		dsn := pgtest.Start(t).Schema(t)
		return func() (scim.Store, syncer.Store) {
			return openWorld(t, pgtest.Driver, dsn, directorystore.PostgreSQL, teamstore.PostgreSQL)
		}
	}},
}

// openWorld opens directory and team in one database, as a host does.
func openWorld(t testing.TB, driver, dsn string, directory directorystore.Dialect, team teamstore.Dialect) (scim.Store, syncer.Store) {
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	records, err := directorystore.Open(t.Context(), directorystore.Config{DB: db, Dialect: directory})
	require.NoError(t, err)
	members, err := teamstore.Open(t.Context(), teamstore.Config{DB: db, Dialect: team})
	require.NoError(t, err)
	return records, members
}
