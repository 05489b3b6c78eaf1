package sqlstore

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
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

		// A running program of version 1 still writes as before, and its writes
		// are counted.
		for _, statement := range []string{
			`INSERT INTO usher_scim_records (directory, ordinal, type, id, version, created, modified, display, doc)
				VALUES (1, 1795639336304530, 'User', 'old', 1795639336304530, 0, 0, '', '{}') ON CONFLICT (directory, id) DO NOTHING`,
			`INSERT INTO usher_scim_keys (directory, ordinal, name, value, type, is_unique)
				VALUES (1, 1795639336304530, 'userName', 'old', 'User', TRUE) ON CONFLICT DO NOTHING`,
			`INSERT INTO usher_scim_members (directory, grp, member, member_type, display)
				VALUES (1, 1795639336304516, 1795639336304530, 'User', 'x') ON CONFLICT (directory, grp, member)
				DO UPDATE SET display = excluded.display WHERE excluded.display <> '' AND excluded.display <> usher_scim_members.display`,
			`DELETE FROM usher_scim_members WHERE directory = 1 AND grp = 1795639336304516 AND member IN (1795639336304512)`,
		} {
			_, err := pool.Exec(statement)
			require.NoError(t, err, statement)
		}
		assert.Equal(t, []int{4, 1}, []int{total(acme, "User"), total(acme, "User", inSales)})
		ids, _ = list(acme, scim.Query{Type: "User", Where: []scim.Key{inSales}, Limit: 10})
		assert.Equal(t, []string{"old"}, ids)

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

// openVersion creates the tables of an earlier version, and opens a store on
// them.
func openVersion(t *testing.T, version int, driver, dsn string, dialect Dialect) (*sql.DB, *Store) {
	pool, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	db, err := sqldb.New(pool, dialect, defaultPrefix)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), migrations()[:version], nil))
	return pool, &Store{db: db, texts: newStatements(dialect)}
}

// Opening a database of version 3 upgrades it: it keeps its data and can store
// requests, and a program of version 3 refuses to open it.
func TestVersion3(t *testing.T) {
	test := func(t *testing.T, driver, dsn string, dialect Dialect) {
		pool, old := openVersion(t, 3, driver, dsn, dialect)
		acme := scim.Directory{Tenant: "acme", Connection: "okta"}
		_, err := old.Apply(t.Context(), acme, scim.Write{
			Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: "ana"}, At: time.Unix(1_800_000_000, 0), Doc: []byte(`{"userName":"ana","emails":[{"value":"a@b.example"}]}`),
		})
		require.NoError(t, err)
		store, err := Open(t.Context(), Config{DB: pool, Dialect: dialect})
		require.NoError(t, err)
		rec, err := store.Get(t.Context(), acme, scim.Ref{Type: scim.TypeUser, ID: "ana"}, false)
		require.NoError(t, err)
		require.JSONEq(t, `{"userName":"ana","emails":[{"value":"a@b.example"}]}`, string(rec.Doc))
		keys := 0
		require.NoError(t, pool.QueryRow(`SELECT COUNT(*) FROM usher_scim_keys`).Scan(&keys))
		require.Zero(t, keys, "users of version 3 have their keys, and are not read again")
		r := scim.RequestRecord{At: time.Unix(1_800_000_000, 0).UTC(), Method: "GET", Status: 200}
		require.NoError(t, store.AddRequests(t.Context(), []scim.RequestBatch{{Directory: acme, RequestHistory: scim.RequestHistory{Requests: []scim.RequestRecord{r}}}},
			scim.RequestLimits{Requests: 10}))
		history, err := store.Requests(t.Context(), acme, 10)
		require.NoError(t, err)
		require.Equal(t, []scim.RequestRecord{r}, history.Requests)
		require.ErrorContains(t, old.db.Migrate(t.Context(), migrations()[:3], nil), "the tables are of version 4")
		_, err = old.Get(t.Context(), acme, scim.Ref{Type: scim.TypeUser, ID: "ana"}, false) // a running program of version 3 continues to work
		require.NoError(t, err)
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
		pool, old := openVersion(t, 2, driver, dsn, dialect)
		acme := scim.Directory{Tenant: "acme", Connection: "okta"}
		for i := range refillSize + 2 { // more users than a page
			id := fmt.Sprint("u", i)
			_, err := old.Apply(t.Context(), acme, scim.Write{
				Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: id}, At: time.Unix(1_800_000_000, 0),
				Keys: []scim.Key{{Name: scim.KeyUserName, Value: id, Unique: true}},
				Doc: fmt.Appendf(nil, `{"userName":%q,"emails":[{"value":"%s@b\u00fccher.example"}],
					"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"u%d"}}}`, id, id, i/2),
			})
			require.NoError(t, err)
		}
		_, err := old.Apply(t.Context(), acme, scim.Write{Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: "damaged"}, At: time.Unix(1, 0), Doc: []byte(`{"userName"`)})
		require.NoError(t, err)

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
		require.Empty(t, find(old, sources.UserByManagerID, "u250"))
		store, err := Open(t.Context(), Config{DB: pool, Dialect: dialect})
		require.NoError(t, err)
		require.Equal(t, []string{"u0", "u1"}, find(store, sources.UserByManagerID, "u0"))
		require.Equal(t, []string{"u500", "u501"}, find(store, sources.UserByManagerID, "u250"))
		require.Equal(t, []string{"u501"}, find(store, sources.UserByEmail, "U501@B\u00dcCHER.example"))
		require.Equal(t, []string{"damaged"}, find(store, sources.UserByID, "damaged"))
	}
	t.Run("SQLite", func(t *testing.T) {
		test(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "scim.db"), SQLite)
	})
	t.Run("PostgreSQL", func(t *testing.T) { test(t, pgtest.Driver, pgtest.Start(t).Schema(t), PostgreSQL) })
}
