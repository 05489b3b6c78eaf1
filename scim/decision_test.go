package scim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// S33: pushed people are decided and locked by the rules of their provider's
// kind, like people who are read from its API. A host's own kind has neutral
// rules.
func TestPushedIsDecidedByItsKind(t *testing.T) {
	for kind, want := range map[string]struct {
		mobileFree bool
		manager    string // "ida@" is found by the id, "by@" by the address
	}{
		"okta": {mobileFree: true, manager: "by@acme.com"}, "onelogin": {mobileFree: true, manager: "by@acme.com"}, "rippling": {mobileFree: true, manager: "by@acme.com"},
		"entra": {mobileFree: true, manager: "ida@acme.com"}, "azuread": {mobileFree: true, manager: "ida@acme.com"},
		"scim": {manager: "ida@acme.com"}, "acme-hr": {manager: "ida@acme.com"},
	} {
		t.Run(kind, func(t *testing.T) {
			store := new(scim.Memory)
			handler, err := scim.NewHandler(scim.Config{Store: store, Authenticate: func(*http.Request) (scim.Principal, error) {
				return scim.Principal{Tenant: "t", Connection: "c", Kind: kind}, nil
			}})
			require.NoError(t, err)
			push := func(body string) string {
				r := httptest.NewRequest(http.MethodPost, "/Users", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/scim+json")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
				_, id, _ := strings.Cut(w.Body.String(), `"id":"`)
				id, _, _ = strings.Cut(id, `"`)
				return id
			}
			const head = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","urn:ietf:params:scim:schemas:extension:usher:2.0:User"],"active":true,`
			ida := push(head + `"userName":"ida@acme.com","emails":[{"value":"ida@acme.com","type":"work","primary":true}],"name":{"givenName":"Ida","familyName":"Id"}}`)
			push(head + `"userName":"by@acme.com","emails":[{"value":"by@acme.com","type":"work","primary":true}],"name":{"givenName":"By","familyName":"Address"}}`)
			push(head + `"userName":"ana@acme.com","emails":[{"value":"ana@acme.com","type":"work","primary":true}],"name":{"givenName":"Ana","familyName":"Young"},
				"phoneNumbers":[{"value":"+1 212 555 0100","type":"work"}],
				"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales","manager":{"value":"` + ida + `"}},
				"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"managerEmail":"by@acme.com"}}`)

			cfg := provisioning.Config{
				Source: kind, Connection: "c", Domains: provisioning.Domains{Primary: "acme.com"},
				Attributes: map[string]string{"team": sources.AttributeDepartment},
			}
			r, err := provisioning.New(cfg)
			require.NoError(t, err)
			require.Equal(t, kind == "acme-hr", len(r.Warnings()) > 0, "a word that is not known may be a slip: %v", r.Warnings())
			snapshot, err := sources.Collect(t.Context(), scim.AsSource(store, "t", "c", scim.SourceConfig{Kind: kind}), sources.CollectConfig{})
			require.NoError(t, err)
			team := new(provisioning.Memory)
			plan := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot})
			require.Equal(t, 3, plan.Count(provisioning.KindCreate), "%s", plan)
			_, err = provisioning.Apply(t.Context(), team, "t", plan)
			require.NoError(t, err)

			byID := make(map[string]provisioning.Member)
			var ana provisioning.Member
			for m, err := range team.Members(t.Context(), "t") {
				require.NoError(t, err)
				if byID[m.ID] = m; m.Email == "ana@acme.com" {
					ana = m
				}
			}
			require.Equal(t, want.manager, byID[ana.ManagerID].Email, "S22: the order of the keys is the kind's\n%s", plan)
			require.Equal(t, "Sales", ana.Attributes["team"], "S35")
			require.True(t, r.Locks().Field(ana, provisioning.FieldTitle).Locked, "R72")
			ana.Owners = ana.Owners.With(provisioning.FieldMobilePhone, provisioning.OwnerHand)
			require.Equal(t, want.mobileFree, !r.Locks().Field(ana, provisioning.FieldMobilePhone).Locked, "R36: what the kind never maps is free")
		})
	}
}
