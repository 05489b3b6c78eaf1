package sourcetest_test

import (
	"context"
	"fmt"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
)

// A Directory replaces a provider in a host's own tests: fill it, change it,
// break it, and check what a sync does with the result.
func ExampleDirectory() {
	ctx := context.Background()
	directory := sourcetest.NewDirectory(sourcetest.DirectoryConfig{
		Kind:       "salesforce",
		Connection: "sf-prod",
		Users: []sources.User{
			{ID: "0051", Email: "ana@acme.com", Status: sources.StatusActive},
			{ID: "0052", Email: "bo@acme.com", Status: sources.StatusActive},
		},
		Matches: map[string][]string{"Department = 'Sales'": {"0051"}},
	})
	cfg := sources.CollectConfig{Queries: []string{"Department = 'Sales'"}}

	directory.RemoveUsers("0052")
	snapshot, err := sources.Collect(ctx, directory, cfg)
	fmt.Println(len(snapshot.Users), snapshot.Matches, err)

	directory.FailFrom(0, sources.ErrUnavailable)
	snapshot, err = sources.Collect(ctx, directory, cfg)
	fmt.Println(len(snapshot.Users), snapshot.Proven)
	fmt.Println(err)

	// Output:
	// 1 map[Department = 'Sales':[0051]] <nil>
	// 0 nothing
	// salesforce: list users: provider unavailable
	// salesforce: list groups: provider unavailable
	// match "Department = 'Sales'": salesforce: match: provider unavailable
}
