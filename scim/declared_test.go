package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

const plantURN = "urn:example:plant:2.0:User"

// plant is an extension whose attributes have the characteristics of RFC 7643
// section 7, at the top and in complex attributes.
const plant = `{"id":"` + plantURN + `","attributes":[
{"name":"badge","type":"string","caseExact":true,"uniqueness":"server"},
{"name":"lockers","type":"string","multiValued":true,"uniqueness":"global"},
{"name":"seat","type":"integer","uniqueness":"server"},
{"name":"level","type":"integer"},
{"name":"notes","type":"string","returned":"request"},
{"name":"site","type":"reference","referenceTypes":["uri"]},
{"name":"cards","type":"complex","multiValued":true,"subAttributes":[{"name":"value","type":"string","uniqueness":"server"},{"name":"photo","type":"binary"}]},
{"name":"shift","type":"complex","subAttributes":[{"name":"site","type":"string","required":true},
 {"name":"since","type":"string","mutability":"immutable"},{"name":"hours","type":"integer"},{"name":"remark","type":"string","returned":"request"}]},
{"name":"keys","type":"complex","multiValued":true,"subAttributes":[{"name":"value","type":"string","required":true},{"name":"type","type":"string"},
 {"name":"primary","type":"boolean"},{"name":"cut","type":"string","mutability":"immutable"},{"name":"door","type":"string","mutability":"readOnly"},
 {"name":"remark","type":"string","returned":"request"}]}]}`

func plantServer(t *testing.T, cfg scim.Config) *httptest.Server {
	t.Helper()
	var declared schema.Schema
	require.NoError(t, json.Unmarshal([]byte(plant), &declared))
	cfg.UserExtensions = []schema.Schema{declared}
	return mount(t, cfg)
}

func plantUser(name, fields string) string { return user(name, `"`+plantURN+`":{`+fields+`}`) }

// RFC 7643 section 7, uniqueness "server": "The value SHOULD be unique within
// the context of the current SCIM endpoint (or tenancy)". RFC 7644 section 3.3:
// a conflict is 409 with the scimType "uniqueness".
func TestDeclaredUniqueness(t *testing.T) {
	server := plantServer(t, scim.Config{})
	a := create(t, server, "/Users", plantUser("a", `"badge":"B1","lockers":["L1","L2"],"seat":7`))
	b := create(t, server, "/Users", plantUser("b", `"badge":"b1","lockers":["L3"],"seat":8`)) // badges are case-exact
	create(t, server, "/Users", plantUser("cards", `"cards":[{"value":"K1"},{"value":"K2"}]`))
	for body, name := range map[string]string{
		plantUser("c", `"cards":["k2"]`):         plantURN + ":cards.value",
		plantUser("c", `"badge":"B1"`):           plantURN + ":badge",
		plantUser("c", `"lockers":["l2"]`):       plantURN + ":lockers",
		plantUser("c", `"seat":"7"`):             plantURN + ":seat",
		plantUser("a", `"badge":"B2"`):           "userName",
		plantUser("c", `"badge":"B2","seat":8`):  plantURN + ":seat",
		user("c", `"badge":"B1"`):                plantURN + ":badge",
		user("c", `"`+plantURN+`:badge":"B1"`):   plantURN + ":badge",
		plantUser("c", `"lockers":["L9","L3"]`):  plantURN + ":lockers",
		plantUser("A", `"lockers":["L9","L10"]`): "userName",
	} {
		r := send(t, server, testToken, "POST", "/Users", body)
		assert.Equal(t, 409, r.status, body)
		assert.Equal(t, "uniqueness", r.scimType(), body)
		assert.Contains(t, r.body["detail"], name+": ", body)
	}
	path := "/Users/" + b.id()
	for _, c := range [][2]string{
		{"PATCH", ops(`{"op":"replace","path":"` + plantURN + `:badge","value":"B1"}`)},
		{"PATCH", ops(`{"op":"add","path":"lockers","value":["L1"]}`)},
		{"PUT", plantUser("b", `"seat":7`)},
	} {
		r := send(t, server, testToken, c[0], path, c[1])
		assert.Equal(t, 409, r.status, c[1])
		assert.Equal(t, "uniqueness", r.scimType(), c[1])
	}
	assert.Equal(t, b.body, send(t, server, testToken, "GET", path, "").body)
	// Its own value is no conflict, and a value that is given up is free.
	assert.Equal(t, 200, send(t, server, testToken, "PUT", path, plantUser("b", `"badge":"b1","level":1`)).status)
	assert.Equal(t, 200, send(t, server, testToken, "PATCH", path, ops(`{"op":"add","path":"`+plantURN+`:seat","value":9}`)).status)
	assert.Equal(t, 201, send(t, server, testToken, "POST", "/Users", plantUser("c", `"seat":8,"lockers":"L3"`)).status)
	assert.Equal(t, 204, send(t, server, testToken, "DELETE", "/Users/"+a.id(), "").status)
	assert.Equal(t, 201, send(t, server, testToken, "POST", "/Users", plantUser("d", `"badge":"B1","seat":7`)).status)
	assert.Equal(t, 201, send(t, server, "another-tenant", "POST", "/Users", plantUser("d", `"badge":"B1","seat":7`)).status)
	// Values that a store cannot index are refused.
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf("%q", fmt.Sprint("many", i)))
	}
	for _, fields := range []string{`"badge":"` + strings.Repeat("x", scim.MaxKeyBytes+1) + `"`, `"lockers":[` + strings.Join(many, ",") + `]`} {
		r := send(t, server, testToken, "POST", "/Users", plantUser("long", fields))
		assert.Equal(t, 400, r.status)
		assert.Equal(t, "invalidValue", r.scimType())
	}
}

