package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/examples/internal/team"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

var update = flag.Bool("update", false, "record the recordings anew and write the golden files")

// A program is one team, on which the program runs again and again.
type program struct {
	t         *testing.T
	db, rules string
	sys       system
	out, err  bytes.Buffer
}

func newProgram(t *testing.T, w world) *program {
	p := &program{t: t, db: filepath.Join(t.TempDir(), "team.db"), rules: filepath.Join(t.TempDir(), "rules.json")}
	require.NoError(t, os.WriteFile(p.rules, []byte(w.rules()), 0o600))
	p.sys = system{env: w.getenv, stdout: &p.out, stderr: &p.err, transport: w.transport()}
	return p
}

// run returns the exit status, and what was printed.
func (p *program) run(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	return p.with(p.t.Context(), args...)
}

func (p *program) with(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	p.out.Reset()
	p.err.Reset()
	err := run(ctx, append([]string{"-db", p.db}, args...), p.sys)
	return terminal.Status(err), p.out.String(), p.err.String() + terminal.Message("sync", err)
}

// offline is a transport that nothing may use.
type offline struct{ t *testing.T }

func (o offline) RoundTrip(req *http.Request) (*http.Response, error) {
	o.t.Errorf("a request to %s", req.URL)
	return nil, errors.New("offline")
}

// The recordings are what -record makes of the fakes today, and hold no
// credential.
func TestRecordingsAreOfTheFakes(t *testing.T) {
	forAll(t, func(t *testing.T, w world) {
		recorded := filepath.Join("recordings", w.kind)
		into := filepath.Join(t.TempDir(), "recording")
		p := newProgram(t, w)
		code, live, stderr := p.run("-source", w.kind, "-config", p.rules, "-record", into+string(filepath.Separator))
		require.Equal(t, 3, code, stderr)
		for name, text := range filesOf(t, into) {
			assert.NotContains(t, text, canary, name)
		}
		assert.NotContains(t, live+stderr, canary)
		if *update {
			require.NoError(t, os.RemoveAll(recorded))
			require.NoError(t, os.MkdirAll("recordings", 0o755))
			require.NoError(t, os.CopyFS(recorded, os.DirFS(into)))
		}
		assert.Equal(t, filesOf(t, recorded), filesOf(t, into))

		p.sys.transport = offline{t}
		_, replayed, _ := p.run("-replay", into)
		assert.Equal(t, live, replayed)
		code, _, stderr = p.run("-source", w.kind, "-config", p.rules, "-record", into)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, "exists already")
	})
}

// The demonstration: each recording comes to the plan that is told, without a
// credential and without a network; applied, nothing is left (L2).
func TestRecordings(t *testing.T) {
	forAll(t, func(t *testing.T, w world) {
		p := newProgram(t, w)
		p.sys.transport, p.sys.env = offline{t}, func(string) string { return "" }
		recorded := filepath.Join("recordings", w.kind)

		code, plan, stderr := p.run("-replay", recorded)
		assert.Equal(t, 3, code, stderr)
		assert.NoFileExists(t, p.db)
		code, applied, _ := p.run("-replay", recorded, "-apply")
		assert.Equal(t, 0, code)
		assert.Contains(t, applied, strings.TrimSuffix(plan, "\nNothing was changed; -apply does it.\n"))
		code, again, stderr := p.run("-replay", recorded, "-apply", "-source", w.kind)
		assert.Equal(t, 0, code)
		assert.Contains(t, stderr, "connected: "+w.kind+" linden")
		golden(t, w.kind+".txt", plan+"--- -apply\n"+strings.TrimPrefix(applied, strings.TrimSuffix(plan, "\nNothing was changed; -apply does it.\n"))+"--- -apply\n"+again)
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(data)
		return err
	}))
	return all
}

