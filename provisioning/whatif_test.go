package provisioning_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// WhatIf reports the difference between the teams that result when each of the
// two plans is applied in full, approvals included: the same people, and the
// same values for each person.
func TestWhatIfIsTheDifferenceOfTwoPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now, in := drawCompany(t)
		next := otherRules(t, now)
		before := cloneInput(in)
		diff, err := provisioning.WhatIf(in, now, next)
		require.NoError(t, err)
		require.Equal(t, before, in)

		var teams [2]map[string]provisioning.Member
		for i, plan := range []*provisioning.Plan{diff.Now, diff.Next} {
			store, stored := storeWith(t, in.Members)
			r, err := provisioning.New([]provisioning.Config{now, next}[i])
			require.NoError(t, err)
			require.Equal(t, r.Resolve(in).Hash, plan.Hash)
			applyAll(t, store, r.Resolve(provisioning.Input{Tenant: "t", Snapshot: in.Snapshot, Members: stored}))
			teams[i] = byID(teamOf(t, store))
		}
		differs := make(map[string]bool)
		for _, team := range teams {
			for id := range team {
				a, b := teams[0][id], teams[1][id]
				differs[id] = len(valuesOf(provisioning.Difference(&a, &b))) > 0
			}
		}
		told := make(map[string]bool)
		for _, s := range diff.Shifts {
			told[s.MemberID] = true
			require.NotEmpty(t, s.Reasons, "%+v", s)
			a, b := teams[0][s.MemberID], teams[1][s.MemberID]
			require.Equal(t, a.AssignmentID, s.Now)
			require.Equal(t, b.AssignmentID, s.Next)
			require.Equal(t, valuesOf(provisioning.Difference(&a, &b)), valuesOf(s.Changes))
			require.Equal(t, a.Active && !b.Active, s.Outcome == provisioning.ShiftLeaves || s.Outcome == provisioning.ShiftStaysOut)
			require.Equal(t, !a.Active && b.Active, s.Outcome == provisioning.ShiftComesIn)
			require.Contains(t, diff.String(), s.Email)
		}
		for id := range differs {
			require.Equal(t, differs[id], told[id], "%s\n%s", id, diff)
		}
	})
}

// valuesOf removes changes that change only the owner.
func valuesOf(changes []provisioning.Change) (values []provisioning.Change) {
	for _, c := range changes {
		if c.IsValue() {
			c.Owner = 0
			values = append(values, c)
		}
	}
	return values
}

// otherRules returns rules that an admin might try: one assignment more, above
// or below the others; one less; another order; no default; or the same rules.
func otherRules(t *rapid.T, cfg provisioning.Config) provisioning.Config {
	cfg.Assignments = append([]assignment.Assignment(nil), cfg.Assignments...)
	added := assignment.Assignment{ID: "tried", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g1"}}, Settings: assignment.Settings{Seats: []string{"core"}}}
	switch what := rapid.SampledFrom([]string{"above", "below", "fewer", "order", "default", "same"}).Draw(t, "rules"); {
	case what == "above":
		cfg.Assignments = append([]assignment.Assignment{added}, cfg.Assignments...)
	case what == "below":
		cfg.Assignments = append(cfg.Assignments, added)
	case what == "fewer" && len(cfg.Assignments) > 0:
		cfg.Assignments = cfg.Assignments[1:]
	case what == "order" && len(cfg.Assignments) > 1:
		cfg.Assignments[0], cfg.Assignments[1] = cfg.Assignments[1], cfg.Assignments[0]
	case what == "default":
		cfg.Default = nil
	}
	return cfg
}

// R108: some people are to get other settings. The admin tries an assignment
// for them above the one that governs them before saving it.
func TestWhatIfAnAssignmentIsPutAbove(t *testing.T) {
	now := provisioning.Config{
		Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"},
		Assignments: []assignment.Assignment{{
			ID: "sales", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g-sales"}},
			Settings: assignment.Settings{Seats: []string{"core"}, Capture: []string{assignment.Recording}},
		}},
	}
	next := now
	next.Assignments = append([]assignment.Assignment{{
		ID: "emea", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g-emea"}},
		Settings: assignment.Settings{Seats: []string{"core", "plus"}},
	}}, now.Assignments...)
	in := provisioning.Input{Tenant: "t", Snapshot: &sources.Snapshot{Kind: "okta", Connection: "okta", Proven: sources.FactAll}}
	sales, emea := sources.Group{ID: "g-sales"}, sources.Group{ID: "g-emea"}
	for _, name := range []string{"Ana", "Bo", "Carl", "Dora"} {
		in.Snapshot.Users = append(in.Snapshot.Users, sources.User{
			ID: name, Status: sources.StatusActive, Email: strings.ToLower(name) + "@acme.com", GivenName: name, FamilyName: "Li",
		})
	}
	in.Snapshot.Users[3].Email = "dora@acme.co.uk"
	next.Domains.Company = provisioning.DomainList{"acme.co.uk"}
	sales.Members, emea.Members = []string{"Ana", "Bo", "Carl"}, []string{"Bo", "Carl", "Dora"}
	in.Snapshot.Groups = []sources.Group{sales, emea}

	diff, err := provisioning.WhatIf(in, now, next)
	require.NoError(t, err)
	require.Equal(t, `what if: 3 would be decided differently: 1 comes in, 2 changes
no assignment -> emea (1):
  + dora@acme.co.uk  comes in, seats core+plus
sales -> emea (2):
  ~ 2 people: seats +plus, capture -recording (bo@acme.com, carl@acme.com)
`, diff.Summary())
	require.Equal(t, 3+3, strings.Count(diff.String(), "\n"), diff.String())

	same, err := provisioning.WhatIf(in, now, now)
	require.NoError(t, err)
	require.Equal(t, "what if: nobody would be decided differently\n", same.String())

	back, err := provisioning.WhatIf(in, next, now)
	require.NoError(t, err)
	require.Contains(t, back.Summary(), "emea -> no assignment (1):\n  - dora@acme.co.uk  stays out\n")

	next.Domains.Primary = "no domain"
	_, err = provisioning.WhatIf(in, now, next)
	require.ErrorContains(t, err, "the config to try: ")
	require.ErrorContains(t, err, "domains.primary")
}