// RFC 7643 sections 2.3.6 and 2.3.7: values of the types binary and reference are
// case-exact, whatever the declaration says.
func TestCaseOfReferencesAndBinaries(t *testing.T) {
	server := plantServer(t, scim.Config{})
	create(t, server, "/Users", plantUser("a", `"site":"https://example.com/North","cards":[{"value":"K","photo":"QUJD"}]`))
	for filter, want := range map[string]float64{
		`site eq "https://example.com/North"`: 1, `site eq "https://example.com/north"`: 0, `site ew "/NORTH"`: 0, `site co "/No"`: 1,
		`cards[photo eq "QUJD"]`: 1, `cards.photo eq "qujd"`: 0, `cards.value eq "k"`: 1,
	} {
		assert.Equal(t, want, send(t, server, testToken, "GET", "/Users?filter="+url.QueryEscape(filter), "").body["totalResults"], filter)
	}
	exact := map[string]any{}
	var walk func(string, any)
	walk = func(path string, list any) {
		attributes, _ := list.([]any)
		for _, e := range attributes {
			a := e.(map[string]any)
			exact[path+a["name"].(string)] = a["caseExact"]
			walk(path+a["name"].(string)+".", a["subAttributes"])
		}
	}
	walk("", send(t, server, testToken, "GET", "/Schemas/"+plantURN, "").body["attributes"])
	assert.Equal(t, true, exact["site"])
	assert.Equal(t, true, exact["cards.photo"])
	assert.Equal(t, true, exact["badge"])
	assert.Equal(t, false, exact["cards.value"])
}

