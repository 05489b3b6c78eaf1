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

// A world is where directory and team are kept.
type world struct {
	name string
	open func(t testing.TB) (scim.Store, syncer.Store)
}

// worlds are the stores on which the same is tested.
var worlds = []world{
	{"memory", func(testing.TB) (scim.Store, syncer.Store) { return new(scim.Memory), new(provisioning.Memory) }},
	{"sqlite", func(t testing.TB) (scim.Store, syncer.Store) {
		return openWorld(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "host.db"), directorystore.SQLite, teamstore.SQLite)
	}},
	{"postgresql", func(t testing.TB) (scim.Store, syncer.Store) {
		return openWorld(t, pgtest.Driver, pgtest.Start(t).Schema(t), directorystore.PostgreSQL, teamstore.PostgreSQL)
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
