package okta_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/okta"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// Read an org, and later only what changed in it. A made-up org stands in for
// Okta; in production the URL is the org's own, and the credential comes from a
// secret store.
func Example() {
	company := fake.NewDirectory()
	company.PutUsers(
		sources.User{ID: "00u1", Email: "ada@acme.com", Status: sources.StatusActive, TimeZone: "Europe/London"},
		sources.User{ID: "00u2", Email: "bo@acme.com", Status: sources.StatusStaged, Manager: sources.Manager{Email: "ada@acme.com"}},
	)
	company.PutGroups(sources.Group{ID: "00g1", Name: "Sales", Members: []string{"00u1", "00u2"}})
	org := httptest.NewServer(&fake.Okta{Directory: company, Token: "token"})
	defer org.Close()

	src, err := okta.New(okta.Config{
		Connection: "okta-prod",
		URL:        org.URL,
		Token:      "token",
		// The org keeps the zone in a custom attribute.
		Fields: map[string]string{"timezone": "timezone"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	snapshot, cursor, err := sources.Refresh(ctx, src, nil, "", sources.CollectConfig{})
	if err != nil {
		fmt.Println(err) // what was read so far proves nobody's absence
	}
	for _, u := range snapshot.Users {
		fmt.Printf("%s %s, zone %q, manager %q\n", u.Email, u.Status, u.TimeZone, u.Manager.Email)
	}

	company.RemoveUsers("00u1")
	snapshot, _, err = sources.Refresh(ctx, src, snapshot, cursor, sources.CollectConfig{})
	if err != nil {
		fmt.Println(err)
	}
	for _, g := range snapshot.Groups {
		fmt.Println(g.Name, g.Members)
	}
	fmt.Println("proven:", snapshot.Proven)
	// Output:
	// ada@acme.com active, zone "Europe/London", manager ""
	// bo@acme.com staged, zone "", manager "ada@acme.com"
	// Sales [00u2]
	// proven: users, groups, memberships, managers
}
