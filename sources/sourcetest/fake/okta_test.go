package fake

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func oktaOrg() *Okta {
	d := NewDirectory()
	d.PutUsers(
		sources.User{ID: "00u1", UserName: "Ada@acme.com", Email: "ada@acme.com", GivenName: "Ada", Status: sources.StatusActive, Attributes: map[string]sources.Values{"app.role": {"seller"}, "badge": {"7"}, "cost_center": {"x"}}},
		sources.User{ID: "00u2", Email: "bo@acme.com", GivenName: "Bo", Status: sources.StatusInactive},
		sources.User{ID: "00u3", Email: "cy@acme.com", GivenName: "Cy", Status: sources.StatusStaged},
	)
	d.PutGroups(sources.Group{ID: "00g1", Name: "Sales", Members: []string{"00u1", "00u2", "00u3"}}, sources.Group{ID: "00g2", Name: "Ops", Members: []string{"00u3"}})
	return &Okta{Directory: d, Token: "token", Apps: map[string][]string{"0oa1": {"00g2"}}}
}

const ssws = "SSWS token"

func ids(t *testing.T, body string) []string {
	t.Helper()
	var list []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(body), &list), body)
	all := []string{}
	for _, row := range list {
		all = append(all, row.ID)
	}
	return all
}

func TestOktaPages(t *testing.T) {
	org := oktaOrg()
	get := func(target string) (*http.Response, string) { return ask(t, org, http.MethodGet, target, ssws, "") }
	resp, body := get("/api/v1/users?limit=1&search=status+pr")
	assert.Equal(t, []string{"00u1"}, ids(t, body))
	assert.Equal(t, []string{
		`<http://127.0.0.1:1/api/v1/users?limit=1&search=status+pr>; rel="self"`,
		`<http://127.0.0.1:1/api/v1/users?after=00u1&limit=1&search=status+pr>; rel="next"`,
	}, resp.Header.Values("Link"))
	org.Directory.RemoveUsers("00u1") // a removal moves no user to a page that was already read
	resp, body = get("/api/v1/users?after=00u1&limit=2&search=status+pr")
	assert.Equal(t, []string{"00u2", "00u3"}, ids(t, body))
	assert.Len(t, resp.Header.Values("Link"), 1, "the last page has no next")
	resp, body = get("/api/v1/users?limit=0")
	assert.Equal(t, 400, resp.StatusCode)
	assert.JSONEq(t, `{"errorCode": "E0000001", "errorSummary": "Api validation failed: limit", "errorLink": "E0000001", "errorId": "oaeFakeFakeFakeFake", "errorCauses": []}`, body)
	org.PageRows = 1
	_, body = get("/api/v1/groups/00g1/users?limit=1000")
	assert.Equal(t, []string{"00u2"}, ids(t, body), "limits are capped")
}

func TestOktaExpressions(t *testing.T) {
	org := oktaOrg()
	for query, want := range map[string][]string{
		"":                                 {"00u1", "00u3"}, // without deactivated users
		`filter=status eq "DEPROVISIONED"`: {"00u2"},
		`filter=lastUpdated gt "1970-01-01T00:00:00.000Z"`:                                 {"00u1", "00u2", "00u3"},
		`filter=lastUpdated gt "2999-01-01T00:00:00Z"`:                                     {},
		`filter=id eq "00u1" or (status eq "STAGED" and profile.firstName eq "Cy")`:        {"00u1", "00u3"},
		`filter=status eq "STAGED" and profile.firstName eq "Bo" or profile.login eq "x"`:  {},
		`search=profile.badge eq "7"`:                                                      {"00u1"},
		`search=profile.badge pr`:                                                          {"00u1"},
		`search=profile.email co "@acme" and profile.firstName sw "A" and status ge "ACT"`: {"00u1"},
		`search=status lt "B" or status le "ACTIVE"`:                                       {"00u1"},
		`q=b`: {"00u2"},
	} {
		name, value, _ := strings.Cut(query, "=")
		resp, body := ask(t, org, http.MethodGet, "/api/v1/users?"+name+"="+url.QueryEscape(value), ssws, "")
		require.Equal(t, 200, resp.StatusCode, query)
		assert.Equal(t, want, ids(t, body), query)
	}
	for _, query := range []string{
		`filter=profile.badge eq "7"`, `filter=status pr`, `filter=status gt "A"`, `filter=not (status eq "A")`, `search=status ne "A"`, `search=status eq "A`,
		`search=status`, `search=(status pr`, `search=status pr status pr`, `filter=lastUpdated gt "yesterday"`, `search=status eq A`, `search=status eq "A\"`,
	} {
		name, value, _ := strings.Cut(query, "=")
		resp, body := ask(t, org, http.MethodGet, "/api/v1/users?"+name+"="+url.QueryEscape(value), ssws, "")
		assert.Equal(t, 400, resp.StatusCode, query)
		assert.Contains(t, body, "E0000031", query)
	}
}

