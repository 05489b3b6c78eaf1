package sqlstore

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// openVersion1 creates the tables of version 1 with rows that the store of that
// version wrote: testdata/version1.sql is a dump of them.
func openVersion1(t *testing.T, driver, dsn string, dialect Dialect) *sql.DB {
	pool, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	db, err := sqldb.New(pool, dialect, defaultPrefix)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), migrations()[:1], nil))
	rows, err := os.ReadFile("testdata/version1.sql")
	require.NoError(t, err)
	for _, statement := range strings.Split(strings.TrimSpace(string(rows)), ";\n") {
		if dialect == PostgreSQL {
			statement = strings.Replace(statement, "connection, first, seq)", "connection, first, seq) OVERRIDING SYSTEM VALUE", 1)
		}
		_, err := pool.Exec(strings.TrimSuffix(statement, ";"))
		require.NoError(t, err, statement)
	}
	if dialect == PostgreSQL {
		_, err := pool.Exec("ALTER TABLE usher_scim_directories ALTER COLUMN id RESTART WITH 100")
		require.NoError(t, err)
	}
	return pool
}

// Opening a database of version 1 upgrades it: it keeps its data, counts it,
// and continues its numbers.
func TestVersion1(t *testing.T) {
	test := func(t *testing.T, pool *sql.DB, dialect Dialect) {
		ctx, acme := t.Context(), scim.Directory{Tenant: "acme", Connection: "okta"}
		store, err := Open(ctx, Config{DB: pool, Dialect: dialect})
		require.NoError(t, err)
		list := func(dir scim.Directory, q scim.Query) (ids []string, total int) {
			t.Helper()
			q.Count = true
			page, err := store.List(ctx, dir, q)
			require.NoError(t, err)
			for _, rec := range page.Records {
				ids = append(ids, rec.ID)
			}
			return ids, page.Total
		}
		total := func(dir scim.Directory, typ string, where ...scim.Key) int {
			t.Helper()
			_, n := list(dir, scim.Query{Type: typ, Where: where}) // no page, so the total is read
			return n
		}
		inSales := scim.Key{Name: scim.KeyGroup, Value: "sales"}

		ids, n := list(acme, scim.Query{Limit: 10})
		assert.Equal(t, []string{"ana", "ben", "carl", "inner", "sales", "d1"}, ids)
		assert.Equal(t, 6, n)
		assert.Equal(t, []int{6, 3, 2, 1, 0}, []int{total(acme, ""), total(acme, "User"), total(acme, "Group"), total(acme, "Device"), total(acme, "Role")})
		assert.Equal(t, []int{4, 2, 2}, []int{total(acme, "", inSales), total(acme, "User", inSales), total(acme, "Group", inSales)})
		assert.Equal(t, []int{2, 1}, []int{total(scim.Directory{Tenant: "other", Connection: "okta"}, ""), total(scim.Directory{Tenant: "other", Connection: "okta"}, "", inSales)})
		ids, _ = list(acme, scim.Query{Type: "User", Where: []scim.Key{{Name: scim.KeyUserName, Value: "ben"}}, Limit: 10})
		assert.Equal(t, []string{"ben"}, ids)
		ids, _ = list(acme, scim.Query{Type: "User", Where: []scim.Key{{Name: scim.KeyEmail, Value: "shared@example.com"}}, Limit: 10})
		assert.Equal(t, []string{"ana", "ben", "carl"}, ids)
		ids, _ = list(acme, scim.Query{Type: "Group", Where: []scim.Key{inSales}, Limit: 10})
		assert.Equal(t, []string{"inner", "sales"}, ids)
		ids, _ = list(acme, scim.Query{Type: "Group", Where: []scim.Key{{Name: scim.KeyMember, Value: "carl"}}, Limit: 10})
		assert.Equal(t, []string{"inner"}, ids)
		sales, err := store.Get(ctx, acme, scim.Ref{Type: "Group", ID: "sales"}, true)
		require.NoError(t, err)
		assert.Equal(t, int64(1795639336304519), sales.Version)
		assert.Contains(t, sales.Links, scim.Link{Ref: scim.Ref{Type: "User", ID: "ana"}, Display: "Display of ana"})
		assert.Len(t, sales.Links, 4)
		changes, err := store.Changes(ctx, acme, 1795639336304517, 10)
		require.NoError(t, err)
		require.Len(t, changes, 2)
		assert.True(t, changes[0].Deleted)
		assert.Equal(t, "gone", changes[0].ID)

		apply := func(w scim.Write) (scim.Record, error) {
			w.At = time.Unix(1_800_000_000, 0)
			return store.Apply(ctx, acme, w)
		}
		keys := []scim.Key{{Name: scim.KeyUserName, Value: "ben", Unique: true}}
		_, err = apply(scim.Write{Op: scim.Create, Ref: scim.Ref{Type: "User", ID: "new"}, Doc: []byte(`{}`), Keys: keys})
		require.ErrorIs(t, err, scim.ErrDuplicate)
		keys[0].Value = "new"
		rec, err := apply(scim.Write{Op: scim.Create, Ref: scim.Ref{Type: "User", ID: "new"}, Doc: []byte(`{}`), Keys: keys})
		require.NoError(t, err)
		assert.Equal(t, int64(1795639336304520), rec.Version)
		_, err = apply(scim.Write{Op: scim.Delete, Ref: scim.Ref{Type: "User", ID: "ana"}})
		require.NoError(t, err)
		assert.Equal(t, []int{3, 1}, []int{total(acme, "User"), total(acme, "User", inSales)})

		_, err = Open(ctx, Config{DB: pool, Dialect: dialect})
		require.NoError(t, err, "opened again")
	}
	t.Run("SQLite", func(t *testing.T) {
		test(t, openVersion1(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "scim.db"), SQLite), SQLite)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		test(t, openVersion1(t, pgtest.Driver, pgtest.Start(t).Schema(t), PostgreSQL), PostgreSQL)
	})
}

