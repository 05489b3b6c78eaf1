package syncer_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// R145 to R147, A22, R140: a migration between two instances of one provider.
// The new instance claims the people of the old one, and the old one cannot
// take them back. The old one can be retired when it has no people left, or
// with an approval for those whom it still has. After that it decides nothing.
// It returns after a new authentication.
func TestMigrateAndRetire(t *testing.T) {
	ctx := provisioning.WithActor(context.Background(), "admin")
	directory, team := new(scim.Memory), new(provisioning.Memory)
	before, after := syncer.Target{Tenant: "acme", Connection: "okta-v2"}, syncer.Target{Tenant: "acme", Connection: "okta-v3"}
	sync, err := syncer.New(syncer.Config{
		Store: team, Logger: slog.New(slog.DiscardHandler),
		Setup: func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
			cfg := rules("okta")
			if cfg.Connection = target.Connection; target == after {
				cfg.MigrateFrom = before.Connection
			}
			return syncer.Setup{Rules: cfg, Pushed: true, Source: scim.AsSource(directory, target.Tenant, target.Connection, scim.SourceConfig{Kind: "okta"})}, nil
		},
	})
	require.NoError(t, err)
	t.Cleanup(sync.Close)
	push := func(target syncer.Target, method, path, body string) string {
		t.Helper()
		handler, err := scim.NewHandler(scim.Config{
			Store: directory, Logger: slog.New(slog.DiscardHandler),
			Authenticate: func(*http.Request) (scim.Principal, error) {
				return scim.Principal{Tenant: target.Tenant, Connection: target.Connection, Kind: "okta"}, nil
			},
		})
		require.NoError(t, err)
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/scim+json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Less(t, w.Code, 300, "%s", w.Body)
		_, id, _ := strings.Cut(w.Body.String(), `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		return id
	}
	hire := func(target syncer.Target, name string) string {
		return push(target, http.MethodPost, "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"%[1]s@acme.com","active":true,
			"name":{"givenName":%[1]q,"familyName":"Li"},"emails":[{"type":"work","value":"%[1]s@acme.com"}]}`, name))
	}
	members := func() map[string]provisioning.Member {
		t.Helper()
		found := make(map[string]provisioning.Member)
		for m, err := range team.Members(ctx, "acme") {
			require.NoError(t, err)
			name, _, _ := strings.Cut(m.Email, "@")
			found[name] = m
		}
		return found
	}
	round := func(target syncer.Target) {
		t.Helper()
		_, err := sync.Run(ctx, target)
		require.NoError(t, err)
	}

	old := hire(before, "ana")
	hire(before, "bo")
	round(before)
	hire(after, "ana")
	plan, err := sync.Plan(ctx, after)
	require.NoError(t, err)
	require.Equal(t, 1, plan.Count(provisioning.KindClaim), "the plan is shown before the cut-over\n%s", plan)
	require.Contains(t, plan.String(), provisioning.CodeUnclaimed)
	require.Equal(t, before.Connection, members()["ana"].Connection)
	round(after)
	require.Equal(t, after.Connection, members()["ana"].Connection)

	push(before, http.MethodPatch, "/Users/"+old, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`)
	require.NoError(t, sync.Push(ctx, before))
	require.True(t, members()["ana"].Active, "the old instance takes nothing from whom the new one has")

	report, err := sync.Retire(ctx, before)
	require.ErrorIs(t, err, syncer.ErrInUse)
	require.Len(t, report.Plan.Held, 1)
	require.Equal(t, "bo@acme.com", report.Plan.Held[0].Action.Member.Email, "it says who would lose access")
	require.True(t, members()["bo"].Active)
	_, err = sync.Retire(ctx, before, provisioning.Approval{Class: provisioning.ClassDeactivate, Hash: "other"})
	require.ErrorIs(t, err, provisioning.ErrPlanChanged, "an approval of something else")
	require.True(t, members()["bo"].Active)
	health, err := sync.Health(ctx, before)
	require.NoError(t, err)
	require.Nil(t, health.Retired)

	_, err = sync.Retire(ctx, before, report.Plan.Approve(provisioning.ClassDeactivate))
	require.NoError(t, err)
	require.False(t, members()["bo"].Active)
	require.True(t, members()["ana"].Active)
	health, err = sync.Health(ctx, before)
	require.NoError(t, err)
	require.Equal(t, "admin", health.Retired.Actor)
	require.Equal(t, syncer.Status("ok"), health.Status)
	_, err = sync.Retire(ctx, before)
	require.NoError(t, err, "again is no error")

	hire(before, "cy")
	require.ErrorIs(t, sync.Push(ctx, before), syncer.ErrRetired)
	_, err = sync.Run(ctx, before)
	require.ErrorIs(t, err, syncer.ErrRetired)
	require.NotContains(t, members(), "cy")

	require.NoError(t, sync.Reinstate(ctx, before))
	require.NoError(t, sync.Push(ctx, before))
	require.Contains(t, members(), "cy", "R140")
	require.True(t, members()["bo"].Active, "who is active there comes back")

	_, err = sync.Retire(ctx, syncer.Target{Tenant: "acme", Connection: "never used"})
	require.NoError(t, err, "nobody has access through it")
}

// L7, R146: a process that dies during Retire leaves the connection in use with all
// its people, or retired without them. Nobody loses access and gets it back.
func TestAProcessDiesDuringRetire(t *testing.T) {
	for _, done := range []bool{false, true} {
		dies := 1
		for diesDuringRetire(t, dies, done) {
			dies++
		}
		require.Greater(t, dies, 5)
	}
}

// diesDuringRetire retires a connection, and reports whether Retire came to that call
// of the store, at which the process dies.
func diesDuringRetire(t *testing.T, dies int, done bool) (died bool) {
	synctest.Test(t, func(t *testing.T) {
		team := &mortal{Memory: new(provisioning.Memory), done: done}
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team}, nil)
		for _, name := range []string{"ana", "bo", "cy"} {
			h.hire(name)
		}
		report, err := h.sync.Retire(t.Context(), acme)
		require.ErrorIs(t, err, syncer.ErrInUse)
		team.mu.Lock()
		team.dies = team.calls + dies
		team.mu.Unlock()
		_, _ = h.sync.Retire(t.Context(), acme, report.Plan.Approve(provisioning.ClassDeactivate))
		h.sync.Close()
		died = team.revive()
		team.mu.Lock()
		team.dies = 0
		team.mu.Unlock()
		h.sync = h.replica(syncer.Config{Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{acme}, nil }})
		defer serve(t, h.sync)()
		pass(2 * time.Hour) // a whole run
		if h.health().Retired == nil {
			require.Equal(t, 3, h.active(), "call %d, done: %t", dies, done)
		} else {
			require.Zero(t, h.active(), "call %d, done: %t", dies, done)
		}
		times := make(map[string]int)
		for r := range team.Audit(t.Context(), "acme") {
			times[r.MemberID]++
		}
		for id, n := range times {
			require.LessOrEqual(t, n, 2, "%s: created, and deactivated if retired", id)
		}
	})
	return died
}
