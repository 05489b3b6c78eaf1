package provisioning_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

var admins = provisioning.Role{Workspace: "ws1", Profile: "admin"}

// keepsAdmins returns a config in which the group "g" makes admins, of whom atLeast
// must be left.
func keepsAdmins(atLeast int) provisioning.Config {
	cfg := okta()
	cfg.Breakers = noBreakers()
	cfg.Assignments = []assignment.Assignment{{
		ID: "admins", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g"}},
		Settings: assignment.Settings{Profiles: map[string]string{"ws1": "admin"}},
	}}
	cfg.Keep = []provisioning.Keep{{Role: admins, AtLeast: atLeast}}
	return cfg
}

// adminsOf returns a directory and a team of so many admins u1, u2 and so on that
// agree, except that some were deactivated in the directory.
func adminsOf(t *testing.T, cfg provisioning.Config, n, leave int) (*sources.Snapshot, *provisioning.Memory) {
	var users []sources.User
	var ids []string
	for i := range n {
		users = append(users, activeUser(userID(i), userID(i)+"@acme.com"))
		ids = append(ids, userID(i))
	}
	snapshot := allProven(users...)
	snapshot.Groups = []sources.Group{{ID: "g", Members: ids}}
	store := new(provisioning.Memory)
	applyAll(t, store, resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot}))
	for i := range leave {
		snapshot.Users[i].Status = sources.StatusInactive
	}
	return snapshot, store
}

func userID(i int) string { return string(rune('a' + i)) }

// S43: as many admins leave as the role allows; if more would leave, nobody does,
// whatever is approved. A person who waits for an approval counts as gone.
func TestKeepHoldsWhoWouldLeave(t *testing.T) {
	for _, test := range []struct {
		name           string
		admins, leave  int
		atLeast        int
		limit          *provisioning.Limit
		held, approved int // without and with a class
	}{
		{"enough are left", 3, 2, 1, nil, 0, 0},
		{"one too few", 3, 2, 2, nil, 2, 0},
		{"nobody is left", 3, 3, 1, nil, 3, 0},
		{"zero stands for one", 2, 2, 0, nil, 2, 0},
		{"there were too few before", 2, 1, 5, nil, 1, 0},
		{"nobody leaves, and there are too few", 2, 0, 5, nil, 0, 0},
		{"enough are left, and a breaker holds them", 3, 2, 1, &provisioning.Limit{Count: number(0)}, 0, 2},
		{"too few, whatever a breaker says", 3, 3, 1, &provisioning.Limit{Count: number(0)}, 3, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := keepsAdmins(test.atLeast)
			if test.limit != nil {
				cfg.Breakers.Deactivate = test.limit
			}
			snapshot, store := adminsOf(t, cfg, test.admins, test.leave)
			plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: teamOf(t, store)})
			require.Equal(t, test.leave-test.held-test.approved, plan.Count(provisioning.KindDeactivate), "%s", plan)
			held, approvable := 0, 0
			for _, h := range plan.Held {
				if len(h.Classes) > 0 {
					approvable++
					continue
				}
				held++
				require.Equal(t, provisioning.CodeKeepLast, h.Reasons[0].Code)
				require.Equal(t, "admin", h.Reasons[0].Facts["profile"])
			}
			require.Equal(t, []int{test.held, test.approved}, []int{held, approvable}, "%s", plan)
			require.Equal(t, test.approved > 0, len(plan.Breakers) > 0, "who has to stay counts in no breaker")
			applyAll(t, store, plan)
			counts, err := store.Count(context.Background(), "t", cfg.Connection)
			require.NoError(t, err)
			require.GreaterOrEqual(t, counts.Roles[admins], min(test.admins, max(1, test.atLeast)))
		})
	}
}

// S43: hand-made and protected admins, and those of other connections, count as
// present. A newcomer of the same plan does not count yet, and counts in the next
// one.
func TestKeepCountsWhoCertainlyStays(t *testing.T) {
	cfg := keepsAdmins(1)
	for _, test := range []struct {
		name  string
		other provisioning.Member
		left  int
	}{
		{"a hand-made admin", provisioning.Member{ID: "x", Active: true}, 2},
		{"one of another connection", provisioning.Member{ID: "x", Active: true, Managed: true, Connection: "other", ExternalID: "x"}, 2},
		{"a protected one who is absent", provisioning.Member{ID: "x", Active: true, Managed: true, Connection: "okta", ExternalID: "x", Protected: true}, 2},
		{"an inactive one", provisioning.Member{ID: "x"}, 0},
		{"one who is absent", provisioning.Member{ID: "x", Active: true, Managed: true, Connection: "okta", ExternalID: "x"}, 0},
	} {
		snapshot, store := adminsOf(t, cfg, 2, 2)
		test.other.Email = "other@acme.com"
		test.other.Profiles = map[string]string{"ws1": "admin"}
		store.Put("t", test.other)
		plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: teamOf(t, store)})
		require.Equal(t, test.left, plan.Count(provisioning.KindDeactivate), "%s\n%s", test.name, plan)
	}

	snapshot, store := adminsOf(t, cfg, 2, 2)
	snapshot.Users = append(snapshot.Users, activeUser("new", "new@acme.com"))
	snapshot.Groups[0].Members = append(snapshot.Groups[0].Members, "new")
	plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: teamOf(t, store)})
	require.Equal(t, []int{1, 0, 2}, []int{plan.Count(provisioning.KindCreate), plan.Count(provisioning.KindDeactivate), len(plan.Held)}, "%s", plan)
	applyAll(t, store, plan)
	plan = resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: teamOf(t, store)})
	require.Equal(t, 2, plan.Count(provisioning.KindDeactivate), "now there is another one\n%s", plan)
}

// L6, S43: a push about an admin needs a run over everybody while the part does not
// know all other admins, and is decided alone if there are none.
func TestKeepOfAPart(t *testing.T) {
	cfg := keepsAdmins(1)
	for _, test := range []struct {
		admins, leave int
		about         string
		whole         bool
		held          int
	}{
		{1, 1, "a", false, 1},
		{2, 1, "a", true, 0},
		{2, 1, "c", false, 0},
	} {
		snapshot, store := adminsOf(t, cfg, test.admins, test.leave)
		snapshot.Users = append(snapshot.Users, activeUser("c", "c@acme.com"))
		in, err := resolver(t, cfg).Gather(context.Background(), provisioning.Lookup{Tenant: "t", Team: store, Directory: sources.NewIndex(snapshot)}, test.about)
		if test.whole {
			require.ErrorIs(t, err, provisioning.ErrNeedsWholeRun)
			continue
		}
		require.NoError(t, err)
		require.Len(t, resolver(t, cfg).Resolve(in).Held, test.held)
	}
}
