package alike_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/alike"
)

func TestGroups(t *testing.T) {
	var g alike.Groups[int]
	require.Empty(t, g.Sorted())
	for i, what := range []string{"b", "a", "c", "c"} {
		g.Add(what, i)
	}
	require.Equal(t, []alike.Group[int]{{"c", []int{2, 3}}, {"a", []int{1}}, {"b", []int{0}}}, g.Sorted())
	g.Add("a", 4) // a later value still goes to its group
	g.Add("a", 5)
	require.Equal(t, []alike.Group[int]{{"a", []int{1, 4, 5}}, {"c", []int{2, 3}}, {"b", []int{0}}}, g.Sorted())
}
