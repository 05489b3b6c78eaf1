package salesforce_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/salesforce"
)

// Read an org and see whom an assignment's filter selects. A server with three
// answers stands in for Salesforce; in production leave out LoginURL, or set it
// to the org's My Domain.
func Example() {
	org := httptest.NewServer(nil)
	defer org.Close()
	org.Config.Handler = salesforceWithTwoUsers(org.URL)

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

// salesforceWithTwoUsers answers as an org does: a token, the fields of users,
// and two queries.
func salesforceWithTwoUsers(address string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		query := r.URL.Query().Get("q")
		switch {
		case r.URL.Path == "/services/oauth2/token":
			fmt.Fprintf(w, `{"access_token": "00D...", "instance_url": %q}`, address)
		case strings.HasSuffix(r.URL.Path, "/sobjects/User/describe"):
			fmt.Fprint(w, `{"fields": [{"name": "Id"}, {"name": "Username"}, {"name": "Email"}, {"name": "FirstName"},
				{"name": "LastName"}, {"name": "IsActive"}, {"name": "ManagerId", "relationshipName": "Manager"},
				{"name": "TimeZoneSidKey"}, {"name": "Region__c"}]}`)
		case strings.Contains(query, "WHERE Region__c = 'West'"):
			fmt.Fprint(w, `{"totalSize": 1, "done": true, "records": [{"Id": "005000000000001AAA"}]}`)
		default:
			fmt.Fprint(w, `{"totalSize": 2, "done": true, "records": [
				{"Id": "005000000000001AAA", "Username": "ada@acme.com", "Email": "ada@acme.com", "FirstName": "Ada", "LastName": "Byron",
				 "IsActive": true, "ManagerId": null, "Manager": null, "TimeZoneSidKey": "America/Los_Angeles", "Region__c": "West"},
				{"Id": "005000000000002AAA", "Username": "bo@acme.com", "Email": "bo@acme.com", "FirstName": "Bo", "LastName": "Ek",
				 "IsActive": false, "ManagerId": "005000000000001AAA", "Manager": {"Email": "ada@acme.com"},
				 "TimeZoneSidKey": "Europe/Stockholm", "Region__c": null}]}`)
		}
	})
}
