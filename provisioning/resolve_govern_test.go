package provisioning

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/sources"
)

// directory returns a small directory: three people, two groups and two
// answered queries.
func directory() *sources.Snapshot {
	return &sources.Snapshot{
		Proven: sources.FactUsers | sources.FactGroups | sources.FactMemberships,
		Users: []sources.User{
			{ID: "u0", Attributes: map[string]sources.Values{"site": {"home"}, "rank": {"1", "2"}}},
			{ID: "u1", Attributes: map[string]sources.Values{"site": {"office"}}},
			{ID: "u2"},
		},
		Groups: []sources.Group{
			{ID: "g1", Name: "One", Members: []string{"u0", "u1", "gone"}},
			{ID: "g2", Name: "Two", Members: []string{"u1", "u2"}},
		},
		Matches: map[string][]string{"Q1": {"u1", "u2", "gone"}, "Q2": {}},
	}
}

// governIDs returns the ID of the assignment that governs each user, "" for none.
func governIDs(rules assignment.Rules, snapshot *sources.Snapshot) []string {
	at := governed(&rules, snapshot).governing
	ids := make([]string, len(at))
	for i, position := range at {
		if a := rules.At(position); a != nil {
			ids[i] = a.ID
		}
	}
	return ids
}

// R97 to R99, A11, S17, S21: each kind of selector, and several selectors
// together, which narrow the match.
func TestGovernSelectors(t *testing.T) {
	for name, test := range map[string]struct {
		match assignment.Match
		want  [3]bool
	}{
		"nobody":                        {assignment.Match{}, [3]bool{}},
		"everybody":                     {assignment.Match{All: true}, [3]bool{true, true, true}},
		"one group":                     {assignment.Match{Groups: []string{"g1"}}, [3]bool{true, true, false}},
		"any of several groups":         {assignment.Match{Groups: []string{"g1", "g2"}}, [3]bool{true, true, true}},
		"unknown group":                 {assignment.Match{Groups: []string{"gX"}}, [3]bool{}},
		"a group's name is not its id":  {assignment.Match{Groups: []string{"One"}}, [3]bool{}},
		"query":                         {assignment.Match{Query: "Q1"}, [3]bool{false, true, true}},
		"query that matches nobody":     {assignment.Match{Query: "Q2"}, [3]bool{}},
		"query without an answer":       {assignment.Match{Query: "Q3"}, [3]bool{}},
		"attribute":                     {assignment.Match{Attributes: map[string]sources.Values{"site": {"home", "away"}}}, [3]bool{true, false, false}},
		"second value of the person":    {assignment.Match{Attributes: map[string]sources.Values{"rank": {"2"}}}, [3]bool{true, false, false}},
		"attribute in another case":     {assignment.Match{Attributes: map[string]sources.Values{"site": {"Home"}}}, [3]bool{}},
		"two attributes":                {assignment.Match{Attributes: map[string]sources.Values{"site": {"office"}, "rank": {"1"}}}, [3]bool{}},
		"group narrowed by query":       {assignment.Match{Groups: []string{"g1"}, Query: "Q1"}, [3]bool{false, true, false}},
		"group narrowed by attribute":   {assignment.Match{Groups: []string{"g1"}, Attributes: map[string]sources.Values{"site": {"home"}}}, [3]bool{true, false, false}},
		"query narrowed by attribute":   {assignment.Match{Query: "Q1", Attributes: map[string]sources.Values{"site": {"office"}}}, [3]bool{false, true, false}},
		"everybody narrowed by a group": {assignment.Match{All: true, Groups: []string{"g2"}}, [3]bool{false, true, true}},
		"everybody narrowed by a query": {assignment.Match{All: true, Query: "Q1"}, [3]bool{false, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			rules := assignment.Rules{Assignments: []assignment.Assignment{{ID: "a", Match: test.match}}}
			for i, id := range governIDs(rules, directory()) {
				require.Equal(t, test.want[i], id == "a", "u%d", i)
			}
		})
	}
}

