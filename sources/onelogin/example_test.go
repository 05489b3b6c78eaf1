package onelogin_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/onelogin"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// Read an account. A made-up one stands in for OneLogin; in production the URL
// is the account's own, and the credential comes from a secret store.
func Example() {
	company := fake.NewDirectory()
	company.PutUsers(
		sources.User{ID: "101", Email: "ada@acme.com", Status: sources.StatusActive, TimeZone: "Europe/London"},
		sources.User{ID: "102", Email: "bo@acme.com", Status: sources.StatusInactive, Manager: sources.Manager{ID: "101"}},
	)
	company.PutGroups(sources.Group{ID: "7", Name: "Sales", Members: []string{"101", "102"}})
	account := httptest.NewServer(&fake.OneLogin{Directory: company, ClientID: "id", ClientSecret: "secret"})
	defer account.Close()

	src, err := onelogin.New(onelogin.Config{
		Connection:   "onelogin-prod",
		URL:          account.URL,
		ClientID:     "id",
		ClientSecret: "secret",
		// The account keeps the zone in a custom attribute.
		Fields: map[string]string{"timezone": "timezone"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot, err := sources.Collect(context.Background(), src, sources.CollectConfig{})
	if err != nil {
		fmt.Println(err) // what was read so far proves nobody's absence
	}
	for _, u := range snapshot.Users {
		fmt.Printf("%s %s, zone %q, manager %q\n", u.Email, u.Status, u.TimeZone, u.Manager.ID)
	}
	for _, g := range snapshot.Groups {
		fmt.Println(g.Name, g.Members)
	}
	fmt.Println("proven:", snapshot.Proven)
	// Output:
	// ada@acme.com active, zone "Europe/London", manager ""
	// bo@acme.com inactive, zone "", manager "101"
	// Sales [101 102]
	// proven: users, groups, memberships, managers
}
