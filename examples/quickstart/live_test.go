package main

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// With SALESFORCE_* set the live org is read, and its secret is never told.
func TestLiveOrg(t *testing.T) {
	people := fake.NewDirectory()
	people.PutUsers(sources.User{
		ID: "0058c00000Kt001AAB", UserName: "ada@kestrel.example.crm", Email: "ada.moreau@kestrel.example",
		GivenName: "Ada", FamilyName: "Moreau", Status: sources.StatusActive,
	})
	org := httptest.NewServer(&fake.Salesforce{Directory: people, ClientID: "app", ClientSecret: "open sesame"})
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
