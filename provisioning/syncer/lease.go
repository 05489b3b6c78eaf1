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
	return l, l.extend(ctx)
}

// free fails with errLeased if somebody has the lease.
func (l *lease) free(ctx context.Context) error {
	document, revision, err := l.cfg.Store.State(ctx, l.tenant, l.name)
	if err != nil {
		return fmt.Errorf("syncer: read lease: %w", err)
	}
	var held struct {
		Owner string    `json:"owner"`
		Until time.Time `json:"until"`
	}
	if document != nil {
		if err := json.Unmarshal(document, &held); err != nil {
			return fmt.Errorf("syncer: %s: %w", l.name, err)
		}
	}
	if now := l.cfg.Now(); now.Before(held.Until) && held.Until.Sub(now) <= l.length { // a clock may have jumped back
		l.until = held.Until
		return errLeased
	}
	l.revision = revision
	return nil
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

// give gives the lease back. If that fails, it ends by itself.
func (l *lease) give(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	_, _ = l.cfg.Store.SetState(ctx, l.tenant, l.name, l.revision, nil)
}
