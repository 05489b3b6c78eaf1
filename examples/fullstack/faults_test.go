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

// A PostgreSQL that crashes and comes back while providers push takes nothing
// with it (S28, S38, S41, L2, L7). USHER_FAULTS says how often it does.
func TestDatabaseRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.StartOwn(t)
	dsn := server.URL().String()
	l := load{
		direct: options{postgres: dsn}, args: []string{"-postgres", dsn}, replicas: 2, times: times(t, "USHER_FAULTS", 5),
		disaster: func(random *rand.Rand, _ []*process) {
			time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond) // something is decided again in between
			require.NoError(t, server.Crash())
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			require.NoError(t, server.Run())
		},
	}
	l.run(t)
}

// Connections to the database that are cut in the middle of a statement, or
// between a statement and its answer, lose nothing and do nothing twice: not even
// where a COMMIT was done and the application was not told (S28, S38, S41, L2,
// L7). USHER_FAULTS says how often.
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

// A clock that jumps back and forth by hours and days, and that differs between
// the processes of one database, loses nothing and does nothing twice (S28, S38,
// S41, L2, L7). USHER_FAULTS says how often it jumps.
func TestClockJumps(t *testing.T) {
	jump := func(random *rand.Rand, processes []*process) {
		wrong := time.Duration(random.IntN(11)-5) * time.Hour
		if random.IntN(4) == 0 {
			wrong *= 24 * 100 // as where a machine begins without knowing the time
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

// A trouble is what happens to the connections of a wire.
type trouble string

const (
	cutAll       trouble = "all at once"
	cutHalf      trouble = "in the middle of a message"
	cutStatement trouble = "between a statement and its answer"
	cutCommit    trouble = "between a COMMIT and its answer"
	hang         trouble = "all at once, after silence"
)

var troubles = []trouble{cutAll, cutHalf, cutStatement, cutCommit, cutCommit, hang}

// A wire is between the application and its database.
type wire struct {
	listener net.Listener
	server   string

	mu      sync.Mutex
	pairs   map[*pair]bool
	next    trouble       // for the next message that it can happen to
	reached chan struct{} // closed when it has happened
	silent  chan struct{} // nil, or what everybody waits for
}

// A pair is a connection of the application and that to the database which it
// stands for.
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

// forward passes on what comes from one side until the trouble that is to be made
// fits to it.
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
		if hit { // no answer reaches the application
			_ = p.application.Close()
		}
		if _, err := to.Write(message); err != nil {
			return
		}
		if hit {
			time.Sleep(20 * time.Millisecond) // the database does it
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

// make makes trouble: at once, or when a message comes that it fits to.
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

// awaitTrouble reports whether it happened.
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
