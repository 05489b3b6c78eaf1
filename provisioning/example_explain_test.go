package provisioning_test

import (
	"fmt"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Support wants to know why somebody has something, or has nothing. A person is
// found by any address, ID or name, and each reason is a sentence with its code.
func ExamplePlan_Explain() {
	resolver, err := provisioning.New(provisioning.Config{
		Source: "salesforce", Domains: provisioning.Domains{Primary: "acme.com", Convert: true},
		Assignments: []assignment.Assignment{{
			ID: "sales", Name: "Sales", Mode: assignment.Automatic, Match: assignment.Match{Query: "Department = 'Sales'"},
			Settings: assignment.Settings{Seats: []string{"core"}},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan := resolver.Resolve(provisioning.Input{Tenant: "acme", Snapshot: &sources.Snapshot{
		Proven: sources.FactAll,
		Users: []sources.User{
			{ID: "1", Status: sources.StatusActive, Email: "ana@ac.me", GivenName: "Ana", FamilyName: "Young", Manager: sources.Manager{Email: "boss@acme.com"}},
			{ID: "2", Status: sources.StatusActive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Li"},
		},
		Matches: map[string][]string{"Department = 'Sales'": {"1"}},
	}})

	fmt.Print(plan.Explain("ana@ac.me")) // the directory's address, which was converted
	fmt.Print(plan.Explain("bo li"))
	fmt.Print(plan.Explain("carl"))

	// The same as data, for a page of your own.
	for _, story := range plan.Story("1") {
		fmt.Println(story.Outcome, story.Steps[0].Stage, story.Steps[0].Reason.Code)
	}
	// Output:
	// + ana@acme.com: create Ana Young in sales, seats core
	//     Nobody in the team is this person yet.  [match.new]
	//     The address was given the company's primary domain. (from: ana@ac.me, to: ana@acme.com)  [domain.converted]
	//     The uppermost assignment that matches. (assignment: Sales)  [assignment.first_match]
	//     The manager whom the source names is not in the team. (email: boss@acme.com)  [hierarchy.manager_not_found]
	//     The manager has to be set by hand.  [hierarchy.manual_needed]
	//     connection: none -> salesforce
	//     external_id: none -> 1
	//     managed: false -> true
	//     active: false -> true
	//     email: none -> ana@acme.com
	//     given_name: none -> Ana
	//     family_name: none -> Young
	//     locale: none -> en-US
	//     assignment_id: none -> sales
	//     seats: none -> core
	// . bo@acme.com: skipped
	//     Matches none of the assignments' filters.  [scope.unmatched]
	// carl: nobody of that name, address or id is known, in the directory or in the team
	// done match match.new
}
