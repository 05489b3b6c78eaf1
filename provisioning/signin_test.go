package provisioning_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// S42, R17: who may sign in, by each key and by keys that contradict each
// other.
func TestMaySignIn(t *testing.T) {
	store := new(provisioning.Memory)
	for _, m := range []provisioning.Member{
		{ID: "ana", Connection: "okta", ExternalID: "1", Managed: true, Active: true, Email: "ana@acme.com", Subject: "sub-ana"},
		{ID: "bo", Connection: "okta", ExternalID: "2", Managed: true, Email: "bo@acme.com", Subject: "sub-bo"},
		{ID: "cy", Active: true, Email: "cy@acme.com", PrivateEmail: "cy@home.example"}, // hand-made
		{ID: "dee", Connection: "entra", ExternalID: "1", Managed: true, Active: true, Email: "dee@acme.com"},
		{ID: "eve", Active: true, Email: "eve@acme.com", Subject: "shared"},
		{ID: "fay", Active: true, Email: "fay@acme.com", Subject: "shared"},
	} {
		store.Put("t", m)
	}
	const allowed, ended, unknown = provisioning.CodeSignInAllowed, provisioning.CodeSignInDeactivated, provisioning.CodeSignInUnknown
	for _, test := range []struct {
		name string
		who  provisioning.SignIn
		want provisioning.Code
		as   string
	}{
		{"by external ID", provisioning.SignIn{Connection: "okta", ExternalID: "1"}, allowed, "ana"},
		{"by the same ID of another connection", provisioning.SignIn{Connection: "entra", ExternalID: "1"}, allowed, "dee"},
		{"by subject", provisioning.SignIn{Subject: "sub-ana"}, allowed, "ana"},
		{"by address, spelt differently", provisioning.SignIn{Email: " ANA@Acme.com "}, allowed, "ana"},
		{"a hand-made member", provisioning.SignIn{Connection: "okta", ExternalID: "9", Email: "cy@acme.com"}, allowed, "cy"},
		{"a private address is none (A21)", provisioning.SignIn{Email: "cy@home.example"}, unknown, ""},
		{"nobody", provisioning.SignIn{Connection: "okta", ExternalID: "9", Subject: "none", Email: "none@acme.com"}, unknown, ""},
		{"deactivated, by ID", provisioning.SignIn{Connection: "okta", ExternalID: "2"}, ended, "bo"},
		{"deactivated, by subject", provisioning.SignIn{Subject: "sub-bo"}, ended, "bo"},
		{"deactivated, by address", provisioning.SignIn{Email: "bo@acme.com"}, ended, "bo"},
		{"deactivated, with a colleague's address", provisioning.SignIn{Connection: "okta", ExternalID: "2", Email: "ana@acme.com"}, ended, "bo"},
		{"a leaver's address under a new ID", provisioning.SignIn{Connection: "okta", ExternalID: "9", Email: "bo@acme.com"}, ended, "bo"},
		{"somebody else's address", provisioning.SignIn{Connection: "okta", ExternalID: "9", Email: "ana@acme.com"}, unknown, ""},
		{"somebody else's subject", provisioning.SignIn{Connection: "okta", ExternalID: "9", Subject: "sub-ana"}, unknown, ""},
		{"somebody else's address, by subject", provisioning.SignIn{Subject: "sub-new", Email: "ana@acme.com"}, unknown, ""},
		{"an address for which another directory vouches", provisioning.SignIn{Connection: "okta", ExternalID: "9", Email: "dee@acme.com"}, unknown, ""},
		{"a subject that two have", provisioning.SignIn{Subject: "shared"}, provisioning.CodeSignInAmbiguous, ""},
		{"the address decides where there is no subject", provisioning.SignIn{Email: "eve@acme.com"}, allowed, "eve"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.who.Tenant = "t"
			access, err := provisioning.MaySignIn(context.Background(), store, test.who)
			require.NoError(t, err)
			require.Equal(t, test.want, access.Reason.Code)
			require.Equal(t, test.want == allowed, access.Granted)
			require.Equal(t, test.as != "", access.Member != nil)
			if access.Member != nil {
				require.Equal(t, test.as, access.Member.ID)
			}
			require.NotEqual(t, access.Reason.String(), access.Reason.Text(), "there is a sentence for people")
			other := test.who
			other.Tenant = "other"
			access, err = provisioning.MaySignIn(context.Background(), store, other)
			require.NoError(t, err)
			require.Equal(t, unknown, access.Reason.Code)
		})
	}
	for _, who := range []provisioning.SignIn{{}, {Connection: "okta"}, {ExternalID: "1"}, {Email: " "}} {
		_, err := provisioning.MaySignIn(context.Background(), store, who)
		require.ErrorContains(t, err, "want an external ID")
	}
}

// S42: a person who waits for an approval is distinguished from an unknown
// person, and from a person who may never sign in.
func TestMaySignInHeld(t *testing.T) {
	cfg := okta()
	none := 0
	cfg.Breakers = provisioning.Breakers{Create: &provisioning.Limit{Count: &none}, Reactivate: &provisioning.Limit{Count: &none}}
	back := activeUser("1", "back@acme.com")
	was := memberFor(back)
	was.Active = false
	store, team := storeWith(t, []provisioning.Member{was})
	plan := resolver(t, cfg).Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(back, activeUser("2", "new@acme.com")), Members: team})
	require.Len(t, plan.Held, 2, "%s", plan)
	for _, who := range []provisioning.SignIn{
		{Connection: plan.Connection, ExternalID: "1"}, {Email: "back@acme.com"}, {Connection: plan.Connection, ExternalID: "2"}, {Email: "NEW@acme.com"},
	} {
		who.Tenant, who.Pending = "t", plan
		access, err := provisioning.MaySignIn(context.Background(), store, who)
		require.NoError(t, err)
		require.Equal(t, provisioning.CodeSignInHeld, access.Reason.Code, "%+v", who)
		require.Contains(t, access.Reason.Facts["held"], "breaker.")
		require.False(t, access.Granted)
	}
	access, err := provisioning.MaySignIn(context.Background(), store, provisioning.SignIn{Tenant: "t", Pending: plan, Email: "other@acme.com"})
	require.NoError(t, err)
	require.Equal(t, provisioning.CodeSignInUnknown, access.Reason.Code)
}

// A host calls MaySignIn at each sign-in, with what its single sign-on says
// about the person.
func ExampleMaySignIn() {
	ctx, team := context.Background(), new(provisioning.Memory)
	team.Put("acme", provisioning.Member{ID: "m1", Connection: "okta", ExternalID: "00u1", Managed: true, Active: true, Email: "ana@acme.com"})
	team.Put("acme", provisioning.Member{ID: "m2", Connection: "okta", ExternalID: "00u2", Managed: true, Email: "bo@acme.com"})
	for _, email := range []string{"ana@acme.com", "bo@acme.com", "cy@acme.com"} {
		access, err := provisioning.MaySignIn(ctx, team, provisioning.SignIn{Tenant: "acme", Connection: sources.KindOkta, Email: email})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(email, access.Granted, access.Reason.Code)
	}
	// Output:
	// ana@acme.com true sign_in.allowed
	// bo@acme.com false sign_in.deactivated
	// cy@acme.com false sign_in.not_provisioned
}
