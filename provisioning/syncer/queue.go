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

// workers bound the work of each kind; in each channel there is a token for a
// tenant at work. A round that reads a provider has one of the readers from then
// on, and is at work in the meantime of the reading with none of the rounds: what
// was pushed waits neither for providers that are slow to be read, nor for a mail
// server.
type workers struct{ rounds, readers, effects chan struct{} }

func newWorkers(n int) workers {
	return workers{make(chan struct{}, n), make(chan struct{}, n), make(chan struct{}, n)}
}

// begin waits for the turn, and for one of the workers, until the context ends.
func (s *Syncer) begin(ctx context.Context, q *queue) error {
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case s.workers.rounds <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-q.turn
		return ctx.Err()
	}
}

func (s *Syncer) rest(q *queue) {
	<-s.workers.rounds
	<-q.turn
}

// aside returns a function that does something while others have the turn; it
// works, or only waits.
func (s *Syncer) aside(q *queue) func(works bool, do func()) {
	return func(works bool, do func()) {
		if !works {
			s.rest(q)
			do()
			_ = s.begin(context.Background(), q)
			return
		}
		<-q.turn
		do()
		select {
		case q.turn <- struct{}{}:
		default: // who has it may wait for the worker
			<-s.workers.rounds
			_ = s.begin(context.Background(), q)
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
	err      error       // nil: what comes meanwhile is decided without waiting
	asked    bool        // it was a provider that failed: what comes meanwhile waits as well
	ended    time.Time   // the last try
	timer    *time.Timer // nil: the host comes back by itself
}

// stop keeps the next try from coming by itself.
func (a *attempt) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Second  // where only the host's own stores are asked
	lastWhole  = 30 * time.Second // where they are asked for everybody
	lastRead   = 10 * time.Minute // where a provider is
)

// enqueue asks for a round, and returns the one that will do what the job says.
//
// After a failure, the next try is waited for by what is due by time alone, and
// where a provider failed by everything; a push, which is a reason of its own,
// begins it, a second after the last one at the earliest. At once tells that
// no more than that second is waited for.
func (s *Syncer) enqueue(target Target, job job, atOnce bool) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enqueueLocked(target, job, "", atOnce)
}

func (s *Syncer) enqueueLocked(target Target, job job, actor string, atOnce bool) *pending {
	if s.closed {
		return refused(target, ErrClosed)
	}
	var pause time.Duration
	if a := s.tries[target]; a != nil && a.err != nil && !atOnce {
		if job.look || a.asked {
			return refused(target, fmt.Errorf("%w: the last round failed: %w", ErrPending, a.err))
		}
		pause = firstRetry - time.Since(a.ended)
	}
	q := s.queueLocked(target.Tenant)
	p := q.waiting[target]
	if p == nil {
		p = &pending{target: target, job: job, done: make(chan struct{})}
		q.waiting[target] = p
		q.rounds++
		s.work.Go(func() {
			if pause > 0 {
				select {
				case <-time.After(pause):
				case <-s.life.Done():
				}
			}
			s.workOn(q, p)
		})
	}
	p.job.whole, p.job.admin, p.job.look = p.job.whole || job.whole, p.job.admin || job.admin, p.job.look && job.look
	if actor != "" {
		p.actor = actor
	}
	return p
}

// queueLocked returns the queue of a tenant.
func (s *Syncer) queueLocked(tenant string) *queue {
	q := s.queues[tenant]
	if q == nil {
		q = &queue{waiting: make(map[Target]*pending), turn: make(chan struct{}, 1)}
		s.queues[tenant] = q
	}
	return q
}

// refused returns a round that was not begun.
func refused(target Target, err error) *pending {
	p := &pending{target: target, err: err, done: make(chan struct{})}
	close(p.done)
	return p
}

