package assignment

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/usher-go/usher/internal/set"
)

// Recording is the capture kind that the rules refer to: managers are notified
// about a new report only if they have a recorded team (R129).
const Recording = "recording"

// Settings are what an assignment gives and a member has. Seats, workspaces,
// profiles, capture kinds and extra settings have the application's own names. The
// zero Settings give nothing and capture nothing (R8, R109).
//
// Seats and Capture are sets: sorted, each name once. Normalize sorts them.
type Settings struct {
	// Seats are the licences that the person holds. There may be none.
	Seats []string `json:"seats,omitempty"`
	// Home is the home workspace (R103).
	Home string `json:"home,omitempty"`
	// Profiles holds the permission profile for each workspace (R102).
	Profiles map[string]string `json:"profiles,omitempty"`
	// Capture lists what is recorded and imported: "recording",
	// "call-import", "email-import" and whatever the application adds (R132).
	Capture []string `json:"capture,omitempty"`
	// Extra holds further settings: strings, booleans or numbers (float64).
	Extra map[string]any `json:"extra,omitempty"`
}

// Clone returns a copy of s that shares no memory with it.
func (s Settings) Clone() Settings {
	s.Seats = slices.Clone(s.Seats)
	s.Profiles = maps.Clone(s.Profiles)
	s.Capture = slices.Clone(s.Capture)
	s.Extra = maps.Clone(s.Extra)
	return s
}

// Normalize sorts the sets of s and removes repeated names.
func (s *Settings) Normalize() {
	s.Seats = set.Of(s.Seats)
	s.Capture = set.Of(s.Capture)
}

// Equal reports whether s and t are equal. Both must be normalized. Empty and
// absent are equal.
func (s *Settings) Equal(t *Settings) bool {
	return s.Home == t.Home && slices.Equal(s.Seats, t.Seats) && slices.Equal(s.Capture, t.Capture) &&
		sameMap(s.Profiles, t.Profiles) && sameExtra(s.Extra, t.Extra)
}

// sameMap is maps.Equal without the cost of iterating over two empty maps. It
// iterates over the second map: that is the assignment's, and so the same map in
// many calls.
func sameMap[V comparable](a, b map[string]V) bool {
	return len(a) == len(b) && (len(a) == 0 || maps.Equal(b, a))
}

// sameExtra also compares values that Validate refuses, such as arrays.
func sameExtra(a, b map[string]any) bool {
	return len(a) == len(b) && (len(a) == 0 || maps.EqualFunc(a, b, func(x, y any) bool { return reflect.DeepEqual(x, y) }))
}

// Loses reports whether a change from s to t takes away a seat, a profile or a
// capture kind. A replaced profile counts as lost, since nothing says which of the
// two allows more (S14, class downgrade).
func (s *Settings) Loses(t *Settings) bool {
	return !subset(s.Seats, t.Seats) || !subset(s.Capture, t.Capture) || losesProfile(s.Profiles, t.Profiles)
}

func losesProfile(from, to map[string]string) bool {
	for workspace, profile := range from {
		if to[workspace] != profile {
			return true
		}
	}
	return false
}

// subset reports whether the set b has every name of the set a.
func subset(a, b []string) bool {
	for _, name := range a {
		if _, found := slices.BinarySearch(b, name); !found {
			return false
		}
	}
	return true
}

// extraProblem describes what is wrong with the value of an extra setting, or
// returns "".
func extraProblem(value any) string {
	switch v := value.(type) {
	case string, bool:
		return ""
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return ""
		}
		return fmt.Sprintf("want a number that is finite, got %v", v)
	}
	return fmt.Sprintf("want a string, boolean or number, got %T", value)
}
