package syncer_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	teamstore "github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// eachWorld runs a test on a host over HTTP, with each kind of store.
func eachWorld(t *testing.T, target syncer.Target, kind string, test func(t *testing.T, h *host)) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			directory, team := w.open(t)
			test(t, newHost(t, target, kind, syncer.Config{Store: team, PushWait: time.Minute}, directory).serve())
		})
	}
}

// planned returns the number of rounds that decided something.
func (h *host) planned() int {
	n := 0
	for _, e := range h.told(syncer.RunEnded) {
		if e.Plan != "" {
			n++
		}
	}
	return n
}

const user20 = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`

// R11 to R14, R16, R21, R22, R54, R80, S6, S19, S40, S41: Okta creates people
// before the group, pushes the group by PATCH, changes people by PUT,
// deactivates by a PATCH without a path, and restores by POST.
func TestOktaFromRequestToRow(t *testing.T) {
	eachWorld(t, acme, sources.KindOkta, func(t *testing.T, h *host) {
		boss := h.hire("boss")
		group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales","members":[]}`, http.StatusCreated)
		h.change(func(s *syncer.Setup) { s.Rules = rules(sources.KindOkta, group) })
		ana := h.hire("ana")
		require.Equal(t, "default", h.members()["ana@acme.com"].AssignmentID, "the person comes before the group")
		h.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+ana+`","display":"ana"}]}`, http.StatusNoContent)
		m := h.members()["ana@acme.com"]
		require.Equal(t, "sales", m.AssignmentID, "the group's arrival moves them")
		require.Equal(t, []string{"core"}, m.Seats)

		h.do("PUT", "/Users/"+ana, `{`+user20+`,"id":"`+ana+`","userName":"ana@acme.com","externalId":"00u-ana","active":true,
			"name":{"givenName":"Ana","familyName":"Old"},"emails":[{"primary":true,"value":"ana@acme.com","type":"work"}],"title":"Rep",
			"groups":[],"meta":{"resourceType":"User"},
			"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"managerEmail":"boss@acme.com","country":"FR"}}`, http.StatusOK)
		m = h.members()["ana@acme.com"]
		require.Equal(t, "Old", m.FamilyName)
		require.Equal(t, "Rep", m.Title)
		require.Equal(t, h.members()["boss@acme.com"].ID, m.ManagerID, "R80")
		require.Equal(t, "Europe/Paris", m.TimeZone, "R76")
		require.Equal(t, []string{"core"}, m.Seats)

		before := h.planned()
		h.patch("/Groups/"+group, `{"op":"replace","value":{"id":"`+group+`","displayName":"Sales EMEA"}}`, http.StatusNoContent)
		require.Equal(t, before, h.planned(), "a rename concerns nobody (S21, S40)")

		h.leave(ana)
		m = h.members()["ana@acme.com"]
		require.False(t, m.Active)
		require.Empty(t, m.Capture, "R18")
		require.Equal(t, []string{"core"}, m.Seats, "S19")
		require.Contains(t, h.effects(), provisioning.AccessEnded, "S41")

		back := h.do("POST", "/Users", `{`+user20+`,"userName":"ana@acme.com","externalId":"00u-ana","active":true,"title":"Rep","groups":[],"password":"x1",
			"name":{"givenName":"Ana","familyName":"Old"},"emails":[{"primary":true,"value":"ana@acme.com","type":"work"}],"locale":"en-US"}`, http.StatusCreated)
		require.Equal(t, ana, back, "S6")
		m = h.members()["ana@acme.com"]
		require.True(t, m.Active, "R16")
		require.Equal(t, []string{"core"}, m.Seats, "settings wait for the group (S40)")
		require.Empty(t, m.AssignmentID)
		h.patch("/Groups/"+group, `{"op":"remove","path":"members[value eq \"`+boss+`\"]"},{"op":"add","path":"members","value":[{"value":"`+ana+`"}]}`, http.StatusNoContent)
		m = h.members()["ana@acme.com"]
		require.Equal(t, "sales", m.AssignmentID)
		require.Equal(t, []string{"recording"}, m.Capture, "the assignment's settings are restored (S19)")

		h.do("DELETE", "/Groups/"+group, "", http.StatusNoContent)
		m = h.members()["ana@acme.com"]
		require.Equal(t, "default", m.AssignmentID, "a deletion concerns everybody in the group (S40)")
		require.Empty(t, m.Seats)
		require.Contains(t, h.effects(), provisioning.AccessReduced, "S41")

		h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales EMEA","members":[{"value":"`+ana+`"}]}`, http.StatusCreated)
		_, err := h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, syncer.CodeGroupReappeared, h.health().Problems[0].Code, "a group that comes again under a new ID is told (S40)")
		require.Len(t, h.told(syncer.StatusChanged), 2, "first ok, then degraded")
	})
}

