package syncer_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// settled returns a host with n people who joined before any window, and their
// IDs. It must be called in a bubble.
func settled(t *testing.T, n int, cfg syncer.Config) (*host, []string) {
	h := newHost(t, acme, sources.KindOkta, cfg, nil)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = h.hire(fmt.Sprintf("p%03d", i))
	}
	require.Equal(t, n, h.active())
	pass(3 * time.Hour)
	_, err := h.sync.Run(t.Context(), acme)
	require.NoError(t, err)
	return h, ids
}

// S39: a hundred people are deactivated one by one, 30 ms apart. They are held
// at the limit, also if another process takes over after each push. What waits
// is in the next plan, in the health and in the events. An approval releases
// it, and does not block the next leaver.
func TestWhatDripsIsHeldAtTheLimit(t *testing.T) {
	for _, test := range []struct {
		name     string
		replicas int // processes that take turns
		restart  bool
	}{{"one process", 1, false}, {"two processes", 2, false}, {"a restart before each", 1, true}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, ids := settled(t, 100, syncer.Config{})
				replicas := []*syncer.Syncer{h.sync}
				for range test.replicas - 1 {
					replicas = append(replicas, h.replica(syncer.Config{}))
				}
				for i, id := range ids {
					if test.restart {
						h.sync.Close()
						h.sync = h.replica(syncer.Config{})
					} else {
						h.sync = replicas[i%len(replicas)]
					}
					h.leave(id)
					pass(30 * time.Millisecond)
				}
				require.Equal(t, 80, h.active(), "a fifth of a hundred people may go")
				health := h.health()
				require.Equal(t, syncer.StatusHeld, health.Status)
				require.Len(t, health.Waiting, 80)
				require.Equal(t, []provisioning.Class{provisioning.ClassDeactivate}, health.Waiting[0].Classes)
				require.Len(t, health.Tripped, 1)
				require.Equal(t, "breaker.deactivate", health.Problems[0].Code)
				require.NotEmpty(t, health.Problems[0].Advice)
				require.Len(t, h.told(syncer.ClassTripped), 1)
				require.Len(t, h.told(syncer.PersonHeld), 80)

				plan, err := h.sync.Plan(t.Context(), acme)
				require.NoError(t, err)
				require.Len(t, plan.Held, 80)
				require.Equal(t, 80, h.active(), "a plan does nothing")
				approval := plan.Approve(provisioning.ClassDeactivate)
				report, err := h.sync.Apply(t.Context(), acme, plan, approval)
				require.NoError(t, err)
				require.Equal(t, 80, report.Outcome.Done)
				require.Zero(t, h.active())
				require.Equal(t, syncer.StatusOK, h.health().Status, "%+v", h.health())
				require.Len(t, h.told(syncer.ClassReleased), 1)
				_, err = h.sync.Apply(t.Context(), acme, plan, approval)
				require.ErrorIs(t, err, syncer.ErrApprovalUsed, "S15")
				require.Equal(t, syncer.StatusOK, h.health().Status, "that is no failure of the connection")

				h.leave(h.hire("late"))
				require.Zero(t, h.active(), "an approved leave does not block the next leaver")
			})
		})
	}
}

// S39: the same in real time, on databases, with two processes in parallel.
func TestWhatDripsIsHeldInADatabase(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			const people = 40
			open := w.make(t)
			directory, team := open()
			cfg := syncer.Config{Store: team, PushWait: time.Minute}
			h := newHost(t, acme, sources.KindOkta, cfg, directory)
			_, again := open()
			replicas := []*syncer.Syncer{h.sync, h.replica(syncer.Config{Store: again, PushWait: time.Minute})}
			ids := make([]string, people)
			for i := range ids {
				h.sync = replicas[i%2]
				ids[i] = h.hire(fmt.Sprintf("p%02d", i))
			}
			for i, id := range ids {
				h.sync = replicas[i%2]
				h.leave(id)
				time.Sleep(10 * time.Millisecond)
			}
			require.Equal(t, people-10, h.active(), "nobody was there before the window, so the count alone decides (S14)")
			require.Len(t, h.health().Waiting, people-10)
			plan, err := h.sync.Plan(t.Context(), acme)
			require.NoError(t, err)
			_, err = replicas[0].Apply(t.Context(), acme, plan, plan.Approve(provisioning.ClassDeactivate))
			require.NoError(t, err)
			require.Zero(t, h.active())
			require.Equal(t, syncer.StatusOK, h.health().Status)
			h.leave(h.hire("late"))
			require.Zero(t, h.active())
		})
	}
}

// S39: a class stays tripped after the end of the window, until a whole run is
// within the limit.
func TestATrippedClassStaysTripped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 100, syncer.Config{})
		h.change(func(s *syncer.Setup) { s.Interval = 24 * time.Hour })
		for _, id := range ids[:22] {
			h.leave(id)
		}
		require.Equal(t, 80, h.active())
		pass(2 * time.Hour)
		h.leave(ids[22])
		require.Equal(t, 80, h.active(), "within the limit, and the class is tripped")
		h.patch("/Users/"+ids[50], `{"op":"replace","value":{"title":"Lead"}}`, http.StatusOK)
		require.Equal(t, "Lead", h.members()["p050@acme.com"].Title, "other classes go on (S15)")
		require.Len(t, h.health().Waiting, 3)
		report, err := h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, 3, report.Outcome.Done, "%s", report.Plan)
		require.Equal(t, syncer.StatusOK, h.health().Status)
		h.leave(ids[23])
		require.Equal(t, 76, h.active())
	})
}

