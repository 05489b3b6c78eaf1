package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	_ "modernc.org/sqlite"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/sources"
)

// The way from a directory to a team in a database: the plan is made, saved
// under its hash, applied as it was shown, and recorded. Then a user edits a
// field by hand, which the locks of the config allow.
func Example() {
	ctx := provisioning.WithActor(context.Background(), "schedule")
	db, err := sql.Open("sqlite", "file:example?mode=memory&cache=shared")
	check(err)
	defer db.Close()
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	check(err)

	resolver, err := provisioning.New(provisioning.Config{Source: "okta", Domains: provisioning.Domains{Primary: "acme.example"}})
	check(err)
	directory := &sources.Snapshot{Kind: "okta", Connection: "okta", Proven: sources.FactUsers, Users: []sources.User{
		{ID: "00u1", Status: sources.StatusActive, Email: "ana@acme.example", GivenName: "Ana", FamilyName: "Sol"},
	}}

	plan := resolver.Resolve(provisioning.Input{Tenant: "acme", Snapshot: directory, Members: members(ctx, store)})
	check(store.SavePlan(ctx, "acme", plan))

	shown, err := store.Plan(ctx, "acme", plan.Hash) // later, perhaps in another process, after the approval
	check(err)
	outcome, err := provisioning.Apply(ctx, store, "acme", shown)
	check(err)
	fmt.Println(outcome)
	for r, err := range store.Audit(ctx, "acme") {
		check(err)
		fmt.Println(r.Actor, r.Kind, r.Email)
	}

	ana, err := resolver.Locks().Edit(members(ctx, store)[0], provisioning.FieldCountry, "ES")
	check(err)
	_, err = store.Put(ctx, "acme", ana)
	check(err)
	again := resolver.Resolve(provisioning.Input{Tenant: "acme", Snapshot: directory, Members: members(ctx, store)})
	fmt.Println("nothing left to do:", again.Empty())
	// Output:
	// 1 done, 0 done before, 0 refused, 0 held
	// schedule create ana@acme.example
	// nothing left to do: true
}

// members reads the whole team.
func members(ctx context.Context, store provisioning.Store) []provisioning.Member {
	team, err := provisioning.Team(ctx, store, "acme")
	check(err)
	return team
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
