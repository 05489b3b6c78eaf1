package syncer_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

var errAway = errors.New("the database is away")

// away is a team whose database is sometimes unavailable.
type away struct {
	*provisioning.Memory
	is    atomic.Bool
	tries atomic.Int64 // number of attempts to do something during an outage
}

func (a *away) fails() error {
	if !a.is.Load() {
		return nil
	}
	a.tries.Add(1)
	return errAway
}

func (a *away) State(ctx context.Context, tenant, name string) ([]byte, provisioning.Revision, error) {
	if err := a.fails(); err != nil {
		return nil, "", err
	}
	return a.Memory.State(ctx, tenant, name)
}

func (a *away) SetState(ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
	if err := a.fails(); err != nil {
		return "", err
	}
	return a.Memory.SetState(ctx, tenant, name, revision, document)
}

func (a *away) Lock(ctx context.Context, tenant string) (func(), error) {
	if err := a.fails(); err != nil {
		return nil, err
	}
	return a.Memory.Lock(ctx, tenant)
}

func (a *away) Effects(ctx context.Context, tenant string) iter.Seq2[provisioning.Effect, error] {
	if err := a.fails(); err != nil {
		return func(yield func(provisioning.Effect, error) bool) { yield(provisioning.Effect{}, err) }
	}
	return a.Memory.Effects(ctx, tenant)
}

// S38: after an outage of the team's database of any length, a new push is
// decided at once. What was acknowledged before is decided within seconds,
// without a push and without Serve. During the outage, many pushes cause at
// most one attempt a second.
func TestAfterAnOutage(t *testing.T) {
	for _, pushed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			team := &away{Memory: new(provisioning.Memory)}
			h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team}, nil)
			h.hire("ana")
			team.is.Store(true)
			h.hire("bo")
			pass(10 * time.Minute)
			if pushed {
				tries := team.tries.Load()
				began := time.Now()
				for range 200 {
					go func() { _ = h.sync.Push(context.Background(), acme) }()
					time.Sleep(50 * time.Millisecond)
				}
				synctest.Wait()
				const perRound = 2                                          // the attempt to lock, and the attempt to note the failure
				rounds := 1 + int(time.Since(began)/(500*time.Millisecond)) // half a second is the shortest wait between two rounds
				require.LessOrEqual(t, int(team.tries.Load()-tries), perRound*rounds, "and what is tried by time alone")
			}
			team.is.Store(false)
			back := time.Now()
			if pushed {
				require.NoError(t, h.sync.Push(t.Context(), acme))
				require.LessOrEqual(t, time.Since(back), time.Second)
			} else {
				pass(7500 * time.Millisecond)
			}
			require.Contains(t, h.members(), "bo@acme.com")
		})
	}
}

// S27, S41: effects that could not be read or marked during an outage are
// delivered within seconds after it, without another change and without Serve.
func TestEffectsAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		team, mail := &away{Memory: new(provisioning.Memory)}, newMailer()
		var goes atomic.Bool
		goes.Store(true)
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team, Deliver: func(ctx context.Context, tenant string, e provisioning.Effect) error {
			team.is.Store(goes.Load()) // the outage begins with the first delivery
			return mail.deliver(ctx, tenant, e)
		}}, nil)
		ana, bo := h.hire("ana"), h.hire("bo")
		h.leave(ana)
		pass(10 * time.Minute)
		goes.Store(false)
		team.is.Store(false)
		pass(20 * time.Second) // the process's own lease may still exist
		require.Empty(t, h.effects())
		require.Len(t, mail.tries, 1)
		h.leave(bo)
		synctest.Wait()
		require.Empty(t, h.effects())
	})
}

// R23: a push does not cause another request to a provider that fails.
func TestAPushDoesNotAskAProviderThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana")
		c.api.change(func() {
			c.api.users, c.api.err = nil, &sources.Error{Kind: "salesforce", Op: "list users", Reason: sources.ErrRateLimited, RetryAfter: 20 * time.Minute}
		})
		_, err := c.sync.Run(t.Context(), pulled)
		require.ErrorIs(t, err, sources.ErrRateLimited)
		for range 100 {
			require.ErrorIs(t, c.sync.Push(t.Context(), pulled), syncer.ErrPending)
			time.Sleep(10 * time.Second)
		}
		require.Equal(t, 1, c.api.count())
		pass(5 * time.Minute)
		require.Equal(t, 2, c.api.count())
	})
}

// S41: a process with a long delivery keeps its lease, and a dead process loses
// it after ten seconds, for any difference between the clocks of the processes.
func TestTheLeaseOfADeadProcess(t *testing.T) {
	for _, skew := range []time.Duration{0, 5 * time.Hour, -5 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			mail := newMailer()
			takes := func(d time.Duration) func(context.Context, string, provisioning.Effect) error {
				return func(ctx context.Context, tenant string, e provisioning.Effect) error {
					select {
					case <-time.After(d):
					case <-ctx.Done():
						return ctx.Err()
					}
					return mail.deliver(ctx, tenant, e)
				}
			}
			team := &away{Memory: new(provisioning.Memory)}
			h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team, Deliver: takes(50 * time.Second)}, nil)
			second := h.replica(syncer.Config{Deliver: takes(0), Now: func() time.Time { return time.Now().Add(skew) }})
			h.leave(h.hire("ana"))
			if skew <= 0 { // a process whose clock is hours ahead takes the lease for an old one
				for range 4 {
					pass(11 * time.Second)
					h.deliver(second)
				}
				require.Zero(t, mail.told(), "it lives")
			}
			pass(time.Minute)
			require.Equal(t, 1, mail.told())

			h.leave(h.hire("bo"))
			pass(5 * time.Second)
			team.is.Store(true) // an outage for the delivering process, so that it cannot return its lease
			h.sync.Close()
			team.is.Store(false)
			h.sync = second
			if skew <= 0 {
				next := h.deliver(second)
				require.InDelta(t, 10*time.Second, next.Sub(time.Now().Add(skew)), float64(time.Second))
				pass(10 * time.Second)
			}
			require.Zero(t, h.deliver(second))
			require.Equal(t, 2, mail.told())
			require.Empty(t, h.effects())
		})
	}
}
