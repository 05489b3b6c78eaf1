package scim_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// RFC 7643 section 3.1: meta.version is the entity tag of the answer. RFC 9110
// section 8.8: answers with different content have different tags. This
// includes the names of a user's groups.
func TestTagsCoverWhatIsShown(t *testing.T) {
	server := mount(t, scim.Config{})
	a := create(t, server, "/Users", user("a"))
	path := "/Users/" + a.id()
	version := func(r answer) string { return r.body["meta"].(map[string]any)["version"].(string) }
	seen := map[string]string{}
	g := ""
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"created", func() {}},
		{"in a group", func() { g = create(t, server, "/Groups", group("g", a.id())).id() }},
		{"the group renamed", func() {
			send(t, server, testToken, "PATCH", "/Groups/"+g, ops(`{"op":"replace","path":"displayName","value":"h"}`))
		}},
		{"in another group", func() { create(t, server, "/Groups", group("i", a.id())) }},
		{"out of a group", func() {
			send(t, server, testToken, "PATCH", "/Groups/"+g, ops(`{"op":"remove","path":"members","value":["`+a.id()+`"]}`))
		}},
	} {
		before := send(t, server, testToken, "GET", path, "").header.Get("ETag")
		step.do()
		if step.what != "created" {
			assert.Equal(t, 200, send(t, server, testToken, "GET", path, "", "If-None-Match", before).status, step.what)
		}
		now := send(t, server, testToken, "GET", path, "")
		tag := now.header.Get("ETag")
		assert.Equal(t, version(now), tag, step.what)
		for was, what := range seen {
			assert.Equal(t, 200, send(t, server, testToken, "GET", path, "", "If-None-Match", was).status, "%s after %s", step.what, what)
		}
		assert.Equal(t, 304, send(t, server, testToken, "GET", path, "", "If-None-Match", `"x", `+tag).status, step.what)
		assert.Empty(t, seen[tag], step.what)
		seen[tag] = step.what
		listed := send(t, server, testToken, "GET", "/Users?filter="+url.QueryEscape(`userName eq "a"`), "").resources()[0]
		assert.Equal(t, tag, listed["meta"].(map[string]any)["version"], step.what)

		// The tag of any answer can be used as the precondition of a change.
		r := send(t, server, testToken, "PATCH", path, ops(`{"op":"replace","path":"title","value":"`+step.what+`"}`), "If-Match", tag)
		require.Equal(t, 200, r.status, "%s: %s", step.what, r.text)
		assert.Equal(t, 412, send(t, server, testToken, "PATCH", path, ops(), "If-Match", tag).status)
		seen[r.header.Get("ETag")] = step.what + " and patched"
		r = send(t, server, testToken, "PUT", path+"?excludedAttributes=groups", user("a"), "If-Match", r.header.Get("ETag"))
		require.Equal(t, 200, r.status, "%s: %s", step.what, r.text)
		r = send(t, server, testToken, "PATCH", path, ops(), "If-Match", strings.Trim(strings.TrimPrefix(version(r), "W/"), `"`))
		assert.Equal(t, 200, r.status, "a tag without groups and without quotes")
	}
}

// RFC 7644 sections 3.5.1 and 3.5.2: the answer to a write shows the resource
// as GET does.
func TestAnswersToWritesAreWhatGetShows(t *testing.T) {
	server := mount(t, scim.Config{})
	a := create(t, server, "/Users", user("a", `"title":"T"`))
	g := create(t, server, "/Groups", group("g", a.id()))
	path := "/Users/" + a.id()
	for _, c := range []struct{ method, path, body string }{
		{"PUT", path, user("a", `"title":"T"`)}, {"PUT", path, user("a", `"title":"U"`)},
		{"PATCH", path, ops()}, {"PATCH", path, ops(`{"op":"replace","path":"active","value":true}`)}, {"PATCH", path, ops(`{"op":"replace","path":"title","value":"V"}`)},
		{"PUT", "/Groups/" + g.id(), group("g", a.id())}, {"PUT", "/Groups/" + g.id(), group("g")},
	} {
		r := send(t, server, testToken, c.method, c.path, c.body)
		require.Equal(t, 200, r.status, r.text)
		now := send(t, server, testToken, "GET", c.path, "")
		assert.Equal(t, now.body, r.body, "%s %s", c.method, c.body)
		assert.Equal(t, now.header.Get("ETag"), r.header.Get("ETag"))
	}
	assert.Equal(t, create(t, server, "/Groups", group("empty")).body["members"], []any{}, "an empty group has members")
	for query, want := range map[string]bool{"": true, "?attributes=members": true, "?attributes=displayName": false, "?excludedAttributes=members": false} {
		r := send(t, server, testToken, "GET", "/Groups/"+g.id()+query, "")
		_, has := r.body["members"]
		assert.Equal(t, want, has, query)
	}
	assert.NotContains(t, send(t, server, testToken, "GET", "/Groups?excludedAttributes=members", "").text, `"members"`)
	assert.Equal(t, 2, strings.Count(send(t, server, testToken, "GET", "/Groups", "").text, `"members":[]`))
}

