package main

import (
	"bytes"
	"context"
	"flag"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
)

var update = flag.Bool("update", false, "rewrite testdata")

var ids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// The demonstration prints the requests in the form of the providers, and the
// resulting changes of the team.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-demo"}, os.Getenv, &out, io.Discard))
	got := ids.ReplaceAllString(out.String(), "ID")
	const golden = "testdata/demo.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestUsage(t *testing.T) {
	for args, want := range map[string]string{"-colour": "-colour", "more": "unexpected argument"} {
		var stderr bytes.Buffer
		require.ErrorIs(t, run(t.Context(), []string{args}, os.Getenv, io.Discard, &stderr), errUsage)
		require.Contains(t, stderr.String(), want)
	}
	none := func(string) string { return "" }
	require.ErrorContains(t, run(t.Context(), nil, none, io.Discard, io.Discard), "set ADMIN_PASSWORD")
}

const password = "a password"

// browser requests the application's pages as an admin.
type browser struct {
	t   *testing.T
	app *app
}

func open(t *testing.T) *browser {
	t.Helper()
	stores, err := openStores(t.Context(), options{db: filepath.Join(t.TempDir(), "team.db")})
	require.NoError(t, err)
	app, err := newApp(stores, appConfig{
		tokens: map[string]string{"acme": "a token"}, password: password, interval: time.Hour, logger: slog.New(slog.NewTextHandler(t.Output(), nil)), mail: func(string) {},
	})
	require.NoError(t, err)
	t.Cleanup(func() { app.Close(); stores.Close() })
	_, err = app.sync.Run(t.Context(), app.customers["initech"].target())
	require.NoError(t, err)
	return &browser{t, app}
}

func (b *browser) do(req *http.Request, status int) string {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.app.handler.ServeHTTP(w, req)
	require.Equal(b.t, status, w.Code, "%s %s: %s", req.Method, req.URL, w.Body)
	return html.UnescapeString(w.Body.String())
}

func (b *browser) get(path string, status int) string {
	b.t.Helper()
	req := httptest.NewRequest("GET", path, nil)
	req.SetBasicAuth("admin", password)
	return b.do(req, status)
}

func (b *browser) post(path string, form url.Values, status int) string {
	b.t.Helper()
	req := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("admin", password)
	return b.do(req, status)
}

func (b *browser) member(tenant, email string) provisioning.Member {
	b.t.Helper()
	team, err := provisioning.Team(b.t.Context(), b.app.team, tenant)
	require.NoError(b.t, err)
	for _, m := range team {
		if m.Email == email {
			return m
		}
	}
	require.Fail(b.t, email)
	return provisioning.Member{}
}

