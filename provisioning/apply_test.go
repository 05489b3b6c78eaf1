package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// S28: each action has the revision from which it was planned. A stale action is
// refused, the others are applied, and the next run plans what is missing.
func TestStaleActionIsRefused(t *testing.T) {
	in := crowd(3)
	for i := range in.Snapshot.Users {
		in.Snapshot.Users[i].Title = "Director"
	}
	store, team := storeWith(t, in.Members)
	in.Members = team
	r := resolver(t, okta())
	plan := r.Resolve(in)
	for i := range plan.Actions {
		require.Equal(t, byID(team)[plan.Actions[i].Member.ID].Revision, plan.Actions[i].Revision)
	}
	touched := team[1]
	touched.Home = "ws1"
	store.Put("t", touched)

	outcome, err := provisioning.Apply(context.Background(), store, "t", plan)
	require.NoError(t, err)
	require.Equal(t, [4]int{2, 0, 1, 0}, [4]int{outcome.Done, outcome.Repeated, outcome.Refused, outcome.Held})
	require.ErrorIs(t, outcome.Results[1].Err, provisioning.ErrStale)
	require.Equal(t, "2 done, 0 done before, 1 refused, 0 held", outcome.String())

	in.Members = teamOf(t, store)
	rest := r.Resolve(in)
	require.Len(t, rest.Actions, 1)
	require.Equal(t, "m-u001", rest.Actions[0].Member.ID)

	outcome, err = provisioning.Apply(context.Background(), store, "t", plan)
	require.NoError(t, err)
	require.Equal(t, [3]int{0, 2, 1}, [3]int{outcome.Done, outcome.Repeated, outcome.Refused}, "the done ones are known by their keys")
}

// S28: a plan that would break an invariant is refused for that action, also if
// somebody else took the address after the plan was made.
func TestConflictIsRefused(t *testing.T) {
	in := crowd(1)
	in.Snapshot.Users = append(in.Snapshot.Users, activeUser("u9", "new@acme.com"))
	in.Snapshot.Users[0].Title = "Director"
	store, team := storeWith(t, in.Members)
	in.Members = team
	plan := resolver(t, okta()).Resolve(in)
	store.Put("t", provisioning.Member{ID: "h", Active: true, Email: "NEW@acme.com"})
	outcome, err := provisioning.Apply(context.Background(), store, "t", plan)
	require.NoError(t, err)
	require.Equal(t, [2]int{1, 1}, [2]int{outcome.Done, outcome.Refused})
	require.ErrorIs(t, outcome.Results[0].Err, provisioning.ErrConflict)
}

// S2: two people who swap addresses both change or both stay: if one action is
// stale, both are refused.
func TestGroupIsAtomic(t *testing.T) {
	in := crowd(3)
	users := in.Snapshot.Users
	users[0].Email, users[1].Email = users[1].Email, users[0].Email
	users[2].Title = "Director"
	store, team := storeWith(t, in.Members)
	in.Members = team
	plan := resolver(t, okta()).Resolve(in)
	require.Equal(t, plan.Actions[0].With, plan.Actions[1].With)
	require.NotEmpty(t, plan.Actions[0].With)
	require.Empty(t, plan.Actions[2].With)
	touched := team[1]
	touched.Home = "ws1"
	touched = store.Put("t", touched)
	outcome, err := provisioning.Apply(context.Background(), store, "t", plan)
	require.NoError(t, err)
	require.Equal(t, [2]int{1, 2}, [2]int{outcome.Done, outcome.Refused})
	require.Equal(t, team[0], teamOf(t, store)[0])
	require.Equal(t, touched, teamOf(t, store)[1])
}

