package provisioning_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// S4: the record of a former member that goes to a person with another name waits
// in the class identity, whatever the limits are, and one approval of that class
// releases it: for a new ID with the address, and for the record itself if it is
// active again.
func TestRecycledRecordIsReleasedByItsClass(t *testing.T) {
	for name, id := range map[string]string{"new id": "new", "same id": "old"} {
		t.Run(name, func(t *testing.T) {
			cfg := okta()
			cfg.Breakers = noBreakers()
			r := resolver(t, cfg)
			former := memberFor(activeUser("old", "desk@acme.com"))
			former.Active, former.Profiles = false, map[string]string{"company": "administrator"}
			stranger := activeUser(id, "desk@acme.com")
			stranger.GivenName, stranger.FamilyName = "Bea", "Li"
			store, team := storeWith(t, []provisioning.Member{former})
			in := provisioning.Input{Tenant: "t", Snapshot: allProven(stranger), Members: team}

			plan := r.Resolve(in)
			require.Empty(t, plan.Actions, "%s", plan)
			require.Len(t, plan.Held, 1)
			require.Equal(t, []provisioning.Class{provisioning.ClassIdentity}, plan.Held[0].Classes)
			require.Contains(t, plan.String(), "Given old -> Bea")
			_, err := provisioning.Apply(context.Background(), store, "t", plan)
			require.NoError(t, err)
			require.False(t, teamOf(t, store)[0].Active, "nothing is done without the approval")

			outcome, err := provisioning.Apply(context.Background(), store, "t", plan, plan.Approve(provisioning.ClassIdentity))
			require.NoError(t, err)
			require.Equal(t, 1, outcome.Done)
			m := teamOf(t, store)[0]
			require.True(t, m.Active)
			require.Equal(t, "Bea Li", m.Name())
			require.Equal(t, id, m.ExternalID)
		})
	}
}

// S4: if the record of a leaver is approved for a newcomer, it is not deactivated
// in the same run.
func TestRecycledRecordOfALeaver(t *testing.T) {
	former := memberFor(activeUser("old", "desk@acme.com"))
	stranger := activeUser("new", "desk@acme.com")
	store, team := storeWith(t, []provisioning.Member{former})
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(stranger), Members: team})
	require.Equal(t, 1, plan.Count(provisioning.KindDeactivate), "%s", plan)
	outcome, err := provisioning.Apply(context.Background(), store, "t", plan, plan.Approve(provisioning.ClassIdentity))
	require.NoError(t, err)
	require.Zero(t, outcome.Refused)
	m := teamOf(t, store)[0]
	require.True(t, m.Active)
	require.Equal(t, "new", m.ExternalID)
}

// S41: a person whose access ends has the effect access_ended, and one who loses a
// seat, a profile or capture has access_reduced. Effects have the key of their
// action, are in the plan, and wait in the outbox like a mail. A held action has
// none in the outbox.
func TestAccessEffects(t *testing.T) {
	cfg := okta()
	r := resolver(t, cfg)
	kept, leaver := activeUser("kept", "kept@acme.com"), memberFor(activeUser("gone", "gone@acme.com"))
	var in provisioning.Input
	in.Tenant, in.Snapshot = "t", allProven(kept)
	loser := memberFor(kept)
	loser.Seats = []string{"core"} // the default does not give this seat
	outsider := memberFor(activeUser("out", "out@acme.com"))
	outsider.Active = false // has no access that could end
	protected := memberFor(activeUser("admin", "admin@acme.com"))
	protected.Protected = true
	in.Snapshot.Users = append(in.Snapshot.Users, sources.User{ID: "admin", Status: sources.StatusInactive, Email: "admin@acme.com"})
	store, team := storeWith(t, []provisioning.Member{loser, leaver, outsider, protected})
	in.Members = team
	plan := r.Resolve(in)
	_, err := provisioning.Apply(context.Background(), store, "t", plan)
	require.NoError(t, err)

	keys := make(map[string]string)
	for _, a := range plan.Actions {
		keys[a.Member.ID] = a.Key
		require.Len(t, a.Effects, 1)
	}
	require.ElementsMatch(t, []provisioning.Effect{
		{Kind: provisioning.AccessEnded, Key: keys[leaver.ID], About: leaver.ID},
		{Kind: provisioning.AccessReduced, Key: keys[loser.ID], About: loser.ID},
	}, effectsOf(t, store))
	require.Contains(t, plan.Explain(leaver.ID), "then: access_ended")
}

// S39: changes without an approval in the window count towards a class's limit
// together with the changes of a plan, so that many small plans do not pass it.
func TestBreakersCountTheWindow(t *testing.T) {
	two, zero := 2, 0
	cfg := okta()
	cfg.Breakers = provisioning.Breakers{Deactivate: &provisioning.Limit{Count: &two}, MinPopulation: &zero}
	r := resolver(t, cfg)
	gone, kept := activeUser("gone", "gone@acme.com"), activeUser("kept", "kept@acme.com")
	for done, held := range map[int]bool{0: false, 1: false, 2: true} {
		plan := r.Resolve(provisioning.Input{
			Tenant: "t", Snapshot: allProven(kept), Members: []provisioning.Member{memberFor(gone), memberFor(kept)},
			Facts: &provisioning.Facts{Users: true, Recent: provisioning.Recent{Window: provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassDeactivate: done}}}},
		})
		require.Equal(t, held, len(plan.Held) == 1, "%d done in the window:\n%s", done, plan)
	}
}

// S4, S36: a part of the name that the team does not know contradicts nothing, so
// the record is not held; a part that is known and differs is.
func TestUnknownNameIsNoOtherName(t *testing.T) {
	for _, test := range []struct {
		given, family string
		held          bool
	}{
		{"", "", false}, {"Bea", "", false}, {"", "LI", false}, {"Ann", "", true}, {"", "Young", true},
	} {
		former := memberFor(activeUser("old", "desk@acme.com"))
		former.Active, former.GivenName, former.FamilyName = false, test.given, test.family
		again := activeUser("new", "desk@acme.com")
		again.GivenName, again.FamilyName = "Bea", "Li"
		plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(again), Members: []provisioning.Member{former}})
		require.Len(t, plan.Held, map[bool]int{true: 1}[test.held], "%s", plan)
		require.Equal(t, map[bool]int{false: 1}[test.held], plan.Count(provisioning.KindRehire), "%s", plan)
	}
}
