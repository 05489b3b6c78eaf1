package salesforce_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/salesforce"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// Read an org and see whom an assignment's filter selects. A made-up org stands in
// for Salesforce; in production leave out LoginURL, or set it to the org's My
// Domain.
func Example() {
	people := fake.NewDirectory()
	people.PutUsers(
		sources.User{
			ID: "005000000000001AAA", Email: "ada@acme.com", Status: sources.StatusActive, TimeZone: "America/Los_Angeles",
			Attributes: map[string]sources.Values{"Region__c": {"West"}},
		},
		sources.User{
			ID: "005000000000002AAA", Email: "bo@acme.com", Status: sources.StatusInactive, TimeZone: "Europe/Stockholm",
			Manager: sources.Manager{ID: "005000000000001AAA"},
		},
	)
	org := httptest.NewServer(&fake.Salesforce{Directory: people, ClientID: "3MVG9...", ClientSecret: "...", Fields: []string{"Region__c"}})
	defer org.Close()

	src, err := salesforce.New(salesforce.Config{
		LoginURL:     org.URL,
		ClientID:     "3MVG9...", // the consumer key of the connected app
		ClientSecret: "...",      // from a secret store, never from the code
		Attributes:   []string{"Region__c"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for user, err := range src.Users(ctx) {
		if err != nil {
			fmt.Println(err) // what was listed so far proves nobody's absence
			return
		}
		fmt.Println(user.Email, user.Status, user.TimeZone, user.Attributes["Region__c"])
	}
	for id, err := range sources.Match(ctx, src, "Region__c = 'West'") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("in the West:", id)
	}
	for _, err := range sources.Match(ctx, src, "Region__c = 'West') OR (Id != null") {
		fmt.Println(err)
	}
	// Output:
	// ada@acme.com active America/Los_Angeles [West]
	// bo@acme.com inactive Europe/Stockholm []
	// in the West: 005000000000001AAA
	// salesforce: match: query refused: filter: position 19: a closing parenthesis without an opening one
}
