package provisioning_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A plan with masked addresses contains no address of the directory or the team,
// neither in its data nor in its texts, and has the approvals of the whole plan.
func TestMaskHidesAddresses(t *testing.T) {
	mask := provisioning.PersonalMask()
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		plan := r.Resolve(in)
		masked := mask.Plan(plan)
		var b bytes.Buffer
		require.NoError(t, masked.WriteJSON(&b))
		shown := strings.ToLower(b.String() + masked.String() + masked.Summary())
		for i := range in.Snapshot.Users {
			if email := in.Snapshot.Users[i].Email; strings.Contains(email, "@") {
				require.NotContains(t, shown, strings.ToLower(email))
			}
		}
		for i := range in.Members {
			require.NotContains(t, shown, strings.ToLower(in.Members[i].Email))
		}
		require.Equal(t, plan.Breakers, masked.Breakers)
		require.Len(t, masked.Actions, len(plan.Actions))
	})
}

func TestMask(t *testing.T) {
	cfg := okta()
	cfg.Attributes = map[string]string{"cost": "cost"}
	user := activeUser("u1", "ana@acme.com")
	member := memberFor(user)
	user.Title, user.MobilePhone, user.GivenName = "Queen", "+1 212 555 0101", "Anastasia"
	user.Attributes = map[string]sources.Values{"cost": {"C-7"}}
	in := provisioning.Input{Snapshot: allProven(user), Members: []provisioning.Member{member}}
	plan := resolver(t, cfg).Resolve(in)
	before, err := json.Marshal(plan)
	require.NoError(t, err)

	require.Same(t, plan, provisioning.Mask(nil).Plan(plan))
	shown := provisioning.Mask{provisioning.FieldTitle, provisioning.Attribute("*")}.Plan(plan)
	text, err := json.Marshal(shown)
	require.NoError(t, err)
	require.NotContains(t, string(text), "Queen")
	require.NotContains(t, string(text), "C-7")
	require.Contains(t, string(text), "Anastasia")
	require.Contains(t, shown.String(), "title (hidden, new)") // the plan says that it changes

	for _, f := range []provisioning.Field{provisioning.FieldEmail, provisioning.FieldMobilePhone, provisioning.FieldGivenName} {
		require.True(t, provisioning.PersonalMask().Hides(f))
	}
	require.Empty(t, provisioning.PersonalMask().Plan(plan).Story("ana@acme.com"))
	require.Empty(t, provisioning.PersonalMask().Member(member).Email)
	after, err := json.Marshal(plan)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after), "the plan was written to")
}
