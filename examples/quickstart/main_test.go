package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/examples/internal/team"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A company is one database, on which the program runs again and again.
type company struct {
	t   *testing.T
	db  string
	env map[string]string
}

func newCompany(t *testing.T) *company {
	return &company{t: t, db: filepath.Join(t.TempDir(), "team.db")}
}

func (c *company) run(args ...string) (stdout, stderr string, err error) {
	var out, warnings bytes.Buffer
	env := func(name string) string { return c.env[name] }
	err = run(context.Background(), append([]string{"-db", c.db}, args...), env, &out, &warnings)
	return out.String(), warnings.String(), err
}

// must is run for a command line that works, whatever waits.
func (c *company) must(args ...string) string {
	c.t.Helper()
	stdout, _, err := c.run(args...)
	if !errors.Is(err, terminal.ErrWaits) {
		require.NoError(c.t, err)
	}
	return stdout
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// The main job: a plan, the team, the org chart and the mails; then nothing is
// left (L2); then just the differences.
func TestFirstAgainEdited(t *testing.T) {
	c := newCompany(t)
	golden(t, "all.txt", newCompany(t).must("-all", "-dry-run"))
	golden(t, "first.txt", c.must())
	golden(t, "again.txt", c.must())

	edited := edit(t, func(users []map[string]any) []map[string]any {
		find(users, "dana.whitfield")["Title"] = "President"
		find(users, "hana.kovac")["IsActive"] = false // and again further down, as she is listed twice
		users[len(users)-2]["IsActive"] = false
		find(users, "lukasz.zolc")["Manager"].(map[string]any)["Email"] = "tomas.ortiz@kestrel.example"
		find(users, "ivo.santos")["Department"] = "Customer Success"
		newcomer := clone(find(users, "zoe.vandermeer"))
		newcomer["Id"], newcomer["Email"] = "0058c00000Kt900AAB", "nils.aalto@kestrel.example"
		newcomer["FirstName"], newcomer["LastName"] = "Nils", "Aalto"
		return append(users, newcomer)
	})
	golden(t, "edited.txt", c.must("-users", edited))
	assert.Contains(t, c.must("-users", edited), "Nothing is left to do")
}

// The made-up company has every kind of person of whom the rules speak, so that
// the plan which a newcomer sees first is one of real life.
func TestCompanyHasEveryKind(t *testing.T) {
	stdout, _, err := newCompany(t).run("-dry-run", "-json")
	require.NoError(t, err)
	plan, err := provisioning.ReadPlan([]byte(stdout))
	require.NoError(t, err)
	kinds := make(map[provisioning.Kind]bool)
	codes := make(map[provisioning.Code]bool)
	note := func(reasons ...provisioning.Reason) {
		for _, r := range reasons {
			codes[r.Code] = true
		}
	}
	together := 0
	for _, a := range plan.Actions {
		kinds[a.Kind] = true
		note(a.Reasons...)
		if a.With != "" {
			together++
		}
	}
	for _, h := range plan.Held {
		note(h.Reasons...)
	}
	for _, s := range plan.Skipped {
		note(s.Reasons...)
	}
	for _, f := range plan.Findings {
		note(f.Reason)
	}
	for _, kind := range []provisioning.Kind{
		provisioning.KindCreate, provisioning.KindAdopt, provisioning.KindRehire,
		provisioning.KindReactivate, provisioning.KindUpdate, provisioning.KindDeactivate,
	} {
		assert.True(t, kinds[kind], kind)
	}
	assert.Equal(t, 2, together, "two namesakes swap their addresses (S2)")
	for _, code := range []provisioning.Code{
		"ineligible.inactive", "ineligible.name", "ineligible.domain", "ineligible.email", // R38, R39, R41, S7
		"scope.unmatched", "scope.absent", "source.inactive", // A13, S12, R13
		"email.duplicate_in_source", "email.taken", "snapshot.inconsistent_user", // S5
		"match.adopt_email", "match.rehire", "match.recycled_address", // S3, S4
		"domain.grandfathered", "source.empty_not_a_value", "overwrites.manual_edit", // S7, S11, S18
		"settings.manual_keeps", "capture.left_off_after_reactivation", "protected.member", // A9, S19, S16
		"seat.missing:engage", "seat.pool_exhausted", // S20
		"tz.offset_unsupported", "tz.unknown_name", "tz.unknown_country", "tz.country_has_many", "tz.country_primary", // S26
		"tz.from_zone", "tz.from_country", "tz.from_state", "tz.from_default", // R76
		"hierarchy.cycle", "hierarchy.manager_not_found", "hierarchy.manager_inactive", // S22, S24
		"phone.ext_field_wins", "locale.unknown", // R65, R69
	} {
		assert.True(t, codes[code], code)
	}
	phones := make(map[string]string)
	for _, a := range plan.Actions {
		phones[a.Member.Phone] = a.Member.PhoneExtension
	}
	for number, extension := range map[string]string{ // R64
		"(865) 365-1900": "", "(212) 575-1994": "3437", "(317) 251-0700": "468",
		"(202) 903-2585": "2991", "(206) 324-1800": "229", "540.946.4600": "143",
	} {
		assert.Equal(t, extension, phones[number], number)
	}
	assert.NotContains(t, plan.String(), "\n+ root@", "a name cannot forge a line")
	assert.NotContains(t, plan.String(), "customer.example", "a portal user is nobody of the company")
}

// A dry run shows the same plan and writes nothing, not even a file.
func TestDryRun(t *testing.T) {
	c := newCompany(t)
	dry := c.must("-dry-run")
	assert.NoFileExists(t, c.db)
	whole := c.must()
	assert.True(t, strings.HasPrefix(whole, dry), "the plan that was shown is the one that is applied")
	assert.NotContains(t, dry, "applied")
}

// The option that gives people of other domains an address of the primary one
// (R44) brings in who was left out, and does not take what a sandbox made of
// somebody's address for one (S8).
func TestConvertDomains(t *testing.T) {
	config, err := demo.ReadFile("demo/config.json")
	require.NoError(t, err)
	path := write(t, "config.json", strings.Replace(string(config), `"convert": false`, `"convert": true`, 1))
	stdout := newCompany(t).must("-config", path, "-dry-run", "-all")
	line := func(who string) string { return regexp.MustCompile(`(?m)^. ` + who + `.*$`).FindString(stdout) }
	assert.Contains(t, line("theo.grant@kestrel.example"), "domain.converted")
	assert.Contains(t, line("yuki.tanaka@kestrel.example.invalid"), "ineligible.email")
}

// What a run that died had not delivered is delivered by the next one, once
// (S27, L7).
func TestOutboxIsDeliveredLater(t *testing.T) {
	c, ctx := newCompany(t), t.Context()
	opt := options{db: c.db}
	resolver, err := readRules(opt)
	require.NoError(t, err)
	directory, err := openDirectory(opt, os.Getenv, resolver.Config().Connection, io.Discard)
	require.NoError(t, err)
	snapshot, err := sources.Collect(ctx, directory, sources.CollectConfig{Queries: resolver.Queries()})
	require.NoError(t, err)
	store, err := team.Open(ctx, tenant, opt.db, false)
	require.NoError(t, err)
	require.NoError(t, prepare(ctx, store))
	members, err := store.All(ctx)
	require.NoError(t, err)
	plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: members})
	outcome, err := provisioning.Apply(ctx, store, tenant, plan)
	require.NoError(t, err)
	require.Zero(t, outcome.Refused)
	require.NoError(t, store.Close()) // here the program dies

	effects := make(map[provisioning.EffectKind]int)
	for _, a := range plan.Actions {
		for _, effect := range a.Effects {
			effects[effect.Kind]++
		}
	}
	assert.NotZero(t, effects[provisioning.AccessEnded]) // S41
	later := c.must()
	assert.Equal(t, effects[provisioning.NotifyManager], strings.Count(later, "is new in your team"))
	assert.Equal(t, effects[provisioning.AccessEnded], strings.Count(later, "  end sessions"))
	assert.Equal(t, effects[provisioning.AccessReduced], strings.Count(later, "  look at sessions"))
	assert.NotContains(t, c.must(), "what follows")
}