// openVersion creates the tables of an earlier version, with users that a
// program of that version wrote, and without keys.
func openVersion(t *testing.T, version int, driver, dsn string, dialect Dialect, docs map[string]string) (*sql.DB, *sqldb.DB) {
	pool, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	db, err := sqldb.New(pool, dialect, defaultPrefix)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), migrations()[:version], nil))
	_, err = pool.Exec(`INSERT INTO usher_scim_directories (tenant, connection, first, seq) VALUES ('acme', 'okta', 1000, $1)`, 1000+len(docs))
	require.NoError(t, err)
	seq := 1000
	for _, id := range slices.Sorted(maps.Keys(docs)) {
		seq++
		_, err := pool.Exec(`INSERT INTO usher_scim_records (directory, ordinal, type, id, version, created, modified, display, doc)
			SELECT id, $1, 'User', $2, $3, 5, 7, '', $4 FROM usher_scim_directories`, seq, id, seq, docs[id])
		require.NoError(t, err)
	}
	return pool, db
}

// Opening a database of version 4 upgrades it: each record keeps its number and
// its times, and the next change gets the next number. Memberships are counted.
func TestVersion4(t *testing.T) {
	test := func(t *testing.T, driver, dsn string, dialect Dialect) {
		pool, _ := openVersion(t, 4, driver, dsn, dialect, map[string]string{"ana": `{"a":1}`, "ben": `{}`, "eve": `{}`})
		_, err := pool.Exec(`UPDATE usher_scim_records SET version = 1009, modified = 9 WHERE id = 'ana'`)
		require.NoError(t, err)
		_, err = pool.Exec(`UPDATE usher_scim_directories SET seq = 1009`)
		require.NoError(t, err)
		store, err := Open(t.Context(), Config{DB: pool, Dialect: dialect})
		require.NoError(t, err)
		acme := scim.Directory{Tenant: "acme", Connection: "okta"}
		changes, err := store.Changes(t.Context(), acme, 0, 10)
		require.NoError(t, err)
		require.Equal(t, []scim.Record{
			{Ref: scim.Ref{Type: "User", ID: "ben"}, Version: 1002, Ordinal: 1002, Created: toTime(5), LastModified: toTime(7), Doc: []byte(`{}`)},
			{Ref: scim.Ref{Type: "User", ID: "eve"}, Version: 1003, Ordinal: 1003, Created: toTime(5), LastModified: toTime(7), Doc: []byte(`{}`)},
			{Ref: scim.Ref{Type: "User", ID: "ana"}, Version: 1009, Ordinal: 1001, Created: toTime(5), LastModified: toTime(9), Doc: []byte(`{"a":1}`)},
		}, changes)
		rec, err := store.Apply(t.Context(), acme, scim.Write{
			Op: scim.Create, Ref: scim.Ref{Type: "Group", ID: "g"}, At: toTime(11), Doc: []byte(`{}`), Members: &scim.MemberChange{Add: []scim.Link{{Ref: scim.Ref{ID: "ben"}}, {Ref: scim.Ref{ID: "eve"}}}},
		})
		require.NoError(t, err)
		require.Equal(t, int64(1010), rec.Version)
		page, err := store.List(t.Context(), acme, scim.Query{Where: []scim.Key{{Name: scim.KeyGroup, Value: "g"}}, Count: true})
		require.NoError(t, err)
		require.Equal(t, 2, page.Total)
		ben, err := store.Get(t.Context(), acme, scim.Ref{Type: "User", ID: "ben"}, false)
		require.NoError(t, err)
		require.Greater(t, ben.Version, int64(1010))
		require.Equal(t, toTime(11), ben.LastModified)
	}
	t.Run("SQLite", func(t *testing.T) {
		test(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "scim.db"), SQLite)
	})
	t.Run("PostgreSQL", func(t *testing.T) { test(t, pgtest.Driver, pgtest.Start(t).Schema(t), PostgreSQL) })
}