// A filter finds values that the server computes for the answer (RFC 7644
// section 3.4.2.2).
func TestFiltersOnComputedValues(t *testing.T) {
	server := mount(t, scim.Config{})
	a, b := create(t, server, "/Users", user("a")), create(t, server, "/Users", user("b"))
	g := create(t, server, "/Groups", group("g", a.id()))
	base := server.URL + "/scim/v2"
	now := send(t, server, testToken, "GET", "/Users/"+a.id(), "")
	version := strings.ReplaceAll(now.header.Get("ETag"), `"`, `\"`)
	for filter, want := range map[string][]string{
		`meta.location eq "` + base + "/Users/" + a.id() + `"`:       {a.id()},
		`meta.location co "/Users/"`:                                 {a.id(), b.id()},
		`meta.location pr and meta.version pr and meta.created pr`:   {a.id(), b.id()},
		`meta.version eq "` + version + `"`:                          {a.id()},
		`meta.resourceType eq "User"`:                                {a.id(), b.id()},
		`groups.type eq "direct"`:                                    {a.id()},
		`groups[type eq "direct" and display eq "G"]`:                {a.id()},
		`groups.type eq "Group"`:                                     {},
		`groups.$ref eq "` + base + "/Groups/" + g.id() + `"`:        {a.id()},
		`groups[$ref ew "` + g.id() + `"].value eq "` + g.id() + `"`: {a.id()},
		`groups.display eq "g"`:                                      {a.id()},
		`groups pr`:                                                  {a.id()},
		`schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`:    {a.id(), b.id()},
		`schemas[value eq "urn:ietf:params:scim:schemas:core:2.0:User"] and id eq "` + b.id() + `"`: {b.id()},
		`meta.location eq "` + base + "/Users/nobody" + `"`:                                         {},
	} {
		r := send(t, server, testToken, "GET", "/Users?filter="+url.QueryEscape(filter), "")
		require.Equal(t, 200, r.status, "%s: %s", filter, r.text)
		got := []string{}
		for _, found := range r.resources() {
			got = append(got, found["id"].(string))
		}
		assert.ElementsMatch(t, want, got, filter)
	}
	for filter, want := range map[string]int{
		`members.$ref eq "` + base + "/Users/" + a.id() + `"`: 1, `members[type eq "User"]`: 1, `members.type eq "Group"`: 0, `meta.location ew "` + g.id() + `"`: 1,
	} {
		r := send(t, server, testToken, "GET", "/Groups?filter="+url.QueryEscape(filter), "")
		assert.Equal(t, float64(want), r.body["totalResults"], filter)
	}
	r := send(t, server, testToken, "GET", "/Users?sortBy=meta.location&sortOrder=descending", "")
	assert.Len(t, r.resources(), 2)
	r = send(t, server, testToken, "PATCH", "/Groups/"+g.id(), ops(`{"op":"remove","path":"members[$ref eq \"`+base+"/Users/"+a.id()+`\"]"}`))
	assert.Equal(t, 204, r.status, r.text)
	assert.Empty(t, send(t, server, testToken, "GET", "/Groups/"+g.id(), "").body["members"])
}

