package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// lockWait is how long checkLock waits for a lock that it must not get.
const lockWait = 50 * time.Millisecond

// checkLock: one writer at a time has the lock of a tenant (S28).
func checkLock(ctx context.Context, b *bench) error {
	locker := b.store.(provisioning.Locker)
	unlock, err := locker.Lock(ctx, tenant)
	if err != nil {
		return fmt.Errorf("Lock of a free tenant: %w", err)
	}
	if err := refusesLock(ctx, locker, "while another writer has the tenant"); err != nil {
		return err
	}
	unlockOther, err := locker.Lock(ctx, "other")
	if err != nil {
		return fmt.Errorf("Lock of another tenant is free: %w", err)
	}
	unlockOther()
	if err := b.apply(ctx, tenant, creates("ana"), done); err != nil {
		return fmt.Errorf("the holder of the lock can apply: %w", err)
	}
	unlock()
	second, err := locker.Lock(ctx, tenant)
	if err != nil {
		return fmt.Errorf("Lock of a tenant that was given back: %w", err)
	}
	unlock()
	if err := refusesLock(ctx, locker, "after the former holder gave it back twice"); err != nil {
		return err
	}
	second()
	return excludes(ctx, locker)
}

// refusesLock checks that Lock waits, and fails when its context ends, while another
// writer has the lock.
func refusesLock(ctx context.Context, locker provisioning.Locker, when string) error {
	short, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	unlock, err := locker.Lock(short, tenant)
	if err == nil {
		unlock()
		return fmt.Errorf("Lock succeeded %s, want it to wait", when)
	}
	if !errors.Is(err, provisioning.ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("Lock gave the error %w when its context ended, want one that matches ErrLocked and the context's", err)
	}
	return nil
}

// excludes lets several writers work under the lock, and checks that only one has it
// at a time and that each gets it.
func excludes(ctx context.Context, locker provisioning.Locker) error {
	const writers, turns = 4, 5
	var inside, met atomic.Int32
	failures := make(chan error, writers)
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for range turns {
				unlock, err := locker.Lock(ctx, tenant)
				if err != nil {
					failures <- fmt.Errorf("Lock while others take turns: %w", err)
					return
				}
				if inside.Add(1) > 1 {
					met.Add(1)
				}
				time.Sleep(time.Millisecond)
				inside.Add(-1)
				unlock()
			}
		})
	}
	running.Wait()
	close(failures)
	if n := met.Load(); n > 0 {
		return fmt.Errorf("%d times a writer had the tenant while another had it, want one at a time", n)
	}
	return <-failures
}
