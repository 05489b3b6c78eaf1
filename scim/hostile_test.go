package scim_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"context"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

func nested(open, inner, shut string, depth int) string {
	return strings.Repeat(open, depth) + inner + strings.Repeat(shut, depth)
}

// Harmful requests are refused with a SCIM error, and the server continues to
// work.
func TestHostileRequests(t *testing.T) {
	server := mount(t, scim.Config{})
	victim := create(t, server, "/Users", user("victim", `"emails":[{"value":"v@example.com","type":"work"}]`))
	path := "/Users/" + victim.id()
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }

	for _, c := range []struct {
		name, method, path, body string
		status                   []int
		scimType                 string
	}{
		{"100,000 open parentheses in the URL", "GET", "/Users?filter=" + strings.Repeat("(", 100_000), "", []int{400}, "invalidFilter"},
		{"100,000 open parentheses in a search", "POST", "/.search", `{"filter":"` + strings.Repeat("(", 100_000) + `"}`, []int{400}, "invalidFilter"},
		{"8,000 open parentheses", "POST", "/.search", `{"filter":"` + strings.Repeat("(", 8_000) + `"}`, []int{400}, "invalidFilter"},
		{"8,000 nots", "POST", "/.search", `{"filter":"` + strings.Repeat("not (", 1_600) + `"}`, []int{400}, "invalidFilter"},
		{"brackets in brackets", "POST", "/Users/.search", `{"filter":"` + nested("emails[", "type pr", "]", 100) + `"}`, []int{400}, "invalidFilter"},
		{"an attribute name of 1 MB", "POST", "/Users", user("x", `"`+strings.Repeat("a", 1_000_000)+`":1`), []int{201, 400}, ""},
		{"a path of 1 MB", "PATCH", path, ops(`{"op":"add","path":"` + strings.Repeat("a", 1_000_000) + `","value":1}`), []int{400}, "invalidPath"},
		{"a key of 1 MB", "PATCH", path, ops(`{"op":"add","value":{"` + strings.Repeat("a", 1_000_000) + `":1}}`), []int{400}, "invalidPath"},
		{"a URL of 9 KB", "GET", "/Users?attributes=" + strings.Repeat("a", 9_000), "", []int{414}, ""},
		{"a body of 50 MB", "POST", "/Users", user("x", `"title":"`+strings.Repeat("a", 50_000_000)+`"`), []int{413}, ""},
		{"10,000-deep JSON", "POST", "/Users", user("x", `"a":`+nested("[", "", "]", 10_000)), []int{400}, "invalidSyntax"},
		{"100,000-deep objects", "POST", "/Users", strings.Repeat(`{"a":`, 100_000), []int{400}, "invalidSyntax"},
		{"100,000 operations", "PATCH", path, ops(many(20_000, `{"op":"add","path":"title","value":"a"}`)), []int{413}, ""},
		{"100,000 bulk operations", "POST", "/Bulk", `{"Operations":[` + many(20_000, `{"method":"DELETE","path":"/Users/1"}`) + `]}`, []int{413}, ""},
		{"invalid UTF-8", "POST", "/Users", user("x", "\"title\":\"\xff\xfe\""), []int{400}, "invalidSyntax"},
		{"invalid UTF-8 behind an escape", "POST", "/Users", user("x", "\"title\":\"\\n\xff\""), []int{400}, "invalidSyntax"},
		{"half a surrogate", "POST", "/Users", user("x", `"title":"\ud800"`), []int{400}, "invalidSyntax"},
		{"a NUL", "POST", "/Users", user("x", `"title":"a\u0000b"`), []int{400}, "invalidValue"},
		{"a raw NUL", "POST", "/Users", user("x", "\"title\":\"a\x00b\""), []int{400}, "invalidSyntax"},
		{"a NUL in a filter", "GET", "/Users?filter=" + url.QueryEscape("userName eq a\x00b"), "", []int{400}, "invalidFilter"},
		{"duplicate keys", "POST", "/Users", user("x", `"title":"a","title":"b"`), []int{400}, "invalidSyntax"},
		{"duplicate keys in another case", "POST", "/Users", user("x", `"USERNAME":"y"`), []int{400}, "invalidSyntax"},
		{"5,000 names in an object", "POST", "/Users", user("x", func() string {
			var b strings.Builder
			for i := range 5_000 {
				fmt.Fprintf(&b, `"n%d":1,`, i)
			}
			return strings.TrimSuffix(b.String(), ",")
		}()), []int{400}, "invalidSyntax"},
		{"a number beyond range", "POST", "/Users", user("x", `"a":1e999`), []int{400}, "invalidValue"},
		{"a number of 1,000 digits", "POST", "/Users", user("x", `"a":`+strings.Repeat("9", 1_000)), []int{400}, "invalidValue"},
		{"two values", "POST", "/Users", user("x") + user("y"), []int{400}, "invalidSyntax"},
		{"a broken circle", "POST", "/Bulk", `{"Operations":[{"method":"PATCH","path":"/Users/bulkId:a","bulkId":"a","data":{}}]}`, []int{200}, ""},
		{"a value longer than a key", "POST", "/Users", user(strings.Repeat("u", 2_000)), []int{400}, "invalidValue"},
		{"10,000 addresses", "POST", "/Users", user("x", `"emails":[`+many(10_000, `{"value":"a"}`)+`]`), []int{400}, "invalidValue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := send(t, server, testToken, c.method, c.path, c.body)
			assert.Contains(t, c.status, a.status, "%.300s", a.text)
			assert.Equal(t, c.scimType, a.scimType(), "%.300s", a.text)
			if a.status >= 400 {
				assert.Equal(t, []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, a.body["schemas"])
				assert.Equal(t, fmt.Sprint(a.status), a.body["status"])
				assert.NotEmpty(t, a.body["detail"])
				assert.Less(t, len(a.text), 1_000, "an error does not echo what was sent")
			}
		})
	}
	assert.Equal(t, "victim", send(t, server, testToken, "GET", path, "").body["userName"])
}

