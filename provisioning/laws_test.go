package provisioning_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/provtest"
	"github.com/usher-go/usher/sources"
)

// check tests a property with generated companies whose team is in a store.
func check(t *testing.T, property func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		cfg, in := drawCompany(t)
		r, err := provisioning.New(cfg)
		require.NoError(t, err)
		_, in.Members = storeWith(t, in.Members)
		property(t, r, in)
	})
}

// Resolve does not change its input, and a plan shares no memory with the team that
// could change it later.
func TestResolveChangesNoInput(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		before := cloneInput(in)
		plan := r.Resolve(in)
		require.Equal(t, before, in)
		for i := range plan.Actions {
			for k := range plan.Actions[i].Member.Seats {
				plan.Actions[i].Member.Seats[k] = "scribbled"
			}
			for workspace := range plan.Actions[i].Member.Profiles {
				plan.Actions[i].Member.Profiles[workspace] = "scribbled"
			}
		}
		require.Equal(t, before, in)
		require.NotContains(t, planJSON(t, r.Resolve(in)), "scribbled")
	})
}

// L1, L2, L4, L5: the order of the input does not matter, repeated applies come to
// an end, hand-made members stay as they are, and everything has a reason.
func TestLaws(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) { provtest.CheckLaws(t, r, in) })
}

// applyAll applies a plan with all approvals and requires that no action is
// refused.
func applyAll(t require.TestingT, store provisioning.Store, plan *provisioning.Plan) {
	outcome, err := provisioning.Apply(context.Background(), store, "t", plan, provtest.ApproveAll(plan)...)
	require.NoError(t, err)
	for _, result := range outcome.Results {
		require.NoError(t, result.Err, "%s of %s in\n%s", result.Kind, result.MemberID, plan)
	}
}

// L3: fewer proven facts never take more away. What waits for an approval counts as
// taken away, since fewer people may stay within a limit that more would exceed.
func TestLawFewerFactsRemoveNoMore(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		full := removals(in.Members, r.Resolve(in))
		fewer := *in.Snapshot
		fewer.Proven &^= sources.Facts(rapid.IntRange(1, 15).Draw(t, "forgotten"))
		if rapid.Bool().Draw(t, "queries forgotten") {
			fewer.Matches = nil
		}
		plan := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: &fewer, Members: in.Members})
		for removal := range removals(in.Members, plan) {
			require.True(t, full[removal], "%s is removed with fewer facts only:\n%s", removal, plan)
		}
	})
}

// L3 for missing listings: without a proof, a missing entry takes nothing away. A
// user who is listed as inactive leaves nevertheless (S12), even if the complete
// listing has a new record of the same person (S4).
func TestLawLostListingsRemoveNothing(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		full := removals(in.Members, r.Resolve(in))
		lost := cloneInput(in)
		lost.Snapshot.Proven = 0
		lost.Snapshot.Groups, lost.Snapshot.Matches = nil, nil
		keep := rapid.IntRange(0, len(lost.Snapshot.Users)).Draw(t, "kept")
		kept := make(map[string]bool) // if a user is listed twice, both listings are lost
		for _, u := range lost.Snapshot.Users[:keep] {
			kept[u.ID] = true
		}
		lost.Snapshot.Users = slices.DeleteFunc(lost.Snapshot.Users, func(u sources.User) bool { return !kept[u.ID] })
		inactive := make(map[string]bool)
		for _, u := range lost.Snapshot.Users {
			inactive[u.ID] = inactive[u.ID] || u.Status == sources.StatusInactive
		}
		for _, m := range in.Members {
			full[m.ID+" access"] = full[m.ID+" access"] || inactive[m.ExternalID]
		}
		plan := r.Resolve(lost)
		for removal := range removals(in.Members, plan) {
			require.True(t, full[removal], "%s is removed by a cut listing:\n%s", removal, plan)
		}
	})
}

