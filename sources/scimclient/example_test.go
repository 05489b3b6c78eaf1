package scimclient_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/scimclient"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// Read a directory from whatever speaks SCIM. A made-up server stands in for it.
func Example() {
	company := fake.NewDirectory()
	company.PutUsers(
		sources.User{ID: "1", UserName: "ada@acme.com", Email: "ada@acme.com", Status: sources.StatusActive, TimeZone: "Europe/London"},
		sources.User{ID: "2", UserName: "bo@acme.com", Email: "bo@acme.com", Status: sources.StatusInactive, Manager: sources.Manager{ID: "1"}},
	)
	company.PutGroups(
		sources.Group{ID: "s", Name: "Sales", Members: []string{"2"}},
		sources.Group{ID: "all", Name: "Everybody", Members: []string{"1", "s"}},
	)
	server := httptest.NewServer(&fake.SCIM{Directory: company, Token: "token"})
	defer server.Close()

	src, err := scimclient.New(scimclient.Config{
		Connection: "idp",
		URL:        server.URL,
		Token:      "token", // from a secret store, never from the code
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
	// bo@acme.com inactive, zone "", manager "1"
	// Sales [2]
	// Everybody [1 2]
}
