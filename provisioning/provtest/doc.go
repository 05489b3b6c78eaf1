// Package provtest tests a host's own provisioning rules: that the right people
// come in, under the right assignment, with the right settings, and that what the
// rules promise holds for every directory.
//
// # One person
//
// [Rows] checks a config against a table. A row is a person as the directory lists
// them, perhaps the member they are already, and what is wanted, in words:
//
//	provtest.Rows(t, r,
//		provtest.Row{Person: provtest.New("ana@acme.com", "Ana Li", "g-sales"), Want: "create, assignment sales, seats core, capture recording"},
//		provtest.Row{Person: provtest.New("ext@partner.example", "Ext Person"), Want: "skipped, #ineligible.domain"},
//	)
//
// [PlanOf] gives the plan about some people together, [MemberOf] the member that
// a person becomes, and [Find] what a plan says about one person.
//
// # Everybody
//
// [Never] and [Laws] draw companies under the config and look at every decision.
// Never checks a sentence on them, such as "capture for group g-legal"; Laws
// checks the laws that no config may break, such as L1: the order of a listing never
// matters. The number of companies is that of rapid: -rapid.checks.
//
// # Files
//
// [Scenarios] runs a folder of scenario files: each says in English what it
// shows and holds a config, a snapshot (or that the connection is given up), a
// team, and the plan that is wanted. A snapshot that was taken from a customer's directory is a scenario once its
// config stands beside it.
//
// The package is for tests. All functions fail the test that is given to them.
package provtest

// tenant is the tenant of every plan that is made here.
const tenant = "t"
