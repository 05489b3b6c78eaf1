package fake

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func login(t *testing.T, account *OneLogin) string {
	t.Helper()
	resp, body := ask(t, account, http.MethodPost, "/auth/oauth2/v2/token", "client_id:"+account.ClientID+", client_secret:"+account.ClientSecret, `{"grant_type":"client_credentials"}`)
	require.Equal(t, 200, resp.StatusCode, body)
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	assert.Equal(t, 36000, answer.ExpiresIn)
	return answer.AccessToken
}

func TestOneLoginPages(t *testing.T) {
	d := NewDirectory()
	users, groups := Company(5, 3)
	d.PutUsers(users...)
	d.PutGroups(groups...)
	account := &OneLogin{Directory: d, ClientID: "id", ClientSecret: "secret"}
	token := "bearer " + login(t, account)

	resp, body := ask(t, account, http.MethodGet, "/api/2/users?limit=2", token, "")
	assert.Equal(t, []string{"100000001", "100000002"}, rows(t, body))
	assert.Equal(t, "5", resp.Header.Get("Total-Count"))
	assert.Equal(t, "3", resp.Header.Get("Total-Pages"))
	assert.Equal(t, "1", resp.Header.Get("Current-Page"))
	assert.Equal(t, "2", resp.Header.Get("Page-Items"))
	assert.Empty(t, resp.Header.Get("Before-Cursor"))
	cursor := resp.Header.Get("After-Cursor")
	assert.Regexp(t, `^[A-Za-z0-9]+%3D$`, cursor, "the padding is escaped")

	decoded, err := url.PathUnescape(cursor)
	require.NoError(t, err)
	resp, body = ask(t, account, http.MethodGet, "/api/2/users?cursor="+url.QueryEscape(decoded), token, "")
	assert.Equal(t, []string{"100000003", "100000004"}, rows(t, body))
	assert.NotEmpty(t, resp.Header.Get("Before-Cursor"))
	d.RemoveUsers("100000001") // the next user moves to the page that was already read
	resp, body = ask(t, account, http.MethodGet, "/api/2/users?limit=2&page=2", token, "")
	assert.Equal(t, []string{"100000004", "100000005"}, rows(t, body))
	assert.Empty(t, resp.Header.Get("After-Cursor"), "the last page")

	for target, want := range map[string]string{
		"/api/2/users?limit=2&cursor=" + url.QueryEscape(decoded): "cursor xor pagination",
		"/api/2/users?cursor=765415":                              "Invalid pagination cursor",
		"/api/2/roles?page=0":                                     "Invalid page",
		"/api/2/users?updated_since=yesterday":                    "Invalid updated_since",
	} {
		resp, body = ask(t, account, http.MethodGet, target, token, "")
		assert.Equal(t, 400, resp.StatusCode)
		assert.Contains(t, body, want)
	}
	resp, body = ask(t, account, http.MethodGet, "/api/2/users?page=9", token, "")
	assert.Equal(t, "[]", body)
	assert.Equal(t, "0", resp.Header.Get("Page-Items"))
}

