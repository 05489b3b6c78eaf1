package scim

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// A pace spreads the requests of a party that sends more than its share, while
// another party is served too: such requests wait until what went before them is
// paid for. A request costs what it takes of a processor, roughly, and a party's
// share is half of the processors. Nobody waits while there is one party only,
// and a connection that sends one request after another does not wait either.
//
// The gate bounds long work. The pace is for what is short by itself: reading
// and answering a request costs net/http more than many a request costs this
// handler, and a queue of short requests at the processors delays everybody's.
type pace struct {
	processors time.Duration // of a share

	mu      sync.Mutex
	parties map[party]share
	latest  party     // whose request came last
	mixed   time.Time // when that last changed
}

// A share is what a party has used.
type share struct {
	paid   time.Time // when it is paid for
	remote string    // the connection of the latest request
}

// A party is a tenant, or the address of requests that speak for none.
type party struct{ tenant, remote string }

const (
	// What a request costs net/http, the system, this handler and a database on
	// the same machine at least, and one more that is refused before anybody is
	// known to have sent it.
	requestCost = 600 * time.Microsecond
	refusalCost = 300 * time.Microsecond
	// What bytes cost that are read from a client or written to it, and those
	// of a document that is stored. A record costs what storedRecord bytes of
	// its document do, however short that is.
	trafficCost  = 3 * time.Nanosecond
	storedCost   = 45 * time.Nanosecond
	storedRecord = 100
	// What one unit of work costs, and how many units count: long work has
	// the gate.
	workCost  = 100 * time.Nanosecond
	pacedWork = 5 * freeWork

	paceBurst = 3 * time.Millisecond // what may be owed without waiting
	paceMixed = time.Second          // for how long another party counts
	paceDebt  = time.Second          // the longest wait

	manyParties = 1000
)

func newPace() *pace {
	return &pace{processors: time.Duration(max(1, runtime.GOMAXPROCS(0)/2)), parties: map[party]share{}}
}

// enter waits for the party's turn to have a request served.
func (p *pace) enter(r *http.Request, who party) error {
	return sleep(r.Context(), p.arrive(r, who, time.Now()))
}

// refuse is enter for a request that is refused because nobody is known to have
// sent it.
func (p *pace) refuse(r *http.Request, who party) error {
	p.charge(who, refusalCost)
	return p.enter(r, who)
}

// arrive counts a request and returns how long it has to wait.
func (p *pace) arrive(r *http.Request, who party, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if who != p.latest {
		p.latest, p.mixed = who, now
	}
	s := p.parties[who]
	alone := s.remote == r.RemoteAddr && r.ProtoMajor < 2 // one connection, one request at a time
	owed := s.owed(now)
	s.remote = r.RemoteAddr
	p.use(who, s, now, requestCost)
	if alone {
		return 0
	}
	return owed - paceBurst
}

// charge counts what a request has cost beside what arrive counted.
func (p *pace) charge(who party, cost time.Duration) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.use(who, p.parties[who], now, cost)
}

// owed is how long it takes to pay for what was used.
func (s share) owed(now time.Time) time.Duration { return max(0, s.paid.Sub(now)) }

// use counts a cost.
func (p *pace) use(who party, s share, now time.Time, cost time.Duration) {
	if len(p.parties) >= manyParties {
		p.forget(now)
	}
	most := paceDebt
	if now.Sub(p.mixed) > paceMixed {
		most = paceBurst
	}
	s.paid = now.Add(min(s.owed(now)+cost/p.processors, most))
	p.parties[who] = s
}

// forget drops parties that owe nothing, of some that it looks at.
func (p *pace) forget(now time.Time) {
	looks := 3
	for who, s := range p.parties {
		if s.paid.Before(now) {
			delete(p.parties, who)
		}
		if looks--; looks == 0 {
			return
		}
	}
}

func sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errClientGone
	}
}

// unknown is the party of a request that nobody is known to have sent.
func unknown(r *http.Request) party { return party{remote: remote(r)} }
