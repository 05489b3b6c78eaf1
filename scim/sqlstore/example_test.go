package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	_ "modernc.org/sqlite" // the program chooses the driver

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

// A server stores what a provider pushes, and reads it as a source.
func Example() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:") // a real program uses a file
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // necessary only for a database in memory
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := scim.NewHandler(scim.Config{
		Store: store,
		Authenticate: scim.BearerTokens(scim.FixedTokens(scim.Token{
			Hash: scim.HashToken("secret"), Principal: scim.Principal{Tenant: "acme", Connection: "okta"},
		})),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	push := httptest.NewRequest(http.MethodPost, "/Users", strings.NewReader(
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ana@example.com","emails":[{"value":"ana@example.com"}]}`))
	push.Header.Set("Authorization", "Bearer secret")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, push)
	fmt.Println(answer.Code)

	for user, err := range scim.AsSource(store, "acme", "okta").Users(ctx) {
		fmt.Println(user.Email, user.Status, err)
	}
	// Output:
	// 201
	// ana@example.com active <nil>
}
