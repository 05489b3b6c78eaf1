package hierarchy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/hierarchy"
)

// team returns a team of active people who follow the directory. Each person is
// given as "Key" or "Key<Current": the key is also the directory ID, the
// address is key@acme.com and the name "Key Doe".
func team(people ...string) []hierarchy.Person {
	var team []hierarchy.Person
	for _, p := range people {
		key, current, _ := strings.Cut(p, "<")
		team = append(team, hierarchy.Person{
			Key: key, Current: current, ID: key, Email: key + "@acme.com",
			GivenName: key, FamilyName: "Doe", Active: true, Follow: true,
		})
	}
	return team
}

// outcome is the result of a chart for one person; people are given by their
// keys.
type outcome struct {
	manager string
	changed bool
	finding hierarchy.Finding
}

func outcomes(people []hierarchy.Person) map[string]outcome {
	c := hierarchy.Build(people)
	all := make(map[string]outcome)
	for i, p := range people {
		o := outcome{changed: c.Changed(i), finding: c.Finding(i)}
		if m := c.Manager(i); m != hierarchy.None {
			o.manager = people[m].Key
		}
		all[p.Key] = o
	}
	return all
}

func keys(email, id, name string) *hierarchy.Keys {
	return &hierarchy.Keys{Email: email, ID: id, Name: name}
}

func TestManagerKeys(t *testing.T) {
	const (
		none     = hierarchy.NoFinding
		notFound = hierarchy.ManagerNotFound
	)
	tests := []struct {
		name    string
		manager *hierarchy.Keys
		want    outcome // the outcome for ana, whose manager is old
	}{
		{"email", keys("bo@acme.com", "", ""), outcome{"bo", true, none}},                                             // R80
		{"email before id and name", keys("bo@acme.com", "cy", "dan doe"), outcome{"bo", true, hierarchy.KeysDiffer}}, // R80, C5
		{"email of the current manager", keys("old@acme.com", "", ""), outcome{"old", false, none}},                   // R90
		{"email in other case", keys("\tBO@Acme.COM \n", "", ""), outcome{"bo", true, none}},                          // S7, S22
		{"email with an odd space", keys("\u00a0bo@acme.com\u2003", "", ""), outcome{"bo", true, none}},               // S7
		{"alias", keys("bo@acme.onmicrosoft.com", "", ""), outcome{"bo", true, none}},                                 // S22
		{"unknown email, no guess", keys("x@acme.com", "cy", "dan doe"), outcome{"old", false, notFound}},             // A19, S22
		{"id", keys("", "cy", ""), outcome{"cy", true, none}},                                                         // R82, R84
		{"id before name", keys(" ", "cy", "dan doe"), outcome{"cy", true, hierarchy.KeysDiffer}},                     // C5, S22
		{"id in other case", keys("", "CY", ""), outcome{"old", false, notFound}},                                     // S22
		{"id within space", keys("", " cy ", ""), outcome{"cy", true, none}},                                          // S22
		{"unknown id, no guess", keys("", "x", "dan doe"), outcome{"old", false, notFound}},                           // A19
		{"name", keys("", "", "dan doe"), outcome{"dan", true, none}},                                                 // R81
		{"name in other case and space", keys("", "\u00a0", " DAN \u3000\t Doe "), outcome{"dan", true, none}},        // S22
		{"name in family order", keys("", "", "Doe Dan"), outcome{"old", false, notFound}},                            // R81, S22
		{"name with comma", keys("", "", "Doe, Dan"), outcome{"old", false, notFound}},                                // S22
		{"half a name", keys("", "", "dan"), outcome{"old", false, notFound}},                                         // R81
		{"unknown name", keys("", "", "Eve Doe"), outcome{"old", false, notFound}},                                    // A19
		{"namesakes", keys("", "", "twin doe"), outcome{"old", false, hierarchy.AmbiguousName}},                       // R83, S22
		{"inactive by email", keys("gone@acme.com", "", ""), outcome{"old", false, hierarchy.ManagerInactive}},        // S24
		{"inactive by id", keys("", "gone", ""), outcome{"old", false, hierarchy.ManagerInactive}},                    // S24
		{"inactive by name", keys("", "", "gone doe"), outcome{"old", false, hierarchy.ManagerInactive}},              // S24
		{"active rather than inactive", keys("", "", "half doe"), outcome{"half", true, none}},                        // S22
		{"no keys", nil, outcome{"old", false, hierarchy.NoManagerKey}},                                               // R82, S11
		{"blank keys", keys(" ", "\t", "\u00a0\n"), outcome{"old", false, hierarchy.NoManagerKey}},                    // R82, S11
		{"own email", keys("ana@acme.com", "", ""), outcome{"old", false, hierarchy.Cycle}},                           // S24
		{"own id", keys("", "ana", ""), outcome{"old", false, hierarchy.Cycle}},                                       // S24
		{"own name", keys("", "", "Ana Doe"), outcome{"old", false, hierarchy.Cycle}},                                 // S24
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			people := team("ana<old", "old", "bo", "cy", "dan", "twin", "twin2", "gone", "half", "half2")
			people[0].Manager = test.manager
			people[2].Alias = "Bo@acme.onmicrosoft.com"
			people[6].GivenName = "TWIN"
			people[7].Active = false
			people[9].GivenName, people[9].Active = "half", false
			assert.Equal(t, test.want, outcomes(people)["ana"])
		})
	}
}

