package provisioning_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A22, R146: a connection through which people have access is retired only with
// an approval that covers them; members of other connections do not count.
func TestRetire(t *testing.T) {
	cfg := okta()
	cfg.Breakers = noBreakers()
	cfg.KeepActive.Unmatched = true // the option keeps nobody once the connection is retired
	member := func(id string, edit func(m *provisioning.Member)) provisioning.Member {
		m := memberFor(activeUser("x-"+id, id+"@acme.com"))
		m.ID, m.Capture = id, []string{"recording"}
		edit(&m)
		return m
	}
	leaves := member("ana", func(*provisioning.Member) {})
	store, team := storeWith(t, []provisioning.Member{
		leaves,
		member("claimed", func(m *provisioning.Member) { m.Connection = "okta-v3" }),
		member("left", func(m *provisioning.Member) { m.Active, m.Capture = false, nil }),
		member("hand", func(m *provisioning.Member) { m.Managed = false }),
	})
	plan := resolver(t, cfg).Retire(provisioning.Input{Tenant: "t", Members: team})
	require.Empty(t, plan.Actions)
	require.Len(t, plan.Held, 1, "%s", plan)
	require.Equal(t, "ana", plan.Held[0].Action.Member.ID)
	require.Equal(t, provisioning.CodeRetired, plan.Held[0].Action.Reasons[0].Code)
	require.Equal(t, []provisioning.Class{provisioning.ClassDeactivate}, plan.Held[0].Classes, "however few, an approval is wanted")
	require.Empty(t, plan.Findings, "%s", plan)

	outcome, err := provisioning.Apply(context.Background(), store, "t", plan, plan.Approve(provisioning.ClassDeactivate))
	require.NoError(t, err)
	require.Equal(t, 1, outcome.Done)
	require.True(t, resolver(t, cfg).Retire(provisioning.Input{Tenant: "t", Members: teamOf(t, store)}).Empty())

	protected := member("pat", func(m *provisioning.Member) { m.Protected = true })
	plan = resolver(t, cfg).Retire(provisioning.Input{Tenant: "t", Members: []provisioning.Member{protected}})
	require.Len(t, plan.Held, 1, "S16")
	require.Empty(t, plan.Held[0].Classes)

	cfg = keepsAdmins(1)
	admin := member("admin", func(m *provisioning.Member) { m.Profiles = map[string]string{"ws1": "admin"} })
	plan = resolver(t, cfg).Retire(provisioning.Input{Tenant: "t", Members: []provisioning.Member{admin, leaves}})
	require.Len(t, plan.Held, 2)
	require.Contains(t, plan.String(), "keep.last", "S43: the last admin stays, whatever is approved")
}

// A22: a claim is proposed like every other change, waits if there are many, and
// concerns only members of Config.MigrateFrom.
func TestClaims(t *testing.T) {
	cfg := okta()
	cfg.Connection, cfg.MigrateFrom = "okta-v3", "okta-v2"
	var users []sources.User
	var members []provisioning.Member
	for i := range 26 {
		u := activeUser("n"+userID(i), userID(i)+"@acme.com")
		users = append(users, u)
		m := memberFor(u)
		m.ID, m.Connection, m.ExternalID = "m"+userID(i), "okta-v2", "o"+userID(i)
		members = append(members, m)
	}
	members[0].Connection = "okta-other"
	store, team := storeWith(t, members)
	snapshot := allProven(users...)
	snapshot.Connection = cfg.Connection
	plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: team})
	require.Equal(t, 0, plan.Count(provisioning.KindClaim), "%s", plan)
	require.Len(t, plan.Held, 25)
	require.Len(t, plan.Skipped, 1, "whose address a third connection's member keeps")
	require.Equal(t, provisioning.CodeEmailTaken, plan.Skipped[0].Reasons[0].Code)
	require.False(t, strings.Contains(plan.String(), string(provisioning.CodeUnclaimed)), "whoever waits to be claimed is not told as unclaimed")
	_, err := provisioning.Apply(context.Background(), store, "t", plan, plan.Approve(provisioning.ClassAdopt))
	require.NoError(t, err)
	for _, m := range teamOf(t, store)[1:] {
		require.Equal(t, "okta-v3", m.Connection)
		require.Equal(t, "n"+strings.TrimPrefix(m.ID, "m"), m.ExternalID)
	}

	part, err := resolver(t, cfg).Gather(context.Background(), provisioning.Lookup{Tenant: "t", Team: storeOf(members), Directory: sources.NewIndex(snapshot)}, users[1].ID)
	require.NoError(t, err)
	got := resolver(t, cfg).Resolve(part)
	require.Equal(t, 1, got.Count(provisioning.KindClaim), "L6: one alone is claimed by a push\n%s", got)

	cfg.MigrateFrom = "okta-v3"
	_, err = provisioning.New(cfg)
	require.ErrorContains(t, err, "migrate_from: is \"okta-v3\", which is the connection itself")
}

func storeOf(members []provisioning.Member) *provisioning.Memory {
	store := new(provisioning.Memory)
	for _, m := range members {
		store.Put("t", m)
	}
	return store
}
