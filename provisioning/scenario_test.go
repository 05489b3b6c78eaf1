package provisioning_test

import (
	"bytes"
	"context"
	"flag"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/provtest"
)

var update = flag.Bool("update", false, "rewrite the want/ sections of the scenarios")

// The scenario files state in English what the rules decide. Each scenario is
// also checked against the laws (provtest.Scenarios).
func TestScenarios(t *testing.T) {
	provtest.Scenarios(t, "testdata/scenarios/*.txtar", *update)
}

func storeWith(t require.TestingT, team []provisioning.Member) (*provisioning.Memory, []provisioning.Member) {
	store := new(provisioning.Memory)
	for _, m := range team {
		store.Put("t", m)
	}
	return store, teamOf(t, store)
}

func teamOf(t require.TestingT, store provisioning.Store) []provisioning.Member {
	var team []provisioning.Member
	for m, err := range store.Members(context.Background(), "t") {
		require.NoError(t, err)
		team = append(team, m)
	}
	return team
}

func planJSON(t require.TestingT, plan *provisioning.Plan) string {
	var b bytes.Buffer
	require.NoError(t, plan.WriteJSON(&b))
	return b.String()
}

// cloneInput returns a copy that shares no memory with in.
func cloneInput(in provisioning.Input) provisioning.Input {
	in.Snapshot, in.Members = in.Snapshot.Clone(), slices.Clone(in.Members)
	for i := range in.Members {
		in.Members[i] = in.Members[i].Clone()
	}
	return in
}
