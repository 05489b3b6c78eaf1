package provisioning_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// crowd returns n members and a directory that agrees with them.
func crowd(n int) provisioning.Input {
	in := provisioning.Input{Tenant: "t", Snapshot: allProven()}
	for i := range n {
		u := activeUser(fmt.Sprintf("u%03d", i), fmt.Sprintf("p%03d@acme.com", i))
		in.Snapshot.Users = append(in.Snapshot.Users, u)
		in.Members = append(in.Members, memberFor(u))
	}
	return in
}

// S14: the population. 100 managed active members are the denominator. Members who
// are hand-made, inactive, protected, of another connection, or kept active by an
// option do not count, neither in it nor in the count.
func TestBreakerPopulation(t *testing.T) {
	for name, test := range map[string]struct {
		change func(cfg *provisioning.Config, in *provisioning.Input)
	}{
		"as they are": {func(*provisioning.Config, *provisioning.Input) {}},
		"hand-made": {func(_ *provisioning.Config, in *provisioning.Input) {
			in.Members = append(in.Members, provisioning.Member{ID: "h", Active: true, Email: "h@acme.com"})
		}},
		"inactive": {func(_ *provisioning.Config, in *provisioning.Input) {
			m := memberFor(activeUser("gone", "gone@acme.com"))
			m.Active = false
			in.Members = append(in.Members, m)
		}},
		"protected, and leaving": {func(_ *provisioning.Config, in *provisioning.Input) {
			m := memberFor(activeUser("gone", "gone@acme.com"))
			m.Protected = true
			in.Members = append(in.Members, m)
		}},
		"other connection": {func(_ *provisioning.Config, in *provisioning.Input) {
			m := memberFor(activeUser("gone", "gone@acme.com"))
			m.Connection = "okta-2"
			in.Members = append(in.Members, m)
		}},
		"kept active": {func(cfg *provisioning.Config, in *provisioning.Input) {
			cfg.KeepActive.Unmatched = true
			in.Members = append(in.Members, memberFor(activeUser("gone", "gone@acme.com")))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, in := okta(), crowd(100)
			test.change(&cfg, &in)
			for i := range 20 { // 20 of 100 are 20 %, which is not more than 20 %
				in.Snapshot.Users[i].Status = sources.StatusInactive
			}
			plan := resolver(t, cfg).Resolve(in)
			require.Equal(t, 20, plan.Count(provisioning.KindDeactivate))
			require.Empty(t, plan.Breakers)

			in.Snapshot.Users[20].Status = sources.StatusInactive
			plan = resolver(t, cfg).Resolve(in)
			require.Zero(t, plan.Count(provisioning.KindDeactivate))
			require.Len(t, plan.Breakers, 1)
			require.Equal(t, [2]int{21, 100}, [2]int{plan.Breakers[0].Count, plan.Breakers[0].Population})
			require.Equal(t, provisioning.Code("breaker.deactivate"), plan.Breakers[0].Reason.Code)
		})
	}
}

// S14: each class with its default limit, at the limit and one person above it.
func TestBreakerClasses(t *testing.T) {
	for class, test := range map[provisioning.Class]struct {
		most   int
		change func(in *provisioning.Input, i int)
	}{
		provisioning.ClassDowngrade:       {20, func(in *provisioning.Input, i int) { in.Members[i].Seats = []string{"core"} }},
		provisioning.ClassRewriteIdentity: {10, func(in *provisioning.Input, i int) { in.Snapshot.Users[i].Email = fmt.Sprintf("new%d@acme.com", i) }},
		provisioning.ClassReparent:        {30, func(in *provisioning.Input, i int) { in.Snapshot.Users[i].Manager.ID = "u099" }},
	} {
		in := crowd(100)
		for i := range test.most {
			test.change(&in, i)
		}
		plan := resolver(t, okta()).Resolve(in)
		require.Equal(t, test.most, plan.Count(provisioning.KindUpdate), class)
		require.Empty(t, plan.Held, class)

		test.change(&in, test.most)
		in.Snapshot.Users[98].Title = "Director"
		plan = resolver(t, okta()).Resolve(in)
		require.Len(t, plan.Held, test.most+1, class)
		require.Equal(t, []provisioning.Class{class}, plan.Held[0].Classes)
		require.Equal(t, provisioning.Code("breaker."+class.String()), plan.Held[0].Reasons[0].Code)
		require.Equal(t, 1, plan.Count(provisioning.KindUpdate), "the others go on (S15)")
	}
	cfg, in := okta(), crowd(100)
	in.Members = in.Members[:50]
	require.Equal(t, 50, resolver(t, cfg).Resolve(in).Count(provisioning.KindCreate), "creates have no limit by default")
	cfg.Breakers.Create = &provisioning.Limit{Count: number(49)}
	plan := resolver(t, cfg).Resolve(in)
	require.Zero(t, plan.Count(provisioning.KindCreate))
	require.Len(t, plan.Held, 50)
}