func TestOneLoginFields(t *testing.T) {
	d := NewDirectory()
	d.PutUsers(sources.User{ID: "1", Manager: sources.Manager{ID: "2"}, Attributes: map[string]sources.Values{"custom_attributes.x": {"y"}, "status": {"8"}}})
	d.PutGroups(sources.Group{ID: "7", Name: "Sales", Members: []string{"1", "3"}})
	account := &OneLogin{Directory: d, ClientID: "id", ClientSecret: "secret"}
	token := "bearer " + login(t, account)

	_, body := ask(t, account, http.MethodGet, "/api/2/users", token, "")
	assert.NotContains(t, body, "manager_user_id")
	assert.NotContains(t, body, "custom_attributes")
	assert.NotContains(t, body, "role_ids")
	_, body = ask(t, account, http.MethodGet, "/api/2/users?fields=manager_user_id,%20custom_attributes,role_ids,status,nonsense", token, "")
	assert.JSONEq(t, `[{"id":1,"manager_user_id":2,"custom_attributes":{"x":"y"},"role_ids":[7],"status":8}]`, body)
	_, body = ask(t, account, http.MethodGet, "/api/2/roles", token, "")
	assert.JSONEq(t, `[{"id":7,"name":"Sales"}]`, body)
	_, body = ask(t, account, http.MethodGet, "/api/2/roles?fields=users", token, "")
	assert.JSONEq(t, `[{"id":7,"name":"Sales","users":[1,3]}]`, body)
	_, body = ask(t, account, http.MethodGet, "/api/2/roles/7/users", token, "")
	assert.Equal(t, []string{"1"}, rows(t, body))
	_, body = ask(t, account, http.MethodGet, "/api/2/users/1", token, "")
	assert.Contains(t, body, `"manager_user_id":2`)

	for _, target := range []string{"/api/2/users/9", "/api/2/roles/9/users", "/api/2/nonsense", "/", "/api/2/roles/7"} {
		resp, _ := ask(t, account, http.MethodGet, target, token, "")
		assert.Equal(t, 404, resp.StatusCode, target)
	}
	d.PutUsers(sources.User{ID: "no digits"})
	resp, _ := ask(t, account, http.MethodGet, "/api/2/users", token, "")
	assert.Equal(t, 500, resp.StatusCode)
}

func TestOneLoginUpdatedSince(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := NewDirectory()
	d.SetClock(func() time.Time { return now })
	d.PutUsers(sources.User{ID: "1"}, sources.User{ID: "2"}, sources.User{ID: "3"})
	account := &OneLogin{Directory: d, ClientID: "id", ClientSecret: "secret"}
	token := "bearer " + login(t, account)
	now = now.Add(time.Hour)
	d.PutUsers(sources.User{ID: "2", Title: "new"}, sources.User{ID: "4"})
	d.RemoveUsers("3")
	resp, body := ask(t, account, http.MethodGet, "/api/2/users?updated_since=2026-01-01T01:00:00Z&limit=1", token, "")
	assert.Equal(t, []string{"2"}, rows(t, body))
	assert.Equal(t, "2", resp.Header.Get("Total-Count"))
}

func TestOneLoginRefuses(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := NewDirectory()
	d.SetClock(func() time.Time { return now })
	account := &OneLogin{Directory: d, ClientID: "id", ClientSecret: "secret", PerHour: 9}
	token := "Bearer " + login(t, account)
	for _, c := range []struct {
		method, target, authorization, body string
		status                              int
		want                                string
	}{
		{"POST", "/auth/oauth2/v2/token", "client_id:id, client_secret:wrong", `{"grant_type":"client_credentials"}`, 401, "Authentication Failure"},
		{"POST", "/auth/oauth2/v2/token", "", `{"grant_type":"client_credentials"}`, 401, "Authentication Failure"},
		{"POST", "/auth/oauth2/v2/token", "client_id:id, client_secret:secret", `{}`, 400, "grant_type"},
		{"GET", "/api/2/users", "", "", 401, "UnauthorizedError"},
		{"GET", "/api/2/users", "Bearer nonsense", "", 401, "UnauthorizedError"},
		{"GET", "/api/2/users", "Basic " + token[7:], "", 401, "UnauthorizedError"},
		{"POST", "/api/2/users", token, "{}", 405, "read only"},
		{"GET", "/api/2/users", token, "", 200, "[]"},
		{"GET", "/api/2/users", token, "", 429, "rate limit"},
	} {
		resp, body := ask(t, account, c.method, c.target, c.authorization, c.body)
		assert.Equal(t, c.status, resp.StatusCode, c.method+" "+c.target)
		assert.Contains(t, body, c.want)
		assert.Equal(t, "9", resp.Header.Get("X-RateLimit-Limit"))
		assert.Equal(t, "3600", resp.Header.Get("X-RateLimit-Reset"), "seconds from now")
	}
	now = now.Add(time.Hour)
	resp, _ := ask(t, account, http.MethodGet, "/api/2/users", token, "")
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, "8", resp.Header.Get("X-RateLimit-Remaining"))
	now = now.Add(10 * time.Hour)
	resp, _ = ask(t, account, http.MethodGet, "/api/2/users", token, "")
	assert.Equal(t, 401, resp.StatusCode, "the token has ended")
}
