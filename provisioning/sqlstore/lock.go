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
	// firstPoll and lastPoll are how often a locked tenant is asked for: more
	// and more slowly.
	firstPoll = 5 * time.Millisecond
	lastPoll  = 250 * time.Millisecond
	// unlockTimeout is how long giving a tenant back may take, after which its
	// lease ends by itself.
	unlockTimeout = 5 * time.Second
)

// Lock implements provisioning.Locker. A lock is a lease that its holder
// extends while it lives, by the clock of the database; one whose holder died
// ends after Config.Lease. A holder that could not reach the database for so
// long has lost it without knowing: revisions and keys still keep its writes
// from doing harm. SQLite does not wait for the disk with a lock, which no holder
// outlives that is lost with the machine.
func (s *Store) Lock(ctx context.Context, tenant string) (unlock func(), err error) {
	owner := rand.Text()
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		locked, err := s.takeLease(ctx, tenant, owner)
		if locked {
			break
		}
		if err != nil {
			s.endLease(ctx, tenant, owner) // it may have been given, and the answer lost
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

// takeLease takes the tenant if nobody has it. A lease that ends later than one
// which is given now could was given by a clock that has gone back since: its
// holder, if it lives, extends it from now on.
func (s *Store) takeLease(ctx context.Context, tenant, owner string) (bool, error) {
	const query = `INSERT INTO @locks (tenant, owner, expires_ms) VALUES (?1, ?2, NOW_MS + ?3)
		ON CONFLICT (tenant) DO UPDATE SET owner = excluded.owner, expires_ms = excluded.expires_ms
		WHERE @locks.expires_ms < NOW_MS OR @locks.expires_ms > NOW_MS + ?4`
	changed, err := s.exec(ctx, query, tenant, owner, s.lease.Milliseconds(), 2*s.lease.Milliseconds())
	return changed > 0, err
}

// exec runs one statement by itself, which has to be a write.
func (s *Store) exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	err = s.db.WriteUnsynced(ctx, func(tx *sqldb.Tx) error {
		changed, err = tx.Exec(ctx, query, args...)
		return err
	})
	return changed, err
}

// extendLease extends the lease until the context ends or the lease was lost. A
// single failure is of no consequence: there are two more tries to a lease.
func (s *Store) extendLease(ctx context.Context, tenant, owner string) {
	ticker := time.NewTicker(s.lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		const query = `UPDATE @locks SET expires_ms = NOW_MS + ? WHERE tenant = ? AND owner = ?`
		if changed, err := s.exec(ctx, query, s.lease.Milliseconds(), tenant, owner); err == nil && changed == 0 {
			return
		}
	}
}

// endLease gives the tenant back, if it is still the owner's, though the
// context may have ended. If the database is away, which also cuts the connection
// that would have given it back, it is tried again for a while: otherwise the
// tenant would wait for the end of the lease.
func (s *Store) endLease(ctx context.Context, tenant, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		_, err := s.exec(ctx, `DELETE FROM @locks WHERE tenant = ? AND owner = ?`, tenant, owner)
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