// RFC 7643 section 7, required, also applies to sub-attributes: a complex
// value has them if it is present at all.
func TestRequiredSubAttributes(t *testing.T) {
	server := plantServer(t, scim.Config{})
	for _, fields := range []string{
		`"shift":{"hours":5}`, `"shift":{"site":"","hours":5}`, `"shift":{"site":null,"since":"x"}`,
		`"keys":[{"type":"a"}]`, `"keys":[{"cut":"x"}]`, `"keys":[{"value":"v"},{"primary":true}]`,
	} {
		r := send(t, server, testToken, "POST", "/Users", plantUser("a", fields))
		assert.Equal(t, 400, r.status, fields)
		assert.Equal(t, "invalidValue", r.scimType(), fields)
	}
	a := create(t, server, "/Users", plantUser("a", `"shift":{"site":"s"},"keys":["v",{"value":"w","type":"b"},{"value":"","type":"c"}]`))
	assert.Equal(t, map[string]any{"shift": map[string]any{"site": "s"}, "keys": []any{map[string]any{"value": "v"}, map[string]any{"value": "w", "type": "b"}}}, a.body[plantURN])
	path := "/Users/" + a.id()
	for _, c := range []struct {
		op     string
		status int
	}{
		{`{"op":"add","path":"` + plantURN + `:shift.hours","value":"5"}`, 200},
		{`{"op":"replace","path":"` + plantURN + `:shift.site","value":""}`, 400},
		{`{"op":"remove","path":"` + plantURN + `:shift.site"}`, 400},
		{`{"op":"replace","path":"` + plantURN + `:shift","value":{"site":null}}`, 400},
		{`{"op":"add","path":"` + plantURN + `:keys[type eq \"z\"].cut","value":"x"}`, 400},
		{`{"op":"add","path":"` + plantURN + `:keys","value":[{"type":"z"}]}`, 400},
		{`{"op":"remove","path":"` + plantURN + `:keys[value eq \"v\"].value"}`, 400},
		{`{"op":"remove","path":"` + plantURN + `:keys[value eq \"nobody\"]"}`, 200},
		{`{"op":"add","path":"` + plantURN + `:keys[type eq \"z\"].value","value":"x"}`, 200},
		{`{"op":"remove","path":"` + plantURN + `:shift"}`, 200},
		{`{"op":"add","path":"` + plantURN + `:shift.hours","value":"5"}`, 400},
	} {
		r := send(t, server, testToken, "PATCH", path, ops(c.op))
		assert.Equal(t, c.status, r.status, "%s: %s", c.op, r.text)
	}
	// A cleared value removes its element, as in other lists.
	r := send(t, server, testToken, "PATCH", path, ops(`{"op":"replace","path":"`+plantURN+`:keys[value eq \"w\"].value","value":""}`))
	require.Equal(t, 200, r.status, r.text)
	assert.NotContains(t, r.text, `"w"`)
}

