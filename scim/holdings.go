package scim

import (
	"context"
	"sync"
	"time"
)

// Holdings count the memory of the records that the answers in progress hold, by
// tenant. A client that reads slowly keeps its answer in progress for minutes, and
// a group or a page of large users may take many megabytes; so the requests of a
// tenant that holds too much wait before they read more. The zero value is ready
// to use.
type holdings struct {
	mu    sync.Mutex
	bytes map[string]int
	freed chan struct{} // closed when a tenant holds less; nil if nobody waits
}

const (
	// maxHeld is the number of bytes that a tenant holds before its next request
	// waits. Requests that hold something already continue up to twice as much,
	// because they might wait for each other.
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

// full reports whether a request that holds own bytes must not read more at
// present.
func (h *holdings) full(tenant string, own int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isFull(tenant, own)
}

func (h *holdings) isFull(tenant string, own int) bool {
	most := maxHeld
	if own > 0 {
		most *= 2
	}
	return h.bytes[tenant] >= most
}

// wait waits until a request may read more. It returns errTooManyLong at once for
// a request that holds something, since it may wait for itself, and after
// longestHeld for any other.
func (h *holdings) wait(ctx context.Context, tenant string, own int) error {
	var late <-chan time.Time
	for {
		h.mu.Lock()
		if !h.isFull(tenant, own) {
			h.mu.Unlock()
			return nil
		}
		if h.freed == nil {
			h.freed = make(chan struct{})
		}
		freed := h.freed
		h.mu.Unlock()
		if own > 0 {
			return errTooManyLong
		}
		if late == nil {
			timer := time.NewTimer(longestHeld)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-freed:
		case <-late:
			return errTooManyLong
		case <-ctx.Done():
			return errClientGone
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
