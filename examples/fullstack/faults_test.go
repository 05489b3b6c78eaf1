package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
)

// A PostgreSQL that crashes and restarts during pushes loses nothing (S28, S38,
// S41, L2, L7). USHER_FAULTS is the number of crashes.
func TestDatabaseRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.StartOwn(t)
	dsn := server.URL().String()
	l := load{
		direct: options{postgres: dsn}, args: []string{"-postgres", dsn}, replicas: 2, times: times(t, "USHER_FAULTS", 5),
		disaster: func(random *rand.Rand, _ []*process) {
			time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond) // between two crashes, something is decided again
			require.NoError(t, server.Crash())
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			require.NoError(t, server.Run())
		},
	}
	l.run(t)
}

// The test cuts database connections in the middle of a statement, or between a
// statement and its answer. Nothing is lost and nothing is done twice, even if
// a COMMIT was done and the application did not get its answer (S28, S38, S41,
// L2, L7). USHER_FAULTS is the number of cuts.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).Schema(t)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	wire := newWire(t, u.Host)
	u.Host = wire.addr()
	cut := make(map[trouble]int)
	l := load{
		direct: options{postgres: dsn}, args: []string{"-postgres", u.String()}, replicas: 2, times: times(t, "USHER_FAULTS", 25),
		disaster: func(random *rand.Rand, _ []*process) {
			kind := troubles[random.IntN(len(troubles))]
			wire.make(kind)
			if wire.awaitTrouble(2 * time.Second) {
				cut[kind]++
			}
		},
	}
	l.run(t)
	t.Logf("connections cut: %v", cut)
	require.NotEmpty(t, cut)
}

// The clock jumps forwards and backwards by hours and days, and differs between
// the processes of one database. Nothing is lost and nothing is done twice
// (S28, S38, S41, L2, L7). USHER_FAULTS is the number of jumps.
func TestClockJumps(t *testing.T) {
	jump := func(random *rand.Rand, processes []*process) {
		wrong := time.Duration(random.IntN(11)-5) * time.Hour
		if random.IntN(4) == 0 {
			wrong *= 24 * 100 // as on a machine that starts with a wrong clock
		}
		processes[random.IntN(len(processes))].setClock(wrong + time.Duration(random.IntN(3600))*time.Second)
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		db := filepath.Join(t.TempDir(), "team.db")
		l := load{
			direct: options{db: db}, args: []string{"-db", db}, replicas: 1, times: times(t, "USHER_FAULTS", 10), disaster: jump,
		}
		l.run(t)
	})
	t.Run("postgres, two replicas", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.Start(t).Schema(t)
		l := load{
			direct: options{postgres: dsn}, args: []string{"-postgres", dsn}, replicas: 2, times: times(t, "USHER_FAULTS", 10), disaster: jump,
		}
		l.run(t)
	})
}

// A trouble is a kind of failure of the connections of a wire.
type trouble string

const (
	cutAll       trouble = "all at once"
	cutHalf      trouble = "in the middle of a message"
	cutStatement trouble = "between a statement and its answer"
	cutCommit    trouble = "between a COMMIT and its answer"
	hang         trouble = "all at once, after silence"
)

var troubles = []trouble{cutAll, cutHalf, cutStatement, cutCommit, cutCommit, hang}

// A wire is a proxy between the application and its database.
type wire struct {
	listener net.Listener
	server   string

	mu      sync.Mutex
	pairs   map[*pair]bool
	next    trouble       // applies to the next message of the right kind
	reached chan struct{} // closed when the trouble has happened
	silent  chan struct{} // nil, or a channel for which all forwarding waits
}

// A pair is a connection from the application and the matching connection to
// the database.
type pair struct{ application, database net.Conn }

func (p *pair) cut() {
	_ = p.application.Close()
	_ = p.database.Close()
}

func newWire(t *testing.T, server string) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: listener, server: server, pairs: make(map[*pair]bool), reached: make(chan struct{})}
	t.Cleanup(func() {
		_ = listener.Close()
		w.cutAll()
	})
	go w.accept()
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

func (w *wire) accept() {
	for {
		application, err := w.listener.Accept()
		if err != nil {
			return
		}
		database, err := net.Dial("tcp", w.server)
		if err != nil {
			_ = application.Close()
			continue
		}
		p := &pair{application, database}
		w.mu.Lock()
		w.pairs[p] = true
		w.mu.Unlock()
		go w.forward(p, p.application, p.database)
		go w.forward(p, p.database, p.application)
	}
}

// forward passes on what one side sends, until a message matches the requested
// trouble.
func (w *wire) forward(p *pair, from, to net.Conn) {
	defer func() {
		p.cut()
		w.mu.Lock()
		delete(w.pairs, p)
		w.mu.Unlock()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		message := buffer[:n]
		w.mu.Lock()
		silent := w.silent
		kind := w.next
		hit := from == p.application && (kind == cutHalf && n > 1 || kind == cutStatement ||
			kind == cutCommit && bytes.Contains(bytes.ToLower(message), []byte("commit")))
		if hit {
			w.next = ""
		}
		w.mu.Unlock()
		if silent != nil {
			<-silent
		}
		if hit && kind == cutHalf {
			message = message[:n/2]
		}
		if hit { // the application gets no answer
			_ = p.application.Close()
		}
		if _, err := to.Write(message); err != nil {
			return
		}
		if hit {
			time.Sleep(20 * time.Millisecond) // time for the database to do the statement
			close(w.reached)
			return
		}
	}
}

func (w *wire) cutAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.pairs {
		p.cut()
	}
}

// make causes trouble: at once, or at the next message that matches it.
func (w *wire) make(kind trouble) {
	w.mu.Lock()
	w.reached = make(chan struct{})
	switch kind {
	case cutAll, hang:
		silent := make(chan struct{})
		if kind == hang {
			w.silent = silent
		}
		reached := w.reached
		w.mu.Unlock()
		if kind == hang {
			time.Sleep(300 * time.Millisecond)
		}
		w.cutAll()
		w.mu.Lock()
		w.silent = nil
		close(silent)
		close(reached)
	default:
		w.next = kind
	}
	w.mu.Unlock()
}

// awaitTrouble reports whether the trouble happened within the given time.
func (w *wire) awaitTrouble(longest time.Duration) bool {
	w.mu.Lock()
	reached := w.reached
	w.mu.Unlock()
	select {
	case <-reached:
		return true
	case <-time.After(longest):
		w.mu.Lock()
		defer w.mu.Unlock()
		w.next = ""
		return false
	}
}
