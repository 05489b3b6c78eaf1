package assignment

import (
	"slices"
	"strings"
)

// Seats says which settings need which seats, and how many there are of each.
type Seats struct {
	// Requires maps a setting to the seats it needs, all of them. A setting is
	// written "capture.<kind>", "profile" (any), "profile.<name>", "home",
	// "extra.<name>".
	Requires map[string][]string `json:"requires,omitempty"`
	// Pools limits how many active members may hold a seat, whoever manages
	// them. A seat without an entry is unlimited.
	Pools map[string]int `json:"pools,omitempty"`
}

// Missing returns the seats that the settings in s need and s does not hold,
// as a set. Such settings are stored and stay without effect until the seat
// comes (R104, S20).
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

// Pool counts what is left of the limited seats. Make one with NewPool.
type Pool struct{ left map[string]int }

// NewPool returns the pool that r allows, with nothing taken.
func (r Seats) NewPool() Pool {
	left := make(map[string]int, len(r.Pools))
	for seat, limit := range r.Pools {
		left[seat] = limit
	}
	return Pool{left: left}
}

// Limited reports whether the pool limits any seat at all.
func (p Pool) Limited() bool { return len(p.left) > 0 }

// Hold counts seats that somebody has already, even past the limit: nobody
// loses a seat because a pool was made smaller.
func (p Pool) Hold(seats []string) {
	for _, seat := range seats {
		if left, limited := p.left[seat]; limited {
			p.left[seat] = left - 1
		}
	}
}

// Grant returns the seats of want that can be had: those in have, and those
// that the pool still has and that are thereby taken from it. The second
// result holds the seats that were refused (S20).
func (p Pool) Grant(want, have []string) (granted, refused []string) {
	for i, seat := range want {
		left, limited := p.left[seat]
		_, held := slices.BinarySearch(have, seat)
		switch {
		case !limited || held:
		case left > 0:
			p.left[seat] = left - 1
		default:
			if refused == nil {
				granted = slices.Clone(want[:i])
			}
			refused = append(refused, seat)
			continue
		}
		if refused != nil {
			granted = append(granted, seat)
		}
	}
	if refused == nil {
		return want, nil
	}
	return granted, refused
}

// validSetting reports whether s is a setting that Requires can name.
func validSetting(s string) bool {
	if s == "home" || s == "profile" {
		return true
	}
	kind, name, found := strings.Cut(s, ".")
	return found && name != "" && (kind == "capture" || kind == "profile" || kind == "extra")
}
