package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

func TestConfig(t *testing.T) {
	db := place{driver: "sqlite", dsn: ":memory:"}.open(t)
	for want, cfg := range map[string]sqlstore.Config{
		"Config.DB":      {},
		"Config.Dialect": {DB: db, Dialect: 7},
		"Config.Prefix":  {DB: db, Prefix: "x; DROP TABLE"},
	} {
		_, err := sqlstore.Open(t.Context(), cfg)
		assert.ErrorContains(t, err, want)
	}
}

// onBoth runs test in a new place of each kind.
func onBoth(t *testing.T, test func(t *testing.T, p place)) {
	t.Run("SQLite", func(t *testing.T) { test(t, filePlace(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, schemaPlace(t, pgtest.Start(t))) })
}

// Processes that start at the same time create the tables once.
func TestOpenTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		errs := make([]error, 6)
		var all sync.WaitGroup
		for i := range errs {
			db := p.open(t)
			all.Go(func() { _, errs[i] = sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Dialect: p.dialect}) })
		}
		all.Wait()
		for _, err := range errs {
			assert.NoError(t, err)
		}
	})
}

// Open does not change tables of a newer program.
func TestOpenNewerTables(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		p.store(t)
		db := p.open(t)
		_, err := db.Exec("UPDATE usher_scim_schema SET version = 99")
		require.NoError(t, err)
		_, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: p.dialect})
		assert.ErrorContains(t, err, "use a newer program")
	})
}

// Two prefixes are two stores in one database.
func TestPrefix(t *testing.T) {
	p := filePlace(t)
	one := p.store(t)
	two, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: p.open(t), Prefix: "another_"})
	require.NoError(t, err)
	w := scim.Write{Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: "u1"}, At: time.Unix(1, 0), Doc: []byte(`{}`)}
	_, err = one.Apply(t.Context(), benchDir, w)
	require.NoError(t, err)
	_, err = two.Get(t.Context(), benchDir, w.Ref, false)
	assert.ErrorIs(t, err, scim.ErrNotFound)
}

// Only groups have membership rows.
func TestMembersOfAUser(t *testing.T) {
	store := filePlace(t).store(t)
	_, err := store.Apply(t.Context(), benchDir, scim.Write{
		Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: "u1"}, At: time.Unix(1, 0), Doc: []byte(`{}`), Members: &scim.MemberChange{},
	})
	assert.ErrorContains(t, err, "a User cannot have members")
}

// Numbers of another database are recognized as expired: a directory starts to
// count at the time of its first write.
func TestNumbersOfAnotherDatabase(t *testing.T) {
	w := scim.Write{Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: "u1"}, At: time.Unix(1, 0), Doc: []byte(`{}`)}
	before, err := filePlace(t).store(t).Apply(t.Context(), benchDir, w)
	require.NoError(t, err)
	time.Sleep(time.Millisecond)
	store := filePlace(t).store(t)
	_, err = store.Apply(t.Context(), benchDir, w)
	require.NoError(t, err)
	_, err = store.Changes(t.Context(), benchDir, before.Version, 10)
	assert.ErrorContains(t, err, "cursor")
}

// An unreachable database is an outage, and clients see no details of it.
func TestDatabaseAway(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		db, err := sql.Open(p.driver, p.dsn)
		require.NoError(t, err)
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: p.dialect})
		require.NoError(t, err)
		require.NoError(t, db.Close())
		ref := scim.Ref{Type: scim.TypeUser, ID: "u1"}
		_, err = store.Get(t.Context(), benchDir, ref, false)
		assert.ErrorContains(t, err, "sqlstore: get: ")
		_, err = store.Apply(t.Context(), benchDir, scim.Write{Op: scim.Delete, Ref: ref})
		assert.ErrorContains(t, err, "sqlstore: apply: ")
		for _, refusal := range []error{scim.ErrNotFound, scim.ErrDuplicate, scim.ErrConflict} {
			assert.NotErrorIs(t, err, refusal)
		}

		handler, err := scim.NewHandler(scim.Config{
			Store:        store,
			Authenticate: func(*http.Request) (scim.Principal, error) { return scim.Principal{Tenant: "acme"}, nil },
			Logger:       slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		for _, r := range []*http.Request{
			httptest.NewRequest("GET", "/Users?filter=userName+eq+%22a%22", nil),
			httptest.NewRequest("GET", "/Users/u1", nil),
			httptest.NewRequest("POST", "/Users", strings.NewReader(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a"}`)),
		} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			assert.Equal(t, http.StatusServiceUnavailable, w.Code)
			assert.Equal(t, "5", w.Header().Get("Retry-After"))
			for _, inner := range []string{"sql", "database", "closed", "usher_scim"} {
				assert.NotContains(t, w.Body.String(), inner)
			}
		}
	})
}

// Several processes write to one directory, in a database whose default
// isolation level is the strictest. No write is lost or refused.
func TestSerializable(t *testing.T) {
	p := schemaPlace(t, pgtest.Start(t))
	p.dsn += "&default_transaction_isolation=serializable"
	setUp := p.store(t)
	group := scim.Ref{Type: scim.TypeGroup, ID: "g"}
	write := func(store scim.Store, w scim.Write) error {
		w.At = time.Unix(1, 0)
		_, err := store.Apply(t.Context(), benchDir, w)
		return err
	}
	require.NoError(t, write(setUp, scim.Write{Op: scim.Create, Ref: group, Doc: []byte(`{}`)}))
	const processes, each = 6, 10
	errs := make([]error, processes)
	var all sync.WaitGroup
	for i := range processes {
		store := p.store(t)
		all.Go(func() {
			for n := range each {
				ref := scim.Ref{Type: scim.TypeUser, ID: fmt.Sprint("u", i, "-", n)}
				errs[i] = errors.Join(errs[i], write(store, scim.Write{Op: scim.Create, Ref: ref, Doc: []byte(`{}`)}),
					write(store, scim.Write{Op: scim.Update, Ref: group, Members: &scim.MemberChange{Add: []scim.Link{{Ref: ref}}}}))
			}
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	rec, err := setUp.Get(t.Context(), benchDir, group, true)
	require.NoError(t, err)
	assert.Len(t, rec.Links, processes*each)
	changes, err := setUp.Changes(t.Context(), benchDir, 0, 1000)
	require.NoError(t, err)
	assert.Len(t, changes, processes*each+1)
}
