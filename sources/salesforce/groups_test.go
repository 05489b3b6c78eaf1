package salesforce

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func member(group, of string) row {
	return row{"Id": "011" + group[12:15] + of[:3] + of[9:15], "GroupId": group, "UserOrGroupId": of}
}

const (
	publicA  = "00G000000000001EAA"
	publicB  = "00G000000000002EAA"
	roleOnly = "00G000000000003EAA"
	everyone = "00G000000000005EAA"
)

// groupOf returns the members that a source lists for a group.
func groupOf(t *testing.T, org *fakeOrg, id string) ([]string, error) {
	t.Helper()
	groups, err := read(org.source(nil).Groups(t.Context()))
	for _, g := range groups {
		if g.ID == id {
			return g.Members, err
		}
	}
	return nil, err
}

func TestCirclesOfGroups(t *testing.T) {
	org := newFakeOrg(t)
	org.Records["GroupMember"] = []row{
		member(publicA, publicB), member(publicB, publicA), member(publicB, publicB), member(publicB, "005000000000001AAA"),
	}
	for _, id := range []string{publicA, publicB} {
		members, err := groupOf(t, org, id)
		require.NoError(t, err)
		assert.Equal(t, []string{"005000000000001AAA"}, members)
	}
	assert.Len(t, org.queries, 6, "three for each listing: nobody asked for roles")
}

func TestCirclesOfRoles(t *testing.T) {
	org := newFakeOrg(t)
	org.Records["UserRole"][1]["ParentRoleId"] = "00E000000000003EAA"
	members, err := groupOf(t, org, publicB)
	require.NoError(t, err)
	assert.Len(t, members, 4)
}

func TestRoleGroups(t *testing.T) {
	for kind, want := range map[string][]string{
		"Role":                        {"005000000000002AAA"},
		"RoleAndSubordinates":         {"005000000000002AAA", "005000000000004AAA"},
		"RoleAndSubordinatesInternal": {"005000000000002AAA", "005000000000004AAA"},
	} {
		org := newFakeOrg(t)
		org.Records["Group"][2]["Type"] = kind
		org.Records["GroupMember"] = []row{member(publicA, roleOnly)}
		members, err := groupOf(t, org, publicA)
		require.NoError(t, err)
		assert.Equal(t, want, members, kind)
	}

	org := newFakeOrg(t)
	org.Records["GroupMember"] = []row{member(publicA, everyone)}
	members, err := groupOf(t, org, publicA)
	require.NoError(t, err)
	assert.Len(t, members, 5, "everybody in scope")
}

// S12: memberships that cannot be known are not claimed.
func TestUnknownMemberships(t *testing.T) {
	org := newFakeOrg(t)
	org.Records["Group"][2]["Type"] = "Territory"
	_, err := groupOf(t, org, publicB)
	require.ErrorIs(t, err, sources.ErrUnsupported)
	assert.Contains(t, err.Error(), `"Territory"`)

	org = newFakeOrg(t)
	org.Records["GroupMember"] = append(org.Records["GroupMember"], member(publicA, "00G000000000099EAA"))
	_, err = groupOf(t, org, publicA)
	require.ErrorIs(t, err, sources.ErrUnavailable)
	assert.Contains(t, err.Error(), "changed while they were read")

	org = newFakeOrg(t)
	org.Records["GroupMember"][0]["UserOrGroupId"] = nil
	_, err = groupOf(t, org, publicA)
	require.ErrorIs(t, err, sources.ErrMalformed)

	org = newFakeOrg(t)
	snapshot, err := sources.Collect(t.Context(), org.source(nil), sources.CollectConfig{})
	require.NoError(t, err)
	assert.True(t, snapshot.Proven.Has(sources.FactGroups|sources.FactMemberships))
}

func TestShortIDsOfMembers(t *testing.T) {
	org := newFakeOrg(t)
	org.Records["GroupMember"] = []row{{"Id": "011000000000001", "GroupId": publicA[:15], "UserOrGroupId": "005000000000001"}}
	members, err := groupOf(t, org, publicA)
	require.NoError(t, err)
	assert.Equal(t, []string{"005000000000001AAA"}, members)
}

func TestNoGroups(t *testing.T) {
	org := newFakeOrg(t)
	src := org.source(func(cfg *Config) { cfg.NoGroups = true })
	groups, err := read(src.Groups(t.Context()))
	require.NoError(t, err)
	assert.Empty(t, groups)
	assert.Zero(t, org.requests)
	assert.Equal(t, sources.FactUsers|sources.FactManagers, src.Info().Lists)
	require.NoError(t, src.Check(t.Context()))
	assert.Len(t, org.queries, 1)
}
