package syncer_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// S41: a delivery that panics, that never returns, or that returns the error of a
// context is tried again, and delays no other effect. A call that was given up and
// succeeds later is a delivery. Close does not wait for it.
func TestADeliveryThatMisbehaves(t *testing.T) {
	for _, how := range []string{"panic", "hang", "context"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mail, goOn := newMailer(), make(chan struct{})
				var bad atomic.Value // the ID of a member
				bad.Store("")
				h := newHost(t, acme, sources.KindOkta, syncer.Config{Deliver: func(ctx context.Context, tenant string, e provisioning.Effect) error {
					if e.About != bad.Load() {
						return mail.deliver(ctx, tenant, e)
					}
					_ = mail.deliver(ctx, tenant, e)
					switch how {
					case "panic":
						panic("nil map")
					case "hang":
						<-goOn
						return nil
					}
					return context.Canceled
				}}, nil)
				ana, bo := h.hire("ana"), h.hire("bo")
				anaID := h.members()["ana@acme.com"].ID
				bad.Store(anaID)
				h.leave(ana)
				h.leave(bo)
				pass(2 * time.Minute)
				require.Len(t, mail.tries, 2)
				require.Len(t, h.effects(), 1)
				require.Equal(t, syncer.CodeUndelivered, h.health().Problems[0].Code)
				pass(2 * time.Hour)
				if how == "hang" {
					require.Len(t, mail.tries[anaID], 1, "not again before it has returned")
					close(goOn)
					synctest.Wait()
				} else {
					require.Greater(t, len(mail.tries[anaID]), 3)
					bad.Store("")
					pass(2 * time.Hour)
				}
				require.Empty(t, h.effects())
				require.Len(t, mail.keys[anaID], 1)
			})
		})
	}
}

// A process can end while a delivery hangs. The next one delivers the effect.
func TestCloseWhileADeliveryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Deliver: func(context.Context, string, provisioning.Effect) error {
			<-goOn
			return errors.New("too late")
		}}, nil)
		h.leave(h.hire("ana"))
		synctest.Wait()
		began := time.Now()
		h.sync.Close()
		require.Less(t, time.Since(began), time.Minute)
		require.Len(t, h.effects(), 1)
		mail := newMailer()
		h.sync = h.replica(syncer.Config{Deliver: mail.deliver})
		for len(h.effects()) > 0 {
			time.Sleep(time.Until(h.deliver(h.sync)))
			require.Less(t, time.Since(began), 2*time.Minute)
		}
		require.Len(t, mail.tries, 1)
		close(goOn)
	})
}

// An Observe that panics stops neither a round nor the process, also while the round
// reads a provider and others have its turn.
func TestAnObserverThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{Observe: func(context.Context, syncer.Event) { panic("closed channel") }}, "ana")
		defer serve(t, c.sync)()
		pass(10 * time.Minute)
		require.Len(t, c.members(), 1)
		_, err := c.sync.Run(t.Context(), pulled)
		require.NoError(t, err)
		require.Equal(t, syncer.StatusOK, c.health().Status)
	})
}

// panics is a source whose listing panics.
type panics struct{ *api }

func (panics) Users(context.Context) iter.Seq2[sources.User, error] {
	return func(func(sources.User, error) bool) { panic("index out of range") }
}

// A tenant whose Setup or source panics fails and backs off like one whose provider
// fails. It does not stop the process, and the next round works.
func TestATenantThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana")
		good := c.setup
		c.change(func(s *syncer.Setup) { s.Source = panics{c.api} })
		defer serve(t, c.sync)()
		pass(10 * time.Minute)
		require.Equal(t, syncer.StatusFailed, c.health().Status)
		require.Equal(t, syncer.CodeFailed, c.health().Problems[0].Code)
		tries := len(c.told(syncer.BackedOff))
		require.Greater(t, tries, 3)
		require.Less(t, tries, 15)
		c.change(func(s *syncer.Setup) { *s = good })
		pass(20 * time.Minute)
		require.Equal(t, syncer.StatusOK, c.health().Status)
		require.Len(t, c.members(), 1)
	})
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		h.hire("ana")
		working := h.sync
		s, err := syncer.New(syncer.Config{Store: h.team, Setup: func(context.Context, syncer.Target) (syncer.Setup, error) {
			panic("assignment to entry in nil map")
		}, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		defer s.Close()
		h.sync = s
		h.hire("bo") // the provider has its answer
		require.Len(t, h.members(), 1)
		h.sync = working
		require.NoError(t, h.sync.Push(t.Context(), acme))
		require.Len(t, h.members(), 2)
	})
}
