package syncer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// mailer is a host's delivery function. It fails while a test tells it to.
type mailer struct {
	mu    sync.Mutex
	fails map[string]bool // keyed by the member of the effect
	tries map[string][]time.Time
	keys  map[string]map[string]bool
}

func newMailer() *mailer {
	return &mailer{fails: make(map[string]bool), tries: make(map[string][]time.Time), keys: make(map[string]map[string]bool)}
}

func (m *mailer) deliver(_ context.Context, _ string, e provisioning.Effect) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries[e.About] = append(m.tries[e.About], time.Now())
	if m.keys[e.About] == nil {
		m.keys[e.About] = make(map[string]bool)
	}
	m.keys[e.About][e.Key] = true
	if m.fails[e.About] {
		return errors.New("the mail server is down")
	}
	return nil
}

// told returns the number of members with at least one delivery attempt.
func (m *mailer) told() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.tries)
}

// S27, S41: an effect is delivered at once. A failed effect is tried again with
// the same key, after delays that grow up to one hour, and delays no other
// effect. The health has its age and the advice.
func TestEffectsAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mail := newMailer()
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Deliver: mail.deliver}, nil)
		h.change(func(s *syncer.Setup) { s.Silence = -1 })
		ana, bo := h.hire("ana"), h.hire("bo")
		anaID, boID := h.members()["ana@acme.com"].ID, h.members()["bo@acme.com"].ID
		mail.fails[anaID] = true
		h.leave(ana)
		h.leave(bo)
		synctest.Wait()
		require.Len(t, mail.tries[boID], 1, "one that fails keeps no other waiting")
		require.Len(t, h.effects(), 1)
		began := time.Now()
		pass(24 * time.Hour)
		tries := mail.tries[anaID]
		require.Less(t, len(tries), 70)
		require.Greater(t, len(tries), 24)
		require.Len(t, mail.keys[anaID], 1, "the same key each time")
		health := h.health()
		require.Equal(t, syncer.CodeUndelivered, health.Problems[0].Code)
		require.WithinDuration(t, began, health.Undelivered.Since, time.Second)
		require.Equal(t, len(tries), health.Undelivered.Tries)

		mail.mu.Lock()
		mail.fails[anaID] = false
		mail.mu.Unlock()
		pass(2 * time.Hour)
		require.Empty(t, h.effects())
		require.Equal(t, syncer.StatusOK, h.health().Status)
	})
}

// S41: if no process delivers, the health has the number of waiting effects and
// the time since they wait, although none was tried.
func TestEffectsThatNobodyDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		h.hire("stays")
		require.Zero(t, h.health().Effects)
		var left time.Time
		for _, name := range []string{"ana", "bo", "cy"} {
			id := h.hire(name)
			pass(time.Minute)
			if left.IsZero() {
				left = time.Now()
			}
			h.leave(id)
		}
		health := h.health()
		require.Equal(t, 3, health.Effects)
		require.WithinDuration(t, left, health.EffectsSince, 0)
		require.Nil(t, health.Undelivered)
		worker := h.replica(syncer.Config{Deliver: newMailer().deliver})
		require.Zero(t, h.deliver(worker))
		require.Zero(t, h.health().Effects)
		require.Equal(t, syncer.StatusOK, h.health().Status)
	})
}

// S27: of two processes, one delivers at a time. If it dies, the next process
// delivers its effects after the end of its lease.
func TestOneProcessDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mail := newMailer()
		cfg := syncer.Config{Deliver: func(ctx context.Context, tenant string, e provisioning.Effect) error {
			time.Sleep(10 * time.Second)
			return mail.deliver(ctx, tenant, e)
		}}
		h := newHost(t, acme, sources.KindOkta, cfg, nil)
		second := h.replica(cfg)
		for _, name := range []string{"ana", "bo", "cy"} {
			h.leave(h.hire(name))
		}
		h.deliver(second)
		pass(time.Minute)
		for about, tries := range mail.tries {
			require.Len(t, tries, 1, about)
		}
		require.Len(t, mail.tries, 3)

		hangs := make(chan struct{})
		dying := h.replica(syncer.Config{Deliver: func(ctx context.Context, _ string, _ provisioning.Effect) error {
			close(hangs)
			<-ctx.Done()
			return ctx.Err()
		}})
		h.sync.Close()
		h.sync = dying
		h.leave(h.hire("di"))
		<-hangs
		dying.Close() // during a delivery
		h.sync = second
		h.deliver(second)
		pass(5 * time.Minute)
		h.deliver(second)
		synctest.Wait()
		require.Empty(t, h.effects())
		require.Len(t, mail.tries, 4)
	})
}

// forgetful is a team in which one change of a tenant's delivery lease fails:
// the change is stored or not, and the caller does not learn which.
type forgetful struct {
	*provisioning.Memory
	mu      sync.Mutex
	removes bool // the end of the lease fails, not its beginning
	stored  bool
	failed  bool
}

func (f *forgetful) SetState(ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
	f.mu.Lock()
	fails := !f.failed && name == "lease/effects" && f.removes == (document == nil)
	f.failed = f.failed || fails
	f.mu.Unlock()
	if !fails {
		return f.Memory.SetState(ctx, tenant, name, revision, document)
	}
	if f.stored {
		if _, err := f.Memory.SetState(ctx, tenant, name, revision, document); err != nil {
			return "", err
		}
	}
	return "", errors.New("the connection is lost")
}

// S41: if a store fails at the beginning or at the end of a tenant's
// deliveries, the effects of the tenant do not wait for the end of a lease.
func TestDeliveriesOfALostConnection(t *testing.T) {
	for _, team := range []*forgetful{{}, {stored: true}, {removes: true}, {removes: true, stored: true}} {
		synctest.Test(t, func(t *testing.T) {
			team.Memory = new(provisioning.Memory)
			mail := newMailer()
			h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team, Deliver: mail.deliver}, nil)
			ana, bo := h.hire("ana"), h.hire("bo")
			h.leave(ana)
			pass(5 * time.Second)
			require.True(t, team.failed)
			h.leave(bo)
			pass(5 * time.Second)
			require.Empty(t, h.effects(), "removes %t, stored %t", team.removes, team.stored)
		})
	}
}
