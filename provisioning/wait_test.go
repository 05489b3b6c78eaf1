package provisioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// S40: a push may adopt, rehire or reactivate a person before the person's
// group arrives. The person keeps the settings until then, and no other
// decision changes them. When the group arrives, its assignment applies; when
// no group can arrive any more, the default applies. A new person gets the
// default at once, and a person who leaves a group gets the default at once.
func TestSettingsWaitForTheGroup(t *testing.T) {
	r, err := provisioning.New(provisioning.Config{
		Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"},
		Assignments: []assignment.Assignment{{
			ID: "sales", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g"}},
			Settings: assignment.Settings{Seats: []string{"core"}},
		}},
	})
	require.NoError(t, err)
	settings := assignment.Settings{Seats: []string{"core"}, Capture: []string{assignment.Recording}}
	user := func(id string) sources.User {
		return sources.User{ID: id, Status: sources.StatusActive, Email: id + "@acme.com", GivenName: "Ana", FamilyName: id}
	}
	member := func(id string) provisioning.Member {
		return provisioning.Member{ID: "m" + id, Email: id + "@acme.com", GivenName: "Ana", FamilyName: id, Settings: settings, AssignmentID: "sales"}
	}
	byHand, former, away, moved := member("byhand"), member("former"), member("away"), member("moved")
	byHand.Active, byHand.AssignmentID = true, ""
	former.Connection, former.ExternalID, former.Managed = "okta", "old", true
	away.Connection, away.ExternalID, away.Managed = "okta", "away", true
	former.Capture, away.Capture = nil, nil // the state that deactivation leaves
	moved.Connection, moved.ExternalID, moved.Managed, moved.Active = "okta", "moved", true, true

	snapshot := &sources.Snapshot{
		Kind: "okta", Connection: "okta", Proven: sources.FactAll,
		Users:  []sources.User{user("byhand"), user("former"), user("away"), user("moved"), user("new")},
		Groups: []sources.Group{{ID: "g"}},
	}
	team := new(provisioning.Memory)
	for _, m := range []provisioning.Member{byHand, former, away, moved} {
		team.Put("acme", m)
	}
	decide := func(await bool, waited ...string) *provisioning.Plan {
		members, err := provisioning.Team(t.Context(), team, "acme")
		require.NoError(t, err)
		plan := r.Resolve(provisioning.Input{
			Tenant: "acme", Snapshot: snapshot, Members: members,
			Facts: &provisioning.Facts{Recent: provisioning.Recent{AwaitGroups: await, Waited: waited}},
		})
		_, err = provisioning.Apply(t.Context(), team, "acme", plan)
		require.NoError(t, err)
		return plan
	}
	get := func(id string) provisioning.Member {
		for m := range team.Members(t.Context(), "acme") {
			if m.Email == id+"@acme.com" {
				return m
			}
		}
		t.Fatalf("no member %s", id)
		return provisioning.Member{}
	}
	plan := decide(true)
	for _, id := range []string{"byhand", "former", "away"} {
		require.True(t, get(id).Active)
		require.Equal(t, []string{"core"}, get(id).Seats, "%s: %s", id, plan)
		require.Empty(t, get(id).AssignmentID)
	}
	require.Contains(t, plan.String(), string(provisioning.CodeWaitForGroup))
	require.Equal(t, settings.Capture, get("byhand").Capture)
	require.Equal(t, "default", get("new").AssignmentID)
	require.Empty(t, get("moved").Seats, "who is in a group no more does not wait")
	require.Equal(t, "default", get("moved").AssignmentID)

	require.Empty(t, decide(true).Actions, "L2")
	snapshot.Users[2].Title = "Lead"
	decide(true)
	require.Equal(t, "Lead", get("away").Title)
	require.Equal(t, []string{"core"}, get("away").Seats, "another push meanwhile leaves them")

	snapshot.Groups[0].Members = []string{"former"}
	decide(true)
	require.Equal(t, "sales", get("former").AssignmentID)
	decide(true, "away")
	require.Equal(t, "default", get("away").AssignmentID, "who waited long enough waits no longer")
	require.Equal(t, []string{"core"}, get("byhand").Seats, "and keeps nobody else from waiting")
	decide(false)
	for _, id := range []string{"byhand", "away"} {
		require.Empty(t, get(id).Seats)
		require.Equal(t, "default", get(id).AssignmentID)
	}
	require.Empty(t, decide(false).Actions, "L2")
}

// S39: a class that tripped holds every action that falls into it, even within
// the limit, and holds no other class. The population is the one at the
// beginning of the window.
func TestTrippedClassesHold(t *testing.T) {
	r, err := provisioning.New(provisioning.Config{Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"}})
	require.NoError(t, err)
	snapshot := &sources.Snapshot{Kind: "okta", Connection: "okta", Proven: sources.FactAll}
	team := new(provisioning.Memory)
	for i := range 100 {
		id := string(rune('a'+i/26)) + string(rune('a'+i%26))
		snapshot.Users = append(snapshot.Users, sources.User{ID: id, Status: sources.StatusActive, Email: id + "@acme.com", GivenName: "Ana", FamilyName: id})
	}
	resolve := func(recent provisioning.Recent) *provisioning.Plan {
		members, err := provisioning.Team(t.Context(), team, "acme")
		require.NoError(t, err)
		return r.Resolve(provisioning.Input{Tenant: "acme", Snapshot: snapshot, Members: members, Facts: &provisioning.Facts{Recent: recent}})
	}
	_, err = provisioning.Apply(t.Context(), team, "acme", resolve(provisioning.Recent{}))
	require.NoError(t, err)
	snapshot.Users[0].Status, snapshot.Users[1].Title = sources.StatusInactive, "Lead"
	plan := resolve(provisioning.Recent{Tripped: []provisioning.Class{provisioning.ClassDeactivate}})
	require.Len(t, plan.Held, 1)
	require.Equal(t, []provisioning.Class{provisioning.ClassDeactivate}, plan.Held[0].Classes)
	require.Equal(t, 1, plan.Count(provisioning.KindUpdate))
	require.Empty(t, resolve(provisioning.Recent{}).Held)

	done := func(n, grown int) provisioning.Recent {
		return provisioning.Recent{Window: provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassDeactivate: n}, Grown: grown}}
	}
	require.Empty(t, resolve(done(23, -23)).Held, "24 of 123 are within a fifth")
	require.Len(t, resolve(done(24, -24)).Held, 1, "25 of 124 are beyond it")
	require.Len(t, resolve(done(20, 0)).Held, 1, "21 of 100")
}
