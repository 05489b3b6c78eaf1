package scimtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

const base = "/scim/v2"

// newHandler returns a handler over store. A token is the name of its tenant.
func newHandler(store scim.Store) (http.Handler, error) {
	handler, err := scim.NewHandler(scim.Config{
		Store: store,
		Authenticate: scim.BearerTokens(scim.FixedTokens(
			scim.Token{Hash: scim.HashToken("acme"), Principal: scim.Principal{Tenant: "acme", Connection: "okta"}},
			scim.Token{Hash: scim.HashToken("intruder"), Principal: scim.Principal{Tenant: "intruder", Connection: "okta"}},
		)),
		Logger: slog.New(slog.DiscardHandler),
	})
	return scim.Mount(base, handler, nil), err
}

// serve serves store until the test ends; wrap may add a fault to the server.
func serve(tb testing.TB, store scim.Store, wrap func(http.Handler) http.Handler) Target {
	tb.Helper()
	handler, err := newHandler(store)
	require.NoError(tb, err)
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return Target{BaseURL: server.URL + base, Token: "acme", OtherToken: "intruder"}
}

// A backend is a store that another process can open again.
type backend struct{ driver, dsn string }

func (b backend) open(ctx context.Context) (scim.Store, error) {
	if b.driver == "memory" {
		return &scim.Memory{}, nil
	}
	db, err := sql.Open(b.driver, b.dsn)
	if err != nil {
		return nil, err
	}
	dialect := sqlstore.SQLite
	if b.driver == pgtest.Driver {
		dialect = sqlstore.PostgreSQL
		db.SetMaxOpenConns(50)
	}
	return sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: dialect})
}

// onEveryBackend runs test on an empty store of every kind.
func onEveryBackend(t *testing.T, test func(t *testing.T, b backend)) {
	t.Run("memory", func(t *testing.T) { test(t, backend{driver: "memory"}) })
	t.Run("SQLite", func(t *testing.T) {
		test(t, backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "scim.db")})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		test(t, backend{pgtest.Driver, pgtest.Start(t).Schema(t)})
	})
}

// The handler of this module conforms with each of its stores.
func TestHandlerConforms(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, b backend) {
		store, err := b.open(t.Context())
		require.NoError(t, err)
		TestServer(t, serve(t, store, nil))
	})
}

// For each fault of a server, the check of that rule fails.
func TestEveryServerCheckCanFail(t *testing.T) {
	type writes = func(ctx context.Context, s *broken, dir scim.Directory, w scim.Write) (scim.Record, error)
	loseOne := func(ctx context.Context, s *broken, dir scim.Directory, w scim.Write) (scim.Record, error) {
		if w.Op == scim.Update && s.count("updates") == 7 {
			return s.Memory.Get(ctx, dir, w.Ref, false)
		}
		return s.Memory.Apply(ctx, dir, w)
	}
	for _, c := range []struct {
		check, want string
		apply       writes
		oneTenant   bool
	}{
		{check: "racing creates", want: "want 1", apply: func(ctx context.Context, s *broken, dir scim.Directory, w scim.Write) (scim.Record, error) {
			w.Keys = nil
			return s.Memory.Apply(ctx, dir, w)
		}},
		{check: "racing patches", want: "is not there", apply: loseOne},
		{check: "racing memberships", want: "as was acknowledged", apply: func(ctx context.Context, s *broken, dir scim.Directory, w scim.Write) (scim.Record, error) {
			if w.Op == scim.Update && w.Members != nil && s.count("members") == 7 {
				w.Members = &scim.MemberChange{Remove: w.Members.Remove[:0], Replace: true}
			}
			return s.Memory.Apply(ctx, dir, w)
		}},
		{check: "tenants", want: "", oneTenant: true},
	} {
		t.Run(c.check, func(t *testing.T) {
			store := &broken{}
			if c.apply != nil {
				store.apply = func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
					return c.apply(ctx, s, dir, w)
				}
			}
			target := serve(t, store, nil)
			if c.oneTenant {
				target.OtherToken = target.Token
			}
			var failed error
			for _, check := range serverChecks() {
				if check.name == c.check {
					failed = check.run(t.Context(), target)
				}
			}
			require.Error(t, failed)
			assert.Contains(t, failed.Error(), c.want)
		})
	}
}

// A request that reaches another tenant through a single endpoint is found.
func TestTenantAttempts(t *testing.T) {
	for _, leak := range []struct{ method, path, want string }{
		{http.MethodGet, "/Groups/", "want a refusal"},
		{http.MethodGet, "/Users?", "shows what is not theirs"},
		{http.MethodPost, "/.search", "shows what is not theirs"},
		{http.MethodPost, "/Bulk", "want"},
		{http.MethodPatch, "/Users", "want a refusal"},
		{http.MethodDelete, "/Groups", "want a refusal"},
	} {
		target := serve(t, &scim.Memory{}, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == leak.method && strings.HasPrefix(r.RequestURI, base+leak.path) {
					r.Header.Set("Authorization", "Bearer acme") // for any client
				}
				next.ServeHTTP(w, r)
			})
		})
		assert.ErrorContains(t, tenantsAreApart(t.Context(), target), leak.want, "%v", leak)
	}
}

// A ledger names the writes that a server has lost.
func TestLedgerCanFail(t *testing.T) {
	store := &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
		if w.Op == scim.Update && w.Members == nil && s.count("updates") == 4 {
			return s.Memory.Get(ctx, dir, w.Ref, false) // acknowledges the write and loses it
		}
		return s.Memory.Apply(ctx, dir, w)
	}}
	target := serve(t, store, nil)
	ledger, err := Load(t.Context(), target, LoadConfig{Clients: 1, Duration: loadTime(t).Duration / 10})
	require.NoError(t, err)
	err = ledger.Verify(t.Context(), target)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "1 of ")
	assert.Contains(t, err.Error(), "title:first")

	target = serve(t, &scim.Memory{}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	_, err = Load(t.Context(), target, LoadConfig{Clients: 1})
	assert.ErrorContains(t, err, "500")
}

// No error text of a database reaches a client.
func TestErrorsOfTheStoreStayInside(t *testing.T) {
	target := serve(t, &broken{
		get: func(*broken, context.Context, scim.Directory, scim.Ref, bool) (scim.Record, error) {
			return scim.Record{}, errors.New("pq: password authentication failed for usher_scim_records")
		},
		apply: func(*broken, context.Context, scim.Directory, scim.Write) (scim.Record, error) {
			return scim.Record{}, fmt.Errorf("sqlstore: apply: disk I/O error in usher_scim_records")
		},
	}, nil)
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPatch} {
		a, err := target.client().send(t.Context(), method, "/Users/u1", patchBody(op("replace", "title", "x")))
		require.NoError(t, err)
		assert.Equal(t, http.StatusInternalServerError, a.status)
		assert.NotContains(t, a.text, "usher_scim")
	}
}
