package fake_test

import (
	"context"
	"fmt"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/okta"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// Read a made-up Okta org without a network, change it, and read what changed.
func Example() {
	ctx := context.Background()
	company := fake.NewDirectory()
	company.PutUsers(
		sources.User{ID: "00u1", UserName: "ada@acme.com", Email: "ada@acme.com", Status: sources.StatusActive},
		sources.User{ID: "00u2", UserName: "bo@acme.com", Email: "bo@acme.com", Status: sources.StatusActive},
	)
	org := &fake.Okta{Directory: company, Token: "secret"}

	src, err := okta.New(okta.Config{URL: "https://acme.okta.example", Token: "secret", Transport: fake.Transport(org)})
	if err != nil {
		fmt.Println(err)
		return
	}
	before, cursor, err := sources.Refresh(ctx, src, nil, "", sources.CollectConfig{})
	fmt.Println(len(before.Users), err)

	company.RemoveUsers("00u2")
	after, _, err := sources.Refresh(ctx, src, before, cursor, sources.CollectConfig{})
	fmt.Println(len(after.Users), err)
	// Output:
	// 2 <nil>
	// 1 <nil>
}
