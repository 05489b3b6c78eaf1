package scim

import (
	"sync"
	"time"
)

// Holdings count the memory of the records that the answers in progress hold, by
// tenant. A client that reads slowly keeps its answer in progress for minutes, and
// a group or a page of large users may take many megabytes; so if a tenant holds
// too much, its requests that only read wait before they read more. Requests that
// write never wait for this. The zero value is ready to use.
type holdings struct {
	mu    sync.Mutex
	bytes map[string]int
	freed chan struct{} // closed when a tenant holds less; nil if nobody waits
}

const (
	// maxHeld is the number of bytes that a tenant holds before its next request
	// waits. Requests whose answer has begun wait at twice as much.
	maxHeld = 64 << 20
	// leastHeld is the size below which records are not counted.
	leastHeld = 256 << 10
	// longestHeld is how long a request waits for the others of its tenant.
	longestHeld = 10 * time.Second
	// bytesPerLink and bytesPerRecord are the approximate sizes in memory.
	bytesPerLink   = 180
	bytesPerRecord = 400
)

// memoryOf returns the approximate number of bytes that a record takes.
func memoryOf(rec Record) int { return bytesPerRecord + len(rec.Doc) + bytesPerLink*len(rec.Links) }

// change adds to the bytes of a tenant.
func (h *holdings) change(tenant string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bytes == nil {
		h.bytes = map[string]int{}
	}
	if h.bytes[tenant] += n; h.bytes[tenant] == 0 {
		delete(h.bytes, tenant)
	}
	if n < 0 && h.freed != nil {
		close(h.freed)
		h.freed = nil
	}
}

// full returns nil if a tenant holds less than most bytes, and otherwise a channel
// that is closed when a tenant holds less than at present.
func (h *holdings) full(tenant string, most int) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bytes[tenant] < most {
		return nil
	}
	if h.freed == nil {
		h.freed = make(chan struct{})
	}
	return h.freed
}

// room enters the gate as soon as the other requests of the tenant hold little
// enough. What the request itself has read before is not needed any more, so no
// requests wait for each other. After longestHeld, the request is refused, or goes
// on if its answer has begun.
func (w *work) room() {
	w.hold(0)
	most := maxHeld
	if w.begun {
		most *= 2
	}
	var late <-chan time.Time
	for w.err == nil {
		freed := w.gate.held.full(w.tenant, most)
		if freed == nil && w.slot {
			return
		}
		if freed == nil {
			w.enter() // others may read more before this has its turn
			continue
		}
		w.pause() // other requests of the tenant need not wait
		if late == nil {
			timer := time.NewTimer(longestHeld)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-freed:
		case <-late:
			if w.begun {
				w.enter()
				return
			}
			w.err = errTooManyLong
		case <-w.ctx.Done():
			w.err = errClientGone
		}
	}
}

// hold sets the number of bytes of records that the request holds.
func (w *work) hold(n int) {
	if n < leastHeld {
		n = 0
	}
	if w == nil || w.gate == nil || n == w.held {
		return
	}
	w.gate.held.change(w.tenant, n-w.held)
	w.held = n
}