// A canary in every credential, searched in everything that the program writes
// when the provider refuses it, and in the recording of that.
func TestRefusedCredentials(t *testing.T) {
	forAll(t, func(t *testing.T, w world) {
		into := filepath.Join(t.TempDir(), "recording")
		p := newProgram(t, w)
		env := maps.Clone(w.env)
		for _, v := range providers[slices.IndexFunc(providers, func(p provider) bool { return p.kind == w.kind })].variables {
			if v.secret && env[v.name] != "" {
				env[v.name] = canary + "-wrong+/&é"
				if w.kind == "okta" {
					env[v.name] = canary + "-wrong"
				}
			}
		}
		p.sys.env = func(name string) string { return env[name] }
		code, stdout, stderr := p.run("-source", w.kind, "-config", p.rules, "-record", into)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, "credentials rejected")
		for name, text := range filesOf(t, into) {
			assert.NotContains(t, text, canary, name)
		}
		assert.NotContains(t, stdout+stderr, canary)
		code, _, again := p.run("-replay", into)
		assert.Equal(t, 1, code, "the folder shows what went wrong")
		_, failure, _ := strings.Cut(stderr, "recorded: "+into+"\n")
		assert.Equal(t, failure, again)
	})
}

// Ctrl-C at any request leaves nothing half: no team, no recording, no file.
func TestInterrupted(t *testing.T) {
	forAll(t, func(t *testing.T, w world) {
		for after := 1; ; after++ {
			dir := t.TempDir()
			p := newProgram(t, w)
			p.db = filepath.Join(dir, "team.db")
			ctx, cancel := context.WithCancel(t.Context())
			live, n := p.sys.transport, 0
			p.sys.transport = roundTripper(func(req *http.Request) (*http.Response, error) {
				if n++; n == after {
					cancel()
				}
				return live.RoundTrip(req)
			})
			code, stdout, stderr := p.with(ctx, "-source", w.kind, "-config", p.rules, "-record", filepath.Join(dir, "recording"), "-apply")
			cancel()
			if n < after {
				assert.Equal(t, 0, code, stderr)
				assert.Greater(t, after, 3)
				break
			}
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, "interrupted; nothing was changed")
			assert.Empty(t, filesOf(t, dir))
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Empty(t, entries)
		}
	})
}

// An expiring context is cancelled when it is asked for the nth time whether it is.
type expiring struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (e *expiring) Err() error {
	if e.left.Add(-1) == 0 {
		e.cancel()
	}
	return e.Context.Err()
}

// Ctrl-C at any point of the program: afterwards there is nothing, or the whole
// recording, or the whole recording and the whole team.
func TestInterruptedAnywhere(t *testing.T) {
	w := worlds[5]
	nothing, whole := 0, 0
	for n := int64(1); ; n++ {
		dir := t.TempDir()
		p := newProgram(t, w)
		p.db = filepath.Join(dir, "team.db")
		ctx := &expiring{}
		ctx.Context, ctx.cancel = context.WithCancel(t.Context())
		ctx.left.Store(n)
		code, stdout, stderr := p.with(ctx, "-source", w.kind, "-config", p.rules, "-record", filepath.Join(dir, "recording"), "-apply")
		ctx.cancel()
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		for i := range left {
			left[i] = filepath.Base(left[i])
		}
		switch code {
		case 0:
			whole++
			assert.Equal(t, []string{"recording", "team.db"}, left)
			code, again, stderr := p.run("-source", w.kind, "-config", p.rules)
			assert.Equal(t, 0, code, again+stderr)
		default:
			nothing++
			require.Equal(t, 1, code, stderr)
			require.Contains(t, stderr, "interrupted; nothing was changed", "%s", stdout)
			if len(left) > 0 {
				require.Equal(t, []string{"recording"}, left)
				p.sys.transport = offline{t}
				code, _, stderr := p.run("-replay", filepath.Join(dir, "recording"))
				require.Equal(t, 3, code, stderr)
			}
		}
		if ctx.left.Load() > 0 {
			break // it was done before
		}
	}
	assert.Greater(t, nothing, 10)
	assert.Positive(t, whole)
}