// Opening a database of version 3 upgrades it: it keeps its data and can store
// requests, and a program of version 3 refuses to open it.
func TestVersion3(t *testing.T) {
	test := func(t *testing.T, driver, dsn string, dialect Dialect) {
		const doc = `{"userName":"ana","emails":[{"value":"a@b.example"}]}`
		pool, old := openVersion(t, 3, driver, dsn, dialect, map[string]string{"ana": doc})
		acme := scim.Directory{Tenant: "acme", Connection: "okta"}
		store, err := Open(t.Context(), Config{DB: pool, Dialect: dialect})
		require.NoError(t, err)
		rec, err := store.Get(t.Context(), acme, scim.Ref{Type: scim.TypeUser, ID: "ana"}, false)
		require.NoError(t, err)
		require.JSONEq(t, doc, string(rec.Doc))
		keys := 0
		require.NoError(t, pool.QueryRow(`SELECT COUNT(*) FROM usher_scim_keys`).Scan(&keys))
		require.Zero(t, keys, "users of version 3 have their keys, and are not read again")
		r := scim.RequestRecord{At: time.Unix(1_800_000_000, 0).UTC(), Method: "GET", Status: 200}
		require.NoError(t, store.AddRequests(t.Context(), []scim.RequestBatch{{Directory: acme, RequestHistory: scim.RequestHistory{Requests: []scim.RequestRecord{r}}}},
			scim.RequestLimits{Requests: 10}))
		history, err := store.Requests(t.Context(), acme, 10)
		require.NoError(t, err)
		require.Equal(t, []scim.RequestRecord{r}, history.Requests)
		require.ErrorContains(t, old.Migrate(t.Context(), migrations()[:3], nil), "the tables are of version 5")
	}
	t.Run("SQLite", func(t *testing.T) {
		test(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "scim.db"), SQLite)
	})
	t.Run("PostgreSQL", func(t *testing.T) { test(t, pgtest.Driver, pgtest.Start(t).Schema(t), PostgreSQL) })
}

// Opening a database of version 2 upgrades it: users are found by keys that
// version 2 did not store.
func TestVersion2(t *testing.T) {
	test := func(t *testing.T, driver, dsn string, dialect Dialect) {
		docs := map[string]string{"w": `{"userName"`} // damaged
		for i := range refillSize + 2 {               // more users than a page
			id := fmt.Sprintf("u%03d", i)
			docs[id] = fmt.Sprintf(`{"userName":%q,"emails":[{"value":"%s@b\u00fccher.example"}],
				"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"u%d"}}}`, id, id, i/2)
		}
		pool, _ := openVersion(t, 2, driver, dsn, dialect, docs)

		find := func(store *Store, by sources.UserKeyKind, value string) (ids []string) {
			t.Helper()
			found, proven, err := scim.AsSource(store, "acme", "okta").FindUsers(t.Context(), []sources.UserKey{sources.NewUserKey(by, value)}, nil, 100)
			require.NoError(t, err)
			require.Equal(t, sources.FactUsers, proven)
			for _, one := range found {
				ids = append(ids, one.User.ID)
			}
			return ids
		}
		store, err := Open(t.Context(), Config{DB: pool, Dialect: dialect})
		require.NoError(t, err)
		require.Equal(t, []string{"u000", "u001"}, find(store, sources.UserByManagerID, "u0"))
		require.Equal(t, []string{"u500", "u501"}, find(store, sources.UserByManagerID, "u250"))
		require.Equal(t, []string{"u501"}, find(store, sources.UserByEmail, "U501@B\u00dcCHER.example"))
		require.Equal(t, []string{"w"}, find(store, sources.UserByID, "w"))
	}
	t.Run("SQLite", func(t *testing.T) {
		test(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "scim.db"), SQLite)
	})
	t.Run("PostgreSQL", func(t *testing.T) { test(t, pgtest.Driver, pgtest.Start(t).Schema(t), PostgreSQL) })
}