// removals returns what a plan takes from active members, or would take except for
// Config.Keep (S43): access, a seat, a profile, a kind of capture.
func removals(team []provisioning.Member, plan *provisioning.Plan) map[string]bool {
	before := byID(team)
	removed := make(map[string]bool)
	actions := allActions(plan)
	for _, h := range plan.Held {
		if h.Reasons[0].Code == provisioning.CodeKeepLast {
			actions = append(actions, h.Action)
		}
	}
	for _, a := range actions {
		m := before[a.Member.ID]
		if !m.Active {
			continue
		}
		if !a.Member.Active {
			removed[m.ID+" access"] = true
			continue
		}
		for _, seat := range m.Seats {
			if !slices.Contains(a.Member.Seats, seat) {
				removed[m.ID+" seat "+seat] = true
			}
		}
		for _, kind := range m.Capture {
			if !slices.Contains(a.Member.Capture, kind) {
				removed[m.ID+" capture "+kind] = true
			}
		}
		for workspace, profile := range m.Profiles {
			if a.Member.Profiles[workspace] != profile {
				removed[m.ID+" profile "+workspace] = true
			}
		}
	}
	return removed
}

// allActions returns the actions of a plan and those that an approval can release.
func allActions(plan *provisioning.Plan) []provisioning.Action {
	actions := slices.Clone(plan.Actions)
	for _, h := range plan.Held {
		if len(h.Classes) > 0 {
			actions = append(actions, h.Action)
		}
	}
	return actions
}

func byID(team []provisioning.Member) map[string]provisioning.Member {
	members := make(map[string]provisioning.Member, len(team))
	for _, m := range team {
		members[m.ID] = m
	}
	return members
}

// A crashing store fails after a number of commits: before it returns the result of
// the last one, or between two.
type crashing struct {
	*provisioning.Memory
	left   int
	answer bool
}

var errCrash = errors.New("the process died")

func (c *crashing) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	var results []provisioning.Result
	for group := range provisioning.CommitGroups(actions) {
		if c.left == 0 {
			return results, errCrash
		}
		c.left--
		done, err := c.Memory.Apply(ctx, tenant, group)
		if err != nil || c.left == 0 && !c.answer {
			return results, errors.Join(err, errCrash)
		}
		results = append(results, done...)
	}
	return results, nil
}

// L7: a plan that is interrupted anywhere by a crash and applied again gives the
// same team and the same effects, each once.
func TestLawCrashAndResume(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		whole, team := storeWith(t, in.Members)
		in.Members = team
		plan := r.Resolve(in)
		if len(plan.Breakers) > 0 {
			return // seats and names depend on who gets an identity and when
		}
		applyAll(t, whole, plan)

		half, _ := storeWith(t, in.Members)
		crash(t, half, plan)
		applyAll(t, half, plan)
		require.Equal(t, teamOf(t, whole), teamOf(t, half))
		require.Equal(t, effectsOf(t, whole), effectsOf(t, half))
	})
}

// L7 and S28: a new plan after a crash does what is missing, and no more.
func TestLawCrashAndPlanAnew(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		cfg := r.Config()
		cfg.Breakers, cfg.Keep = noBreakers(), nil // part of a plan may stay within a limit that the whole exceeds
		r, err := provisioning.New(cfg)
		require.NoError(t, err)
		whole, team := storeWith(t, in.Members)
		in.Members = team
		plan := r.Resolve(in)
		if len(plan.Breakers) > 0 {
			return // seats and names depend on who gets an identity and when
		}
		applyAll(t, whole, plan)

		half, _ := storeWith(t, in.Members)
		crash(t, half, plan)
		rest := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: in.Snapshot, Members: teamOf(t, half)})
		applyAll(t, half, rest)
		if in.Snapshot.Proven != sources.FactAll { // placing one person can make it certain that placing others closes no cycle (L2)
			for range 3 {
				for _, store := range []*provisioning.Memory{whole, half} {
					applyAll(t, store, r.Resolve(provisioning.Input{Tenant: "t", Snapshot: in.Snapshot, Members: teamOf(t, store)}))
				}
			}
		}
		require.Equal(t, withoutRevisions(teamOf(t, whole)), withoutRevisions(teamOf(t, half)), "%s\nthen\n%s", plan, rest)
	})
}

