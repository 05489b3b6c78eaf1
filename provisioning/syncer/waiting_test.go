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

// wholeRuns returns how often everybody was decided since the last call.
func (h *host) wholeRuns() int {
	n := 0
	for _, e := range h.told(syncer.RunEnded) {
		if e.Plan == "" {
			continue
		}
		plan, err := h.team.Plan(h.t.Context(), h.target.Tenant, e.Plan)
		require.NoError(h.t, err)
		if plan.About == nil {
			n++
		}
	}
	h.mu.Lock()
	h.events = nil
	h.mu.Unlock()
	return n
}

// come creates a user whose address differs from the user name.
func (h *host) come(name, email string) string {
	return h.do("POST", "/Users", fmt.Sprintf(`{%s,"userName":"%s@acme.com","active":true,"name":{"givenName":%[2]q,"familyName":"Li"},
		"emails":[{"type":"work","primary":true,"value":%[3]q}]}`, user20, name, email), http.StatusCreated)
}

func address(email string) string {
	return fmt.Sprintf(`{"op":"replace","path":"emails[type eq \"work\"].value","value":%q}`, email)
}

// S5, S38, L6: a person who waits for an address gets it with the push that
// frees it: the other user changes, is deleted, or is a member who gets another
// address. No other person is decided for this. The same holds for places in a
// cycle of managers.
func TestWhoWaitsIsDecidedWithThePushThatSettlesIt(t *testing.T) {
	eachWorld(t, acme, sources.KindOkta, func(t *testing.T, h *host) {
		for i := range 5 {
			h.hire(fmt.Sprintf("p%d", i))
		}
		require.Equal(t, 1, h.wholeRuns(), "the first")

		require.NoError(t, h.sync.Pause(t.Context(), acme, "so that they come at the same time"))
		ana, bo, cy := h.come("ana", "both@acme.com"), h.come("bo", "Both@acme.com"), h.come("cy", "both@acme.com")
		require.NoError(t, h.sync.Resume(t.Context(), acme))
		require.NoError(t, h.sync.Push(t.Context(), acme))
		require.Equal(t, 5, len(h.members()), "which of them has the address is not known")
		h.patch("/Users/"+ana, address("ana@acme.com"), http.StatusOK)
		require.Contains(t, h.members(), "ana@acme.com")
		require.Equal(t, 6, len(h.members()))
		h.do("DELETE", "/Users/"+bo, "", http.StatusNoContent)
		require.Equal(t, cy, h.members()["both@acme.com"].ExternalID, "who is deleted frees the address, too")

		di, ed := h.come("di", "di@acme.com"), h.come("ed", "ed@acme.com")
		require.NoError(t, h.sync.Pause(t.Context(), acme, ""))
		h.patch("/Users/"+di, address("same@acme.com"), http.StatusOK)
		h.patch("/Users/"+ed, address("same@acme.com"), http.StatusOK)
		require.NoError(t, h.sync.Resume(t.Context(), acme))
		require.NoError(t, h.sync.Push(t.Context(), acme))
		require.Contains(t, h.members(), "di@acme.com", "which of them has the address is not known")
		h.patch("/Users/"+ed, address("ed2@acme.com"), http.StatusOK)
		require.Equal(t, di, h.members()["same@acme.com"].ExternalID)

		manager := func(email string) string {
			return `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:usher:2.0:User:managerEmail","value":"` + email + `"}`
		}
		gus, hal := h.come("gus", "gus@acme.com"), h.come("hal", "hal@acme.com")
		ida := h.come("ida", "ida@acme.com")
		h.patch("/Users/"+gus, manager("hal@acme.com"), http.StatusOK)
		h.patch("/Users/"+hal, manager("ida@acme.com"), http.StatusOK)
		h.patch("/Users/"+ida, manager("gus@acme.com"), http.StatusOK)
		h.patch("/Users/"+hal, manager("p0@acme.com"), http.StatusOK)
		m := h.members()
		require.Equal(t, m["gus@acme.com"].ID, m["ida@acme.com"].ManagerID, "the circle is open")
		require.Equal(t, m["p0@acme.com"].ID, m["hal@acme.com"].ManagerID)
		require.Zero(t, h.wholeRuns())
		_, err := h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		plan, err := h.sync.Plan(t.Context(), acme)
		require.NoError(t, err)
		require.Empty(t, plan.Actions, "L2: the parts left nothing to do")
	})
}

// S38: a deletion that affects no other person does not cause a decision about
// everybody, for a member and for a person who was never in the team.
func TestADeletionIsDecidedAlone(t *testing.T) {
	eachWorld(t, acme, sources.KindOkta, func(t *testing.T, h *host) {
		ana := h.hire("ana")
		h.hire("bo")
		stranger := h.come("eve", "eve@elsewhere.example")
		require.Equal(t, 1, h.wholeRuns(), "the first")
		h.do("DELETE", "/Users/"+stranger, "", http.StatusNoContent)
		require.Zero(t, h.planned(), "nothing is decided")
		h.do("DELETE", "/Users/"+ana, "", http.StatusNoContent)
		require.False(t, h.members()["ana@acme.com"].Active)
		require.Zero(t, h.wholeRuns())
	})
}