// The canonical order: actions that release a seat or an address come before
// actions that take one, and actions that commit together are adjacent.
func TestActionsAreInOrder(t *testing.T) {
	cfg, in := okta(), crowd(8)
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Automatic, Settings: assignment.Settings{Seats: []string{"core"}}}
	for i := range in.Members {
		in.Members[i].Seats = []string{"core"}
	}
	in.Snapshot.Users[7].Status = sources.StatusInactive
	in.Snapshot.Users[6].Title = "Director"
	in.Members[5].Seats = []string{"core", "plus"}
	in.Members[4].Active = false
	in.Snapshot.Users[0].Email, in.Snapshot.Users[3].Email = in.Snapshot.Users[3].Email, in.Snapshot.Users[0].Email
	in.Snapshot.Users = append(in.Snapshot.Users, activeUser("a", "a@acme.com"))
	plan := resolver(t, cfg).Resolve(in)
	var order []string
	for _, a := range plan.Actions {
		order = append(order, a.Kind.String()+" "+a.Member.ExternalID)
	}
	require.Equal(t, []string{"deactivate u007", "update u000", "update u003", "update u005", "create a", "reactivate u004", "update u006"}, order)
}

// A large plan goes to the store in batches, which never divide actions that commit
// together.
func TestApplyInPieces(t *testing.T) {
	in := crowd(1203)
	users := in.Snapshot.Users
	for i := range users {
		users[i].Title = "Director"
	}
	// A ring of 4 people who pass on addresses, across the border of a batch.
	first := users[498].Email
	for i := 498; i < 501; i++ {
		users[i].Email = users[i+1].Email
	}
	users[501].Email = first
	for i := range 498 { // so that these stand in the first phase with the ring
		users[i].Email = fmt.Sprintf("new%d@acme.com", i)
	}
	cfg := okta()
	cfg.Breakers = noBreakers()
	store, team := storeWith(t, in.Members)
	in.Members = team
	counting := &pieces{Memory: store}
	plan := resolver(t, cfg).Resolve(in)
	outcome, err := provisioning.Apply(context.Background(), counting, "t", plan)
	require.NoError(t, err)
	require.Equal(t, 1203, outcome.Done)
	require.Equal(t, []int{502, 500, 201}, counting.sizes)
}

type pieces struct {
	*provisioning.Memory
	sizes []int
}

func (p *pieces) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	p.sizes = append(p.sizes, len(actions))
	return p.Memory.Apply(ctx, tenant, actions)
}

// S28, A23: a tenant has one writer, so that scheduled runs and pushes do not race.
// Apply waits for the lock until its context ends, and releases it.
func TestApplyLocksTheTenant(t *testing.T) {
	in := crowd(1)
	in.Snapshot.Users[0].Title = "Director"
	store, team := storeWith(t, in.Members)
	in.Members = team
	plan := resolver(t, okta()).Resolve(in)
	unlock, err := store.Lock(context.Background(), "t")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = provisioning.Apply(ctx, store, "t", plan)
	require.ErrorIs(t, err, provisioning.ErrLocked)
	require.ErrorIs(t, err, context.Canceled)
	_, err = provisioning.Apply(context.Background(), store, "another", plan)
	require.ErrorIs(t, err, provisioning.ErrOtherTenant, "S45: a plan is applied to no other tenant")
	unlock()
	unlock()
	outcome, err := provisioning.Apply(context.Background(), store, "t", plan)
	require.NoError(t, err)
	require.Equal(t, 1, outcome.Done)
	unlock, err = store.Lock(context.Background(), "t")
	require.NoError(t, err, "the lock was given back")
	unlock()
}

