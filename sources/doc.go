// Package sources reads directories: Okta, Microsoft Entra ID, Salesforce,
// OneLogin, Rippling and any SCIM server (rule R1), those that push by SCIM
// (through package scim), or one of your own. Its result says what is known of a
// directory, and how much of that is proven.
//
//	src, err := salesforce.New(salesforce.Config{...})
//	if err != nil {
//		return err
//	}
//	snapshot, err := sources.Collect(ctx, src, sources.CollectConfig{})
//	if err != nil {
//		log.Warn("directory read in part", "proven", snapshot.Proven, "err", err)
//	}
//	plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: members})
//
// [Collect] reads a [Source] into a [Snapshot], which is plain data: it can be
// stored, sent, compared, and written by hand in a test. [Refresh] brings a
// snapshot up to date, and reads only what changed if the provider can tell. A
// partial snapshot is as safe to use as a complete one: Snapshot.Proven says which
// facts are complete, and a person counts as absent only if that is proven (rule
// S12).
//
// docs/sources.md says for each provider where each field of a user comes from.
//
// # Writing a source
//
// A [Source] has three methods and one main obligation: an iteration that ends
// without an error claims that the provider itself said that this was the end.
// Further abilities are interfaces of their own ([DeltaSource], [Matcher],
// [BatchMatcher], [OneReader], [Checker]). [As] finds them; [Refresh], [Match],
// [ReadOne] and [Check] use them, and do without them if they can. Package
// sourcetest tests whether a source keeps the contract.
//
// # Errors
//
// A failed call of a source in this module returns an [Error]. Decide by errors.Is
// with the Err variables, one for each different reaction of a caller;
// Error.RetryAfter says how long to wait. Errors show no secret and no more than a
// short excerpt of an answer.
//
// # Concurrency
//
// A Source is safe for concurrent use. The functions of this package start no
// goroutine and keep no state. A Snapshot is data: several goroutines may read it
// while none writes to it.
//
// # How fresh a directory is
//
// Okta and Rippling push their changes at once (R22), so use SCIM with them if that
// matters. Salesforce changes may take up to a few hours, and a deactivation there
// up to 24 (R23, R24). Entra works in cycles of about 40 minutes (R25). For
// OneLogin no cadence is stated (R27). Reading more often than that uses up the
// provider's allowance and brings nothing.
package sources
