package provisioning_test

import (
	"context"
	"fmt"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A push changed one person. Gather reads the part of the world that this decision
// needs, from the stored team and the directory, and Resolve decides about the part
// as it does about everybody.
//
// The directory here is the index of a snapshot. A directory that stores pushed
// users in a database finds them there.
func ExampleResolver_Gather() {
	ctx := context.Background()
	resolver, err := provisioning.New(provisioning.Config{
		Source:  "okta",
		Domains: provisioning.Domains{Primary: "acme.com"},
		Assignments: []assignment.Assignment{{
			ID: "sales", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g-sales"}},
			Settings: assignment.Settings{Seats: []string{"core"}},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	team := new(provisioning.Memory)
	directory := &sources.Snapshot{
		Kind: "okta", Connection: "okta", Proven: sources.FactAll,
		Users:  []sources.User{{ID: "1", Status: sources.StatusActive, Email: "ana@acme.com", GivenName: "Ana", FamilyName: "Young"}},
		Groups: []sources.Group{{ID: "g-sales", Members: []string{"1", "2"}}},
	}

	// pushed decides about one person of the directory and applies the plan.
	pushed := func(externalID string) error {
		in, err := resolver.Gather(ctx, provisioning.Lookup{Tenant: "acme", Team: team, Directory: sources.NewIndex(directory)}, externalID)
		if err != nil {
			return err // provisioning.ErrNeedsWholeRun: decide about everybody
		}
		plan := resolver.Resolve(in)
		fmt.Print(plan)
		_, err = provisioning.Apply(ctx, team, "acme", plan)
		return err
	}
	if err := pushed("1"); err != nil {
		fmt.Println(err)
		return
	}
	directory.Users = append(directory.Users, sources.User{
		ID: "2", Status: sources.StatusActive, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Li",
		Manager: sources.Manager{Email: "ana@acme.com"},
	})
	if err := pushed("2"); err != nil {
		fmt.Println(err)
		return
	}
	// Output:
	// plan for okta, about 1: 1 create, 1 to look at
	// + ana@acme.com  create Ana Young in sales, seats core  # match.new, hierarchy.no_manager_key, hierarchy.manual_needed
	// ! ana@acme.com  The source names no manager.           # hierarchy.no_manager_key
	// plan for okta, about 1: 1 create
	// + bo@acme.com  create Bo Li in sales, under Ana Young, seats core  # match.new
}