func TestAddressesBeyondASCII(t *testing.T) { // S7, S22
	for _, test := range []struct {
		of, named string
		want      string
	}{
		{"bo@bücher.example", "BO@xn--bcher-kva.example", "bo"},
		{"bo@xn--bcher-kva.example", "bo@BÜCHER.example", "bo"},
		{"bo@bücher.example", "bo@bucher.example", ""},
		{"björn@acme.com", "BJöRN@ACME.com", "bo"},
		{"björn@acme.com", "BJÖRN@acme.com", ""}, // only ASCII letters fold
		{"björn@bücher.example", "björn@xn--bcher-kva.example", "bo"},
		{"bo@" + strings.Repeat("ü", 2000), "bo@" + strings.Repeat("ü", 2000), "bo"},
		{"no-at-sign-ü", "NO-AT-SIGN-ü", "bo"},
		{"bo@\xff", "bo@\xfe", ""},
		{"bo-as-bytes-\xc3@acme.com", "bo-as-bytes-\xe3@acme.com", ""},
		{"bo@" + strings.Repeat("ü", 600), "bo@" + strings.Repeat("Ü", 600), ""}, // too long for a domain
		{"ZZZZZZZZ@zzz.com", "zzzzzzzz@ZZZ.com", "bo"},
		{"@[`{Z", "@[`{z", "bo"},
		{"long.enough.for.words@[`{Z", "LONG.enough.for.words@[`{Z", "bo"},
		{"long.enough.for.words@[`{", "long.enough.for.words`[@{", ""},
	} {
		people := team("ana", "bo")
		people[1].Email = test.of
		people[0].Manager = keys(test.named, "", "")
		assert.Equal(t, test.want, outcomes(people)["ana"].manager, "%q named as %q", test.of, test.named)
	}
}

func TestNames(t *testing.T) { // R81, S22, S36
	for _, test := range []struct {
		given, family, named string
		want                 string
	}{
		{"José", "Núñez", "JOSÉ NÚÑEZ", "bo"},
		{"Ana Maria", "de la  Cruz", "ana  maria de la cruz", "bo"},
		{"Ana", "Maria de la Cruz", "ana maria DE LA CRUZ", "bo"},
		{"Σίσυφος", "Κορίνθιος", "ΣΊΣΥΦΟΣ ΚΟΡΊΝΘΙΟΣ", "bo"}, // a final sigma
		{"\u212a", "Doe", "k doe", "bo"},                    // the Kelvin sign
		{"Jose", "Nunez", "José Núñez", ""},
		{"", "Cher", "cher", "bo"},
		{"Cher", " ", "cher", "bo"},
		{"a\xff", "b", "a\xfe b", ""},
		{"a\xff", "b", "A\xff B", "bo"},
		{"AnaBo", "Doe", "Ana Bo Doe", ""},
		{"Ana", "Bo", "Ana-Bo", ""},
		{"José", "Núñez", "Jose\u0301 Nu\u0301n\u0303ez", "bo"}, // S36: another normal form
		{"Jose\u0301", "Nunez", "JOSÉ NUNEZ", "bo"},
		{"Pat", "O'Brien", "Pat O\u2019Brien", "bo"}, // S36: a curly apostrophe
		{"Anne\u2010Marie", "Doe", "anne-marie doe", "bo"},
		{"Wilson\u00a0 K", "Adinolfi", "Wilson K Adinolfi", "bo"},
		{"Brandon R", "LeBlanc", "Brandon R. LeBlanc", ""}, // a full stop counts
		{"Bo", "Lind", "Lind Bo", ""},
	} {
		people := team("ana", "bo")
		people[1].GivenName, people[1].FamilyName = test.given, test.family
		people[0].Manager = keys("", "", test.named)
		assert.Equal(t, test.want, outcomes(people)["ana"].manager, "%q %q named as %q", test.given, test.family, test.named)
	}
}

