package syncer_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// A rollout is a host of which some processes have other rules than the others.
type rollout struct {
	*host
	runs atomic.Int64 // whole runs since ran was called
}

func (r *rollout) ran() int64 { return r.runs.Swap(0) }

// process starts a process whose rules give everybody a seat.
func (r *rollout) process(seat string) *syncer.Syncer {
	s, err := syncer.New(syncer.Config{
		Store: r.team, Logger: slog.New(slog.DiscardHandler),
		Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{r.target}, nil },
		Setup: func(context.Context, syncer.Target) (syncer.Setup, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			setup := r.setup
			giving(seat)(&setup)
			return setup, nil
		},
		Observe: func(_ context.Context, e syncer.Event) {
			if e.Kind == syncer.Read && e.Op == "list users" {
				r.runs.Add(1)
			}
		},
	})
	require.NoError(r.t, err)
	r.t.Cleanup(s.Close)
	return s
}

// giving returns a change of settings by which everybody has a seat.
func giving(seat string) func(*syncer.Setup) {
	return func(s *syncer.Setup) {
		s.Rules.Default = &assignment.Assignment{ID: "all", Mode: assignment.Automatic, Settings: assignment.Settings{Seats: []string{seat}}}
	}
}

func (r *rollout) seatsOf(name string) []string { return r.members()[name+"@acme.com"].Seats }

// R29: new rules are in force at once, and stay in force while another process still
// has the old ones. Pushes that reach the process with the old rules are decided by
// the new ones, within a Poll.
func TestProcessesWithDifferentRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rollout{host: newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)}
		r.sync.Close()
		before := r.process("old")
		defer serve(t, before)()
		r.sync = before
		ana := r.hire("ana")
		pass(90 * time.Minute)
		require.Equal(t, []string{"old"}, r.seatsOf("ana"))

		after := r.process("new")
		stop := serve(t, after)
		r.ran()
		pass(time.Minute + 2*time.Second)
		require.Equal(t, []string{"new"}, r.seatsOf("ana"))
		require.EqualValues(t, 1, r.ran())
		pass(10 * time.Hour)
		require.LessOrEqual(t, r.ran(), int64(12), "a run in an interval")
		require.Equal(t, []string{"new"}, r.seatsOf("ana"))

		began := time.Now()
		r.patch("/Users/"+ana, `{"op":"replace","value":{"title":"Lead"}}`, http.StatusOK)
		r.hire("bo")
		require.Zero(t, time.Since(began), "the provider gets its answer")
		require.ErrorIs(t, before.Push(t.Context(), acme), syncer.ErrPending)
		pass(time.Minute + 2*time.Second)
		require.Equal(t, "Lead", r.members()["ana@acme.com"].Title)
		require.Equal(t, []string{"new"}, r.seatsOf("bo"))
		require.Equal(t, syncer.StatusOK, r.health().Status)

		// An admin runs it in the process with the old rules.
		_, err := before.Run(t.Context(), acme)
		require.NoError(t, err)
		pass(2*time.Minute + 2*time.Second)
		require.Equal(t, []string{"new"}, r.seatsOf("ana"))

		// The rollout is undone: the processes with the new rules end.
		stop()
		after.Close()
		r.hire("cy")
		pass(4 * time.Minute)
		require.Equal(t, []string{"old"}, r.seatsOf("cy"), "a push waits for nobody who is gone")
		require.Equal(t, []string{"old"}, r.seatsOf("ana"))
	})
}

// R29: rules that are changed back, or with which a process starts, are in force at
// once, also if they were before.
func TestRulesAreChangedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rollout{host: newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)}
		r.sync.Close()
		r.sync = r.process("a")
		r.hire("ana")
		for _, seat := range []string{"b", "a", "b"} {
			r.sync.Close()
			r.sync = r.process(seat)
			for range 2 {
				require.NoError(t, r.sync.Push(t.Context(), acme))
				require.Equal(t, []string{seat}, r.seatsOf("ana"))
			}
		}
		r.sync.Close()
		h := r.host
		h.sync = h.replica(syncer.Config{})
		for _, seat := range []string{"a", "b", "a"} {
			h.change(giving(seat))
			for range 2 {
				require.NoError(t, h.sync.Push(t.Context(), acme))
				require.Equal(t, []string{seat}, r.seatsOf("ana"))
			}
		}
	})
}

// R23, R29: the same where the provider is read: it is read once in an interval.
func TestProcessesWithDifferentRulesThatRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana")
		c.sync.Close()
		r := &rollout{host: c.host}
		defer serve(t, r.process("old"))()
		pass(90 * time.Minute)
		require.Equal(t, []string{"old"}, r.seatsOf("ana"))
		defer serve(t, r.process("new"))()
		pass(time.Minute + 2*time.Second)
		require.Equal(t, []string{"new"}, r.seatsOf("ana"))
		reads := c.api.count()
		pass(10 * time.Hour)
		require.LessOrEqual(t, c.api.count()-reads, 12)
		require.Equal(t, []string{"new"}, r.seatsOf("ana"))
	})
}