// S27: a created person has one effect, with the key of the action; there is none
// for other people, or if the option is off.
func TestManagerIsNotifiedOnce(t *testing.T) {
	cfg, in := okta(), crowd(2)
	cfg.Default = &assignment.Assignment{ID: "default"} // manual
	in.Members[1].ManagerID, in.Members[1].Capture = "m-u000", []string{"recording"}
	newcomer := activeUser("new", "new@acme.com")
	newcomer.Manager.ID = "u000"
	in.Snapshot.Users = append(in.Snapshot.Users, newcomer)
	require.Empty(t, resolver(t, cfg).Resolve(in).Actions[0].Effects, "the option is off")

	cfg.Managers.Notify = true
	store, team := storeWith(t, in.Members)
	in.Members = team
	r := resolver(t, cfg)
	plan := r.Resolve(in)
	a := plan.Actions[0]
	require.Equal(t, []provisioning.Effect{{Kind: provisioning.NotifyManager, Key: a.Key, To: "m-u000", About: a.Member.ID}}, a.Effects)
	applyAll(t, store, plan)
	applyAll(t, store, plan)
	require.Equal(t, a.Effects, effectsOf(t, store), "applied twice, kept once")
	require.NoError(t, store.Delivered(context.Background(), "t", a.Effects[0]))
	require.NoError(t, store.Delivered(context.Background(), "t", a.Effects[0]))
	require.Empty(t, effectsOf(t, store))
	applyAll(t, store, plan)
	require.Empty(t, effectsOf(t, store), "delivered is delivered")

	for name, change := range map[string]func(m *provisioning.Member){
		"recording off":   func(m *provisioning.Member) { m.Capture = []string{"email-import"} },
		"report inactive": func(m *provisioning.Member) { m.Active = false; m.ExternalID = "x" },
	} {
		team := []provisioning.Member{in.Members[0], in.Members[1].Clone()}
		change(&team[1])
		require.Empty(t, r.Resolve(provisioning.Input{Tenant: "t", Snapshot: in.Snapshot, Members: team}).Actions[0].Effects, name)
	}
}

// R4, R143: the store keeps what was done, by whom and why.
func TestAudit(t *testing.T) {
	in := crowd(2)
	in.Snapshot.Users[0].Title, in.Snapshot.Users[1].Title = "Director", "Director"
	store, team := storeWith(t, in.Members)
	in.Members = team
	plan := resolver(t, okta()).Resolve(in)
	touched := team[1]
	store.Put("t", touched)
	_, err := provisioning.Apply(provisioning.WithActor(context.Background(), "admin-7"), store, "t", plan)
	require.NoError(t, err)
	var records []provisioning.Record
	for r, err := range store.Audit(context.Background(), "t") {
		require.NoError(t, err)
		require.False(t, r.At.IsZero())
		records = append(records, r)
	}
	require.Len(t, records, 1, "what was refused was not done")
	a := plan.Actions[0]
	require.Equal(t, provisioning.Record{At: records[0].At, Key: a.Key, Kind: a.Kind, MemberID: a.Member.ID, Email: a.Member.Email, Actor: "admin-7", Changes: a.Changes, Reasons: a.Reasons}, records[0])
	require.Empty(t, provisioning.ActorFrom(context.Background()))
}

// A store returns copies, keeps tenants apart, and stops when the context ends.
func TestMemory(t *testing.T) {
	store := new(provisioning.Memory)
	put := store.Put("t", provisioning.Member{ID: "m1", Email: "a@acme.com", Settings: assignment.Settings{Seats: []string{"core"}}})
	put.Seats[0] = "scribbled"
	got := teamOf(t, store)
	require.Equal(t, "core", got[0].Seats[0])
	got[0].Seats[0] = "scribbled"
	require.Equal(t, "core", teamOf(t, store)[0].Seats[0])
	for range store.Members(context.Background(), "other") {
		t.Fatal("a member of another tenant")
	}
	again := store.Put("t", put)
	require.NotEqual(t, put.Revision, again.Revision)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var last error
	for _, err := range store.Members(ctx, "t") {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	results, err := store.Apply(ctx, "t", []provisioning.Action{{Kind: provisioning.KindCreate, Member: provisioning.Member{ID: "m2"}}})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, results)

	// Protected is set by the host, whatever an action says.
	claimed := provisioning.Action{Kind: provisioning.KindUpdate, Key: "k1", Revision: again.Revision, Member: again.Clone()}
	claimed.Member.Protected = true
	results, err = store.Apply(context.Background(), "t", []provisioning.Action{claimed})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.False(t, teamOf(t, store)[0].Protected)

	// An old plan does not create a deleted member again, since the key of a create
	// outlives its member; a plan from a newer snapshot does (S45).
	r := resolver(t, okta())
	in := provisioning.Input{Tenant: "t", Snapshot: allProven(activeUser("u1", "ana@acme.com")), Members: teamOf(t, store)}
	plan := r.Resolve(in)
	applyAll(t, store, plan)
	store.Delete("t", plan.Actions[0].Member.ID)
	require.Len(t, teamOf(t, store), 1)
	applyAll(t, store, plan)
	require.Len(t, teamOf(t, store), 1)
	in.Members, in.Snapshot.Taken = teamOf(t, store), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	applyAll(t, store, r.Resolve(in))
	require.Len(t, teamOf(t, store), 2)
}

