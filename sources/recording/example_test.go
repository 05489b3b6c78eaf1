package recording_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/recording"
	"github.com/usher-go/usher/sources/rippling"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// Record a reading, and repeat it without the provider. A made-up company stands in
// for Rippling.
func Example() {
	ctx := context.Background()
	company := fake.NewDirectory()
	company.PutUsers(sources.User{ID: "w1", Email: "ada@acme.com", Status: sources.StatusActive})
	provider := httptest.NewServer(&fake.Rippling{Directory: company, Token: "secret"})
	dir, err := os.MkdirTemp("", "recording")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()

	recorder, err := recording.New(dir, recording.Config{Secrets: []string{"secret"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	live, err := rippling.New(rippling.Config{URL: provider.URL, Token: "secret", Transport: recorder})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := sources.Collect(ctx, live, sources.CollectConfig{}); err != nil {
		fmt.Println(err)
		return
	}
	provider.Close()

	player, err := recording.Open(os.DirFS(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	replayed, err := rippling.New(rippling.Config{URL: provider.URL, Token: "any", Transport: player})
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot, err := sources.Collect(ctx, replayed, sources.CollectConfig{})
	fmt.Println(snapshot.Users[0].Email, err)
	// Output: ada@acme.com <nil>
}