// More leavers than the limit allows wait until somebody approves them: what the
// class held when it was shown, and nothing else. What else changes meanwhile
// does not matter, and one more leaver does (S14, S15).
func TestApproval(t *testing.T) {
	c := newCompany(t)
	c.must()
	leaving := func(further ...string) string {
		return edit(t, func(users []map[string]any) []map[string]any {
			for _, user := range users {
				if user["Department"] == "Sales" {
					user["IsActive"] = false
				}
			}
			for _, who := range further {
				find(users, who)["IsActive"] = false
			}
			find(users, "dana.whitfield")["Title"] = fmt.Sprint("President ", len(further))
			return users
		})
	}
	stdout := c.must("-users", leaving())
	command := regexp.MustCompile(`-approve (deactivate=[0-9a-f]{12})`).FindStringSubmatch(stdout)
	require.NotNil(t, command, stdout)
	assert.Contains(t, c.must("-users", leaving(), "-all"), "-approve "+command[1])

	_, _, err := c.run("-users", leaving(), "-approve", "deactivate=000000000000")
	require.ErrorIs(t, err, provisioning.ErrPlanChanged)
	_, _, err = c.run("-users", leaving("callum.reid"), "-approve", command[1])
	require.ErrorIs(t, err, provisioning.ErrPlanChanged, "one more leaver")
	_, _, err = c.run("-users", leaving(), "-approve", "downgrade"+strings.TrimPrefix(command[1], "deactivate"))
	require.ErrorIs(t, err, provisioning.ErrPlanChanged, "another class")

	another := edit(t, func(users []map[string]any) []map[string]any {
		for _, user := range users {
			if user["Department"] == "Sales" {
				user["IsActive"] = false
			}
		}
		find(users, "dana.whitfield")["Title"] = "Chair"
		return users
	})
	approved := c.must("-users", another, "-approve", command[1])
	assert.Regexp(t, `applied: [1-9]\d+ done, 0 done before, 0 refused, 1 held`, approved)
	assert.NotContains(t, c.must("-users", another), "-approve deactivate")
}

