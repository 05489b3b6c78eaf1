package syncer_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver for SQLite

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	teamstore "github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
	directorystore "github.com/usher-go/usher/scim/sqlstore"
)

// A world says where directory and team are stored. All processes of a host
// open the same stores.
type world struct {
	name string
	make func(t testing.TB) (open func() (scim.Store, syncer.Store))
}

// open creates a world for one process.
func (w world) open(t testing.TB) (scim.Store, syncer.Store) { return w.make(t)() }

// worlds are the stores with which each test runs.
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

// openWorld opens the directory and the team in one database, as a host does.
func openWorld(t testing.TB, driver, dsn string, directory directorystore.Dialect, team teamstore.Dialect) (scim.Store, syncer.Store) {
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	records, err := directorystore.Open(t.Context(), directorystore.Config{DB: db, Dialect: directory})
	require.NoError(t, err)
	members, err := teamstore.Open(t.Context(), teamstore.Config{DB: db, Dialect: team})
	require.NoError(t, err)
	databases.Store(records, database{db, team == teamstore.PostgreSQL})
	return records, members
}

// databases has the database of each directory that openWorld opened.
var databases sync.Map

// fill hires n people and returns their IDs. In a database, it copies the rows
// of the first person for all others.
func (h *host) fill(n int) []string {
	h.t.Helper()
	require.NoError(h.t, h.sync.Pause(h.t.Context(), acme, "the directory is filled"))
	const first = 1_000_000 // so that all names have the same length
	name := func(i int) string { return fmt.Sprintf("p%d", first+i) }
	ids := []string{h.hire(name(0))}
	if db, ok := databases.Load(h.directory); ok {
		h.copyFirst(db.(database), first, n)
		ids = nil
	}
	for i := len(ids); ids != nil && i < n; i++ {
		ids = append(ids, h.hire(name(i)))
	}
	require.NoError(h.t, h.sync.Resume(h.t.Context(), acme))
	_, err := h.sync.Run(h.t.Context(), acme)
	require.NoError(h.t, err)
	if ids == nil {
		for _, m := range h.members() {
			ids = append(ids, m.ExternalID)
		}
		slices.Sort(ids)
	}
	require.Len(h.t, ids, n)
	return ids
}

// A database is a value in databases.
type database struct {
	*sql.DB
	isPostgres bool
}

func (h *host) copyFirst(db database, first, n int) {
	h.t.Helper()
	random := "lower(hex(randomblob(16)))"
	if db.isPostgres {
		random = "md5(s.i::text)"
	}
	named := func(column string) string {
		for _, letter := range []string{"p", "P"} {
			column = fmt.Sprintf("replace(%s, '%s%d', '%s' || (%[3]d + s.i))", column, letter, first, letter)
		}
		return column
	}
	series := fmt.Sprintf("WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) ", n-1)
	for _, statement := range []string{
		series + `INSERT INTO usher_scim_records (directory, ordinal, type, id, created, display, doc)
			SELECT r.directory, r.ordinal + s.i, r.type, ` + random + `, r.created, r.display, ` + named("r.doc") + ` FROM s, usher_scim_records r`,
		series + `INSERT INTO usher_scim_versions (ordinal, directory, version, modified)
			SELECT v.ordinal + s.i, v.directory, v.version + s.i, v.modified FROM s, usher_scim_versions v`,
		series + `INSERT INTO usher_scim_keys (ordinal, directory, name, value, type, is_unique)
			SELECT k.ordinal + s.i, k.directory, k.name, ` + named("k.value") + `, k.type, k.is_unique FROM s, usher_scim_keys k`,
		fmt.Sprintf(`UPDATE usher_scim_directories SET seq = seq + %d`, n),
	} {
		_, err := db.ExecContext(h.t.Context(), statement)
		require.NoError(h.t, err)
	}
}
