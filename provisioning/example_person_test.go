package provisioning_test

import (
	"context"
	"fmt"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// The life of one person in the team: in, changed, out, and back under a new ID.
func ExampleApply() {
	ctx := context.Background()
	resolver, err := provisioning.New(provisioning.Config{Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := new(provisioning.Memory)
	run := func(users ...sources.User) {
		team, err := provisioning.Team(ctx, store, "acme")
		if err != nil {
			fmt.Println(err)
			return
		}
		plan := resolver.Resolve(provisioning.Input{Tenant: "acme", Snapshot: &sources.Snapshot{Proven: sources.FactAll, Users: users}, Members: team})
		if _, err := provisioning.Apply(ctx, store, "acme", plan); err != nil {
			fmt.Println(err)
		}
		for _, action := range plan.Actions {
			fmt.Println(action.Kind, action.Member.Email, action.Reasons[0].Code)
		}
	}
	ana := sources.User{ID: "1", Status: sources.StatusActive, Email: "ana@acme.com", GivenName: "Ana", FamilyName: "Young"}
	run(ana)
	ana.Title = "Engineer"
	run(ana)
	ana.Status = sources.StatusInactive // the provider keeps the closed account
	run(ana)
	again := ana
	again.ID, again.Status = "2", sources.StatusActive
	run(ana, again)
	run(ana, again) // nothing is left to do
	// Output:
	// create ana@acme.com match.new
	// update ana@acme.com source.value
	// deactivate ana@acme.com source.inactive
	// rehire ana@acme.com match.rehire
}
