package assignment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
)

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

// The default mode is Manual, so that an empty mode overwrites no admin's work
// (R114).
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
