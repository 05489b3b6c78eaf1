package provtest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// TB is the part of a test that the package needs; *testing.T, *testing.B and
// *rapid.T implement it.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
}

// Laws checks the laws of a resolver with companies that are drawn under its
// config. A failure shows the smallest company that was found.
func Laws(t *testing.T, r *provisioning.Resolver) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) { CheckLaws(t, r, Draw(t, r)) })
}

// CheckLaws checks the laws for one input: the order of the input does not matter
// (L1), full applies come to an end (L2), hand-made members are left alone (L4),
// and everything has a reason (L5). The plan is equal after writing and reading its
// JSON.
func CheckLaws(t TB, r *provisioning.Resolver, in provisioning.Input) {
	t.Helper()
	checkLaws(t, r.Resolve, in)
}

func checkLaws(t TB, decide func(provisioning.Input) *provisioning.Plan, in provisioning.Input) {
	t.Helper()
	plan := decide(in)
	want := planJSON(t, plan)
	random := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		require.Equal(t, want, planJSON(t, decide(shuffled(random, in))), "L1: shuffled input gives another plan")
	}
	read, err := provisioning.ReadPlan([]byte(want))
	require.NoError(t, err)
	require.Equal(t, want, planJSON(t, read), "a plan survives its JSON")
	checkReasons(t, plan)
	checkHandMade(t, in.Members, plan)
	checkSettles(t, decide, in)
}

// checkReasons checks L5: every action, held action and skip has a reason, and
// every action changes something.
func checkReasons(t TB, plan *provisioning.Plan) {
	for _, a := range plan.Actions {
		require.NotEmpty(t, a.Reasons, "L5: %s %s has no reason", a.Kind, a.Member.Email)
		require.NotEmpty(t, a.Changes, "%s %s changes nothing", a.Kind, a.Member.Email)
	}
	for _, h := range plan.Held {
		require.NotEmpty(t, h.Reasons, "L5: held %s has no reason", h.Action.Member.Email)
	}
	for _, s := range plan.Skipped {
		require.NotEmpty(t, s.Reasons, "L5: skipped %s has no reason", s.ExternalID)
	}
}

// checkHandMade checks L4: the plan does nothing to hand-made members except adopt
// them. This includes held actions.
func checkHandMade(t TB, team []provisioning.Member, plan *provisioning.Plan) {
	handMade := make(map[string]bool)
	for _, m := range team {
		handMade[m.ID] = !m.Managed
	}
	for _, a := range released(plan) {
		require.False(t, handMade[a.Member.ID] && a.Kind != provisioning.KindAdopt, "L4: hand-made %s: %s", a.Member.ID, a.Kind)
	}
}

// checkSettles checks L2: after a full apply, approvals included, nothing is left
// to do. More than one run may be needed in these cases. A plan with waiting
// actions was decided without them, so its approval can make room for others, whom
// the next run places. If facts were missing, a person who was placed can make it
// certain that no cycle closes for others, and so on. A person who had to keep a
// role may leave once the plan has given the role to others (S43).
func checkSettles(t TB, decide func(provisioning.Input) *provisioning.Plan, in provisioning.Input) {
	store := new(provisioning.Memory)
	for _, m := range in.Members {
		store.Put(tenant, m)
	}
	resolve := func() *provisioning.Plan {
		return decide(provisioning.Input{Tenant: tenant, Snapshot: in.Snapshot, Members: teamOf(t, store)})
	}
	plan := resolve()
	applyAll(t, store, plan)
	again, more := resolve(), 0
	if len(plan.Breakers) > 0 || in.Snapshot.Proven != sources.FactAll {
		more = 3
	}
	if slices.ContainsFunc(plan.Held, func(h provisioning.Held) bool { return h.Reasons[0].Code == provisioning.CodeKeepLast }) {
		more += 3
	}
	for range more {
		applyAll(t, store, again)
		again = resolve()
	}
	for runs := 0; runs < 3 && keepsSomebody(plan); runs++ {
		applyAll(t, store, again)
		again = resolve()
	}
	require.Empty(t, again.Actions, "L2: after a full apply there is still something to do:\n%s\nafter\n%s", again, plan)
}

// keepsSomebody reports whether a plan holds somebody because of Config.Keep (S43).
func keepsSomebody(plan *provisioning.Plan) bool {
	return slices.ContainsFunc(plan.Held, func(h provisioning.Held) bool { return h.Reasons[0].Code == provisioning.CodeKeepLast })
}

// applyAll applies a plan with all approvals.
func applyAll(t TB, store provisioning.Store, plan *provisioning.Plan) {
	outcome, err := provisioning.Apply(context.Background(), store, tenant, plan, ApproveAll(plan)...)
	require.NoError(t, err)
	for _, result := range outcome.Results {
		require.NoError(t, result.Err, "%s of %s in\n%s", result.Kind, result.MemberID, plan)
	}
}

// released returns the actions of a plan and those that an approval can release.
func released(plan *provisioning.Plan) []provisioning.Action {
	actions := slices.Clone(plan.Actions)
	for _, h := range plan.Held {
		if len(h.Classes) > 0 {
			actions = append(actions, h.Action)
		}
	}
	return actions
}

// ApproveAll returns the approvals of everything in a plan that an approval can
// release.
func ApproveAll(plan *provisioning.Plan) []provisioning.Approval {
	var approvals []provisioning.Approval
	for _, b := range plan.Breakers {
		approvals = append(approvals, plan.Approve(b.Class))
	}
	return approvals
}

func teamOf(t TB, store provisioning.Store) []provisioning.Member {
	team, err := provisioning.Team(context.Background(), store, tenant)
	require.NoError(t, err)
	return team
}

func planJSON(t TB, plan *provisioning.Plan) string {
	var b bytes.Buffer
	require.NoError(t, plan.WriteJSON(&b))
	return b.String()
}
