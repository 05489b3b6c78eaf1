package scim

import (
	"hash/maphash"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A brake limits attempts with wrong credentials: guessBurst at once for each
// remote address, and then guessRate per second. A wrong credential that is
// sent again counts once, because a client whose token was revoked repeats it.
// A credential that was accepted before is not limited, because one address may
// be a proxy of many clients.
//
// Memory is bounded: if it is full, an address or a credential is dropped.
// Credentials are stored as hashes with a key of this process.
type brake struct {
	now  func() time.Time
	seed maphash.Seed

	mu      sync.RWMutex
	remotes map[string]guesses
	good    map[uint64]struct{}
}

// guesses are the attempts of one address.
type guesses struct {
	left float64 // attempts left at the time at
	at   time.Time
	last uint64 // the last wrong credential
}

const (
	guessBurst = 50
	guessRate  = 1 // per second
	maxRemotes = 10_000
	maxGood    = 10_000
)

func newBrake(now func() time.Time) *brake {
	return &brake{now: now, seed: maphash.MakeSeed(), remotes: map[string]guesses{}, good: map[uint64]struct{}{}}
}

// credential returns a hash of the credentials of a request, or 0 if it has
// none.
func (b *brake) credential(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(b.seed)
	empty := true
	for _, part := range parts {
		empty = empty && part == ""
		_, _ = h.WriteString(part) // never fails
		_ = h.WriteByte(0)
	}
	if empty {
		return 0
	}
	return h.Sum64() | 1
}

// wait returns how long the request's address must wait before it may try the
// credential.
func (b *brake) wait(r *http.Request, credential uint64) time.Duration {
	if credential == 0 {
		return 0
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.remotes) == 0 {
		return 0
	}
	if _, ok := b.good[credential]; ok {
		return 0
	}
	g, ok := b.remotes[remote(r)]
	if !ok || g.last == credential {
		return 0
	}
	if left := b.refilled(g).left; left < 1 {
		return time.Duration((1 - left) / guessRate * float64(time.Second))
	}
	return 0
}

// refilled returns the present number of attempts of an address.
func (b *brake) refilled(g guesses) guesses {
	now := b.now()
	g.left = min(guessBurst, g.left+now.Sub(g.at).Seconds()*guessRate)
	g.at = now
	return g
}

// wrong records that the credential was refused.
func (b *brake) wrong(r *http.Request, credential uint64) {
	if credential == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.good, credential)
	at := remote(r)
	g, ok := b.remotes[at]
	if !ok {
		if len(b.remotes) >= maxRemotes {
			b.forget()
		}
		g = guesses{left: guessBurst, at: b.now()}
	}
	if g.last == credential {
		return
	}
	g = b.refilled(g)
	g.left, g.last = g.left-1, credential
	b.remotes[at] = g
}

// forget makes room: it looks at some addresses and drops those that have all
// attempts left, or else one.
func (b *brake) forget() {
	const looks = 20
	looked := 0
	for at, g := range b.remotes {
		looked++
		idle := b.refilled(g).left >= guessBurst
		if idle || looked == looks && len(b.remotes) >= maxRemotes {
			delete(b.remotes, at)
		}
		if looked == looks {
			return
		}
	}
}

// right records that the credential was accepted.
func (b *brake) right(credential uint64) {
	if credential == 0 {
		return
	}
	b.mu.RLock()
	_, known := b.good[credential]
	b.mu.RUnlock()
	if known {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.good) >= maxGood {
		for old := range b.good {
			delete(b.good, old)
			break
		}
	}
	b.good[credential] = struct{}{}
}

// remote returns the address of a request's sender without its port; for IPv6
// the network; a text that is no address is returned unchanged. A host behind a
// proxy sets Request.RemoteAddr to the client's address.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if at = at.Unmap(); at.Is6() {
		if network, err := at.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return at.String()
}
