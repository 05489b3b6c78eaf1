package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// A lease gives one process at a time a piece of a tenant's work that happens
// without the tenant's lock, as far as the clocks of the processes agree. One
// that died loses it at its end. Nothing is wrong where two processes have it
// all the same; it spares work.
type lease struct {
	*Syncer
	tenant, name string
	length       time.Duration
	owner        string
	until        time.Time
	revision     provisioning.Revision
}

// errLeased says that another process has the lease.
var errLeased = errors.New("another process is at it")

func (s *Syncer) lease(tenant, name string, length time.Duration) *lease {
	return &lease{Syncer: s, tenant: tenant, name: "lease/" + name, length: length, owner: newID()}
}

// take takes a lease. If another process has it, the error matches errLeased
// and until is when that ends.
func (s *Syncer) take(ctx context.Context, tenant, name string, length time.Duration) (*lease, error) {
	l := s.lease(tenant, name, length)
	if err := l.free(ctx); err != nil {
		return l, err
	}
	err := l.extend(ctx)
	if err != nil && !errors.Is(err, errLeased) {
		l.give(ctx) // it may have been stored, and the answer lost
	}
	return l, err
}

// free fails with errLeased if somebody has the lease.
func (l *lease) free(ctx context.Context) error {
	_, until, revision, err := l.read(ctx)
	if err != nil {
		return err
	}
	if now := l.cfg.Now(); now.Before(until) && until.Sub(now) <= l.length { // a clock may have jumped back
		l.until = until
		return errLeased
	}
	l.revision = revision
	return nil
}

// read returns who has the lease, and until when.
func (l *lease) read(ctx context.Context) (owner string, until time.Time, revision provisioning.Revision, err error) {
	document, revision, err := l.cfg.Store.State(ctx, l.tenant, l.name)
	if err != nil {
		return "", time.Time{}, "", fmt.Errorf("syncer: read lease: %w", err)
	}
	var held struct {
		Owner string    `json:"owner"`
		Until time.Time `json:"until"`
	}
	if document != nil {
		if err := json.Unmarshal(document, &held); err != nil {
			return "", time.Time{}, "", fmt.Errorf("syncer: %s: %w", l.name, err)
		}
	}
	return held.Owner, held.Until, revision, nil
}

// extend lets the lease begin again. It fails with errLeased if the lease was
// lost.
func (l *lease) extend(ctx context.Context) error {
	l.until = l.cfg.Now().UTC().Add(l.length)
	document, err := json.Marshal(map[string]any{"owner": l.owner, "until": l.until})
	if err != nil {
		return fmt.Errorf("syncer: lease of %s: %w", l.name, err)
	}
	revision, err := l.cfg.Store.SetState(ctx, l.tenant, l.name, l.revision, document)
	if errors.Is(err, provisioning.ErrStale) {
		return errLeased
	}
	if err != nil {
		return fmt.Errorf("syncer: save lease: %w", err)
	}
	l.revision = revision
	return nil
}

// keep extends a lease of which half is over.
func (l *lease) keep(ctx context.Context) error {
	if l.until.Sub(l.cfg.Now()) > l.length/2 {
		return nil
	}
	return l.extend(ctx)
}

// give gives the lease back. If the store fails, it is tried again for a while,
// without the caller, and what is stored is looked at, since the answer to an
// earlier change may be lost. If that does not help, the lease ends by itself.
func (l *lease) give(ctx context.Context) {
	first, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	_, err := l.cfg.Store.SetState(first, l.tenant, l.name, l.revision, nil)
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
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
		owner, _, revision, err := l.read(ctx)
		if err == nil && owner == l.owner {
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
