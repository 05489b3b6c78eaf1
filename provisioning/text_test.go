package provisioning_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/timezone"
)

// okta returns a config with the defaults.
func okta() provisioning.Config {
	return provisioning.Config{Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"}}
}

func resolver(t require.TestingT, cfg provisioning.Config) *provisioning.Resolver {
	r, err := provisioning.New(cfg)
	require.NoError(t, err)
	return r
}

// allProven returns a complete snapshot of okta.
func allProven(users ...sources.User) *sources.Snapshot {
	return &sources.Snapshot{
		Format: sources.SnapshotFormat, Kind: "okta", Connection: "okta", Users: users,
		Proven: sources.FactUsers | sources.FactGroups | sources.FactMemberships | sources.FactManagers,
	}
}

func activeUser(id, email string) sources.User {
	return sources.User{ID: id, Status: sources.StatusActive, Email: email, GivenName: "Given " + id, FamilyName: "Family"}
}

// memberFor returns the member that the user became under the default
// assignment.
func memberFor(u sources.User) provisioning.Member {
	return provisioning.Member{
		ID: "m-" + u.ID, Connection: "okta", ExternalID: u.ID, Managed: true, Active: true, Email: u.Email,
		GivenName: u.GivenName, FamilyName: u.FamilyName, AssignmentID: "default", Revision: "1",
	}
}

// Data from a directory or from the team cannot forge a line of a plan, and
// cannot reverse the direction of its text: everything that is not plain text
// is quoted.
func TestPlanTextCannotBeForged(t *testing.T) {
	for name, evil := range map[string]string{
		"newline": "x\n- boss@acme.com  deactivate", "return": "x\r- boss", "escape": "x\x1b[2K", "line separator": "x\u2028- boss",
		"paragraph separator": "x\u2029- boss", "next line": "x\u0085- boss", "right to left": "x\u202egnp.exe", "isolate": "x\u2066y",
		"right-to-left mark": "x\u200fy", "arabic letter mark": "x\u061cy", "invalid UTF-8": "x\xff\xfe", "null": "x\x00", "tab": "x\ty",
	} {
		t.Run(name, func(t *testing.T) {
			cfg, inText := okta(), evil
			if !utf8.ValidString(evil) || strings.Contains(evil, "\x00") { // no config has such a revision, and no user with such an ID is provisioned
				cfg.Revision = "r" + evil
				_, err := provisioning.New(cfg)
				require.Error(t, err)
				evil = ""
			}
			cfg.Connection, cfg.Revision = "c"+evil, "r"+evil
			cfg.Assignments = []assignment.Assignment{{ID: "a" + evil, Name: "n" + evil, Match: assignment.Match{Groups: []string{"g" + evil}}}, {ID: "all" + evil,
				Match: assignment.Match{All: true}, Mode: assignment.Automatic, Settings: assignment.Settings{Seats: []string{"s" + evil}, Home: "h" + evil,
					Profiles: map[string]string{"w" + evil: "p" + evil}, Capture: []string{"recording"}, Extra: map[string]any{"e" + evil: "v" + evil}}}}
			cfg.Seats = assignment.Seats{Requires: map[string][]string{"capture.recording": {"need" + evil}}, Pools: map[string]int{"s" + evil: 0}}
			r := resolver(t, cfg)
			snapshot := allProven()
			snapshot.Connection = cfg.Connection
			in := provisioning.Input{Tenant: "t", Snapshot: snapshot}
			for i, email := range []string{"ana@acme.com", "ana" + evil + "@acme.com", "b@acme.com" + evil, "c" + evil, "bo@acme.com", "dora@acme.com"} {
				u := activeUser(fmt.Sprint("u", i, evil), email)
				u.GivenName, u.FamilyName, u.Title, u.Phone, u.TimeZone, u.Country, u.State, u.Locale = "g"+inText, "f"+inText, "t"+inText, "p"+inText, "z"+inText, "c"+inText, "s"+inText, "l"+inText
				u.PrivateEmail, u.OtherEmails, u.Manager = "p"+inText, []string{"o" + inText}, sources.Manager{ID: "m" + inText}
				if i == 5 {
					u.Manager.ID = "u0" + evil
				}
				in.Snapshot.Users = append(in.Snapshot.Users, u)
			}
			old := memberFor(in.Snapshot.Users[4])
			old.ID, old.Connection, old.Title, old.Seats, old.TimeZone, old.AssignmentID = "m"+evil, cfg.Connection, "old"+evil, []string{"old" + evil}, "z"+evil, "gone"+evil
			gone := memberFor(activeUser("gone"+evil, "gone"+evil+"@acme.com"))
			gone.Connection = cfg.Connection
			adopted := provisioning.Member{ID: "a" + evil, Active: true, Email: "dora@acme.com", TimeZone: "z" + evil}
			in.Members = []provisioning.Member{old, gone, adopted}
			plan := r.Resolve(in)
			require.NotEmpty(t, plan.Actions)
			requirePlain(t, plan.String())
			for i := range plan.Actions {
				m := &plan.Actions[i].Member
				for _, who := range []string{m.Email, m.ExternalID, m.ID, m.GivenName + " " + m.FamilyName} {
					requirePlain(t, plan.Explain(who))
				}
			}
			for i := range in.Snapshot.Users {
				requirePlain(t, plan.Explain(in.Snapshot.Users[i].ID))
			}
			requirePlain(t, plan.Explain("nobody"+evil))
			requirePlain(t, plan.Explain(gone.Email))
			for i := range plan.Findings {
				requirePlain(t, plan.Findings[i].Reason.String())
			}
		})
	}
}

// requirePlain checks that the library wrote each line, and that no line
// contains characters that control a terminal.
func requirePlain(t *testing.T, text string) {
	t.Helper()
	for i, r := range text {
		plain := r >= ' ' && r < 0x7f || r == '\n' || r == '·' || r == '…'
		require.True(t, plain, "%q at %d of\n%q", r, i, text)
	}
	for line := range strings.Lines(text) {
		require.False(t, strings.HasPrefix(line, "- boss"), "a forged line in\n%s", text)
	}
}

// Explain finds a person by address, by either ID and by name, in any letter
// case.
func TestExplainFindsPeople(t *testing.T) {
	u := activeUser("u1", "ana@acme.com")
	u.GivenName, u.FamilyName = "Ana", "Young"
	changed := u
	changed.Title = "Director"
	skipped := activeUser("u2", "bo@elsewhere.example")
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(changed, skipped), Members: []provisioning.Member{memberFor(u)}})
	want := plan.Explain("ana@acme.com")
	require.Contains(t, want, "title: none -> Director")
	for _, who := range []string{"ANA@acme.com", " ana@acme.com ", "u1", "m-u1", "ana YOUNG"} {
		require.Equal(t, want, plan.Explain(who), who)
	}
	require.Contains(t, plan.Explain("u2"), "skipped\n")
	require.Contains(t, plan.Explain("u2"), "[ineligible.domain]")
	require.Equal(t, "carl: nobody of that name, address or id is known, in the directory or in the team\n", plan.Explain("carl"))
	require.Equal(t, ": nobody of that name, address or id is known, in the directory or in the team\n", plan.Explain(""), "nobody is named by nothing")
}

