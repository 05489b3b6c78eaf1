package fake

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// graphPage is an answer of a list request or of a delta request.
type graphPage struct {
	Value []map[string]any
	Next  string `json:"@odata.nextLink"`
	Delta string `json:"@odata.deltaLink"`
	Error struct{ Code string }
}

// tenant returns a made-up tenant, the clock that the test sets, and a function
// that sends a GET request.
func tenant(t *testing.T, change func(*Entra)) (e *Entra, clock *time.Time, get func(target string) (*http.Response, graphPage)) {
	t.Helper()
	d := NewDirectory()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d.SetClock(func() time.Time { return now })
	users, groups := Company(5, 2)
	d.PutUsers(users...)
	d.PutGroups(groups...)
	e = &Entra{Directory: d, ClientID: "id", ClientSecret: "s3cret", TokenLife: 1000 * time.Hour}
	if change != nil {
		change(e)
	}
	token := graphLogin(t, e)
	return e, &now, func(target string) (*http.Response, graphPage) {
		t.Helper()
		target = strings.TrimPrefix(target, "http://127.0.0.1:1")
		resp, body := ask(t, e, http.MethodGet, strings.ReplaceAll(target, " ", "%20"), "Bearer "+token, "")
		var page graphPage
		require.NoError(t, json.Unmarshal([]byte(body), &page), body)
		return resp, page
	}
}

