package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// A fuzzed handler is called without a network, and its log is kept.
type fuzzed struct {
	http.Handler
	store scim.Store
	log   bytes.Buffer
}

func newFuzzed(tb testing.TB) *fuzzed {
	f := &fuzzed{store: &scim.Memory{}}
	var err error
	f.Handler, err = scim.NewHandler(scim.Config{
		BaseURL: "http://h", Store: f.store, Authenticate: authenticate, Logger: slog.New(slog.NewTextHandler(&f.log, nil)),
	})
	require.NoError(tb, err)
	return f
}

func (f *fuzzed) do(method, target, body string) *httptest.ResponseRecorder {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	return f.send(method, u, body)
}

func (f *fuzzed) send(method string, u *url.URL, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Method, r.URL, r.RequestURI = method, u, u.RequestURI()
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// checkAcknowledged checks that every stored record can be read, listed,
// filtered, sorted, projected, sent back unchanged, patched and collected, and
// that nothing is logged.
func (f *fuzzed) checkAcknowledged(t *testing.T) {
	t.Helper()
	dir := scim.Directory{Tenant: "t1", Connection: "c1"}
	page, err := f.store.List(t.Context(), dir, scim.Query{Limit: 100, Count: true})
	require.NoError(t, err)
	total := func(target string) int {
		w := f.do("GET", target, "")
		require.Equal(t, 200, w.Code, "%s: %s", target, w.Body)
		var list struct {
			TotalResults int
			Resources    []map[string]any
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list), "%s", w.Body)
		require.Len(t, list.Resources, list.TotalResults)
		return list.TotalResults
	}
	for _, query := range []string{
		"", "filter=" + url.QueryEscape(`id pr and not (nobody.has eq "this")`), "sortBy=userName&sortOrder=descending", "sortBy=displayName",
		"attributes=title,name.givenName,emails.value,members.value,urn:x:y", "excludedAttributes=title,emails.type,meta",
	} {
		require.Equal(t, page.Total, total("/?"+query), query)
	}
	users := 0
	for _, rec := range page.Records {
		target := fmt.Sprintf("/%ss/%s", rec.Type, url.PathEscape(rec.ID))
		read := f.do("GET", target, "")
		require.Equal(t, 200, read.Code, "%s", read.Body)
		again := f.do("PUT", target, read.Body.String())
		require.Equal(t, 200, again.Code, "%.300s, sent back: %.300s", read.Body, again.Body)
		named := "displayName"
		if rec.Type == scim.TypeUser {
			named = "userName"
			users++
		}
		patched := f.do("PATCH", target, ops(fmt.Sprintf(`{"op":"replace","path":%q,"value":"patched %s"}`, named, rec.ID)))
		require.Contains(t, []int{200, 204}, patched.Code, "%.300s, patched: %.300s", read.Body, patched.Body)
	}
	snapshot, err := sources.Collect(t.Context(), scim.AsSource(f.store, "t1", "c1"), sources.CollectConfig{})
	require.NoError(t, err)
	require.Len(t, snapshot.Users, users)
	require.Len(t, snapshot.Groups, len(page.Records)-users)
	require.Empty(t, f.log.String())
}

