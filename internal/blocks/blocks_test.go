package blocks

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every index is visited exactly once, for any length.
func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, Size - 1, Size, Size + 1, 40*Size + 7} {
		seen := make([]int, n)
		var workers atomic.Int64
		Each(n, func() func(start, end int) {
			workers.Add(1)
			return func(start, end int) {
				for i := start; i < end; i++ {
					seen[i]++
				}
			}
		})
		require.Positive(t, workers.Load())
		for i, times := range seen {
			require.Equal(t, 1, times, "%d of %d", i, n)
		}
	}
}

// A panic of a worker is raised in the caller's goroutine, for any number of
// workers.
func TestEachPanicsInTheCaller(t *testing.T) {
	for _, n := range []int{1, 100 * Size} {
		require.PanicsWithValue(t, "broken", func() {
			Each(n, func() func(start, end int) { return func(_, end int) { panic("broken") } })
		})
	}
}
