package elimity_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/elimity"
	"github.com/usher-go/usher/scim/internal/clienttest"
	"github.com/usher-go/usher/scim/internal/elimitytest"
)

// Handlers written for elimity's server hold the same conversations.
func TestConversations(t *testing.T) {
	for _, name := range []string{"entra", "entra_aadOptscim062020", "okta", "onelogin", "rippling", "generic"} {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile("../scimtest/testdata/clients/" + name + ".txtar")
			require.NoError(t, err)
			// These handlers do not know of one another, so that a user of
			// theirs does not show its groups.
			text := strings.ReplaceAll(string(file), `groups[value={{group}}]`, "id ?\n#")
			store, err := elimity.NewStore(
				elimity.Type{
					Name: scim.TypeUser, Schema: schema.CoreUserSchema(), Handler: elimitytest.New(),
					Extensions: []schema.Schema{schema.ExtensionEnterpriseUser(), scim.UserExtension("urn:ietf:params:scim:schemas:extension:Gong:2.0:User")},
				},
				elimity.Type{Name: scim.TypeGroup, Schema: schema.CoreGroupSchema(), Handler: elimitytest.New()},
			)
			require.NoError(t, err)
			handler, err := scim.NewHandler(scim.Config{
				Store:         store,
				Authenticate:  scim.BearerTokens(scim.FixedTokens(scim.Token{Hash: scim.HashToken("T"), Principal: scim.Principal{Tenant: "t"}})),
				UserExtension: "urn:ietf:params:scim:schemas:extension:Gong:2.0:User",
				Logger:        slog.New(slog.DiscardHandler),
			})
			require.NoError(t, err)
			mux := http.NewServeMux()
			mux.Handle("/scim/v2/", http.StripPrefix("/scim/v2", handler))
			server := httptest.NewServer(mux)
			defer server.Close()
			clienttest.Run(t, clienttest.Target{Base: server.URL + "/scim/v2", Token: "T", Client: server.Client()}, text)
		})
	}
}

func TestNewStoreChecksTypes(t *testing.T) {
	good := elimity.Type{Name: "User", Handler: elimitytest.New()}
	for _, types := range [][]elimity.Type{{{Name: "User"}}, {{Handler: elimitytest.New()}}, {good, good}} {
		_, err := elimity.NewStore(types...)
		assert.Error(t, err)
	}
}
