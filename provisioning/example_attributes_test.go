package provisioning_test

import (
	"fmt"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Attributes that members take from the directory: the application's name of each,
// and the directory's.
func ExampleConfig_attributes() {
	resolver, err := provisioning.New(provisioning.Config{
		Source: "entra", Domains: provisioning.Domains{Primary: "acme.com"},
		Attributes: map[string]string{"team": sources.AttributeDepartment, "badge": "extensionAttribute7"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ana := sources.User{
		ID: "1", Status: sources.StatusActive, Email: "ana@acme.com", GivenName: "Ana", FamilyName: "Young", Manager: sources.Manager{ID: "9"},
		Attributes: map[string]sources.Values{"department": {"Sales"}, "extensionAttribute7": {"A-114"}, "unused": {"x"}},
	}
	plan := resolver.Resolve(provisioning.Input{Tenant: "acme", Snapshot: &sources.Snapshot{Proven: sources.FactAll, Users: []sources.User{ana}}})
	member := plan.Actions[0].Member
	fmt.Println(member.Attributes)
	fmt.Println(resolver.Locks().Field(member, provisioning.Attribute("team")).Reason)
	// Output:
	// map[badge:A-114 team:Sales]
	// lock.source_owned (field: attributes.team)
}
