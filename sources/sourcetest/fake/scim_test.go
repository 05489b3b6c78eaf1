package fake

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func TestSCIM(t *testing.T) {
	d := NewDirectory()
	users, groups := Company(5, 2)
	d.PutUsers(users...)
	d.PutGroups(groups...)
	d.PutGroups(sources.Group{ID: "g", Name: "Nested", Members: []string{"500001", "100000001"}})
	server := &SCIM{Directory: d, Token: "t", PageRows: 2, Cursors: true}
	list := func(target string) (ids []string, answer map[string]any) {
		t.Helper()
		resp, body := ask(t, server, http.MethodGet, target, "Bearer t", "")
		require.Equal(t, 200, resp.StatusCode, body)
		assert.Equal(t, "application/scim+json", resp.Header.Get("Content-Type"))
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		for _, row := range answer["Resources"].([]any) {
			ids = append(ids, row.(map[string]any)["id"].(string))
		}
		return ids, answer
	}
	ids, answer := list("/Users?startIndex=4&count=100")
	assert.Equal(t, []string{"100000004", "100000005"}, ids)
	assert.EqualValues(t, 5, answer["totalResults"])
	assert.EqualValues(t, 4, answer["startIndex"])
	ids, _ = list("/Users?startIndex=6")
	assert.Empty(t, ids)
	ids, _ = list("/Users?startIndex=-1&count=1")
	assert.Equal(t, []string{"100000001"}, ids)

	ids, answer = list("/Users?cursor=&count=2")
	assert.Len(t, ids, 2)
	assert.NotContains(t, answer, "startIndex")
	d.RemoveUsers(ids...)
	ids, answer = list("/Users?count=2&cursor=" + url.QueryEscape(answer["nextCursor"].(string)))
	assert.Equal(t, []string{"100000003", "100000004"}, ids, "a cursor that is no position skips nobody")
	ids, answer = list("/Users?count=2&cursor=" + url.QueryEscape(answer["nextCursor"].(string)))
	assert.Equal(t, []string{"100000005"}, ids)
	assert.NotContains(t, answer, "nextCursor")

	_, body := ask(t, server, http.MethodGet, "/Groups/g", "Bearer t", "")
	assert.Contains(t, body, `{"$ref":"../Groups/500001","type":"Group","value":"500001"}`)
	_, body = ask(t, server, http.MethodGet, "/Groups", "Bearer t", "")
	assert.Contains(t, body, `"members":`)
	server.MembersOnlyOne = true
	_, body = ask(t, server, http.MethodGet, "/Groups", "Bearer t", "")
	assert.NotContains(t, body, `"members":`)
	_, body = ask(t, server, http.MethodGet, "/ServiceProviderConfig", "Bearer t", "")
	assert.Contains(t, body, `"cursor":true`)

	for target, want := range map[string]int{"/Users/9": 404, "/Groups/9": 404, "/nonsense": 404, "/Users?cursor=x": 400, "/Users/100000003": 200} {
		resp, _ := ask(t, server, http.MethodGet, target, "Bearer t", "")
		assert.Equal(t, want, resp.StatusCode, target)
	}
	resp, _ := ask(t, server, http.MethodPost, "/Users", "Bearer t", "{}")
	assert.Equal(t, 405, resp.StatusCode)
	server.RevokeTokens()
	resp, body = ask(t, server, http.MethodGet, "/Users", "Bearer t", "")
	assert.Equal(t, 401, resp.StatusCode)
	assert.Contains(t, body, "urn:ietf:params:scim:api:messages:2.0:Error")
}
