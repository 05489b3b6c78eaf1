// Package pgtest gives tests a PostgreSQL to run against: the server that the
// environment names, or a throw-away one on loopback.
package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Env is the environment variable that names a server, as a URL whose user may
// create schemas. Where it is empty, [Start] starts a server of its own.
const Env = "USHER_TEST_POSTGRES"

// Driver is the name under which the database/sql driver is registered.
const Driver = "pgx"

// startTimeout is how long a server may take to answer for the first time.
const startTimeout = time.Minute

// A Server is a running PostgreSQL.
type Server struct{ url *url.URL }

// shared is the throw-away server of the tests that run at present.
var shared struct {
	mu    sync.Mutex
	users int // tests
	url   *url.URL
	stop  func()
}

// Start returns a server for the rest of the test, which it may share with other
// tests. Where none is named and none can be started the test is skipped and
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
	bin, err := binaries()
	if err != nil {
		const help = "the tests against PostgreSQL do not run: %v; install postgresql, or name a server in %s"
		if os.Getenv("CI") == "true" {
			tb.Fatalf(help, err, Env)
		}
		tb.Skipf(help, err, Env)
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.users == 0 {
		if shared.url, shared.stop, err = start(bin); err != nil {
			tb.Fatalf("starting a PostgreSQL for the test: %v", err)
		}
	}
	shared.users++
	tb.Cleanup(func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.users--; shared.users == 0 {
			shared.stop()
		}
	})
	return &Server{url: shared.url}
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

// binaries returns the directory of initdb and postgres: the one on the path,
// else the newest of those that Debian's packages leave off it.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			if dir := filepath.Dir(path); complete(dir) {
				return dir, nil
			}
		}
	}
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { // by version: "9.6" before "15"
		if len(a) != len(b) && !strings.Contains(a+b, ".") {
			return len(b) - len(a)
		}
		return strings.Compare(b, a)
	})
	for _, dir := range dirs {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", errors.New("no initdb and postgres are on the path or in /usr/lib/postgresql")
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// start makes a cluster and runs it until stop is called.
func start(bin string) (_ *url.URL, _ func(), err error) {
	// Not in a directory of the test, into which another user cannot go.
	data, err := os.MkdirTemp("", "usher-pgtest-")
	if err != nil {
		return nil, nil, err
	}
	stop := func() { _ = os.RemoveAll(data) }
	defer func() {
		if err != nil {
			stop()
		}
	}()
	as, err := unprivileged(data)
	if err != nil {
		return nil, nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"),
		"-D", data, "-U", "usher", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = data, as
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	// The cluster dies with the test, so it need not survive a loss of power.
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", port,
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=200")
	server.Dir, server.SysProcAttr = data, as
	log, err := os.Create(filepath.Join(data, "server.log"))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = log.Close() }() // the server has its own handle
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return nil, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	stop = func() {
		_ = server.Process.Signal(os.Interrupt) // fast shutdown: open sessions are closed
		select {
		case err := <-ended:
			_ = err // the server was told to stop, and how it says so does not matter
		case <-time.After(startTimeout):
			_ = server.Process.Kill()
		}
		_ = os.RemoveAll(data)
	}
	u := &url.URL{Scheme: "postgres", User: url.User("usher"), Host: net.JoinHostPort("127.0.0.1", port), Path: "/postgres",
		RawQuery: "sslmode=disable"}
	if err := await(u, ended); err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, nil, fmt.Errorf("%w\n%s", err, text)
	}
	return u, stop, nil
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

// await returns when the server answers. It gives the process back to ended if
// that has died instead.
func await(u *url.URL, ended chan error) error {
	db, err := sql.Open(Driver, u.String())
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case state := <-ended:
			ended <- state
			return errors.Join(errors.New("the server ended"), state)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
