package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/usher-go/usher/provisioning"
)

const (
	deliveriesName = "effects" // names the stored document of a tenant's deliveries, and their lease
	// deliverTimeout is the time limit of one call of Config.Deliver. deliverGrace is
	// how long a call may take to return after that.
	deliverTimeout = time.Minute
	deliverGrace   = 10 * time.Second
	firstDelivery  = time.Second // wait before the second try
	lastDelivery   = time.Hour   // longest wait between two tries
	// maxFailing is for how many effects the failed tries are stored.
	maxFailing = 1000
)

// Undelivered is an effect that could not be delivered yet.
type Undelivered struct {
	Effect  provisioning.Effect `json:"effect"`
	Since   time.Time           `json:"since"` // time of the first try
	Tries   int                 `json:"tries"`
	Next    time.Time           `json:"next"`
	Failure string              `json:"failure"`
}

// waits reports whether the time of the next try has not come yet. A time that is
// further away than the longest possible wait came from a clock that was ahead; it
// is ignored.
func (u *Undelivered) waits(now time.Time) bool {
	return now.Before(u.Next) && u.Next.Sub(now) <= 2*lastDelivery
}

// deliveries holds the failed tries of a tenant's effects. The effects themselves
// are in the outbox.
type deliveries struct {
	Format  int                    `json:"format"`
	Failing map[string]Undelivered `json:"failing,omitempty"`

	revision provisioning.Revision
	changed  bool
}

func effectKey(e provisioning.Effect) string {
	return strings.Join([]string{string(e.Kind), e.Key, e.To, e.About}, " ")
}

// oldest returns the effect whose first try is the earliest, or nil.
func (d *deliveries) oldest() *Undelivered {
	var oldest *Undelivered
	for _, u := range d.Failing {
		if oldest == nil || u.Since.Before(oldest.Since) {
			oldest = &u
		}
	}
	return oldest
}

func (s *Syncer) loadDeliveries(ctx context.Context, tenant string) (*deliveries, error) {
	document, revision, err := s.cfg.Store.State(ctx, tenant, deliveriesName)
	if err != nil {
		return nil, fmt.Errorf("syncer: read deliveries: %w", err)
	}
	d := &deliveries{Format: stateFormat, revision: revision}
	if document != nil {
		if err := json.Unmarshal(document, d); err != nil {
			return nil, fmt.Errorf("syncer: deliveries of %s: %w", tenant, err)
		}
	}
	return d, nil
}

func (s *Syncer) saveDeliveries(ctx context.Context, tenant string, d *deliveries) error {
	if !d.changed {
		return nil
	}
	var document []byte // nil removes the document of a tenant without failures
	if len(d.Failing) > 0 {
		var err error
		if document, err = json.Marshal(d); err != nil {
			return fmt.Errorf("syncer: deliveries of %s: %w", tenant, err)
		}
	}
	if _, err := s.cfg.Store.SetState(ctx, tenant, deliveriesName, d.revision, document); err != nil {
		return fmt.Errorf("syncer: save deliveries: %w", err)
	}
	return nil
}