// lastMembershipUpdated changes with the members, lastUpdated with every other
// change.
func TestOktaGroups(t *testing.T) {
	org := oktaOrg()
	now := time.Now().UTC().Add(time.Hour)
	org.Directory.SetClock(func() time.Time { return now })
	since := url.QueryEscape(oktaTime(now.Add(-time.Minute)))
	list := func(filter string) []string {
		_, body := ask(t, org, http.MethodGet, "/api/v1/groups?filter="+filter, ssws, "")
		return ids(t, body)
	}
	org.Directory.PutGroups(sources.Group{ID: "00g1", Name: "Renamed", Members: []string{"00u1", "00u2", "00u3"}})
	assert.Empty(t, list("lastMembershipUpdated+gt+%22"+since+"%22"))
	assert.Equal(t, []string{"00g1"}, list("lastUpdated+gt+%22"+since+"%22"))
	org.Directory.RemoveUsers("00u2")
	assert.Equal(t, []string{"00g1"}, list("lastMembershipUpdated+gt+%22"+since+"%22"))
	assert.Equal(t, []string{"00g1", "00g2"}, list("type+eq+%22OKTA_GROUP%22"))
	_, body := ask(t, org, http.MethodGet, "/api/v1/users/00u3/groups", ssws, "")
	assert.Equal(t, []string{"00g1", "00g2"}, ids(t, body))
	_, body = ask(t, org, http.MethodGet, "/api/v1/groups/00g2", ssws, "")
	assert.Contains(t, body, `"name":"Ops"`)
	_, body = ask(t, org, http.MethodGet, "/api/v1/groups?search="+url.QueryEscape(`profile.name eq "Ops"`), ssws, "")
	assert.Equal(t, []string{"00g2"}, ids(t, body))
}

func TestOktaRecords(t *testing.T) {
	org := oktaOrg()
	_, body := ask(t, org, http.MethodGet, "/api/v1/users/ada@acme.com", ssws, "")
	assert.Contains(t, body, `"id":"00u1"`, "by login, in any case")
	assert.Contains(t, body, `"badge":"7"`)
	assert.Contains(t, body, `"recovery_question"`)
	assert.NotContains(t, body, "seller")
	assert.NotContains(t, body, "cost_center")

	_, body = ask(t, org, http.MethodGet, "/api/v1/apps/0oa1/users?expand=user", ssws, "")
	assert.Equal(t, []string{"00u3"}, ids(t, body), "those of the groups that it is assigned to")
	assert.Contains(t, body, `"_embedded":{"user":`)
	org.Apps["0oa1"] = nil
	_, body = ask(t, org, http.MethodGet, "/api/v1/apps/0oa1/users", ssws, "")
	assert.Equal(t, []string{"00u1", "00u2", "00u3"}, ids(t, body), "everybody")
	assert.Contains(t, body, `"profile":{"role":"seller"}`)
	assert.NotContains(t, body, "_embedded")
	_, body = ask(t, org, http.MethodGet, "/api/v1/apps/0oa1", ssws, "")
	assert.Contains(t, body, `"status":"ACTIVE"`)
	_, body = ask(t, org, http.MethodGet, "/api/v1/users/00uadmin00000000fake/roles", ssws, "")
	assert.Contains(t, body, `"type":"READ_ONLY_ADMIN"`)
}

