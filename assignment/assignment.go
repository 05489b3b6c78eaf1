package assignment

import (
	"fmt"
	"maps"
	"slices"

	"github.com/usher-go/usher/sources"
)

// An Assignment is a named bundle of settings and the people it is for (R97).
type Assignment struct {
	// ID is stable: members record it, so that a renamed assignment keeps its
	// people.
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Match selects the people. The default assignment has none.
	Match Match `json:"match,omitzero"`
	// Mode is Manual by default: the zero value never overwrites what an admin set.
	Mode Mode `json:"mode"`
	Settings
}

// Clone returns a copy of a that shares no memory with it.
func (a Assignment) Clone() Assignment {
	a.Match.Groups = slices.Clone(a.Match.Groups)
	attributes := maps.Clone(a.Match.Attributes)
	for name := range attributes {
		attributes[name] = slices.Clone(attributes[name])
	}
	a.Match.Attributes = attributes
	a.Settings = a.Settings.Clone()
	return a
}

// A Match selects people. Every kind of selector that is given must hold, so a
// second kind selects fewer people. The zero Match selects nobody.
type Match struct {
	// Groups holds group IDs. A person must be in at least one of them (A11).
	Groups []string `json:"groups,omitempty"`
	// Query is in the provider's own language: SOQL's WHERE part for Salesforce
	// (R98). The snapshot has its answer.
	Query string `json:"query,omitempty"`
	// Attributes names attributes that a person must all have. If several values
	// are given for one, any of them suffices. Names and values are compared
	// exactly.
	Attributes map[string]sources.Values `json:"attributes,omitempty"`
	// All selects everybody who is in the directory.
	All bool `json:"all,omitempty"`
}

// IsZero reports whether m has no selector and so selects nobody.
func (m Match) IsZero() bool {
	return len(m.Groups) == 0 && m.Query == "" && len(m.Attributes) == 0 && !m.All
}

// HasAttributes reports whether u has every attribute that m asks for.
func (m Match) HasAttributes(u *sources.User) bool {
	for name, wanted := range m.Attributes {
		if !intersects(u.Attributes[name], wanted) {
			return false
		}
	}
	return true
}

// covers reports whether m certainly selects everybody whom n selects.
func (m *Match) covers(n *Match) bool {
	if m.IsZero() || n.IsZero() {
		return false
	}
	subset := func(some, of []string) bool {
		return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(of, s) })
	}
	for name, wanted := range m.Attributes {
		if len(n.Attributes[name]) == 0 || !subset(n.Attributes[name], wanted) {
			return false
		}
	}
	return (len(m.Groups) == 0 || len(n.Groups) > 0 && subset(n.Groups, m.Groups)) && (m.Query == "" || m.Query == n.Query)
}

// marks are texts by which a match is found that may cover another: every match that
// it covers has one of them among its marksOfCovers. So the many matches that have
// nothing in common are not compared.
func (m *Match) marks() (marks []string) {
	switch {
	case len(m.Groups) > 0:
		for _, group := range m.Groups {
			marks = append(marks, "group "+group)
		}
	case m.Query != "":
		marks = append(marks, "query "+m.Query)
	case len(m.Attributes) > 0:
		name := slices.Min(slices.Collect(maps.Keys(m.Attributes)))
		for _, value := range m.Attributes[name] {
			marks = append(marks, "attribute "+name+"\x00"+value)
		}
	case m.All:
		marks = append(marks, "all")
	}
	return marks
}

// marksOfCovers returns a mark of each match that may cover m.
func (m *Match) marksOfCovers() []string {
	marks := []string{"all"}
	if len(m.Groups) > 0 {
		marks = append(marks, "group "+m.Groups[0])
	}
	if m.Query != "" {
		marks = append(marks, "query "+m.Query)
	}
	for name, values := range m.Attributes {
		if len(values) > 0 {
			marks = append(marks, "attribute "+name+"\x00"+values[0])
		}
	}
	return marks
}

func intersects(have, wanted []string) bool {
	for _, h := range have {
		for _, w := range wanted {
			if h == w {
				return true
			}
		}
	}
	return false
}

// Mode says whether settings follow the assignment.
type Mode uint8

// The modes. Manual is the zero value.
const (
	Manual    Mode = iota // set once at creation; then admins edit them (R114, R115)
	Automatic             // always as the assignment says (R116 to R118)
)

// String returns the word for m in JSON.
func (m Mode) String() string {
	if m == Automatic {
		return "automatic"
	}
	return "manual"
}

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The empty text is Manual.
func (m *Mode) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "manual":
		*m = Manual
	case "automatic":
		*m = Automatic
	default:
		return fmt.Errorf("mode %q: want manual or automatic", text)
	}
	return nil
}
