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

// A queue holds the requested rounds of one tenant, at most one for each
// connection. All calls that come while a round runs share the next round. One
// round at a time has the turn. A round that reads a directory gives up the turn
// for that time.
type queue struct {
	waiting map[Target]*pending
	rounds  int           // number of rounds that wait or run
	turn    chan struct{} // holds a token while a round has the turn
}

// workers limit the concurrent work of each kind. Each channel holds a token for
// each piece of work of its kind that is in progress. A round that reads a provider
// takes a token of readers and keeps it to its end. It holds no token of rounds
// during the reading. So pushed changes wait neither for slow providers nor for a
// mail server.
type workers struct{ rounds, readers, effects chan struct{} }

func newWorkers(n int) workers {
	return workers{make(chan struct{}, n), make(chan struct{}, n), make(chan struct{}, n)}
}

// begin takes the turn of the queue and a token of workers.rounds. It waits until
// the context ends.
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

// rest gives back what begin took.
func (s *Syncer) rest(q *queue) {
	<-s.workers.rounds
	<-q.turn
}

// aside returns a function that calls do without the turn, and takes the turn
// again after it. If works is true, do works, and the token of workers.rounds is
// kept. Otherwise do only waits, and the token is given back meanwhile.
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
		default: // the round that has the turn may wait for this worker's token
			<-s.workers.rounds
			_ = s.begin(context.Background(), q)
		}
	}
}

// A pending is a round that was requested. The callers that wait for the round
// share it.
type pending struct {
	target Target
	job    job
	actor  string
	done   chan struct{} // closed when the round ends, after report and err are set
	report Report
	err    error
}

// An attempt is the next try of a connection whose last round failed, or whose
// last round had an action that the store refused.
type attempt struct {
	failures int
	err      error       // of the last try; nil: new rounds do not wait for the next try
	asked    bool        // a provider was read: if err is not nil, pushes wait for the next try as well
	ended    time.Time   // when the last try ended
	timer    *time.Timer // starts the next try; nil: the host starts it
}

// stop stops the timer of the next try.
func (a *attempt) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Second  // if the round uses only the host's own stores
	lastWhole  = 30 * time.Second // if it reads everybody from them
	lastRead   = 10 * time.Minute // if it reads a provider
)

// enqueue requests a round, and returns the round that will do the job.
//
// If the last round failed, work that is due by time alone (job.look) is refused
// until the next try. If that round read a provider, a push is refused as well.
// Otherwise a push begins the next try, at the earliest a second after the last
// one ended. If atOnce is true, the job is not refused because of a failure, and
// the round begins within that second.
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
	p.job.freed = p.job.freed || job.freed
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

// refused returns a round that has ended with err and does not begin.
func refused(target Target, err error) *pending {
	p := &pending{target: target, err: err, done: make(chan struct{})}
	close(p.done)
	return p
}

// workOn does one round of a queue.
func (s *Syncer) workOn(q *queue, p *pending) {
	_ = s.begin(context.Background(), q) // also after Close, so that callers get an answer
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

// turn does a round after begin, and ends its turn.
func (s *Syncer) turn(ctx context.Context, q *queue, target Target, job job) (Report, error) {
	job.aside = s.aside(q)
	report, err := s.round(ctx, target, job)
	s.rest(q)
	s.leave(q, target.Tenant)
	return report, err
}

// leave removes a round from the count of a tenant's queue. It deletes the queue
// with the last round.
func (s *Syncer) leave(q *queue, tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.rounds--; q.rounds == 0 {
		delete(s.queues, tenant)
	}
}

// Round checks a connection once, as Serve does in every Poll, on the caller's
// goroutine. It decides the pushed changes that are not decided yet, or everybody
// if a whole run is due, or nothing. It is for a host that has its own queue of
// jobs, which says when jobs run, limits them and retries them: the syncer retries
// nothing afterwards. Report.Next is when to call Round again, also after an
// error. Report.Effects says whether Deliver has something to do. After a push,
// call Round at once. Rounds of one tenant wait for each other.
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
	report, err := s.turn(ctx, q, target, job{look: true, freed: true})
	if delay := s.noteTry(target, report, err, nil); err != nil && !isRefusal(err) {
		report.Next = s.cfg.Now().Add(delay)
	}
	some, failure := s.hasEffects(ctx, target.Tenant)
	report.Effects = some
	return report, errors.Join(err, failure)
}

// tryAgain schedules the next try of a connection: after a failure, or for the
// people that report.again concerns.
func (s *Syncer) tryAgain(target Target, report Report, err error) {
	s.noteTry(target, report, err, func() { s.enqueue(target, job{}, true) })
}

// noteTry records how a round of a connection ended. It returns the delay until
// the next try, or 0 if no next try is needed. If again is not nil, it is called
// after the delay.
func (s *Syncer) noteTry(target Target, report Report, err error, again func()) time.Duration {
	s.mu.Lock()
	a := s.tries[target]
	if a != nil {
		a.stop()
	}
	if s.closed || isRefusal(err) || err == nil && report.again.IsZero() { // after a refusal, the next Poll checks again
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

// backOff returns how long to wait after a number of failures in a row. The wait
// doubles with each failure, up to longest. It is multiplied by a random factor
// between 0.5 and 1.5, so that connections do not retry together.
func backOff(failures int, longest time.Duration) time.Duration {
	delay := min(firstRetry<<min(failures-1, 20), longest)
	return delay/2 + rand.N(delay)
}

// jitter returns an interval that is up to a tenth longer or shorter. It is the
// same in every process for the same last run.
func jitter(interval time.Duration, target Target, last time.Time) time.Duration {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%d", target.Tenant, target.Connection, last.UnixNano())
	share := float64(h.Sum64()%2001)/1000 - 1 // -1 to 1
	return interval + time.Duration(share*float64(interval)/10)
}

// wait waits for the end of a round, until the context ends.
func (p *pending) wait(ctx context.Context) (Report, error) {
	select {
	case <-p.done:
		return p.report, p.err
	case <-ctx.Done():
		return Report{}, fmt.Errorf("syncer: %w: %w", ErrPending, ctx.Err())
	}
}

// Push decides what was pushed into a directory since the last round. It waits
// for the decision, at most Config.PushWait. Call it after a change is stored, as
// scim.Config.OnChange does. Many concurrent calls share few rounds.
//
// An error that matches ErrPending says that the decision comes later. No error
// loses a change: the change stays in the directory's feed, and the next round of
// any process finds it.
func (s *Syncer) Push(ctx context.Context, target Target) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PushWait)
	defer cancel()
	_, err := s.enqueue(target, job{}, false).wait(ctx)
	return err
}

// Run decides everybody now and does the plan: reimport now (R28, A6). It
// deactivates members as a scheduled run does, with the same breakers. Concurrent
// calls share a run that has not begun. If the context ends, Run returns and the
// run goes on.
func (s *Syncer) Run(ctx context.Context, target Target) (Report, error) {
	s.mu.Lock()
	p := s.enqueueLocked(target, job{whole: true, admin: true}, provisioning.ActorFrom(ctx), true)
	s.mu.Unlock()
	return p.wait(ctx)
}

// Plan decides everybody now, and saves the plan without doing it. The plan shows
// what Run would do, and what waits for an approval. Apply does the plan.
func (s *Syncer) Plan(ctx context.Context, target Target) (*provisioning.Plan, error) {
	report, err := s.round(ctx, target, job{whole: true, dry: true, admin: true})
	return report.Plan, err
}