// Many operations over long lists with long filters are stopped by the work
// budget.
func TestPatchWorkIsBounded(t *testing.T) {
	server := mount(t, scim.Config{})
	var roles strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&roles, `{"value":"r%d"},`, i)
	}
	a := create(t, server, "/Users", user("busy", `"roles":[`+strings.TrimSuffix(roles.String(), ",")+`]`))
	filter := strings.TrimSuffix(strings.Repeat(`value eq \"nobody\" or `, 300), " or ")
	var many []string
	for range 100 {
		many = append(many, fmt.Sprintf(`{"op":"remove","path":"roles[%s]"}`, filter))
	}
	b := send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(many...))
	assert.Equal(t, 413, b.status, "%.200s", b.text)
}

// A resource that grows by many requests stays readable.
func TestResourcesStayReadable(t *testing.T) {
	server := mount(t, scim.Config{MaxBody: 40_000})
	path := "/Users/" + create(t, server, "/Users", user("grows", `"a":{"x":1}`)).id()
	patch := func(operation string) answer { return send(t, server, testToken, "PATCH", path, ops(operation)) }

	deep := nested("[", "1", "]", 28)
	assert.Equal(t, 400, patch(`{"op":"add","path":"emails[type eq \"w\"].value","value":`+deep+`}`).status)
	assert.Equal(t, 400, patch(`{"op":"add","value":{"urn:x:1":{"y":[{"z":[`+nested("[", "1", "]", 25)+`]}]}}}`).status)
	quotedDeep := strings.ReplaceAll(nested(`[`, `{"value":1}`, `]`, 31), `"`, `\"`)
	assert.Equal(t, 400, patch(`{"op":"add","path":"roles","value":"`+quotedDeep+`"}`).status)

	statuses := map[int]int{}
	for i := range 4 {
		var names []string
		for j := range 400 {
			names = append(names, fmt.Sprintf(`"n%d-%d":1`, i, j))
		}
		statuses[patch(`{"op":"add","path":"a","value":{`+strings.Join(names, ",")+`}}`).status]++
		statuses[patch(`{"op":"add","value":{`+strings.Join(names, ",")+`}}`).status]++
	}
	assert.Equal(t, map[int]int{200: 4, 400: 4}, statuses)
	for i := range 10 {
		statuses[patch(fmt.Sprintf(`{"op":"add","path":"roles","value":[{"value":"%d%s"}]}`, i, strings.Repeat("a", 30_000))).status]++
	}
	assert.Equal(t, 6, statuses[413], "the limit is four bodies")
	assert.Equal(t, 200, patch(`{"op":"replace","path":"title","value":"still fine"}`).status)
	a := send(t, server, testToken, "GET", "/Users?attributes=title&filter="+url.QueryEscape(`title co "fine"`), "")
	assert.Equal(t, 1.0, a.body["totalResults"])
}

