package assignment

import (
	"fmt"
	"maps"
	"slices"
)

// A Problem is an error or a warning about a config.
type Problem struct {
	// Path is the place in the JSON form: "assignments[2].match.groups".
	Path string `json:"path"`
	// Message says what was found and what was expected.
	Message string `json:"message"`
	// Warning says that the config works in spite of the problem.
	Warning bool `json:"warning,omitempty"`
}

// String returns the path, a colon and the message.
func (p Problem) String() string { return p.Path + ": " + p.Message }

// Validate returns every problem of the rules, in the order of the table. Paths are
// those of a config: "assignments[0]", "default".
func (r *Rules) Validate(seats Seats) []Problem {
	v := validator{ids: make(map[string]string)}
	above := make(map[string][]int) // positions, by the marks of their matches
	for i := range r.Assignments {
		path := fmt.Sprintf("assignments[%d]", i)
		v.assignment(path, &r.Assignments[i], seats)
		match := &r.Assignments[i].Match
		if match.IsZero() {
			v.warn(path+".match", "selects nobody; want groups, a query, attributes or all")
		}
		first := i
		for _, mark := range match.marksOfCovers() {
			for _, j := range above[mark] {
				if j < first && r.Assignments[j].Match.covers(match) {
					first = j
					break
				}
			}
		}
		if first < i {
			v.warn(path+".match", "is never reached: assignments[%d], which is above, selects everybody whom this one selects", first)
		}
		for _, mark := range match.marks() {
			above[mark] = append(above[mark], i)
		}
	}
	if r.Default != nil {
		v.assignment("default", r.Default, seats)
		if !r.Default.Match.IsZero() {
			v.fail("default.match", "the default assignment is for everybody who matches no other; want no match")
		}
	}
	v.seats(seats)
	return v.problems
}

type validator struct {
	problems []Problem
	ids      map[string]string // assignment ID to the path that has it
}

func (v *validator) fail(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *validator) warn(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Warning: true})
}

func (v *validator) assignment(path string, a *Assignment, seats Seats) {
	switch other, taken := v.ids[a.ID]; {
	case a.ID == "":
		v.fail(path+".id", "is empty; want a stable id")
	case taken:
		v.fail(path+".id", "%q is the id of %s as well; want each id once", a.ID, other)
	default:
		v.ids[a.ID] = path
	}
	v.names(path+".match.groups", a.Match.Groups)
	for _, name := range sortedKeys(a.Match.Attributes) {
		if name == "" || len(a.Match.Attributes[name]) == 0 {
			v.fail(path+".match.attributes."+name, "want a name and at least one value")
		}
	}
	v.settings(path+".", &a.Settings)
	normal := a.Settings.Clone()
	normal.Normalize()
	for _, seat := range seats.Missing(&normal) { // R105
		v.warn(path+".seats", "seat.missing:%s: a setting needs this seat and will have no effect without it", seat)
	}
}

// Validate returns every problem of s. Paths are those of its JSON form:
// "seats[0]".
func (s *Settings) Validate() []Problem {
	v := validator{}
	v.settings("", s)
	return v.problems
}

func (v *validator) settings(path string, s *Settings) {
	v.names(path+"seats", s.Seats)
	v.names(path+"capture", s.Capture)
	for _, workspace := range sortedKeys(s.Profiles) {
		if workspace == "" || s.Profiles[workspace] == "" {
			v.fail(path+"profiles."+workspace, "want the name of a workspace and of a profile")
		}
	}
	for _, name := range sortedKeys(s.Extra) {
		if name == "" {
			v.fail(path+"extra", "has a setting without a name")
		} else if problem := extraProblem(s.Extra[name]); problem != "" {
			v.fail(path+"extra."+name, "%s", problem)
		}
	}
}

// names checks a list of names: none may be empty, and each may occur once.
func (v *validator) names(path string, names []string) {
	for i, name := range names {
		if name == "" {
			v.fail(fmt.Sprintf("%s[%d]", path, i), "is empty; want a name")
		} else if slices.Index(names, name) != i {
			v.warn(fmt.Sprintf("%s[%d]", path, i), "%q is listed twice", name)
		}
	}
}

func (v *validator) seats(seats Seats) {
	for _, setting := range sortedKeys(seats.Requires) {
		path := "seats.requires." + setting
		if !validSetting(setting) {
			v.fail(path, "want capture.<kind>, profile, profile.<name>, home or extra.<name>")
		}
		v.names(path, seats.Requires[setting])
	}
	for _, seat := range sortedKeys(seats.Pools) {
		if seat == "" {
			v.fail("seats.pools", "has a pool without a name; want the name of a seat")
		}
		if seats.Pools[seat] < 0 {
			v.fail("seats.pools."+seat, "is %d; want 0 or more", seats.Pools[seat])
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
