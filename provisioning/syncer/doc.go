// Package syncer keeps the teams of a host's tenants in step with their
// directories.
//
// One loop handles both what providers push and what is read from their APIs. Under
// the tenant's lock, a round reads what is new, decides the people whom it concerns
// or everybody, saves the plan, applies it, and moves the cursor. All of this is
// stored in the host's [Store] (S28, S38). If the process dies, the next one
// continues from there, and nothing is lost. Several processes may run side by
// side. Package provisioning makes the decisions.
//
// A host makes one [Syncer], calls [Syncer.Push] after a directory has changed, and
// runs [Syncer.Serve] for everything that is due by time: whole runs, retries, and
// the delivery of effects. A host that has a queue of jobs calls [Syncer.Round] and
// [Syncer.Deliver] from its jobs instead.
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
// An effect is stored together with its action. It is passed to Config.Deliver
// until that function returns nil. So an effect is never lost and is delivered at
// least once; it is delivered again if the process dies after the function returns
// and before the effect is marked. Its key is the same each time. A host that must
// not do an effect twice stores the keys that it has seen.
package syncer
