package review_test

import (
	"encoding/json"
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

	"github.com/usher-go/usher/provisioning/review"
	"github.com/usher-go/usher/scim"
)

// someRequests returns the requests of a provider whose first token has
// expired.
func someRequests() scim.RequestHistory {
	at := time.Now().UTC().Add(-time.Hour)
	var h scim.RequestHistory
	for i, r := range []scim.RequestRecord{
		{Method: "GET", Type: "User", Filter: `userName eq "…"`, Status: 200},
		{Method: "POST", Type: "User", ID: "0a7d4f0e-5b39-4c8f-9d3e-8f6f2b1c0d11", Status: 201},
		{Method: "POST", Type: "User", Status: 409, ScimType: "uniqueness", Detail: "userName: the value is in use by another resource"},
		{Method: "PATCH", Type: "Group", ID: "7b1c0d11-5b39-4c8f-9d3e-8f6f2b1c0a7d", Status: 204},
		{Method: "POST", Type: "Bulk", Operations: 12, Failed: 2, Status: 200, Detail: `members.value: no user or group has the id "…"`},
		{Method: "GET", Type: "User", Filter: `emails[type eq "…"] and active eq true`, Status: 503, Detail: "the service is unavailable at present; try again"},
	} {
		r.At, r.Token, r.Took = at.Add(time.Duration(i)*7*time.Minute), "okta-1", time.Duration(1+i*i)*9*time.Millisecond
		h.Requests = append(h.Requests, r)
		h.Tokens = []scim.TokenUse{{Token: r.Token, RequestCount: scim.RequestCount{N: 1284, First: at, Last: r.At}, Did: r}}
	}
	h.Refused = scim.RequestCount{N: 37, First: at, Last: at.Add(time.Minute)}
	return h
}

// TestChromium uses the pages in a real Chromium. It approves a held class from
// start to finish with the keyboard. It requires that there are no console
// errors and no findings of axe-core. It writes screenshots of every page to
// the folder that USHER_SCREENSHOTS names. The requirements are in
// .ci/chromium.
func TestChromium(t *testing.T) {
	packages := os.Getenv("USHER_TEST_BROWSER")
	chromium, err := exec.LookPath("chromium")
	if err != nil || packages == "" {
		t.Skip("SKIPPED: there is no Chromium, or USHER_TEST_BROWSER does not name what drives it: .ci/chromium go test -run Chromium ./provisioning/review")
	}
	pushed := new(scim.Memory)
	require.NoError(t, pushed.AddRequests(t.Context(), []scim.RequestBatch{{Directory: scim.Directory(acme), RequestHistory: someRequests()}}, scim.RequestLimits{Requests: 1000}))
	h := newHost(t, func(c *review.Config) { c.Requests = pushed })
	h.hire(names(30)...)
	h.leave(names(4)...)
	h.dirs[acme].set(func(d *directory) {
		for i := 5; i < 20; i++ {
			d.users[i].Title, d.users[i].Manager.Email = "Manager", d.users[i/3].Email
		}
		for i := 20; i < 30; i++ {
			d.users[i].Title = "Senior clerk"
		}
		d.users = append(d.users, user("newcomer"))
	})
	shots := os.Getenv("USHER_SCREENSHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	require.NoError(t, os.MkdirAll(shots, 0o755))

	root := http.NewServeMux()
	root.Handle("/", h.handler)
	root.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(root)
	defer server.Close()

	plan := h.plan()
	page := h.get("olga", "plan?hash="+plan.Hash)
	group, _, _ := strings.Cut(strings.Split(page.text, "group=")[1], "&")
	team := h.get("olga", "person?who=person07@acme.com")
	require.Contains(t, team.text, "Place in the org chart")
	pages, err := json.Marshal([]string{
		"person?hash=" + plan.Hash + "&who=" + url.QueryEscape("person07@acme.com"), "plan?hash=" + plan.Hash + "&group=" + group,
		"chart?q=lee&hash=" + plan.Hash, "whatif", "requests?connection=okta",
	})
	require.NoError(t, err)
	export := filepath.Join(t.TempDir(), "plan.html")
	require.NoError(t, os.WriteFile(export, []byte(h.get("olga", "export.html?hash="+plan.Hash).text), 0o600))

	cmd := exec.Command("node", "testdata/browser.mjs", chromium, packages, server.URL+"/admin/review/", shots)
	cmd.Env = append(os.Environ(), "PAGES="+string(pages), "EXPORT="+export,
		`NEXT={"format":1,"source":"okta","domains":{"primary":"acme.com"},"attributes":{"cost":"cost"},"default":{"id":"all","name":"All","mode":"automatic","seats":["gold"]}}`)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	var told struct{ Problems, Did []string }
	require.NoError(t, json.Unmarshal(out, &told), "%s", out)
	require.Empty(t, told.Problems, "%s", strings.Join(told.Problems, "\n"))
	require.GreaterOrEqual(t, len(told.Did), 12)
	require.Equal(t, 27, h.active()) // 30 people and a newcomer, minus four leavers
	files, err := filepath.Glob(filepath.Join(shots, "*.png"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 3*len(told.Did))
}
