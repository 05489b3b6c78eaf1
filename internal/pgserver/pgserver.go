// Package pgserver runs a throw-away PostgreSQL on loopback, for tests and for
// programs that show something and leave nothing behind.
package pgserver

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
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Driver is the name under which the database/sql driver is registered.
const Driver = "pgx"

// timeout is how long a server may take for its first answer, or to stop.
const timeout = time.Minute

// ErrNotInstalled says that PostgreSQL is not installed on this machine.
var ErrNotInstalled = errors.New("no initdb and postgres are on the path, in pg_config's directory or in /usr/lib/postgresql")

var errEnded = errors.New("the server ended")

// A Server is a PostgreSQL with its own cluster. It is a process group of its own,
// so that an interrupt of the program does not stop it. Its methods are not for
// concurrent use.
type Server struct {
	bin, data string
	port      string
	options   []string
	as        *syscall.SysProcAttr

	process *os.Process
	ended   chan struct{} // closed when the process has ended
	state   error         // how it ended
	exit    *os.File      // closed at the exit of this program, which somebody waits for
}

// Start creates a cluster in a new directory and runs a server on it, with further
// options of the command postgres. Stop it after use. If PostgreSQL is not installed,
// the error matches ErrNotInstalled.
func Start(options ...string) (_ *Server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	// A directory of a test cannot be used, since another user cannot enter it.
	data, err := os.MkdirTemp("", "usher-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, data: data, options: options}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(data)
		}
	}()
	if s.as, err = unprivileged(data); err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"),
		"-D", data, "-U", "usher", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = data, s.as
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for range 5 { // another program may take the port before the server does
		if s.port, err = FreePort(); err != nil {
			return nil, err
		}
		if err = s.Run(); !errors.Is(err, errEnded) {
			break
		}
	}
	return s, err
}

// URL returns the URL of the server's database.
func (s *Server) URL() *url.URL {
	return &url.URL{
		Scheme: "postgres", User: url.User("usher"), Host: net.JoinHostPort("127.0.0.1", s.port), Path: "/postgres",
		RawQuery: "sslmode=disable",
	}
}

// Run runs the server again after Crash, on the same port, and returns when it
// answers.
func (s *Server) Run() error {
	// The cluster need not survive a loss of power.
	server := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data, "-h", "127.0.0.1", "-p", s.port,
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=200")
	server.Args = append(server.Args, s.options...)
	server.Dir, server.SysProcAttr = s.data, s.as
	log, err := os.OpenFile(filepath.Join(s.data, "server.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own handle
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return err
	}
	s.process, s.ended = server.Process, make(chan struct{})
	go func() {
		defer close(s.ended)
		s.state = server.Wait()
	}()
	if err := s.await(); err != nil {
		_ = s.end(syscall.SIGKILL)
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// Crash stops the server at once, as if its machine had failed: sessions end, and
// the next Run recovers what was committed.
func (s *Server) Crash() error { return s.end(syscall.SIGQUIT) }

// Stop closes all sessions, stops the server and removes its cluster.
func (s *Server) Stop() error {
	return errors.Join(s.end(os.Interrupt), os.RemoveAll(s.data))
}

// StopAtExit has the server stopped and its cluster removed when this program has
// ended, however it ends. Neither Stop nor Crash may be called after it.
func (s *Server) StopAtExit() error {
	ended, exit, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = ended.Close() }() // the other process has its own handle
	// Its input ends when the last handle of exit is closed, which no other process has.
	waits := exec.Command("sh", "-c", `read -r _; kill -QUIT "$1"
		for _ in 1 2 3 4 5 6 7 8 9; do kill -0 "$1" || break; sleep 1; done; rm -rf "$2"`,
		"sh", strconv.Itoa(s.process.Pid), s.data)
	waits.Stdin, waits.Dir, waits.SysProcAttr = ended, os.TempDir(), s.as
	if err := waits.Start(); err != nil {
		_ = exit.Close()
		return err
	}
	s.exit = exit
	return waits.Process.Release()
}

// end sends the server a signal and waits for its end.
func (s *Server) end(signal os.Signal) error {
	if s.process == nil {
		return nil
	}
	defer func() { s.process = nil }()
	_ = s.process.Signal(signal) // it may have ended already
	select {
	case <-s.ended:
		return nil
	case <-time.After(timeout):
		_ = s.process.Kill()
		return errors.New("the server did not stop")
	}
}

// await returns when the server answers or has ended.
func (s *Server) await() error {
	db, err := sql.Open(Driver, s.URL().String())
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for {
		var data string // of a server that took the port before this one, if it is another's
		if err = db.QueryRowContext(ctx, "SHOW data_directory").Scan(&data); err == nil && data == s.data {
			return nil
		}
		select {
		case <-s.ended:
			s.process = nil
			return errors.Join(errEnded, s.state)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// binaries returns the directory of initdb and postgres: the one on the path, or
// that of pg_config, or the newest of Debian's packages, which are not on the path.
func binaries() (string, error) {
	var dirs []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	packaged, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(packaged, func(a, b string) int { // by version: "9.6" before "15"
		if len(a) != len(b) && !strings.Contains(a+b, ".") {
			return len(b) - len(a)
		}
		return strings.Compare(b, a)
	})
	dirs = append(dirs, packaged...)
	if i := slices.IndexFunc(dirs, complete); i >= 0 {
		return dirs[i], nil
	}
	return "", ErrNotInstalled
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// FreePort returns a port of loopback that nobody listens on, below those that systems give to
// who asks for any: between crash and restart nobody is given it either.
func FreePort() (port string, err error) {
	for range 100 {
		port = strconv.Itoa(20_000 + rand.IntN(10_000))
		var listener net.Listener
		if listener, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			return port, listener.Close()
		}
	}
	return "", err
}