// A file that was cut proves nothing: those whom it lost stay (S12), and the
// program says so with its status.
func TestCutFile(t *testing.T) {
	c := newCompany(t)
	c.must()
	users, err := demo.ReadFile("demo/users.json")
	require.NoError(t, err)
	cut := write(t, "users.json", string(users[:len(users)/2]))

	stdout, _, err := c.run("-users", cut, "-all")
	require.ErrorContains(t, err, "ends in the middle")
	assert.NotRegexp(t, `(?m)^- `, stdout)
	assert.Contains(t, stdout, "evidence.incomplete")         // S44
	assert.Contains(t, stdout, "absence.snapshot_incomplete") // S12

	_, _, err = c.run("-users", write(t, "login.html", "<html>please log in</html>"))
	require.Error(t, err, "nothing could be read at all")
}

// What sf prints is read like the answer of the REST API.
func TestCommandLineAnswer(t *testing.T) {
	users, err := demo.ReadFile("demo/users.json")
	require.NoError(t, err)
	printed := write(t, "sf.json", `{"status": 0, "result": `+string(users)+`, "warnings": []}`)
	assert.Equal(t, newCompany(t).must("-dry-run"), newCompany(t).must("-dry-run", "-users", printed))
}

// Progress goes to standard error, if that is a terminal or it is asked for, and
// only where there is something to wait for.
func TestProgressOfLongRuns(t *testing.T) {
	long := edit(t, func(users []map[string]any) []map[string]any {
		for i := range 2500 {
			user := clone(users[len(users)-1])
			user["Id"], user["Email"] = fmt.Sprintf("0058c00000L%04d", i), fmt.Sprintf("hire.%d@kestrel.example", i)
			users = append(users, user)
		}
		return users
	})
	stdout, stderr, err := newCompany(t).run("-users", long, "-progress")
	require.ErrorIs(t, err, terminal.ErrWaits)
	assert.Regexp(t, `(?m)^list users: 25\d\d users, 0 groups, 0 memberships$`, stderr)
	assert.Regexp(t, `(?m)^answers to the filters: \d+$`, stderr)
	assert.Regexp(t, `(?m)^apply: (25\d\d) of 25\d\d$`, stderr)
	assert.NotContains(t, stderr, "\r")
	assert.NotContains(t, stdout, "list users")
	_, stderr, err = newCompany(t).run("-users", long)
	require.ErrorIs(t, err, terminal.ErrWaits)
	assert.NotRegexp(t, `list|answers|apply:`, stderr, "a pipe that nobody asked to be told in")
	_, stderr, err = newCompany(t).run("-progress")
	require.NoError(t, err)
	assert.NotRegexp(t, `list|answers|apply:`, stderr, "nothing to wait for")
}

