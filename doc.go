// Package usher brings people from a company's identity provider into an
// application, decides what each of them may do there, and keeps that up to date:
// who gets in, under which assignment, who reports to whom, in which time
// zone, and who must leave.
//
// This package holds no code. Data goes one way through the others:
//
//	okta · entra · salesforce              okta · entra · onelogin · rippling
//	onelogin · rippling · SCIM             any SCIM client
//	           │ pull                                          │ push
//	           ▼                                               ▼
//	   sources.Source ──▶ sources.Collect ◀── scim.AsSource ── scim.NewHandler
//	                           │
//	                    sources.Snapshot        what the directory says, and
//	                           │                how much of it is proved
//	[]provisioning.Member ─▶ Resolver ◀─ Config
//	                           │                pure: no I/O, no clock
//	                      provisioning.Plan     who changes, how, and why
//	                           │                shown, explained, approved
//	                      provisioning.Apply ──▶ provisioning.Store
//
// Sources read the directory, the Resolver decides, and Apply writes. For a dry
// run, do not call Apply. Package provisioning/syncer runs all of it, for many
// tenants, on pushes and by time.
//
//	resolver, err := provisioning.New(cfg)              // the only error: an invalid config
//	snapshot, err := sources.Collect(ctx, directory, sources.CollectConfig{Queries: resolver.Queries()})
//	plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: team})
//	fmt.Print(plan)                                     // + ana@acme.com  create in sales with core  # match.new
//	outcome, err := provisioning.Apply(ctx, store, tenant, plan)
//
// What it promises:
//
//   - Nobody leaves because a listing broke off: absence is evidence only in a
//     snapshot that its source proved complete.
//   - What was shown is what is done: a plan is data with a hash, an approval
//     names it, and every action is refused if its member changed meanwhile.
//   - What could do harm in bulk waits: deactivations, downgrades, rewritten addresses and
//     managers beyond a limit are held until somebody approves just them.
//   - Same input, same plan, byte for byte.
//
// Open package provisioning next for the decision, sources to read a
// directory, scim to be pushed to, and assignment, hierarchy and timezone for
// the rules of each. The numbered rules that comments and tests quote (R76,
// S12, L2) are in docs/rules.md.
package usher
