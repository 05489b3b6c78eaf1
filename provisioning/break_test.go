package provisioning_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// recorders is an automatic assignment of the group g.
func recorders() assignment.Assignment {
	return assignment.Assignment{ID: "a", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g"}},
		Settings: assignment.Settings{Seats: []string{"core"}, Capture: []string{"recording"}}}
}

// S4, S14: the address of a former, hand-made member goes to a person with another
// name only with an approval, since that person gets the record's settings.
func TestAdoptionOfAFormerMemberOfAnotherName(t *testing.T) {
	cfg := okta()
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Manual}
	former := provisioning.Member{ID: "m1", Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Young", Revision: "1"}
	former.Profiles = map[string]string{"ws1": "admin"}
	newcomer := activeUser("u1", "bo@acme.com")
	newcomer.GivenName, newcomer.FamilyName = "Bella", "Yang"
	in := provisioning.Input{Tenant: "t", Snapshot: allProven(newcomer), Members: []provisioning.Member{former}}
	plan := resolver(t, cfg).Resolve(in)
	require.Empty(t, plan.Actions)
	require.Equal(t, []provisioning.Class{provisioning.ClassIdentity}, plan.Held[0].Classes)
	require.NotContains(t, plan.Explain("u1"), "match.adopt_email")

	in.Members[0].Active = true // a person who is active is known to the team, under any name (S3)
	require.Equal(t, 1, resolver(t, cfg).Resolve(in).Count(provisioning.KindAdopt))
	in.Members[0].Active = false
	in.Snapshot.Users[0].GivenName, in.Snapshot.Users[0].FamilyName = "BO", "Young"
	require.Equal(t, 1, resolver(t, cfg).Resolve(in).Count(provisioning.KindAdopt))
}

// S4, S41: a record that goes to another person while its owner leaves ends the
// owner's sessions, as the deactivation that it replaces would.
func TestRecordHandedOverEndsAccess(t *testing.T) {
	owner, newcomer := activeUser("u1", "ana@acme.com"), activeUser("u2", "ana@acme.com")
	store, team := storeWith(t, []provisioning.Member{memberFor(owner)})
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(newcomer), Members: team})
	applyAll(t, store, plan)
	require.Equal(t, "u2", teamOf(t, store)[0].ExternalID)
	require.Equal(t, provisioning.AccessEnded, effectsOf(t, store)[0].Kind)
}

// S45: a plan shows the kind of an action, so the kind must fit what the action
// does.
func TestActionOfAnotherKindIsRefused(t *testing.T) {
	u := activeUser("u1", "ana@acme.com")
	former := memberFor(u)
	former.Active = false
	store, team := storeWith(t, []provisioning.Member{former})
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: team})
	edited := strings.ReplaceAll(planJSON(t, plan), `"kind":"reactivate"`, `"kind":"deactivate"`)
	plan, err := provisioning.ReadPlan(provisioning.Sealed([]byte(edited)))
	require.NoError(t, err)
	require.Contains(t, plan.String(), "- ana@acme.com")
	outcome, err := provisioning.Apply(context.Background(), store, "t", plan)
	require.NoError(t, err)
	require.ErrorIs(t, outcome.Results[0].Err, provisioning.ErrNotShown)
	require.False(t, teamOf(t, store)[0].Active)
}

// L10: the line of a deactivation shows everything else that it changes.
func TestDeactivationHidesNothing(t *testing.T) {
	u := activeUser("u1", "ana@acme.com")
	u.Status = sources.StatusInactive
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: []provisioning.Member{memberFor(u)}})
	plan.Actions[0].Changes = append(plan.Actions[0].Changes, provisioning.Change{Field: provisioning.FieldExternalID, Old: "u1", New: "u2"})
	require.Contains(t, plan.String(), "external_id u1 -> u2")
}

// L1, S5: if a user is listed twice with different data, no data of the user
// counts, in either order of the listings, and however little is proven.
func TestInconsistentListingKeepsNoAddress(t *testing.T) {
	cfg := okta()
	cfg.Assignments = []assignment.Assignment{recorders()}
	first, second := activeUser("u1", "new@acme.com"), activeUser("u1", "other@acme.com")
	var plans []string
	for _, users := range [][]sources.User{{first, second}, {second, first}} {
		snapshot := allProven(append(users, activeUser("u2", "new@acme.com"))...)
		snapshot.Proven = sources.FactUsers
		snapshot.Groups = []sources.Group{{ID: "g", Members: []string{"u2"}}}
		plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: []provisioning.Member{memberFor(activeUser("u1", "old@acme.com"))}})
		plans = append(plans, planJSON(t, plan))
	}
	require.Equal(t, plans[0], plans[1])
}

// S5, S44: a listed membership counts, also for a user who is listed twice with
// equal values: facts are not missing, and the seat is granted.
func TestListedTwiceIsNotOpen(t *testing.T) {
	cfg := okta()
	cfg.Assignments = []assignment.Assignment{recorders()}
	cfg.Seats.Pools = map[string]int{"core": 1}
	snapshot := allProven(activeUser("u1", "ana@acme.com"), activeUser("u1", "ana@acme.com"))
	snapshot.Proven = sources.FactUsers
	snapshot.Groups = []sources.Group{{ID: "g", Members: []string{"u1"}}}
	plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot})
	require.Equal(t, []string{"core"}, plan.Actions[0].Member.Seats)
}