// Each code that the package returns has its own sentence.
func TestReasonsHaveSentences(t *testing.T) {
	codes := []provisioning.Code{"seat.missing:core", "breaker.create", "hierarchy.cycle", "tz.unknown_name"}
	parsed, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Code" {
			code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			codes = append(codes, provisioning.Code(code))
		}
		return true
	})
	require.Contains(t, codes, provisioning.CodeMatchNew)
	for f := hierarchy.NoManagerKey; f <= hierarchy.KeysDiffer; f++ {
		codes = append(codes, provisioning.Code(f.String()))
	}
	for _, note := range []timezone.Note{
		timezone.NoteOffsetUnsupported, timezone.NoteUnknownName, timezone.NoteAbbreviation, timezone.NoteUnknownCountry, timezone.NoteUnknownState,
		timezone.NoteStateMajority, timezone.NoteCountryHasMany, timezone.NoteCountryPrimary, timezone.NoteCountryNoZone,
	} {
		codes = append(codes, provisioning.Code(note))
	}
	for _, code := range codes {
		r := provisioning.Reason{Code: code}
		assert.NotEqual(t, r.String(), r.Text(), "%s: give it a sentence in codeTexts", code)
	}
	other := provisioning.Reason{Code: "host.own", Facts: map[string]string{"b": "2", "a": "1"}}
	require.Equal(t, "host.own (a: 1, b: 2)", other.Text())
}

