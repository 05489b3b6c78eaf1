package sqlstore_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

const tenant = "acme"

// person returns a managed member with a usual number of values.
func person(i int) provisioning.Member {
	return provisioning.Member{
		ID: fmt.Sprintf("m%06d", i), Connection: "okta-prod", ExternalID: fmt.Sprintf("00u%06d", i), Managed: true, Active: true,
		Email: fmt.Sprintf("person%d@acme.example", i), GivenName: "Person", FamilyName: fmt.Sprint(i), Title: "Seller",
		Phone: "+12125551994", TimeZone: "America/New_York", Country: "US", Locale: "en-US", ManagerID: "m000000", AssignmentID: "sales",
		Settings: assignment.Settings{
			Seats: []string{"core"}, Home: "ws1", Profiles: map[string]string{"ws1": "standard"}, Capture: []string{"recording"},
		},
		Owners: provisioning.Owners{}.With(provisioning.FieldEmail, provisioning.OwnerSource),
	}
}

// hire returns the action that creates m, with an effect.
func hire(m provisioning.Member) provisioning.Action {
	key := "create " + m.ID
	return provisioning.Action{
		Kind: provisioning.KindCreate, Key: key, Member: m,
		Changes: provisioning.Difference(new(provisioning.Member), &m),
		Effects: []provisioning.Effect{{Kind: provisioning.NotifyManager, Key: key, To: m.ManagerID, About: m.ID}},
		Reasons: []provisioning.Reason{{Code: provisioning.CodeMatchNew}},
	}
}

// hires returns the actions that create n people.
func hires(n int) []provisioning.Action {
	actions := make([]provisioning.Action, n)
	for i := range actions {
		actions[i] = hire(person(i))
	}
	return actions
}

// retitle returns the action that changes the title of a member, which is as it
// is stored.
func retitle(m provisioning.Member, title string) provisioning.Action {
	a := provisioning.Action{
		Kind: provisioning.KindUpdate, Key: "update " + m.ID + " " + string(m.Revision), Revision: m.Revision, Member: m.Clone(),
		Reasons: []provisioning.Reason{{Code: provisioning.CodeSourceValue, Facts: map[string]string{"field": "title"}}},
	}
	a.Member.Title = title
	a.Changes = provisioning.Difference(&m, &a.Member)
	return a
}

// amend changes the member that an action writes, and its list of changes.
func amend(a *provisioning.Action, edit func(m *provisioning.Member)) {
	before := a.Member.Clone()
	edit(&a.Member)
	for _, c := range provisioning.Difference(&before, &a.Member) {
		i := slices.IndexFunc(a.Changes, func(shown provisioning.Change) bool { return shown.Field == c.Field })
		if i < 0 {
			a.Changes = append(a.Changes, c)
		} else {
			a.Changes[i].New = c.New
		}
	}
}

// teamOf returns the members of the tenant by ID.
func teamOf(t testing.TB, store *sqlstore.Store) map[string]provisioning.Member {
	t.Helper()
	team := make(map[string]provisioning.Member)
	for m, err := range store.Members(t.Context(), tenant) {
		require.NoError(t, err)
		team[m.ID] = m
	}
	return team
}

// apply applies actions, and requires that all of them are done.
func apply(t testing.TB, store *sqlstore.Store, actions ...provisioning.Action) {
	t.Helper()
	results, err := store.Apply(t.Context(), tenant, actions)
	require.NoError(t, err)
	for _, r := range results {
		require.NoError(t, r.Err)
	}
}