// Another letter case is the same address (S3), so it is no rewrite.
func TestBreakerIgnoresCaseOfAddresses(t *testing.T) {
	cfg, in := okta(), crowd(3)
	cfg.Breakers.RewriteIdentity = &provisioning.Limit{Count: number(0)}
	in.Snapshot.Users[0].Email = "P000@acme.com"
	require.True(t, resolver(t, cfg).Resolve(in).Empty())
}

// S13: an empty snapshot always trips, if it is complete and somebody would leave.
func TestBreakerEmptySnapshot(t *testing.T) {
	cfg, in := okta(), crowd(3)
	cfg.Breakers = noBreakers()
	in.Snapshot.Users = nil
	plan := resolver(t, cfg).Resolve(in)
	require.Len(t, plan.Held, 3)
	require.Equal(t, []provisioning.Class{provisioning.ClassDeactivate}, plan.Held[0].Classes)
	require.Empty(t, plan.Actions)

	in.Snapshot.Proven = 0 // and one that proves nothing deactivates nobody at all (S12)
	plan = resolver(t, cfg).Resolve(in)
	require.Empty(t, plan.Breakers)
	require.Empty(t, plan.Held[0].Classes)

	in.Snapshot.Proven = sources.FactUsers
	for i := range in.Members {
		in.Members[i].Active = false
	}
	require.True(t, resolver(t, cfg).Resolve(in).Empty(), "nobody is left to go")
	require.True(t, resolver(t, cfg).Resolve(provisioning.Input{}).Empty(), "no snapshot is an empty one that proves nothing")
}

// twoTripped returns a plan that holds a deactivation, a downgrade, and one person
// who gets another manager and a downgrade.
func twoTripped(t *testing.T) (*provisioning.Memory, provisioning.Input, *provisioning.Resolver, *provisioning.Plan) {
	cfg, in := okta(), crowd(4)
	zero := &provisioning.Limit{Count: number(0)}
	cfg.Breakers = provisioning.Breakers{Deactivate: zero, Downgrade: zero, Reparent: zero}
	in.Snapshot.Users[0].Status = sources.StatusInactive
	in.Members[1].Seats, in.Members[2].Seats = []string{"core"}, []string{"core"}
	in.Snapshot.Users[2].Manager.ID = "u003"
	store, team := storeWith(t, in.Members)
	in.Members = team
	r := resolver(t, cfg)
	plan := r.Resolve(in)
	require.Len(t, plan.Held, 3)
	require.Empty(t, plan.Actions)
	return store, in, r, plan
}

// S15: an approval releases its class only; a person who is held for two classes
// needs both approvals; no approval releases everything.
func TestApprovalReleasesItsClass(t *testing.T) {
	for name, test := range map[string]struct {
		approved []provisioning.Class
		done     []string
	}{
		"none":        {nil, nil},
		"deactivate":  {[]provisioning.Class{provisioning.ClassDeactivate}, []string{"m-u000"}},
		"downgrade":   {[]provisioning.Class{provisioning.ClassDowngrade}, []string{"m-u001"}},
		"reparent":    {[]provisioning.Class{provisioning.ClassReparent}, nil},
		"two classes": {[]provisioning.Class{provisioning.ClassReparent, provisioning.ClassDowngrade}, []string{"m-u001", "m-u002"}},
	} {
		t.Run(name, func(t *testing.T) {
			store, _, _, plan := twoTripped(t)
			var approvals []provisioning.Approval
			for _, class := range test.approved {
				approvals = append(approvals, plan.Approve(class))
			}
			outcome, err := provisioning.Apply(context.Background(), store, "t", plan, approvals...)
			require.NoError(t, err)
			var done []string
			for _, result := range outcome.Results {
				require.NoError(t, result.Err)
				done = append(done, result.MemberID)
			}
			require.Equal(t, test.done, done)
			require.Equal(t, 3-len(done), outcome.Held)
			require.Equal(t, len(done), outcome.Done)
		})
	}
}

// S15: an approval of another plan is refused and nothing is done, whatever else is
// approved. Every change of what is held makes another plan.
func TestApprovalOfAnotherPlan(t *testing.T) {
	store, in, r, plan := twoTripped(t)
	right := plan.Approve(provisioning.ClassDeactivate)
	for _, hash := range []string{"", "x", plan.Hash[:12], plan.Hash + "0"} {
		_, err := provisioning.Apply(context.Background(), store, "t", plan, right, provisioning.Approval{Class: provisioning.ClassDowngrade, Hash: hash})
		require.ErrorIs(t, err, provisioning.ErrPlanChanged)
		require.ErrorContains(t, err, "approval.plan_changed")
		require.Equal(t, in.Members, teamOf(t, store), "nothing was done")
	}
	in.Snapshot.Users[3].Status = sources.StatusInactive
	changed := r.Resolve(in)
	require.NotEqual(t, plan.Hash, changed.Hash)
	_, err := provisioning.Apply(context.Background(), store, "t", changed, right)
	require.ErrorIs(t, err, provisioning.ErrPlanChanged)
}

