package sqlstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

const (
	// firstPoll and lastPoll are the first and the longest pause between two tries
	// to lock a tenant. The pause doubles with each try.
	firstPoll = 5 * time.Millisecond
	lastPoll  = 250 * time.Millisecond
	// unlockTimeout is the time limit for unlocking a tenant. After that, the lease
	// ends by itself.
	unlockTimeout = 5 * time.Second
)

const (
	insertLease = `INSERT INTO @locks (tenant, owner, expires_ms) VALUES (?1, ?2, NOW_MS + ?3)
		ON CONFLICT (tenant) DO UPDATE SET owner = excluded.owner, expires_ms = excluded.expires_ms
		WHERE @locks.expires_ms < NOW_MS OR @locks.expires_ms > NOW_MS + ?4`
	renewLease  = `UPDATE @locks SET expires_ms = NOW_MS + ? WHERE tenant = ? AND owner = ?`
	deleteLease = `DELETE FROM @locks WHERE tenant = ? AND owner = ?`
)

// Lock implements provisioning.Locker. A lock is a lease by the clock of the
// database. Its holder extends it while it lives. If the holder dies, the lease
// ends after Config.Lease. A holder that cannot reach the database for so long
// loses the lock without knowing it; revisions and action keys still prevent its
// writes from doing harm. In SQLite, writing a lock does not wait for the disk: if
// the machine fails and the lock is lost, its holder has died as well.
func (s *Store) Lock(ctx context.Context, tenant string) (unlock func(), err error) {
	owner := rand.Text()
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		locked, err := s.takeLease(ctx, tenant, owner)
		if locked {
			break
		}
		if err != nil {
			s.endLease(ctx, tenant, owner) // the lease may be stored, and the answer lost
			if ctx.Err() == nil {
				return nil, fmt.Errorf("sqlstore: lock: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("sqlstore: lock: %w: %w", provisioning.ErrLocked, ctx.Err())
		case <-time.After(poll):
		}
	}
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	var extending sync.WaitGroup
	extending.Go(func() { s.extendLease(held, tenant, owner) })
	return sync.OnceFunc(func() {
		release()
		extending.Wait()
		s.endLease(held, tenant, owner)
	}), nil
}

// takeLease locks the tenant if no other holder has a valid lease. A lease that ends
// more than twice Config.Lease from now counts as expired: the clock of the
// database was set back after the lease was given.
func (s *Store) takeLease(ctx context.Context, tenant, owner string) (bool, error) {
	changed, err := s.exec(ctx, insertLease, tenant, owner, s.lease.Milliseconds(), 2*s.lease.Milliseconds())
	return changed > 0, err
}

// exec runs one statement, which has to be a write, in its own transaction.
func (s *Store) exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	err = s.db.WriteUnsynced(ctx, func(tx *sqldb.Tx) error {
		changed, err = tx.Exec(ctx, query, args...)
		return err
	})
	return changed, err
}

// extendLease extends the lease until the context ends or the lease is lost. It does
// so three times in each Config.Lease, so that a single failure has no effect.
func (s *Store) extendLease(ctx context.Context, tenant, owner string) {
	ticker := time.NewTicker(s.lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if changed, err := s.exec(ctx, renewLease, s.lease.Milliseconds(), tenant, owner); err == nil && changed == 0 {
			return
		}
	}
}

// endLease removes the lease if the owner still has it, even if the context has
// ended. If the database is not available, it tries again until unlockTimeout.
// Otherwise the tenant would stay locked until the lease ends.
func (s *Store) endLease(ctx context.Context, tenant, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		_, err := s.exec(ctx, deleteLease, tenant, owner)
		if _, away := sqldb.Outage(err); !away {
			return // if it failed, the lease ends by itself
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(poll):
		}
	}
}