// RFC 7644 section 3.5.1: of an immutable attribute, "the input value(s) MUST
// match, or HTTP status code 400 SHOULD be returned"; a readOnly value is
// ignored. This holds for the elements of a list: an element is the same as
// long as it has its value.
func TestFixedValuesInLists(t *testing.T) {
	store := &scim.Memory{}
	server := plantServer(t, scim.Config{Store: store})
	a := create(t, server, "/Users", plantUser("a", `"keys":[{"value":"v","type":"a","cut":"c"},{"value":"w","type":"a","cut":"d"},{"value":"w","type":"b"}]`))
	dir, ref, path := scim.Directory{Tenant: "t1", Connection: "c1"}, scim.Ref{Type: "User", ID: a.id()}, "/Users/"+a.id()
	rec, err := store.Get(t.Context(), dir, ref, false)
	require.NoError(t, err)
	first := func(list string) string { return strings.Replace(list, `"cut":"c"`, `"cut":"c","door":"north"`, 1) }
	_, err = store.Apply(t.Context(), dir, scim.Write{Op: scim.Update, Ref: ref, Doc: []byte(first(string(rec.Doc))), Keys: rec.Keys}) // the host sets the readOnly value
	require.NoError(t, err)
	before := send(t, server, testToken, "GET", path, "").body
	require.Contains(t, fmt.Sprint(before), "north")

	keys := func(list string) string { return plantUser("a", `"keys":[`+list+`]`) }
	op := func(op, path, value string) string {
		return ops(`{"op":"` + op + `","path":"` + strings.ReplaceAll(path, `"`, `\"`) + `","value":` + value + `}`)
	}
	for _, c := range [][2]string{
		{"PUT", keys(`{"value":"v","type":"a","cut":"x"}`)},
		{"PUT", keys(`{"value":"v","type":"new","cut":"x"}`)},
		{"PUT", keys(`{"value":"v","cut":"x"}`)},
		{"PUT", keys(`{"value":"w","type":"a","cut":"x"},{"value":"w","type":"b"}`)},
		{"PATCH", op("replace", plantURN+":keys", `[{"value":"v","type":"a","cut":"x"}]`)},
		{"PATCH", op("replace", plantURN+`:keys[value eq "v"]`, `{"value":"v","cut":"x"}`)},
		{"PATCH", op("add", plantURN+":keys", `{"value":"v","type":"a","cut":"x"}`)},
		{"PATCH", op("add", "keys", `[{"value":"v","type":"a","cut":"x"}]`)},
		{"PATCH", op("replace", plantURN+`:keys[value eq "v"].cut`, `"x"`)},
		{"PATCH", ops(`{"op":"remove","path":"` + plantURN + `:keys[value eq \"v\"].cut"}`)},
		{"PATCH", op("replace", plantURN+`:keys[value eq "v"].door`, `"x"`)},
		{"PATCH", ops(`{"op":"replace","value":{"` + plantURN + `":{"keys":[{"value":"v","type":"a","cut":"x"}]}}}`)},
	} {
		r := send(t, server, testToken, c[0], path, c[1])
		assert.Equal(t, 400, r.status, "%s: %s", c[1], r.text)
		assert.Equal(t, "mutability", r.scimType(), c[1])
		assert.Contains(t, r.body["detail"], plantURN+":keys", c[1])
	}
	assert.Equal(t, before, send(t, server, testToken, "GET", path, "").body)

	// What is omitted or readOnly stays; another element is new.
	for _, c := range []struct{ method, body, want string }{
		{"PUT", keys(`{"value":"v","type":"a","door":"forged"},{"value":"w","type":"c","cut":"new"}`), `[{"cut":"c","door":"north","type":"a","value":"v"},{"cut":"new","type":"c","value":"w"}]`},
		{"PATCH", op("replace", plantURN+":keys", `[{"value":"v","type":"z"}]`), `[{"cut":"c","door":"north","type":"z","value":"v"}]`},
		{"PATCH", op("replace", plantURN+`:keys[value eq "v"]`, `{"value":"v","type":"a"}`), `[{"cut":"c","door":"north","type":"a","value":"v"}]`},
		{"PATCH", op("add", plantURN+`:keys`, `{"value":"v","type":"b","cut":"other"}`), `[{"cut":"c","door":"north","type":"a","value":"v"},{"cut":"other","type":"b","value":"v"}]`},
		{"PATCH", op("replace", plantURN+`:keys[type eq "a"]`, `{"value":"u","cut":"another key"}`), `[{"cut":"another key","type":"a","value":"u"},{"cut":"other","type":"b","value":"v"}]`},
	} {
		r := send(t, server, testToken, c.method, path, c.body)
		require.Equal(t, 200, r.status, "%s: %s", c.body, r.text)
		got, err := json.Marshal(r.body[plantURN].(map[string]any)["keys"])
		require.NoError(t, err)
		assert.JSONEq(t, c.want, string(got), c.body)
	}
}

