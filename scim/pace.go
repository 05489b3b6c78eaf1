package scim

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// A pace delays requests of a party that sends more than its share while
// another party is also served: such a request waits until the party's earlier
// requests are paid for. The cost of a request is roughly the processor time
// that it takes. The share of a party is half of the processors. No request
// waits while there is only one party, and a connection that sends one request
// after another does not wait either.
//
// The gate bounds long work. The pace bounds many short requests: net/http
// spends more time to read and answer a request than this handler spends on
// many of them, and a queue of short requests for the processors delays the
// requests of all parties.
type pace struct {
	processors time.Duration // in a share

	mu      sync.Mutex
	parties map[party]share
	latest  party     // the party of the latest request
	mixed   time.Time // the time of the last change of latest
}

// A share is the processor time that a party has used.
type share struct {
	paid   time.Time // the time at which all is paid for
	remote string    // the address of the latest request's connection
}

// A party is a tenant, or the address of requests without an accepted
// principal.
type party struct{ tenant, remote string }

const (
	// requestCost is the least cost of a request in net/http, the system, this
	// handler and a database on the same machine. refusalCost is the additional
	// cost of a request without an accepted principal.
	requestCost = 600 * time.Microsecond
	refusalCost = 300 * time.Microsecond
	// trafficCost is the cost of a byte that is read from a client or written
	// to it. storedCost is the cost of a byte of a stored document. Each stored
	// record costs as much as storedRecord bytes in addition.
	trafficCost  = 3 * time.Nanosecond
	storedCost   = 45 * time.Nanosecond
	storedRecord = 100
	// workCost is the cost of one unit of work. At most pacedWork units count:
	// the gate bounds longer work.
	workCost  = 100 * time.Nanosecond
	pacedWork = 5 * freeWork

	paceBurst = 3 * time.Millisecond // debt that causes no wait
	paceMixed = time.Second          // how long another party counts after its request
	paceDebt  = time.Second          // the longest wait

	manyParties = 1000
)

func newPace() *pace {
	return &pace{processors: time.Duration(max(1, runtime.GOMAXPROCS(0)/2)), parties: map[party]share{}}
}

// enter waits until a request of the party may be served.
func (p *pace) enter(r *http.Request, who party) error {
	return sleep(r.Context(), p.arrive(r, who, time.Now()))
}

// refuse is enter for a request that is refused because it has no accepted
// principal.
func (p *pace) refuse(r *http.Request, who party) error {
	p.charge(who, refusalCost)
	return p.enter(r, who)
}

// arrive counts a request and returns the time that it has to wait.
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

// operation counts an operation of a bulk request, and the units of work of the
// one before. It waits as enter does, also for a party with one connection: the
// operations arrive at once.
func (p *pace) operation(ctx context.Context, who party, units int) error {
	now := time.Now()
	p.mu.Lock()
	s := p.parties[who]
	owed := s.owed(now)
	p.use(who, s, now, requestCost+time.Duration(units)*workCost)
	p.mu.Unlock()
	return sleep(ctx, owed-paceBurst)
}

// charge counts the cost of a request in addition to what arrive counted.
func (p *pace) charge(who party, cost time.Duration) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.use(who, p.parties[who], now, cost)
}

// owed returns the time until the used processor time is paid for.
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

// forget deletes parties without debt, among some that it looks at.
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

// unknown returns the party of a request without an accepted principal.
func unknown(r *http.Request) party { return party{remote: remote(r)} }
