package provtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/provisioning"
)

// facts are the facts about one person after a decision, in words: what is done
// ("create", "update", "unchanged", "skipped", "held"), whether they have access
// ("in", "out"), every value that they have ("seats core", "assignment sales",
// "profiles ws1:standard", "manager bo@acme.com", "timezone Europe/Paris"), and the
// codes of the reasons ("#assignment.first_match"). Fields are named as in a
// member's JSON, without "_id".
type facts map[string]bool

// holds reports whether a phrase is true: a fact; a field alone, if it has any
// value; or either of them after "no".
func (f facts) holds(phrase string) bool {
	if rest, negated := strings.CutPrefix(phrase, "no "); negated {
		return !f.holds(rest)
	}
	if f[phrase] {
		return true
	}
	for fact := range f {
		if field, _, ok := strings.Cut(fact, " "); ok && field == phrase {
			return true
		}
	}
	return false
}

func (f facts) String() string { return strings.Join(slices.Sorted(maps.Keys(f)), ", ") }

// decisions are the words for what happens with a person, besides the kinds of
// actions.
var decisions = []string{
	string(provisioning.StoryUnchanged), string(provisioning.StorySkipped), string(provisioning.StoryHeld), string(provisioning.StoryNoted), "in", "out",
}

// checkPhrase returns what is wrong with a phrase that cannot be true for anybody.
func checkPhrase(cfg provisioning.Config, phrase string) error {
	phrase = strings.TrimPrefix(phrase, "no ")
	word, _, _ := strings.Cut(phrase, " ")
	if _, attribute := cfg.Attributes[word]; attribute || strings.HasPrefix(word, "#") || slices.Contains(decisions, phrase) || new(provisioning.Kind).UnmarshalText([]byte(phrase)) == nil {
		return nil
	}
	for _, name := range []string{word, word + "_id"} {
		if new(provisioning.Field).UnmarshalText([]byte(name)) == nil {
			return nil
		}
	}
	return fmt.Errorf("%q: want the kind of an action, one of %s, the name of a member's field with or without a value, or a # and a code", phrase, strings.Join(decisions, ", "))
}

// verdicts hold what a plan decides about everybody.
type verdicts struct {
	in     provisioning.Input
	plan   *provisioning.Plan
	after  map[string]*provisioning.Member // by member ID
	before map[string]*provisioning.Member
	byUser map[string]string // member ID by external ID
}

// judge returns the verdicts of a plan. With approve, actions that wait for an
// approval count as done.
func judge(in provisioning.Input, plan *provisioning.Plan, approve bool) *verdicts {
	v := &verdicts{in: in, plan: plan, after: make(map[string]*provisioning.Member), before: make(map[string]*provisioning.Member), byUser: make(map[string]string)}
	for i := range in.Members {
		m := &in.Members[i]
		v.before[m.ID], v.after[m.ID] = m, m
	}
	actions := plan.Actions
	if approve {
		actions = released(plan)
	}
	for i := range actions {
		m := &actions[i].Member
		v.after[m.ID] = m
	}
	for id, m := range v.after {
		if m.Managed && m.Connection == plan.Connection {
			v.byUser[m.ExternalID] = id
		}
	}
	return v
}

// memberFacts returns the values that a member has.
func (v *verdicts) memberFacts(m *provisioning.Member) facts {
	f := facts{"out": true}
	if m == nil {
		return f
	}
	if m.Active {
		f = facts{"in": true}
	}
	for _, c := range provisioning.Difference(new(provisioning.Member), m) {
		field := strings.TrimPrefix(strings.TrimSuffix(c.Field.String(), "_id"), "attributes.")
		switch value := c.New.(type) {
		case nil, bool:
		case string:
			if c.Field == provisioning.FieldManager {
				if manager := v.after[value]; manager != nil {
					value = cmp.Or(manager.Email, manager.Name())
				}
			}
			f[field+" "+value] = true
		case []string:
			for _, one := range value {
				f[field+" "+one] = true
			}
		case map[string]string:
			for key, one := range value {
				f[field+" "+key+":"+one] = true
			}
		default:
			f[field+" "+fmt.Sprint(value)] = true
		}
	}
	return f
}

// of returns the facts about the person with an ID in the directory or the team.
func (v *verdicts) of(who string) facts {
	id := cmp.Or(v.byUser[who], who)
	f := v.memberFacts(v.after[id])
	for _, story := range v.plan.Story(who) {
		f[string(story.Outcome)] = true
		if story.Action != nil {
			f[story.Action.Kind.String()] = true
		}
		for _, step := range story.Steps {
			f["#"+string(step.Reason.Code)] = true
		}
	}
	delete(f, string(provisioning.StoryDone))
	return f
}
