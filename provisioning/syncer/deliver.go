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
	deliveriesName = "effects" // of the document that a tenant's deliveries keep
	// deliverTimeout bounds one call of the host's function.
	deliverTimeout = time.Minute
	// deliverLease is for how long one process has a tenant's deliveries; it is
	// longer than a call may take.
	deliverLease  = 2 * deliverTimeout
	firstDelivery = time.Second // until the second try
	lastDelivery  = time.Hour   // between two tries
	// maxFailing is of how many effects the tries are remembered.
	maxFailing = 1000
)

// Undelivered is an effect that could not be delivered yet.
type Undelivered struct {
	Effect  provisioning.Effect `json:"effect"`
	Since   time.Time           `json:"since"` // the first try
	Tries   int                 `json:"tries"`
	Next    time.Time           `json:"next"`
	Failure string              `json:"failure"`
}

// waits reports whether the next try has not come. One that is further away than
// any wait was set by a clock that was ahead.
func (u *Undelivered) waits(now time.Time) bool {
	return now.Before(u.Next) && u.Next.Sub(now) <= 2*lastDelivery
}

// deliveries is what is remembered of a tenant's effects beside the outbox.
type deliveries struct {
	Format  int                    `json:"format"`
	Failing map[string]Undelivered `json:"failing,omitempty"`

	revision provisioning.Revision
	changed  bool
}

func effectKey(e provisioning.Effect) string {
	return strings.Join([]string{string(e.Kind), e.Key, e.To, e.About}, " ")
}

// oldest returns the effect that waits longest, or nil.
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
	var document []byte // nothing is kept of a tenant where all is well
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

// Deliver hands the tenant's effects whose time has come to Config.Deliver,
// oldest first, and marks each for which it returned nil (S27, S41). One that
// fails stops none of the others; it is tried again later, by Serve or the next
// Deliver. It is delivered at least once: again under the same key, if the
// process dies before the mark.
//
// One process at a time delivers a tenant's effects, as far as their clocks
// agree. The error is the store's, or the context's.
func (s *Syncer) Deliver(ctx context.Context, tenant string) error {
	_, err := s.deliver(ctx, tenant)
	if errors.Is(err, errLeased) {
		return nil
	}
	return err
}

// deliver returns when the next effect is to be tried, or zero.
func (s *Syncer) deliver(ctx context.Context, tenant string) (next time.Time, err error) {
	if s.cfg.Deliver == nil {
		return time.Time{}, nil
	}
	if some, err := s.hasEffects(ctx, tenant); !some || err != nil {
		return time.Time{}, err
	}
	l, err := s.take(ctx, tenant, deliveriesName, deliverLease)
	if err != nil {
		return l.until, err
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
		if err := l.keep(ctx); err != nil {
			return l.until, err
		}
		key := effectKey(e)
		if u, again := d.Failing[key]; again && u.waits(s.cfg.Now()) {
			pending[key] = true
			if next.IsZero() || u.Next.Before(next) {
				next = u.Next
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

func (s *Syncer) deliverOne(ctx context.Context, tenant string, e provisioning.Effect) error {
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	return s.cfg.Deliver(ctx, tenant, e)
}

// failed notes a failed try, and returns how long to wait for the next one.
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

// A delivery is the work on one tenant's effects.
type delivery struct {
	again bool // there may be more than the work in progress sees
}

// deliverSoon delivers a tenant's effects in the background.
func (s *Syncer) deliverSoon(tenant string) {
	if s.cfg.Deliver == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if d := s.delivering[tenant]; d != nil {
		d.again = true
		return
	}
	d := new(delivery)
	s.delivering[tenant] = d
	s.work.Go(func() {
		for {
			s.slots <- struct{}{}
			next, err := s.deliver(s.life, tenant)
			<-s.slots
			s.mu.Lock()
			again := d.again && err == nil
			if d.again = false; !again {
				delete(s.delivering, tenant)
				if !next.IsZero() && !s.closed {
					time.AfterFunc(next.Sub(s.cfg.Now()), func() { s.deliverSoon(tenant) })
				}
			}
			s.mu.Unlock()
			if !again {
				return
			}
		}
	})
}
