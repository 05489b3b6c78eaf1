package scim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

func bulk(tb testing.TB, failOnErrors int, operations ...string) []map[string]any {
	tb.Helper()
	return bulkOn(tb, scim.Config{}, failOnErrors, operations...)
}

func bulkOn(tb testing.TB, cfg scim.Config, failOnErrors int, operations ...string) []map[string]any {
	tb.Helper()
	server := mount(tb, cfg)
	a := send(tb, server, testToken, "POST", "/Bulk", fmt.Sprintf(
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"failOnErrors":%d,"Operations":[%s]}`, failOnErrors, strings.Join(operations, ",")))
	require.Equal(tb, 200, a.status, a.text)
	var out []map[string]any
	for _, e := range a.body["Operations"].([]any) {
		out = append(out, e.(map[string]any))
	}
	return out
}

func statuses(results []map[string]any) (out []string) {
	for _, r := range results {
		out = append(out, r["status"].(string))
	}
	return out
}

func post(path, id, data string) string {
	return fmt.Sprintf(`{"method":"post","path":%q,"bulkId":%q,"data":%s}`, path, id, data)
}

// RFC 7644 section 3.7.
func TestBulkResolvesReferences(t *testing.T) {
	store := &scim.Memory{}
	results := bulkOn(t, scim.Config{Store: store}, 0,
		post("/Groups", "g", group("g", "bulkId:u")), // a forward reference
		post("/Users", "u", user("u", `"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"bulkId:m"}}`)),
		post("/Users", "m", user("m")),
		`{"method":"PATCH","path":"/Users/bulkId:u","data":`+ops(`{"op":"replace","path":"title","value":"T"}`)+`}`,
		`{"method":"DELETE","path":"/Users/bulkId:m"}`,
	)
	assert.Equal(t, []string{"201", "201", "201", "200", "204"}, statuses(results))
	assert.Equal(t, "g", results[0]["bulkId"])
	assert.Contains(t, results[0]["location"], "/scim/v2/Groups/")
	assert.NotEmpty(t, results[1]["version"])
	server := mount(t, scim.Config{Store: store})
	u := send(t, server, testToken, "GET", "/Users?filter=userName%20eq%20u", "").resources()[0]
	assert.Equal(t, "T", u["title"])
	assert.Len(t, u["groups"], 1)
	manager := u["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(map[string]any)["manager"].(map[string]any)["value"]
	assert.True(t, strings.HasSuffix(results[2]["location"].(string), manager.(string)))
}

// RFC 7644 section 3.7: the version in an answer is "The current resource
// version", so that the client can use it in If-Match. A user who joins a group
// in the same request has another version afterwards.
func TestBulkAnswersCurrentVersions(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	in, gone := create(t, server, "/Users", user("in")).id(), create(t, server, "/Users", user("gone")).id()
	club := create(t, server, "/Groups", group("club", in, gone)).id()
	results := bulkOn(t, scim.Config{Store: store}, 0,
		post("/Users", "a", user("a")),
		post("/Users", "b", user("b")),
		post("/Groups", "g", group("g", "bulkId:a", "bulkId:h", in)),
		post("/Groups", "h", group("h", "bulkId:g")), // a circle
		`{"method":"PATCH","path":"/Users/`+in+`","data":`+ops(`{"op":"replace","path":"title","value":"T"}`)+`}`,
		`{"method":"PATCH","path":"/Groups/`+club+`","data":`+ops(`{"op":"replace","path":"displayName","value":"Club"}`)+`}`,
		`{"method":"PUT","path":"/Users/`+gone+`","data":`+user("gone", `"title":"T"`)+`}`,
		`{"method":"DELETE","path":"/Users/`+gone+`"}`,
		`{"method":"DELETE","path":"/Users/nobody"}`,
	)
	require.Equal(t, []string{"201", "201", "201", "201", "200", "200", "200", "204", "404"}, statuses(results))
	for i, r := range results[:6] {
		_, path, _ := strings.Cut(r["location"].(string), "/scim/v2")
		now := send(t, server, testToken, "GET", path, "")
		assert.Equal(t, now.header.Get("Etag"), r["version"], "operation %d", i)
		patched := send(t, server, testToken, "PATCH", path, ops(`{"op":"replace","path":"externalId","value":"e"}`), "If-Match", r["version"].(string))
		assert.Less(t, patched.status, 300, "operation %d: %s", i, patched.text)
	}
	assert.NotEmpty(t, results[6]["version"])
	// Without groups no resource changes but its own; the tag has its groups.
	results = bulkOn(t, scim.Config{Store: store}, 0, `{"method":"PATCH","path":"/Users/`+in+`","data":`+ops(`{"op":"replace","path":"title","value":"U"}`)+`}`)
	assert.Equal(t, send(t, server, testToken, "GET", "/Users/"+in, "").header.Get("Etag"), results[0]["version"])
}

func TestBulkOpensCircles(t *testing.T) {
	store := &scim.Memory{}
	results := bulkOn(t, scim.Config{Store: store}, 0,
		post("/Groups", "a", group("a", "bulkId:b")), post("/Groups", "b", group("b", "bulkId:c")), post("/Groups", "c", group("c", "bulkId:a")),
		post("/Groups", "self", group("self", "bulkId:self")))
	assert.Equal(t, []string{"201", "201", "201", "201"}, statuses(results))
	server := mount(t, scim.Config{Store: store})
	for _, g := range send(t, server, testToken, "GET", "/Groups", "").resources() {
		assert.Len(t, g["members"], 1, g["displayName"])
	}
}

func TestBulkReportsErrors(t *testing.T) {
	results := bulk(t, 0,
		post("/Users", "a", user("same")), post("/Users", "b", user("same")), post("/Groups", "g", group("g", "bulkId:b")),
		post("/Groups", "h", group("h", "bulkId:nobody")), post("/Users", "a", user("other")), post("/Users", "", user("nameless")),
		post("/Cars", "c", `{}`), post("/Users/1", "d", `{}`), `{"method":"GET","path":"/Users/1"}`, `{"method":"DELETE","path":"/Users"}`,
		`{"method":"PUT","path":"/Users/1"}`, `{"method":"DELETE","path":"/Users/1","version":"W/\"1\""}`,
		`{"method":"PATCH","path":"/Users/bulkId:zzz","data":{"Operations":[]}}`)
	assert.Equal(t, []string{"201", "409", "409", "400", "400", "400", "404", "400", "400", "400", "400", "404", "400"}, statuses(results))
	response := results[1]["response"].(map[string]any)
	assert.Equal(t, "uniqueness", response["scimType"])
	assert.Equal(t, "409", response["status"])
}

func TestBulkStopsAfterErrors(t *testing.T) {
	results := bulk(t, 2, post("/Users", "a", `{}`), post("/Users", "b", user("b")), post("/Users", "c", `{}`), post("/Users", "d", user("d")))
	assert.Equal(t, []string{"400", "201", "400"}, statuses(results))
}

func TestBulkChanges(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	a := create(t, server, "/Users", user("a"))
	path := "/Users/" + a.id()
	tag := strings.ReplaceAll(a.header.Get("ETag"), `"`, `\"`)
	results := bulkOn(t, scim.Config{Store: store}, 0,
		`{"method":"PUT","path":"`+path+`","version":"`+tag+`","data":`+user("a", `"title":"T"`)+`}`,
		`{"method":"PUT","path":"`+path+`","version":"`+tag+`","data":`+user("a", `"title":"U"`)+`}`,
		post("/Users", "b", strings.ReplaceAll(fmt.Sprintf("%q", user("b")), "\n", "")), // JSON inside a string
		`{"method":"POST","path":"/Users","bulkId":"c","data":"no JSON"}`,
	)
	assert.Equal(t, []string{"200", "412", "201", "400"}, statuses(results))
	assert.Equal(t, "T", send(t, server, testToken, "GET", path, "").body["title"])

	for _, body := range []string{`{}`, `{"Operations":5}`, `{"Operations":[5]}`, `{"Operations":[],"failOnErrors":"x"}`} {
		assert.Equal(t, 400, send(t, server, testToken, "POST", "/Bulk", body).status, body)
	}
}