// workOn does one round of a queue.
func (s *Syncer) workOn(q *queue, p *pending) {
	_ = s.begin(context.Background(), q) // also at the end: who waits is told
	s.mu.Lock()
	delete(q.waiting, p.target)
	s.mu.Unlock()
	ctx := s.life
	if p.actor != "" {
		ctx = provisioning.WithActor(ctx, p.actor)
	}
	p.report, p.err = s.turn(ctx, q, p.target, p.job)
	s.tryAgain(p.target, p.report, p.err)
	if p.report.Outcome.Done > 0 {
		s.deliverSoon(p.target.Tenant)
		if mayFree(p.report.Plan) {
			s.lookAround(p.target.Tenant, p.target.Connection)
		}
	}
	close(p.done)
}

// turn does a round of a queue that has begun, and ends its turn.
func (s *Syncer) turn(ctx context.Context, q *queue, target Target, job job) (Report, error) {
	job.aside = s.aside(q)
	report, err := s.round(ctx, target, job)
	s.rest(q)
	s.leave(q, target.Tenant)
	return report, err
}

// leave takes a round out of a tenant's queue.
func (s *Syncer) leave(q *queue, tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.rounds--; q.rounds == 0 {
		delete(s.queues, tenant)
	}
}

// Round does what Serve does for a connection each time that it looks at it, on
// the caller's goroutine: it decides what was pushed and is not decided, or
// everybody if a whole run is due, or nothing. It is for a host whose own queue of
// jobs says when, and bounds and retries them; nothing is tried again by itself
// afterwards. Report.Next is when to come back, after an error as well, and
// Report.Effects whether Deliver has something to do; a push is a reason to come
// back at once. Rounds of one tenant wait for each other.
func (s *Syncer) Round(ctx context.Context, target Target) (Report, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Report{}, ErrClosed
	}
	q := s.queueLocked(target.Tenant)
	q.rounds++
	s.work.Add(1)
	s.mu.Unlock()
	defer s.work.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	if err := s.begin(ctx, q); err != nil {
		s.leave(q, target.Tenant)
		return Report{}, fmt.Errorf("syncer: %w: %w", ErrPending, err)
	}
	report, err := s.turn(ctx, q, target, job{look: true})
	if delay := s.noteTry(target, report, err, nil); err != nil && !isRefusal(err) {
		report.Next = s.cfg.Now().Add(delay)
	}
	some, failure := s.hasEffects(ctx, target.Tenant)
	report.Effects = some
	return report, errors.Join(err, failure)
}

// tryAgain lets a connection be tried again by itself: after a failure, and when
// the time of somebody comes whom the store refused.
func (s *Syncer) tryAgain(target Target, report Report, err error) {
	s.noteTry(target, report, err, func() { s.enqueue(target, job{}, true) })
}

// noteTry notes how a round of a connection ended, and returns when it is to be
// tried again, which again does then unless it is nil. It returns 0 if there is no
// reason to.
func (s *Syncer) noteTry(target Target, report Report, err error, again func()) time.Duration {
	if isRefusal(err) {
		return 0
	}
	s.mu.Lock()
	a := s.tries[target]
	if a != nil {
		a.stop()
	}
	if s.closed || err == nil && report.again.IsZero() {
		delete(s.tries, target)
		s.mu.Unlock()
		return 0
	}
	if a == nil {
		a = new(attempt)
		s.tries[target] = a
	}
	delay := max(report.again.Sub(s.cfg.Now()), firstRetry/2)
	a.err, a.asked, a.ended = err, report.asked, time.Now()
	if err == nil {
		a.failures = 0
	} else {
		a.failures++
		longest := lastRetry
		switch {
		case report.asked:
			longest = lastRead
		case report.everybody:
			longest = lastWhole
		}
		delay = backOff(a.failures, longest)
		var failure *sources.Error
		if errors.As(err, &failure) {
			delay = max(delay, min(failure.RetryAfter, time.Hour))
		}
	}
	failures := a.failures
	if again != nil {
		a.timer = time.AfterFunc(delay, again)
	}
	s.mu.Unlock()
	if err != nil {
		s.emit(s.life, Event{Kind: BackedOff, Target: target, Duration: delay, Count: failures, Err: err})
	}
	return delay
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
