package hierarchy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/hierarchy"
)

// Each case gives people as "key<current=wanted" and the result as
// "key<manager", with "!" for a cycle.
func TestCycles(t *testing.T) { // S24
	tests := []struct{ name, people, want string }{
		{"a chain is none", "a b=a c=b", "a b<a c<b"},
		{"own manager", "a=a", "a!"},
		{"own manager keeps the old one", "a<b=a b", "a<b! b"},
		{"two name each other", "a=b b=a", "a! b!"},
		{"two swap", "a=b b<a", "a! b<a!"},
		{"the old edges stay", "a<c=b b<c=a c", "a<c! b<c! c"},
		{"outside edges are applied", "a=b b=a c<d=a d", "a! b! c<a d"},
		{"an edge into a cycle does not join it", "a=b b=c c=a d=a e=d", "a! b! c! d<a e<d"},
		{"reverting uncovers another cycle", "a=b b<c=a c=b", "a! b<c! c!"},
		{"old edges of a cycle stay unmarked elsewhere", "a<x=b b<x=a c<b=x x", "a<x! b<x! c<x x"},
		{"a cycle of current edges stays", "a<b b<a", "a<b! b<a!"},
		{"and who points into it is placed", "a<b b<a c=a", "a<b! b<a! c<a"},
		{"and may be mended", "a<b=c b<a c", "a<c b<a c"},
		{"a current self edge stays", "a<a b=a", "a<a! b<a"},
		{"and may be mended too", "a<a=b b", "a<b b"},
		{"everybody reports to the last of a chain", "a b<a=d c<b=d d<c", "a b<a! c<b! d<c!"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var people []hierarchy.Person
			for word := range strings.FieldsSeq(test.people) {
				person, wanted, named := strings.Cut(word, "=")
				p := team(person)[0]
				if named {
					p.Manager = keys("", wanted, "")
				}
				people = append(people, p)
			}
			got := outcomes(people)
			var words []string
			for _, p := range people {
				word := p.Key
				if o := got[p.Key]; o.manager != "" {
					word += "<" + o.manager
				}
				if got[p.Key].finding == hierarchy.Cycle {
					word += "!"
				}
				words = append(words, word)
			}
			assert.Equal(t, test.want, strings.Join(words, " "))
		})
	}
}

// A person whose edge does not follow the directory can still be on a cycle,
// and has a finding.
func TestCycleThroughAKeptEdge(t *testing.T) { // S24
	people := team("a", "b<a")
	people[0].Manager = keys("b@acme.com", "", "")
	people[1].Follow = false
	got := outcomes(people)
	assert.Equal(t, outcome{"", false, hierarchy.Cycle}, got["a"])
	assert.Equal(t, outcome{"a", false, hierarchy.Cycle}, got["b"])
}