func graphLogin(t *testing.T, e *Entra) string {
	t.Helper()
	form := "grant_type=client_credentials&client_id=id&client_secret=" + e.ClientSecret + "&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
	status, body := graphForm(t, e, form)
	require.Equal(t, http.StatusOK, status, body)
	var answer struct {
		Token string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	return answer.Token
}

func graphForm(t *testing.T, e *Entra, form string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1/acme/oauth2/v2.0/token", strings.NewReader(form))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := Transport(e).RoundTrip(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// ids returns the IDs of the rows of a page; a removed row has a minus.
func (p graphPage) ids() (ids []string) {
	for _, row := range p.Value {
		text := row["id"].(string)
		if removed, ok := row["@removed"].(map[string]any); ok {
			text = "-" + text + " " + removed["reason"].(string)
		}
		ids = append(ids, text)
	}
	return ids
}

// to reads the pages of a list or of a delta to the end.
func to(t *testing.T, get func(string) (*http.Response, graphPage), first string) (pages []graphPage, delta string) {
	t.Helper()
	for at := first; ; {
		_, page := get(at)
		pages = append(pages, page)
		if page.Next == "" {
			return pages, page.Delta
		}
		at = page.Next
		require.Less(t, len(pages), 100)
	}
}

func allIDs(pages []graphPage) (ids []string) {
	for _, page := range pages {
		ids = append(ids, page.ids()...)
	}
	return ids
}

var everyone = []string{"100000001", "100000002", "100000003", "100000004", "100000005"}

func TestEntraLists(t *testing.T) {
	_, _, get := tenant(t, func(e *Entra) { e.PageRows = 2 })
	pages, _ := to(t, get, "/v1.0/users?$select=id,userType&$top=999")
	assert.Equal(t, everyone, allIDs(pages))
	assert.Len(t, pages, 3)
	assert.Equal(t, map[string]any{"id": "100000001", "userType": "Member"}, pages[0].Value[0])

	_, page := get("/v1.0/users?$filter=userType eq 'Guest'")
	assert.Empty(t, page.Value)
	_, page = get("/v1.0/users?$expand=manager($select=id)&$select=mail")
	assert.Equal(t, map[string]any{"@odata.type": "#microsoft.graph.user", "id": "100000001"}, page.Value[1]["manager"])
	assert.NotContains(t, page.Value[0], "manager")
	assert.Contains(t, page.Value[0], "mail")

	for target, want := range map[string]int{
		"/v1.0/users/100000001": 200, "/v1.0/users/p0": 200, "/v1.0/users/nobody": 404, "/v1.0/users/100000002/manager": 200,
		"/v1.0/users/100000001/manager": 404, "/v1.0/groups/nobody": 404, "/v1.0/groups/500001": 200, "/v1.0/groups/500001/owners": 400,
		"/v1.0/users/100000001/mailboxSettings": 404, "/v1.0/users/100000001/photo": 400, "/v1.0/devices": 400, "/beta/users": 400, "/v1.0/": 400,
		"/v1.0/users?$top=1000": 400, "/v1.0/users?$top=x": 400, "/v1.0/users?$select=salary": 400, "/v1.0/users?$expand=directReports": 400,
		"/v1.0/users?$search=x": 400, "/v1.0/users?$filter=mail eq 'x'": 400, "/v1.0/users?$skiptoken=x": 400, "/v1.0/users/delta?$skiptoken=x": 400,
		"/v1.0/groups/delta?$deltatoken=x": 400,
	} {
		resp, page := get(target)
		assert.Equal(t, want, resp.StatusCode, target)
		assert.Equal(t, want != 200, page.Error.Code != "", target)
	}
}

func TestEntraNestedGroups(t *testing.T) {
	e, _, get := tenant(t, nil)
	e.Directory.PutGroups(sources.Group{ID: "500003", Name: "Outer", Members: []string{"500004", "100000001"}}, sources.Group{ID: "500004", Members: []string{"100000002", "500003"}})
	pages, _ := to(t, get, "/v1.0/groups/500003/members?$select=id")
	assert.Equal(t, []string{"500004", "100000001"}, allIDs(pages))
	assert.Equal(t, "#microsoft.graph.group", pages[0].Value[0]["@odata.type"])
	pages, _ = to(t, get, "/v1.0/groups/500003/transitiveMembers?$select=id")
	assert.Equal(t, []string{"500003", "500004", "100000001", "100000002"}, allIDs(pages))
	pages, _ = to(t, get, "/v1.0/users/100000002/memberOf")
	assert.Contains(t, allIDs(pages), "500004")
	assert.NotContains(t, allIDs(pages), "500003")
	pages, _ = to(t, get, "/v1.0/users/100000002/transitiveMemberOf")
	assert.Contains(t, allIDs(pages), "500003")
}

func TestEntraDeltaOfUsers(t *testing.T) {
	e, clock, get := tenant(t, func(e *Entra) { e.DeltaRows = 2 })
	pages, link := to(t, get, "/v1.0/users/delta()?$select=mail,jobTitle,city,manager&$top=1&$expand=manager")
	assert.Equal(t, everyone, allIDs(pages), "the page size is Graph's own")
	assert.Len(t, pages, 3)
	assert.NotContains(t, pages[0].Value[0], "manager@delta", "has none")
	assert.NotContains(t, pages[0].Value[0], "city", "was never set")
	assert.Equal(t, []any{map[string]any{"@odata.type": "#microsoft.graph.user", "id": "100000001"}}, pages[0].Value[1]["manager@delta"])

	pages, again := to(t, get, link)
	assert.Empty(t, allIDs(pages))

	users := e.Directory.Users()
	users[1].Title, users[1].Email = "Boss", ""
	users[2].Manager.ID = users[1].ID
	users[3].Manager.ID = ""
	e.Directory.PutUsers(users[1:4]...)
	e.Directory.RemoveUsers(users[4].ID)
	for range 2 { // a link may be used again
		pages, _ = to(t, get, again)
		assert.Equal(t, []string{"-100000005 changed", "100000002", "100000003", "100000004"}, allIDs(pages))
		rows := slices.Concat(pages[0].Value, pages[1].Value)
		assert.NotContains(t, rows[1], "manager@delta", "unchanged")
		assert.Equal(t, "Boss", rows[1]["jobTitle"])
		assert.Nil(t, rows[1]["mail"])
		assert.Contains(t, rows[1], "mail", "cleared")
		assert.Equal(t, []any{
			map[string]any{"@odata.type": "#microsoft.graph.user", "id": "100000001", "@removed": map[string]any{"reason": "deleted"}},
			map[string]any{"@odata.type": "#microsoft.graph.user", "id": "100000002"},
		}, rows[2]["manager@delta"])
		assert.Len(t, rows[3]["manager@delta"], 1)
	}

	*clock = clock.Add(8 * 24 * time.Hour)
	resp, page := get(again)
	assert.Equal(t, 400, resp.StatusCode)
	assert.Equal(t, "syncStateNotFound", page.Error.Code)
	_, link = to(t, get, "/v1.0/users/delta?$select=mail")
	e.ForgetDeltas()
	resp, page = get(link)
	assert.Equal(t, 410, resp.StatusCode)
	assert.Equal(t, "http://127.0.0.1:1/v1.0/users/delta?$deltatoken=", resp.Header.Get("Location"))
}

func TestEntraDeltaOfGroups(t *testing.T) {
	e, clock, get := tenant(t, func(e *Entra) { e.DeltaMembers = 2 })
	members := func(pages []graphPage, group string) (ids []string) {
		for _, page := range pages {
			for _, row := range page.Value {
				links, _ := row["members@delta"].([]any)
				for _, l := range links {
					link := l.(map[string]any)
					text := link["id"].(string)
					if link["@removed"] != nil {
						text = "-" + text
					}
					if row["id"] == group {
						ids = append(ids, text)
					}
				}
			}
		}
		return ids
	}
	pages, link := to(t, get, "/v1.0/groups/delta?$select=displayName,members")
	assert.Equal(t, everyone, members(pages, "500001"))
	assert.Equal(t, "500001", pages[0].ids()[0])
	assert.Equal(t, "500001", pages[1].ids()[0], "in parts")

	e.Directory.PutGroups(sources.Group{ID: "500001", Name: "Team 0", Members: everyone[1:]}, sources.Group{ID: "500003", Name: "New", Members: everyone[:1]})
	e.Directory.RemoveGroups("500002")
	pages, link = to(t, get, link)
	assert.Equal(t, []string{"-500002 changed", "500001", "500003"}, allIDs(pages))
	assert.Equal(t, []string{"-100000001"}, members(pages, "500001"))
	assert.Equal(t, []string{"100000001"}, members(pages, "500003"))

	e.Directory.RemoveUsers(everyone[4])
	e.Unruly = true
	pages, _ = to(t, get, link)
	assert.Empty(t, members(pages, "500001"), "a user who is gone may be left out")
	pages, _ = to(t, get, "/v1.0/groups/delta?$select=displayName,members")
	assert.Contains(t, members(pages, "500001"), everyone[4], "and be in the group in the first round")
	assert.Contains(t, allIDs(pages), "-500002 changed")
	assert.True(t, slices.ContainsFunc(pages, func(p graphPage) bool { return len(p.Value) == 0 && p.Next != "" }))

	*clock = clock.Add(40 * 24 * time.Hour)
	pages, _ = to(t, get, "/v1.0/groups/delta?$select=displayName")
	assert.Contains(t, allIDs(pages), "-500002 deleted")
	assert.Empty(t, members(pages, "500001"), "not selected")
}

func TestEntraBatch(t *testing.T) {
	e, _, _ := tenant(t, func(e *Entra) { e.Concurrent = 2 })
	token := "Bearer " + graphLogin(t, e)
	post := func(body, media string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1/v1.0/$batch", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", token)
		req.Header.Set("Content-Type", media)
		resp, err := Transport(e).RoundTrip(req)
		require.NoError(t, err)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(data)
	}
	status, body := post(`{"requests": [{"id": "a", "method": "GET", "url": "/users/100000001?$select=mail"}, {"id": "b", "method": "GET", "url": "/users/x"}, {"id": "c", "method": "GET", "url": "/users"}]}`, "application/json")
	require.Equal(t, 200, status)
	var answer struct {
		Responses []struct {
			ID      string
			Status  int
			Headers map[string]string
			Body    map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Len(t, answer.Responses, 3)
	assert.Equal(t, "c", answer.Responses[0].ID)
	assert.Equal(t, 429, answer.Responses[0].Status)
	assert.Equal(t, "1", answer.Responses[0].Headers["Retry-After"])
	assert.Equal(t, 404, answer.Responses[1].Status)
	assert.Equal(t, map[string]any{"id": "100000001", "mail": "p0@acme.example"}, answer.Responses[2].Body)

	var many []string
	for i := range 21 {
		many = append(many, `{"id": "`+strconv.Itoa(i)+`", "method": "GET", "url": "/users"}`)
	}
	for _, body := range []string{`{"requests": [` + strings.Join(many, ",") + `]}`, `x`} {
		status, _ = post(body, "application/json")
		assert.Equal(t, 400, status)
	}
	status, _ = post(`{"requests": []}`, "text/plain")
	assert.Equal(t, 400, status)
}

func TestEntraLoginAndAllowance(t *testing.T) {
	e, clock, get := tenant(t, func(e *Entra) { e.Units = 10 })
	for form, want := range map[string]int{
		"grant_type=password": 400,
		"grant_type=client_credentials&client_id=id&client_secret=s3cret":                        400,
		"grant_type=client_credentials&client_id=other&client_secret=s3cret&scope=x%2F.default":  400,
		"grant_type=client_credentials&client_id=id&client_secret=wrong&scope=x%2F.default":      401,
		"grant_type=client_credentials&client_id=id&client_secret=s3cret&scope=x%2F.default%20y": 200,
	} {
		status, body := graphForm(t, e, form)
		assert.Equal(t, want, status, form)
		assert.Equal(t, want != 200, strings.Contains(body, "AADSTS"), body)
	}
	for range 4 {
		resp, _ := get("/v1.0/users")
		assert.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, "2", resp.Header.Get("x-ms-resource-unit"))
		assert.Empty(t, resp.Header.Get("x-ms-throttle-limit-percentage"))
	}
	resp, _ := get("/v1.0/users?$select=id&$expand=manager")
	assert.Equal(t, "1.00", resp.Header.Get("x-ms-throttle-limit-percentage"))
	resp, page := get("/v1.0/users/delta")
	assert.Equal(t, 429, resp.StatusCode)
	assert.Equal(t, "11", resp.Header.Get("Retry-After"))
	assert.Equal(t, "TooManyRequests", page.Error.Code)
	*clock = clock.Add(11 * time.Second)
	resp, _ = get("/v1.0/users/delta")
	assert.Equal(t, 200, resp.StatusCode)

	e.RevokeTokens()
	resp, page = get("/v1.0/users")
	assert.Equal(t, 401, resp.StatusCode)
	assert.Equal(t, "InvalidAuthenticationToken", page.Error.Code)
	assert.Contains(t, resp.Header.Get("WWW-Authenticate"), `claims="`)
	_, body := ask(t, e, http.MethodGet, "/acme/v2.0/.well-known/openid-configuration", "", "")
	assert.Contains(t, body, `"token_endpoint":"http://127.0.0.1:1/acme/oauth2/v2.0/token"`)
}

// Of an object that may not be read, only the ID is returned, also as a member.
func TestEntraLimitedObjects(t *testing.T) {
	_, _, get := tenant(t, func(e *Entra) { e.Limited = []string{"100000002"} })
	_, page := get("/v1.0/users/delta?$select=mail,accountEnabled,manager")
	assert.Equal(t, map[string]any{"id": "100000002"}, page.Value[1])
	_, page = get("/v1.0/groups/500001/members?$select=id,userType")
	assert.Equal(t, map[string]any{"@odata.type": "#microsoft.graph.user", "id": "100000002", "userType": nil}, page.Value[1])
}
