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

// away is a team whose database is away at times.
type away struct {
	*provisioning.Memory
	is    atomic.Bool
	tries atomic.Int64 // to do something meanwhile
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

// S38: however long the team's database was away, a push that comes then is
// decided at once, and what was acknowledged before is decided within seconds,
// without a push and without Serve. Meanwhile a crowd of pushes makes one try a
// second and no more.
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
				perRound := 2.0 // it cannot lock, and cannot note that
				require.LessOrEqual(t, float64(team.tries.Load()-tries), 1.5*perRound*time.Since(began).Seconds(), "and what is tried by time alone")
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

// S27, S41: effects that could not be read or marked are delivered within seconds
// after the database is back, without another change and without Serve.
func TestEffectsAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		team, mail := &away{Memory: new(provisioning.Memory)}, newMailer()
		var goes atomic.Bool
		goes.Store(true)
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team, Deliver: func(ctx context.Context, tenant string, e provisioning.Effect) error {
			team.is.Store(goes.Load()) // it goes away with the first delivery
			return mail.deliver(ctx, tenant, e)
		}}, nil)
		ana, bo := h.hire("ana"), h.hire("bo")
		h.leave(ana)
		pass(10 * time.Minute)
		goes.Store(false)
		team.is.Store(false)
		pass(20 * time.Second) // its own lease may still be there
		require.Empty(t, h.effects())
		require.Len(t, mail.tries, 1)
		h.leave(bo)
		synctest.Wait()
		require.Empty(t, h.effects())
	})
}

// R23: a push is no reason to ask a provider again that refuses to answer.
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

// S41: a process that is long at a delivery keeps its lease, and one that died
// loses it after ten seconds, whatever the clocks of the processes say.
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
			if skew <= 0 { // to one that is hours ahead, it is of a process of long ago
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
			team.is.Store(true) // to the process that is at it, so that it gives nothing back
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
