// Package sourcetest holds the conformance suite for sources. Whoever writes a
// sources.Source runs it against theirs:
//
//	func TestConformance(t *testing.T) {
//		sourcetest.Test(t, sourcetest.Harness{
//			New:   newSourceOverFixture,
//			Users: usersOfFixture,
//			Unsupported: map[string]string{
//				"requests": "the provider has no pages",
//			},
//		})
//	}
//
// The suite asks one question above all: can this source ever end a listing
// that the provider did not end? Somebody who is missing from such a listing
// would be taken to be gone. So it plays every fault that the harness offers at
// every request that a listing makes.
//
// The package also has [Directory], a directory in memory with every ability, to
// test against where there is no provider.
package sourcetest

import (
	"testing"

	"github.com/usher-go/usher/sources"
)

// A Harness is a source with what is known about its directory. New and Users are
// required; every other field adds checks. If the source has an ability for which
// the harness lacks the data, Unsupported has to name its check.
type Harness struct {
	// New returns a source over a directory that holds exactly Users and
	// Groups and does not change.
	New func(t testing.TB) sources.Source

	// Users are at least three, and more than fit on one page.
	Users  []sources.User
	Groups []sources.Group

	// Requests returns how many requests the sources of New have made so far.
	Requests func() int

	// Matches holds for some queries the IDs of the users that they select, and
	// BadQuery is a query that is refused. They are for a sources.Matcher and a
	// sources.BatchMatcher.
	Matches  map[string][]string
	BadQuery string

	// MissingID is an ID that nobody in the directory has. It is for a
	// sources.OneReader.
	MissingID string

	// Mutable returns a source over a directory of its own, and a function that
	// changes the directory: it adds, changes and removes at least one user each.
	// It is for a sources.DeltaSource.
	Mutable func(t testing.TB) (src sources.Source, change func())
	// ExpiredCursor is a cursor that the provider no longer accepts. It is for a
	// sources.DeltaSource.
	ExpiredCursor sources.Cursor

	// Faults has for each fault a function. It returns a source over the same
	// directory, where the request number at (from 0) and all later ones meet the
	// fault, and a function that reports whether any request did.
	Faults map[Fault]func(t testing.TB, at int) (src sources.Source, met func() bool)

	// Secrets are texts that no error may show: tokens, keys, passwords.
	Secrets []string

	// Unsupported gives the reason for each check that this harness cannot run.
	// Checks of the core cannot be left out.
	Unsupported map[string]string
}

// A Fault is something that goes wrong with a request.
type Fault string

// The faults. Their values are the names of their checks in Harness.Unsupported.
const (
	// FaultCut: the connection ends in the middle of the answer.
	FaultCut Fault = "fault cut"
	// FaultBlank: the answer has a good status and an empty body.
	FaultBlank Fault = "fault blank"
	// FaultDrift: the answer is well formed, but not of the form that the provider
	// documents.
	FaultDrift Fault = "fault drift"
	// FaultRateLimited: the provider's allowance is used up (429).
	FaultRateLimited Fault = "fault rate limited"
	// FaultUnavailable: the provider fails (5xx).
	FaultUnavailable Fault = "fault unavailable"
	// FaultUnauthorized: the credentials are refused (401).
	FaultUnauthorized Fault = "fault unauthorized"
)

// Test runs the suite, one subtest for each check. The subtests are named:
//
//   - core: info, users, groups, restart, break, cancel, owned values,
//     concurrent
//   - for what the harness can show: requests, and each Fault
//   - for abilities of the source: match, bad query, batch match, read one,
//     check, delta, expired cursor
func Test(t *testing.T, h Harness) {
	for _, problem := range h.problems(t) {
		t.Error(problem)
	}
	if t.Failed() {
		return
	}
	for _, c := range checks() {
		inHarness := func(t *testing.T) error { return c.run(run{tb: t, Harness: h}) }
		subtest{c.name, c.rule, c.ability, inHarness}.start(t, h.Unsupported, h.New)
	}
}

// A subtest checks one rule.
type subtest struct {
	name, rule string
	// ability reports whether the rule applies to the source; nil means always.
	ability func(sources.Source) bool
	run     func(*testing.T) error
}

// start runs the subtest, unless unsupported has a reason against it or the rule
// does not apply to the source.
func (s subtest) start(t *testing.T, unsupported map[string]string, newSource func(testing.TB) sources.Source) {
	t.Run(s.name, func(t *testing.T) {
		if reason, ok := unsupported[s.name]; ok {
			t.Skip(reason)
		}
		if s.ability != nil && !s.ability(newSource(t)) {
			t.Skip("the source does not have the ability")
		}
		if err := s.run(t); err != nil {
			t.Errorf("%s\nThe rule: %s", err, s.rule)
		}
	})
}

// A check is one rule of the contract. It is a function that returns an error, and
// not a test, so that the suite's own tests can check that it fails.
type check struct {
	name string
	rule string
	core bool
	// shown reports whether the harness has what the check needs.
	shown func(Harness) bool
	// ability reports whether the rule applies to the source; nil means always.
	ability func(sources.Source) bool
	run     func(run) error
}

// A run is the run of one check.
type run struct {
	tb testing.TB
	Harness
}

func checks() []check {
	return append(append(coreChecks(), abilityChecks()...), faultChecks()...)
}
