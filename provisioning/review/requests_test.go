package review_test

import (
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/review"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

// A directoryStore stores what is pushed, and the log of requests.
type directoryStore interface {
	scim.Store
	scim.RequestStore
}

// directoryStores returns the stores of this module.
func directoryStores(t *testing.T) map[string]func(*testing.T) directoryStore {
	open := func(t *testing.T, driver, dsn string, dialect sqlstore.Dialect) directoryStore {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: dialect})
		require.NoError(t, err)
		return store
	}
	return map[string]func(*testing.T) directoryStore{
		"memory": func(*testing.T) directoryStore { return new(scim.Memory) },
		"SQLite": func(t *testing.T) directoryStore {
			return open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "scim.db"), sqlstore.SQLite)
		},
		"PostgreSQL": func(t *testing.T) directoryStore {
			return open(t, pgtest.Driver, pgtest.Start(t).Schema(t), sqlstore.PostgreSQL)
		},
	}
}

// push sends requests as a provider does, with a token. It returns the last ID
// in an answer.
func push(t *testing.T, server *httptest.Server, token string, requests ...[3]string) (id string) {
	t.Helper()
	for _, r := range requests {
		req, err := http.NewRequest(r[0], server.URL+strings.ReplaceAll(r[1], "{id}", id), strings.NewReader(r[2]))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/scim+json")
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if _, rest, found := strings.Cut(string(text), `"id":"`); found && resp.StatusCode == 201 {
			id, _, _ = strings.Cut(rest, `"`)
		}
	}
	return id
}

// Okta and Entra push, each with its token. An admin sees their requests and
// the answers on the page: who did what, and why it was refused. Nobody sees
// those of another tenant or connection, or the values that were sent.
func TestRequestsPage(t *testing.T) {
	for name, open := range directoryStores(t) {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			log, err := scim.NewRequestLog(scim.RequestLogConfig{Store: store, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			t.Cleanup(func() { _ = log.Close() })
			handler, err := scim.NewHandler(scim.Config{
				Store: store, Requests: log, Logger: slog.New(slog.DiscardHandler),
				Authenticate: scim.BearerTokens(scim.FixedTokens(
					scim.Token{Hash: scim.HashToken("okta-secret"), Principal: scim.Principal{Tenant: "acme", Connection: "okta", Token: "tok-7"}},
					scim.Token{Hash: scim.HashToken("entra-secret"), Principal: scim.Principal{Tenant: "rival", Connection: "okta"}},
				)),
			})
			require.NoError(t, err)
			server := httptest.NewServer(handler)
			defer server.Close()
			okta := push(t, server, "okta-secret",
				[3]string{"GET", "/Users?filter=userName%20eq%20%22ana@acme.com%22&startIndex=1&count=100"},
				[3]string{"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ana@acme.com",
					"name":{"givenName":"Ana","familyName":"Young"},"emails":[{"primary":true,"value":"ana@acme.com","type":"work"}],"externalId":"00u1","active":true}`},
				[3]string{"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ana@acme.com"}`},
				[3]string{"PUT", "/Users/{id}", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ana@acme.com","active":false}`},
				[3]string{"PATCH", "/Users/{id}", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"blow up ana"}]}`},
			)
			entra := push(t, server, "entra-secret",
				[3]string{"POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
					"externalId":"eve","userName":"eve@rival.com","active":true,"meta":{"resourceType":"User"},"roles":[]}`},
				[3]string{"PATCH", "/Users/{id}", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`},
				[3]string{"GET", "/Groups?excludedAttributes=members&filter=displayName%20eq%20%22Sales%22"},
			)
			push(t, server, "guessed", [3]string{"GET", "/Users"})
			require.NoError(t, log.Close())

			h := newHost(t, func(c *review.Config) { c.Requests = store })
			page := h.get("olga", "requests?connection=okta")
			words := page.words()
			for _, want := range []string{
				"Requests (5)", "What each token did last", "tok-7", `GET User userName eq "…"`, "POST User", "PUT User",
				"409 userName: the value is in use by another resource uniqueness", `400 Operations[0].op: want add, replace or remove, got "…"`,
			} {
				require.Contains(t, words, want)
			}
			require.Contains(t, page.text, okta[:12])
			require.Contains(t, h.get("olga", "requests?connection=okta&only=errors").words(), "Refused requests (2)")
			require.Contains(t, h.get("olga", "requests?connection=okta&id="+okta).words(), "(3)")
			home := h.get("olga", "").words()
			require.Contains(t, home, "SCIM requests")
			require.Contains(t, home, "tok-7")
			theirs := h.get("eve", "requests").words()
			require.Contains(t, theirs, "Requests (3)")
			require.Contains(t, theirs, scim.HashToken("entra-secret")[:8])
			require.NotContains(t, theirs, "tok-7")
			for _, p := range []answer{page, h.get("olga", ""), h.get("eve", "requests"), h.get("eve", "requests?id="+okta)} {
				for _, secret := range []string{"ana@", "eve@", "Young", "00u1", "Sales", "okta-secret", "entra-secret", "guessed", "blow up"} {
					require.NotContains(t, p.text, secret)
				}
			}
			require.NotContains(t, h.get("olga", "requests").text+h.get("olga", "").text, entra[:12])
			require.Equal(t, 404, h.send("olga", "GET", "requests?connection=entra", nil).StatusCode)
			require.Equal(t, 403, h.send("", "GET", "requests?connection=okta", nil).StatusCode)
			hiding := everything("mole", "acme")
			hiding.Hide = provisioning.PersonalMask()
			h.access["mole"] = hiding
			require.NotContains(t, h.get("mole", "requests").text, okta[:12])
		})
	}
	h := newHost(t)
	require.Equal(t, 404, h.send("olga", "GET", "requests", nil).StatusCode)
	h = newHost(t, func(c *review.Config) { c.Requests = new(scim.Memory) })
	require.Contains(t, h.get("olga", "requests").words(), "No request is remembered yet.")
}

// The page of a busy connection stays small, and hostile names are shown as
// text.
func TestRequestsPageSize(t *testing.T) {
	store := new(scim.Memory)
	var history scim.RequestHistory
	hostile := `<script>alert(1)</script>"` + "\u202e" + strings.Repeat("x", 500)
	for i := range 1000 {
		r := scim.RequestRecord{Method: "PATCH", Type: hostile, Token: hostile, ID: hostile, Filter: hostile, Status: 400, Detail: hostile, ScimType: hostile}
		history.Requests = append(history.Requests, r)
		history.Tokens = append(history.Tokens, scim.TokenUse{Token: fmt.Sprint(hostile, i), RequestCount: scim.RequestCount{N: 1}, Did: r})
	}
	history.Tokens = history.Tokens[:scim.MaxTokens]
	require.NoError(t, store.AddRequests(t.Context(), []scim.RequestBatch{{
		Directory: scim.Directory{Tenant: "acme", Connection: "okta"}, RequestHistory: history,
	}}, scim.RequestLimits{Requests: 1000}))
	h := newHost(t, func(c *review.Config) { c.Requests = store })
	for _, path := range []string{"", "requests"} {
		page := h.get("olga", path)
		require.Less(t, len(page.text), 300_000, path)
		require.NotContains(t, page.text, "<script")
		require.NotContains(t, page.text, "\u202e")
	}
}
