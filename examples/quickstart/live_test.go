package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With SALESFORCE_* set the live org is read, and its secret is never told.
func TestLiveOrg(t *testing.T) {
	org := httptest.NewServer(http.HandlerFunc(salesforceOrg))
	defer org.Close()
	c := newCompany(t)
	c.env = map[string]string{
		"SALESFORCE_LOGIN_URL":     org.URL,
		"SALESFORCE_CLIENT_ID":     "app",
		"SALESFORCE_CLIENT_SECRET": "open sesame",
	}
	config := write(t, "config.json", `{
		"format": 1, "source": "salesforce", "domains": {"primary": "kestrel.example"},
		"basic": {"profile": "member"}}`)

	stdout, stderr, err := c.run("-config", config)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^ *\+ ada.moreau@kestrel.example +create`, stdout)
	assert.Contains(t, stdout, "org chart:\nAda Moreau\n")
	assert.NotContains(t, stdout+stderr, "sesame")

	c.env["SALESFORCE_CLIENT_SECRET"] = "wrong"
	_, stderr, err = c.run("-config", config)
	require.ErrorContains(t, err, "invalid_client")
	assert.NotContains(t, stderr+err.Error(), "wrong")

	c.env["SALESFORCE_PRIVATE_KEY_FILE"] = "missing.pem"
	_, _, err = c.run("-config", config)
	require.ErrorContains(t, err, "SALESFORCE_PRIVATE_KEY_FILE")
}

// salesforceOrg answers like an org with one user and no groups. The forms are
// those of Salesforce's REST API guide.
func salesforceOrg(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query().Get("q")
	switch {
	case r.URL.Path == "/services/oauth2/token":
		_, secret, _ := r.BasicAuth()
		if secret == "" {
			secret = r.FormValue("client_secret")
		}
		if !strings.HasPrefix(secret, "open") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": "invalid_client", "error_description": "invalid client credentials"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token": "00D!token", "instance_url": "http://%s", "token_type": "Bearer"}`, r.Host)
	case strings.HasSuffix(r.URL.Path, "/sobjects/User/describe"):
		fmt.Fprint(w, `{"fields": [{"name": "Id"}, {"name": "Username"}, {"name": "Email"}, {"name": "FirstName"}, {"name": "LastName"},
			{"name": "IsActive"}, {"name": "ManagerId", "relationshipName": "Manager"}]}`)
	case strings.Contains(query, "FROM User"):
		fmt.Fprint(w, `{"totalSize": 1, "done": true, "records": [{"Id": "0058c00000Kt001AAB", "Username": "ada@kestrel.example.crm",
			"Email": "ada.moreau@kestrel.example", "FirstName": "Ada", "LastName": "Moreau", "IsActive": true, "ManagerId": null, "Manager": null}]}`)
	case query != "":
		fmt.Fprint(w, `{"totalSize": 0, "done": true, "records": []}`)
	default:
		http.NotFound(w, r)
	}
}