// A plan without a hash was never sealed, and cannot be approved.
func TestApprovalOfNoPlan(t *testing.T) {
	_, err := provisioning.Apply(context.Background(), new(provisioning.Memory), "t", &provisioning.Plan{Tenant: "t"}, provisioning.Approval{})
	require.ErrorIs(t, err, provisioning.ErrPlanChanged)
}

// S2, S15: if one of two people who swap addresses is held, both are: they commit
// together.
func TestHeldGroupsStayTogether(t *testing.T) {
	cfg, in := okta(), crowd(3)
	cfg.Breakers.Downgrade = &provisioning.Limit{Count: number(0)}
	in.Snapshot.Users[0].Email, in.Snapshot.Users[1].Email = in.Snapshot.Users[1].Email, in.Snapshot.Users[0].Email
	in.Members[0].Seats = []string{"core"}
	store, team := storeWith(t, in.Members)
	in.Members = team
	plan := resolver(t, cfg).Resolve(in)
	require.Empty(t, plan.Actions)
	require.Len(t, plan.Held, 2)
	require.NotEmpty(t, plan.Held[0].Action.With)
	require.Equal(t, plan.Held[0].Action.With, plan.Held[1].Action.With)
	require.Equal(t, plan.Held[0].Classes, plan.Held[1].Classes)
	applyAll(t, store, plan)
	require.Equal(t, in.Snapshot.Users[0].Email, byID(teamOf(t, store))["m-u000"].Email)
}

// A waiting person keeps what the action would give up, and what it would get is
// reserved: nobody else gets either.
func TestHeldKeepWhatTheyWaitFor(t *testing.T) {
	cfg, in := okta(), crowd(3)
	cfg.Breakers.RewriteIdentity = &provisioning.Limit{Count: number(0)}
	cfg.Breakers.Create = &provisioning.Limit{Count: number(1)}
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Automatic, Settings: assignment.Settings{Seats: []string{"core"}}}
	cfg.Seats.Pools = map[string]int{"core": 4}
	for i := range in.Members {
		in.Members[i].Seats = []string{"core"}
	}
	in.Snapshot.Users[0].Email = "wished@acme.com"
	in.Snapshot.Users = append(in.Snapshot.Users, activeUser("x1", "wished@acme.com"), activeUser("x2", "p000@acme.com"))
	plan := resolver(t, cfg).Resolve(in)
	require.Empty(t, plan.Actions, "%s", plan)
	require.Contains(t, plan.Explain("x1"), "email.taken")

	store, team := storeWith(t, in.Members)
	in.Members = team
	plan = resolver(t, cfg).Resolve(in)
	applyAll(t, store, plan)
	requirePools(t, resolver(t, cfg).Config(), in.Members, teamOf(t, store))
}

// A change that only the held actions make necessary trips as well: Ana's manager
// was to leave and now stays, so Ana would get another one.
func TestHoldingTripsFurtherChanges(t *testing.T) {
	cfg, in := okta(), crowd(4)
	zero := &provisioning.Limit{Count: number(0)}
	cfg.Breakers = provisioning.Breakers{Deactivate: zero, Reparent: zero}
	in.Snapshot.Users[3].Status = sources.StatusInactive
	in.Snapshot.Users[0].Manager.ID = "u003" // leaving, so the edge is no longer possible
	plan := resolver(t, cfg).Resolve(in)
	require.Empty(t, plan.Actions, "%s", plan)
	require.Len(t, plan.Held, 2)
	require.Equal(t, []provisioning.Class{provisioning.ClassReparent}, plan.Held[1].Classes)
}

