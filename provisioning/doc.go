// Package provisioning decides who of a company's directory is in an application
// and what they get there, and carries out the decision.
//
// A [Resolver] takes a directory snapshot, the team and a [Config], and returns a
// [Plan]: whom to create, adopt, update and deactivate, each with the reasons. It
// is pure, so rules are tested like any other function: write a snapshot as a
// literal, resolve it, and check the plan. [Apply] does what the plan says in the
// host's [Store], and nothing else.
//
//	resolver, err := provisioning.New(cfg)
//	plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: team})
//	fmt.Print(plan.Summary())
//	outcome, err := provisioning.Apply(ctx, store, tenant, plan)
//
// # How a decision is made
//
// Resolver.Resolve runs a sequence of stages. A stage uses the results of earlier
// stages only. Their files have the prefix resolve_.
//
//   - survey: finds out which user is which member, which assignment governs each user,
//     and for which users the snapshot lacks the facts that decide this.
//   - standing: decides whose access begins, continues or ends. It first sets aside the
//     members about whom nothing changes, so that later stages work on few people.
//   - addresses: decides who gets which address, and which member a newcomer becomes by
//     that.
//   - drafts: makes a preliminary action for everybody who may change, with the fields
//     that follow the directory, then seats and settings.
//   - chart: decides everybody's manager, over the whole team as it will be.
//   - breakers: if too many people would change, holds their drafts and decides
//     addresses and all later stages again without them.
//   - plan: turns the differences into actions, adds what waits, and computes the hash.
//
// The table in field.go describes each field of a member once; the table in kind.go
// describes how kinds of directory differ.
//
// # A part of the world
//
// Resolver.Gather reads what a decision about a few people needs, by key, from a
// [Finder] and a sources.UserFinder. Resolve then decides about that part by the
// same stages.
//
// # Approvals
//
// What a breaker holds waits for an [Approval], which names the class and the hash
// of what the class holds ([Plan.Approve]). An approval is also valid for a new
// plan in which the class holds the same.
//
// # Errors
//
// New fails if the config is invalid and reports all problems. Resolve does not
// fail: bad data of a person becomes a [Finding], a [Skip] or a [Held] in the plan.
// Apply fails if the store fails, if the plan is another tenant's, was changed or
// is superseded, or if an approval does not fit. A single refused action is a
// [Result].
//
// # Locks
//
// [Locks] tells a host's edit form which fields may be edited by hand. [Locks.Edit]
// and [Locks.EditManager] make such an edit in a way that the next plan respects.
//
// # JSON
//
// Config, members and plans have documented JSON forms (docs/formats.md). Parsing
// is strict: an unknown field is an error with its path. The JSON of a plan is
// canonical, and the plan's hash is over it.
package provisioning
