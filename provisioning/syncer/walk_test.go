package syncer_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// S4, S39: a person is deleted and created again with a new ID, while the
// deactivation waits for approval. The push makes the person the same member.
func TestWhoComesAgainWhileTheEndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 60, syncer.Config{})
		for _, id := range ids[:20] {
			h.do("DELETE", "/Users/"+id, "", http.StatusNoContent)
		}
		require.Equal(t, syncer.StatusHeld, h.health().Status)
		var who provisioning.Member
		for _, m := range h.members() {
			if m.ExternalID == ids[19] {
				who = m
			}
		}
		require.True(t, who.Active, "held")
		waiting := len(h.health().Waiting)
		name, _, _ := strings.Cut(who.Email, "@")
		again := h.hire(name)
		require.NotEqual(t, ids[19], again)
		plan, err := h.sync.Plan(t.Context(), acme)
		require.NoError(t, err)
		_, err = h.sync.Apply(t.Context(), acme, plan, plan.Approve(provisioning.ClassDeactivate))
		require.NoError(t, err)
		now := h.members()[who.Email]
		require.True(t, now.Active)
		require.Equal(t, again, now.ExternalID)
		require.Equal(t, who.ID, now.ID)
		require.Len(t, plan.Held, waiting-1)
		require.Equal(t, 41, h.active())
	})
}

// S40: the deletion of a group holds its people at the limit of the downgrades.
// A rename affects nobody. A member whom the directory does not know has no
// effect on others.
func TestGroupsThatChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 60, syncer.Config{})
		group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales","members":[]}`, http.StatusCreated)
		h.change(func(s *syncer.Setup) {
			s.Rules = rules(sources.KindOkta, group)
			s.Rules.Breakers.Grant = &provisioning.Limit{}
		})
		var values []string
		for _, id := range ids {
			values = append(values, fmt.Sprintf(`{"value":%q}`, id))
		}
		h.patch("/Groups/"+group, `{"op":"add","path":"members","value":[`+strings.Join(values, ",")+`]}`, http.StatusNoContent)
		recorded := func() int {
			n := 0
			for _, m := range h.members() {
				n += len(m.Capture)
			}
			return n
		}
		require.Equal(t, 60, recorded())
		h.wholeRuns()
		before := h.planned()
		h.patch("/Groups/"+group, `{"op":"replace","value":{"id":"`+group+`","displayName":"Sellers"}}`, http.StatusNoContent)
		require.Equal(t, before, h.planned(), "a rename concerns nobody")
		h.do("PATCH", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"00000000-0000-4000-8000-000000000000"}]}]}`, http.StatusBadRequest)
		require.Equal(t, 60, recorded())
		h.do("DELETE", "/Groups/"+group, "", http.StatusNoContent)
		require.Equal(t, 60, recorded(), "held")
		require.Equal(t, syncer.StatusHeld, h.health().Status)
		require.Len(t, h.health().Waiting, 60)
		again := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sellers","members":[`+strings.Join(values, ",")+`]}`, http.StatusCreated)
		_, err := h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, 60, recorded())
		codes := ""
		for _, p := range h.health().Problems {
			codes += p.Code + " "
		}
		require.Contains(t, codes, syncer.CodeGroupReappeared)
		h.change(func(s *syncer.Setup) { s.Rules.Assignments[0].Match.Groups = []string{again} })
		require.NoError(t, h.sync.Push(t.Context(), acme))
		require.Equal(t, 60, recorded())
		require.Empty(t, h.health().Waiting)
	})
}

// A16: people who are pushed before a silent first import ends are not
// announced to their managers. People who come after it are.
func TestTheFirstImportByPushesCanBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{acme}, nil }}, nil)
		h.change(func(s *syncer.Setup) { s.SilentImport = true })
		boss := h.team.(*provisioning.Memory).Put("acme", provisioning.Member{ID: "boss", Email: "boss@acme.com", GivenName: "B", FamilyName: "B", Active: true})
		report := provisioning.Member{ID: "report", Email: "report@acme.com", GivenName: "R", FamilyName: "R", Active: true, ManagerID: boss.ID}
		report.Capture = []string{"recording"}
		h.team.(*provisioning.Memory).Put("acme", report)
		under := func(name string) {
			h.do("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`@acme.com","active":true,
				"name":{"givenName":"N","familyName":"`+name+`"},"emails":[{"primary":true,"value":"`+name+`@acme.com","type":"work"}],
				"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"managerEmail":"boss@acme.com"}}`, http.StatusCreated)
		}
		defer serve(t, h.sync)()
		under("ana")
		pass(5 * time.Minute)
		under("bo")
		require.Empty(t, h.effects())
		require.Equal(t, "boss", h.members()["bo@acme.com"].ManagerID)
		pass(2 * time.Hour)
		under("cy")
		require.Equal(t, []provisioning.EffectKind{provisioning.NotifyManager}, h.effects())
	})
}

// R13 to R16, R25: Entra disables users and deletes them later, and Okta may
// reactivate users within the window. Nothing is done twice, and the counts of
// the window grow by the actions that were done.
func TestDisabledThenDeletedAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, ids := settled(t, 60, syncer.Config{})
		h.leave(ids[0])
		h.do("DELETE", "/Users/"+ids[0], "", http.StatusNoContent)
		require.Equal(t, 59, h.active())
		require.Len(t, h.effects(), 1, "access ended once")
		for range 4 {
			h.leave(ids[1])
			h.patch("/Users/"+ids[1], `{"op":"replace","value":{"active":true}}`, http.StatusOK)
		}
		require.Equal(t, 59, h.active())
		require.Equal(t, syncer.StatusOK, h.health().Status)
		for _, id := range ids[2:8] {
			h.leave(id)
		}
		require.Equal(t, 53, h.active(), "eleven were done in the window, and of sixty that is less than a fifth")
	})
}