func TestExplain(t *testing.T) {
	c := newCompany(t)
	golden(t, "explain.txt", c.must("-explain", "femi.adeyemi@kestrel.example"))
	assert.NoFileExists(t, c.db)
}

func TestJSON(t *testing.T) {
	c := newCompany(t)
	stdout, stderr, err := c.run("-json")
	require.NoError(t, err)
	plan, err := provisioning.ReadPlan([]byte(stdout))
	require.NoError(t, err)
	assert.Equal(t, "kestrel-prod", plan.Connection)
	assert.Contains(t, stderr, "applied: ")
}

// All that is wrong with a config is told at once, with its path, and nothing
// is applied.
func TestBadConfig(t *testing.T) {
	c := newCompany(t)
	_, _, err := c.run("-config", write(t, "config.json", `{
		"format": 1, "source": "salesforce", "domains": {"primary": "kestrel"},
		"assignments": [{"id": "a", "match": {"all": true}}, {"id": "a", "seats": [""]}],
		"locale": {"timezone": "Mars/Olympus_Mons"}}`))
	require.Error(t, err)
	for _, path := range []string{"config.json", "assignments[1].id: ", "assignments[1].seats[0]: ", "locale.timezone: "} {
		assert.Contains(t, err.Error(), path)
	}
	assert.NoFileExists(t, c.db)

	_, _, err = c.run("-config", write(t, "config.json", `{"format": 1, "source": "okta", "domains": {"primary": "kestrel.example"}}`))
	require.ErrorContains(t, err, `source: is "okta"`)
	_, _, err = c.run("-config", filepath.Join(t.TempDir(), "missing.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, _, err = c.run("-users", filepath.Join(t.TempDir(), "missing.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"more"}, `unexpected argument "more"`},
		{[]string{"-colour"}, "-colour"},
		{[]string{"-json", "-explain", "x"}, "exclude one another"},
		{[]string{"-approve", "deactivate"}, "at least 12 characters"},
		{[]string{"-approve", "everything=0123456789ab"}, "everything"},
	} {
		_, stderr, err := newCompany(t).run(test.args...)
		require.ErrorIs(t, err, terminal.ErrUsage)
		assert.Contains(t, stderr, test.want)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), "%s", stderr)
	}
	_, stderr, err := newCompany(t).run("-help")
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, want := range []string{"SALESFORCE_CLIENT_ID", "-users file", "Exit status: 0 nothing to do"} {
		assert.Contains(t, stderr, want)
	}

	c := newCompany(t)
	c.env = map[string]string{"SALESFORCE_CLIENT_ID": "app"}
	_, stderr, err = c.run()
	require.ErrorIs(t, err, terminal.ErrUsage)
	assert.Contains(t, stderr, "-config is missing")
}

// edit returns the path of a copy of the company's users with changes.
func edit(t *testing.T, change func([]map[string]any) []map[string]any) string {
	t.Helper()
	data, err := demo.ReadFile("demo/users.json")
	require.NoError(t, err)
	var answer struct {
		TotalSize int              `json:"totalSize"`
		Done      bool             `json:"done"`
		Records   []map[string]any `json:"records"`
	}
	require.NoError(t, json.Unmarshal(data, &answer))
	answer.Records = change(answer.Records)
	answer.TotalSize = len(answer.Records)
	data, err = json.Marshal(answer)
	require.NoError(t, err)
	return write(t, "users.json", string(data))
}

// find returns the first user whose address begins so.
func find(users []map[string]any, who string) map[string]any {
	for _, user := range users {
		if strings.HasPrefix(user["Email"].(string), who+"@") {
			return user
		}
	}
	panic("no such user: " + who)
}

func clone(user map[string]any) map[string]any {
	copied := make(map[string]any, len(user))
	for name, value := range user {
		copied[name] = value
	}
	return copied
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