// RFC 3986 section 3.4: a semicolon is a plain character of a query. A plus sign
// is a space, unless the value writes spaces as %20.
func TestQueriesAsClientsWriteThem(t *testing.T) {
	server := mount(t, scim.Config{})
	create(t, server, "/Users", user("ana+1@example.com", `"displayName":"a b"`))
	create(t, server, "/Groups", group("Legal; Ops"))
	for target, want := range map[string]int{
		"/Groups?filter=displayName%20eq%20%22Legal;%20Ops%22":          1,
		"/Groups?filter=displayName+eq+%22Legal;+Ops%22&":               1,
		"/Groups?;&filter=displayName+eq+%22Legal%3B+Ops%22&count=1;":   -1, // the count is not a number
		"/Users?filter=userName%20eq%20%22ana+1@example.com%22":         1,
		"/Users?filter=userName%20eq%20%22ana%2B1@example.com%22":       1,
		"/Users?filter=userName+eq+%22ana%2B1@example.com%22":           1,
		"/Users?filter=userName+eq+%22ana+1@example.com%22":             0, // a plus sign of form encoding is a space
		"/Users?filter=displayName+eq+%22a+b%22&startIndex=1&count=100": 1,
		"/Users?filter=userName%20eq%20%22x%zz%22":                      -1,
		// A parameter in another letter case is not ignored: without its
		// filter, a query would select every user.
		"/Users?Filter=userName+eq+%22nobody%22":   0,
		"/Users?FILTER=userName+eq&SORTBY=title":   -1,
		"/Users?startindex=x":                      -1,
		"/Users?sortby=displayName&sortorder=none": -1,
	} {
		status, text := raw(t, server, target)
		if want < 0 {
			assert.Equal(t, 400, status, target)
			continue
		}
		assert.Equal(t, 200, status, "%s: %s", target, text)
		assert.Contains(t, text, `"totalResults":`+strconv.Itoa(want)+",", target)
	}
	for _, path := range []string{"//Users", "/Users/", "//Users//", "//"} {
		status, text := raw(t, server, path)
		assert.Equal(t, 200, status, "%s: %s", path, text)
	}
}

// raw sends a GET with the target exactly as given, and follows no redirect.
func raw(t *testing.T, server *httptest.Server, target string) (int, string) {
	t.Helper()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	path, query, _ := strings.Cut(target, "?")
	u.Path, u.RawQuery = "/scim/v2"+path, query
	client := *server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(&http.Request{Method: "GET", URL: u, Header: http.Header{"Authorization": {"Bearer " + testToken}}})
	require.NoError(t, err)
	defer resp.Body.Close()
	var text strings.Builder
	require.NoError(t, resp.Write(&text))
	return resp.StatusCode, text.String()
}

func TestMountNeverRedirects(t *testing.T) {
	handler, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: authenticate})
	require.NoError(t, err)
	rest := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, c := range []struct {
		prefix, path string
		want         int
	}{
		{"/scim/v2", "/scim/v2", 200}, {"/scim/v2", "/scim/v2/", 200}, {"/scim/v2", "/scim/v2//Users", 200}, {"scim/v2/", "/scim/v2/Users", 200},
		{"/scim/v2", "/scim/v20/Users", 418}, {"/scim/v2", "/scim", 418}, {"/scim/v2", "/", 418}, {"", "/Users", 200}, {"/", "//Users", 200},
	} {
		r := httptest.NewRequest("GET", "http://example.com"+c.path, nil)
		r.Header.Set("Authorization", "Bearer "+testToken)
		w := httptest.NewRecorder()
		scim.Mount(c.prefix, handler, rest).ServeHTTP(w, r)
		assert.Equal(t, c.want, w.Code, "%q %q: %s", c.prefix, c.path, w.Body)
	}
	w := httptest.NewRecorder()
	scim.Mount("/scim", handler, nil).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	assert.Equal(t, 404, w.Code)
}