// RFC 7643 section 7, returned "request": "The attribute is returned in
// response to any PUT, POST, or PATCH operations if the attribute was specified
// by the client (for example, the attribute was modified). The attribute is
// returned in a SCIM query operation only if specified in the "attributes"
// parameter."
func TestReturnedOnRequest(t *testing.T) {
	server := plantServer(t, scim.Config{})
	const fields = `"level":1,"notes":"n1","shift":{"site":"s","remark":"r1"},"keys":[{"value":"v","remark":"k1"}]`
	has := func(a answer, what string, want ...string) {
		t.Helper()
		require.Less(t, a.status, 300, a.text)
		for _, secret := range []string{"n1", "r1", "k1"} {
			assert.Equal(t, strings.Contains(strings.Join(want, " "), secret), strings.Contains(a.text, `"`+secret+`"`), "%s: %s in %s", what, secret, a.text)
		}
	}
	a := create(t, server, "/Users", plantUser("a", fields))
	path := "/Users/" + a.id()
	has(a, "POST", "n1", "r1", "k1")
	has(send(t, server, testToken, "PUT", path, plantUser("a", fields)), "PUT", "n1", "r1", "k1")
	get := func(query string) answer { return send(t, server, testToken, "GET", path+query, "") }
	has(get(""), "GET")
	has(send(t, server, testToken, "GET", "/Users", ""), "a list")
	has(get("?attributes=userName"), "another attribute")
	has(get("?attributes=notes"), "attributes", "n1")
	has(get("?attributes="+plantURN+":shift.remark"), "a sub-attribute", "r1")
	has(get("?attributes="+plantURN+":shift"), "its attribute", "r1")
	has(get("?attributes="+plantURN+":shift.site"), "another sub-attribute")
	has(get("?attributes=keys.remark"), "a sub-attribute of a list", "k1")
	has(get("?attributes="+plantURN), "the extension", "n1", "r1", "k1")
	has(get("?excludedAttributes=title"), "excluded")
	patch := func(query string, operation ...string) answer {
		return send(t, server, testToken, "PATCH", path+query, ops(operation...))
	}
	has(patch("", `{"op":"replace","path":"title","value":"t"}`), "PATCH of another attribute")
	has(patch("", `{"op":"replace","path":"`+plantURN+`:notes","value":"n1"}`), "PATCH", "n1")
	has(patch("", `{"op":"replace","path":"`+plantURN+`:shift.remark","value":"r1"}`), "PATCH of a sub-attribute", "r1")
	has(patch("", `{"op":"replace","path":"`+plantURN+`:shift.site","value":"s"}`), "PATCH of another sub-attribute")
	has(patch("", `{"op":"add","path":"`+plantURN+`:keys[value eq \"v\"].remark","value":"k1"}`), "PATCH with a filter", "k1")
	has(patch("", `{"op":"add","value":{"`+plantURN+`":{"notes":"n1"}}}`), "PATCH without a path", "n1")
	has(patch("?attributes=title", `{"op":"replace","path":"notes","value":"n1"}`), "PATCH that asks for another")
	has(patch("?excludedAttributes=notes", `{"op":"replace","path":"notes","value":"n1"}`, `{"op":"replace","path":"shift.remark","value":"r1"}`), "PATCH that excludes it", "r1")
	assert.Equal(t, 1.0, send(t, server, testToken, "GET", "/Users?filter="+url.QueryEscape(`notes eq "n1"`), "").body["totalResults"])
}

// RFC 7644 section 3.10: a sub-attribute has a dotted name. It means the same in
// the object of an extension as at the top of a body.
func TestDottedNamesInAnExtension(t *testing.T) {
	server := plantServer(t, scim.Config{})
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	bodies := func(name string) map[string]string {
		return map[string]string{
			"POST": user(name, `"`+plantURN+`":{"Shift.Site":"s","shift.hours":"5","keys.value":"x"},"`+enterprise+`":{"manager.value":"m1"}`),
			"PUT":  user(name, `"`+plantURN+`":{"shift.site":"s","shift":{"site":"s","hours":5}},"`+enterprise+`":{"MANAGER.VALUE":"m1"}`),
		}
	}
	a := create(t, server, "/Users", bodies("a")["POST"])
	b := send(t, server, testToken, "PUT", "/Users/"+a.id(), bodies("a")["PUT"])
	for _, got := range []answer{a, b} {
		assert.Equal(t, map[string]any{"site": "s", "hours": 5.0}, got.body[plantURN].(map[string]any)["shift"])
		assert.Equal(t, map[string]any{"manager": map[string]any{"value": "m1"}}, got.body[enterprise])
	}
}

