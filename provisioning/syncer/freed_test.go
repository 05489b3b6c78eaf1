package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
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
		Observe: func(_ context.Context, e syncer.Event) {
			h := w.okta
			if e.Target == w.entra.target {
				h = w.entra
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, e)
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

// named returns the operation that names a person's manager by address.
func named(email string) string {
	return fmt.Sprintf(`{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:usher:2.0:User:managerEmail","value":%q}`, email)
}

// S23: a person's manager comes through another connection, by hand or with an
// approval, by address or by name, or is active again there. The person is placed
// without a change of the directory and without a run over everybody: at once in the
// same process, and otherwise with the next poll.
func TestAManagerOfAnotherConnection(t *testing.T) {
	for _, comes := range []string{"push", "name", "hand", "back", "poll"} {
		t.Run(comes, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTwo(t, func(*syncer.Setup) {})
				ana := w.okta.hire("ana")
				boss := ""
				if comes == "back" {
					boss = w.entra.hire("boss")
					w.entra.leave(boss)
				}
				if comes == "name" {
					w.okta.patch("/Users/"+ana, `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:usher:2.0:User:managerFullName","value":"Boss Young"}`, http.StatusOK)
				} else {
					w.okta.patch("/Users/"+ana, named("Boss@acme.com"), http.StatusOK)
				}
				w.entra.hire("other")
				if comes == "poll" {
					w.okta.sync.Close()
					w.okta.sync, w.entra.sync = w.replica(), w.replica()
				}
				defer serve(t, w.okta.sync)()
				pass(2 * time.Minute)
				require.Empty(t, w.okta.members()["ana@acme.com"].ManagerID)
				w.okta.wholeRuns()
				switch comes {
				case "push", "name", "poll":
					w.entra.hire("boss")
				case "back":
					w.entra.patch("/Users/"+boss, `{"op":"replace","value":{"active":true}}`, http.StatusOK)
				case "hand":
					w.okta.team.(*provisioning.Memory).Put("acme", provisioning.Member{ID: "boss", Email: "boss@acme.com", GivenName: "B", FamilyName: "B", Active: true})
				}
				synctest.Wait()
				if comes == "hand" || comes == "poll" {
					pass(time.Minute + 2*time.Second)
				}
				members := w.okta.members()
				require.NotEmpty(t, members["boss@acme.com"].ID)
				require.Equal(t, members["boss@acme.com"].ID, members["ana@acme.com"].ManagerID)
				require.Zero(t, w.okta.wholeRuns())
				pass(5 * time.Minute)
				require.Empty(t, w.okta.told(syncer.ActionDone), "and nothing else follows")
			})
		})
	}
}

// S24: two people of different connections name each other as managers, also with
// somebody between them. When one side is given another manager, by a push or by
// hand, the edge that waited is set.
func TestACircleOpenedFromOutside(t *testing.T) {
	for _, opens := range []string{"push", "hand", "hand between"} {
		t.Run(opens, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTwo(t, func(s *syncer.Setup) { s.Rules.Breakers.Reparent = &provisioning.Limit{} })
				team := w.okta.team.(*provisioning.Memory)
				ana := w.okta.hire("ana")
				bo := w.entra.do("POST", "/Users", person("bo"), http.StatusCreated)
				w.entra.do("POST", "/Users", person("chief"), http.StatusCreated)
				above := "ana@acme.com"
				if opens == "hand between" { // bo, then the hand-made member, then ana
					team.Put("acme", provisioning.Member{ID: "hand", Email: "hand@acme.com", GivenName: "H", FamilyName: "H", Active: true, ManagerID: w.okta.members()["ana@acme.com"].ID})
					above = "hand@acme.com"
				}
				w.entra.patch("/Users/"+bo, named(above), http.StatusOK)
				require.Equal(t, w.okta.members()[above].ID, w.okta.members()["bo@acme.com"].ManagerID)
				w.okta.patch("/Users/"+ana, named("bo@acme.com"), http.StatusOK)
				defer serve(t, w.okta.sync)()
				pass(2 * time.Minute)
				require.Empty(t, w.okta.members()["ana@acme.com"].ManagerID, "it would close a circle")
				w.okta.wholeRuns()
				members := w.okta.members()
				switch opens {
				case "push":
					w.entra.patch("/Users/"+bo, named("chief@acme.com"), http.StatusOK)
					synctest.Wait()
				case "hand":
					m := members["bo@acme.com"]
					m.ManagerID = members["chief@acme.com"].ID
					team.Put("acme", m)
					pass(time.Minute + 2*time.Second)
				case "hand between":
					m := members["hand@acme.com"]
					m.ManagerID = ""
					team.Put("acme", m)
					pass(time.Minute + 2*time.Second)
				}
				require.Equal(t, members["bo@acme.com"].ID, w.okta.members()["ana@acme.com"].ManagerID)
				require.Zero(t, w.okta.wholeRuns())
			})
		})
	}
}

