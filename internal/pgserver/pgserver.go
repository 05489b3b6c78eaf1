// Package pgserver runs a throw-away PostgreSQL on loopback, for tests and for
// programs that show something and leave nothing behind.
package pgserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// A Server is a PostgreSQL with its own cluster. It is a process group of its own,
// so that an interrupt of the program does not stop it. Its methods are not for
// concurrent use.
type Server struct {
	bin, data string
	port      string
	as        *syscall.SysProcAttr

	process *os.Process
	ended   chan struct{} // closed when the process has ended
	state   error         // how it ended
}

// Start creates a cluster in a new directory and runs a server on it. Stop it after
// use. If PostgreSQL is not installed, the error matches ErrNotInstalled.
func Start() (_ *Server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	// A directory of a test cannot be used, since another user cannot enter it.
	data, err := os.MkdirTemp("", "usher-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, data: data}
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
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	return s, s.Run()
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
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-s.ended:
			s.process = nil
			return errors.Join(errors.New("the server ended"), s.state)
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

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}
