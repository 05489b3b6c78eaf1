package sources_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
)

// Proven says how much of the directory a snapshot is.
func ExampleCollect() {
	okta := sourcetest.NewDirectory(sourcetest.DirectoryConfig{
		Kind:       "okta",
		Connection: "okta-prod",
		Users:      []sources.User{{ID: "00u1", Email: "ana@acme.com"}, {ID: "00u2", Email: "bo@acme.com"}},
		Groups:     []sources.Group{{ID: "00g1", Name: "Sales", Members: []string{"00u1"}}},
	})
	snapshot, err := sources.Collect(context.Background(), okta, sources.CollectConfig{})
	fmt.Println(len(snapshot.Users), "users; proven:", snapshot.Proven, err)

	// From the second request on the provider refuses. The snapshot has users and
	// no groups, and does not prove that there are no groups.
	okta.FailFrom(1, sources.ErrRateLimited)
	snapshot, err = sources.Collect(context.Background(), okta, sources.CollectConfig{})
	fmt.Println(len(snapshot.Users), "users; proven:", snapshot.Proven)
	fmt.Println(errors.Is(err, sources.ErrRateLimited), err)

	// Output:
	// 2 users; proven: users, groups, memberships, managers <nil>
	// 2 users; proven: users, managers
	// true okta: list groups: rate limited
}

// Refresh reads what changed, or everything if it must. Store the snapshot and the
// cursor together.
func ExampleRefresh() {
	ctx := context.Background()
	okta := sourcetest.NewDirectory(sourcetest.DirectoryConfig{
		Users: []sources.User{{ID: "00u1", Title: "Seller"}, {ID: "00u2"}, {ID: "00u3"}},
	})
	snapshot, cursor, err := sources.Refresh(ctx, okta, nil, "", sources.CollectConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	okta.PutUsers(sources.User{ID: "00u1", Title: "Head of Sales"})
	okta.RemoveUsers("00u2")

	snapshot, _, err = sources.Refresh(ctx, okta, snapshot, cursor, sources.CollectConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, u := range snapshot.Users {
		fmt.Println(u.ID, u.Title)
	}
	// Output:
	// 00u1 Head of Sales
	// 00u3
}

// Each user and group is on a line, in a canonical order, so that two files can be
// compared.
func ExampleWriteSnapshot() {
	err := sources.WriteSnapshot(os.Stdout, &sources.Snapshot{
		Kind:       "salesforce",
		Connection: "sf-prod",
		Proven:     sources.FactUsers,
		Users: []sources.User{
			{ID: "0052", Email: "bo@acme.com", Manager: sources.Manager{ID: "0051"}},
			{ID: "0051", Email: "ana@acme.com", Attributes: map[string]sources.Values{"Department": {"Sales"}}},
		},
		Matches: map[string][]string{"IsActive = true": {"0051", "0052"}},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"format":1,"kind":"salesforce","connection":"sf-prod","proven":["users"],"users":[
	// {"id":"0051","email":"ana@acme.com","attributes":{"Department":"Sales"}},
	// {"id":"0052","email":"bo@acme.com","manager":{"id":"0051"}}],"matches":{
	// "IsActive = true":["0051","0052"]}}
}
