// Package provisioning decides who of a company's directory is in an
// application, with what, and does what was decided.
//
// A [Resolver] takes a directory snapshot, the team and a [Config], and gives a
// [Plan]: what to create, adopt, update, deactivate, each with its reasons. It
// is pure, so rules are tested like any other function: write a snapshot as a
// literal, resolve it, and look at the plan. [Apply] does what the plan says on
// the host's [Store], and nothing else.
//
//	resolver, err := provisioning.New(cfg)
//	plan := resolver.Resolve(provisioning.Input{Snapshot: snapshot, Members: team})
//	fmt.Print(plan)
//	outcome, err := provisioning.Apply(ctx, store, tenant, plan)
//
// # How a decision is made
//
// Read it in the order of Resolver.Resolve: in the survey, index and link say
// who is who, and judge says whose access begins, goes on or ends; then a pass
// decides addresses, fields, seats, settings and managers of everybody
// together, and what changes is taken as the difference at the end. If a
// breaker trips, further passes decide around those who have to wait.
//
// # Errors
//
// New fails for an invalid config, with everything that is wrong with it.
// Resolve does not fail: a person with bad data is a [Finding], a [Skip] or
// [Held] in the plan. Apply fails if the store does, or if an approval is for
// another plan; a single refused action is a [Result].
//
// # Locks
//
// [Locks] answers for a host's edit form which fields may be edited by hand,
// and [Locks.Edit] does it, so that the next plan knows.
//
// # JSON
//
// Config, members and plans have documented JSON forms (docs/formats.md), read
// strictly: an unknown field is an error with its path. A plan's JSON is
// canonical and its hash is over it.
package provisioning
