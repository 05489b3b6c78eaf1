// Package pgtest gives tests a PostgreSQL to run against: the server that the
// environment names, or a throw-away one on loopback.
package pgtest

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/usher-go/usher/internal/pgserver"
)

// Env is the environment variable that names a server, as a URL whose user may
// create schemas. Where it is empty, [Start] starts a server of its own.
const Env = "USHER_TEST_POSTGRES"

// Driver is the name under which the database/sql driver is registered.
const Driver = pgserver.Driver

// A Server is a running PostgreSQL.
type Server struct{ url *url.URL }

// shared is the throw-away server of this process, once a test has asked for it.
var shared struct {
	mu     sync.Mutex
	server *pgserver.Server
}

// Start returns a server that the test may share with other tests. Where none is named and none can be started the test is skipped and
// says why; with CI=true it fails, so that a build does not pass because it could
// not look.
func Start(tb testing.TB) *Server {
	tb.Helper()
	if named := os.Getenv(Env); named != "" {
		u, err := url.Parse(named)
		if err != nil {
			tb.Fatalf("%s is not a URL", Env) // not shown: it may hold a password
		}
		return &Server{url: u}
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		server := start(tb)
		if err := server.StopAtExit(); err != nil {
			tb.Fatalf("seeing to the end of the PostgreSQL of the tests: %v", err)
		}
		shared.server = server
	}
	return &Server{url: shared.server.URL()}
}

// StartOwn returns a server that no other test shares and no environment names,
// for a test that crashes it.
func StartOwn(tb testing.TB) *pgserver.Server {
	tb.Helper()
	server := start(tb)
	tb.Cleanup(func() {
		if err := server.Stop(); err != nil {
			tb.Errorf("stopping the PostgreSQL of the test: %v", err)
		}
	})
	return server
}

func start(tb testing.TB) *pgserver.Server {
	tb.Helper()
	// Statistics are gathered where a test asks for them, and at no other time.
	server, err := pgserver.Start("-c", "autovacuum=off")
	switch {
	case errors.Is(err, pgserver.ErrNotInstalled):
		const help = "the tests against PostgreSQL do not run: %v; install postgresql, or name a server in %s"
		if os.Getenv("CI") == "true" {
			tb.Fatalf(help, err, Env)
		}
		tb.Skipf(help, err, Env)
	case err != nil:
		tb.Fatalf("starting a PostgreSQL for the test: %v", err)
	}
	return server
}

// Schema returns the URL of an empty schema, which is dropped after the test.
// Tables without a schema in their name are made and found in it.
func (s *Server) Schema(tb testing.TB) string {
	tb.Helper()
	db, err := sql.Open(Driver, s.url.String())
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	name := fmt.Sprintf("usher_test_%016x", rand.Uint64())
	if _, err := db.Exec("CREATE SCHEMA " + name); err != nil {
		tb.Fatalf("making a schema for the test: %v", err)
	}
	tb.Cleanup(func() { s.drop(tb, name) })
	u := *s.url
	query := u.Query()
	query.Set("search_path", name)
	u.RawQuery = query.Encode()
	return u.String()
}

func (s *Server) drop(tb testing.TB, name string) {
	db, err := sql.Open(Driver, s.url.String())
	if err == nil {
		defer db.Close()
		_, err = db.Exec("DROP SCHEMA " + name + " CASCADE")
	}
	if err != nil {
		tb.Errorf("dropping the schema of the test: %v", err)
	}
}
