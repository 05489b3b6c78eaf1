package rippling_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/rippling"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// Read a company. A made-up one stands in for Rippling; in production leave out
// the URL.
func Example() {
	company := fake.NewDirectory()
	company.PutUsers(
		sources.User{ID: "641b0a", Email: "ada@acme.com", Status: sources.StatusActive, TimeZone: "Europe/London"},
		sources.User{ID: "641b0b", Email: "bo@acme.com", Status: sources.StatusStaged, Manager: sources.Manager{ID: "641b0a"}},
	)
	company.PutGroups(sources.Group{ID: "62aa01", Name: "Sales", Members: []string{"641b0b"}})
	server := httptest.NewServer(&fake.Rippling{Directory: company, Token: "token"})
	defer server.Close()

	src, err := rippling.New(rippling.Config{
		URL:   server.URL,
		Token: "token", // from a secret store, never from the code
		// Use the names that people prefer.
		Fields: map[string]string{"given_name": "preferred_given_name"},
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
	// Output:
	// ada@acme.com active, zone "Europe/London", manager ""
	// bo@acme.com staged, zone "", manager "641b0a"
	// Sales [641b0b]
}