// What is acknowledged can always be read. The test uses names that differ in
// more than ASCII case, at places that once used different comparisons: such
// names are refused or kept, but never both.
func TestAcknowledgedCanBeRead(t *testing.T) {
	many := func(n int, value string) string {
		return list(n, func(i int) string { return fmt.Sprintf(`"p%d":%s`, i, value) })
	}
	for name, c := range map[string]struct {
		fields string
		status int
	}{
		"a Kelvin sign among few":       {`"k":1,"K":2`, 400},
		"a Kelvin sign behind many":     {many(20, "1") + `,"k":1,"K":2`, 400},
		"a Kelvin sign behind nulls":    {`"k":1,` + many(20, "null") + `,"K":2`, 400},
		"a long s in an inner object":   {`"o":{` + many(20, "1") + `,"s":1,"ſ":2}`, 400},
		"sigmas":                        {many(20, "1") + `,"aς":1,"aσ":2`, 400},
		"sigmas in an extension":        {`"urn:x:y":{"ς":1,` + many(16, "null") + `,"Σ":2}`, 400},
		"a Kelvin sign alone":           {many(20, "1") + `,"K":2`, 201},
		"a declared name with a long s": {many(20, "1") + `,"diſplayName":"d","emailſ":[{"value":"a@b"}]`, 201},
		"a declared name twice":         {many(20, "1") + `,"displayName":"d","diſplayName":"e"`, 400},
		"the enterprise extension":      {`"urn:ietf:params:scim:schemas:extenſion:enterprise:2.0:User":{"department":"d"}`, 201},
		"the enterprise extension, bad": {`"urn:ietf:params:scim:schemas:extenſion:enterprise:2.0:User":7`, 400},
		"names with dots and colons":    {`"a.b":1,"urn:q":{"c.d":[{"e":[]}]},":":"x","urn:":{}`, 201},
		"996 names":                     {many(993, "1"), 201},
		"as deep as may be":             {`"d":` + strings.Repeat("[", 31) + strings.Repeat("]", 31), 201},
		"numbers":                       {`"n":[1e-300,123456789012345678901234567890,-0,0.1e5]`, 201},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFuzzed(t)
			w := f.do("POST", "/Users", user("one", c.fields))
			require.Equal(t, c.status, w.Code, "%s", w.Body)
			f.checkAcknowledged(t)

			// The same by PATCH, on a resource that earlier PATCH requests
			// extended.
			require.Equal(t, 201, f.do("POST", "/Users", user("two", `"a":1`)).Code)
			var listed struct{ Resources []struct{ ID string } }
			require.NoError(t, json.Unmarshal(f.do("GET", `/Users?filter=userName+eq+"two"`, "").Body.Bytes(), &listed))
			w = f.do("PATCH", "/Users/"+listed.Resources[0].ID, ops(`{"op":"add","value":{`+c.fields+`}}`))
			if c.status == 400 {
				assert.Equal(t, 400, w.Code, "%s", w.Body)
			} else {
				assert.Contains(t, []int{200, 400}, w.Code, "%s", w.Body)
			}
			f.checkAcknowledged(t)
		})
	}
}

// Two requests that are valid separately do not together create an unreadable
// resource.
func TestPatchesMakeNothingUnreadable(t *testing.T) {
	f := newFuzzed(t)
	require.Equal(t, 201, f.do("POST", "/Users", user("one", `"k":1,"o":{"s":1}`)).Code)
	var listed struct{ Resources []struct{ ID string } }
	require.NoError(t, json.Unmarshal(f.do("GET", "/Users", "").Body.Bytes(), &listed))
	target := "/Users/" + listed.Resources[0].ID
	for _, op := range []string{
		`{"op":"add","value":{"K":2}}`, `{"op":"replace","path":"o","value":{"ſ":2}}`, `{"op":"add","value":{"urn:x:y":{"K":1}}}`,
		`{"op":"add","value":{"urn:x:Y":{"k":1}}}`, `{"op":"add","path":"urn:X:y:K","value":3}`,
	} {
		w := f.do("PATCH", target, ops(op))
		require.Contains(t, []int{200, 400}, w.Code, "%s: %s", op, w.Body)
		f.checkAcknowledged(t)
	}
}

// An element that a value filter describes, and a PATCH creates, has the types of
// its attribute, as if it had been sent (RFC 7644 section 3.5.2.3).
func TestCreatedElementsHaveTheirTypes(t *testing.T) {
	for path, want := range map[string]string{
		`emails[primary eq \"True\"].value`:              `"emails":[{"primary":true,"value":"v"}]`,
		`emails[primary eq \"no\"].value`:                "",
		`emails[type eq 7].value`:                        `"emails":[{"type":"7","value":"v"}]`,
		`emails[type eq true and primary eq true].value`: `"emails":[{"type":"true","primary":true,"value":"v"}]`,
		`emails[TYPE eq \"work\"].value`:                 `"emails":[{"type":"work","value":"v"}]`,
		`x509Certificates[value eq \"!\"].display`:       "",
		`x509Certificates[value eq \"AAAA\"].display`:    `"x509Certificates":[{"value":"AAAA","display":"v"}]`,
		`emails[type eq \"\"].value`:                     `"emails":[{"value":"v"}]`,
		`others[primary eq \"True\"].value`:              `"others":[{"primary":"True","value":"v"}]`,
	} {
		f := newFuzzed(t)
		w := f.do("POST", "/Users", user("one"))
		require.Equal(t, 201, w.Code)
		target := strings.TrimPrefix(w.Header().Get("Location"), "http://h")
		w = f.do("PATCH", target, ops(`{"op":"add","path":"`+path+`","value":"v"}`))
		if want == "" {
			assert.Equal(t, 400, w.Code, "%s: %s", path, w.Body)
		} else {
			assert.Equal(t, 200, w.Code, "%s: %s", path, w.Body)
			assert.Contains(t, w.Body.String(), want, path)
		}
		f.checkAcknowledged(t)
	}
}