// A person is never a candidate as their own manager: of two people with one
// name, each may name the other; of three, none can.
func TestNamesakesOfOneself(t *testing.T) { // R83, S22
	people := team("ana", "ana2", "cy")
	people[1].GivenName = "Ana"
	people[0].Manager = keys("", "", "ana doe")
	people[2].Manager = keys("", "", "ana doe")
	got := outcomes(people)
	assert.Equal(t, outcome{"ana2", true, hierarchy.NoFinding}, got["ana"])
	assert.Equal(t, outcome{"", false, hierarchy.AmbiguousName}, got["cy"])

	people[2].GivenName = "ANA"
	for _, o := range outcomes(people) {
		assert.Equal(t, "", o.manager)
	}
	assert.Equal(t, hierarchy.AmbiguousName, outcomes(people)["ana"].finding)
}

func TestSharedKeys(t *testing.T) { // R83
	people := team("ana<old", "bo<old", "old", "cy", "dan")
	people[3].Email, people[3].ID = "shared@acme.com", "shared"
	people[4].Alias, people[4].ID = "Shared@acme.com", "shared"
	people[0].Manager = keys("shared@acme.com", "", "")
	people[1].Manager = keys("", "shared", "")
	got := outcomes(people)
	assert.Equal(t, outcome{"old", false, hierarchy.AmbiguousEmail}, got["ana"])
	assert.Equal(t, outcome{"old", false, hierarchy.AmbiguousID}, got["bo"])

	people[4].Active = false // the remaining one is the only candidate
	got = outcomes(people)
	assert.Equal(t, "cy", got["ana"].manager)
	assert.Equal(t, "cy", got["bo"].manager)

	people[3].Active = false
	got = outcomes(people)
	assert.Equal(t, outcome{"old", false, hierarchy.ManagerInactive}, got["ana"])
}

func TestSameAddressTwiceOnOnePerson(t *testing.T) {
	people := team("ana", "bo")
	people[1].Alias = " BO@acme.com"
	people[0].Manager = keys("bo@acme.com", "", "")
	assert.Equal(t, outcome{"bo", true, hierarchy.NoFinding}, outcomes(people)["ana"])
}