// A field that the directory owns cannot be edited. A field that the directory
// leaves empty can be edited once (D, S37). Without the password, no page is
// visible.
func TestPages(t *testing.T) {
	b := open(t)
	require.Contains(t, b.get("/", http.StatusOK), "<td>initech</td><td>salesforce</td><td>3</td>")
	require.Contains(t, b.get("/initech/people", http.StatusOK), "joanna.reyes@initech.example")
	for _, path := range []string{"/nobody/people", "/initech/people/none", "/initech/nothing", "/scim"} {
		b.get(path, http.StatusNotFound)
	}
	b.do(httptest.NewRequest("GET", "/initech/people", nil), http.StatusUnauthorized)

	push := httptest.NewRequest("POST", "/scim/v2/Users", strings.NewReader(`{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
		"userName": "ana@acme.example", "emails": [{"value": "ana@acme.example", "primary": true}], "name": {"givenName": "Ana", "familyName": "Silva"}, "title": "Rep", "active": true}`))
	push.Header.Set("Authorization", "Bearer a token")
	b.do(push, http.StatusCreated)
	m := b.member("acme", "ana@acme.example")
	path := "/acme/people/" + m.ID
	require.Contains(t, b.get(path, http.StatusOK), `value="Rep" disabled`)
	require.Contains(t, b.post(path, url.Values{"field": {"title"}, "value": {"Queen"}}, http.StatusOK), "title is locked")
	require.Contains(t, b.post(path, url.Values{"field": {"active"}, "value": {"x"}}, http.StatusOK), "no such field")
	require.Contains(t, b.post(path, url.Values{"field": {"timezone"}, "value": {"Europe/Pariss"}}, http.StatusOK), "want a TZ database name")
	b.post(path, url.Values{"field": {"phone"}, "value": {"+1 512 555 0100"}}, http.StatusSeeOther)
	require.Equal(t, "+1 512 555 0100", b.member("acme", m.Email).Phone)
	require.Contains(t, b.post(path, url.Values{"field": {"phone"}, "value": {"+1 512 555 0199"}}, http.StatusOK), "phone is locked")
	b.get("/initech/people/"+m.ID, http.StatusNotFound)

	require.Contains(t, b.get("/acme/signin?email=ANA@acme.example", http.StatusOK), "comes in as Ana Silva") // S42
	require.NotContains(t, b.get("/initech/signin?email=ana@acme.example", http.StatusOK), "comes in")
	require.NotContains(t, b.get("/acme/signin?email=nobody@acme.example", http.StatusOK), "comes in")

	req := httptest.NewRequest("POST", path, strings.NewReader("field=phone&value=1"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	req.SetBasicAuth("admin", password)
	b.do(req, http.StatusForbidden)
}

// Settings can be tried. Wrong settings are refused with all their errors.
// Saved settings apply at once (R29, R108).
func TestSettings(t *testing.T) {
	b := open(t)
	text, err := demo.ReadFile("demo/initech.json")
	require.NoError(t, err)
	next := strings.NewReplacer(`"revision": "1"`, `"revision": "2"`, `"seats": ["core"]`, `"seats": ["core", "plus"]`).Replace(string(text))
	form := func(do, rules string) url.Values { return url.Values{"do": {do}, "rules": {rules}} }

	tried := b.post("/initech/settings", form("try", next), http.StatusOK)
	require.Contains(t, tried, "what if: 2 would be decided differently: 2 changes")
	require.Equal(t, []string{"core"}, b.member("initech", "joanna.reyes@initech.example").Seats, "only tried")
	require.Contains(t, b.post("/initech/settings", form("save", `{"format": 1, "sauce": 1}`), http.StatusOK), "sauce")
	require.Contains(t, b.post("/initech/settings", form("save", strings.Replace(next, `"connection": "salesforce"`, `"connection": "other"`, 1)), http.StatusOK), "want salesforce")

	require.Contains(t, b.post("/initech/settings", form("save", next), http.StatusOK), "seats +plus")
	require.Equal(t, []string{"core", "plus"}, b.member("initech", "joanna.reyes@initech.example").Seats)
	require.Contains(t, b.get("/initech/settings", http.StatusOK), "plus")
}

var hidden = regexp.MustCompile(`name="(plan|class|hash)" value="([^"]*)"`)

// An approval releases exactly what was shown, and nothing else (S15).
func TestApprove(t *testing.T) {
	b := open(t)
	text, err := demo.ReadFile("demo/initech.json")
	require.NoError(t, err)
	next := strings.NewReplacer(`"managers"`, `"breakers": {"grant": {"count": 1}}, "managers"`, `"seats": ["core"]`, `"seats": ["core", "plus"]`).Replace(string(text))
	require.Contains(t, b.post("/initech/settings", url.Values{"do": {"save"}, "rules": {next}}, http.StatusOK), "2 held")
	require.Equal(t, []string{"core"}, b.member("initech", "joanna.reyes@initech.example").Seats)

	page := b.get("/initech/plan", http.StatusOK)
	_, page, found := strings.Cut(page, "waits (2)")
	require.True(t, found)
	form := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(field[1], field[2])
	}
	require.Equal(t, "grant", form.Get("class"))
	other := url.Values{"plan": form["plan"], "class": form["class"], "hash": {"0123"}}
	require.Contains(t, b.post("/initech/plan", other, http.StatusOK), "approval.plan_changed")
	require.Equal(t, []string{"core"}, b.member("initech", "joanna.reyes@initech.example").Seats)
	require.Contains(t, b.post("/initech/plan", form, http.StatusOK), "2 done")
	require.Equal(t, []string{"core", "plus"}, b.member("initech", "joanna.reyes@initech.example").Seats)
	b.post("/initech/plan", url.Values{"plan": {"none"}}, http.StatusNotFound)
}

// The program serves until it is stopped.
func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	env := func(name string) string {
		return map[string]string{"ADMIN_PASSWORD": password, "SCIM_TOKEN_ACME": "t"}[name]
	}
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0", "-db", filepath.Join(t.TempDir(), "team.db")}, env, writer, io.Discard)
	}()
	line := make([]byte, 200)
	n, err := reader.Read(line)
	require.NoError(t, err)
	base := regexp.MustCompile(`http://[^/]+`).FindString(string(line[:n]))
	req, err := http.NewRequest("GET", base+"/scim/v2/Users", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer t")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	resp.Body.Close()
	stop()
	require.NoError(t, <-ended)
}