// S12: an explicit active=false always counts. A characteristic that the host
// declares later does not prevent it, and holds from the next change of its
// value on.
func TestDeclaredLater(t *testing.T) {
	for _, kind := range storeKinds {
		t.Run(kind, func(t *testing.T) { declareLater(t, stores[kind](t)) })
	}
}

func declareLater(t *testing.T, store scim.Store) {
	earlier := mount(t, scim.Config{Store: store})
	var long strings.Builder
	for i := range 101 {
		fmt.Fprintf(&long, `"L%d",`, i)
	}
	fields := `"badge":"B1","keys":[{"type":"a"}],"shift":{"hours":5},"seat":7,"lockers":[` + long.String() + `"` + strings.Repeat("x", scim.MaxKeyBytes+1) + `"]`
	a, b := create(t, earlier, "/Users", plantUser("a", fields)), create(t, earlier, "/Users", plantUser("b", fields))

	var declared schema.Schema
	required := strings.Replace(plant, `"name":"level","type":"integer"`, `"name":"level","type":"integer","required":true`, 1)
	require.NoError(t, json.Unmarshal([]byte(required), &declared))
	server := mount(t, scim.Config{Store: store, UserExtensions: []schema.Schema{declared}})
	for _, u := range []answer{a, b} {
		for _, active := range []string{"false", "true"} {
			r := send(t, server, testToken, "PATCH", "/Users/"+u.id(), ops(`{"op":"replace","path":"active","value":`+active+`}`))
			require.Equal(t, 200, r.status, r.text)
			assert.Equal(t, active, fmt.Sprint(r.body["active"]))
		}
		body := send(t, server, testToken, "GET", "/Users/"+u.id(), "").body
		body["active"] = false
		echo, err := json.Marshal(body)
		require.NoError(t, err)
		r := send(t, server, testToken, "PUT", "/Users/"+u.id(), string(echo))
		require.Equal(t, 200, r.status, r.text)
		assert.Equal(t, false, r.body["active"])
		assert.Equal(t, body[plantURN], r.body[plantURN])
	}
	for _, c := range []struct {
		op     string
		status int
	}{
		{`{"op":"add","path":"` + plantURN + `:keys","value":[{"type":"b"}]}`, 400},
		{`{"op":"add","path":"` + plantURN + `:shift.hours","value":6}`, 400},
		{`{"op":"add","path":"` + plantURN + `:lockers","value":["another"]}`, 400},
		{`{"op":"replace","path":"` + plantURN + `:level","value":3}`, 200},
		{`{"op":"remove","path":"` + plantURN + `:level"}`, 400},
		{`{"op":"replace","path":"` + plantURN + `:badge","value":"B2"}`, 200},
		{`{"op":"replace","path":"` + plantURN + `:badge","value":"B1"}`, 409},
	} {
		r := send(t, server, testToken, "PATCH", "/Users/"+b.id(), ops(c.op))
		assert.Equal(t, c.status, r.status, "%s: %s", c.op, r.text)
	}
	r := send(t, server, testToken, "POST", "/Users", plantUser("c", `"level":1,"badge":"B1"`))
	assert.Equal(t, 409, r.status, r.text)
}

// RFC 7643 section 7, caseExact also holds for a unique attribute by whose
// folded value filters find a resource.
func TestExactUniqueDisplayName(t *testing.T) {
	var declared schema.Schema
	require.NoError(t, json.Unmarshal([]byte(`{"id":"urn:example:Device","attributes":[{"name":"displayName","type":"string","caseExact":true,"uniqueness":"server"}]}`), &declared))
	server := mount(t, scim.Config{Types: []scim.ResourceType{{Name: "Device", Endpoint: "/Devices", Schema: declared}}})
	for _, c := range []struct {
		name   string
		status int
	}{{"Foo", 201}, {"foo", 201}, {"FOO", 201}, {"foo", 409}} {
		r := send(t, server, testToken, "POST", "/Devices", `{"schemas":["urn:example:Device"],"displayName":"`+c.name+`"}`)
		assert.Equal(t, c.status, r.status, r.text)
	}
}