// R14, R15, R19, R20, R25, R26, R49, R57, R84: Entra's cycles create users with
// booleans as texts, name a manager by reference before or after the manager
// exists, add and remove group members by value, disable users who are out of
// scope, and finally delete them.
func TestEntraFromRequestToRow(t *testing.T) {
	target := syncer.Target{Tenant: "acme", Connection: "entra"}
	eachWorld(t, target, sources.KindEntra, func(t *testing.T, h *host) {
		post := func(name string) string {
			return h.do("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
				"externalId":"`+name+`","userName":"`+name+`@acme.com","active":"True","emails":[{"primary":true,"type":"work","value":"`+name+`@acme.com"}],
				"meta":{"resourceType":"User"},"name":{"formatted":"`+name+` Young","familyName":"Young","givenName":"`+name+`"},"roles":[]}`, http.StatusCreated)
		}
		ana, boss := post("ana"), post("boss")
		require.True(t, h.members()["ana@acme.com"].Active)
		h.patch("/Users/"+ana, `{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"`+boss+`"},
			{"op":"Replace","path":"title","value":"Rep"},{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:usher:2.0:User:country","value":"FR"}`, http.StatusOK)
		m := h.members()["ana@acme.com"]
		require.Equal(t, h.members()["boss@acme.com"].ID, m.ManagerID, "R84")
		require.Equal(t, "Rep", m.Title, "R19")

		group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
			"externalId":"g-1","displayName":"Sales","meta":{"resourceType":"Group"}}`, http.StatusCreated)
		h.change(func(s *syncer.Setup) { s.Rules = rules(sources.KindEntra, group) })
		h.patch("/Groups/"+group, `{"op":"Add","path":"members","value":[{"$ref":null,"value":"`+ana+`"},{"$ref":null,"value":"`+boss+`"}]}`, http.StatusNoContent)
		require.Equal(t, "sales", h.members()["ana@acme.com"].AssignmentID, "R20")
		require.Equal(t, "sales", h.members()["boss@acme.com"].AssignmentID)
		h.patch("/Groups/"+group, `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"`+ana+`"}]}`, http.StatusNoContent)
		require.Equal(t, "default", h.members()["ana@acme.com"].AssignmentID, "who left the group is concerned (S40)")
		require.Equal(t, "sales", h.members()["boss@acme.com"].AssignmentID)

		h.patch("/Users/"+boss, `{"op":"Replace","path":"active","value":"False"}`, http.StatusOK)
		require.False(t, h.members()["boss@acme.com"].Active, "R14, R15")
		require.Equal(t, h.members()["boss@acme.com"].ID, h.members()["ana@acme.com"].ManagerID, "nothing cascades (S24)")
		h.patch("/Users/"+boss, `{"op":"replace","value":{"active":"true"}}`, http.StatusOK)
		require.True(t, h.members()["boss@acme.com"].Active)
		require.Equal(t, "sales", h.members()["boss@acme.com"].AssignmentID, "the memberships stayed")

		h.do("DELETE", "/Users/"+ana, "", http.StatusNoContent)
		require.False(t, h.members()["ana@acme.com"].Active, "a deleted record is a member without access")
		again := post("ana")
		require.NotEqual(t, ana, again)
		m = h.members()["ana@acme.com"]
		require.True(t, m.Active, "a former member's new identity (S4)")
		require.Equal(t, again, m.ExternalID)
		require.Len(t, h.members(), 2)
		require.Equal(t, syncer.StatusOK, h.health().Status, "%+v", h.health())
	})
}

// R11 to R14: OneLogin creates users from an administrator's template, suspends
// by PUT, pushes roles as groups with plain IDs, and deletes.
func TestOneLoginFromRequestToRow(t *testing.T) {
	target := syncer.Target{Tenant: "acme", Connection: "onelogin"}
	eachWorld(t, target, sources.KindOneLogin, func(t *testing.T, h *host) {
		one := h.do("POST", "/Users?", `{"schemas":["urn:scim:schemas:core:2.0"],"id":null,"userName":"one@acme.com","active":"true",
			"name":{"givenName":"One","familyName":"Login"},"emails":{"value":"one@acme.com","type":"work","primary":true},"manager":{"managerId":"77"}}`, http.StatusCreated)
		require.True(t, h.members()["one@acme.com"].Active)
		role := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"role"}`, http.StatusCreated)
		h.change(func(s *syncer.Setup) { s.Rules = rules(sources.KindOneLogin, role) })
		h.patch("/Groups/"+role+"?", `{"op":"add","path":"members","value":["`+one+`"]}`, http.StatusNoContent)
		require.Equal(t, []string{"core"}, h.members()["one@acme.com"].Seats)
		h.do("PUT", "/Users/"+one+"?", `{"schemas":["urn:scim:schemas:core:2.0"],"userName":"one@acme.com","active":false,
			"name":{"givenName":"One","familyName":"Login"},"emails":[{"value":"one@acme.com","primary":true}]}`, http.StatusOK)
		require.False(t, h.members()["one@acme.com"].Active)
		h.do("PUT", "/Users/"+one+"?", `{"schemas":["urn:scim:schemas:core:2.0"],"userName":"one@acme.com","active":true,
			"name":{"givenName":"One","familyName":"Login"},"emails":[{"value":"one@acme.com","primary":true}]}`, http.StatusOK)
		require.Equal(t, []string{"core"}, h.members()["one@acme.com"].Seats)
		require.True(t, h.members()["one@acme.com"].Active)
		h.do("DELETE", "/Users/"+one, "", http.StatusNoContent)
		require.False(t, h.members()["one@acme.com"].Active)
	})
}

