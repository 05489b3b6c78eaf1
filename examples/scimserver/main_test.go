package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/examples/internal/terminal"
)

// A sink is a writer that can be read while it is written to.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// environment has the token.
func environment(name string) string {
	return map[string]string{tokenEnv: "secret-token"}[name]
}

// serving runs the server and returns its address, its output, and a function
// that stops it cleanly.
func serving(t *testing.T, args ...string) (url string, out *sink, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	out = &sink{}
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), environment, out, out)
	}()
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+/scim/v2`)
	require.Eventually(t, func() bool { return address.MatchString(out.String()) }, time.Minute, 5*time.Millisecond)
	return address.FindString(out.String()), out, func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func ask(t *testing.T, method, url, token, body string) (int, string) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

const person = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"private@example.com"}`

func TestServes(t *testing.T) {
	url, out, stop := serving(t)
	assert.Contains(t, out.String(), "Tenant URL                "+url+"/?aadOptscim062020")
	status, text := ask(t, "POST", url+"/Users", "secret-token", person)
	assert.Equal(t, 201, status)
	assert.Contains(t, text, `"location":"`+url+`/Users/`)
	status, _ = ask(t, "GET", url+"/Users?filter=userName%20eq%20private@example.com", "secret-token", "")
	assert.Equal(t, 200, status)
	status, _ = ask(t, "GET", url+"/Users", "other", "")
	assert.Equal(t, 401, status)
	stop()
	assert.Regexp(t, `(?m)^\d\d:\d\d:\d\d POST   /scim/v2/Users 201 `, out.String())
	assert.Regexp(t, `(?m)^\d\d:\d\d:\d\d GET    /scim/v2/Users 200 `, out.String())
	assert.NotContains(t, out.String(), "private@")
	assert.NotContains(t, out.String(), "secret-token")
}

func TestKeepsTheDirectoryInAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "with space?.db")
	url, _, stop := serving(t, "-db", file)
	status, text := ask(t, "POST", url+"/Users", "secret-token", person)
	require.Equal(t, 201, status, text)
	stop()
	require.FileExists(t, file)
	url, _, stop = serving(t, "-db", file)
	defer stop()
	status, text = ask(t, "GET", url+"/Users?filter=userName%20eq%20private@example.com", "secret-token", "")
	assert.Equal(t, 200, status)
	assert.Contains(t, text, `"totalResults":1`)
}

// A base URL with a slash at its end, or none where the server has one, is
// answered and not redirected; what is not the server's is not found.
func TestPaths(t *testing.T) {
	url, _, stop := serving(t)
	defer stop()
	for path, want := range map[string]int{"": 200, "/": 200, "//Users": 200, "/Users/": 200, "//Users//nobody": 404, "X/Users": 404, "/../Users": 404} {
		status, text := ask(t, "GET", url+path, "secret-token", "")
		assert.Equal(t, want, status, "%s: %s", path, text)
	}
	status, _ := ask(t, "POST", url+"//Users", "secret-token", person)
	assert.Equal(t, 201, status)
	status, text := ask(t, "GET", url+"/ServiceProviderConfig", "", "")
	assert.Equal(t, 200, status)
	assert.Contains(t, text, "authenticationSchemes")
}

// -schema declares an extension, whose attributes are held to what it says of
// them.
func TestDeclaresAnExtension(t *testing.T) {
	const urn = "urn:example:params:scim:schemas:extension:badge:2.0:User"
	url, _, stop := serving(t, "-schema", "testdata/badge.json")
	defer stop()
	status, text := ask(t, "GET", url+"/Schemas/"+urn, "", "")
	require.Equal(t, 200, status)
	assert.Contains(t, text, `"mutability":"immutable"`)
	badge := func(fields string) string {
		return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"badge@example.com","` + urn + `":{` + fields + `}}`
	}
	status, text = ask(t, "POST", url+"/Users", "secret-token", badge(`"number":"42","hiredOn":"May","issuedBy":"me","doors":[{"value":"A","floor":"3"}]`))
	require.Equal(t, 201, status, text)
	assert.Contains(t, text, `"number":42,"hiredOn":"May","doors":[{"value":"A","floor":3}]`)
	assert.NotContains(t, text, "issuedBy")
	user := url + "/Users/" + regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(text)[1]
	for _, c := range []struct {
		method, body string
		want         int
		holds        string
	}{
		{"PUT", badge(`"number":43,"hiredOn":"May","issuedBy":"me"`), 200, `"number":43,"hiredOn":"May"}`},
		{"PUT", badge(`"number":44`), 200, `"number":44,"hiredOn":"May"}`}, // left out, it stays
		{"PUT", badge(`"hiredOn":"June"`), 400, `"scimType":"mutability"`},
		{"PATCH", operation("replace", urn+":hiredOn", `"June"`), 400, `"scimType":"mutability"`},
		{"PATCH", operation("add", urn+":hiredOn", `"May"`), 200, `"hiredOn":"May"`},
		{"PATCH", operation("remove", urn+":hiredOn", `null`), 400, `"scimType":"mutability"`},
		{"PATCH", operation("remove", urn, `null`), 400, `"scimType":"mutability"`},
		{"PATCH", operation("replace", urn+":issuedBy", `"me"`), 400, `"scimType":"mutability"`},
		{"PATCH", operation("replace", urn+":number", `"45"`), 200, `"number":45`},
		{"PATCH", operation("replace", urn+":number", `"many"`), 400, `"scimType":"invalidValue"`},
	} {
		status, text := ask(t, c.method, user, "secret-token", c.body)
		assert.Equal(t, c.want, status, "%s %s: %s", c.method, c.body, text)
		assert.Contains(t, text, c.holds, "%s %s", c.method, c.body)
	}
}

func operation(op, path, value string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"` + op + `","path":"` + path + `","value":` + value + `}]}`
}

