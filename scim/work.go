package scim

import (
	"context"
	"math"
	"net/http"
	"runtime"
	"sync"

	scimerrors "github.com/elimity-com/scim/errors"
)

// Work is counted in units of about 100 nanoseconds. A unit is one value or
// name that is read, copied or looked at, or the given number of bytes of a
// text that is scanned, folded for a comparison, or parsed from a request, or
// the given number of names and values that are skipped.
const (
	scannedPerUnit = 64
	foldedPerUnit  = 8
	parsedPerUnit  = 16
	skippedPerUnit = 6

	// unitsPerRecord is the work of a database on the same machine for a record
	// that a scan reads, with the first value of each field that it looks at,
	// and unitsPerMeta its further work for the version and the times.
	unitsPerRecord = 7
	unitsPerMeta   = 6

	// unitsPerLink is the work of showing one member of a group or one group of
	// a user, or of making it for a filter.
	unitsPerLink = 5

	// The following constants are the work of a database on the same machine:
	// for one membership that is read, that begins and that ends, for each key
	// of a changed record above freeKeys before and after the change, and for
	// the given number of bytes of a written document. unitsPerWrite is for a
	// transaction with its commit, and for freeKeys. SQLite takes twice as long
	// for a small one; the units are such that DefaultMaxOperations of them fit
	// into DefaultMaxWork.
	unitsPerReadLink = 30
	unitsPerJoin     = 150
	unitsPerLeave    = 90
	unitsPerKey      = 70
	freeKeys         = 10
	storedPerUnit    = 2
	unitsPerWrite    = 1_500

	// freeWork is the work that a request may do without the gate, about 0.2
	// ms. A request with more work waits for its turn at the gate, so that
	// short requests do not wait for long ones.
	freeWork = 2_000
	// freeBody is the number of bytes of a body that are read without the gate.
	// freeRecords is the number of records that are requested from the store
	// without it.
	freeBody    = 4 << 10
	freeRecords = 50
	// workStep is the number of units between two checks of the context.
	workStep = 500
	// maxWaiting is the number of requests of one tenant that may wait at the
	// gate.
	maxWaiting = 100
)

// A work counts the work of one request (a bulk request with all its
// operations), and ends the request when the work is too much or the client has
// disconnected. It is used by one goroutine. The first refusal is permanent,
// and nothing is committed after it. A nil work counts nothing.
type work struct {
	ctx    context.Context
	gate   *gate
	tenant string
	left   int    // units that the request may still use
	done   int    // units counted so far
	owed   int    // units of finished writes, to be counted before the next one
	look   int    // value of done at the next check of the context
	turn   func() // returns the tenant's turn at the gate; nil without a turn
	slot   bool   // holds a slot of the gate, in addition to the turn
	held   int    // bytes of records that the request holds; see hold
	reads  bool   // the request only reads, and long waits for room
	begun  bool   // the answer has begun
	err    error
	query  bool // the request is a query, for which RFC 7644 has its own error
}

// folding returns the work of folding a text once.
func folding(s string) int {
	if !isComposed(s) {
		return len(s)
	}
	return len(s) / foldedPerUnit
}

// spend counts n units. It returns an error if the request has used all the
// units that it may use.
func (w *work) spend(n int) error {
	if w == nil {
		return nil
	}
	if w.err == nil && n > w.left {
		w.err = w.refusal()
	}
	if w.err != nil {
		return w.err
	}
	w.left -= n
	return w.note(n)
}

// owe adds n units to those that the next write of the request has to afford.
// They are the work of a write, or become known only by it. So a request, or an
// operation of a bulk request, is not refused for what it alone writes, and the
// memberships that it ends do not count against it.
func (w *work) owe(n int) {
	if w != nil {
		w.owed += n
	}
}

// settle counts the owed units. It returns an error if the request cannot
// afford n more.
func (w *work) settle(n int) error {
	if w == nil {
		return nil
	}
	owed := w.owed
	w.owed = 0
	if err := w.spend(owed); err != nil || w.affords(n) {
		return err
	}
	return w.spend(n)
}

// note counts n units of work that another limit bounds: the size of the body
// or of the answer.
func (w *work) note(n int) error {
	if w == nil || w.err != nil {
		return w.failed()
	}
	if w.done += n; w.done < w.look {
		return nil
	}
	w.look = w.done + workStep
	if w.ctx.Err() != nil {
		w.err = errClientGone
	} else if w.done > freeWork && !w.slot && w.gate != nil {
		w.enter()
	} else if w.gate != nil && w.gate.yields {
		runtime.Gosched()
	}
	return w.err
}

