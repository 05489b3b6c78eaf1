package provtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

func resolver(t TB, config string) *provisioning.Resolver {
	cfg, err := provisioning.ParseConfig([]byte(config))
	require.NoError(t, err)
	r, err := provisioning.New(cfg)
	require.NoError(t, err)
	return r
}

const small = `{"format": 1, "source": "okta", "domains": {"primary": "acme.com"}, "attributes": {"team": "department"}, "assignments": [
	{"id": "legal", "mode": "automatic", "match": {"groups": ["g-legal"]}, "seats": ["core"]},
	{"id": "sales", "mode": "automatic", "match": {"groups": ["g-sales"]}, "seats": ["core", "plus"], "capture": ["recording"], "profiles": {"ws1": "rep"}}]}`

// A phrase that is true of the result holds, and its negation does not.
func TestPhrases(t *testing.T) {
	r := resolver(t, small)
	ana := New("ana@acme.com", "Ana Maria Li", "g-sales").Under("bo@acme.com")
	ana.User.Attributes = map[string]sources.Values{"department": {"EMEA"}}
	bo := New("bo@acme.com", "Bo Chen")
	in := InputOf(r, ana, bo)
	f := judge(in, r.Resolve(in), false).of("ana@acme.com")
	for _, phrase := range []string{
		"create", "in", "assignment sales", "assignment", "seats core", "seats plus", "profiles ws1:rep", "capture recording",
		"manager bo@acme.com", "given_name Ana Maria", "family_name Li", "team EMEA", "#assignment.first_match", "no seats other", "no title",
	} {
		require.NoError(t, checkPhrase(r.Config(), phrase), phrase)
		require.True(t, f.holds(phrase), "%s: %s", phrase, f)
		contrary, negated := strings.CutPrefix(phrase, "no ")
		if !negated {
			contrary = "no " + phrase
		}
		require.False(t, f.holds(contrary), contrary)
	}
	for kind := provisioning.KindDeactivate; kind <= provisioning.KindCreate; kind++ {
		require.NoError(t, checkPhrase(r.Config(), kind.String()))
	}
	for _, phrase := range []string{"", "created", "seat core", "no ", "assignments"} {
		require.ErrorContains(t, checkPhrase(r.Config(), phrase), "want the kind of an action, one of unchanged", phrase)
	}
	bo.Member = &provisioning.Member{ID: "m1", Email: "bo@acme.com", Managed: true, Active: true, Connection: "okta", ExternalID: "bo@acme.com"}
	in = InputOf(r, bo.Gone(), ana) // an empty directory would be held (S13)
	f = judge(in, r.Resolve(in), false).of("m1")
	require.True(t, f.holds("deactivate") && f.holds("out") && f.holds("#scope.absent"), "%s", f)
}

// A sentence that the rules break is reported as broken, a sentence that they
// keep as kept, and a sentence about people of whom none is drawn as not tried.
func TestNever(t *testing.T) {
	r := resolver(t, small)
	companies := rapid.Custom(func(t *rapid.T) provisioning.Input { return Draw(t, r) })
	for text, want := range map[string]string{
		"capture for legal":                      "kept",
		"profiles ws1:admin for everybody":       "kept",
		"create for domain elsewhere.example":    "kept",
		"seats plus for group g-legal":           "kept", // legal stands above sales
		"seats plus for group unused":            "broken",
		"in for group g-sales":                   "broken",
		"capture for attribute department=first": "broken",
		"in for attribute department=nowhere":    "not tried",
	} {
		s, err := parseSentence(r.Config(), text)
		require.NoError(t, err)
		got, tried := "kept", 0
		for i := range 60 {
			people, broken := s.try(r, companies.Example(i))
			tried += people
			if broken != "" {
				got = "broken"
			}
		}
		if tried == 0 {
			got = "not tried"
		}
		require.Equal(t, want, got, text)
	}
	Never(t, r, "capture for legal")
	for sentence, want := range map[string]string{
		"capture": "want FACT for WHO", "no capture for legal": "want FACT for WHO", "camera for legal": "the name of a member's field",
		"capture for nobody": "no group or assignment", "capture for domain a b": "is no domain", "capture for attribute x": "NAME=VALUE",
	} {
		_, err := parseSentence(r.Config(), sentence)
		require.ErrorContains(t, err, want, sentence)
	}
}