// L10: the text of a plan and of Explain shows every value that the JSON grants
// or takes: seats, capture, home, profiles, extra and attributes, the old and
// the new manager, and the access that a person gets back after having had
// none.
func TestLawTextShowsWhatIsGrantedAndTaken(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		plan := r.Resolve(in)
		names := make(map[string][]string) // by member ID, the names before and after
		for _, m := range in.Members {
			names[m.ID] = append(names[m.ID], m.Name())
		}
		for _, a := range plan.Actions {
			names[a.Member.ID] = append(names[a.Member.ID], a.Member.Name())
		}
		for _, h := range plan.Held {
			names[h.Action.Member.ID] = append(names[h.Action.Member.ID], h.Action.Member.Name())
		}
		before := byID(in.Members)
		lines := strings.Split(plan.String(), "\n")
		shows := func(a provisioning.Action, sigils string) {
			was := before[a.Member.ID]
			if a.Kind == provisioning.KindCreate {
				was = provisioning.Member{}
			}
			wanted := shownValues(was, a.Member, names)
			require.True(t, slices.ContainsFunc(lines, func(line string) bool {
				return line != "" && strings.Contains(sigils, line[:1]) && strings.Contains(line, a.Member.Email) && missing(line, wanted) == ""
			}), "%s of %s does not show %s in\n%s", a.Kind, a.Member.Email, wanted, strings.Join(slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.Contains(line, a.Member.Email) }), "\n"))
			told := plan.Explain(a.Member.ID)
			require.Empty(t, missing(told, wanted), "%s", told)
		}
		for _, a := range plan.Actions {
			shows(a, "+-~")
		}
		for _, h := range plan.Held {
			shows(h.Action, "!")
		}
	})
}

// missing returns the first of the wanted texts that shown does not contain.
func missing(shown string, wanted []string) string {
	for _, text := range wanted {
		if !regexp.MustCompile(text).MatchString(shown) {
			return text
		}
	}
	return ""
}

// shownValues returns patterns for everything that the text must show of a
// change between two states of a member. It derives them from the two states
// alone.
func shownValues(was, now provisioning.Member, names map[string][]string) []string {
	comesIn := now.Active && !was.Active
	var wanted []string
	want := func(format string, args ...any) { wanted = append(wanted, fmt.Sprintf(format, args...)) }
	sets := func(field string, was, now []string) {
		for _, one := range now {
			if comesIn || !slices.Contains(was, one) {
				want(`\b%s [^,]*\b%s\b`, field, one)
			}
		}
		for _, one := range was {
			if !slices.Contains(now, one) {
				want(`\b%s [^,]*-%s\b`, field, one)
			}
		}
	}
	sets("seats", was.Seats, now.Seats)
	sets("capture", was.Capture, now.Capture)
	one := func(field, was, now string) {
		switch {
		case was != "" && was != now:
			want(`\b%s %s -> %s`, field, regexp.QuoteMeta(was), regexp.QuoteMeta(cmp.Or(now, "none")))
		case now != "" && (comesIn || was != now):
			want(`\b%s %s`, field, regexp.QuoteMeta(now))
		}
	}
	one("home", was.Home, now.Home)
	for workspace, profile := range was.Profiles {
		if now.Profiles[workspace] != profile {
			want(`profiles \[[^]]*\b%s:%s\b[^]]*\] -> `, workspace, profile)
		}
	}
	for workspace, profile := range now.Profiles {
		if comesIn || was.Profiles[workspace] != profile {
			want(`profiles .*\b%s:%s\b`, workspace, profile)
		}
	}
	for name, value := range was.Extra {
		if now.Extra[name] != value {
			want(`extra \[[^]]*\b%s:%v\b[^]]*\] -> `, name, value)
		}
	}
	for name, value := range now.Extra {
		if comesIn || was.Extra[name] != value {
			want(`extra .*\b%s:%v\b`, name, value)
		}
	}
	for name, value := range now.Attributes {
		if was.Attributes[name] != value {
			one(name, was.Attributes[name], value)
		}
	}
	manager := func(id string) string {
		var any []string
		for _, name := range names[id] {
			any = append(any, regexp.QuoteMeta(name))
		}
		return "(" + strings.Join(any, "|") + ")"
	}
	switch {
	case now.ManagerID == was.ManagerID:
	case was.ManagerID == "":
		want(`under %s`, manager(now.ManagerID))
	default:
		want(`manager %s -> %s`, manager(was.ManagerID), manager(now.ManagerID))
	}
	return wanted
}

// A long value of a directory does not make the line of a finding longer than a
// person reads. The JSON has all of it.
func TestFactsAreCut(t *testing.T) {
	long := strings.Repeat("x", 5000)
	r := provisioning.Reason{Code: provisioning.CodeManagerNotFound, Facts: map[string]string{"name": long}}
	require.Less(t, len(r.Text()), 500)
	require.Contains(t, r.Text(), "xxx…)")

	u := activeUser("u1", "ana@acme.com")
	u.Manager.Name = long
	plan := resolver(t, okta()).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(u)})
	require.Contains(t, plan.String(), "xxx…)")
	require.NotContains(t, plan.String(), long)
	require.Equal(t, long, plan.Findings[0].Reason.Facts["name"])
}
