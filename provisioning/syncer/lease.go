package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-go/usher/provisioning"
)

const (
	// leaseLength is for how long a process sees a lease unchanged until it takes
	// it: the holder has died, or does not reach the store.
	leaseLength = 10 * time.Second
	// leaseBeat is how often a holder changes its lease.
	leaseBeat = leaseLength / 4
)

// A lease gives one process at a time a piece of a tenant's work that happens
// without the tenant's lock. While it has the lease, a process changes it all
// the time, and another that has seen it unchanged for leaseLength takes it. No
// clock is compared with that of another process for that, but one that comes
// much later takes it at once. Nothing is wrong where two processes have it all
// the same; it spares work.
type lease struct {
	*Syncer
	tenant, name string
	owner        string

	mu       sync.Mutex // of revision
	revision provisioning.Revision
	lost     atomic.Bool
	release  context.CancelFunc // of beating
	beating  sync.WaitGroup
}

// errLeased says that another process has the lease.
var errLeased = errors.New("another process is at it")

// A sighting is a lease of another process, and since when it is unchanged.
type sighting struct {
	revision provisioning.Revision
	since    time.Time
}

// leaseKey names a lease among those of all tenants.
type leaseKey struct{ tenant, name string }

func leaseName(name string) string { return "lease/" + name }

// take takes a lease. If another process has it, the error matches errLeased
// and until is when that ends unless it is changed.
func (s *Syncer) take(ctx context.Context, tenant, name string) (l *lease, until time.Time, err error) {
	revision, until, err := s.free(ctx, tenant, name)
	if err != nil {
		return nil, until, err
	}
	l = &lease{Syncer: s, tenant: tenant, name: leaseName(name), owner: newID(), revision: revision}
	if err := l.beat(ctx); err != nil {
		if errors.Is(err, errLeased) {
			return nil, s.cfg.Now().Add(leaseLength), err
		}
		l.giveBack(ctx) // it may have been stored, and the answer lost
		return nil, time.Time{}, err
	}
	ctx, l.release = context.WithCancel(context.WithoutCancel(ctx))
	l.beating.Go(func() { l.keep(ctx) })
	return l, time.Time{}, nil
}

// free returns the revision of a lease that can be taken. It fails with errLeased
// if somebody has it.
func (s *Syncer) free(ctx context.Context, tenant, name string) (revision provisioning.Revision, until time.Time, err error) {
	key := leaseKey{tenant, name}
	stored, revision, err := s.storedLease(ctx, tenant, leaseName(name))
	if err != nil {
		return "", time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if revision == "" || s.cfg.Now().After(stored.Until.Add(maxSkew)) {
		delete(s.sightings, key)
		return revision, time.Time{}, nil
	}
	seen, known := s.sightings[key]
	if !known || seen.revision != revision {
		seen = sighting{revision, time.Now()}
		s.sightings[key] = seen
	}
	if left := leaseLength - time.Since(seen.since); left > 0 {
		return "", s.cfg.Now().Add(left), errLeased
	}
	delete(s.sightings, key)
	return revision, time.Time{}, nil
}

// keep changes the lease until the context ends or it is lost. Where the store
// does not answer, it is tried again.
func (l *lease) keep(ctx context.Context) {
	ticker := time.NewTicker(leaseBeat)
	defer ticker.Stop()
	for !l.lost.Load() {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = l.beat(ctx)
		}
	}
}

// beat changes the lease. It fails with errLeased if the lease was lost.
func (l *lease) beat(ctx context.Context) error {
	document, err := json.Marshal(leaseDocument{l.owner, l.cfg.Now().UTC().Add(leaseLength)})
	if err != nil {
		return fmt.Errorf("syncer: lease of %s: %w", l.name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	revision, err := l.cfg.Store.SetState(ctx, l.tenant, l.name, l.revision, document)
	if errors.Is(err, provisioning.ErrStale) {
		// The answer to an earlier change may be lost.
		stored, revision, err := l.storedLease(ctx, l.tenant, l.name)
		if err == nil && stored.Owner == l.owner {
			l.revision = revision
			return nil
		}
		l.lost.Store(true)
		return errLeased
	}
	if err != nil {
		return fmt.Errorf("syncer: save lease: %w", err)
	}
	l.revision = revision
	return nil
}

// A leaseDocument is what is stored of a lease.
type leaseDocument struct {
	Owner string    `json:"owner"`
	Until time.Time `json:"until"` // by the holder's clock
}

// storedLease returns a lease as the store has it, with no revision if nobody
// does.
func (s *Syncer) storedLease(ctx context.Context, tenant, name string) (stored leaseDocument, revision provisioning.Revision, err error) {
	document, revision, err := s.cfg.Store.State(ctx, tenant, name)
	if err == nil && document != nil {
		err = json.Unmarshal(document, &stored)
	}
	if err != nil {
		return stored, "", fmt.Errorf("syncer: read %s: %w", name, err)
	}
	return stored, revision, nil
}

// give ends the lease.
func (l *lease) give(ctx context.Context) {
	l.release()
	l.beating.Wait()
	if !l.lost.Load() {
		l.giveBack(ctx)
	}
}

// giveBack takes the lease out of the store. If the store fails, it is tried
// again for a while, without the caller, and what is stored is looked at, since
// the answer to an earlier change may be lost. If that does not help, the lease
// ends by itself.
func (l *lease) giveBack(ctx context.Context) {
	first, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	_, err := l.cfg.Store.SetState(first, l.tenant, l.name, l.revision, nil)
	if err == nil {
		return
	}
	l.Syncer.mu.Lock()
	defer l.Syncer.mu.Unlock()
	if !l.closed {
		l.work.Go(l.giveLater)
	}
}

func (l *lease) giveLater() {
	ctx, cancel := context.WithTimeout(l.life, noteTimeout)
	defer cancel()
	for pause := firstGive; ; pause = min(2*pause, lastGive) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		stored, revision, err := l.storedLease(ctx, l.tenant, l.name)
		if err == nil && stored.Owner == l.owner {
			_, err = l.cfg.Store.SetState(ctx, l.tenant, l.name, revision, nil)
		}
		if err == nil {
			return
		}
	}
}

// firstGive and lastGive are the pauses between two tries to give a lease back.
const (
	firstGive = 10 * time.Millisecond
	lastGive  = 500 * time.Millisecond
)
