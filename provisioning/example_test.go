package provisioning_test

import (
	"fmt"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A config, a directory, a team, and the plan for them. Rules are tested like this:
// without a server, a database or a clock.
func ExampleResolver_Resolve() {
	resolver, err := provisioning.New(provisioning.Config{
		Source:  "okta",
		Domains: provisioning.Domains{Primary: "acme.com"},
		Assignments: []assignment.Assignment{{
			ID: "sales", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g-sales"}},
			Settings: assignment.Settings{Seats: []string{"core"}, Capture: []string{"recording"}},
		}},
		Locale: provisioning.Locale{TimeZone: "America/New_York"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	directory := &sources.Snapshot{
		Proven: sources.FactUsers | sources.FactGroups | sources.FactMemberships | sources.FactManagers,
		Users: []sources.User{
			{ID: "1", Status: sources.StatusActive, Email: "ana@acme.com", GivenName: "Ana", FamilyName: "Young", Country: "France"},
			{ID: "2", Status: sources.StatusActive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Li", Title: "Lead", Manager: sources.Manager{Email: "ana@acme.com"}},
			{ID: "3", Status: sources.StatusInactive, Email: "carl@acme.com", GivenName: "Carl", FamilyName: "Meyer"},
			{ID: "4", Status: sources.StatusActive, Email: "eve@gmail.com", GivenName: "Eve", FamilyName: "Stone"},
		},
		Groups: []sources.Group{{ID: "g-sales", Members: []string{"1", "2"}}},
	}
	team := []provisioning.Member{
		{ID: "m2", Connection: "okta", ExternalID: "2", Managed: true, Active: true, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Li", Title: "Rep",
			AssignmentID: "sales", Settings: assignment.Settings{Seats: []string{"core"}, Capture: []string{"recording"}}},
		{ID: "m3", Connection: "okta", ExternalID: "3", Managed: true, Active: true, Email: "carl@acme.com", GivenName: "Carl", FamilyName: "Meyer"},
	}

	plan := resolver.Resolve(provisioning.Input{Tenant: "acme", Snapshot: directory, Members: team})
	fmt.Print(plan)
	// Output:
	// plan for okta: 1 create, 1 update, 1 deactivate, 1 skipped, 1 to look at
	// - carl@acme.com  deactivate                                                              # source.inactive
	// + ana@acme.com   create Ana Young in sales, seats core, capture recording, Europe/Paris  # match.new, hierarchy.no_manager_key, hierarchy.manual_needed
	// ~ bo@acme.com    title Rep -> Lead, under Ana Young                                      # hierarchy.manager, source.value
	// ! ana@acme.com   The source names no manager.                                            # hierarchy.no_manager_key
	// . eve@gmail.com  skipped  # ineligible.domain
}
