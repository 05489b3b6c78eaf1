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
	// leaseLength is how long a lease has to stay unchanged before another process
	// takes it. Its holder has died then, or cannot reach the store.
	leaseLength = 10 * time.Second
	// leaseBeat is how often a holder changes its lease.
	leaseBeat = leaseLength / 4
)

// A lease assigns a piece of a tenant's work, which is done without the tenant's
// lock, to one process at a time. The holder changes the lease every leaseBeat.
// Another process takes the lease after it has seen it unchanged for leaseLength;
// this compares no clocks of different processes. A process that finds a lease
// which expired more than maxSkew ago takes it at once. A lease only saves work:
// the results are correct even if two processes hold it.
type lease struct {
	*Syncer
	tenant, name string
	owner        string

	mu       sync.Mutex // of revision
	revision provisioning.Revision
	lost     atomic.Bool
	release  context.CancelFunc // ends beating
	beating  sync.WaitGroup
}

// errLeased says that another process has the lease.
var errLeased = errors.New("another process is at it")

// A sighting records the revision of another process's lease, and since when this
// process has seen it unchanged.
type sighting struct {
	revision provisioning.Revision
	since    time.Time
}

// leaseKey identifies a lease among those of all tenants.
type leaseKey struct{ tenant, name string }

func leaseName(name string) string { return "lease/" + name }

// take takes a lease. If another process has it, the error matches errLeased, and
// until is when the lease can be taken if its holder does not change it again.
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
// if another holder has it, and until is as in take.
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

// keep changes the lease every leaseBeat until the context ends or the lease is
// lost. After an error of the store, it tries again.
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

// A leaseDocument is the stored form of a lease.
type leaseDocument struct {
	Owner string    `json:"owner"`
	Until time.Time `json:"until"` // by the holder's clock
}

// storedLease returns a lease from the store. The revision is empty if no process
// holds the lease.
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

// giveBack removes the lease from the store. If the store fails, giveLater tries
// again in the background.
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

// giveLater tries to remove the lease from the store, for noteTimeout at most. It
// reads the stored lease before each try, since the answer to an earlier change
// may be lost. If every try fails, the lease expires after leaseLength.
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

// firstGive and lastGive are the first and the longest pause between two tries to
// remove a lease.
const (
	firstGive = 10 * time.Millisecond
	lastGive  = 500 * time.Millisecond
)
