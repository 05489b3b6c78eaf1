// Package syncer keeps the teams of a host's tenants true to their directories.
//
// One loop serves what providers push and what is read from their APIs. Under
// the tenant's lock a round reads what is new, decides about the people whom it
// concerns or about everybody, saves the plan, applies it, and moves the cursor,
// all of it kept in the host's [Store] (S28, S38). Whatever process comes next
// goes on from there, so that nothing is lost with one, and several may run side
// by side. The decisions themselves are package provisioning's.
//
// A host makes one [Syncer], calls [Syncer.Push] wherever a directory changed,
// and runs [Syncer.Serve] for everything that is due by time: whole runs,
// retries, and the delivery of effects. A host that has a queue of jobs calls
// [Syncer.Round] and [Syncer.Deliver] from its jobs instead.
//
//	sync, err := syncer.New(syncer.Config{Store: team, Targets: targets, Setup: setup, Deliver: deliver})
//	...
//	scim.Config{OnChange: func(ctx context.Context, e scim.Event) {
//		sync.Push(ctx, syncer.Target(e.Directory))
//	}}
//	go sync.Serve(ctx)
//
// # Effects
//
// An effect is stored with the action that has it, and handed to the host's
// function until the function returns nil: at least once, never lost, and twice
// if the process dies between the function's return and the mark. Its key is the
// same each time. A host that must do it once keeps the keys it has seen.
package syncer