// fails reports whether a test fails. It runs the test in a separate goroutine,
// with a testing.T of its own.
func fails(t *testing.T, test func(t *testing.T)) bool {
	t.Helper()
	failed := false
	done := make(chan struct{})
	go func() { // FailNow ends the goroutine
		defer close(done)
		sandbox := new(testing.T)
		defer func() { failed = sandbox.Failed() || recover() != nil }()
		test(sandbox)
	}()
	<-done
	return failed
}

// The laws about a plan detect a changed member who was made by hand, and an
// action without a reason.
func TestLawsSeeFaults(t *testing.T) {
	r := resolver(t, small)
	Laws(t, r)
	hand := provisioning.Member{ID: "m1", Email: "ana@acme.com", Active: true}
	plan := &provisioning.Plan{Actions: []provisioning.Action{{Kind: provisioning.KindUpdate, Member: hand}}}
	require.True(t, fails(t, func(t *testing.T) { checkHandMade(t, []provisioning.Member{hand}, plan) }))
	require.True(t, fails(t, func(t *testing.T) { checkReasons(t, plan) }))
}

// Draw produces people of every kind that the config names.
func TestDraw(t *testing.T) {
	r := resolver(t, small)
	seen := make(map[string]bool)
	rapid.Check(t, func(t *rapid.T) {
		in := Draw(t, r)
		for i := range in.Snapshot.Users {
			u := &in.Snapshot.Users[i]
			seen[u.Status.String()] = true
			seen[u.Email[strings.LastIndex(u.Email, "@")+1:]] = true
			for _, value := range u.Attributes["department"] {
				seen[value] = true
			}
		}
		for _, g := range in.Snapshot.Groups {
			seen[g.ID] = true
		}
		plan := r.Resolve(in)
		for _, a := range plan.Actions {
			seen[a.Kind.String()] = true
		}
		for _, h := range plan.Held {
			seen["held "+h.Action.Kind.String()] = true
		}
	})
	for _, want := range []string{
		"active", "inactive", "staged", "unknown", "acme.com", "elsewhere.example", "first", "other", "g-legal", "g-sales", "unused",
		"create", "update", "deactivate", "adopt", "rehire", "reactivate", "held deactivate",
	} {
		require.True(t, seen[want], want)
	}
}

// A scenario with a different result fails, and update writes the actual
// result.
func TestScenarioFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.txtar")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	head := "Ana comes in.\n-- config.json --\n" + small + "\n-- snapshot.json --\n" + `{"format": 1, "kind": "okta", "connection": "okta", "proven": ["users", "groups", "memberships", "managers"],
		"users": [{"id": "u1", "status": "active", "email": "ana@acme.com", "given_name": "Ana", "family_name": "Li"}], "groups": [{"id": "g-sales", "members": ["u1"]}, {"id": "g-legal"}]}` + "\n"
	write(head + "-- want/explain/ana@acme.com --\n")
	Scenarios(t, path, true)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(data), "-- want/plan.txt --\nplan for okta: 1 create, 1 to look at\n+ ana@acme.com  create Ana Li in sales")
	require.Contains(t, string(data), "The uppermost assignment that matches.")
	Scenarios(t, path, false)

	a := parseArchive(data)
	require.Equal(t, string(data), string(a.bytes()))
	require.Equal(t, "Ana comes in.\n", a.comment)
}

func TestMemberOf(t *testing.T) {
	r := resolver(t, small)
	ana, bo := New("ana@acme.com", "Ana Li", "g-sales").Under("bo@acme.com"), New("bo@acme.com", "Bo Chen")
	m, boss := MemberOf(t, r, ana, bo), MemberOf(t, r, bo)
	require.Equal(t, boss.ID, m.ManagerID)
	plan := PlanOf(r, ana.As(m), bo.As(boss))
	require.True(t, plan.Empty(), "%s", plan)
	require.Equal(t, provisioning.StoryUnchanged, Find(t, plan, "ana@acme.com").Outcome)
	require.True(t, fails(t, func(t *testing.T) { MemberOf(t, r, New("x@else.example", "X Y")) }))
	require.True(t, fails(t, func(t *testing.T) { Find(t, plan, "nobody@acme.com") }))
}
