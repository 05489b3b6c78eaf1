package scim

import (
	"context"
	"net/http"
	"runtime"
	"sync"

	scimerrors "github.com/elimity-com/scim/errors"
)

// Work is counted in units of about 100 nanoseconds: one value or name that is
// read, copied or looked at, or so many bytes of a text that is passed over,
// folded to be compared, or (of a request) read.
const (
	scannedPerUnit = 64
	foldedPerUnit  = 8
	parsedPerUnit  = 16

	// unitsPerLink is the work of writing a member of a group, or a group of a
	// user, or of making one for a filter.
	unitsPerLink = 5

	// freeWork is what a request may do at once, about 0.2 ms. For more it
	// takes its turn at the gate, so that short requests do not wait for long
	// ones.
	freeWork = 2_000
	// freeBody is how many bytes of a body are read without a turn, freeRecords
	// how many records the store may be asked for.
	freeBody    = 4 << 10
	freeRecords = 50
	// workStep is how many units lie between two looks at the context.
	workStep = 500
	// maxWaiting is how many requests of one tenant may wait at the gate.
	maxWaiting = 100
)

// A work counts what one request does, a bulk request with all its operations,
// and ends it when that is too much or its client has gone. It is used by one
// goroutine. The first refusal stays, and nothing is committed after it. A nil
// work counts nothing.
type work struct {
	ctx    context.Context
	gate   *gate
	tenant string
	left   int    // units until the request is refused
	done   int    // units counted so far
	look   int    // value of done at which the context is looked at next
	turn   func() // gives the tenant's turn at the gate back; nil without it
	slot   bool   // has a slot of the gate, beside the turn
	err    error
	query  bool // the request is a query: RFC 7644 has an error of its own
}

// spend counts n units and returns an error once the request has used up what
// it may do.
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

// note counts n units of work that something else bounds: the size of the body
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

// long takes the request's turn at the gate before work that cannot be counted
// while it is done: a reading by the store, or of a body.
func (w *work) long() error {
	if w != nil && w.err == nil && !w.slot && w.gate != nil {
		w.enter()
	}
	return w.failed()
}

// enter waits for the tenant's turn at the gate and for a slot.
func (w *work) enter() {
	if w.turn == nil {
		w.turn, w.err = w.gate.turns.enter(w.ctx, w.tenant, maxWaiting)
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

// pause leaves the gate until the next unit is counted, while the request
// waits for something else than a processor.
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

// lend leaves the gate as pause does, but keeps the tenant's turn, while the
// store does long work for the request: it may have to wait for others first,
// so that no slot is held, and a tenant has one such request at a time.
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

var errClientGone = fail(http.StatusServiceUnavailable, "", "the request was cancelled")

// A gate bounds how many requests do long work at a time, and lets one of each
// tenant, so that the requests of one tenant do not delay those of another.
type gate struct {
	slots chan struct{}
	turns lanes[string] // by tenant
	// yields says that long work may take all processors, and therefore yields
	// to short requests. Where it leaves one it does not: each yield wakes an
	// idle thread to look for work, and a database on the same machine then
	// waits for a processor.
	yields bool
}

func newGate(slots int) *gate {
	return &gate{slots: make(chan struct{}, slots), yields: slots >= runtime.GOMAXPROCS(0)}
}

// Lanes let one user of each key go at a time, in the order of coming. The zero
// value is ready to use.
type lanes[K comparable] struct {
	mu    sync.Mutex
	byKey map[K]*lane
}

type lane struct {
	slot  chan struct{}
	users int // in it or waiting for it
}

// enter waits for the turn of the key, unless more than most wait already. The
// returned function gives it back.
func (l *lanes[K]) enter(ctx context.Context, key K, most int) (leave func(), err error) {
	t := l.join(key, most)
	if t == nil {
		return nil, fail(http.StatusServiceUnavailable, "", "too many long requests at once; try again")
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

// busy reports whether somebody has the turn of the key or waits for it.
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
