// Package provtest tests a host's own provisioning rules: the right people come in,
// under the right assignment, with the right settings, and what the rules
// promise holds for every directory.
//
// # One person
//
// [Rows] tests a config with a table. A row is a person as the directory lists
// them, optionally with their present member, and the expected result in words:
//
//	provtest.Rows(t, r,
//		provtest.Row{Person: provtest.New("ana@acme.com", "Ana Li", "g-sales"), Want: "create, assignment sales, seats core, capture recording"},
//		provtest.Row{Person: provtest.New("ext@partner.example", "Ext Person"), Want: "skipped, #ineligible.domain"},
//	)
//
// [PlanOf] returns the plan for several people together, [MemberOf] the member that
// a person becomes, and [Find] what a plan says about one person.
//
// # Everybody
//
// [Never] and [Laws] draw companies under the config and check every decision.
// Never tests a sentence, such as "capture for group g-legal"; Laws tests the laws
// that no config may break, such as L1: the order of a listing does not matter.
// rapid decides how many companies are drawn: -rapid.checks.
//
// # Files
//
// [Scenarios] runs a folder of scenario files. A file says in English what it
// shows, and has a config, a snapshot (or that the connection is given up), a team,
// and the expected plan. A snapshot from a customer's directory becomes a scenario
// if its config is added.
//
// The package is for tests. All functions fail the given test.
package provtest

// tenant is the tenant of every plan that is made here.
const tenant = "t"
