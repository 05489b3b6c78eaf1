package hierarchy_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/hierarchy"
)

// The walks agree with Manager, end on every chart, and yield no person twice.
func TestWalks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := knottedTeam().Draw(t, "team")
		c := hierarchy.Build(people)
		var roots []int
		for i := range people {
			if c.Manager(i) == hierarchy.None {
				roots = append(roots, i)
			}

			var chain []int
			for j := c.Manager(i); j != hierarchy.None && j != i && !slices.Contains(chain, j); j = c.Manager(j) {
				chain = append(chain, j)
			}
			assert.Equal(t, chain, slices.Collect(c.Chain(i)))

			var reports, below []int
			for j := range people {
				if j != i && c.Manager(j) == i {
					reports = append(reports, j)
				}
				if slices.Contains(slices.Collect(c.Chain(j)), i) {
					below = append(below, j)
				}
			}
			assert.Equal(t, reports, slices.Collect(c.Reports(i)))
			all := slices.Collect(c.AllReports(i))
			assert.ElementsMatch(t, below, all)
			for at, j := range all {
				assert.True(t, c.Manager(j) == i || slices.Contains(all[:at], c.Manager(j)), "a report before its manager")
			}
		}
		assert.Equal(t, roots, slices.Collect(c.Roots()))
	})
}

func TestWalksStop(t *testing.T) {
	people := team("a", "b<a", "c<b", "d<a", "e")
	c := hierarchy.Build(people)
	for name, walk := range map[string]func(func(int) bool){
		"roots": c.Roots(), "reports": c.Reports(0), "all reports": c.AllReports(0), "chain": c.Chain(2),
	} {
		assert.GreaterOrEqual(t, len(slices.Collect(walk)), 2, name)
		steps := 0
		for range walk {
			steps++
			break
		}
		assert.Equal(t, 1, steps, name)
	}
}
