package assignment_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/sources"
)

// directory is a small one: three people, two groups, two answered queries.
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

// govern returns the ID of the assignment that governs each user, "" for none.
func govern(rules assignment.Rules, snapshot *sources.Snapshot) []string {
	at := rules.Govern(snapshot, func(ids []string, into []int32) {
		for k, id := range ids {
			into[k] = int32(slices.IndexFunc(snapshot.Users, func(u sources.User) bool { return u.ID == id }))
		}
	})
	ids := make([]string, len(at))
	for i, position := range at {
		if a := rules.At(position); a != nil {
			ids[i] = a.ID
		}
	}
	return ids
}

// R97 to R99, A11, S17, S21: each kind of selector, and several together, which
// narrow.
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
			for i, id := range govern(rules, directory()) {
				require.Equal(t, test.want[i], id == "a", "u%d", i)
			}
		})
	}
}

// R106, R107, R108, C1: the uppermost in the table governs, and moving an
// assignment up moves its people; R33: the rest is the default's, or S17 nobody's.
func TestGovernOrder(t *testing.T) {
	one := assignment.Assignment{ID: "one", Match: assignment.Match{Groups: []string{"g1"}}}
	two := assignment.Assignment{ID: "two", Match: assignment.Match{Query: "Q1"}}
	rest := assignment.Assignment{ID: "rest"}
	require.Equal(t, []string{"one", "one", "two"}, govern(assignment.Rules{Assignments: []assignment.Assignment{one, two}}, directory()))
	require.Equal(t, []string{"one", "two", "two"}, govern(assignment.Rules{Assignments: []assignment.Assignment{two, one}}, directory()))
	require.Equal(t, []string{"rest", "two", "two"}, govern(assignment.Rules{Assignments: []assignment.Assignment{two}, Default: &rest}, directory()))
	require.Equal(t, []string{"", "two", "two"}, govern(assignment.Rules{Assignments: []assignment.Assignment{two}}, directory()))
	require.Equal(t, []string{"rest", "rest", "rest"}, govern(assignment.Rules{Default: &rest}, directory()))
}

// Two narrowing assignments do not see each other's answers.
func TestGovernNarrowsEachByItsOwnAnswer(t *testing.T) {
	rules := assignment.Rules{Assignments: []assignment.Assignment{
		{ID: "a", Match: assignment.Match{Groups: []string{"g1"}, Query: "Q1"}},
		{ID: "b", Match: assignment.Match{Groups: []string{"g2"}, Query: "Q2"}},
		{ID: "c", Match: assignment.Match{Groups: []string{"g1", "g2"}, Query: "Q1"}},
	}}
	require.Equal(t, []string{"", "a", "c"}, govern(rules, directory()))
}

// L1: a group that stands twice in a listing has the members of both, in
// whichever order they stand.
func TestGovernJoinsAGroupListedTwice(t *testing.T) {
	rules := assignment.Rules{Assignments: []assignment.Assignment{{ID: "a", Match: assignment.Match{Groups: []string{"g"}}}}}
	snapshot := directory()
	snapshot.Groups = []sources.Group{{ID: "g", Members: []string{"u0"}}, {ID: "g", Members: []string{"u2"}}}
	require.Equal(t, []string{"a", "", "a"}, govern(rules, snapshot))
}

func TestPositions(t *testing.T) {
	rules := assignment.Rules{Assignments: []assignment.Assignment{{ID: "a"}, {ID: "b"}}, Default: &assignment.Assignment{ID: "rest"}}
	for id, want := range map[string]int32{"a": 0, "b": 1, "rest": 2, "gone": assignment.Unmatched, "": assignment.Unmatched} {
		require.Equal(t, want, rules.Position(id), id)
	}
	require.Equal(t, "b", rules.At(1).ID)
	require.Equal(t, "rest", rules.At(2).ID)
	require.Nil(t, rules.At(assignment.Unmatched))
	require.Nil(t, rules.At(-2))
}

// S12: what decides has to be proved, and only that; S21 names unknown groups.
func TestEvidence(t *testing.T) {
	rules := assignment.Rules{Assignments: []assignment.Assignment{
		{ID: "a", Match: assignment.Match{Groups: []string{"g1", "gX"}}},
		{ID: "b", Match: assignment.Match{Groups: []string{"gX"}}},
		{ID: "c", Match: assignment.Match{Query: "Q2"}},
		{ID: "d", Match: assignment.Match{Query: "Q3"}},
		{ID: "e", Match: assignment.Match{Query: "Q3"}},
	}}
	require.Equal(t, []string{"Q2", "Q3"}, rules.Queries())

	snapshot := directory()
	e := rules.Evidence(snapshot)
	require.Equal(t, assignment.Evidence{Groups: true, Queries: []string{"Q3"}, UnknownGroups: []string{"gX"}}, e)
	require.False(t, e.Complete())

	snapshot.Matches["Q3"] = nil // answered: nobody
	require.True(t, rules.Evidence(snapshot).Complete())

	for _, fact := range []sources.Facts{sources.FactGroups, sources.FactMemberships} {
		snapshot.Proven = (sources.FactUsers | sources.FactGroups | sources.FactMemberships) &^ fact
		e = rules.Evidence(snapshot)
		require.False(t, e.Complete(), "%s are not proved", fact)
		require.Empty(t, e.UnknownGroups, "a list that is not proved makes no group unknown")
	}

	snapshot.Proven = 0
	all := assignment.Rules{Assignments: []assignment.Assignment{{ID: "a", Match: assignment.Match{All: true}}}}
	require.True(t, all.Evidence(snapshot).Complete(), "no group decides, so none needs a proof")
}

// The default is Manual: no admin's work is overwritten because nothing was
// said (R114).
func TestModes(t *testing.T) {
	for text, want := range map[string]assignment.Mode{"": assignment.Manual, "manual": assignment.Manual, "automatic": assignment.Automatic} {
		mode := assignment.Automatic
		require.NoError(t, mode.UnmarshalText([]byte(text)))
		require.Equal(t, want, mode)
	}
	var mode assignment.Mode
	require.ErrorContains(t, mode.UnmarshalText([]byte("auto")), "want manual or automatic")
	text, err := assignment.Automatic.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "automatic", string(text))
	require.Equal(t, "manual", assignment.Manual.String())
}