func TestSlowBodyIsGivenUp(t *testing.T) {
	server := mount(t, scim.Config{ReadTimeout: 50 * time.Millisecond})
	address, err := url.Parse(server.URL)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", address.Host)
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", testToken)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	reply, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Contains(t, string(reply), " 408 ")
	assert.Contains(t, string(reply), "api:messages:2.0:Error")
}

// A failingStore fails as a database does.
type failingStore struct{ scim.Store }

var errDatabase = errors.New("dial tcp db.internal:5432: password=hunter2")

func (failingStore) Get(context.Context, scim.Directory, scim.Ref, bool) (scim.Record, error) {
	return scim.Record{}, errDatabase
}

func (failingStore) List(context.Context, scim.Directory, scim.Query) (scim.Page, error) {
	return scim.Page{}, errDatabase
}

func (failingStore) Apply(context.Context, scim.Directory, scim.Write) (scim.Record, error) {
	return scim.Record{}, errDatabase
}

func TestInternalErrorsStayInside(t *testing.T) {
	var log bytes.Buffer
	server := mount(t, scim.Config{Store: failingStore{}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, c := range [][3]string{
		{"GET", "/Users", ""}, {"GET", "/Users/1", ""}, {"POST", "/Users", user("x")}, {"PUT", "/Users/1", user("x")},
		{"PATCH", "/Users/1", ops()}, {"DELETE", "/Users/1", ""}, {"POST", "/.search", `{"filter":"title pr"}`},
		{"POST", "/Bulk", `{"Operations":[{"method":"DELETE","path":"/Users/1"}]}`},
	} {
		a := send(t, server, testToken, c[0], c[1], c[2])
		if c[1] != "/Bulk" {
			assert.Equal(t, http.StatusInternalServerError, a.status, c[0]+c[1])
		}
		assert.NotContains(t, a.text, "hunter2")
		assert.NotContains(t, a.text, "db.internal")
	}
	assert.Contains(t, log.String(), "db.internal", "the host can see what failed")
	assert.NotContains(t, log.String(), testToken)
}

func TestPasswordsAreTakenAndNeverKept(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	a := create(t, server, "/Users", user("pw", `"password":"s3cret-1"`))
	for _, c := range [][2]string{
		{"PUT", user("pw", `"Password":"s3cret-2"`)},
		{"PATCH", ops(`{"op":"add","path":"password","value":"s3cret-3"}`)},
		{"PATCH", ops(`{"op":"replace","value":{"urn:ietf:params:scim:schemas:core:2.0:User:password":"s3cret-4"}}`)},
	} {
		b := send(t, server, testToken, c[0], "/Users/"+a.id(), c[1])
		require.Equal(t, 200, b.status, b.text)
		assert.NotContains(t, b.text, "s3cret")
	}
	page, err := store.List(t.Context(), scim.Directory{Tenant: "t1", Connection: "c1"}, scim.Query{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Records, 1)
	assert.NotContains(t, string(page.Records[0].Doc), "s3cret")
	assert.Equal(t, 403, send(t, server, testToken, "GET", "/Users?filter="+url.QueryEscape(`password sw "s"`), "").status)
}

func TestLimitsAreTheConfigs(t *testing.T) {
	server := mount(t, scim.Config{MaxFilter: 40, MaxBody: 300, MaxOperations: 1})
	path := "/Users/" + create(t, server, "/Users", user("limits")).id()
	long := `title eq "` + strings.Repeat("a", 40) + `"`
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/Users?filter=" + url.QueryEscape(`title pr`), "", 200},
		{"GET", "/Users?filter=" + url.QueryEscape(long), "", 400},
		{"GET", "/Users?attributes=" + strings.Repeat("a", 40), "", 414},
		{"POST", "/.search", fmt.Sprintf(`{"filter":%q}`, long), 400},
		{"POST", "/.search", fmt.Sprintf(`{"sortBy":%q}`, strings.Repeat("a", 41)), 400},
		{"PATCH", path, ops(`{"op":"remove","path":"` + strings.Repeat("a", 41) + `"}`), 400},
		{"PATCH", path, ops(`{"op":"remove","path":"title"}`), 200},
		{"PATCH", path, ops(`{"op":"remove","path":"title"}`, `{"op":"remove","path":"title"}`), 413},
		{"POST", "/Users", user("x", `"title":"`+strings.Repeat("a", 300)+`"`), 413},
	} {
		assert.Equal(t, c.status, send(t, server, testToken, c.method, c.path, c.body).status, "%s %s %s", c.method, c.path, c.body)
	}
}
