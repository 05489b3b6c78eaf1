package scim_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/internal/clienttest"
)

const testToken = "test-token"

// authenticate accepts testToken for the tenant "t1", and any other token "x"
// for the tenant "x".
func authenticate(r *http.Request) (scim.Principal, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch token {
	case "":
		return scim.Principal{}, scim.ErrNotFound
	case testToken:
		return scim.Principal{Tenant: "t1", Connection: "c1"}, nil
	}
	return scim.Principal{Tenant: token, Connection: "c1"}, nil
}

// mount serves cfg below /scim/v2 as a host would, with defaults for what the
// test does not set.
func mount(tb testing.TB, cfg scim.Config) *httptest.Server {
	tb.Helper()
	if cfg.Store == nil {
		cfg.Store = &scim.Memory{}
	}
	if cfg.Authenticate == nil {
		cfg.Authenticate = authenticate
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	handler, err := scim.NewHandler(cfg)
	require.NoError(tb, err)
	server := httptest.NewServer(scim.Mount("/scim/v2", handler, nil))
	tb.Cleanup(server.Close)
	return server
}

// R14, R15, R20, R21, R48, R49, R50, R54, R57, R58, R59, R60, R61, R62, R63,
// G11, S6: the handler answers the requests of the providers' clients as these
// need it. Each file names the public facts that its requests are taken from.
// Creating, updating and deactivating are tested separately. Entra's
// conversation has its connection test (R137), an initial cycle that searches
// for each person and creates them (R26), and later cycles that find the people
// again and update their attributes (R19, R25).
func TestClients(t *testing.T) {
	files, err := filepath.Glob("scimtest/testdata/clients/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			server := mount(t, scim.Config{UserExtension: "urn:ietf:params:scim:schemas:extension:Gong:2.0:User"})
			clienttest.Run(t, clienttest.Target{Base: server.URL + "/scim/v2", Token: testToken, Client: server.Client()}, string(text))
		})
	}
}
