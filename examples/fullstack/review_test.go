package main

import (
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

var picture = flag.String("picture", "", "write a picture of the review page to this `file`, with the Chromium that .ci/chromium prepares")

// The review pages of each customer, with the requests of its provider, are
// visible to its admin and to nobody else.
func TestReview(t *testing.T) {
	b := open(t)
	req := httptest.NewRequest("POST", "/scim/v2/Users", strings.NewReader(
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ana@acme.example","active":true}`))
	req.Header.Set("Authorization", "Bearer a token")
	b.do(req, http.StatusCreated)
	b.do(httptest.NewRequest("GET", "/acme/review/", nil), http.StatusUnauthorized)
	require.Eventually(t, func() bool {
		page := b.get("/acme/review/", http.StatusOK)
		return strings.Contains(page, "okta-1") && strings.Contains(page, "<strong>POST</strong> User")
	}, time.Minute, 50*time.Millisecond)
	require.NotContains(t, b.get("/globex/review/requests", http.StatusOK), "okta-1")
	require.Contains(t, b.get("/initech/review/", http.StatusOK), "salesforce")
	b.get("/nobody/review/", http.StatusForbidden)
	require.Contains(t, b.post("/acme/review/plan", url.Values{"connection": {"okta"}}, http.StatusSeeOther), "")
	b.get("/acme/review/style.css", http.StatusOK)
}

// kestrel sets up the made-up company of the quickstart for the customer that
// is read from Salesforce. Its people were imported with all their data. Since
// then a dozen of sixty left, some were promoted, and two joined. kestrel
// returns the application and the plan for these changes.
func kestrel(t *testing.T) (*app, *provisioning.Plan) {
	text, err := os.ReadFile("../quickstart/demo/users.json")
	require.NoError(t, err)
	rules, err := os.ReadFile("../quickstart/demo/config.json")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "users.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	stores, err := openStores(t.Context(), options{db: filepath.Join(t.TempDir(), "team.db")})
	require.NoError(t, err)
	app, err := newApp(stores, appConfig{password: password, interval: time.Hour, users: file, mail: func(string) {}, logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { app.Close(); stores.Close() })
	require.NoError(t, app.saveRules(t.Context(), "initech", strings.Replace(string(rules), "kestrel-prod", "salesforce", 1)))
	target := app.customers["initech"].target()
	_, err = app.sync.Run(t.Context(), target)
	require.NoError(t, err)

	_, err = stores.db.ExecContext(t.Context(), `DELETE FROM usher_windows`) // the import was long ago
	require.NoError(t, err)
	var answer map[string]any
	require.NoError(t, json.Unmarshal(text, &answer))
	left := 0
	for i, r := range answer["records"].([]any) {
		record := r.(map[string]any)
		switch title := record["Title"]; {
		case i > 12 && left < 14 && i%3 == 1 && record["IsActive"] == true:
			record["IsActive"] = false
			left++
		case title == "Account Executive":
			record["Title"] = "Senior Account Executive"
		case title == "Support Engineer":
			record["Department"] = "Customer Success"
		}
	}
	for _, name := range []string{"Noor", "Tomás"} {
		newcomer := make(map[string]any)
		for field, value := range answer["records"].([]any)[20].(map[string]any) {
			newcomer[field] = value
		}
		id := "0058c00000Kt9" + strings.ToUpper(name[:2]) + "AAB"
		newcomer["Id"], newcomer["FirstName"], newcomer["LastName"] = id, name, "Halvorsen"
		newcomer["Email"] = strings.ToLower(strings.ReplaceAll(name, "á", "a")) + ".halvorsen@kestrel.example"
		newcomer["Username"] = newcomer["Email"].(string) + ".crm"
		answer["records"] = append(answer["records"].([]any), newcomer)
	}
	answer["totalSize"] = len(answer["records"].([]any))
	text, err = json.Marshal(answer)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	plan, err := app.sync.Plan(t.Context(), target)
	require.NoError(t, err)
	return app, plan
}

// The page of a company's plan shows the facts on which the plan was decided.
func TestReviewOfKestrel(t *testing.T) {
	app, plan := kestrel(t)
	evidence, err := app.sync.Evidence(t.Context(), syncer.Target{Tenant: "initech", Connection: "salesforce"}, plan.Hash)
	require.NoError(t, err)
	require.True(t, evidence.Proven.Has(sources.FactUsers))
	b := &browser{t, app}
	page := b.get("/initech/review/plan?hash="+plan.Hash, http.StatusOK)
	require.Contains(t, page, "It was read whole, and has no groups: who is missing has left.")
	if *picture == "" {
		return
	}
	packages := os.Getenv("USHER_TEST_BROWSER")
	require.NotEmpty(t, packages, "want .ci/chromium go test ...")
	chromium, err := exec.LookPath("chromium")
	require.NoError(t, err)
	server := httptest.NewServer(app.handler)
	defer server.Close()
	at, err := filepath.Abs(*picture)
	require.NoError(t, err)
	cmd := exec.Command("node", "testdata/picture.mjs", chromium, packages, server.URL+"/initech/review/plan?hash="+plan.Hash, at, password)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Run())
}