// crash applies a plan to a store that fails during it.
func crash(t *rapid.T, store *provisioning.Memory, plan *provisioning.Plan) {
	dying := &crashing{Memory: store, left: rapid.IntRange(0, len(plan.Actions)+1).Draw(t, "commits"), answer: rapid.Bool().Draw(t, "answer")}
	_, err := provisioning.Apply(context.Background(), dying, "t", plan, provtest.ApproveAll(plan)...)
	if err != nil {
		require.ErrorIs(t, err, errCrash)
	}
}

func withoutRevisions(team []provisioning.Member) []provisioning.Member {
	for i := range team {
		team[i].Revision = ""
	}
	return team
}

func effectsOf(t require.TestingT, store *provisioning.Memory) []provisioning.Effect {
	var effects []provisioning.Effect
	for e, err := range store.Effects(context.Background(), "t") {
		require.NoError(t, err)
		effects = append(effects, e)
	}
	return effects
}

// A plan is applied exactly as it was shown: each stored member is that of its
// action, except for the fields of the store and the host.
func TestAppliedAsShown(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		store, team := storeWith(t, in.Members)
		in.Members = team
		plan := r.Resolve(in)
		_, err := provisioning.Apply(context.Background(), store, "t", plan)
		require.NoError(t, err)
		want := byID(team)
		for _, a := range plan.Actions {
			m := a.Member.Clone()
			m.Protected = want[m.ID].Protected
			want[m.ID] = m
		}
		got := teamOf(t, store)
		require.Len(t, got, len(want))
		for _, m := range got {
			shown := want[m.ID]
			shown.Revision = m.Revision
			require.Equal(t, shown, m)
		}
	})
}

// Invariants after every apply, with the held classes approved or not.
func TestInvariantsAfterApply(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		store, team := storeWith(t, in.Members)
		in.Members = team
		plan := r.Resolve(in)
		var approvals []provisioning.Approval
		if rapid.Bool().Draw(t, "approved") {
			approvals = provtest.ApproveAll(plan)
		}
		outcome, err := provisioning.Apply(context.Background(), store, "t", plan, approvals...)
		require.NoError(t, err)
		for _, result := range outcome.Results {
			require.NoError(t, result.Err, "%s of %s\n%s", result.Kind, result.MemberID, plan)
		}
		after := teamOf(t, store)
		requireUnique(t, after)
		requireNoNewCircle(t, team, after, plan)
		requireProtected(t, team, after)
		requireCaptureOff(t, plan)
		requirePools(t, r.Config(), team, after)
	})
}

func requireUnique(t require.TestingT, team []provisioning.Member) {
	emails, refs := make(map[string]string), make(map[sources.Ref]string)
	for _, m := range team {
		key := strings.ToLower(m.Email)
		require.Empty(t, emails[key], "%s and %s have the address %s", m.ID, emails[key], key)
		emails[key] = m.ID
		if m.Managed {
			require.Empty(t, refs[m.Ref()], "%s and %s are %v", m.ID, refs[m.Ref()], m.Ref())
			refs[m.Ref()] = m.ID
		}
	}
}

// requireNoNewCircle checks that nobody whose manager changed is on a cycle of
// managers (S24).
func requireNoNewCircle(t require.TestingT, before, after []provisioning.Member, plan *provisioning.Plan) {
	old, now := byID(before), byID(after)
	for _, m := range after {
		if m.ManagerID == old[m.ID].ManagerID {
			continue
		}
		at := m.ManagerID
		for range len(after) {
			require.NotEqual(t, m.ID, at, "%s came into a circle of managers\n%s", m.ID, plan)
			at = now[at].ManagerID
		}
	}
}

