package sqlstore

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
)

// A served is a handler over a store, for requests of one tenant.
type served struct {
	t       *testing.T
	handler http.Handler
}

func serve(t *testing.T, store *Store) served {
	handler, err := scim.NewHandler(scim.Config{
		Store:        store,
		Authenticate: func(*http.Request) (scim.Principal, error) { return scim.Principal{Tenant: "acme"}, nil },
		Logger:       slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return served{t, handler}
}

func (s served) do(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func (s served) create(name string) *httptest.ResponseRecorder {
	return s.do("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`"}`)
}

// unavailable checks that an answer says when to try again, and shows nothing
// of the database.
func (s served) unavailable(w *httptest.ResponseRecorder, retry string) {
	s.t.Helper()
	assert.Equal(s.t, http.StatusServiceUnavailable, w.Code, w.Body)
	assert.Equal(s.t, retry, w.Header().Get("Retry-After"))
	for _, inner := range []string{"sql", "database", "lock", "disk", "usher_scim", "SQLSTATE"} {
		assert.NotContains(s.t, strings.ToLower(w.Body.String()), inner)
	}
}

func openFile(t *testing.T, file, options string) (*sql.DB, *Store) {
	db, err := sql.Open("sqlite", "file:"+file+options)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	store, err := Open(t.Context(), Config{DB: db})
	require.NoError(t, err)
	return db, store
}

func openSchema(t *testing.T, db *sql.DB) *Store {
	store, err := Open(t.Context(), Config{DB: db, Dialect: PostgreSQL})
	require.NoError(t, err)
	return store
}

// blocked runs many writers while another writer holds the lock that they need.
// All of them give up after the same bound, for any number of writers.
func blocked(t *testing.T, store *Store, release func()) {
	const patience, writers = time.Second / 2, 40
	store.db.Patience = patience
	s := serve(t, store)
	start := time.Now()
	var all sync.WaitGroup
	answers := make([]*httptest.ResponseRecorder, writers)
	for i := range answers {
		all.Go(func() { answers[i] = s.create(fmt.Sprint("u", i)) })
	}
	all.Wait()
	elapsed := time.Since(start)
	for _, answer := range answers {
		s.unavailable(answer, "1")
	}
	assert.GreaterOrEqual(t, elapsed, patience-patience/10)
	assert.Less(t, elapsed, writers*patience/2, "one bound for each would be %s", writers*patience)
	release()
	store.db.Patience = time.Minute
	assert.Equal(t, http.StatusCreated, s.create("after").Code)
	assert.Equal(t, http.StatusOK, s.do("GET", "/Users", "").Code)
}

func TestBusySQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scim.db")
	_, store := openFile(t, file, "")
	assert.Equal(t, http.StatusCreated, serve(t, store).create("before").Code)
	other, _ := openFile(t, file, "")
	conn, err := other.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	blocked(t, store, func() {
		_, err := conn.ExecContext(t.Context(), "ROLLBACK")
		require.NoError(t, err)
	})
}

func TestBusyPostgreSQL(t *testing.T) {
	db, err := sql.Open(pgtest.Driver, pgtest.Start(t).Schema(t))
	require.NoError(t, err)
	defer db.Close()
	store := openSchema(t, db)
	assert.Equal(t, http.StatusCreated, serve(t, store).create("before").Code)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.Exec("SELECT * FROM usher_scim_directories FOR UPDATE")
	require.NoError(t, err)
	blocked(t, store, func() { require.NoError(t, tx.Rollback()) })
}

// A pool without a free connection is an outage, too.
func TestNoConnection(t *testing.T) {
	db, err := sql.Open(pgtest.Driver, pgtest.Start(t).Schema(t))
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	store := openSchema(t, db)
	store.db.Patience = 200 * time.Millisecond
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	s := serve(t, store)
	s.unavailable(s.do("GET", "/Users", ""), "1")
	s.unavailable(s.create("u"), "1")
	require.NoError(t, conn.Close())
	store.db.Patience = time.Minute
	assert.Equal(t, http.StatusCreated, s.create("u").Code)
}

// A database on a full disk accepts no writes, and can be read.
func TestFull(t *testing.T) {
	full := func(t *testing.T, store *Store, fill, free func()) {
		s := serve(t, store)
		require.Equal(t, http.StatusCreated, s.create("before").Code)
		fill()
		var w *httptest.ResponseRecorder
		for i := range 1000 { // until the existing pages are full
			if w = s.create(fmt.Sprint("u", i)); w.Code != http.StatusCreated {
				break
			}
		}
		s.unavailable(w, "30")
		s.unavailable(s.do("POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
			{"method":"POST","path":"/Users","bulkId":"1","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+strings.Repeat("b", 900)+`"}}]}`), "30")
		assert.Equal(t, http.StatusOK, s.do("GET", "/Users", "").Code)
		free()
		assert.Equal(t, http.StatusCreated, s.create("after").Code)
	}
	t.Run("SQLite", func(t *testing.T) {
		db, store := openFile(t, filepath.Join(t.TempDir(), "scim.db"), "")
		db.SetMaxOpenConns(1) // the limit applies to one connection
		pages := func(most int) {
			_, err := db.Exec(fmt.Sprint("PRAGMA max_page_count = ", most))
			require.NoError(t, err)
		}
		full(t, store, func() { pages(1) }, func() { pages(1 << 30) }) // the limit cannot be below the existing number
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		db, err := sql.Open(pgtest.Driver, pgtest.Start(t).Schema(t))
		require.NoError(t, err)
		defer db.Close()
		store := openSchema(t, db)
		exec := func(statement string) {
			_, err := db.Exec(statement)
			require.NoError(t, err)
		}
		// PostgreSQL returns this error if a table cannot be extended.
		exec(`CREATE FUNCTION full_disk() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
			RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`)
		full(t, store, func() {
			exec(`CREATE TRIGGER full_disk BEFORE INSERT ON usher_scim_records EXECUTE FUNCTION full_disk()`)
		}, func() { exec(`DROP TRIGGER full_disk ON usher_scim_records`) })
	})
}

// What is written to a file that was removed or replaced is lost at the next start,
// so it is not accepted. When the file is back, it is used again.
func TestFileGone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scim.db")
	_, store := openFile(t, file, "")
	s := serve(t, store)
	require.Equal(t, http.StatusCreated, s.create("before").Code)
	require.NoError(t, os.Rename(file, file+".away"))
	refused := func() {
		t.Helper()
		for range 2 {
			s.unavailable(s.create("lost"), "30")
		}
		s.unavailable(s.do("POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
			{"method":"POST","path":"/Users","bulkId":"1","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"lost"}}]}`), "30")
		assert.ErrorIs(t, store.AddRequests(t.Context(), []scim.RequestBatch{{Directory: scim.Directory{Tenant: "acme"}}}, scim.RequestLimits{}), scim.ErrUnavailable)
	}
	refused()
	require.NoError(t, os.WriteFile(file, nil, 0o600)) // as another connection would make it
	refused()
	require.NoError(t, os.Rename(file+".away", file))
	assert.Equal(t, http.StatusCreated, s.create("after").Code)
	assert.Contains(t, s.do("GET", "/Users", "").Body.String(), `"totalResults":2,`)
}

// A server that is down is an outage. When it is back, it is used again.
func TestServerGone(t *testing.T) {
	config, err := pgx.ParseConfig(pgtest.Start(t).Schema(t))
	require.NoError(t, err)
	config.RuntimeParams["application_name"] = t.Name()
	var away atomic.Bool
	var conns sync.Map
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if away.Load() {
			addr = "127.0.0.1:1" // a port without a listener
		}
		conn, err := dial(ctx, network, addr)
		if err == nil {
			conns.Store(conn, true)
		}
		return conn, err
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	s := serve(t, openSchema(t, db))
	require.Equal(t, http.StatusCreated, s.create("before").Code)

	away.Store(true)
	conns.Range(func(conn, _ any) bool { return assert.NoError(t, conn.(net.Conn).Close()) })
	for range 3 {
		s.unavailable(s.do("GET", "/Users", ""), "5")
		s.unavailable(s.create("while away"), "5")
		s.unavailable(s.do("PATCH", "/Users/x", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","value":{"title":"x"}}]}`), "5")
	}
	away.Store(false)
	assert.Equal(t, http.StatusCreated, s.create("after").Code)

	// The server ended the connections, as it does in a restart.
	other, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer other.Close(context.Background())
	_, err = other.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = $1`, t.Name())
	require.NoError(t, err)
	for try := 1; ; try++ { // a statement may be the first to notice that its connection is dead
		w := s.create(fmt.Sprint("again", try))
		if w.Code == http.StatusCreated {
			break
		}
		s.unavailable(w, "5")
		require.Less(t, try, 5)
	}
}

// A database that lets the program connect no longer is an outage, whatever its
// reason is, and ends a bulk request.
func TestConnectionsRefused(t *testing.T) {
	config, err := pgx.ParseConfig(pgtest.Start(t).Schema(t))
	require.NoError(t, err)
	var change atomic.Pointer[func(*pgx.ConnConfig)]
	db := stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) error {
		if f := change.Load(); f != nil {
			(*f)(c)
		}
		return nil
	}))
	defer db.Close()
	db.SetMaxIdleConns(0) // each statement connects
	s := serve(t, openSchema(t, db))
	for name, refused := range map[string]func(*pgx.ConnConfig){
		"the database is renamed": func(c *pgx.ConnConfig) { c.Database = "nowhere" },
		"the role is dropped":     func(c *pgx.ConnConfig) { c.User = "nobody" },
		"a bad certificate": func(c *pgx.ConnConfig) {
			c.DialFunc = func(context.Context, string, string) (net.Conn, error) { return nil, x509.UnknownAuthorityError{} }
		},
		"the driver's time limit": func(c *pgx.ConnConfig) {
			c.DialFunc = func(context.Context, string, string) (net.Conn, error) { return nil, context.DeadlineExceeded }
		},
	} {
		change.Store(&refused)
		s.unavailable(s.do("GET", "/Users", ""), "5")
		s.unavailable(s.create("while refused"), "5")
		s.unavailable(s.do("POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"DELETE","path":"/Users/x"}]}`), "5")
		change.Store(nil)
		assert.Equal(t, http.StatusCreated, s.create("after "+name).Code, name)
	}
}

// A mistake of the program is not an outage of the store, and neither is a
// client that disconnects.
func TestNoOutage(t *testing.T) {
	_, store := openFile(t, filepath.Join(t.TempDir(), "scim.db"), "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := store.Get(ctx, scim.Directory{}, scim.Ref{Type: "User", ID: "u"}, false)
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, scim.ErrUnavailable)
	_, err = store.Apply(ctx, scim.Directory{}, scim.Write{Op: scim.Create, Ref: scim.Ref{Type: "User", ID: "u"}, Doc: []byte(`{}`)})
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, scim.ErrUnavailable)
	assert.Same(t, scim.ErrNotFound, fail("get", scim.ErrNotFound))
	assert.NotErrorIs(t, fail("get", errors.New("a mistake of the program")), scim.ErrUnavailable)
}