// Ctrl-C while the plan is shown: it is not applied.
func TestInterruptedBeforeTheChange(t *testing.T) {
	w := worlds[3]
	p := newProgram(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	p.sys.stdout = writer(func(data []byte) (int, error) {
		cancel()
		return len(data), nil
	})
	code, _, stderr := p.with(ctx, "-source", w.kind, "-config", p.rules, "-apply")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "interrupted; nothing was changed")
	assert.NoFileExists(t, p.db)
}

type writer func([]byte) (int, error)

func (f writer) Write(data []byte) (int, error) { return f(data) }

// Run again, the program reads the directory at once (R28), and more leavers than
// the limit allows wait for an approval (S14, S15): status 3.
func TestApproval(t *testing.T) {
	w := worlds[0]
	p := newProgram(t, w)
	args := []string{"-source", w.kind, "-config", p.rules, "-apply"}
	code, _, stderr := p.run(args...)
	require.Equal(t, 0, code, stderr)

	d := w.company()
	users := d.Users()
	for _, u := range users[:10] {
		u.Status = sources.StatusInactive
		d.PutUsers(u)
	}
	// Half the company is gone: the rules' own limit is lower.
	rules := strings.Replace(w.rules(), `"domains"`, `"breakers": {"deactivate": {"percent": 20, "count": 2}, "min_population": 1}, "domains"`, 1)
	require.NoError(t, os.WriteFile(p.rules, []byte(rules), 0o600))
	p.sys.transport = transportOf(w, d)
	code, stdout, stderr := p.run(args...)
	require.Equal(t, 3, code, stdout+stderr)
	form := regexp.MustCompile(`-approve (deactivate=[0-9a-f]{12})`)
	found := form.FindStringSubmatch(stdout)
	require.NotNil(t, found, stdout)
	command := found[1]
	_, all, _ := p.run(append(args, "-all")...)
	assert.Equal(t, found, form.FindStringSubmatch(all))

	code, _, _ = p.run("-source", w.kind, "-config", p.rules, "-approve", command)
	assert.Equal(t, 2, code, "only with -apply")
	code, _, _ = p.run(append(args, "-approve", "deactivate=000000000000")...)
	assert.Equal(t, 1, code, "of another plan")
	code, stdout, stderr = p.run(append(args, "-approve", command)...)
	assert.Equal(t, 0, code, stdout+stderr)
}