// requireProtected checks S16.
func requireProtected(t require.TestingT, before, after []provisioning.Member) {
	now := byID(after)
	for _, m := range before {
		if !m.Protected || !m.Active {
			continue
		}
		n := now[m.ID]
		require.True(t, n.Active, "%s is protected", m.ID)
		require.Subset(t, n.Seats, m.Seats)
		require.Subset(t, n.Capture, m.Capture)
		for workspace, profile := range m.Profiles {
			require.Equal(t, profile, n.Profiles[workspace])
		}
	}
}

// requireCaptureOff checks R18 and S19: a person who loses access loses capture,
// and nothing else.
func requireCaptureOff(t require.TestingT, plan *provisioning.Plan) {
	for _, a := range allActions(plan) {
		if a.Kind != provisioning.KindDeactivate {
			continue
		}
		require.False(t, a.Member.Active)
		require.Empty(t, a.Member.Capture)
		for _, c := range a.Changes {
			require.Contains(t, []provisioning.Field{provisioning.FieldActive, provisioning.FieldCapture}, c.Field)
		}
	}
}

// requirePools checks S20: no seat is granted beyond its pool. A member who had one
// beyond it keeps it.
func requirePools(t require.TestingT, cfg provisioning.Config, before, after []provisioning.Member) {
	for seat, limit := range cfg.Seats.Pools {
		held := func(team []provisioning.Member) int {
			n := 0
			for _, m := range team {
				if m.Active && slices.Contains(m.Seats, seat) {
					n++
				}
			}
			return n
		}
		require.LessOrEqual(t, held(after), max(limit, held(before)), "seat %s", seat)
	}
}

// S15: exactly the tripped classes are held. A trip holds every action of its
// class. An action of no tripped class is held only together with one that it must
// commit with, or whose seat it needs.
func TestHeldIsExactlyWhatTripped(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		plan := r.Resolve(in)
		before := byID(in.Members)
		tripped := make(map[provisioning.Class]provisioning.Breaker)
		for _, b := range plan.Breakers {
			tripped[b.Class] = b
		}
		counts := make(map[provisioning.Class]int)
		for i := range plan.Actions {
			for class := range classesOf(before, &plan.Actions[i]) {
				require.NotContains(t, tripped, class, "%s of %s goes on:\n%s", class, plan.Actions[i].Member.ID, plan)
			}
		}
		for i := range plan.Held {
			h := &plan.Held[i]
			if len(h.Classes) == 0 {
				continue
			}
			for _, class := range h.Classes {
				require.Contains(t, tripped, class)
			}
			own := classesOf(before, &h.Action)
			for class := range own {
				if _, is := tripped[class]; is {
					require.Contains(t, h.Classes, class)
					counts[class]++
				}
			}
			if h.Action.With == "" && len(h.Action.Needs) == 0 && !underHeldCreate(plan, &h.Action) {
				for _, class := range h.Classes {
					require.True(t, own[class], "%s is held for %s", h.Action.Member.ID, class)
				}
			}
		}
		for class, b := range tripped {
			require.GreaterOrEqual(t, counts[class], b.Count, "%s", plan)
		}
	})
}