// Which key decides when several are given, and what the finding says about the
// others. In the team, bo and cy share the address hr@acme.com, gone is
// inactive, open is open, and twin and twin2 have one name and one ID.
func TestSeveralKeys(t *testing.T) { // S22
	const (
		none   = hierarchy.NoFinding
		differ = hierarchy.KeysDiffer
	)
	for _, test := range []struct {
		name    string
		manager *hierarchy.Keys
		email   outcome // the outcome for ana, whose manager is old, with the email first
		id      outcome // the outcome with the ID first
	}{
		{"all of one person", keys("dan@acme.com", "dan", "DAN doe"), outcome{"dan", true, none}, outcome{"dan", true, none}},
		{"two people", keys("dan@acme.com", "eve", ""), outcome{"dan", true, differ}, outcome{"eve", true, differ}},
		{"the current manager and another", keys("old@acme.com", "eve", ""), outcome{"old", false, differ}, outcome{"eve", true, differ}},
		{"another name", keys("dan@acme.com", "dan", "eve doe"), outcome{"dan", true, differ}, outcome{"dan", true, differ}},
		{"the name of namesakes", keys("dan@acme.com", "dan", "twin doe"), outcome{"dan", true, differ}, outcome{"dan", true, differ}},
		{"one of the namesakes", keys("twin@acme.com", "", "twin doe"), outcome{"twin", true, none}, outcome{"twin", true, none}},
		{"a name that nobody has", keys("dan@acme.com", "dan", "doe, dan"), outcome{"dan", true, none}, outcome{"dan", true, none}},
		{"the id of somebody inactive", keys("dan@acme.com", "gone", ""), outcome{"dan", true, differ}, outcome{"old", false, hierarchy.ManagerInactive}},
		{"the own id", keys("dan@acme.com", "ana", ""), outcome{"dan", true, differ}, outcome{"old", false, hierarchy.Cycle}},
		{"unknown id", keys("dan@acme.com", "x", "dan doe"), outcome{"dan", true, none}, outcome{"old", false, hierarchy.ManagerNotFound}},                            // A19
		{"unknown email", keys("x@acme.com", "dan", "dan doe"), outcome{"old", false, hierarchy.ManagerNotFound}, outcome{"dan", true, none}},                         // A19
		{"shared email, id of one of them", keys("HR@acme.com", "cy", ""), outcome{"cy", true, none}, outcome{"cy", true, none}},                                      // the ID takes precedence
		{"shared email, id of another", keys("hr@acme.com", "dan", ""), outcome{"dan", true, differ}, outcome{"dan", true, differ}},                                   // the ID takes precedence
		{"shared email, no id", keys("hr@acme.com", " ", "cy doe"), outcome{"old", false, hierarchy.AmbiguousEmail}, outcome{"old", false, hierarchy.AmbiguousEmail}}, // no third key
		{"shared email, unknown id", keys("hr@acme.com", "x", "cy doe"), outcome{"old", false, hierarchy.AmbiguousEmail}, outcome{"old", false, hierarchy.ManagerNotFound}},
		{"shared email, shared id", keys("hr@acme.com", "twins", ""), outcome{"old", false, hierarchy.AmbiguousEmail}, outcome{"old", false, hierarchy.AmbiguousID}},
		{"shared email, id of somebody inactive", keys("hr@acme.com", "gone", ""), outcome{"old", false, hierarchy.AmbiguousEmail}, outcome{"old", false, hierarchy.ManagerInactive}},
		{"shared email, own id", keys("hr@acme.com", "ana", ""), outcome{"old", false, hierarchy.AmbiguousEmail}, outcome{"old", false, hierarchy.Cycle}},
		{"shared email, id of somebody open", keys("hr@acme.com", "open", ""), outcome{"old", false, hierarchy.ManagerOpen}, outcome{"old", false, hierarchy.ManagerOpen}},
		{"shared id, email of one of them", keys("twin@acme.com", "twins", ""), outcome{"twin", true, none}, outcome{"old", false, hierarchy.AmbiguousID}},
		{"blank id", keys("dan@acme.com", "\u00a0", "dan doe"), outcome{"dan", true, none}, outcome{"dan", true, none}},
	} {
		for _, idFirst := range []bool{false, true} {
			people := team("ana<old", "old", "bo", "cy", "dan", "eve", "gone", "open", "twin", "twin2")
			people[0].Manager, people[0].IDFirst = test.manager, idFirst
			people[2].Email, people[3].Alias = "hr@acme.com", " HR@acme.com"
			people[6].Active = false
			people[7].Open = true
			people[8].ID, people[9].ID, people[9].GivenName = "twins", "twins", "Twin"
			want := test.email
			if idFirst {
				want = test.id
			}
			assert.Equal(t, want, outcomes(people)["ana"], "%s, id first: %t", test.name, idFirst)
		}
	}
}

// The order of the keys is set for each person: a team may come from two
// directories.
func TestOrderOfKeysIsPerPerson(t *testing.T) { // S22, S33
	people := team("ana", "bo", "cy", "dan")
	people[0].Manager = keys("cy@acme.com", "dan", "")
	people[1].Manager = keys("cy@acme.com", "dan", "")
	people[1].IDFirst = true
	got := outcomes(people)
	assert.Equal(t, outcome{"cy", true, hierarchy.KeysDiffer}, got["ana"])
	assert.Equal(t, outcome{"dan", true, hierarchy.KeysDiffer}, got["bo"])
}

// Nobody is placed under a manager whom missing evidence could remove. A person
// who already reports to one keeps the edge, and an open person counts in a
// search by name.
func TestOpenManager(t *testing.T) { // S44
	people := team("ana<old", "bo<open", "cy", "open<old", "old", "namesake")
	people[3].Open, people[5].GivenName = true, "open"
	people[0].Manager = keys("open@acme.com", "", "")
	people[1].Manager = keys("open@acme.com", "", "")
	people[2].Manager = keys("", "", "open doe")
	got := outcomes(people)
	assert.Equal(t, outcome{"old", false, hierarchy.ManagerOpen}, got["ana"])
	assert.Equal(t, outcome{"open", false, hierarchy.NoFinding}, got["bo"])
	assert.Equal(t, outcome{"", false, hierarchy.AmbiguousName}, got["cy"])
}

