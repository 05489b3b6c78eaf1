package fake

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// ripplingPage reads a list's answer: its IDs and the link to the next page.
func ripplingPage(t *testing.T, body string) (ids []string, next string) {
	t.Helper()
	var answer struct {
		Results []struct{ ID string }
		Next    *string `json:"next_link"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer), body)
	for _, row := range answer.Results {
		ids = append(ids, row.ID)
	}
	if answer.Next != nil {
		next = *answer.Next
	}
	return ids, next
}

func TestRipplingPages(t *testing.T) {
	d := NewDirectory()
	users, groups := Company(7, 3)
	d.PutUsers(users...)
	d.PutGroups(groups...)
	company := &Rippling{Directory: d, Token: "t", PageRows: 2}

	var links []string
	var all []string
	for next := "/workers?limit=100&expand=user&filter=status+eq+'NONE'"; next != ""; {
		next = strings.TrimPrefix(next, "http://127.0.0.1:1")
		resp, body := ask(t, company, http.MethodGet, next, "Bearer t", "")
		assert.Equal(t, "2024-08-01", resp.Header.Get("Rippling-Api-Version"))
		assert.Contains(t, body, `"user":{`, "the query is repeated")
		var ids []string
		ids, next = ripplingPage(t, body)
		all = append(all, ids...)
		links = append(links, next)
		if len(all) == 4 {
			d.RemoveUsers(all[0], all[1]) // the cursor is not a position, so a removal skips no user
		}
	}
	assert.Len(t, all, 7)
	assert.True(t, strings.HasPrefix(links[0], "/workers?"))
	assert.True(t, strings.HasPrefix(links[1], "http://127.0.0.1:1/workers?"))

	_, body := ask(t, company, http.MethodGet, "/supergroups/500001/members/", "Bearer t", "")
	ids, next := ripplingPage(t, body)
	assert.Len(t, ids, 2)
	assert.NotEmpty(t, next)
	for target, want := range map[string]int{
		"/workers?limit=101": 400, "/workers?limit=x": 400, "/workers?cursor=x": 400, "/workers/9": 404, "/supergroups/9": 404,
		"/supergroups/9/members": 404, "/nonsense": 404, "/workers/100000003": 200, "/supergroups/500001": 200, "/users/": 200,
	} {
		resp, _ := ask(t, company, http.MethodGet, target, "Bearer t", "")
		assert.Equal(t, want, resp.StatusCode, target)
	}
	resp, _ := ask(t, company, http.MethodPost, "/workers", "Bearer t", "{}")
	assert.Equal(t, 405, resp.StatusCode)
	resp, body = ask(t, company, http.MethodGet, "/workers", "Bearer x", "")
	assert.Equal(t, 401, resp.StatusCode)
	assert.Contains(t, body, "Invalid token")
	company.RevokeTokens()
	resp, _ = ask(t, company, http.MethodGet, "/workers", "Bearer t", "")
	assert.Equal(t, 401, resp.StatusCode)
}

func TestRipplingRedacts(t *testing.T) {
	d := NewDirectory()
	d.PutUsers(sources.User{ID: "1", Title: "CEO", Manager: sources.Manager{ID: "2"}})
	company := &Rippling{Directory: d, Token: "t", Redacted: []string{"manager_id"}, Version: "2023-01-01"}
	resp, body := ask(t, company, http.MethodGet, "/workers", "Bearer t", "")
	assert.NotContains(t, body, `"manager_id":`)
	assert.Contains(t, body, `"redacted_fields":[{"name":"manager_id","reason":"INSUFFICIENT_SCOPE"}]`)
	assert.Contains(t, body, `"title":"CEO"`)
	assert.NotContains(t, body, `"user":`, "what is not expanded is not given")
	assert.Equal(t, "2023-01-01", resp.Header.Get("Rippling-Api-Version"))
}