func TestOktaLog(t *testing.T) {
	org := oktaOrg()
	list := func(target string) ([]string, *http.Response) {
		resp, body := ask(t, org, http.MethodGet, target, ssws, "")
		var events []struct {
			EventType string
			Target    []struct{ ID, Type string }
		}
		require.NoError(t, json.Unmarshal([]byte(body), &events), body)
		texts := []string{}
		for _, e := range events {
			text := e.EventType
			for _, target := range e.Target {
				text += " " + target.Type + " " + target.ID
			}
			texts = append(texts, text)
		}
		return texts, resp
	}
	org.Directory.RemoveUsers("00u1", "00u9")
	org.Directory.PutGroups(sources.Group{ID: "00g2", Name: "Ops"})
	org.Directory.RemoveGroups("00g2", "00g9")
	all, resp := list("/api/v1/logs")
	assert.Equal(t, []string{
		"user.lifecycle.delete.completed User 00u1", "group.user_membership.remove User 00u1 UserGroup 00g1",
		"group.user_membership.remove User 00u3 UserGroup 00g2",
		"application.user_membership.remove AppUser 0ua00u3 AppInstance 0oa1 User 00u3",
		"group.lifecycle.delete UserGroup 00g2",
	}, all)
	next := resp.Header.Values("Link")[1]
	assert.Contains(t, next, `after=4>; rel="next"`, "there may be more later")
	empty, resp := list("/api/v1/logs?after=4")
	assert.Empty(t, empty)
	assert.Len(t, resp.Header.Values("Link"), 2)
	until := url.QueryEscape(time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	some, resp := list("/api/v1/logs?until=" + until + "&filter=" + url.QueryEscape(`eventType eq "group.lifecycle.delete"`))
	assert.Len(t, some, 1)
	assert.Len(t, resp.Header.Values("Link"), 1)
	none, _ := list("/api/v1/logs?since=" + until)
	assert.Empty(t, none)
	first, resp := list("/api/v1/logs?limit=1&until=" + until)
	assert.Len(t, first, 1)
	assert.Contains(t, resp.Header.Values("Link")[1], "after=1&")
}

func TestOktaRefuses(t *testing.T) {
	org := oktaOrg()
	for _, c := range []struct {
		method, target, authorization string
		status                        int
		code                          string
	}{
		{http.MethodGet, "/api/v1/users", "SSWS other", 401, "E0000011"},
		{http.MethodGet, "/api/v1/users", "Bearer token", 401, "E0000011"},
		{http.MethodGet, "/api/v1/users", "", 401, "E0000011"},
		{http.MethodPost, "/api/v1/users", ssws, 405, "E0000022"},
		{http.MethodGet, "/api/v1/users/00u9", ssws, 404, "E0000007"},
		{http.MethodGet, "/api/v1/users/00u9/groups", ssws, 404, "E0000007"},
		{http.MethodGet, "/api/v1/users/00u1/roles", ssws, 404, "E0000007"},
		{http.MethodGet, "/api/v1/groups/00g9/users", ssws, 404, "E0000007"},
		{http.MethodGet, "/api/v1/apps/0oa9/users", ssws, 404, "E0000007"},
		{http.MethodGet, "/api/v1/apps/0oa1/users/00u1", ssws, 404, "E0000007"},
		{http.MethodGet, "/api/v1/nothing", ssws, 404, "E0000007"},
		{http.MethodGet, "/", ssws, 404, "E0000007"},
		{http.MethodGet, "/scim/v2/Users", ssws, 404, "E0000007"},
		{http.MethodGet, "/api/v1/logs?since=now", ssws, 400, "E0000001"},
		{http.MethodGet, "/api/v1/logs?after=now", ssws, 400, "E0000001"},
		{http.MethodGet, "/api/v1/logs?filter=x", ssws, 400, "E0000031"},
		{http.MethodGet, "/api/v1/groups?filter=x", ssws, 400, "E0000031"},
	} {
		resp, body := ask(t, org, c.method, c.target, c.authorization, "")
		assert.Equal(t, c.status, resp.StatusCode, c.target)
		assert.Contains(t, body, c.code, c.target)
	}
	for _, form := range []string{"", "grant_type=password", "grant_type=client_credentials", "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"} {
		resp, body := ask(t, org, http.MethodPost, oktaTokenPath, "", form)
		assert.GreaterOrEqual(t, resp.StatusCode, 400)
		assert.Contains(t, body, `"error":`)
	}
	org.RevokeTokens()
	resp, _ := ask(t, org, http.MethodGet, "/api/v1/users", ssws, "")
	assert.Equal(t, 401, resp.StatusCode)
}

// Each endpoint has its own bucket, which is full again in the next minute.
func TestOktaAllowance(t *testing.T) {
	org := oktaOrg()
	org.PerMinute = 2
	now := time.Now().UTC()
	org.Directory.SetClock(func() time.Time { return now })
	var resp *http.Response
	for left := 1; left >= -1; left-- {
		resp, _ = ask(t, org, http.MethodGet, "/api/v1/users", ssws, "")
		assert.Equal(t, left < 0, resp.StatusCode == 429)
	}
	assert.Equal(t, "2", resp.Header.Get("X-Rate-Limit-Limit"))
	assert.Equal(t, "0", resp.Header.Get("X-Rate-Limit-Remaining"))
	assert.NotEmpty(t, resp.Header.Get("X-Rate-Limit-Reset"))
	resp, _ = ask(t, org, http.MethodGet, "/api/v1/groups", ssws, "")
	assert.Equal(t, 200, resp.StatusCode)
	now = now.Add(time.Minute)
	resp, _ = ask(t, org, http.MethodGet, "/api/v1/users", ssws, "")
	assert.Equal(t, 200, resp.StatusCode)
}
