// Package sources reads directories: Okta, Microsoft Entra ID, Salesforce,
// OneLogin, Rippling and any SCIM server (rule R1), those that push by SCIM (through
// package scim), or one of your own. It decides one thing: what of a directory is
// known, and how much of that is proven.
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
// [Collect] drains a [Source] into a [Snapshot], which is plain data: it can be
// stored, sent, compared, written by hand in a test. [Refresh] brings one up to
// date and reads only what changed where the provider can tell. A snapshot in
// part is as safe to use as a whole one, because Snapshot.Proven says fact by
// fact what is complete, and the absence of somebody counts only if it is
// proven (rule S12).
//
// docs/sources.md says where each field of a user comes from, provider by provider.
//
// # Writing a source
//
// A [Source] has three methods and one obligation above all: an iteration that
// ends without an error claims that the provider itself said that this was the
// end. Further abilities are interfaces of their own ([DeltaSource], [Matcher],
// [BatchMatcher], [OneReader], [Checker]), found with [As] and used through
// functions that fall back where they can. Package sourcetest proves that a
// source keeps its word.
//
// # Errors
//
// A failed call of a source in this module is an [Error]. Decide with errors.Is
// on the Err variables, one for each thing that a caller would do differently;
// read Error.RetryAfter for how long to wait. Errors show no secret and no more
// than a short excerpt of an answer.
//
// # Concurrency
//
// A Source is safe for concurrent use. The functions of this package start no
// goroutine and keep no state. A Snapshot is data: safe to read from anywhere
// while nobody writes to it.
//
// # How fresh a directory is
//
// Okta and Rippling push their changes at once (R22); use SCIM for those where
// it matters. Salesforce changes may take up to a few hours and a deactivation
// there up to 24 (R23, R24); Entra works in cycles of about 40 minutes (R25);
// for OneLogin no cadence is stated (R27). Reading more often than that costs
// allowance and brings nothing.
package sources
