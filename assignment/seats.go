package assignment

import (
	"maps"
	"slices"
	"strings"
)

// Seats says which settings need which seats, and how many there are of each.
type Seats struct {
	// Requires maps a setting to the seats that it needs, all of them. A setting is
	// written "capture.<kind>", "profile" (any), "profile.<name>", "home",
	// "extra.<name>".
	Requires map[string][]string `json:"requires,omitempty"`
	// Pools limits how many active members may hold a seat, over all connections. A
	// seat without an entry is unlimited.
	Pools map[string]int `json:"pools,omitempty"`
}

// Missing returns the seats that the settings in s need and s does not have, as a
// set. Such settings are stored and have no effect until the seat is granted (R104,
// S20).
func (r Seats) Missing(s *Settings) []string {
	if len(r.Requires) == 0 {
		return nil
	}
	var missing []string
	need := func(setting string) {
		for _, seat := range r.Requires[setting] {
			if _, held := slices.BinarySearch(s.Seats, seat); !held {
				missing = append(missing, seat)
			}
		}
	}
	for _, kind := range s.Capture {
		need("capture." + kind)
	}
	if s.Home != "" {
		need("home")
	}
	if len(s.Profiles) > 0 {
		need("profile")
	}
	for _, profile := range s.Profiles {
		need("profile." + profile)
	}
	for name := range s.Extra {
		need("extra." + name)
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// Clone returns a copy of r that shares no memory with it.
func (r Seats) Clone() Seats {
	requires := maps.Clone(r.Requires)
	for setting := range requires {
		requires[setting] = slices.Clone(requires[setting])
	}
	return Seats{Requires: requires, Pools: maps.Clone(r.Pools)}
}

// validSetting reports whether Requires may name s.
func validSetting(s string) bool {
	if s == "home" || s == "profile" {
		return true
	}
	kind, name, found := strings.Cut(s, ".")
	return found && name != "" && (kind == "capture" || kind == "profile" || kind == "extra")
}