// RFC 7643 section 5, RFC 9865 section 4, RFC 7643 section 8.7.2.
func TestDiscoveryForEveryClient(t *testing.T) {
	closed, open := mount(t, scim.Config{}), mount(t, scim.Config{PublicDiscovery: true, OmitPagination: true, RateLimit: 50})
	for _, path := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", "//Schemas", "/schemas/urn:ietf:params:scim:schemas:core:2.0:User"} {
		assert.Equal(t, 401, send(t, closed, "", "GET", path, "").status, path)
		for range 60 { // this uses no tenant's allowance
			require.Equal(t, 200, send(t, open, "", "GET", path, "").status, path)
		}
	}
	for _, c := range [][2]string{{"GET", "/Users"}, {"GET", "/"}, {"POST", "/Schemas"}, {"GET", "/Users/Schemas"}, {"GET", "/nothing"}} {
		r := send(t, open, "", c[0], c[1], "")
		assert.Equal(t, 401, r.status, c)
		assert.Equal(t, `Bearer realm="scim"`, r.header.Get("WWW-Authenticate"))
		assert.Contains(t, r.text, "Bearer")
	}
	assert.Contains(t, send(t, closed, testToken, "GET", "/ServiceProviderConfig", "").body, "pagination")
	assert.NotContains(t, send(t, open, testToken, "GET", "/ServiceProviderConfig", "").body, "pagination")
	r := send(t, open, testToken, "GET", "/Users?cursor=", "")
	assert.Equal(t, 200, r.status, "cursors work all the same")

	// The documents of discovery match their schemas.
	for name, path := range map[string]string{"ServiceProviderConfig": "/ServiceProviderConfig", "ResourceType": "/ResourceTypes/User",
		"Schema": "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"} {
		declared := send(t, closed, testToken, "GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:"+name, "")
		require.Equal(t, 200, declared.status)
		assert.Equal(t, "Schema", declared.body["meta"].(map[string]any)["resourceType"])
		document := send(t, closed, testToken, "GET", path, "").body
		delete(document, "meta")
		delete(document, "schemas")
		conforms(t, name, document, declared.body["attributes"].([]any))
	}
}

// conforms checks a document against the attributes that its schema declares.
func conforms(t *testing.T, at string, document map[string]any, attributes []any) {
	t.Helper()
	declared := map[string]map[string]any{}
	for _, a := range attributes {
		def := a.(map[string]any)
		declared[def["name"].(string)] = def
		if def["required"] == true {
			assert.Contains(t, document, def["name"], at)
		}
	}
	for name, value := range document {
		def := declared[name]
		if !assert.NotNil(t, def, "%s.%s is not declared", at, name) {
			continue
		}
		values, isList := value.([]any)
		assert.Equal(t, def["multiValued"], isList, "%s.%s", at, name)
		if !isList {
			values = []any{value}
		}
		for _, v := range values {
			switch v := v.(type) {
			case map[string]any:
				require.Equal(t, "complex", def["type"], "%s.%s", at, name)
				conforms(t, at+"."+name, v, def["subAttributes"].([]any))
			case bool:
				assert.Equal(t, "boolean", def["type"], "%s.%s", at, name)
			case float64:
				assert.Equal(t, "integer", def["type"], "%s.%s", at, name)
			case string:
				assert.Contains(t, []any{"string", "reference"}, def["type"], "%s.%s", at, name)
				if words, ok := def["canonicalValues"].([]any); ok {
					assert.Contains(t, words, v, "%s.%s", at, name)
				}
			}
		}
	}
}

// A change that adds unknown members is refused as a whole, unless the host has
// configured that they are left out.
func TestUnknownMembers(t *testing.T) {
	for _, skip := range []bool{false, true} {
		server := mount(t, scim.Config{SkipUnknownMembers: skip})
		a, b := create(t, server, "/Users", user("a")), create(t, server, "/Users", user("b"))
		inner := create(t, server, "/Groups", group("inner"))
		g := create(t, server, "/Groups", group("g", b.id()))
		for _, c := range []struct{ method, path, body string }{
			{"PATCH", "/Groups/" + g.id(), ops(`{"op":"add","path":"members","value":["` + a.id() + `","nobody","` + inner.id() + `","nowhere"]}`)},
			{"PUT", "/Groups/" + g.id(), group("g", "nobody", a.id(), b.id(), inner.id())},
			{"POST", "/Groups", group("h", a.id(), "nobody", b.id(), inner.id())},
		} {
			r := send(t, server, testToken, c.method, c.path, c.body)
			if !skip {
				assert.Equal(t, 400, r.status, c.method)
				assert.Contains(t, r.text, "nobody", "the refusal names who is not there")
				assert.Len(t, send(t, server, testToken, "GET", "/Groups/"+g.id(), "").body["members"], 1)
				continue
			}
			require.Equal(t, 2, r.status/100, r.text)
			path := c.path
			if c.method == "POST" {
				path += "/" + r.id()
			}
			assert.Len(t, send(t, server, testToken, "GET", path, "").body["members"], 3, c.method)
		}
		r := send(t, server, testToken, "PATCH", "/Groups/"+g.id(), ops(`{"op":"replace","path":"members","value":["nobody"]}`))
		assert.Equal(t, map[bool]int{false: 400, true: 204}[skip], r.status)
	}
}