// S24: an edge that waits and one that is applied never close a cycle together. Ana
// is to come under the new Bo, and waits; Bo, whose manager would be Ana, gets
// none.
func TestHeldEdgesCloseNoCircle(t *testing.T) {
	cfg, in := okta(), crowd(1)
	cfg.Assignments = []assignment.Assignment{{ID: "auto", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g1"}}}}
	cfg.Default = &assignment.Assignment{ID: "default"} // manual: Bo follows the chart once
	cfg.Breakers.Downgrade = &provisioning.Limit{Count: number(0)}
	in.Snapshot.Groups = []sources.Group{{ID: "g1", Members: []string{"u000"}}}
	in.Members[0].Seats = []string{"core"}
	bo := activeUser("bo", "bo@acme.com")
	bo.Manager.ID, in.Snapshot.Users[0].Manager.ID = "u000", "bo"
	in.Snapshot.Users = append(in.Snapshot.Users, bo)
	store, team := storeWith(t, in.Members)
	in.Members = team
	plan := resolver(t, cfg).Resolve(in)
	require.Equal(t, 1, plan.Count(provisioning.KindCreate))
	require.Len(t, plan.Held, 1)
	require.Contains(t, plan.Explain("bo"), "hierarchy.cycle")
	applyAll(t, store, plan)
	requireNoNewCircle(t, team, teamOf(t, store), plan)
	require.NotEmpty(t, byID(teamOf(t, store))["m-u000"].ManagerID)
}

// An approval without a class, or with an unknown one, releases nothing (S15).
func TestApprovalNeedsItsClass(t *testing.T) {
	store, _, _, plan := twoTripped(t)
	for _, class := range []provisioning.Class{0, 200} {
		outcome, err := provisioning.Apply(context.Background(), store, "t", plan, plan.Approve(class))
		require.ErrorContains(t, err, "want one that the plan holds")
		require.Empty(t, outcome.Results)
	}
}

// A plan that was changed after it was made cannot be approved (S15).
func TestApprovalOfAChangedPlan(t *testing.T) {
	store, _, _, plan := twoTripped(t)
	plan.Held[0].Action.Member.Title = "changed"
	_, err := provisioning.Apply(context.Background(), store, "t", plan, plan.Approve(provisioning.ClassDeactivate))
	require.ErrorIs(t, err, provisioning.ErrPlanChanged)
}

// Apply needs a tenant.
func TestApplyNeedsATenant(t *testing.T) {
	store, _, _, plan := twoTripped(t)
	_, err := provisioning.Apply(context.Background(), store, "", plan)
	require.ErrorContains(t, err, "tenant")
	_, err = provisioning.Apply(context.Background(), store, "t", nil)
	require.ErrorContains(t, err, "plan")
}

// S13: a snapshot whose users all lack an ID counts as empty. Collect and
// ReadSnapshot refuse such users; a literal may have them.
func TestSnapshotOfNobodyWithAnID(t *testing.T) {
	r, err := provisioning.New(provisioning.Config{Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"}})
	require.NoError(t, err)
	plan := r.Resolve(provisioning.Input{
		Snapshot: &sources.Snapshot{Proven: sources.FactUsers, Users: []sources.User{{Status: sources.StatusActive, Email: "x@acme.com"}}},
		Members:  []provisioning.Member{{ID: "m1", Connection: "okta", ExternalID: "u1", Managed: true, Active: true, Email: "ana@acme.com", Revision: "1"}},
	})
	require.Empty(t, plan.Actions)
	require.Len(t, plan.Held, 1)
	require.Equal(t, []provisioning.Class{provisioning.ClassDeactivate}, plan.Held[0].Classes)
}

// S15: an action of two classes needs the approvals of both, and each covers what
// its class changes: a new manager does not void the approval of the lost seat.
func TestApprovalCoversItsClassOnly(t *testing.T) {
	cfg := okta()
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Automatic}
	cfg.Breakers.Downgrade, cfg.Breakers.Reparent = &provisioning.Limit{Count: number(0)}, &provisioning.Limit{Count: number(0)}
	r := resolver(t, cfg)
	ana, bo, cy := activeUser("u1", "ana@acme.com"), activeUser("u2", "bo@acme.com"), activeUser("u3", "cy@acme.com")
	m := memberFor(ana)
	m.Seats = []string{"core"}
	store, team := storeWith(t, []provisioning.Member{m, memberFor(bo), memberFor(cy)})
	planUnder := func(manager, title string) *provisioning.Plan {
		ana.Manager.Email, ana.Title = manager, title
		return r.Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(ana, bo, cy), Members: team})
	}
	first, next := planUnder(bo.Email, "Rep"), planUnder(cy.Email, "Lead")
	require.Equal(t, []provisioning.Class{provisioning.ClassDowngrade, provisioning.ClassReparent}, first.Held[0].Classes)

	downgrade, reparent := first.Approve(provisioning.ClassDowngrade), first.Approve(provisioning.ClassReparent)
	outcome, err := provisioning.Apply(t.Context(), store, "t", next, downgrade)
	require.NoError(t, err, "still what was approved")
	require.Equal(t, 1, outcome.Held, "and it needs the other approval")
	_, err = provisioning.Apply(t.Context(), store, "t", next, downgrade, reparent)
	require.ErrorIs(t, err, provisioning.ErrPlanChanged, "another manager")
	outcome, err = provisioning.Apply(t.Context(), store, "t", next, downgrade, next.Approve(provisioning.ClassReparent))
	require.NoError(t, err)
	require.Equal(t, 1, outcome.Done)
}