// S12: a listed user is not absent, even with an ID that a database cannot
// store.
func TestListedUnderABrokenID(t *testing.T) {
	u := activeUser("u1\x00", "ana@acme.com")
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: []provisioning.Member{memberFor(u)}})
	require.Empty(t, plan.Actions)
	require.Empty(t, plan.Held)
	require.Equal(t, provisioning.CodeMalformedID, plan.Findings[0].Reason.Code)
}

// S39: earlier changes in the window trip no breaker alone.
func TestWindowAloneHoldsNothing(t *testing.T) {
	in := crowd(100)
	in.Facts = &provisioning.Facts{Recent: provisioning.Recent{Window: provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassDeactivate: 30}}}}
	require.Empty(t, resolver(t, okta()).Resolve(in).Breakers)
	in.Snapshot.Users[0].Status = sources.StatusInactive
	require.Equal(t, 1, resolver(t, okta()).Resolve(in).Breakers[0].Count)
}

// S35: an attribute may have any name in the host's team, also the empty one, and
// no name forges a line of a plan.
func TestAttributeOfAnyName(t *testing.T) {
	cfg := okta()
	cfg.Attributes = map[string]string{"a\nb": "floor"}
	u := activeUser("u1", "ana@acme.com")
	m := memberFor(u)
	m.Attributes = map[string]string{"": "x"}
	u.Attributes = map[string]sources.Values{"floor": {"3"}}
	plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u), Members: []provisioning.Member{m}})
	require.Equal(t, map[string]string{"": "x", "a\nb": "3"}, plan.Actions[0].Member.Attributes)
	for _, text := range []string{plan.String(), plan.Summary(), plan.Explain("u1")} {
		require.NotContains(t, text, "a\nb")
	}
}

// Every text of a config that gets into a member, a plan or a log can be stored.
// All texts that cannot are reported together.
func TestConfigTextsAreStorable(t *testing.T) {
	const broken = "a\x00\xff"
	a := recorders()
	a.ID, a.Name, a.Home, a.Seats, a.Capture = broken, broken, broken, []string{broken}, []string{broken}
	a.Profiles, a.Extra = map[string]string{broken: broken}, map[string]any{broken: broken, "limit": 1.0}
	a.Match.Groups, a.Match.Attributes = []string{broken}, map[string]sources.Values{broken: {broken}}
	cfg := okta()
	cfg.Connection, cfg.Revision, cfg.Attributes, cfg.Assignments = broken, broken, map[string]string{broken: broken}, []assignment.Assignment{a}
	_, err := provisioning.New(cfg)
	var invalid *provisioning.ConfigError
	require.ErrorAs(t, err, &invalid)
	var paths []string
	for _, p := range invalid.Problems {
		if strings.Contains(p.Message, "NUL") {
			paths = append(paths, p.Path)
		}
	}
	require.Subset(t, paths, []string{"connection", "revision", "assignments[0].id", "assignments[0].name", "assignments[0].home", "assignments[0].seats[0]",
		"assignments[0].capture[0]", `assignments[0].profiles."a\ufffd"`, `assignments[0].extra."a\ufffd"`, "assignments[0].match.groups[0]", `attributes."a\ufffd"`})
	_, err = provisioning.ParseConfig([]byte(`{"format": 1, "source": "okta", "connection": "a\u0000", "domains": {"primary": "acme.com"}}`))
	require.ErrorContains(t, err, "connection")
}

// S37: settings edited by hand are checked like those of an assignment, and texts
// that a database cannot store are refused.
func TestHandEditedSettingsAreChecked(t *testing.T) {
	cfg := okta()
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Manual}
	locks, m := resolver(t, cfg).Locks(), crowd(1).Members[0]
	for _, edit := range []struct {
		field provisioning.Field
		value any
	}{
		{provisioning.FieldSeats, []string{""}}, {provisioning.FieldSeats, []string{"core\x00"}}, {provisioning.FieldCapture, []string{"a\xff"}},
		{provisioning.FieldProfiles, map[string]string{"": "admin"}}, {provisioning.FieldProfiles, map[string]string{"ws1": ""}},
		{provisioning.FieldExtra, map[string]any{"limit": []int{1}}}, {provisioning.FieldExtra, map[string]any{"limit": math.NaN()}},
		{provisioning.FieldExtra, map[string]any{"": true}}, {provisioning.Attribute("a\x00"), "v"}, {provisioning.Attribute(""), "v"},
	} {
		var refused *provisioning.EditError
		_, err := locks.Edit(m, edit.field, edit.value)
		require.ErrorAs(t, err, &refused, "%s %v", edit.field, edit.value)
	}
	edited, err := locks.Edit(m, provisioning.FieldExtra, map[string]any{"limit": 1.0})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"limit": 1.0}, edited.Extra)
}
