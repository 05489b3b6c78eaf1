package scim_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// A host mounts the handler in its mux. Tokens determine the tenant of a
// request. The host is notified of each change after it is stored.
func Example() {
	token, hash := scim.NewToken() // show the token once, store only the hash
	store := &scim.Memory{}
	handler, err := scim.NewHandler(scim.Config{
		Store: store,
		Authenticate: scim.BearerTokens(scim.FixedTokens(scim.Token{
			Hash: hash, Principal: scim.Principal{Tenant: "acme", Connection: "okta-1", Kind: sources.KindOkta},
		})),
		OnChange: func(_ context.Context, e scim.Event) { fmt.Println("changed:", e.Ref.Type) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux() // the host serves its other pages here, too
	server := scim.Mount("/scim/v2", handler, mux)

	// A provider's client sends this request.
	request := httptest.NewRequest(http.MethodPost, "/scim/v2/Users", strings.NewReader(`{
		"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada@example.com",
		"name": {"givenName": "Ada", "familyName": "Lovelace"},
		"emails": [{"type": "work", "value": "ada@example.com", "primary": true}]}`))
	request.Header.Set("Authorization", "Bearer "+token)
	response := httptest.NewRecorder()
	server.ServeHTTP(response, request)
	fmt.Println(response.Code)

	// The pushed data can be read as a directory.
	directory := scim.AsSource(store, "acme", "okta-1", scim.SourceConfig{Kind: sources.KindOkta})
	for user, err := range directory.Users(context.Background()) {
		fmt.Println(user.Email, user.GivenName, user.Status, err)
	}
	// Output:
	// changed: User
	// 201
	// ada@example.com Ada active <nil>
}
