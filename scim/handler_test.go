package scim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

const (
	userURN  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// An answer is the response to a request.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

func (a answer) id() string { s, _ := a.body["id"].(string); return s }

func (a answer) scimType() string { s, _ := a.body["scimType"].(string); return s }

func (a answer) resources() []map[string]any {
	list, _ := a.body["Resources"].([]any)
	var out []map[string]any
	for _, e := range list {
		out = append(out, e.(map[string]any))
	}
	return out
}

// send makes one request; headers come in pairs of name and value.
func send(tb testing.TB, server *httptest.Server, token, method, path, body string, headers ...string) answer {
	tb.Helper()
	req, err := http.NewRequest(method, server.URL+"/scim/v2"+path, strings.NewReader(body))
	require.NoError(tb, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := server.Client().Do(req)
	require.NoError(tb, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(tb, err)
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if len(text) > 0 {
		require.NoError(tb, json.Unmarshal(text, &a.body), "%s", text)
	}
	return a
}

func user(name string, more ...string) string {
	return fmt.Sprintf(`{"schemas":[%q],"userName":%q%s}`, userURN, name, strings.Join(append([]string{""}, more...), ","))
}

func group(name string, members ...string) string {
	list := make([]string, 0, len(members))
	for _, id := range members {
		list = append(list, fmt.Sprintf(`{"value":%q}`, id))
	}
	return fmt.Sprintf(`{"schemas":[%q],"displayName":%q,"members":[%s]}`, groupURN, name, strings.Join(list, ","))
}

func ops(operations ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + strings.Join(operations, ",") + `]}`
}

func create(tb testing.TB, server *httptest.Server, path, body string) answer {
	tb.Helper()
	a := send(tb, server, testToken, "POST", path, body)
	require.Equal(tb, 201, a.status, "%s", a.text)
	return a
}

func TestNewHandlerRefusesAConfigThatIsNotSafe(t *testing.T) {
	good := scim.Config{Store: &scim.Memory{}, Authenticate: authenticate}
	for name, spoil := range map[string]func(*scim.Config){
		"Store":        func(c *scim.Config) { c.Store = nil },
		"Authenticate": func(c *scim.Config) { c.Authenticate = nil },
		"BaseURL":      func(c *scim.Config) { c.BaseURL = "/scim" },
		"RateLimit":    func(c *scim.Config) { c.RateLimit = 49 },
		"limit":        func(c *scim.Config) { c.MaxBody = -1 },
		"PageSize":     func(c *scim.Config) { c.PageSize, c.MaxPageSize = 20, 10 },
		"declared":     func(c *scim.Config) { c.UserExtensions = []schema.Schema{schema.ExtensionEnterpriseUser()} },
		"endpoint": func(c *scim.Config) {
			c.Types = []scim.ResourceType{{Name: "X", Endpoint: "/Users", Schema: schema.CoreGroupSchema()}}
		},
		"want a Name": func(c *scim.Config) {
			c.Types = []scim.ResourceType{{Name: "X", Endpoint: "X", Schema: schema.CoreGroupSchema()}}
		},
		"ID is empty": func(c *scim.Config) { c.Types = []scim.ResourceType{{Name: "X", Endpoint: "/Xs"}} },
		"twice":       func(c *scim.Config) { c.UserExtension = userURN },
		"is taken": func(c *scim.Config) {
			c.Types = []scim.ResourceType{{Name: "User", Endpoint: "/Xs", Schema: schema.CoreUserSchema()}}
		},
		"Config.BaseURL": func(c *scim.Config) { c.BaseURL = "https://x.example/?q=1" },
	} {
		cfg := good
		spoil(&cfg)
		_, err := scim.NewHandler(cfg)
		assert.ErrorContains(t, err, name)
	}
	_, err := scim.NewHandler(good)
	assert.NoError(t, err)
}

func TestAuthenticationFailsClosed(t *testing.T) {
	for name, auth := range map[string]func(*http.Request) (scim.Principal, error){
		"error":     func(*http.Request) (scim.Principal, error) { return scim.Principal{Tenant: "t"}, io.EOF },
		"no tenant": func(*http.Request) (scim.Principal, error) { return scim.Principal{Connection: "c"}, nil },
	} {
		server := mount(t, scim.Config{Authenticate: auth})
		for _, path := range []string{"/Users", "/Schemas", "/nothing", "/ServiceProviderConfig"} {
			a := send(t, server, "x", "GET", path, "")
			assert.Equal(t, 401, a.status, name)
			assert.NotEmpty(t, a.header.Get("WWW-Authenticate"))
			assert.NotContains(t, a.text, "EOF")
		}
	}
	server := mount(t, scim.Config{Authenticate: func(*http.Request) (scim.Principal, error) {
		return scim.Principal{}, fmt.Errorf("secret host: %w", scim.ErrUnavailable)
	}})
	a := send(t, server, "x", "GET", "/Users", "")
	assert.Equal(t, 503, a.status)
	assert.NotEmpty(t, a.header.Get("Retry-After"))
	assert.NotContains(t, a.text, "secret")
}

// RFC 9110 section 13.1: dates are preconditions if no tag is given. They have
// a resolution of one second.
func TestDatesAsConditions(t *testing.T) {
	now := time.Date(2026, 11, 26, 6, 0, 0, 400e6, time.UTC)
	server := mount(t, scim.Config{Now: func() time.Time { return now }})
	created := create(t, server, "/Users", user("dated"))
	path := "/Users/" + created.id()
	const before, at, later = "Thu, 26 Nov 2026 05:59:59 GMT", "Thu, 26 Nov 2026 06:00:00 GMT", "Thu, 26 Nov 2026 06:00:09 GMT"
	assert.Equal(t, at, created.header.Get("Last-Modified"))

	status := func(method, body string, header ...string) int {
		a := send(t, server, testToken, method, path, body, header...)
		if a.status < 400 {
			assert.Equal(t, at, a.header.Get("Last-Modified"), header)
		} else {
			assert.Empty(t, a.header.Get("Last-Modified"), header)
		}
		return a.status
	}
	for _, method := range []string{"GET", "HEAD"} {
		assert.Equal(t, 304, status(method, "", "If-Modified-Since", at))
		assert.Equal(t, 304, status(method, "", "If-Modified-Since", later))
		assert.Equal(t, 304, status(method, "", "If-Modified-Since", "Thursday, 26-Nov-26 06:00:00 GMT"))
		assert.Equal(t, 200, status(method, "", "If-Modified-Since", before))
		assert.Equal(t, 200, status(method, "", "If-Modified-Since", "yesterday"))
		assert.Equal(t, 200, status(method, "", "If-Modified-Since", later, "If-None-Match", `"x"`), "a tag goes before a date")
		assert.Equal(t, 304, status(method, "", "If-Modified-Since", before, "If-None-Match", created.header.Get("ETag")))
	}
	same := user("dated")
	assert.Equal(t, 412, status("PUT", same, "If-Unmodified-Since", before))
	assert.Equal(t, 412, status("PATCH", ops(`{"op":"replace","path":"title","value":"x"}`), "If-Unmodified-Since", before))
	assert.Equal(t, 412, status("DELETE", "", "If-Unmodified-Since", before))
	assert.Equal(t, 200, status("PUT", same, "If-Unmodified-Since", at))
	assert.Equal(t, 200, status("PUT", same, "If-Unmodified-Since", "never"))
	assert.Equal(t, 200, status("PUT", same, "If-Unmodified-Since", before, "If-Match", created.header.Get("ETag")), "a tag goes before a date")

	// The name of a user's group has no date. So a date cannot prove that the
	// user is unchanged.
	g := create(t, server, "/Groups", group("g", created.id()))
	assert.Equal(t, 304, send(t, server, testToken, "GET", "/Groups/"+g.id(), "", "If-Modified-Since", at).status)
	assert.Equal(t, 200, status("GET", "", "If-Modified-Since", later))
	a := send(t, server, testToken, "PATCH", "/Groups/"+g.id(), ops(`{"op":"remove","path":"members"}`), "If-Unmodified-Since", at)
	assert.Equal(t, 204, a.status)
	assert.Equal(t, at, a.header.Get("Last-Modified"))
	assert.Equal(t, 304, status("GET", "", "If-Modified-Since", at))
	require.Equal(t, 204, send(t, server, testToken, "DELETE", path, "", "If-Unmodified-Since", at).status)
}

// RFC 9110 section 9.3.2: the answer to HEAD is that to GET, without the body.
func TestHead(t *testing.T) {
	server := mount(t, scim.Config{})
	path := "/Users/" + create(t, server, "/Users", user("head")).id()
	for _, path := range []string{path, "/Users?filter=userName%20eq%20%22head%22", "/", "/ServiceProviderConfig", "/Schemas", "/Users/none", "/Users?filter=x", "/nothing"} {
		get, head := send(t, server, testToken, "GET", path, ""), send(t, server, testToken, "HEAD", path, "")
		assert.Equal(t, get.status, head.status, path)
		assert.Empty(t, head.text)
		for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Last-Modified", "Cache-Control"} {
			assert.Equal(t, get.header.Get(name), head.header.Get(name), "%s %s", path, name)
		}
	}
	assert.Equal(t, 401, send(t, server, "", "HEAD", path, "").status)
}

func TestConditionalRequests(t *testing.T) {
	server := mount(t, scim.Config{})
	created := create(t, server, "/Users", user("etag"))
	path := "/Users/" + created.id()
	tag := created.header.Get("ETag")
	require.NotEmpty(t, tag)
	assert.Equal(t, tag, created.body["meta"].(map[string]any)["version"])

	assert.Equal(t, 304, send(t, server, testToken, "GET", path, "", "If-None-Match", tag).status)
	assert.Equal(t, 200, send(t, server, testToken, "GET", path, "", "If-None-Match", `W/"1"`).status)

	a := send(t, server, testToken, "PATCH", path, ops(`{"op":"replace","path":"title","value":"a"}`), "If-Match", tag)
	require.Equal(t, 200, a.status)
	next := a.header.Get("ETag")
	assert.NotEqual(t, tag, next)

	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		body := map[string]string{"PUT": user("etag"), "PATCH": ops(`{"op":"replace","path":"title","value":"b"}`)}[method]
		assert.Equal(t, 412, send(t, server, testToken, method, path, body, "If-Match", tag).status, method)
		assert.Equal(t, 412, send(t, server, testToken, method, path, body, "If-None-Match", next).status, method)
		assert.Equal(t, 404, send(t, server, testToken, method, "/Users/none", body, "If-Match", tag).status, method)
	}
	// A request that changes nothing keeps the version (RFC 7644
	// section 3.5.2.1).
	a = send(t, server, testToken, "PATCH", path, ops(`{"op":"add","path":"title","value":"a"}`))
	assert.Equal(t, next, a.header.Get("ETag"))
	assert.Equal(t, 204, send(t, server, testToken, "DELETE", path, "", "If-Match", "*").status)
}

func TestProjection(t *testing.T) {
	server := mount(t, scim.Config{})
	member := create(t, server, "/Users", user("p", `"title":"T","name":{"givenName":"G","familyName":"F"}`,
		`"emails":[{"value":"a@example.com","type":"work"}]`,
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","division":"V"}`))
	g := create(t, server, "/Groups", group("g", member.id()))

	get := func(path, query string) map[string]any {
		return send(t, server, testToken, "GET", path+"?"+query, "").body
	}
	u := get("/Users/"+member.id(), "attributes=name.givenName,EMAILS.value,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department")
	assert.Equal(t, map[string]any{"givenName": "G"}, u["name"])
	assert.Equal(t, []any{map[string]any{"value": "a@example.com"}}, u["emails"])
	assert.Equal(t, map[string]any{"department": "D"}, u["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"])
	assert.NotContains(t, u, "meta")
	assert.NotContains(t, u, "userName")
	assert.Contains(t, u, "id")
	assert.Contains(t, u, "schemas")

	u = get("/Users/"+member.id(), "excludedAttributes=id,groups,name.familyName,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")
	assert.Contains(t, u, "id")
	assert.NotContains(t, u, "groups")
	assert.Equal(t, map[string]any{"givenName": "G"}, u["name"])
	assert.NotContains(t, u, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")

	assert.NotContains(t, get("/Groups/"+g.id(), "excludedAttributes=members"), "members")
	assert.Len(t, get("/Groups/"+g.id(), "attributes=members.value")["members"], 1)
	a := send(t, server, testToken, "PATCH", "/Groups/"+g.id()+"?attributes=displayName", ops(`{"op":"replace","path":"displayName","value":"h"}`))
	assert.Equal(t, 200, a.status)
	assert.Equal(t, "h", a.body["displayName"])
}

func TestListing(t *testing.T) {
	server := mount(t, scim.Config{PageSize: 5, MaxPageSize: 10})
	for i := range 23 {
		create(t, server, "/Users", user(fmt.Sprintf("user%02d", i), fmt.Sprintf(`"title":%q`, []string{"b", "A", "c"}[i%3])))
	}
	get := func(query string) answer {
		a := send(t, server, testToken, "GET", "/Users?"+query, "")
		require.Equal(t, 200, a.status, "%s", a.text)
		return a
	}
	t.Run("default and greatest page", func(t *testing.T) {
		assert.Len(t, get("").resources(), 5)
		assert.Len(t, get("count=1000").resources(), 10)
		assert.Equal(t, 23.0, get("count=0").body["totalResults"])
		assert.Empty(t, get("count=-7").resources())
		assert.Equal(t, 1.0, get("startIndex=-3").body["startIndex"])
		assert.Empty(t, get("startIndex=100").resources())
	})
	t.Run("pages hold everybody once", func(t *testing.T) {
		for _, more := range []string{"", "&filter=" + url.QueryEscape(`userName sw "user"`), "&sortBy=title", "&sortBy=userName&sortOrder=descending"} {
			seen := map[string]bool{}
			for start := 1; start <= 23; start += 4 {
				a := get(fmt.Sprintf("startIndex=%d&count=4%s", start, more))
				assert.Equal(t, 23.0, a.body["totalResults"])
				assert.Equal(t, float64(start), a.body["startIndex"])
				assert.Equal(t, float64(len(a.resources())), a.body["itemsPerPage"])
				for _, r := range a.resources() {
					seen[r["id"].(string)] = true
				}
			}
			assert.Len(t, seen, 23, more)
		}
	})
	t.Run("cursors hold everybody once", func(t *testing.T) { // RFC 9865
		for _, more := range []string{"", "&filter=" + url.QueryEscape(`userName co "user"`), "&sortBy=title"} {
			seen, cursor := map[string]bool{}, ""
			for range 10 {
				a := get("count=4&cursor=" + url.QueryEscape(cursor) + more)
				assert.NotContains(t, a.body, "startIndex")
				for _, r := range a.resources() {
					seen[r["id"].(string)] = true
				}
				next, ok := a.body["nextCursor"].(string)
				if !ok {
					break
				}
				cursor = next
			}
			assert.Len(t, seen, 23, more)
		}
		cursor := get("count=4&cursor=").body["nextCursor"].(string)
		for _, query := range []string{"cursor=zzz", "cursor=" + cursor + "&sortBy=title", "cursor=" + cursor + "&filter=" + url.QueryEscape(`title pr`)} {
			a := send(t, server, testToken, "GET", "/Users?"+query, "")
			assert.Equal(t, 400, a.status)
			assert.Equal(t, "invalidCursor", a.scimType(), query)
		}
	})
	t.Run("sorting ignores case and puts absent values last", func(t *testing.T) {
		create(t, server, "/Users", user("zz-without-title"))
		a := get("sortBy=title&count=10&attributes=title")
		assert.Equal(t, "A", a.resources()[0]["title"])
		assert.Equal(t, "b", a.resources()[9]["title"])
		last := get("sortBy=title&startIndex=24&count=1")
		assert.Equal(t, "zz-without-title", last.resources()[0]["userName"])
		first := get("sortBy=title&sortOrder=descending&count=1")
		assert.Equal(t, "zz-without-title", first.resources()[0]["userName"])
	})
	t.Run("search at the root and of a type", func(t *testing.T) {
		create(t, server, "/Groups", group("user-group"))
		a := send(t, server, testToken, "POST", "/.search", `{"filter":"displayName eq \"USER-GROUP\" or userName eq \"user01\"","count":10}`)
		assert.Equal(t, 2.0, a.body["totalResults"])
		a = send(t, server, testToken, "POST", "/Users/.search", `{"filter":"userName eq \"user01\"","attributes":["userName"],"startIndex":"1"}`)
		require.Len(t, a.resources(), 1)
		assert.NotContains(t, a.resources()[0], "title")
	})
	for _, query := range []string{"count=abc", "startIndex=1.5", "sortOrder=up", "filter=", "sortBy=a%20b", "attributes=%zz"} {
		assert.Equal(t, 400, send(t, server, testToken, "GET", "/Users?"+query, "").status, query)
	}
}

func TestMediaTypesAndMethods(t *testing.T) {
	server := mount(t, scim.Config{})
	for accept, want := range map[string]string{
		"":                 "application/scim+json",
		"*/*":              "application/scim+json",
		"application/json": "application/json",
		"application/json, application/scim+json": "application/scim+json",
		"text/html": "application/scim+json",
	} {
		assert.Equal(t, want, send(t, server, testToken, "GET", "/Users", "", "Accept", accept).header.Get("Content-Type"), accept)
	}
	for contentType, want := range map[string]int{
		"application/json": 201, "application/scim+json;charset=UTF-8": 201, "text/plain": 415, "application/json; charset=latin1": 415,
	} {
		assert.Equal(t, want, send(t, server, testToken, "POST", "/Users", user("m"+contentType), "Content-Type", contentType).status, contentType)
	}
	for _, c := range []struct{ method, path, allow string }{
		{"PUT", "/Users", "GET, HEAD, POST"}, {"POST", "/Users/1", "GET, HEAD, PUT, PATCH, DELETE"}, {"GET", "/Bulk", "POST"},
		{"GET", "/.search", "POST"}, {"POST", "/ServiceProviderConfig", "GET, HEAD"}, {"DELETE", "/Schemas", "GET, HEAD"}, {"HEAD", "/Bulk", "POST"},
	} {
		a := send(t, server, testToken, c.method, c.path, "")
		assert.Equal(t, 405, a.status, c.path)
		assert.Equal(t, c.allow, a.header.Get("Allow"))
	}
	for _, path := range []string{"/Nothing", "/Users/1/2", "/ServiceProviderConfig/1", "/Schemas/urn:x", "/ResourceTypes/Car", "/Users/a%00b"} {
		assert.Equal(t, 404, send(t, server, testToken, "GET", path, "").status, path)
	}
	assert.Equal(t, 403, send(t, server, testToken, "GET", "/ResourceTypes?filter=name%20eq%20%22User%22", "").status)
	assert.Equal(t, 501, send(t, server, testToken, "GET", "/Me", "").status)
}

func TestMe(t *testing.T) {
	store := &scim.Memory{}
	var me string
	server := mount(t, scim.Config{Store: store, Authenticate: func(*http.Request) (scim.Principal, error) {
		return scim.Principal{Tenant: "t", User: me}, nil
	}})
	me = create(t, server, "/Users", user("myself")).id()
	a := send(t, server, "x", "PATCH", "/Me", ops(`{"op":"replace","path":"title","value":"Me"}`))
	assert.Equal(t, 200, a.status)
	a = send(t, server, "x", "GET", "/Me", "")
	assert.Equal(t, "Me", a.body["title"])
	location := a.body["meta"].(map[string]any)["location"].(string)
	assert.True(t, strings.HasSuffix(location, "/scim/v2/Users/"+me))
	// RFC 7644 section 3.11: "In any response, the HTTP "Location" header MUST be
	// the permanent location of the aliased resource associated with the
	// authenticated subject."
	for _, r := range [][]string{
		{"200", "GET", ""}, {"200", "HEAD", ""}, {"200", "PUT", user("myself")}, {"200", "PATCH", ops(`{"op":"replace","path":"title","value":"I"}`)},
		{"304", "GET", "", "If-None-Match", "*"}, {"412", "PUT", user("myself"), "If-Match", `"old"`}, {"400", "PUT", `{}`}, {"204", "DELETE", ""},
	} {
		a = send(t, server, "x", r[1], "/Me", r[2], r[3:]...)
		assert.Equal(t, r[0], fmt.Sprint(a.status), r)
		assert.Equal(t, location, a.header.Get("Location"), r)
	}
}

func TestLocationsAreAbsolute(t *testing.T) {
	server := mount(t, scim.Config{})
	a := create(t, server, "/Users", user("loc"))
	want := server.URL + "/scim/v2/Users/" + a.id()
	assert.Equal(t, want, a.header.Get("Location"))
	assert.Equal(t, want, a.body["meta"].(map[string]any)["location"])

	// If a proxy rewrote the path, only the host is known.
	handler, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: authenticate})
	require.NoError(t, err)
	r := httptest.NewRequest("POST", "/elsewhere?x=1", strings.NewReader(user("loc")))
	r.URL.Path = "/Users"
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	assert.True(t, strings.HasPrefix(w.Header().Get("Location"), "http://example.com/Users/"), w.Header().Get("Location"))

	fixed := mount(t, scim.Config{BaseURL: "https://app.example.com/scim/"})
	a = create(t, fixed, "/Users", user("loc"))
	assert.Equal(t, "https://app.example.com/scim/Users/"+a.id(), a.header.Get("Location"))
}

func TestRateLimit(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	server := mount(t, scim.Config{RateLimit: 50, Now: func() time.Time { return now }})
	for range 50 {
		require.Equal(t, 200, send(t, server, testToken, "GET", "/Users?count=0", "").status)
	}
	a := send(t, server, testToken, "GET", "/Users?count=0", "")
	assert.Equal(t, 429, a.status)
	assert.Equal(t, "1", a.header.Get("Retry-After"))
	assert.Equal(t, 200, send(t, server, "another-tenant", "GET", "/Users?count=0", "").status)
	now = now.Add(time.Second)
	assert.Equal(t, 200, send(t, server, testToken, "GET", "/Users?count=0", "").status)
}

func TestFurtherResourceTypes(t *testing.T) {
	device := schema.Schema{ID: "urn:example:2.0:Device", Attributes: schema.Attributes{
		schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: "serial", Required: true, Mutability: schema.AttributeMutabilityImmutable()})),
		schema.SimpleCoreAttribute(schema.SimpleNumberParams(schema.NumberParams{Name: "ports", Type: schema.AttributeTypeInteger()})),
		schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: "notes", Returned: schema.AttributeReturnedRequest()})),
	}}
	server := mount(t, scim.Config{Types: []scim.ResourceType{{Name: "Device", Endpoint: "/Devices", Schema: device}}})
	a := create(t, server, "/Devices", `{"schemas":["urn:example:2.0:Device"],"serial":"s1","ports":"4","notes":"n"}`)
	assert.Equal(t, 4.0, a.body["ports"])
	path := "/Devices/" + a.id()
	assert.NotContains(t, send(t, server, testToken, "GET", path, "").body, "notes")
	assert.Equal(t, "n", send(t, server, testToken, "GET", path+"?attributes=notes", "").body["notes"])
	g := create(t, server, "/Groups", group("g", a.id()))
	a = send(t, server, testToken, "PUT", path, `{"schemas":["urn:example:2.0:Device"],"serial":"s1","groups":[{"value":"forged"}]}`)
	require.Equal(t, 200, a.status)
	assert.Equal(t, 1, strings.Count(a.text, `"groups"`))
	assert.Contains(t, a.text, g.id())
	for _, c := range [][2]string{
		{"PUT", `{"schemas":["urn:example:2.0:Device"],"serial":"s2"}`},
		{"PATCH", ops(`{"op":"replace","path":"serial","value":"s2"}`)},
		{"PATCH", ops(`{"op":"remove","path":"serial"}`)},
	} {
		a = send(t, server, testToken, c[0], path, c[1])
		assert.Equal(t, 400, a.status)
		assert.Equal(t, "mutability", a.scimType())
	}
	assert.Equal(t, 200, send(t, server, testToken, "PUT", path, `{"schemas":["urn:example:2.0:Device"],"serial":"s1","ports":5}`).status)
	assert.Equal(t, 404, send(t, server, testToken, "GET", strings.Replace(path, "Devices", "Users", 1), "").status)
	assert.Len(t, send(t, server, testToken, "GET", "/ResourceTypes", "").resources(), 3)
}

func jsonInto(text []byte, into any) error { return json.Unmarshal(text, into) }