// An answer of the handler can be sent back, and its resource changed, however
// many schemas the client named (at most 100 undeclared ones).
func TestManySchemas(t *testing.T) {
	server := mount(t, scim.Config{})
	named := func(n int) string {
		body := map[string]any{"userName": fmt.Sprint("u", n), "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]any{"department": "d"}, "urn:y:z": map[string]any{"k": 1}}
		schemas := []string{userURN}
		for i := range n {
			schemas = append(schemas, fmt.Sprint("urn:x:", i), fmt.Sprint("urn:X:", i))
		}
		body["schemas"] = schemas
		text, err := json.Marshal(body)
		require.NoError(t, err)
		return string(text)
	}
	assert.Equal(t, 400, send(t, server, testToken, "POST", "/Users", named(101)).status)
	a := create(t, server, "/Users", named(100))
	path := "/Users/" + a.id()
	r := send(t, server, testToken, "PUT", path, a.text)
	assert.Equal(t, 200, r.status, r.text)
	assert.Equal(t, a.body["schemas"], r.body["schemas"])
	r = send(t, server, testToken, "PATCH", path, ops(`{"op":"add","path":"schemas","value":["urn:x:101"]}`))
	assert.Equal(t, 400, r.status, r.text)
	r = send(t, server, testToken, "PATCH", path, ops(`{"op":"replace","path":"active","value":false}`))
	assert.Equal(t, 200, r.status, r.text)
}

// A number is accepted for a unique text if it has only digits, so that it has
// only one text. The user name is never a number.
func TestNumbersAsUniqueTexts(t *testing.T) {
	server := plantServer(t, scim.Config{})
	assert.Equal(t, "17", create(t, server, "/Users", plantUser("a", `"badge":17`)).body[plantURN].(map[string]any)["badge"])
	for body, status := range map[string]int{
		plantUser("b", `"badge":"17"`):                  409,
		plantUser("b", `"badge":17.0`):                  400,
		plantUser("b", `"badge":-17`):                   400,
		plantUser("b", `"badge":true`):                  400,
		`{"schemas":["` + userURN + `"],"userName":17}`: 400,
	} {
		r := send(t, server, testToken, "POST", "/Users", body)
		assert.Equal(t, status, r.status, "%s: %s", body, r.text)
	}
}

// RFC 7644 section 3.3: readOnly values that a client sends back are ignored.
func TestEchoedDottedNames(t *testing.T) {
	server := plantServer(t, scim.Config{})
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	a := create(t, server, "/Users", user("a", `"`+enterprise+`":{"manager.value":"m","manager.displayName":"Ana"}`))
	for _, op := range []string{
		`{"op":"replace","path":"` + enterprise + `","value":{"manager.displayName":"Ana","department":"d"}}`,
		`{"op":"replace","value":{"` + enterprise + `":{"manager.displayName":"Ana"}}}`,
		`{"op":"replace","value":{"manager.displayName":"Ana"}}`,
		`{"op":"replace","value":{"` + enterprise + `:manager.displayName":"Ana"}}`,
		`{"op":"replace","value":{"meta.version":"1"}}`,
	} {
		r := send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(op))
		assert.Equal(t, 200, r.status, "%s: %s", op, r.text)
	}
	r := send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(`{"op":"replace","path":"manager.displayName","value":"Ana"}`))
	assert.Equal(t, "mutability", r.scimType())
	r = send(t, server, testToken, "POST", "/Users", user("b", `"roles":[{"type":"t"}]`))
	assert.Contains(t, r.body["detail"], "roles.value: want a value; without it the element grants nothing")
}