// R106, R107, R108, C1: the uppermost assignment in the table governs, and
// moving an assignment up moves its people. R33: the default governs the rest;
// without a default, no assignment governs them (S17).
func TestGovernOrder(t *testing.T) {
	one := assignment.Assignment{ID: "one", Match: assignment.Match{Groups: []string{"g1"}}}
	two := assignment.Assignment{ID: "two", Match: assignment.Match{Query: "Q1"}}
	rest := assignment.Assignment{ID: "rest"}
	require.Equal(t, []string{"one", "one", "two"}, governIDs(assignment.Rules{Assignments: []assignment.Assignment{one, two}}, directory()))
	require.Equal(t, []string{"one", "two", "two"}, governIDs(assignment.Rules{Assignments: []assignment.Assignment{two, one}}, directory()))
	require.Equal(t, []string{"rest", "two", "two"}, governIDs(assignment.Rules{Assignments: []assignment.Assignment{two}, Default: &rest}, directory()))
	require.Equal(t, []string{"", "two", "two"}, governIDs(assignment.Rules{Assignments: []assignment.Assignment{two}}, directory()))
	require.Equal(t, []string{"rest", "rest", "rest"}, governIDs(assignment.Rules{Default: &rest}, directory()))
}

// Of two narrowing assignments, each uses only its own answers.
func TestGovernNarrowsEachByItsOwnAnswer(t *testing.T) {
	rules := assignment.Rules{Assignments: []assignment.Assignment{
		{ID: "a", Match: assignment.Match{Groups: []string{"g1"}, Query: "Q1"}},
		{ID: "b", Match: assignment.Match{Groups: []string{"g2"}, Query: "Q2"}},
		{ID: "c", Match: assignment.Match{Groups: []string{"g1", "g2"}, Query: "Q1"}},
	}}
	require.Equal(t, []string{"", "a", "c"}, governIDs(rules, directory()))
}

// L1: a group that is listed twice has the members of both listings, in either
// order.
func TestGovernJoinsAGroupListedTwice(t *testing.T) {
	rules := assignment.Rules{Assignments: []assignment.Assignment{{ID: "a", Match: assignment.Match{Groups: []string{"g"}}}}}
	snapshot := directory()
	snapshot.Groups = []sources.Group{{ID: "g", Members: []string{"u0"}}, {ID: "g", Members: []string{"u2"}}}
	require.Equal(t, []string{"a", "", "a"}, governIDs(rules, snapshot))
}

// S44: a person is open if it is not certain that an assignment matches the
// person, and not certain that it does not. A listed membership is an answer; a
// missing list is none. S21: unknown groups are reported by name.
func TestGovernWithoutEvidence(t *testing.T) {
	rules := assignment.Rules{Assignments: []assignment.Assignment{
		{ID: "a", Match: assignment.Match{Groups: []string{"g1", "gX"}}},
		{ID: "b", Match: assignment.Match{Query: "Q1"}},
		{ID: "c", Match: assignment.Match{Query: "Q3", Attributes: map[string]sources.Values{"site": {"office"}}}},
	}}
	open := func(change func(*sources.Snapshot)) (governing []int32, open []bool, unknown []string) {
		snapshot := directory()
		snapshot.Matches["Q3"] = nil // answered: no users match
		change(snapshot)
		g := governed(&rules, snapshot)
		for user := range snapshot.Users {
			open = append(open, g.isOpen(int32(user)))
		}
		return g.governing, open, g.unknownGroups
	}
	governing, isOpen, unknown := open(func(*sources.Snapshot) {})
	require.Equal(t, []int32{0, 0, 1}, governing)
	require.Equal(t, []bool{false, false, false}, isOpen)
	require.Equal(t, []string{"gX"}, unknown)
	for _, fact := range []sources.Facts{sources.FactGroups, sources.FactMemberships} {
		_, isOpen, unknown = open(func(s *sources.Snapshot) { s.Proven &^= fact })
		require.Equal(t, []bool{false, false, true}, isOpen, "without %s: who is listed in g1 is in it, and u2 may be in gX or g1", fact)
		require.Equal(t, fact != sources.FactGroups, len(unknown) > 0, "a list that is not proved makes no group unknown")
	}
	governing, isOpen, _ = open(func(s *sources.Snapshot) { delete(s.Matches, "Q1") })
	require.Equal(t, []bool{false, false, true}, isOpen, "the others are governed by what stands above")
	require.Equal(t, int32(0), governing[1])
	_, isOpen, _ = open(func(s *sources.Snapshot) { delete(s.Matches, "Q3") })
	require.Equal(t, []bool{false, false, false}, isOpen, "nobody else has the attribute that narrows the query")
}

func governed(rules *assignment.Rules, snapshot *sources.Snapshot) governance {
	table := newIDTable(len(snapshot.Users), func(i int32) string { return snapshot.Users[i].ID })
	for i := range snapshot.Users {
		table.add(int32(i))
	}
	return govern(rules, snapshot, table)
}
