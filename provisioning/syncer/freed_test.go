package syncer_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// two has the two connections of a tenant. Both receive pushes, and one process
// serves both.
type two struct{ okta, entra *host }

func newTwo(t *testing.T, configure func(*syncer.Setup)) two {
	okta := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
	w := two{okta, newHost(t, syncer.Target{Tenant: "acme", Connection: "entra"}, sources.KindEntra, syncer.Config{Store: okta.team}, nil)}
	for _, h := range []*host{w.okta, w.entra} {
		h.sync.Close()
		h.change(func(s *syncer.Setup) {
			s.Rules.Breakers.Deactivate, s.Rules.Breakers.RewriteIdentity = &provisioning.Limit{}, &provisioning.Limit{}
			configure(s)
		})
	}
	w.okta.sync = w.replica()
	w.entra.sync = w.okta.sync
	return w
}

// replica returns a syncer of another process that serves both connections.
func (w two) replica() *syncer.Syncer {
	s, err := syncer.New(syncer.Config{
		Store: w.okta.team, Logger: slog.New(slog.DiscardHandler),
		Targets: func(context.Context) ([]syncer.Target, error) {
			return []syncer.Target{w.okta.target, w.entra.target}, nil
		},
		Setup: func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
			h := w.okta
			if target == w.entra.target {
				h = w.entra
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.setup, nil
		},
	})
	require.NoError(w.okta.t, err)
	w.okta.t.Cleanup(s.Close)
	return s
}

// seats returns a change of settings by which everybody wants one of n seats.
func seats(n int) func(*syncer.Setup) {
	return func(s *syncer.Setup) {
		s.Rules.Default = &assignment.Assignment{ID: "all", Mode: assignment.Automatic, Settings: assignment.Settings{Seats: []string{"core"}}}
		s.Rules.Seats.Pools = map[string]int{"core": n}
		s.Rules.Breakers.Grant = &provisioning.Limit{}
	}
}

// seated returns how many of the named people have a seat.
func (h *host) seated(names ...string) int {
	n, members := 0, h.members()
	for _, name := range names {
		n += len(members[name+"@acme.com"].Seats)
	}
	return n
}

// S20, S28: a person who waits for a seat gets it when a member of another
// connection returns one: at once in the same process, and at the next poll in
// another process.
func TestASeatOfAnotherConnection(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newTwo(t, seats(2))
			ana := w.entra.hire("ana")
			w.entra.hire("bo")
			w.okta.hire("cy")
			w.okta.hire("di")
			require.Zero(t, w.okta.seated("cy", "di"))
			waits := w.okta.sync
			if elsewhere {
				waits.Close()
				w.okta.sync = w.replica()
				w.entra.sync = w.replica()
				defer serve(t, w.okta.sync)()
				pass(2 * time.Minute)
			}
			w.okta.wholeRuns()
			w.entra.leave(ana)
			if elsewhere {
				pass(time.Minute + 2*time.Second)
			} else {
				synctest.Wait()
			}
			require.Equal(t, 1, w.okta.seated("cy", "di"), "there was one")
		})
	}
}

// S20: if an approval or the host itself frees seats, the waiting people get
// them.
func TestASeatThatIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{acme}, nil }}, nil)
		one := 1
		hand := h.team.(*provisioning.Memory).Put("acme", provisioning.Member{
			ID: "h", Email: "h@acme.com", GivenName: "H", FamilyName: "H", Active: true, Settings: assignment.Settings{Seats: []string{"core"}},
		})
		h.change(seats(4))
		h.change(func(s *syncer.Setup) { s.Rules.Breakers.Deactivate = &provisioning.Limit{Count: &one} })
		ids := []string{h.hire("p0"), h.hire("p1"), h.hire("p2")}
		h.hire("waits")
		h.hire("waits2")
		h.hire("waits3")
		for _, id := range ids[:2] {
			h.leave(id)
		}
		plan, err := h.sync.Plan(t.Context(), acme)
		require.NoError(t, err)
		require.NotEmpty(t, plan.Held)
		waiting := []string{"waits", "waits2", "waits3"}
		require.Equal(t, 1, h.seated(waiting...), "of the first leaver")
		_, err = h.sync.Apply(t.Context(), acme, plan, plan.Approve(provisioning.ClassDeactivate))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 2, h.seated(waiting...))

		stop := serve(t, h.sync)
		defer stop()
		pass(time.Minute)
		h.wholeRuns()
		pass(30 * time.Minute)
		require.Zero(t, h.wholeRuns(), "nothing changes")
		hand.Active = false // a manual edit
		h.team.(*provisioning.Memory).Put("acme", hand)
		pass(time.Minute + 2*time.Second)
		require.Equal(t, 3, h.seated(waiting...))
		h.wholeRuns()
		pass(30 * time.Minute)
		require.Zero(t, h.wholeRuns())
	})
}