// R22: Rippling creates users with the employee's ID, and ends their access by
// a PATCH.
func TestRipplingFromRequestToRow(t *testing.T) {
	target := syncer.Target{Tenant: "acme", Connection: "rippling"}
	eachWorld(t, target, sources.KindRippling, func(t *testing.T, h *host) {
		h.change(func(s *syncer.Setup) {
			s.Rules.Attributes = map[string]string{"number": sources.AttributeEmployeeNumber}
		})
		rip := h.do("POST", "/Users", `{`+user20+`,"externalId":"emp-9","userName":"rip@acme.com","name":{"givenName":"Rip","familyName":"Pling"},
			"emails":[{"value":"rip@acme.com","primary":true}],"active":true,
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"9"}}`, http.StatusCreated)
		require.Equal(t, "9", h.members()["rip@acme.com"].Attributes["number"], "S35")
		h.patch("/Users/"+rip, `{"op":"replace","path":"active","value":false}`, http.StatusOK)
		require.False(t, h.members()["rip@acme.com"].Active)
		h.patch("/Users/"+rip, `{"op":"replace","path":"active","value":true}`, http.StatusOK)
		require.True(t, h.members()["rip@acme.com"].Active)
	})
}

// effects returns the kinds of the effects in the outbox.
func (h *host) effects() []provisioning.EffectKind {
	var kinds []provisioning.EffectKind
	for e, err := range h.team.Effects(h.t.Context(), h.target.Tenant) {
		require.NoError(h.t, err)
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// put writes a member as a manual edit in the application does.
func (h *host) put(m provisioning.Member) provisioning.Member {
	h.t.Helper()
	switch team := h.team.(type) {
	case *provisioning.Memory:
		return team.Put(h.target.Tenant, m)
	case *teamstore.Store:
		stored, err := team.Put(h.t.Context(), h.target.Tenant, m)
		require.NoError(h.t, err)
		return stored
	}
	require.Fail(h.t, "nothing is written by hand there")
	return m
}

// R30 to R37, R9: a member who was created by hand stays unchanged until the
// directory pushes the same address. From then on the member is provisioned:
// the next push overwrites manual changes of fields that the directory has, and
// other fields stay. A member in no group gets the default assignment. With
// manual editing, such a member keeps what was assigned by hand.
func TestMadeByHandAndPushed(t *testing.T) {
	eachWorld(t, acme, sources.KindOkta, func(t *testing.T, h *host) {
		group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales","members":[]}`, http.StatusCreated)
		h.change(func(s *syncer.Setup) {
			s.Rules = rules(sources.KindOkta, group)
			s.Rules.Default = &assignment.Assignment{ID: "rest", Name: "Rest", Mode: assignment.Manual, Settings: assignment.Settings{Seats: []string{"guest"}}}
		})
		byHand := func(name string) provisioning.Member {
			return h.put(provisioning.Member{ID: "m-" + name, Active: true, Email: name + "@acme.com", GivenName: "Old", FamilyName: "Name", Title: "Chief",
				Settings: assignment.Settings{Seats: []string{"core"}, Capture: []string{assignment.Recording}}})
		}
		ana, bo := byHand("ana"), byHand("bo")
		h.hire("cy")
		_, err := h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, ana, h.members()["ana@acme.com"], "R30")
		bo.Title = "Founder"
		bo = h.put(bo)
		_, err = h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		require.Equal(t, bo, h.members()["bo@acme.com"], "R31, R35")
		require.Equal(t, []string{"guest"}, h.members()["cy@acme.com"].Seats, "R33")

		id := h.hire("ana")
		m := h.members()["ana@acme.com"]
		require.Equal(t, ana.ID, m.ID, "R32")
		require.Equal(t, id, m.ExternalID)
		require.True(t, m.Managed)
		require.Equal(t, "Ana", m.GivenName, "R37, R9")
		require.Equal(t, "Chief", m.Title, "the directory gives none")
		require.Equal(t, []string{"core"}, m.Seats, "R34: under manual editing a hand's settings stay")

		m.GivenName, m.MobilePhone, m.Seats = "Anna", "+33 1", []string{"core", "guest"}
		h.put(m)
		h.patch("/Users/"+id, `{"op":"replace","value":{"nickName":"An"}}`, http.StatusOK)
		m = h.members()["ana@acme.com"]
		require.Equal(t, "Ana", m.GivenName, "R37")
		require.Equal(t, "+33 1", m.MobilePhone, "R36")
		require.Equal(t, []string{"core", "guest"}, m.Seats)

		h.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`, http.StatusNoContent)
		require.Equal(t, []string{"core"}, h.members()["ana@acme.com"].Seats, "an automatic assignment's settings are not a hand's to make")
		require.Equal(t, bo, h.members()["bo@acme.com"])
	})
}
