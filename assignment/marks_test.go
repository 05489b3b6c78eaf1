package assignment

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// R107, R108: whatever a match covers is found by one of its marks.
func TestMarksFindWhatIsCovered(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	some := func(of ...string) []string {
		return slices.DeleteFunc(slices.Clone(of), func(string) bool { return random.IntN(3) > 0 })
	}
	draw := func() (m Match) {
		m.Groups, m.All = some("g", "h"), random.IntN(2) == 0
		m.Query = []string{"", "", "q", "r"}[random.IntN(4)]
		for _, name := range some("site", "team") {
			if m.Attributes == nil {
				m.Attributes = make(map[string]sources.Values)
			}
			m.Attributes[name] = some("x", "y", "z")
		}
		return m
	}
	covered := 0
	for range 100_000 {
		m, n := draw(), draw()
		if !m.covers(&n) {
			continue
		}
		covered++
		require.True(t, slices.ContainsFunc(m.marks(), func(mark string) bool { return slices.Contains(n.marksOfCovers(), mark) }), "%+v covers %+v", m, n)
	}
	require.Greater(t, covered, 1000)
}