// S4, S5, R83: a person may wait for an address, or for a manager whose name is
// ambiguous. The person is decided when the other member goes, by a push of
// another connection, by hand or by an erasure. No other person is decided.
func TestAnAddressAndANameOfAnotherConnection(t *testing.T) {
	for _, goes := range []string{"push", "hand", "erase", "manager"} {
		synctest.Test(t, func(t *testing.T) {
			w := newTwo(t, func(*syncer.Setup) {})
			holder := w.entra.come("ana", "same@acme.com")
			w.entra.hire("stays")
			w.okta.hire("boss")
			w.okta.come("bo", "same@acme.com")
			require.Len(t, w.okta.members(), 3, "the address is taken")
			same := w.okta.members()["same@acme.com"]
			require.Equal(t, "entra", same.Connection)

			require.NoError(t, w.okta.sync.Pause(t.Context(), acme, ""))
			require.NoError(t, w.okta.sync.Resume(t.Context(), acme))
			defer serve(t, w.okta.sync)()
			pass(5 * time.Minute)
			w.okta.wholeRuns()
			switch goes {
			case "push":
				w.entra.patch("/Users/"+holder, address("ana@acme.com"), http.StatusOK)
				synctest.Wait()
			case "hand":
				same.Email = "ana@acme.com"
				w.okta.team.(*provisioning.Memory).Put("acme", same)
				pass(time.Minute + 2*time.Second)
			case "erase":
				w.entra.do("DELETE", "/Users/"+holder, "", http.StatusNoContent)
				require.NoError(t, w.okta.sync.Erase(t.Context(), "acme", same.ID))
				synctest.Wait()
			case "manager":
				t.Log("below")
			}
			if goes != "manager" {
				require.Equal(t, "okta", w.okta.members()["same@acme.com"].Connection, goes)
				require.Zero(t, w.okta.wholeRuns())
				return
			}
			w.entra.do("POST", "/Users", person("boss2"), http.StatusCreated)
			w.entra.do("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"other@acme.com","active":true,
				"name":{"givenName":"Boss","familyName":"Young"},"emails":[{"primary":true,"value":"other@acme.com","type":"work"}]}`, http.StatusCreated)
			report := w.okta.come("report", "report@acme.com")
			w.okta.patch("/Users/"+report, `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:usher:2.0:User:managerFullName","value":"Boss Young"}`, http.StatusOK)
			require.Empty(t, w.okta.members()["report@acme.com"].ManagerID, "two have the name")
			other := w.okta.members()["other@acme.com"]
			w.entra.leave(other.ExternalID)
			synctest.Wait()
			require.Equal(t, w.okta.members()["boss@acme.com"].ID, w.okta.members()["report@acme.com"].ManagerID)
			require.Zero(t, w.okta.wholeRuns())
		})
	}
}

// R23: in a connection that is read, a waiting person is decided within a tenth
// of the interval, and the provider is not read more often for this.
func TestAProviderIsReadForWhatIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana", "bo")
		c.change(seats(3))
		hand := func(id string, active bool) {
			m := provisioning.Member{ID: id, Email: id + "@acme.com", GivenName: "H", FamilyName: id, Active: active}
			if old, known := c.members()[m.Email]; known {
				m.Revision = old.Revision
			}
			m.Seats = []string{"core"}
			c.team.(*provisioning.Memory).Put("acme", m)
		}
		hand("h1", true)
		hand("h2", true)
		defer serve(t, c.sync)()
		pass(5 * time.Minute)
		require.Empty(t, c.members()["bo@acme.com"].Seats)
		require.Equal(t, 1, c.api.count())
		hand("h2", false)
		pass(10 * time.Minute)
		require.Equal(t, []string{"core"}, c.members()["bo@acme.com"].Seats)
		require.Equal(t, 2, c.api.count())
		pass(30 * time.Minute)
		require.Equal(t, 2, c.api.count())
	})
}
