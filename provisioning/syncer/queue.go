package syncer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A queue holds the rounds of one tenant that are asked for, one for each
// connection: who asks while a round is at work waits for the next one, however
// many ask. One round at a time has the turn; one that reads a directory lets
// others have it meanwhile.
type queue struct {
	waiting map[Target]*pending
	rounds  int           // that wait or are at work
	turn    chan struct{} // holds a token while a round has the turn
}

// begin waits for the turn, and for one of the workers.
func (s *Syncer) begin(q *queue) {
	q.turn <- struct{}{}
	s.slots <- struct{}{}
}

func (s *Syncer) rest(q *queue) {
	<-s.slots
	<-q.turn
}

// aside returns a function that does something while others have the turn; it
// works, or only waits.
func (s *Syncer) aside(q *queue) func(works bool, do func()) {
	return func(works bool, do func()) {
		if !works {
			s.rest(q)
			do()
			s.begin(q)
			return
		}
		<-q.turn
		do()
		select {
		case q.turn <- struct{}{}:
		default: // who has it may wait for the worker
			<-s.slots
			s.begin(q)
		}
	}
}

// A pending round is one that has not begun.
type pending struct {
	target Target
	job    job
	actor  string
	done   chan struct{} // closed at its end, after report and err are set
	report Report
	err    error
}

// An attempt is the next try of a connection whose last round failed, or in
// which the store refused somebody.
type attempt struct {
	failures int
	timer    *time.Timer
	err      error // nil: what comes meanwhile is decided without waiting
}

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second // where only the host's own stores are asked
	lastRead   = 10 * time.Minute // where a provider is
)

// enqueue asks for a round, and returns the one that will do what the job says.
// At once tells that a round which would wait for its next try begins now.
func (s *Syncer) enqueue(target Target, job job, atOnce bool) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enqueueLocked(target, job, "", atOnce)
}

func (s *Syncer) enqueueLocked(target Target, job job, actor string, atOnce bool) *pending {
	if s.closed {
		return refused(target, ErrClosed)
	}
	if a := s.tries[target]; a != nil && a.err != nil && !atOnce {
		return refused(target, fmt.Errorf("%w: the last round failed: %w", ErrPending, a.err))
	}
	q := s.queues[target.Tenant]
	if q == nil {
		q = &queue{waiting: make(map[Target]*pending), turn: make(chan struct{}, 1)}
		s.queues[target.Tenant] = q
	}
	p := q.waiting[target]
	if p == nil {
		p = &pending{target: target, job: job, done: make(chan struct{})}
		q.waiting[target] = p
		q.rounds++
		s.work.Go(func() { s.workOn(q, p) })
	}
	p.job.whole, p.job.admin, p.job.look = p.job.whole || job.whole, p.job.admin || job.admin, p.job.look && job.look
	if actor != "" {
		p.actor = actor
	}
	return p
}

// refused returns a round that was not begun.
func refused(target Target, err error) *pending {
	p := &pending{target: target, err: err, done: make(chan struct{})}
	close(p.done)
	return p
}

// workOn does one round of a queue.
func (s *Syncer) workOn(q *queue, p *pending) {
	s.begin(q)
	s.mu.Lock()
	delete(q.waiting, p.target)
	s.mu.Unlock()
	ctx := s.life
	if p.actor != "" {
		ctx = provisioning.WithActor(ctx, p.actor)
	}
	p.job.aside = s.aside(q)
	p.report, p.err = s.round(ctx, p.target, p.job)
	s.rest(q)
	s.mu.Lock()
	if q.rounds--; q.rounds == 0 {
		delete(s.queues, p.target.Tenant)
	}
	s.mu.Unlock()
	s.ended(p)
	if p.report.Outcome.Done > 0 {
		s.deliverSoon(p.target.Tenant)
	}
	close(p.done)
}

// ended decides when a connection is tried again by itself: after a failure,
// and when the time of somebody comes whom the store refused.
func (s *Syncer) ended(p *pending) {
	if isRefusal(p.err) {
		return
	}
	s.mu.Lock()
	a := s.tries[p.target]
	if a != nil {
		a.timer.Stop()
	}
	if s.closed || p.err == nil && p.report.again.IsZero() {
		delete(s.tries, p.target)
		s.mu.Unlock()
		return
	}
	if a == nil {
		a = new(attempt)
		s.tries[p.target] = a
	}
	delay := max(p.report.again.Sub(s.cfg.Now()), firstRetry/2)
	if a.err = p.err; p.err == nil {
		a.failures = 0
	} else {
		a.failures++
		longest := lastRetry
		if p.report.asked {
			longest = lastRead
		}
		delay = backOff(a.failures, longest)
		var failure *sources.Error
		if errors.As(p.err, &failure) {
			delay = max(delay, min(failure.RetryAfter, time.Hour))
		}
	}
	failures := a.failures
	a.timer = time.AfterFunc(delay, func() { s.enqueue(p.target, job{}, true) })
	s.mu.Unlock()
	if p.err != nil {
		s.emit(s.life, Event{Kind: BackedOff, Target: p.target, Duration: delay, Count: failures, Err: p.err})
	}
}

// backOff returns how long to wait after so many failures in a row: twice as
// long each time, and no two connections the same.
func backOff(failures int, longest time.Duration) time.Duration {
	delay := min(firstRetry<<min(failures-1, 20), longest)
	return delay/2 + rand.N(delay)
}

// jitter returns an interval, a tenth longer or shorter, the same in every
// process that looks at the same run.
func jitter(interval time.Duration, target Target, last time.Time) time.Duration {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%d", target.Tenant, target.Connection, last.UnixNano())
	share := float64(h.Sum64()%2001)/1000 - 1 // -1 to 1
	return interval + time.Duration(share*float64(interval)/10)
}

// wait waits for the end of a round.
func (p *pending) wait(ctx context.Context) (Report, error) {
	select {
	case <-p.done:
		return p.report, p.err
	case <-ctx.Done():
		return Report{}, fmt.Errorf("syncer: %w: %w", ErrPending, ctx.Err())
	}
}

// Push decides what was pushed into a directory since the last round, and waits
// for that, PushWait at most. Call it after a change is stored, as
// scim.Config.OnChange does. Many calls at a time lead to few rounds.
//
// An error that matches ErrPending says that the decision comes later. Nothing
// is lost with any error: the change stays in the directory's feed, and the
// next round of any process finds it.
func (s *Syncer) Push(ctx context.Context, target Target) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PushWait)
	defer cancel()
	_, err := s.enqueue(target, job{}, false).wait(ctx)
	return err
}

// Run decides everybody now and does the plan: reimport now (R28, A6). It
// deactivates as a scheduled run does, behind the same breakers. Calls at the
// same time share a run that has not begun. The context ends the waiting and
// not the run.
func (s *Syncer) Run(ctx context.Context, target Target) (Report, error) {
	s.mu.Lock()
	p := s.enqueueLocked(target, job{whole: true, admin: true}, provisioning.ActorFrom(ctx), true)
	s.mu.Unlock()
	return p.wait(ctx)
}

// Plan decides everybody now, saves the plan, and does nothing of it: what Run
// would do, and what waits for an approval. Apply does it.
func (s *Syncer) Plan(ctx context.Context, target Target) (*provisioning.Plan, error) {
	report, err := s.round(ctx, target, job{whole: true, dry: true, admin: true})
	return report.Plan, err
}
