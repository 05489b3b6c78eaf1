package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/usher-go/usher/provisioning"
)

// checkConcurrent: several concurrent writers without a lock do every action once,
// and lose no update.
func checkConcurrent(ctx context.Context, b *bench) error {
	if err := b.onceEach(ctx); err != nil {
		return err
	}
	return b.noLostUpdate(ctx)
}

// inParallel runs work n times in parallel and returns the first error.
func inParallel(n int, work func(worker int) error) error {
	failures := make(chan error, n)
	var running sync.WaitGroup
	for worker := range n {
		running.Go(func() {
			if err := work(worker); err != nil {
				failures <- err
			}
		})
	}
	running.Wait()
	close(failures)
	return <-failures
}

// onceEach lets writers apply overlapping plans: each action is in two of them.
func (b *bench) onceEach(ctx context.Context) error {
	const writers, each = 6, 10
	names := make([]string, writers*each)
	for i := range names {
		names[i] = fmt.Sprintf("p%02d", i)
	}
	actions := creates(names...)
	var mu sync.Mutex
	times := make(map[string]int)
	err := inParallel(writers, func(worker int) error {
		from := worker * each
		mine := append(append([]provisioning.Action(nil), actions[from:from+each]...), actions[(from+each)%len(actions):][:each]...)
		results, err := b.store.Apply(ctx, tenant, mine)
		if err != nil {
			return fmt.Errorf("Apply beside others: %w", err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range results {
			if r.Err != nil {
				return fmt.Errorf("action %s was refused beside others that do the same, want it done or Repeated: %w", r.Key, r.Err)
			}
			if !r.Repeated {
				times[r.Key]++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range actions {
		if times[a.Key] != 1 {
			return fmt.Errorf("action %s was done %d times by writers side by side, want once", a.Key, times[a.Key])
		}
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	if len(team) != len(actions) {
		return fmt.Errorf("the team has %d members after writers side by side, want %d", len(team), len(actions))
	}
	return b.left(ctx, len(actions), len(actions), "an action that several writers tried leaves what one does")
}

// noLostUpdate lets writers increment a number in one member's title, each from the
// state that it read.
func (b *bench) noLostUpdate(ctx context.Context) error {
	const writers, each = 4, 5
	const id = "id-p00"
	err := inParallel(writers, func(worker int) error {
		for turn := 0; turn < each; {
			team, err := b.team(ctx, tenant)
			if err != nil {
				return err
			}
			count, _ := strconv.Atoi(team[id].Title) // "" counts as 0
			a := update(team[id], titled(strconv.Itoa(count+1)))
			a.Key = fmt.Sprintf("count %d %d", worker, turn)
			results, err := b.store.Apply(ctx, tenant, []provisioning.Action{a})
			switch {
			case err != nil:
				return fmt.Errorf("Apply beside others: %w", err)
			case len(results) != 1:
				return fmt.Errorf("Apply gave %d results for one action", len(results))
			case results[0].Err == nil:
				turn++
			case !errors.Is(results[0].Err, provisioning.ErrStale):
				return fmt.Errorf("an update from a state that another writer changed failed with %w, want ErrStale", results[0].Err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	if want := strconv.Itoa(writers * each); team[id].Title != want {
		return fmt.Errorf("%s updates were done and %q of them count, want no update lost", want, team[id].Title)
	}
	return nil
}
