package provisioning_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/provtest"
	"github.com/usher-go/usher/sources"
)

// L8: with fewer proofs, answers, groups and memberships, but the same users,
// nobody gets more access, seats, profiles, capture or another manager than with
// the full snapshot. What waits for an approval counts as given, and so does what
// waiting people keep from others, since fewer people may wait if less is known.
func TestLawLessEvidenceGivesNothing(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		cfg := r.Config()
		cfg.Breakers = noBreakers()
		full := gains(in.Members, r.Resolve(in))
		maps.Copy(full, gains(in.Members, resolver(t, cfg).Resolve(in)))
		cfg.Keep = nil
		maps.Copy(full, gains(in.Members, resolver(t, cfg).Resolve(in)))
		less := cloneInput(in)
		forget(t, less.Snapshot)
		plan := r.Resolve(less)
		for gain := range gains(in.Members, plan) {
			if !full[gain] {
				// A manager may first have to get the name by which the source
				// refers to the manager; that change waits for an approval,
				// together with others.
				maps.Copy(full, gainsNext(t, r, in))
			}
			if full[gain] {
				continue
			}
			who, _, _ := strings.Cut(gain, " ")
			require.Fail(t, "L8", "%s is given with less evidence only (%s):\n%sin full:\n%s", gain, less.Snapshot.Proven, plan.Explain(who), r.Resolve(in).Explain(who))
		}
	})
}

// gainsNext returns the gains of the run after the one in which everything that
// waits was approved.
func gainsNext(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) map[string]bool {
	store, _ := storeWith(t, in.Members)
	plan := r.Resolve(in)
	_, err := provisioning.Apply(t.Context(), store, "t", plan, provtest.ApproveAll(plan)...)
	require.NoError(t, err)
	in.Members = teamOf(t, store)
	return gains(in.Members, r.Resolve(in))
}

// forget removes some of a snapshot's content and proofs, but no users. It removes
// content only together with the proof that covers it.
func forget(t *rapid.T, s *sources.Snapshot) {
	forgotten := sources.Facts(rapid.IntRange(0, 15).Draw(t, "forgotten"))
	s.Proven &^= forgotten
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "lost"), 11))
	some := func() bool { return random.IntN(4) == 0 }
	for _, query := range slices.Sorted(maps.Keys(s.Matches)) {
		if some() {
			delete(s.Matches, query)
		}
	}
	if forgotten&sources.FactGroups != 0 {
		s.Groups = slices.DeleteFunc(s.Groups, func(sources.Group) bool { return some() })
	}
	if forgotten&sources.FactMemberships != 0 {
		for i := range s.Groups {
			s.Groups[i].Members = slices.DeleteFunc(s.Groups[i].Members, func(string) bool { return some() })
		}
	}
}

// gains returns what a plan gives a person in addition: access, seats, profiles,
// capture, a manager.
func gains(team []provisioning.Member, plan *provisioning.Plan) map[string]bool {
	before := byID(team)
	given := make(map[string]bool)
	for _, a := range allActions(plan) {
		was, is := before[a.Member.ID], a.Member
		who := is.ExternalID + " "
		if is.Active && !was.Active {
			given[who+"access"] = true
		}
		if !is.Active {
			continue
		}
		for _, seat := range is.Seats {
			if !was.Active || !slices.Contains(was.Seats, seat) {
				given[who+"seat "+seat] = true
			}
		}
		for _, kind := range is.Capture {
			if !slices.Contains(was.Capture, kind) {
				given[who+"capture "+kind] = true
			}
		}
		for workspace, profile := range is.Profiles {
			if was.Profiles[workspace] != profile {
				given[who+"profile "+profile] = true
			}
		}
		if is.ManagerID != "" && is.ManagerID != was.ManagerID {
			given[who+"manager "+is.ManagerID] = true
		}
	}
	return given
}