// A manager who is deactivated in this run keeps the reports, with a warning,
// and no further edge changes.
func TestDeactivatedManager(t *testing.T) { // S24
	for _, manager := range []*hierarchy.Keys{keys("bo@acme.com", "", ""), keys("", "bo", ""), keys("", "", "bo doe")} {
		people := team("ana<bo", "bo<cy", "cy")
		people[0].Manager = manager
		people[1].Manager = keys("cy@acme.com", "", "")
		people[1].Active = false
		got := outcomes(people)
		assert.Equal(t, outcome{"bo", false, hierarchy.ManagerInactive}, got["ana"])
		assert.Equal(t, outcome{"cy", false, hierarchy.NoFinding}, got["bo"])
	}
}

// If the structure is ignored or updates are manual, the edge is unchanged
// whatever the directory says; a new person is placed only if the caller sets
// Follow for that person.
func TestFollow(t *testing.T) {
	people := team("kept<old", "ignored", "synced<old", "placed", "old", "boss")
	for i := range 4 {
		people[i].Manager = keys("boss@acme.com", "", "")
	}
	people[0].Follow = false // R87, R91 to R93, R95
	people[1].Follow = false // R85, R86, R88
	got := outcomes(people)
	assert.Equal(t, outcome{"old", false, hierarchy.NoFinding}, got["kept"])
	assert.Equal(t, outcome{"", false, hierarchy.NoFinding}, got["ignored"])
	assert.Equal(t, outcome{"boss", true, hierarchy.NoFinding}, got["synced"]) // R90
	assert.Equal(t, outcome{"boss", true, hierarchy.NoFinding}, got["placed"]) // R94
}

func TestLateManager(t *testing.T) { // S23
	people := team("ana")
	people[0].Manager = keys("bo@acme.com", "", "")
	assert.Equal(t, outcome{"", false, hierarchy.ManagerNotFound}, outcomes(people)["ana"])
	assert.Equal(t, outcome{"bo", true, hierarchy.NoFinding}, outcomes(append(people, team("bo")...))["ana"])
}

// A current manager who is not among the people does not change the edge; only
// a manager whom the directory names does.
func TestUnknownCurrentManager(t *testing.T) { // S25, R89
	people := team("ana<ghost", "bo<ghost", "cy", "dan<ghost", "eve<ghost")
	people[1].Manager = keys("cy@acme.com", "", "")
	people[3].Manager = keys("nobody@acme.com", "", "")
	people[4].Manager = keys("eve@acme.com", "", "")
	got := outcomes(people)
	assert.Equal(t, outcome{"", false, hierarchy.ManagerNotFound}, got["dan"])
	assert.Equal(t, outcome{"", false, hierarchy.Cycle}, got["eve"])
	assert.Equal(t, outcome{"", false, hierarchy.NoManagerKey}, got["ana"])
	assert.Equal(t, outcome{"cy", true, hierarchy.NoFinding}, got["bo"])
}

// A current manager is found by Key, although nobody inactive can become a
// manager.
func TestInactiveCurrentManager(t *testing.T) { // S24, S25
	people := team("ana<bo", "bo")
	people[1].Active = false
	assert.Equal(t, outcome{"bo", false, hierarchy.NoManagerKey}, outcomes(people)["ana"])
}

func TestBuildNobody(t *testing.T) {
	c := hierarchy.Build(nil)
	for range c.Roots() {
		require.Fail(t, "a root among nobody")
	}
}

func TestFindingCodes(t *testing.T) { // S22, S24, S44
	assert.Equal(t, "", hierarchy.NoFinding.String())
	assert.Equal(t, "hierarchy.no_manager_key", hierarchy.NoManagerKey.String())
	assert.Equal(t, "hierarchy.manager_not_found", hierarchy.ManagerNotFound.String())
	assert.Equal(t, "hierarchy.ambiguous_email", hierarchy.AmbiguousEmail.String())
	assert.Equal(t, "hierarchy.ambiguous_id", hierarchy.AmbiguousID.String())
	assert.Equal(t, "hierarchy.ambiguous_name", hierarchy.AmbiguousName.String())
	assert.Equal(t, "hierarchy.manager_inactive", hierarchy.ManagerInactive.String())
	assert.Equal(t, "hierarchy.cycle", hierarchy.Cycle.String())
	assert.Equal(t, "hierarchy.manager_open", hierarchy.ManagerOpen.String())
	assert.Equal(t, "hierarchy.keys_differ", hierarchy.KeysDiffer.String())
	assert.Equal(t, "Finding(10)", hierarchy.Finding(10).String())
}