// rules bring the people of Sales in.
const rules = `{"format": 1, "source": "okta", "connection": "okta-main", "domains": {"primary": "acme.example"},
	"assignments": [{"id": "sales", "mode": "automatic", "match": {"attributes": {"department": ["Sales"]}}, "seats": ["core"]}]}`

func pushed(name string, active bool) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"%s@acme.example","active":%t,
		"name":{"givenName":"%[1]s","familyName":"Young"},"emails":[{"value":"%[1]s@acme.example","primary":true}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales"}}`, name, active)
}

// With rules, each push is followed by what it leads to, once.
func TestPrintsWhatPushesLeadTo(t *testing.T) {
	dir := t.TempDir()
	config, db := filepath.Join(dir, "rules.json"), filepath.Join(dir, "scim.db")
	require.NoError(t, os.WriteFile(config, []byte(rules), 0o600))
	url, out, stop := serving(t, "-config", config, "-db", db)
	prints := func(line string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(out.String(), "\n         "+line) }, time.Minute, 10*time.Millisecond, "%s", out)
	}
	status, text := ask(t, "POST", url+"/Users", "secret-token", pushed("ana", true))
	require.Equal(t, 201, status, text)
	prints("+ ana@acme.example  create ana Young in sales, seats core")
	user := url + "/Users/" + regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(text)[1]
	status, text = ask(t, "POST", url+"/Users", "secret-token", pushed("bo", true))
	require.Equal(t, 201, status, text)
	prints("+ bo@acme.example  create bo Young in sales, seats core")
	status, text = ask(t, "PUT", user, "secret-token", pushed("ana", false))
	require.Equal(t, 200, status, text)
	prints("- ana@acme.example  deactivate")
	stop()
	assert.Equal(t, 1, strings.Count(out.String(), "create ana"), "%s", out)

	var plan, told bytes.Buffer
	none := func(string) string { return "" }
	require.ErrorIs(t, run(t.Context(), []string{"-config", config, "-db", db, "-plan"}, none, &plan, &told), terminal.ErrWaits)
	assert.Empty(t, told.String())
	assert.Contains(t, plan.String(), "plan for okta okta-main: 1 create, 1 skipped, 1 to look at\n")
	assert.Contains(t, plan.String(), "  + bo@acme.example  create in sales, seats core\n")
	plan.Reset()
	require.NoError(t, run(t.Context(), []string{"-config", config, "-db", db, "-plan", "-explain", "ana@acme.example"}, none, &plan, &told))
	assert.Contains(t, plan.String(), ". ana@acme.example: skipped")
	_, out, stop = serving(t, "-config", config, "-db", db)
	prints("+ bo@acme.example   create") // what was in the directory before
	stop()
}

func TestFlags(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for want, args := range map[string][]string{
		"no token: set SCIM_TOKEN":               nil,
		"flag provided":                          {"-no-such-flag"},
		"-plan is of the directory in -db":       {"-plan", "-db", "x"},
		"go with -plan":                          {"-token", "t", "-all"},
		`source: is "okta"; want "entra"`:        {"-token", "t", "-kind", "entra", "-config", file("okta.json", rules)},
		"2 things are wrong":                     {"-token", "t", "-config", file("bad.json", `{"format": 1, "source": "okta", "domains": {}, "x": 1}`)},
		"none.db: no such file or directory":     {"-plan", "-db", filepath.Join(dir, "none.db"), "-config", file("good.json", rules)},
		"missing port":                           {"-token", "t", "-addr", "nowhere"},
		"/no/such/directory/x.db: ":              {"-token", "t", "-db", "/no/such/directory/x.db"},
		"none.json: no such file or directory":   {"-token", "t", "-schema", filepath.Join(dir, "none.json")},
		"want a schema document: unexpected end": {"-token", "t", "-schema", file("cut.json", `{"id":`)},
		"with an id and attributes":              {"-token", "t", "-schema", file("empty.json", `{"id":"urn:x"}`)},
		"unknown attribute type":                 {"-token", "t", "-schema", file("type.json", `{"id":"urn:x","attributes":[{"name":"ab","type":"text"}]}`)},
		"is declared twice": {"-token", "t", "-addr", "127.0.0.1:0", "-schema",
			file("core.json", `{"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[{"name":"ab","type":"string"}]}`)},
	} {
		var told bytes.Buffer
		err := run(t.Context(), args, func(string) string { return "" }, io.Discard, &told)
		require.Error(t, err, want)
		assert.Contains(t, told.String()+err.Error(), want)
	}
}