// Section A of the rules, from each kind of directory (R1): the seats come from the
// assignment (R7), nobody is recorded whom no rule says to record (R8), what changes in
// the source is current in the team (R6), and a leaver is deactivated in the source and
// nowhere else (R10). Of Salesforce, that asks for what
// every plan has: users, roles and groups (R5).
func TestScope(t *testing.T) {
	forAll(t, func(t *testing.T, w world) {
		p := newProgram(t, w)
		d := w.company()
		provider := transportOf(w, d)
		var asked []string
		p.sys.transport = roundTripper(func(req *http.Request) (*http.Response, error) {
			if query := req.URL.Query().Get("q"); query != "" {
				asked = append(asked, regexp.MustCompile(` FROM (\w+)`).FindStringSubmatch(query)[1])
			}
			return provider.RoundTrip(req)
		})
		find := func(email string) provisioning.Member {
			members, err := team.Read(t.Context(), tenant, p.db)
			require.NoError(t, err)
			i := slices.IndexFunc(members, func(m provisioning.Member) bool { return m.Email == email })
			require.GreaterOrEqual(t, i, 0, email)
			return members[i]
		}
		args := []string{"-source", w.kind, "-config", p.rules, "-apply"}
		code, _, stderr := p.run(args...)
		require.Equal(t, 0, code, stderr)
		tomas := find("tomas@linden.example")
		assert.True(t, tomas.Active)
		assert.Equal(t, []string{"core"}, tomas.Seats)
		assert.Empty(t, tomas.Capture)
		if w.kind == sources.KindSalesforce {
			assert.Subset(t, []string{"User", "UserRole", "Group", "GroupMember"}, asked)
			assert.NotEmpty(t, asked)
		}

		for _, u := range d.Users() {
			switch u.Email {
			case "tomas@linden.example":
				u.Status = sources.StatusInactive
				d.PutUsers(u)
			case "yara@linden.example":
				u.Title = "Head of Accounts"
				d.PutUsers(u)
			}
		}
		code, stdout, stderr := p.run(args...)
		require.Equal(t, 0, code, stdout+stderr)
		assert.False(t, find("tomas@linden.example").Active)
		yara := find("yara@linden.example")
		assert.True(t, yara.Active)
		assert.Equal(t, "Head of Accounts", yara.Title)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A terminal shows one line, anything else lines of their own.
func TestProgress(t *testing.T) {
	w := worlds[2]
	for _, onTerminal := range []bool{true, false} {
		p := newProgram(t, w)
		if onTerminal {
			p.sys.stderr = terminal.NewTerminal(&p.err, func() int { return 200 })
		}
		_, _, stderr := p.run("-source", w.kind, "-config", p.rules)
		assert.Equal(t, onTerminal, strings.Contains(stderr, "\r"))
		last := stderr[strings.LastIndexAny(strings.TrimRight(stderr, "\r\n "), "\r\n")+1:]
		assert.Contains(t, last, "read: 12 people, 2 groups, 12 memberships, ")
		assert.Contains(t, last, " pages")
	}
	// Where a team tells how many people to expect, a terminal shows a bar.
	for _, onTerminal := range []bool{true, false} {
		p := newProgram(t, w)
		code, _, stderr := p.run("-source", w.kind, "-config", p.rules, "-apply")
		require.Equal(t, 0, code, stderr)
		if onTerminal {
			p.sys.stderr = terminal.NewTerminal(&p.err, func() int { return 200 })
		}
		_, _, stderr = p.run("-source", w.kind, "-config", p.rules)
		assert.Equal(t, onTerminal, strings.Contains(stderr, "[####################] of about 9: 12 people, "), stderr)
		assert.Equal(t, onTerminal, strings.Contains(stderr, "[....................] of about 9: "))
	}
	// Pauses that the provider imposes are told.
	for _, onTerminal := range []bool{true, false} {
		p := newProgram(t, w)
		if onTerminal {
			p.sys.stderr = terminal.NewTerminal(&p.err, func() int { return 200 })
		}
		live, n := p.sys.transport, 0
		p.sys.transport = roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := live.RoundTrip(req)
			if n++; n == 3 {
				resp.StatusCode = http.StatusServiceUnavailable
				resp.Header.Set("Retry-After", "1")
			}
			return resp, err
		})
		_, _, stderr := p.run("-source", w.kind, "-config", p.rules)
		assert.Contains(t, stderr, "waited 1s for the rate limit")
		assert.Equal(t, onTerminal, strings.Contains(stderr, "(waits 1s)"), stderr)
		assert.Equal(t, !onTerminal, strings.Contains(stderr, "waits 1s: method=GET"), stderr)
	}
}

func TestUsage(t *testing.T) {
	w := worlds[3]
	p := newProgram(t, w)
	var kinds []string
	for _, w := range worlds {
		kinds = append(kinds, w.kind)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "-source and -config are required"},
		{[]string{"-source", "onelogin"}, "-source and -config are required"},
		{[]string{"more"}, `unexpected argument "more"`},
		{[]string{"-colour"}, "-colour"},
		{[]string{"-source", "ldap", "-config", p.rules}, `-source "ldap": want one of ` + strings.Join(kinds, ", ")},
		{[]string{"-record", "x", "-replay", "y"}, "exclude one another"},
		{[]string{"-replay", "recordings/okta", "-source", "scim"}, "the recording is of okta"},
		{[]string{"-replay", "recordings/okta", "-all", "-json"}, "-all, -json, -explain and -chart without a file exclude one another"},
		{[]string{"-approve", "deactivate=1"}, "at least 12 characters"},
	} {
		code, _, stderr := p.run(c.args...)
		assert.Equal(t, 2, code, c.args)
		assert.Contains(t, stderr, c.want)
	}
	code, _, help := p.run("-help")
	assert.Equal(t, 0, code)
	for _, provider := range providers {
		for _, v := range provider.variables {
			assert.Contains(t, help, v.name)
		}
	}
	p.sys.env = func(string) string { return "" }
	code, _, stderr := p.run("-source", "onelogin", "-config", p.rules)
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "no credentials for onelogin: none of its variables is set (ONELOGIN_URL, ...)")
}