// anyName generates names that the handler knows, and near misses of them.
var anyName = rapid.OneOf(
	rapid.SampledFrom([]string{
		"userName", "uſerName", "displayName", "title", "name", "name.givenName", "emails", "emails.value", "emailſ", "active", "roles", "schemas", "members",
		"groups", "id", "meta", "meta.created", "externalId", "value", "type", "primary", "$ref", "password", "addresses", "k", "K", "K", "ς", "σ", "a.b", "a.b.c", ":", "", "urn:", "urn:x",
		"urn:x:y", "URN:X:Y", "urn:x:y:z", userURN, userURN + ":title", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
		"urn:ietf:params:scim:schemas:extenſion:enterprise:2.0:User:manager", "manager", "department", "managerEmail", "secondaryEmails",
	}),
	rapid.StringOfN(rapid.SampledFrom([]rune("aAkK.[]\":é ")), 0, 4, -1),
)

// anyValue generates a JSON value.
func anyValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		most := 9
		if depth == 0 {
			most = 6
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return json.Number(rapid.SampledFrom([]string{"0", "-0", "1.0", "1e2", "12345678901234567890", "0.1"}).Draw(t, "number"))
		case 3:
			return rapid.SampledFrom([]string{"", "a", "A", "true", "{\"value\":1}", "[]", "2020-01-01T00:00:00Z", "é\u2028<>&\"\\", "urn:x:y", userURN, groupURN}).Draw(t, "text")
		case 4:
			return rapid.String().Draw(t, "any text")
		case 5, 6, 7:
			return anyObject(max(depth-1, 0), 3).Draw(t, "object")
		}
		return rapid.SliceOfN(anyValue(depth-1), 0, 3).Draw(t, "list")
	})
}

func anyObject(depth, most int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		out := map[string]any{}
		for range rapid.IntRange(0, most).Draw(t, "names") {
			name := anyName.Draw(t, "name")
			if depth == 0 {
				out[name] = rapid.SampledFrom([]any{"x", true, nil, json.Number("7"), ""}).Draw(t, "value")
			} else {
				out[name] = anyValue(depth-1).Draw(t, "value")
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "padded") == 0 {
			for i := range 20 {
				out[fmt.Sprint("pad", i)] = i
			}
		}
		return out
	})
}

// After any sequence of POST, PUT and PATCH, what the store holds can be read
// in every way.
func TestWhateverIsAcceptedCanBeRead(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFuzzed(t)
		text := func(v any) string {
			out, err := json.Marshal(v)
			require.NoError(t, err)
			return string(out)
		}
		var targets []string
		for range rapid.IntRange(1, 5).Draw(r, "requests") {
			body := anyObject(3, 5).Draw(r, "body").(map[string]any)
			var w *httptest.ResponseRecorder
			switch rapid.IntRange(0, 3).Draw(r, "request") {
			case 0:
				body["schemas"], body["userName"] = []string{userURN}, fmt.Sprint("u", len(targets))
				w = f.do("POST", "/Users", text(body))
			case 1:
				body["schemas"], body["displayName"] = []string{groupURN}, "g"
				w = f.do("POST", "/Groups", text(body))
			default:
				if len(targets) == 0 {
					continue
				}
				op := map[string]any{"op": rapid.SampledFrom([]string{"add", "replace", "remove"}).Draw(r, "op"), "value": body}
				if rapid.Bool().Draw(r, "has a path") {
					op["value"] = anyValue(3).Draw(r, "value")
					op["path"] = anyName.Draw(r, "path") + rapid.SampledFrom([]string{"", "", `[value eq "a"]`, `[type pr].x`}).Draw(r, "filter")
				}
				w = f.do("PATCH", rapid.SampledFrom(targets).Draw(r, "target"), ops(text(op)))
			}
			require.Less(t, w.Code, 500, "%s", w.Body)
			if w.Code == 201 {
				targets = append(targets, strings.TrimPrefix(w.Header().Get("Location"), "http://h"))
			}
		}
		f.checkAcknowledged(t)
	})
}
