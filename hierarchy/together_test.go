package hierarchy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/hierarchy"
)

// wishes returns a team from "key<current=wanted"; people are named by their
// IDs.
func wishes(people string) []hierarchy.Person {
	var all []hierarchy.Person
	for word := range strings.FieldsSeq(people) {
		person, wanted, named := strings.Cut(word, "=")
		p := team(person)[0]
		if named {
			p.Manager = keys("", wanted, "")
		}
		all = append(all, p)
	}
	return all
}

func TestTogether(t *testing.T) { // S24
	for _, test := range []struct{ name, people, want string }{
		{"nothing changes", "a b<a c<b", ""},
		{"one edge alone", "a b c<a=b", ""},
		{"two edges that cannot meet", "a b<a=c c<a d<a=c", ""},
		{"a report moves above its manager", "r a<r=b b<a=r", "a+b"},
		{"and a third person stays between them", "r a<r=c b<a c<b=r", "a+c"},
		{"those below move with nobody", "r a<r=b b<a=r x<a=b y<a", "a+b"},
		{"two such pairs", "r a<r=b b<a=r c<r=d d<c=r", "a+b c+d"},
		{"one such pair above another", "r a<r=b b<a=r c<a=d d<c=a", "a+b c+d"},
		{"a chain is turned round", "a=b b<a=c c<b=d d<c=x x", "a+b+c+d"},
		{"a newcomer comes in between", "r a<r b<a=n n=a", ""},
		{"a newcomer comes in between two that change places", "r a<r=n b<a=r n=b", "a+b+n"},
		{"a cycle of current edges is mended", "a<b=r b<a r", ""},
		{"by two at once", "a<b=r b<a=r r", "a+b"},
		{"below a cycle of current edges", "a<b b<a c<a=d d<c=b", "c+d"},
		{"an edge that is taken back", "r a<r=b b<a", ""},
	} {
		people := wishes(test.people)
		var groups []string
		for _, group := range hierarchy.Build(people).Together() {
			var names []string
			for _, i := range group {
				names = append(names, people[i].Key)
			}
			groups = append(groups, strings.Join(names, "+"))
		}
		require.Equal(t, test.want, strings.Join(groups, " "), test.name)
	}
}

// If any part of a chart is applied, no new cycle closes, as long as each group
// is applied as a whole or not at all.
func TestAnyPartOfAChartClosesNoCycle(t *testing.T) { // S24
	rapid.Check(t, func(t *rapid.T) {
		people := knottedTeam().Draw(t, "team")
		c := hierarchy.Build(people)
		applied := make([]bool, len(people))
		for i := range applied {
			applied[i] = rapid.Bool().Draw(t, "applied")
		}
		grouped := make([]bool, len(people))
		for _, group := range c.Together() {
			require.Greater(t, len(group), 1)
			require.True(t, slices.IsSorted(group))
			for _, i := range group {
				require.True(t, c.Changed(i))
				require.False(t, grouped[i], "in two groups")
				grouped[i] = true
				applied[i] = applied[group[0]]
			}
		}
		mixed := currentEdges(people)
		for i := range people {
			if applied[i] {
				mixed[i] = c.Manager(i)
			}
		}
		requireNoNewCycle(t, currentEdges(people), mixed)
	})
}

// The groups are the strongly connected components. The test finds those by
// trying every pair of people.
func TestTogetherIsComponents(t *testing.T) { // S24
	rapid.Check(t, func(t *rapid.T) {
		people := knottedTeam().Draw(t, "team")
		c := hierarchy.Build(people)
		current := currentEdges(people)
		reaches := make([][]bool, len(people))
		for i := range people {
			reaches[i] = make([]bool, len(people))
			for next := []int{i}; len(next) > 0; next = next[1:] {
				for _, j := range []int{current[next[0]], c.Manager(next[0])} {
					if j != hierarchy.None && !reaches[i][j] {
						reaches[i][j] = true
						next = append(next, j)
					}
				}
			}
		}
		var want [][]int
		for i := range people {
			var group []int
			for j := range people {
				if c.Changed(i) && c.Changed(j) && (i == j || reaches[i][j] && reaches[j][i]) {
					group = append(group, j)
				}
			}
			if len(group) > 1 && group[0] == i {
				want = append(want, group)
			}
		}
		require.Equal(t, want, c.Together())
	})
}

func currentEdges(people []hierarchy.Person) []int {
	edges := make([]int, len(people))
	for i, p := range people {
		edges[i] = slices.IndexFunc(people, func(q hierarchy.Person) bool { return p.Current != "" && q.Key == p.Current })
	}
	return edges
}

// requireNoNewCycle requires that everybody on a cycle of mixed edges has the
// same edge among the current ones.
func requireNoNewCycle(t require.TestingT, current, mixed []int) {
	for i := range mixed {
		at := mixed[i]
		for range mixed {
			if at == hierarchy.None || at == i {
				break
			}
			at = mixed[at]
		}
		if at == i {
			require.Equal(t, current[i], mixed[i], "a new cycle")
		}
	}
}
