package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func testOrg() *Salesforce {
	d := NewDirectory()
	for i := range 5 {
		d.PutUsers(sources.User{
			ID: fmt.Sprintf("00500000000000%dAAA", i), UserName: fmt.Sprintf("p%d@acme.com", i), Status: sources.StatusActive, FamilyName: "O'Neil",
			Attributes: map[string]sources.Values{"UserRole.Name": {"Sales"}, "Region__c": {"West"}},
		})
	}
	d.PutGroups(sources.Group{ID: "00G000000000001EAA", Name: "Sales team", Members: []string{"005000000000001AAA", "005000000000003AAA"}})
	return &Salesforce{
		Directory: d, ClientID: "app", ClientSecret: "secret", RefreshToken: "refresh", Fields: []string{"Region__c"}, Lacks: []string{"ProfileId"}, PageRows: 2,
		Records: map[string][]map[string]any{"UserLogin": {{"UserId": "005000000000002AAA", "IsFrozen": true}, {"UserId": "005000000000003AAA", "IsFrozen": false}}},
	}
}

// testSession logs in and returns the value of the Authorization header.
func (s *Salesforce) testSession(t *testing.T) string {
	t.Helper()
	status, answer := s.post(t, "grant_type=client_credentials&client_id=app&client_secret=secret")
	require.Equal(t, http.StatusOK, status, answer)
	var token struct {
		Token    string `json:"access_token"`
		Instance string `json:"instance_url"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &token))
	assert.Equal(t, "http://127.0.0.1:1", token.Instance)
	assert.NotContains(t, answer, "expires_in")
	return "Bearer " + token.Token
}

func (s *Salesforce) post(t *testing.T, form string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1/services/oauth2/token", strings.NewReader(form))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := Transport(s).RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer json.RawMessage
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, string(answer)
}

func TestSalesforceLogin(t *testing.T) {
	for form, want := range map[string]string{
		"grant_type=refresh_token&client_id=app&refresh_token=refresh":           "access_token",
		"grant_type=refresh_token&client_id=app&refresh_token=other":             "invalid_grant",
		"grant_type=client_credentials&client_id=app":                            "invalid_client",
		"grant_type=client_credentials&client_id=x&client_secret=secret":         "invalid_client_id",
		"grant_type=password&client_id=app":                                      "unsupported_grant_type",
		"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c": "invalid_grant",
	} {
		_, answer := testOrg().post(t, form)
		assert.Contains(t, answer, want, form)
	}
}

func TestSalesforceQueries(t *testing.T) {
	org := testOrg()
	session := org.testSession(t)
	for query, want := range map[string]string{
		"SELECT Id FROM User LIMIT 1": `"totalSize":1`,
		"select id from user":         `"totalSize":5`,
		"SELECT Id, Manager.Email, UserRole.Name FROM User WHERE Username = 'P1@acme.com'":                                                                                        `"Manager":null,"UserRole":{"Name":"Sales","attributes":{"type":"UserRole"}}`,
		"SELECT Id FROM User WHERE LastName = 'O\\'Neil' AND Region__c = 'west'":                                                                                                  `"totalSize":5`,
		"SELECT Id FROM User WHERE Id IN (SELECT UserOrGroupId FROM GroupMember)":                                                                                                 `"totalSize":2`,
		"SELECT Id FROM User WHERE Id NOT IN (SELECT l.UserId FROM UserLogin l WHERE l.IsFrozen = true AND (l.UserId != null)) AND Id IN (SELECT UserOrGroupId FROM GroupMember)": `"totalSize":2`,
		"SELECT Id FROM User WHERE (Id IN (SELECT UserId FROM UserLogin) AND Title = null)":                                                                                       "only allowed at the top level",
		"SELECT Id FROM User WHERE Title = 'x' OR Id IN (SELECT UserId FROM UserLogin)":                                                                                           "MALFORMED_QUERY",
		"SELECT Id, Wage__c FROM User":                                            "INVALID_FIELD",
		"SELECT Id FROM User WHERE Wage__c = 1":                                   "INVALID_FIELD",
		"SELECT Id FROM User WHERE Profile.Name = 'x'":                            "INVALID_FIELD",
		"SELECT Id FROM User WHERE Id IN (SELECT WageId FROM UserLogin)":          "INVALID_FIELD",
		"SELECT Id FROM Wage__c":                                                  "INVALID_TYPE",
		"SELECT Id FROM User WHERE CreatedDate = TODAY":                           "this org is a fake",
		"SELECT COUNT() FROM User":                                                "INVALID_FIELD",
		"DELETE FROM User":                                                        "MALFORMED_QUERY",
		"SELECT Id FROM User WHERE Title = '" + strings.Repeat("x", 12_000) + "'": "MALFORMED_QUERY",
	} {
		_, answer := ask(t, org, http.MethodGet, "/services/data/v64.0/query?q="+url.QueryEscape(query), session, "")
		assert.Contains(t, answer, want, query)
	}
	resp, _ := ask(t, org, http.MethodGet, "/services/data/v64.0/query?q="+strings.Repeat("x", 17_000), session, "")
	assert.Equal(t, http.StatusRequestURITooLong, resp.StatusCode)

	_, answer := ask(t, org, http.MethodGet, "/services/data/v64.0/sobjects/user/describe", session, "")
	assert.Contains(t, answer, `{"name":"ManagerId","relationshipName":"Manager","type":"reference"}`)
	assert.Contains(t, answer, `"Region__c"`)
	assert.NotContains(t, answer, "ProfileId")
}

// The result of a query is the state at the time of the query; its locator
// expires.
func TestSalesforceLocators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := testOrg()
		org.Cursors, org.TokenLife = 2, 1000*time.Hour
		session := org.testSession(t)
		page := func(path string) (ids []string, next string) {
			_, answer := ask(t, org, http.MethodGet, path, session, "")
			var a struct {
				Next    string `json:"nextRecordsUrl"`
				Records []struct{ ID string }
			}
			if json.Unmarshal([]byte(answer), &a) != nil {
				return nil, answer
			}
			for _, r := range a.Records {
				ids = append(ids, r.ID[14:15])
			}
			return ids, a.Next
		}
		const first = "/services/data/v64.0/query?q=SELECT+Id+FROM+User"
		ids, next := page(first)
		assert.Equal(t, []string{"0", "1"}, ids)
		org.Directory.RemoveUsers("005000000000000AAA")
		org.Directory.PutUsers(sources.User{ID: "005000000000007AAA"})
		ids, last := page(next)
		assert.Equal(t, []string{"2", "3"}, ids)
		ids, end := page(last)
		assert.Equal(t, []string{"4"}, ids)
		assert.Empty(t, end)

		_, _ = page(first)
		_, _ = page(first)
		_, refused := page(next)
		assert.Contains(t, refused, "INVALID_QUERY_LOCATOR", "the third of two")
		_, next = page(first)
		time.Sleep(48 * time.Hour)
		_, refused = page(next)
		assert.Contains(t, refused, "INVALID_QUERY_LOCATOR", "after two days")
	})
}

func TestSalesforceLimitsAndVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := testOrg()
		org.PerDay, org.Others, org.TokenLife = 10, 7, 100*time.Hour
		session := org.testSession(t)
		get := func(path string) (*http.Response, string) { return ask(t, org, http.MethodGet, path, session, "") }
		resp, _ := get("/services/data/v31.0/query?q=SELECT+Id+FROM+User")
		assert.Equal(t, "api-usage=8/10", resp.Header.Get("Sforce-Limit-Info"))
		resp, answer := get("/services/data/v30.0/query?q=SELECT+Id+FROM+User")
		assert.Equal(t, http.StatusGone, resp.StatusCode, answer)
		resp, _ = get("/services/data/v67.0/query?q=SELECT+Id+FROM+User")
		assert.Equal(t, http.StatusNotFound, resp.StatusCode)
		resp, answer = get("/services/data/v66.0/query?q=SELECT+Id+FROM+User")
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.Contains(t, answer, "REQUEST_LIMIT_EXCEEDED")
		assert.Empty(t, resp.Header.Get("Retry-After"))
		time.Sleep(24 * time.Hour)
		resp, _ = get("/services/data/v66.0/query?q=SELECT+Id+FROM+User")
		assert.Equal(t, http.StatusOK, resp.StatusCode)

		_, answer = get("/services/data")
		assert.Contains(t, answer, `{"label":"Version 31","url":"/services/data/v31.0","version":"31.0"}`)
		org.RevokeTokens()
		resp, answer = get("/services/data/v66.0/query?q=SELECT+Id+FROM+User")
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		assert.Contains(t, answer, "INVALID_SESSION_ID")
	})
}
