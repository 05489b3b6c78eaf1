package assignment_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/sources"
)

// S14, class downgrade: a seat, a profile or a kind of capture is lost.
func TestSettingsLose(t *testing.T) {
	full := assignment.Settings{
		Seats: []string{"core", "plus"}, Home: "ws1", Profiles: map[string]string{"ws1": "rep", "ws2": "guest"},
		Capture: []string{"email-import", "recording"}, Extra: map[string]any{"export": true},
	}
	for name, test := range map[string]struct {
		change func(s *assignment.Settings)
		loses  bool
	}{
		"nothing":             {func(*assignment.Settings) {}, false},
		"a seat":              {func(s *assignment.Settings) { s.Seats = []string{"plus"} }, true},
		"one seat for two":    {func(s *assignment.Settings) { s.Seats = []string{"coach", "core", "max", "plus"} }, false},
		"a seat for another":  {func(s *assignment.Settings) { s.Seats = []string{"core", "max"} }, true},
		"a kind of capture":   {func(s *assignment.Settings) { s.Capture = []string{"recording"} }, true},
		"a profile":           {func(s *assignment.Settings) { s.Profiles = map[string]string{"ws1": "rep"} }, true},
		"a profile, replaced": {func(s *assignment.Settings) { s.Profiles = map[string]string{"ws1": "admin", "ws2": "guest"} }, true},
		"one more profile": {func(s *assignment.Settings) {
			s.Profiles = map[string]string{"ws1": "rep", "ws2": "guest", "ws3": "rep"}
		}, false},
		"the home workspace": {func(s *assignment.Settings) { s.Home = "" }, false},
		"an extra setting":   {func(s *assignment.Settings) { s.Extra = nil }, false},
		"everything":         {func(s *assignment.Settings) { *s = assignment.Settings{} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			after := full.Clone()
			test.change(&after)
			require.Equal(t, test.loses, full.Loses(&after))
		})
	}
	var none assignment.Settings
	require.False(t, none.Loses(&full))
	require.False(t, none.Loses(&none))
}

func TestSettingsEqual(t *testing.T) {
	var none assignment.Settings
	empty := assignment.Settings{Seats: []string{}, Profiles: map[string]string{}, Capture: []string{}, Extra: map[string]any{}}
	require.True(t, none.Equal(&empty), "empty and absent are the same")
	for _, other := range []assignment.Settings{
		{Seats: []string{"core"}}, {Home: "ws1"}, {Profiles: map[string]string{"ws1": "rep"}}, {Capture: []string{"recording"}}, {Extra: map[string]any{"export": true}},
	} {
		require.False(t, none.Equal(&other), "%v", other)
		same := other.Clone()
		require.True(t, other.Equal(&same))
	}
	// A team may contain values that a config may not; comparing them must not
	// panic.
	list := assignment.Settings{Extra: map[string]any{"x": []any{"a"}}}
	require.True(t, list.Equal(&assignment.Settings{Extra: map[string]any{"x": []any{"a"}}}))
	require.False(t, list.Equal(&assignment.Settings{Extra: map[string]any{"x": []any{"b"}}}))
}

func TestSettingsCloneSharesNothing(t *testing.T) {
	s := assignment.Settings{Seats: []string{"core"}, Profiles: map[string]string{"ws1": "rep"}, Capture: []string{"recording"}, Extra: map[string]any{"a": "b"}}
	c := s.Clone()
	c.Seats[0], c.Capture[0], c.Profiles["ws1"], c.Extra["a"] = "x", "x", "x", "x"
	require.Equal(t, assignment.Settings{Seats: []string{"core"}, Profiles: map[string]string{"ws1": "rep"}, Capture: []string{"recording"}, Extra: map[string]any{"a": "b"}}, s)
}

// R104, R105: the seats that a setting needs, and those of them that are
// missing.
func TestSeatsMissing(t *testing.T) {
	seats := assignment.Seats{Requires: map[string][]string{
		"capture.recording": {"core", "record"}, "profile": {"core"}, "profile.admin": {"admin"}, "home": {"desk"}, "extra.export": {"crm"},
	}}
	for name, test := range map[string]struct {
		settings assignment.Settings
		want     []string
	}{
		"nothing needed":        {assignment.Settings{Capture: []string{"email-import"}}, nil},
		"all of several":        {assignment.Settings{Seats: []string{"core"}, Capture: []string{"recording"}}, []string{"record"}},
		"any profile":           {assignment.Settings{Profiles: map[string]string{"ws1": "rep"}}, []string{"core"}},
		"a profile by its name": {assignment.Settings{Seats: []string{"core"}, Profiles: map[string]string{"ws1": "admin"}}, []string{"admin"}},
		"home":                  {assignment.Settings{Home: "ws1"}, []string{"desk"}},
		"extra":                 {assignment.Settings{Extra: map[string]any{"export": false}}, []string{"crm"}},
		"each once, in order": {assignment.Settings{Capture: []string{"recording"}, Profiles: map[string]string{"ws1": "rep", "ws2": "admin"}},
			[]string{"admin", "core", "record"}},
		"all there": {assignment.Settings{Seats: []string{"core", "record"}, Capture: []string{"recording"}}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, seats.Missing(&test.settings)) })
	}
	require.Nil(t, assignment.Seats{}.Missing(&assignment.Settings{Capture: []string{"recording"}}))
}