// A connection that the host has removed is left alone, also when members change for
// whom its people waited, and after its last rounds failed.
func TestAConnectionThatIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTwo(t, func(*syncer.Setup) {})
		w.okta.sync.Close()
		var removed atomic.Bool
		var asked atomic.Int64
		s, err := syncer.New(syncer.Config{
			Store: w.okta.team, Logger: slog.New(slog.DiscardHandler),
			Targets: func(context.Context) ([]syncer.Target, error) {
				if removed.Load() {
					return []syncer.Target{w.okta.target}, nil
				}
				return []syncer.Target{w.okta.target, w.entra.target}, nil
			},
			Setup: func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
				if target == w.okta.target {
					return w.okta.setup, nil
				}
				asked.Add(1)
				if removed.Load() {
					return syncer.Setup{}, errors.New("there is no such connection")
				}
				return w.entra.setup, nil
			},
		})
		require.NoError(t, err)
		defer s.Close()
		w.okta.sync, w.entra.sync = s, s
		defer serve(t, s)()
		w.entra.hire("bo")
		ana := w.okta.hire("ana")
		pass(5 * time.Minute)
		removed.Store(true)
		require.Error(t, s.Push(t.Context(), w.entra.target), "a last push is under way")
		pass(2 * time.Minute)
		asked.Store(0)
		w.okta.leave(ana)
		pass(10 * time.Minute)
		require.False(t, w.okta.members()["ana@acme.com"].Active)
		require.Zero(t, asked.Load())
	})
}

// asks is a team that counts the keys that are looked up and the bytes of state that
// are written.
type asks struct {
	*provisioning.Memory
	keys, bytes atomic.Int64
}

func (a *asks) FindMembers(ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
	a.keys.Add(int64(len(keys)))
	return a.Memory.FindMembers(ctx, tenant, keys, limit)
}

func (a *asks) SetState(ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
	a.bytes.Add(int64(len(document)))
	return a.Memory.SetState(ctx, tenant, name, revision, document)
}

// S38: a pushed change looks up as many keys, and writes as much, while many people
// wait for others as while nobody waits.
func TestAPushDoesNotPayForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		team := &asks{Memory: new(provisioning.Memory)}
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team}, nil)
		ana := h.hire("ana")
		pass(time.Hour)
		_, err := h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		cost := func() (keys, bytes int64) {
			beforeKeys, beforeBytes := team.keys.Load(), team.bytes.Load()
			h.patch("/Users/"+ana, fmt.Sprintf(`{"op":"replace","value":{"title":"T%d"}}`, time.Now().UnixNano()), http.StatusOK)
			return team.keys.Load() - beforeKeys, team.bytes.Load() - beforeBytes
		}
		keys, bytes := cost()
		require.NoError(t, h.sync.Pause(t.Context(), acme, "so that they come at the same time"))
		for i := range 300 {
			h.patch("/Users/"+h.hire(fmt.Sprint("p", i)), named(fmt.Sprintf("boss%d@acme.com", i)), http.StatusOK)
		}
		require.NoError(t, h.sync.Resume(t.Context(), acme))
		synctest.Wait()
		pass(time.Hour)
		_, err = h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		_, revision, err := team.State(t.Context(), "acme", "watched/okta")
		require.NoError(t, err)
		require.NotEmpty(t, revision, "they wait")
		keysNow, bytesNow := cost()
		require.Equal(t, keys, keysNow)
		require.InDelta(t, bytes, bytesNow, 200)
	})
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
