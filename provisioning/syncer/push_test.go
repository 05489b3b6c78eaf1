package syncer_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// S38: a push waits for its decision for at most two seconds if another writer
// has the lock of the tenant. After that it returns, and its change is not
// lost.
func TestAPushWaitsABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		h.hire("ana")
		unlock, err := h.team.Lock(t.Context(), acme.Tenant)
		require.NoError(t, err)
		began := time.Now()
		h.hire("bo")
		require.Equal(t, 2*time.Second, time.Since(began))
		require.ErrorIs(t, h.sync.Push(t.Context(), acme), syncer.ErrPending)
		require.Len(t, h.members(), 1)
		unlock()
		synctest.Wait()
		require.Len(t, h.members(), 2)
	})
}

// S38: one round decides all pushes that arrive during another round.
func TestABurstBecomesFewRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		h.hire("ana")
		unlock, err := h.team.Lock(t.Context(), acme.Tenant)
		require.NoError(t, err)
		before := len(h.told(syncer.RunEnded))
		var wait sync.WaitGroup
		for i := range 300 {
			wait.Go(func() { h.hire(fmt.Sprintf("p%03d", i)) })
		}
		pass(time.Second)
		unlock()
		wait.Wait()
		synctest.Wait()
		require.Len(t, h.members(), 301)
		require.LessOrEqual(t, len(h.told(syncer.RunEnded))-before, 2)
	})
}

// L6, S20, S38: a large batch, a limited pool with waiters, and an expired
// cursor require a whole run.
func TestWhatAPartCannotDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales","members":[]}`, http.StatusCreated)
		h.change(func(s *syncer.Setup) {
			s.Rules = rules(sources.KindOkta, group)
			s.Rules.Seats.Pools = map[string]int{"core": 1}
		})
		ana, bo := h.hire("ana"), h.hire("bo")
		for _, id := range []string{ana, bo} {
			h.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`, http.StatusNoContent)
		}
		require.Equal(t, []string{"core"}, h.members()["ana@acme.com"].Seats)
		require.Empty(t, h.members()["bo@acme.com"].Seats)
		h.wholeRuns()
		h.leave(ana)
		require.Equal(t, 1, h.wholeRuns(), "who waits for the seat is not known by key")
		require.Equal(t, []string{"core"}, h.members()["bo@acme.com"].Seats)

		require.NoError(t, h.sync.Pause(t.Context(), acme, "a large batch"))
		for i := range 501 {
			h.hire(fmt.Sprintf("p%03d", i))
		}
		require.NoError(t, h.sync.Resume(t.Context(), acme))
		synctest.Wait()
		require.Equal(t, 503, len(h.members()))
		require.Equal(t, 1, h.wholeRuns())

		document, revision, err := h.team.State(t.Context(), acme.Tenant, "connection/okta")
		require.NoError(t, err)
		at := bytes.Index(document, []byte(`"cursor":"seq:`))
		document = bytes.Replace(document, document[at:at+14], []byte(`"cursor":"seq:9`), 1) // a cursor that was never issued
		_, err = h.team.SetState(t.Context(), acme.Tenant, "connection/okta", revision, document)
		require.NoError(t, err)
		h.hire("cy")
		require.Contains(t, h.members(), "cy@acme.com")
		require.Equal(t, 1, h.wholeRuns())
		h.hire("di")
		require.Zero(t, h.wholeRuns())
	})
}

// S39: applying an older plan settles only the people whom it names. People who
// started to wait later continue to wait, and the class stays tripped.
func TestAnOlderPlanReleasesNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 100, syncer.Config{})
		shown, err := h.sync.Plan(t.Context(), acme)
		require.NoError(t, err)
		for _, id := range ids[:21] {
			h.leave(id)
		}
		require.Len(t, h.health().Waiting, 1)
		_, err = h.sync.Apply(t.Context(), acme, shown)
		require.NoError(t, err)
		require.Len(t, h.health().Waiting, 1)
		require.Len(t, h.health().Tripped, 1)
		pass(30 * time.Minute)
		h.leave(ids[21])
		require.Equal(t, 80, h.active())
	})
}

// A22: an admin can view the claims of a migration before the cut-over, also if
// they are too few for a breaker. The new connection is paused meanwhile, and
// the plan that was shown is applied unchanged.
func TestFewClaimsAreShownBeforeTheCutOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		var team []provisioning.Member
		for i := range 5 {
			email := fmt.Sprintf("p%d@acme.com", i)
			team = append(team, h.team.(*provisioning.Memory).Put(acme.Tenant, provisioning.Member{
				ID: fmt.Sprint("m", i), Connection: "old", ExternalID: fmt.Sprint("o", i), Managed: true, Active: true, Email: email, GivenName: fmt.Sprint("P", i), FamilyName: "Young",
			}))
		}
		h.change(func(s *syncer.Setup) { s.Rules.MigrateFrom = "old" })
		require.NoError(t, h.sync.Pause(t.Context(), acme, "until the plan was looked at"))
		for i := range team {
			h.hire(fmt.Sprint("p", i))
		}
		pass(time.Hour)
		require.Equal(t, "old", h.members()["p0@acme.com"].Connection)
		plan, err := h.sync.Plan(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, len(team), plan.Count(provisioning.KindClaim), "%s", plan)
		require.Equal(t, "old", h.members()["p0@acme.com"].Connection)
		report, err := h.sync.Apply(t.Context(), acme, plan)
		require.NoError(t, err)
		require.Equal(t, len(team), report.Outcome.Done)
		require.NoError(t, h.sync.Resume(t.Context(), acme))
		synctest.Wait()
		require.Equal(t, "okta", h.members()["p0@acme.com"].Connection)
		require.Equal(t, syncer.StatusOK, h.health().Status)
	})
}

// The log has IDs of the tenant, the connection, the run and the plan, with
// codes and durations. It has no addresses and no names.
func TestTheLogHasIDsAlone(t *testing.T) {
	var log bytes.Buffer
	h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
	logged, err := syncer.New(syncer.Config{
		Store: h.team, Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Setup: func(context.Context, syncer.Target) (syncer.Setup, error) { return h.setup, nil },
	})
	require.NoError(t, err)
	h.sync = logged
	limit := 0
	h.change(func(s *syncer.Setup) { s.Rules.Breakers.Deactivate = &provisioning.Limit{Count: &limit} })
	ana := h.hire("ana")
	h.patch("/Users/"+ana, `{"op":"replace","value":{"title":"Lead"}}`, http.StatusOK)
	h.leave(ana)
	logged.Close()
	for _, want := range []string{`"tenant":"acme"`, `"connection":"okta"`, `"run":"`, `"plan":"`, `"code":"source.value"`, `"code":"breaker.deactivate"`, `"class":"deactivate"`, `"duration":`, `"external_id":"` + ana} {
		require.Contains(t, log.String(), want)
	}
	for _, personal := range []string{"acme.com", "Ana", "Young", "Lead"} {
		require.NotContains(t, log.String(), personal)
	}
}