// S13: the deletion of the last user leaves the directory empty. It requires a
// whole run and an approval.
func TestTheLastOneIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 3, syncer.Config{})
		h.wholeRuns()
		for i, id := range ids {
			h.do("DELETE", "/Users/"+id, "", http.StatusNoContent)
			require.Equal(t, max(1, 2-i), h.active())
		}
		require.Equal(t, 1, h.wholeRuns())
		require.Equal(t, syncer.StatusHeld, h.health().Status)
	})
}

// S38: if the people who wait for addresses are too many to list, a whole run
// finds them.
func TestManyWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		h.hire("p")
		require.NoError(t, h.sync.Pause(t.Context(), acme, "so that they come at the same time"))
		ids := make([]string, 1100)
		for i := range ids {
			ids[i] = h.come(fmt.Sprintf("n%04d", i), fmt.Sprintf("n%04d@acme.com", i/2))
		}
		require.NoError(t, h.sync.Resume(t.Context(), acme))
		require.NoError(t, h.sync.Push(t.Context(), acme))
		require.Equal(t, 1, len(h.members()))
		h.wholeRuns()
		h.do("DELETE", "/Users/"+ids[0], "", http.StatusNoContent)
		require.Contains(t, h.members(), "n0000@acme.com")
		require.Equal(t, 1, h.wholeRuns())
	})
}

// S40: in a connection with uninterrupted pushes, each person waits for a group
// for at most six times GroupWait, and no other person is settled with them.
// The first import ends, too (A16).
func TestGroupsAreNotAwaitedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		boss := h.hire("boss")
		group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales","members":[]}`, http.StatusCreated)
		ids := make(map[string]string)
		for _, name := range []string{"ana", "bo", "cy"} {
			ids[name] = h.hire(name)
		}
		h.change(func(s *syncer.Setup) { s.Rules, s.SilentImport = rules(sources.KindOkta, group), true })
		h.patch("/Groups/"+group, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q},{"value":%q},{"value":%q}]}`, ids["ana"], ids["bo"], ids["cy"]), http.StatusNoContent)
		pushes := 0
		busy := func(d time.Duration) { // one push every five minutes
			t.Helper()
			for end := time.Now().Add(d); time.Now().Before(end); pushes++ {
				h.patch("/Users/"+boss, fmt.Sprintf(`{"op":"replace","value":{"title":"T%d"}}`, pushes), http.StatusOK)
				pass(5 * time.Minute)
			}
		}
		back := func(name string) {
			t.Helper()
			h.leave(ids[name])
			h.patch("/Groups/"+group, `{"op":"remove","path":"members[value eq \"`+ids[name]+`\"]"}`, http.StatusNoContent)
			h.patch("/Users/"+ids[name], `{"op":"replace","value":{"active":true}}`, http.StatusOK)
			require.Equal(t, []string{"core"}, h.members()[name+"@acme.com"].Seats, "the settings wait for a group")
		}
		back("ana")
		busy(30 * time.Minute)
		back("bo")
		busy(20 * time.Minute)
		require.Equal(t, []string{"core"}, h.members()["ana@acme.com"].Seats)
		busy(15 * time.Minute)
		require.Empty(t, h.members()["ana@acme.com"].Seats, "an hour is enough")
		require.Equal(t, "default", h.members()["ana@acme.com"].AssignmentID)
		require.Equal(t, []string{"core"}, h.members()["bo@acme.com"].Seats, "the other has waited for half as long")
		h.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+ids["bo"]+`"}]}`, http.StatusNoContent)
		require.Equal(t, "sales", h.members()["bo@acme.com"].AssignmentID, "the group's arrival settles them")
		back("cy")
		h.wholeRuns()
		pass(11 * time.Minute)
		require.Empty(t, h.members()["cy@acme.com"].Seats, "after a pause at once")
		require.Zero(t, h.wholeRuns(), "and nobody else is decided for it")

		busy(25 * time.Hour)
		mails := func() int {
			n := 0
			for _, kind := range h.effects() {
				if kind == provisioning.NotifyManager {
					n++
				}
			}
			return n
		}
		h.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+ids["ana"]+`"}]}`, http.StatusNoContent)
		under := `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:usher:2.0:User:managerEmail","value":"boss@acme.com"}`
		h.patch("/Users/"+ids["ana"], under, http.StatusOK)
		require.Zero(t, mails())
		h.do("POST", "/Users", `{`+user20+`,"userName":"new@acme.com","active":true,"name":{"givenName":"New","familyName":"Li"},
			"emails":[{"primary":true,"value":"new@acme.com","type":"work"}],"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"managerEmail":"boss@acme.com"}}`, http.StatusCreated)
		require.Equal(t, 1, mails(), "the import has come to an end")
	})
}
