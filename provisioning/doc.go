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
//	plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: team})
//	fmt.Print(plan.Summary())
//	outcome, err := provisioning.Apply(ctx, store, tenant, plan)
//
// # How a decision is made
//
// Resolver.Resolve goes through a line of stages. Each is made from the outputs
// of earlier ones and reads no later one; their files have the prefix resolve_.
//
//   - survey: which user is which member, which assignment governs each user, and
//     about whom the snapshot lacks what decides that.
//   - standing: whose access begins, goes on or ends. Members who stay as they
//     are altogether are found first, so that the rest looks at few people.
//   - addresses: who gets which address, and which member a newcomer thereby
//     becomes.
//   - drafts: an action in the making for everybody for whom something may
//     change, with the fields that follow the directory, then seats and settings.
//   - chart: everybody's manager, over the whole team as it is to be.
//   - breakers: if too many people would change, their drafts are held, and
//     addresses and what follows are decided again around them.
//   - plan: the differences as actions, with what waits, and the hash.
//
// A field of a member is described once, in the table of field.go; what is
// special about a kind of directory stands in the table of kind.go.
//
// # A part of the world
//
// Resolver.Gather reads what a decision about a few people needs, by key, from a
// [Finder] and a sources.UserFinder. Resolve decides about the result by the
// same stages.
//
// # Approvals
//
// What a breaker holds waits for an [Approval] of its class and of the hash of
// what the class holds ([Plan.Approve]). It releases that, also in a plan that
// is made anew and holds the same.
//
// # Errors
//
// New fails for an invalid config, with everything that is wrong with it.
// Resolve does not fail: a person with bad data is a [Finding], a [Skip] or
// [Held] in the plan. Apply fails if the store does, if the plan is another
// tenant's, was changed or is superseded, or if an approval is for something
// else; a single refused action is a [Result].
//
// # Locks
//
// [Locks] answers for a host's edit form which fields may be edited by hand,
// and [Locks.Edit] and [Locks.EditManager] do it, so that the next plan knows.
//
// # JSON
//
// Config, members and plans have documented JSON forms (docs/formats.md), read
// strictly: an unknown field is an error with its path. A plan's JSON is
// canonical and its hash is over it.
package provisioning