// Deliver passes the tenant's due effects to Config.Deliver, oldest first, and
// marks each for which it returned nil (S27, S41). An effect that fails does not
// stop the others. Serve or the next Deliver tries it again later. Each effect is
// delivered at least once: if the process dies before the mark, it is delivered
// again with the same key.
//
// The result next is when the first of the remaining effects is due, by Config.Now.
// It is zero if none remains. One process at a time delivers a tenant's effects.
// If another process is delivering, next is when this process can take over if the
// other has died. The error is that of the store or of the context.
func (s *Syncer) Deliver(ctx context.Context, tenant string) (next time.Time, err error) {
	if s.cfg.Deliver == nil {
		return time.Time{}, nil
	}
	if some, err := s.hasEffects(ctx, tenant); !some || err != nil {
		return time.Time{}, err
	}
	l, until, err := s.take(ctx, tenant, deliveriesName)
	if errors.Is(err, errLeased) {
		return until, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	defer l.give(ctx)
	d, err := s.loadDeliveries(ctx, tenant)
	if err != nil {
		return time.Time{}, err
	}
	pending := make(map[string]bool)
	for e, err := range s.cfg.Store.Effects(ctx, tenant) {
		if err != nil {
			return time.Time{}, fmt.Errorf("syncer: read effects: %w", err)
		}
		if l.lost.Load() {
			return s.cfg.Now().Add(leaseLength), nil
		}
		key := effectKey(e)
		if u, again := d.Failing[key]; again && u.waits(s.cfg.Now()) {
			pending[key] = true
			if next.IsZero() || u.Next.Before(next) {
				next = u.Next
			}
			continue
		}
		if s.hangs(tenant, key) {
			pending[key] = true
			if at := s.cfg.Now().Add(deliverTimeout); next.IsZero() || at.Before(next) {
				next = at
			}
			continue
		}
		failure := s.deliverOne(ctx, tenant, e)
		if ctx.Err() != nil {
			return time.Time{}, fmt.Errorf("syncer: deliver: %w", ctx.Err())
		}
		if failure != nil {
			pending[key] = true
			delay := d.failed(e, failure, s.cfg.Now().UTC())
			s.emit(ctx, Event{Kind: EffectFailed, Target: Target{Tenant: tenant}, Effect: e.Kind, MemberID: e.About, Duration: delay, Err: failure})
			if at := s.cfg.Now().Add(delay); next.IsZero() || at.Before(next) {
				next = at
			}
			continue
		}
		if err := s.cfg.Store.Delivered(ctx, tenant, e); err != nil {
			return time.Time{}, fmt.Errorf("syncer: mark effect: %w", err)
		}
		s.emit(ctx, Event{Kind: EffectDelivered, Target: Target{Tenant: tenant}, Effect: e.Kind, MemberID: e.About})
	}
	for key := range d.Failing {
		if !pending[key] {
			d.changed = true
			delete(d.Failing, key)
		}
	}
	return next, s.saveDeliveries(ctx, tenant, d)
}

// hasEffects reports whether the tenant has effects in the outbox.
func (s *Syncer) hasEffects(ctx context.Context, tenant string) (bool, error) {
	for _, err := range s.cfg.Store.Effects(ctx, tenant) {
		if err != nil {
			return false, fmt.Errorf("syncer: read effects: %w", err)
		}
		return true, nil
	}
	return false, nil
}

// errHangs says that a call of Config.Deliver did not return after its context ended.
var errHangs = errors.New("Config.Deliver does not return, although its context has ended")

// deliverOne calls Config.Deliver. If the call does not return, deliverOne gives it up
// with errHangs. If it returns nil later nevertheless, the effect is marked then.
func (s *Syncer) deliverOne(ctx context.Context, tenant string, e provisioning.Effect) error {
	call, cancel := context.WithTimeout(ctx, deliverTimeout)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- s.guard(call, Target{Tenant: tenant}, func() error { return s.cfg.Deliver(call, tenant, e) })
	}()
	select {
	case err := <-done:
		return err
	case <-call.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(deliverGrace):
	}
	key := hangingKey(tenant, effectKey(e))
	s.mu.Lock()
	s.hanging[key] = true
	s.mu.Unlock()
	go func() {
		if err := <-done; err == nil {
			marking, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
			defer cancel()
			_ = s.cfg.Store.Delivered(marking, tenant, e) // if this fails, the effect is delivered again
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.hanging, key)
	}()
	return errHangs
}

func hangingKey(tenant, effect string) string { return tenant + "\x00" + effect }

// hangs reports whether a call for the effect was given up and has not returned yet.
func (s *Syncer) hangs(tenant, effect string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hanging[hangingKey(tenant, effect)]
}

// failed records a failed try, and returns the wait before the next one.
func (d *deliveries) failed(e provisioning.Effect, failure error, now time.Time) time.Duration {
	key := effectKey(e)
	u, again := d.Failing[key]
	if !again {
		u = Undelivered{Effect: e, Since: now}
	}
	u.Tries++
	delay := min(firstDelivery<<min(u.Tries-1, 20), lastDelivery)
	delay = delay/2 + rand.N(delay)
	u.Next = now.Add(delay)
	u.Failure = failure.Error()[:min(len(failure.Error()), maxDetail)]
	if d.Failing == nil {
		d.Failing = make(map[string]Undelivered)
	}
	if again || len(d.Failing) < maxFailing {
		d.Failing[key], d.changed = u, true
	}
	return delay
}

// A delivery is the background work on one tenant's effects: it runs, or waits for
// the next try.
type delivery struct {
	atWork   bool
	again    bool // new effects may have come during the work: deliver once more
	failures int  // errors of Deliver in a row
	timer    *time.Timer
}

// deliverSoon delivers a tenant's effects in the background. The effects that
// remain are delivered when they are due.
func (s *Syncer) deliverSoon(tenant string) {
	if s.cfg.Deliver == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	d := s.delivering[tenant]
	if d == nil {
		d = new(delivery)
		s.delivering[tenant] = d
	}
	if d.atWork {
		d.again = true
		return
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	d.atWork = true
	s.work.Go(func() { s.deliverNow(tenant, d) })
}

// deliverNow delivers a tenant's effects until no more have come meanwhile, and
// then sets the timer for the effects that remain.
func (s *Syncer) deliverNow(tenant string, d *delivery) {
	for {
		s.workers.effects <- struct{}{}
		next, err := s.Deliver(s.life, tenant)
		<-s.workers.effects
		s.mu.Lock()
		if err == nil {
			d.failures = 0
		} else {
			d.failures++
			next = s.cfg.Now().Add(backOff(d.failures, lastRetry))
		}
		again := d.again && err == nil && !s.closed
		d.again = false
		if !again {
			d.atWork = false
			if next.IsZero() || s.closed {
				delete(s.delivering, tenant)
			} else {
				d.timer = time.AfterFunc(next.Sub(s.cfg.Now()), func() { s.deliverSoon(tenant) })
			}
		}
		s.mu.Unlock()
		if !again {
			return
		}
	}
}