// All problems are reported at once, each with its path.
func TestValidate(t *testing.T) {
	match := assignment.Match{All: true}
	rules := assignment.Rules{
		Assignments: []assignment.Assignment{
			{ID: "", Match: match},
			{ID: "a", Match: match},
			{ID: "a", Match: match},
			{ID: "b"},
			{ID: "c", Match: assignment.Match{Groups: []string{"g1", "", "g1"}, Attributes: map[string]sources.Values{"": {"x"}, "site": {}}}},
			{ID: "d", Match: match, Settings: assignment.Settings{Seats: []string{""}, Capture: []string{"recording", "recording"},
				Profiles: map[string]string{"": "rep", "ws1": ""},
				Extra:    map[string]any{"": "x", "list": []any{}, "nan": math.NaN(), "number": 1, "ok": 1.5}}},
		},
		Default: &assignment.Assignment{ID: "a", Match: match},
	}
	seats := assignment.Seats{
		Requires: map[string][]string{"capture.recording": {"core"}, "record": {"core"}, "profile.": {"core"}, "home": {""}},
		Pools:    map[string]int{"core": -1, "plus": 0, "": 1},
	}
	var fails, warnings []string
	for _, p := range rules.Validate(seats) {
		if p.Warning {
			warnings = append(warnings, p.Path)
		} else {
			fails = append(fails, p.Path)
		}
		require.NotEmpty(t, p.Message)
	}
	require.Equal(t, []string{
		"assignments[0].id", "assignments[2].id",
		"assignments[4].match.groups[1]", "assignments[4].match.attributes.", "assignments[4].match.attributes.site",
		"assignments[5].seats[0]", "assignments[5].profiles.", "assignments[5].profiles.ws1",
		"assignments[5].extra", "assignments[5].extra.list", "assignments[5].extra.nan", "assignments[5].extra.number",
		"default.id", "default.match",
		"seats.requires.home[0]", "seats.requires.profile.", "seats.requires.record", "seats.pools", "seats.pools.core",
	}, fails)
	require.Equal(t, []string{
		"assignments[1].match", "assignments[2].match", // the first selects everybody
		"assignments[3].match", "assignments[4].match.groups[2]", "assignments[4].match", "assignments[5].capture[1]", "assignments[5].seats", "assignments[5].match",
	}, warnings)
	valid := assignment.Rules{Assignments: []assignment.Assignment{{ID: "a", Match: match}}, Default: &assignment.Assignment{ID: "rest"}}
	require.Empty(t, valid.Validate(assignment.Seats{}))
}

// R107, R108: an assignment is never reached if one above it selects everybody whom
// it selects. That is a warning, unless it is only possible and not certain.
func TestNeverReached(t *testing.T) {
	type match = assignment.Match
	attribute := func(values ...string) map[string]sources.Values { return map[string]sources.Values{"site": values} }
	for name, test := range map[string]struct {
		above, below match
		never        bool
	}{
		"the same group":             {match{Groups: []string{"g"}}, match{Groups: []string{"g"}}, true},
		"one of its groups":          {match{Groups: []string{"g", "h"}}, match{Groups: []string{"h"}}, true},
		"a further group":            {match{Groups: []string{"g"}}, match{Groups: []string{"g", "h"}}, false},
		"everybody above":            {match{All: true}, match{Groups: []string{"g"}}, true},
		"everybody below":            {match{Groups: []string{"g"}}, match{All: true}, false},
		"everybody of an attribute":  {match{All: true, Attributes: attribute("x")}, match{Groups: []string{"g"}}, false},
		"fewer people of a group":    {match{Groups: []string{"g"}}, match{Groups: []string{"g"}, Attributes: attribute("x")}, true},
		"more people of a group":     {match{Groups: []string{"g"}, Attributes: attribute("x")}, match{Groups: []string{"g"}}, false},
		"fewer values":               {match{Attributes: attribute("x", "y")}, match{Attributes: attribute("y")}, true},
		"more values":                {match{Attributes: attribute("x")}, match{Attributes: attribute("x", "y")}, false},
		"the same query":             {match{Query: "Title = 'x'"}, match{Query: "Title = 'x'"}, true},
		"the same query, in a group": {match{Query: "Title = 'x'"}, match{Query: "Title = 'x'", Groups: []string{"g"}}, true},
		"another query":              {match{Query: "Title = 'x'"}, match{Query: "Title = 'y'"}, false},
		"nobody above":               {match{}, match{All: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			rules := assignment.Rules{Assignments: []assignment.Assignment{{ID: "above", Match: test.above}, {ID: "below", Match: test.below}}}
			var told []string
			for _, p := range rules.Validate(assignment.Seats{}) {
				if p.Path == "assignments[1].match" {
					require.True(t, p.Warning)
					told = append(told, p.Message)
				}
			}
			if !test.never {
				require.Empty(t, told)
				return
			}
			require.Len(t, told, 1)
			require.Contains(t, told[0], "assignments[0]")
		})
	}
}