// S39: an action that waits and that another push makes unnecessary no longer
// waits.
func TestWhoWaitsMayComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 100, syncer.Config{})
		for _, id := range ids[:21] {
			h.leave(id)
		}
		require.Len(t, h.health().Waiting, 1)
		h.patch("/Users/"+ids[20], `{"op":"replace","value":{"active":true}}`, http.StatusOK)
		require.Empty(t, h.health().Waiting)
		require.Equal(t, 80, h.active())
	})
}

// S15: a person may wait for the same again after an approval: every leave needs one,
// and the person comes back in between. The hash of what waits is the same. The old
// approval is not accepted, also not with the old plan, and a new one is.
func TestTheSameWaitsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 3, syncer.Config{})
		none := 0
		h.change(func(s *syncer.Setup) { s.Rules.Breakers.Deactivate = &provisioning.Limit{Count: &none} })
		ana := func() bool { return h.members()["p000@acme.com"].Active }
		var plans []*provisioning.Plan
		for range 3 {
			h.leave(ids[0])
			require.True(t, ana(), "it waits")
			for _, old := range plans { // shown before: superseded, or with other revisions
				_, err := h.sync.Apply(t.Context(), acme, old, old.Approve(provisioning.ClassDeactivate))
				require.ErrorIs(t, err, syncer.ErrApprovalUsed)
			}
			plan, err := h.sync.Plan(t.Context(), acme)
			require.NoError(t, err)
			approval := plan.Approve(provisioning.ClassDeactivate)
			for _, old := range plans {
				require.Equal(t, old.Approve(provisioning.ClassDeactivate), approval)
				_, err := h.sync.Apply(t.Context(), acme, old, approval)
				require.ErrorIs(t, err, syncer.ErrApprovalUsed)
			}
			require.True(t, ana())
			_, err = h.sync.Apply(t.Context(), acme, plan, approval)
			require.NoError(t, err)
			require.False(t, ana())
			_, err = h.sync.Apply(t.Context(), acme, plan, approval)
			require.ErrorIs(t, err, syncer.ErrApprovalUsed)
			plans = append(plans, plan)
			h.patch("/Users/"+ids[0], `{"op":"replace","value":{"active":true}}`, http.StatusOK)
			require.True(t, ana())
		}
	})
}

// S15, S28: an approval covers several people. A push that changes one of them
// makes only that action stale. A newer run with the same people waiting does
// not void the approval. One more leaver voids it.
func TestApprovalsMeetOtherChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 100, syncer.Config{})
		for _, id := range ids[:40] {
			h.leave(id)
		}
		plan, err := h.sync.Plan(t.Context(), acme)
		require.NoError(t, err)
		h.patch("/Users/"+ids[30], `{"op":"replace","value":{"active":true,"title":"Back"}}`, http.StatusOK)
		require.Equal(t, "Back", h.members()["p030@acme.com"].Title)
		report, err := h.sync.Apply(t.Context(), acme, plan, plan.Approve(provisioning.ClassDeactivate))
		require.NoError(t, err)
		require.Equal(t, 19, report.Outcome.Done)
		require.Equal(t, 1, report.Outcome.Refused)
		require.True(t, h.members()["p030@acme.com"].Active)
		pass(2 * time.Second)
		require.Empty(t, h.health().Waiting, "who was refused has been decided anew")

		pass(2 * time.Hour)
		for _, id := range ids[40:70] {
			h.leave(id)
		}
		shown, err := h.sync.Plan(t.Context(), acme)
		require.NoError(t, err)
		h.hire("somebody")
		_, err = h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		_, err = h.sync.Apply(t.Context(), acme, shown)
		require.ErrorIs(t, err, provisioning.ErrSuperseded)
		waiting := len(h.health().Waiting)
		report, err = h.sync.Apply(t.Context(), acme, shown, shown.Approve(provisioning.ClassDeactivate))
		require.NoError(t, err, "the same people wait in the newer plan")
		require.Equal(t, waiting, report.Outcome.Done)

		pass(2 * time.Hour)
		for _, id := range ids[70:90] {
			h.leave(id)
		}
		shown, err = h.sync.Plan(t.Context(), acme)
		require.NoError(t, err)
		h.leave(ids[90])
		_, err = h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		before := h.active()
		_, err = h.sync.Apply(t.Context(), acme, shown, shown.Approve(provisioning.ClassDeactivate))
		require.ErrorIs(t, err, provisioning.ErrPlanChanged, "one more waits (S15)")
		require.ErrorContains(t, err, "besides wait: "+h.members()["p090@acme.com"].ID+"; no more: nobody; with something else: nobody")
		require.Equal(t, before, h.active())
		require.Equal(t, syncer.StatusHeld, h.health().Status)
	})
}