// Several clients send a whole group in one request, so bodies of groups have a
// limit of their own.
func TestBodiesOfGroups(t *testing.T) {
	server := mount(t, scim.Config{MaxBody: 1000, MaxGroupBody: 3000})
	a := create(t, server, "/Users", user("a"))
	g := create(t, server, "/Groups", group("g"))
	big := group("g", a.id())
	big = big[:len(big)-1] + `,"note":"` + strings.Repeat("x", 2000) + `"}`
	assert.Equal(t, 200, send(t, server, testToken, "PUT", "/Groups/"+g.id(), big).status)
	assert.Equal(t, 413, send(t, server, testToken, "PUT", "/Groups/"+g.id(), big+strings.Repeat(" ", 1000)).status)
	assert.Equal(t, 413, send(t, server, testToken, "PUT", "/Users/"+a.id(), big).status)
	// The default is large enough for 10,000 members in the form that clients
	// send.
	var members []string
	for i := range 10_000 {
		id := "2819c223-7f76-453a-919d-" + strconv.Itoa(100_000_000_000+i)
		members = append(members, `{"value":"`+id+`","display":"Member Number `+strconv.Itoa(i)+`","$ref":"https://app.example.com/scim/v2/Users/`+id+`","type":"User"}`)
	}
	server = mount(t, scim.Config{SkipUnknownMembers: true})
	g = create(t, server, "/Groups", group("g"))
	r := send(t, server, testToken, "PUT", "/Groups/"+g.id(), `{"displayName":"g","members":[`+strings.Join(members, ",")+`]}`)
	assert.Equal(t, 200, r.status, "%.200s", r.text)
	_, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: authenticate, MaxGroupBody: -1})
	assert.ErrorContains(t, err, "limit")
}

