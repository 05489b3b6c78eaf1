package main

import (
	"context"

	"github.com/usher-go/usher/examples/internal/team"
	"github.com/usher-go/usher/provisioning"
)

// prepare adds the made-up company's people to its team if they are not in it: some
// were created by hand and are to be adopted, others came with earlier runs, or
// left with them. Your own program has no such step.
func prepare(ctx context.Context, store *team.Team) error {
	data, err := demo.ReadFile("demo/team.json")
	if err != nil {
		return err
	}
	before, err := provisioning.ReadMembers(data)
	if err != nil {
		return err
	}
	members, err := store.All(ctx)
	if err != nil {
		return err
	}
	in := make(map[string]bool, len(members))
	for i := range members {
		in[members[i].ID] = true
	}
	for _, m := range before {
		if in[m.ID] {
			continue
		}
		if _, err := store.Put(ctx, tenant, m); err != nil {
			return err
		}
	}
	return nil
}