// long enters the gate before work that cannot be counted while it is done: a
// reading by the store, or parsing a body. A request that only reads first waits
// until its tenant holds little enough.
func (w *work) long() error {
	switch {
	case w == nil || w.err != nil || w.gate == nil:
	case w.reads:
		w.room()
	case !w.slot:
		w.enter()
	}
	return w.failed()
}

// enter waits for the tenant's turn at the gate, and for a slot. A request that
// has written, or whose answer has begun, is not refused.
func (w *work) enter() {
	if w.turn == nil {
		most := maxWaiting
		if w.owed > 0 || w.begun {
			most = math.MaxInt
		}
		w.turn, w.err = w.gate.turns.enter(w.ctx, w.tenant, most)
	}
	if w.err == nil {
		if w.slot = take(w.ctx, w.gate.slots); !w.slot {
			w.err = errClientGone
		}
	}
}

// failed returns the error that ended the work, or nil.
func (w *work) failed() error {
	if w == nil {
		return nil
	}
	return w.err
}

// affords reports whether n more units may be spent.
func (w *work) affords(n int) bool { return w == nil || w.err == nil && n <= w.left }

// pause leaves the gate until the next unit is counted, while the request waits
// for something other than a processor.
func (w *work) pause() {
	if w == nil {
		return
	}
	w.lend()
	if w.turn != nil {
		w.turn()
		w.turn = nil
	}
}

// lend gives back the slot of the gate while the store does long work for the
// request, because the store may first have to wait for others. It keeps the
// tenant's turn, so that a tenant has one such request at a time.
func (w *work) lend() {
	if w != nil && w.slot {
		<-w.gate.slots
		w.slot, w.look = false, 0
	}
}

func (w *work) refusal() error {
	if w.query {
		return fail(http.StatusBadRequest, scimerrors.ScimTypeTooMany, "the query is too much work; use a shorter filter, or one that compares id, userName, externalId, displayName or emails.value with eq")
	}
	return tooLarge("the operations are too much work; send fewer values at once")
}

var (
	errClientGone  = fail(http.StatusServiceUnavailable, "", "the request was cancelled")
	errTooManyLong = fail(http.StatusServiceUnavailable, "", "too many long requests at once; try again")
)

// A gate bounds the number of requests that do long work at the same time. It
// admits one request of each tenant, so that the requests of one tenant do not
// delay those of another.
type gate struct {
	slots chan struct{}
	turns lanes[string] // by tenant
	held  holdings
	// yields is set if long work may occupy all processors; it then yields to
	// short requests. If a processor stays free, it does not yield: each yield
	// wakes an idle thread, and a database on the same machine then waits for a
	// processor.
	yields bool
}

func newGate(slots int) *gate {
	return &gate{slots: make(chan struct{}, slots), yields: slots >= runtime.GOMAXPROCS(0)}
}

// Lanes admit one user of each key at a time, in the order of arrival. The zero
// value is ready to use.
type lanes[K comparable] struct {
	mu    sync.Mutex
	byKey map[K]*lane
}

type lane struct {
	slot  chan struct{}
	users int // inside or waiting
}

// enter waits for the turn of the key. It returns an error if more than most
// users wait already. The returned function ends the turn.
func (l *lanes[K]) enter(ctx context.Context, key K, most int) (leave func(), err error) {
	t := l.join(key, most)
	if t == nil {
		return nil, errTooManyLong
	}
	if !take(ctx, t.slot) {
		l.leave(key, t)
		return nil, errClientGone
	}
	return func() {
		<-t.slot
		l.leave(key, t)
	}, nil
}

func (l *lanes[K]) join(key K, most int) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.byKey[key]
	if t == nil {
		if l.byKey == nil {
			l.byKey = map[K]*lane{}
		}
		t = &lane{slot: make(chan struct{}, 1)}
		l.byKey[key] = t
	}
	if t.users > most {
		return nil
	}
	t.users++
	return t
}

func (l *lanes[K]) leave(key K, t *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(l.byKey, key)
	}
}

// busy reports whether a user has the turn of the key or waits for it.
func (l *lanes[K]) busy(key K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byKey[key] != nil
}

// take puts a token into the channel, unless the context ends first.
func take(ctx context.Context, slot chan struct{}) bool {
	select {
	case slot <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