// RFC 7644 sections 3.3, 3.5.1 and 3.5.2: readOnly values are ignored in a
// body, and refused if a path names them. Immutable values can be set once.
// This holds for attributes of the core and of an extension, and for their
// sub-attributes.
func TestMutabilityOfDeclaredAttributes(t *testing.T) {
	const urn = "urn:example:2.0:User"
	text := func(name string, m schema.AttributeMutability) schema.SimpleParams {
		return schema.SimpleStringParams(schema.StringParams{Name: name, Mutability: m})
	}
	part := func(name string) schema.CoreAttribute {
		return schema.ComplexCoreAttribute(schema.ComplexParams{Name: name, SubAttributes: []schema.SimpleParams{
			text("free", schema.AttributeMutabilityReadWrite()), text("once", schema.AttributeMutabilityImmutable()), text("ours", schema.AttributeMutabilityReadOnly()),
		}})
	}
	extension := schema.Schema{ID: urn, Attributes: schema.Attributes{
		schema.SimpleCoreAttribute(text("free", schema.AttributeMutabilityReadWrite())),
		schema.SimpleCoreAttribute(text("once", schema.AttributeMutabilityImmutable())),
		schema.SimpleCoreAttribute(text("ours", schema.AttributeMutabilityReadOnly())),
		schema.SimpleCoreAttribute(schema.SimpleNumberParams(schema.NumberParams{Name: "count", Type: schema.AttributeTypeInteger()})),
		part("part"),
	}}
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store, UserExtensions: []schema.Schema{extension}})
	body := func(fields string) string { return user("a", `"`+urn+`":{`+fields+`}`) }
	a := create(t, server, "/Users", body(`"free":"f","once":"o","ours":"x","count":"7","part":{"free":"f","once":"o","ours":"x"}`))
	path := "/Users/" + a.id()
	assert.Equal(t, map[string]any{"free": "f", "once": "o", "count": 7.0, "part": map[string]any{"free": "f", "once": "o"}}, a.body[urn])

	// The host sets a readOnly value directly in the store, not through the
	// handler.
	rec, err := store.Get(t.Context(), scim.Directory{Tenant: "t1", Connection: "c1"}, scim.Ref{Type: "User", ID: a.id()}, false)
	require.NoError(t, err)
	doc := strings.Replace(string(rec.Doc), `"part":{`, `"ours":"host","part":{"ours":"host",`, 1)
	_, err = store.Apply(t.Context(), scim.Directory{Tenant: "t1", Connection: "c1"}, scim.Write{Op: scim.Update, Ref: rec.Ref, Doc: []byte(doc)})
	require.NoError(t, err)

	for _, c := range []struct{ what, method, body string }{
		{"left out", "PUT", body(`"free":"g"`)}, {"the extension left out", "PUT", user("a")},
		{"sent back", "PUT", body(`"free":"g","once":"o","ours":"host","count":7,"part":{"free":"g","once":"o","ours":"host"}`)},
		{"forged", "PUT", body(`"free":"g","once":"o","ours":"forged","part":{"free":"g","once":"o","ours":"forged"}`)},
		{"in a pathless operation", "PATCH", ops(`{"op":"replace","value":{"` + urn + `":{"free":"g","ours":"forged","once":"o"}}}`)},
		{"the whole extension by path", "PATCH", ops(`{"op":"add","path":"` + urn + `","value":{"ours":"forged","part":{"free":"h","ours":"forged"}}}`)},
	} {
		r := send(t, server, testToken, c.method, path, c.body)
		require.Equal(t, 200, r.status, "%s: %s", c.what, r.text)
		got, _ := r.body[urn].(map[string]any)
		assert.Equal(t, "host", got["ours"], c.what)
		assert.Equal(t, "o", got["once"], c.what)
		if inner, ok := got["part"].(map[string]any); ok && c.what != "left out" {
			assert.Equal(t, "host", inner["ours"], c.what)
			assert.Equal(t, "o", inner["once"], c.what)
		}
		assert.Contains(t, r.body["schemas"], urn, c.what)
		if c.what == "the extension left out" { // the attribute part is left out with it
			require.Equal(t, 200, send(t, server, testToken, "PUT", path, body(`"part":{"free":"g","once":"o"}`)).status)
			rec, err := store.Get(t.Context(), scim.Directory{Tenant: "t1", Connection: "c1"}, rec.Ref, false)
			require.NoError(t, err)
			doc := strings.Replace(string(rec.Doc), `"part":{`, `"part":{"ours":"host",`, 1)
			_, err = store.Apply(t.Context(), scim.Directory{Tenant: "t1", Connection: "c1"}, scim.Write{Op: scim.Update, Ref: rec.Ref, Doc: []byte(doc)})
			require.NoError(t, err)
		}
	}
	before := send(t, server, testToken, "GET", path, "").body
	for _, c := range []struct{ method, body string }{
		{"PUT", body(`"once":"p"`)}, {"PUT", body(`"part":{"once":"p"}`)},
		{"PATCH", ops(`{"op":"replace","path":"` + urn + `:ours","value":"x"}`)}, {"PATCH", ops(`{"op":"remove","path":"` + urn + `:ours"}`)},
		{"PATCH", ops(`{"op":"add","path":"` + urn + `:part.ours","value":"x"}`)}, {"PATCH", ops(`{"op":"add","path":"ours","value":"x"}`)},
		{"PATCH", ops(`{"op":"replace","path":"` + urn + `:once","value":"p"}`)}, {"PATCH", ops(`{"op":"replace","path":"` + urn + `:once","value":null}`)},
		{"PATCH", ops(`{"op":"remove","path":"` + urn + `:once"}`)}, {"PATCH", ops(`{"op":"replace","path":"` + urn + `:part.once","value":"p"}`)},
		{"PATCH", ops(`{"op":"replace","path":"` + urn + `:part","value":{"once":"p"}}`)}, {"PATCH", ops(`{"op":"replace","value":{"` + urn + `":{"once":"p"}}}`)},
		{"PATCH", ops(`{"op":"remove","path":"` + urn + `"}`)}, {"PATCH", ops(`{"op":"replace","path":"` + urn + `:part[free pr].once","value":"p"}`)},
	} {
		r := send(t, server, testToken, c.method, path, c.body)
		assert.Equal(t, 400, r.status, "%s %s: %s", c.method, c.body, r.text)
		assert.Equal(t, "mutability", r.scimType(), c.body)
	}
	assert.Equal(t, before, send(t, server, testToken, "GET", path, "").body)
	assert.Equal(t, 200, send(t, server, testToken, "PATCH", path, ops(`{"op":"add","path":"`+urn+`:once","value":"o"}`)).status, "the same is no change")
	assert.Equal(t, 400, send(t, server, testToken, "PATCH", path, ops(`{"op":"add","path":"`+urn+`:count","value":"7.5"}`)).status)
}