// R2: the rules are of one source, and a directory of another is not read by them.
func TestFailures(t *testing.T) {
	w := worlds[2]
	p := newProgram(t, w)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "recording.json"), []byte(`{"format": 1, "source": "ldap"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "okta.json"), []byte(worlds[0].rules()), 0o600))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-source", w.kind, "-config", "missing.json"}, "missing.json"},
		{[]string{"-source", w.kind, "-config", filepath.Join(dir, "okta.json")}, `source: is "okta"; want "salesforce"`},
		{[]string{"-replay", "missing"}, "no recording: "},
		{[]string{"-replay", dir}, `source: is "ldap"`},
		{[]string{"-source", w.kind, "-config", p.rules, "-record", filepath.Join(dir, "no", "such")}, "-record: "},
	} {
		code, _, stderr := p.run(c.args...)
		assert.Equal(t, 1, code, c.args)
		assert.Contains(t, stderr, c.want)
	}
	// A reading that fails half-way changes nothing.
	live, n := p.sys.transport, 0
	p.sys.transport = roundTripper(func(req *http.Request) (*http.Response, error) {
		if n++; n > 9 {
			return nil, errors.New("the cable is cut")
		}
		return live.RoundTrip(req)
	})
	code, stdout, stderr := p.run("-source", w.kind, "-config", p.rules, "-apply")
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "read in part: ")
	assert.Contains(t, stderr, "the cable is cut")
	assert.NoFileExists(t, p.db)
}

// What a recording says does not go into the team of the live directory: a replay has
// a file of its own, unless one is named.
func TestReplayHasATeamOfItsOwn(t *testing.T) {
	recorded, err := filepath.Abs(filepath.Join("recordings", "okta"))
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	var out bytes.Buffer
	sys := system{env: func(string) string { return "" }, stdout: &out, stderr: &out, transport: offline{t}}
	require.NoError(t, run(t.Context(), []string{"-replay", recorded, "-apply"}, sys), out.String())
	assert.NoFileExists(t, liveTeam)
	assert.FileExists(t, "usher-replay-okta.db")
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-replay", recorded}, sys), "it is the team of the next replay of that folder, too")
	require.NoError(t, run(t.Context(), []string{"-replay", recorded, "-apply", "-db", "mine.db"}, sys))
	assert.FileExists(t, "mine.db")
	assert.NoFileExists(t, liveTeam)
}

// The secret of an application goes to a login over https, or on this machine, and
// a login that does not answer ends.
func TestEntraLogin(t *testing.T) {
	env := map[string]string{"AZURE_TENANT_ID": "acme/../x", "AZURE_CLIENT_ID": "app", "AZURE_CLIENT_SECRET": canary}
	for host, want := range map[string]string{
		"": "https://login.microsoftonline.com/acme%2F..%2Fx/oauth2/v2.0/token", "https://login.microsoftonline.us/": "https://login.microsoftonline.us/acme%2F..%2Fx/oauth2/v2.0/token",
		"http://127.0.0.1:8080": "http://127.0.0.1:8080/acme%2F..%2Fx/oauth2/v2.0/token", "http://localhost:1": "http://localhost:1/acme%2F..%2Fx/oauth2/v2.0/token",
		"http://login.example": "", "http://127.0.0.1.example": "", "login.example": "", "ftp://login.example": "", "https://user:" + canary + "@login.example": "", "https:///x": "", "https://[::1": "",
	} {
		env["AZURE_AUTHORITY_HOST"] = host
		address, err := clientSecret{settings: env}.address()
		assert.Equal(t, want, address, host)
		if want == "" {
			require.ErrorContains(t, err, "AZURE_AUTHORITY_HOST: want an https address")
			require.NotContains(t, err.Error(), canary)
			sys := system{env: func(name string) string { return env[name] }, stdout: io.Discard, stderr: io.Discard, transport: offline{t}}
			rules := filepath.Join("recordings", "entra", rulesFile)
			require.ErrorContains(t, run(t.Context(), []string{"-source", "entra", "-config", rules, "-db", filepath.Join(t.TempDir(), "x.db")}, sys), "AZURE_AUTHORITY_HOST: want an https address")
		}
	}
	synctest.Test(t, func(t *testing.T) {
		delete(env, "AZURE_AUTHORITY_HOST")
		began := time.Now()
		_, err := clientSecret{env, silent{}}.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, loginTimeout, time.Since(began))
	})
}

// silent is a server that does not answer.
type silent struct{}

func (silent) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// Rules that ask what the recording has no answer to fail, and at once.
func TestReplayByOtherRules(t *testing.T) {
	w := worlds[2]
	p := newProgram(t, w)
	p.sys.transport = offline{t}
	rules := strings.Replace(w.rules(), `"match": {"attributes": {"department": "Sales"}}`, `"match": {"query": "Title = 'Clerk'"}`, 1)
	require.NoError(t, os.WriteFile(p.rules, []byte(rules), 0o600))
	code, stdout, stderr := p.run("-replay", filepath.Join("recordings", w.kind), "-config", p.rules)
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "there is no answer to GET linden.my.salesforce.com/services/data/v64.0/query?q=")
	assert.NotContains(t, stderr, "waits ")
}

// The variables that name a file have its contents read, and a key of any kind
// stands for it in a replay.
func TestKeyFiles(t *testing.T) {
	key, err := anyKey()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(path, []byte(key), 0o600))
	p, err := providerOf("salesforce")
	require.NoError(t, err)
	s, err := p.read(func(name string) string { return map[string]string{"SALESFORCE_PRIVATE_KEY_FILE": path}[name] }, true)
	require.NoError(t, err)
	assert.Equal(t, []string{key}, p.secrets(s))
	_, err = p.read(func(name string) string { return map[string]string{"SALESFORCE_PRIVATE_KEY_FILE": path + "x"}[name] }, true)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// An address that somebody put a credential into is refused: nothing is asked, and
// there is no recording, which -replay would refuse. It would be recorded without it.
func TestAddressIsRecordedBare(t *testing.T) {
	into := filepath.Join(t.TempDir(), "recording")
	with := func(w world, name, value string) (code int, stdout, stderr string) {
		p := newProgram(t, w)
		p.sys.env = func(asked string) string {
			if asked == name {
				return value
			}
			return w.getenv(asked)
		}
		return p.run("-source", w.kind, "-config", p.rules, "-record", into)
	}
	for _, c := range []struct {
		world      world
		name, host string
		want       string
	}{
		{worlds[0], "OKTA_URL", "linden.okta.com", "URL: want an address without user, query and fragment"},
		{worlds[1], "AZURE_AUTHORITY_HOST", "login.microsoftonline.com", "AZURE_AUTHORITY_HOST: want an https address"},
		{worlds[1], "GRAPH_URL", "graph.microsoft.com", "URL: want an address without user, query and fragment"},
	} {
		code, stdout, stderr := with(c.world, c.name, "https://user:"+canary+"@"+c.host+"?token="+canary)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, c.want)
		assert.Contains(t, stderr, "nothing was asked, so there is no recording")
		assert.NotContains(t, stdout+stderr, canary)
		left, err := os.ReadDir(filepath.Dir(into))
		require.NoError(t, err)
		assert.Empty(t, left)
	}

	for value, want := range map[string]string{
		"0oa1": "0oa1", "a@b.example": "a@b.example", "https://acme.okta.com": "https://acme.okta.com",
		"http://127.0.0.1:1/scim/v2/": "http://127.0.0.1:1/scim/v2/", "https://u:p@acme.example/a?b=c#d": "https://acme.example/a", "https://u:p/w@acme.example": "",
	} {
		assert.Equal(t, want, bare(value))
	}
}

// The plan as data, as its first screen says; beside it standard output has nothing.
func TestJSON(t *testing.T) {
	p := newProgram(t, worlds[0])
	p.sys.transport = offline{t}
	code, stdout, stderr := p.run("-replay", "recordings/okta", "-json")
	assert.Equal(t, 3, code)
	assert.Contains(t, stderr, "Nothing was changed; -apply does it.")
	plan, err := provisioning.ReadPlan([]byte(stdout))
	require.NoError(t, err)
	assert.NotEmpty(t, plan.Actions)
	code, applied, stderr := p.run("-replay", "recordings/okta", "-json", "-apply")
	assert.Equal(t, 0, code)
	assert.Equal(t, stdout, applied)
	assert.Contains(t, stderr, "applied: 9 done")
}

// What an error of a source says about its Config can be set here, too.
func TestWhatIsNotRead(t *testing.T) {
	for _, c := range []struct {
		kind, name, value string
		lists             sources.Facts
		fails             string
	}{
		{"onelogin", "ONELOGIN_NO_MANAGERS", "yes", sources.FactAll &^ sources.FactManagers, ""},
		{"rippling", "RIPPLING_NO_MANAGERS", "yes", sources.FactAll &^ sources.FactManagers, ""},
		{"rippling", "RIPPLING_NO_GROUPS", "yes", sources.FactUsers | sources.FactManagers, ""},
		{"rippling", "RIPPLING_HIDDEN", "department, level", sources.FactAll, ""},
		{"rippling", "RIPPLING_HIDDEN", "department,salary", 0, "Hidden[1]"},
		{"scim", "SCIM_NO_GROUPS", "yes", sources.FactUsers | sources.FactManagers, ""},
		{"scim", "SCIM_NO_MEMBERS", "yes", sources.FactAll &^ sources.FactMemberships, ""},
		{"scim", "SCIM_NO_MEMBERS", "", sources.FactAll, ""},
		{"scim", "SCIM_PAGING", "index", sources.FactAll, ""},
		{"scim", "SCIM_PAGING", "none", 0, "Paging: want index"},
		{"scim", "SCIM_NO_GROUPS", "true", 0, "SCIM_NO_GROUPS: want yes or nothing"},
	} {
		w := worlds[slices.IndexFunc(worlds, func(w world) bool { return w.kind == c.kind })]
		p, err := providerOf(c.kind)
		require.NoError(t, err)
		s, err := p.read(func(name string) string {
			if name == c.name {
				return c.value
			}
			return w.getenv(name)
		}, true)
		var src sources.Source
		if err == nil {
			src, err = p.open(s, opening{transport: offline{t}})
		}
		if c.fails != "" {
			require.ErrorContains(t, err, c.fails)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.lists, src.Info().Lists, c.name)
	}
}

// A credential whose admin roles do not show everybody is of use where somebody
// knows what it sees: with a part, nobody is taken to be gone.
func TestSight(t *testing.T) {
	w := worlds[0]
	p := newProgram(t, w)
	p.sys.transport = fake.Transport(&fake.Okta{Directory: w.company(), Token: w.env["OKTA_TOKEN"], Roles: []string{"CUSTOM"}})
	for sees, want := range map[string]int{"": 1, "all": 3, "part": 3, "some": 1} {
		p.sys.env = func(name string) string {
			if name == "OKTA_SEES" {
				return sees
			}
			return w.getenv(name)
		}
		code, _, stderr := p.run("-source", w.kind, "-config", p.rules)
		assert.Equal(t, want, code, "%q: %s", sees, stderr)
	}
}
