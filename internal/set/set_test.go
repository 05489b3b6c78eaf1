package set_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/set"
)

func TestOf(t *testing.T) {
	sorted := []string{"a", "b"}
	require.Same(t, &sorted[0], &set.Of(sorted)[0], "a set is not copied")
	mixed := []string{"b", "a", "b"}
	require.Equal(t, []string{"a", "b"}, set.Of(mixed))
	require.Equal(t, []string{"b", "a", "b"}, mixed, "the argument stays as it is")
	require.Empty(t, set.Of(nil))
}

func TestHasAndWithout(t *testing.T) {
	require.True(t, set.Has([]string{"a", "c"}, "c"))
	require.False(t, set.Has([]string{"a", "c"}, "b"))
	require.Equal(t, []string{"a"}, set.Without([]string{"a", "c"}, []string{"b", "c"}))
	require.Empty(t, set.Without(nil, []string{"a"}))
}
