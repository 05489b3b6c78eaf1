package provisioning_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Two people left, and the company allows one to leave without an approval. The
// summary says what waits and with which hash. The approval releases exactly
// that, in this plan and in a new plan that holds the same. If one more person
// leaves, the approval is no longer valid.
func ExamplePlan_Approve() {
	ctx := context.Background()
	one := 1
	resolver, err := provisioning.New(provisioning.Config{
		Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"},
		Breakers: provisioning.Breakers{Deactivate: &provisioning.Limit{Count: &one}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	store, directory := new(provisioning.Memory), &sources.Snapshot{Proven: sources.FactAll}
	for _, name := range []string{"ana", "bo", "cy", "dee", "eli"} {
		directory.Users = append(directory.Users, sources.User{ID: name, Status: sources.StatusActive, Email: name + "@acme.com", GivenName: name, FamilyName: "Lee"})
	}
	resolve := func() *provisioning.Plan {
		team, err := provisioning.Team(ctx, store, "acme")
		if err != nil {
			fmt.Println(err)
		}
		return resolver.Resolve(provisioning.Input{Tenant: "acme", Snapshot: directory, Members: team})
	}
	if _, err := provisioning.Apply(ctx, store, "acme", resolve()); err != nil {
		fmt.Println(err)
		return
	}

	directory.Users = directory.Users[2:] // Ana and Bo leave
	plan := resolve()
	fmt.Print(plan.Summary())
	approval := plan.Approve(provisioning.ClassDeactivate)

	directory.Users[0].Title = "Lead" // changes nothing that the class holds
	outcome, err := provisioning.Apply(ctx, store, "acme", resolve(), approval)
	fmt.Println(outcome, err)

	directory.Users = directory.Users[2:] // two other people leave, whom the approval does not cover
	_, err = provisioning.Apply(ctx, store, "acme", resolve(), approval)
	fmt.Println(errors.Is(err, provisioning.ErrPlanChanged))
	// Output:
	// plan for okta: nothing to do, 2 held, 3 unchanged
	// waits (2):
	//   ! deactivate, 2 of 5 people; limit 1 person:
	//       release with -approve deactivate=896930b70ee5: ana@acme.com, bo@acme.com
	// + comes in  ~ changes  - loses  ! needs somebody  . left out; every line: -all, the data: -json
	// 3 done, 0 done before, 0 refused, 0 held <nil>
	// true
}
