package provtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Never tests a sentence of the form "FACT for WHO": in no company that is drawn
// under the resolver's config does a plan, approvals included, give the fact to
// such a person. FACT is a phrase as in Row.Want, without "no": "capture", "seats
// core", "profiles ws1:admin", "in". WHO is one of
//
//	everybody
//	group ID                of the directory
//	assignment ID           which governs the person after the plan
//	domain NAME             of the directory's address
//	attribute NAME=VALUE    of the directory
//
// or an ID alone, of a group or an assignment. A plan gives what a person has after
// it and did not have before: settings that a hand gave under a manual assignment
// do not break a sentence. The test fails if no drawn company has a person whom the
// sentence is about.
func Never(t *testing.T, r *provisioning.Resolver, text string) {
	t.Helper()
	s, err := parseSentence(r.Config(), text)
	require.NoError(t, err)
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		people, broken := s.try(r, Draw(t, r))
		tried += people
		if broken != "" {
			require.FailNow(t, "never "+text, "%s", broken)
		}
	})
	require.Positive(t, tried, "never %s: in no company that was drawn is there such a person", text)
}

// A sentence says that nobody of some people gets a fact.
type sentence struct {
	fact string
	is   selector
}

// try tests a company. It returns how many of its people the sentence is about,
// approximately, and how it is broken, or "".
func (s *sentence) try(r *provisioning.Resolver, in provisioning.Input) (people int, broken string) {
	v := judge(in, r.Resolve(in), true)
	for i := range in.Snapshot.Users {
		u := &in.Snapshot.Users[i]
		after := v.after[v.byUser[u.ID]]
		if u.ID == "" || !s.is(in, u, after) {
			continue
		}
		people++
		if after != nil && v.memberFacts(after).holds(s.fact) && !v.memberFacts(v.before[after.ID]).holds(s.fact) {
			return people, fmt.Sprintf("%s gets %s:\n%s", after.Email, s.fact, v.plan.Explain(u.ID))
		}
	}
	return people, ""
}

// A selector reports whether a sentence is about a person: u is the user in the
// directory, after the member after the plan, or nil.
type selector func(in provisioning.Input, u *sources.User, after *provisioning.Member) bool

func parseSentence(cfg provisioning.Config, text string) (*sentence, error) {
	fact, who, ok := strings.Cut(strings.Join(strings.Fields(text), " "), " for ")
	if !ok || strings.HasPrefix(fact, "no ") {
		return nil, fmt.Errorf("%q: want FACT for WHO, such as \"capture for group g-legal\"", text)
	}
	if err := checkPhrase(cfg, fact); err != nil {
		return nil, err
	}
	kind, id, _ := strings.Cut(who, " ")
	isGroup := slices.ContainsFunc(cfg.Assignments, func(a assignment.Assignment) bool { return slices.Contains(a.Match.Groups, who) })
	isAssignment := slices.ContainsFunc(cfg.Assignments, func(a assignment.Assignment) bool { return a.ID == who }) ||
		cfg.Default != nil && cfg.Default.ID == who
	switch {
	case isGroup && isAssignment:
		return nil, fmt.Errorf("%q: there are a group and an assignment %q; say which", text, who)
	case isGroup:
		kind, id = "group", who
	case isAssignment:
		kind, id = "assignment", who
	}
	about := func(is selector) *sentence { return &sentence{fact, is} }
	switch kind {
	case "everybody":
		return about(func(provisioning.Input, *sources.User, *provisioning.Member) bool { return true }), nil
	case "group":
		return about(func(in provisioning.Input, u *sources.User, _ *provisioning.Member) bool {
			return slices.ContainsFunc(in.Snapshot.Groups, func(g sources.Group) bool { return g.ID == id && slices.Contains(g.Members, u.ID) })
		}), nil
	case "assignment":
		return about(func(_ provisioning.Input, _ *sources.User, after *provisioning.Member) bool {
			return after != nil && after.AssignmentID == id
		}), nil
	case "domain":
		want, valid := address.Domain(id)
		if !valid {
			return nil, fmt.Errorf("%q: %q is no domain", text, id)
		}
		return about(func(_ provisioning.Input, u *sources.User, _ *provisioning.Member) bool {
			_, domain, ok := address.Parse(u.Email)
			return ok && domain == want
		}), nil
	case "attribute":
		name, value, ok := strings.Cut(id, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want attribute NAME=VALUE", text)
		}
		return about(func(_ provisioning.Input, u *sources.User, _ *provisioning.Member) bool {
			return slices.Contains(u.Attributes[name], value)
		}), nil
	}
	return nil, fmt.Errorf("%q: %q is no group or assignment of the config; want everybody, or group, assignment, domain or attribute before it", text, who)
}