// classesOf computes the classes of an action independently, from the rules (S14).
func classesOf(before map[string]provisioning.Member, a *provisioning.Action) map[provisioning.Class]bool {
	classes := make(map[provisioning.Class]bool)
	m := before[a.Member.ID]
	for _, r := range a.Reasons {
		if r.Code == provisioning.CodeMatchRecycled {
			classes[provisioning.ClassIdentity] = true
		}
	}
	loses := func(from, to provisioning.Member) bool {
		lost := !subset(from.Seats, to.Seats) || !subset(from.Capture, to.Capture)
		for workspace, profile := range from.Profiles {
			lost = lost || to.Profiles[workspace] != profile
		}
		return lost
	}
	switch {
	case a.Kind == provisioning.KindCreate:
		classes[provisioning.ClassCreate] = true
	case m.Protected:
	case a.Kind == provisioning.KindAdopt, a.Kind == provisioning.KindClaim:
		classes[provisioning.ClassAdopt] = true
		if m.Active && loses(m, a.Member) {
			classes[provisioning.ClassDowngrade] = true
		}
	case !m.Active:
		classes[provisioning.ClassReactivate] = true
	case a.Kind == provisioning.KindDeactivate:
		classes[provisioning.ClassDeactivate] = true
	default:
		if loses(m, a.Member) {
			classes[provisioning.ClassDowngrade] = true
		}
		if loses(a.Member, m) {
			classes[provisioning.ClassGrant] = true
		}
		if !strings.EqualFold(m.Email, a.Member.Email) {
			classes[provisioning.ClassRewriteIdentity] = true
		}
		if m.ManagerID != a.Member.ManagerID {
			classes[provisioning.ClassReparent] = true
		}
	}
	return classes
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

// Storing and reading a plan does not change it.
func TestPlanSurvivesItsJSON(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		plan := r.Resolve(in)
		text := planJSON(t, plan)
		read, err := provisioning.ReadPlan([]byte(text))
		require.NoError(t, err)
		require.Equal(t, text, planJSON(t, read))
		require.Equal(t, plan.String(), read.String())
	})
}

// The shortcut for unchanged people gives the same decision as the full way, for a
// team that was just applied and for the same team edited by hand.
func TestShortcutDecidesTheSame(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		store, team := storeWith(t, in.Members)
		in.Members = team
		applyAll(t, store, r.Resolve(in))
		in.Members = teamOf(t, store)
		require.Equal(t, r.ResolveWithoutShortcut(in).String(), r.Resolve(in).String())
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "edits"), 5))
		for i := range in.Members {
			m := &in.Members[i]
			switch random.IntN(12) {
			case 0:
				m.Phone = "(206) 324-1800 x 229"
			case 1:
				m.OtherEmails = []string{"A@acme.com", "z@acme.com"}
			case 2:
				m.Locale, m.PrivateEmail = "de_DE", "ME@HOME.example"
			case 3:
				m.Owners = m.Owners.With(provisioning.FieldPhone, provisioning.OwnerHand)
			case 4:
				m.Country, m.Title = "", ""
			case 5:
				m.TimeZone = "US/Eastern"
			}
		}
		require.Equal(t, planJSON(t, r.ResolveWithoutShortcut(in)), planJSON(t, r.Resolve(in)))
	})
}

// underHeldCreate reports whether an action needs further approvals because its
// manager is to be created and waits.
func underHeldCreate(plan *provisioning.Plan, a *provisioning.Action) bool {
	for i := range plan.Held {
		if h := &plan.Held[i].Action; h.Kind == provisioning.KindCreate && h.Member.ID == a.Member.ManagerID {
			return true
		}
	}
	return false
}

// An approved person comes under a manager who exists or is approved with them.
func TestNoManagerIsMissingAfterAnApproval(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		_, team := storeWith(t, in.Members)
		known := byID(team)
		plan := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: in.Snapshot, Members: team})
		for class := provisioning.ClassDeactivate; class <= provisioning.ClassIdentity; class++ {
			if plan.Approve(class).Hash == "" {
				continue
			}
			store, _ := storeWith(t, team)
			_, err := provisioning.Apply(context.Background(), store, "t", plan, plan.Approve(class))
			require.NoError(t, err)
			after := byID(teamOf(t, store))
			for id, m := range after {
				if m.ManagerID != "" && m.ManagerID != known[id].ManagerID {
					_, there := after[m.ManagerID]
					require.True(t, there, "%s is put under nobody:\n%s", id, plan)
				}
			}
		}
	})
}