// L9: whichever commit groups of a plan a store accepts, and whichever classes are
// approved: no pool is exceeded, no cycle of managers is closed, no two members
// have one address, and no role of Config.Keep gets too few members (S43).
func TestLawPartialAppliesKeepTheInvariants(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		store, team := storeWith(t, in.Members)
		in.Members = team
		plan := r.Resolve(in)
		var approvals []provisioning.Approval
		for _, approval := range provtest.ApproveAll(plan) {
			if rapid.Bool().Draw(t, "approve") {
				approvals = append(approvals, approval)
			}
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "refused"), 13))
		refusing := &refusingStore{Memory: store, refuse: func() bool { return random.IntN(3) == 0 }}
		if rapid.Bool().Draw(t, "accepts all") {
			refusing.refuse = func() bool { return false }
		}
		_, err := provisioning.Apply(context.Background(), refusing, "t", plan, approvals...)
		require.NoError(t, err)
		after := teamOf(t, store)
		requireUnique(t, after)
		requireNoNewCircle(t, team, after, plan)
		requirePools(t, r.Config(), team, after)
		requireProtected(t, team, after)
		requireKept(t, r.Config(), team, after)
	})
}

// requireKept checks S43: there are fewer members with a role than required only if
// there were no more before, and then nobody lost it.
func requireKept(t require.TestingT, cfg provisioning.Config, before, after []provisioning.Member) {
	for _, k := range cfg.Keep {
		has := func(m provisioning.Member) bool { return m.Active && m.Profiles[k.Workspace] == k.Profile }
		had := len(slices.DeleteFunc(slices.Clone(before), func(m provisioning.Member) bool { return !has(m) }))
		left := len(slices.DeleteFunc(slices.Clone(after), func(m provisioning.Member) bool { return !has(m) }))
		require.GreaterOrEqual(t, left, min(had, max(1, k.AtLeast)), "%+v: %d had it", k, had)
	}
}

// A refusingStore refuses some commit groups as stale, as if their members had been
// changed.
type refusingStore struct {
	*provisioning.Memory
	refuse func() bool
}

func (s *refusingStore) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	var results []provisioning.Result
	for group := range provisioning.CommitGroups(actions) {
		if s.refuse() {
			for _, a := range group {
				results = append(results, provisioning.Result{Key: a.Key, Kind: a.Kind, MemberID: a.Member.ID, Err: provisioning.ErrStale})
			}
			continue
		}
		done, err := s.Memory.Apply(ctx, tenant, group)
		if err != nil {
			return results, err
		}
		results = append(results, done...)
	}
	return results, nil
}

// S28: an action that gets a seat which another one gives back has that action's
// key in Needs, and is refused with it. A free seat is granted without.
func TestGrantNeedsTheRelease(t *testing.T) {
	cfg := okta()
	cfg.Breakers = noBreakers()
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Automatic, Settings: assignment.Settings{Seats: []string{"core"}}}
	cfg.Seats.Pools = map[string]int{"core": 2}
	leaver := activeUser("u1", "ana@acme.com")
	left := memberFor(leaver)
	left.Seats = []string{"core"}
	leaver.Status = sources.StatusInactive
	store, team := storeWith(t, []provisioning.Member{left})
	plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(leaver, activeUser("u2", "bo@acme.com"), activeUser("u3", "cy@acme.com")), Members: team})
	require.Equal(t, 2, plan.Count(provisioning.KindCreate))
	needs := make(map[string][]string)
	for _, a := range plan.Actions {
		needs[a.Member.ExternalID] = a.Needs
	}
	require.Empty(t, needs["u2"], "one seat is free")
	require.Equal(t, []string{plan.Actions[0].Key}, needs["u3"], "the other is the leaver's")

	store.Put("t", team[0]) // the leaver's action is stale
	outcome, err := provisioning.Apply(context.Background(), store, "t", plan)
	require.NoError(t, err)
	require.Equal(t, 1, outcome.Done)
	require.ErrorIs(t, outcome.Results[len(outcome.Results)-1].Err, provisioning.ErrNeeds)
}
