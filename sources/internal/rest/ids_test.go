package rest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIDs(t *testing.T) {
	for width, byChance := range map[int]int{3: 100, 6: 0} {
		s := NewIDs(width)
		id := func(n int) string { return fmt.Sprintf("00u%017d", n) }
		for i := range 20_000 {
			s.Add(id(i))
		}
		text := s.String()
		assert.Less(t, len(text), 20_000*width*4/3+4)
		read, err := ReadIDs(width, text)
		require.NoError(t, err)
		assert.Equal(t, s, read)
		assert.Equal(t, text, read.String())
		taken := 0
		for i := range 20_000 {
			require.True(t, read.Has(id(i)))
			if read.Has(id(1_000_000 + i)) {
				taken++
			}
		}
		assert.LessOrEqual(t, taken, byChance)

		other, third := NewIDs(width), NewIDs(width)
		for i := range 19_990 {
			other.Add(id(i))
		}
		third.Add(id(19_995))
		assert.Equal(t, s.Len()-other.Len(), s.Without(other))
		assert.Equal(t, s.Len()-other.Len()-1, s.Without(other, third))
		assert.Zero(t, other.Without(s))
	}
	empty, err := ReadIDs(6, NewIDs(6).String())
	require.NoError(t, err)
	assert.Zero(t, empty.Len())
	for _, text := range []string{"AAAA", "!", "AAAAAAAAAA=="} {
		_, err := ReadIDs(6, text)
		require.Error(t, err, text)
	}
}
