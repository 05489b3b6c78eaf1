package scim

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"sync"
	"time"
)

// replays stores the IDs of accepted assertions (RFC 7523 section 3), each
// until its assertion expires. It gets only assertions with a valid signature,
// and a bounded number for each client.
type replays struct {
	mu      sync.Mutex
	clients map[[2]string]map[[sha256.Size]byte]time.Time // keyed by issuer and subject
	swept   time.Time
}

// maxReplays is the number of unexpired assertions that one client may have.
const maxReplays = 1000

// use stores an ID until its assertion expires, or returns an error if it is
// stored already.
func (r *replays) use(client [2]string, id string, now, until time.Time) error {
	key := sha256.Sum256([]byte(id)) // bounds the size of an entry
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	used := r.clients[client]
	if end, ok := used[key]; ok && end.After(now) {
		return fmt.Errorf("%w: the assertion was used before", errBadClient)
	}
	if len(used) >= maxReplays {
		return fmt.Errorf("%w: the client has too many assertions at a time", ErrUnavailable)
	}
	if used == nil {
		if r.clients == nil {
			r.clients = map[[2]string]map[[sha256.Size]byte]time.Time{}
		}
		used = map[[sha256.Size]byte]time.Time{}
		r.clients[client] = used
	}
	used[key] = until
	return nil
}

// sweep deletes expired IDs, once a minute.
func (r *replays) sweep(now time.Time) {
	if now.Sub(r.swept) < time.Minute {
		return
	}
	r.swept = now
	for client, used := range r.clients {
		maps.DeleteFunc(used, func(_ [sha256.Size]byte, end time.Time) bool { return !end.After(now) })
		if len(used) == 0 {
			delete(r.clients, client)
		}
	}
}