// A saved plan is found by its hash only.
func TestMemoryKeepsPlans(t *testing.T) {
	store := new(provisioning.Memory)
	plan := resolver(t, okta()).Resolve(crowd(1))
	require.NoError(t, store.SavePlan(context.Background(), "t", plan))
	require.NoError(t, store.SavePlan(context.Background(), "t", plan))
	got, err := store.Plan(context.Background(), "t", plan.Hash)
	require.NoError(t, err)
	require.Equal(t, planJSON(t, plan), planJSON(t, got))
	for tenant, hash := range map[string]string{"t": "x", "other": plan.Hash} {
		_, err = store.Plan(context.Background(), tenant, hash)
		require.ErrorIs(t, err, provisioning.ErrNoPlan)
	}
}

// If the store fails, Apply ends with the error and with what was done before.
func TestApplyReturnsWhatWasDone(t *testing.T) {
	in := crowd(3)
	for i := range in.Snapshot.Users {
		in.Snapshot.Users[i].Title = "Director"
	}
	store, team := storeWith(t, in.Members)
	in.Members = team
	plan := resolver(t, okta()).Resolve(in)
	outcome, err := provisioning.Apply(context.Background(), &crashing{Memory: store, left: 2, answer: true}, "t", plan)
	require.True(t, errors.Is(err, errCrash))
	require.Equal(t, 2, outcome.Done)
}

// S27, A16: a manager is not notified about a person who existed before: adopted,
// rehired, reactivated, or moved under the manager.
func TestManagerIsNotNotifiedAboutOthers(t *testing.T) {
	cfg, in := okta(), crowd(4)
	cfg.Managers.Notify = true
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Automatic, Settings: assignment.Settings{Capture: []string{"recording"}}}
	for i := range in.Members {
		in.Members[i].Capture = []string{"recording"}
		if i > 0 {
			in.Snapshot.Users[i].Manager.ID = "u000"
		}
	}
	in.Members[1].Active = false                                                              // comes back
	in.Members[2].ExternalID, in.Members[2].Active = "former", false                          // is rehired
	in.Members[3].Managed, in.Members[3].Connection, in.Members[3].ExternalID = false, "", "" // is adopted
	moved := activeUser("u9", "u9@acme.com")                                                  // is moved
	moved.Manager.ID = "u000"
	in.Snapshot.Users = append(in.Snapshot.Users, moved)
	in.Members = append(in.Members, memberFor(moved))
	plan := resolver(t, cfg).Resolve(in)
	for _, kind := range []provisioning.Kind{provisioning.KindReactivate, provisioning.KindRehire, provisioning.KindAdopt, provisioning.KindUpdate} {
		require.NotZero(t, plan.Count(kind), "%s\n%s", kind, plan)
	}
	for i := range plan.Actions {
		if plan.Actions[i].Kind != provisioning.KindDeactivate && plan.Actions[i].Member.ExternalID != "u000" {
			require.Equal(t, "m-u000", plan.Actions[i].Member.ManagerID)
		}
		require.Empty(t, plan.Actions[i].Effects)
	}
}
