package scim_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// R57, R62, R63, R84: the values of the providers' templates arrive in the
// fields of sources.User.
func TestSourceUser(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store, UserExtension: "urn:ietf:params:scim:schemas:extension:Gong:2.0:User"})
	a := create(t, server, "/Users", user("Login@x", `"externalId":"E1","name":{"givenName":"G","familyName":"F"},"title":"T","active":"True",
		"locale":"en-US","timezone":"America/New_York","userType":"Employee","roles":[{"value":"r1"},{"value":"r2"}],
		"emails":[{"value":"home@x","type":"home"},{"value":"other@x"},{"value":"work@x","type":"work","primary":true}],
		"phoneNumbers":[{"value":"1","type":"fax"},{"value":"2","type":"mobile"},{"value":"3","type":"work"}],
		"addresses":[{"type":"work","country":"DE","region":"BY"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m-id"},"department":"D"},
		"urn:ietf:params:scim:schemas:extension:Gong:2.0:User":{"country":"US","stateOrProvince":"CA","managerEmail":"m@x","managerFullName":"M M",
		"privateEmail":"private@x","secondaryEmails":["second@x"],"primaryPhoneExt":"77"},
		"urn:example:2.0:User":{"badge":7}`))
	got, err := scim.AsSource(store, "t1", "c1").User(t.Context(), a.id())
	require.NoError(t, err)
	assert.Equal(t, sources.User{
		ID: a.id(), UserName: "Login@x", Status: sources.StatusActive,
		Email: "work@x", OtherEmails: []string{"other@x", "second@x"}, PrivateEmail: "private@x",
		GivenName: "G", FamilyName: "F", Title: "T", Phone: "3", MobilePhone: "2", PhoneExtension: "77",
		TimeZone: "America/New_York", Country: "US", State: "CA", Locale: "en-US",
		Manager: sources.Manager{Email: "m@x", ID: "m-id", Name: "M M"},
		Attributes: map[string]sources.Values{
			"externalId": {"E1"}, "userType": {"Employee"}, "roles": {"r1", "r2"}, "department": {"D"}, "urn:example:2.0:User:badge": {"7"},
		},
	}, got)

	require.Equal(t, 200, send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(`{"op":"remove","path":"active"}`)).status)
	got, err = scim.AsSource(store, "t1", "c1").User(t.Context(), a.id())
	require.NoError(t, err)
	assert.Equal(t, sources.StatusUnknown, got.Status) // S10: neither active nor deactivated
	_, err = scim.AsSource(store, "t1", "c1").User(t.Context(), "none")
	assert.ErrorIs(t, err, sources.ErrNotFound)
}

// R14, R15, R20: a delta has creations, deactivations, renames, memberships and
// deletions, and gives the same result as a full listing. Each change is in it
// as soon as the provider has its answer (R22).
func TestSourceDelta(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	src := scim.AsSource(store, "t1", "c1")
	same := func(prev *sources.Snapshot, at sources.Cursor) (*sources.Snapshot, sources.Cursor) {
		t.Helper()
		full, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
		next, cursor, err := sources.Refresh(t.Context(), src, prev, at, sources.CollectConfig{})
		require.NoError(t, err)
		assert.ElementsMatch(t, full.Users, next.Users)
		assert.ElementsMatch(t, full.Groups, next.Groups)
		assert.Equal(t, full.Proven, next.Proven)
		return next, cursor
	}
	snapshot, at := same(nil, "")
	var ids []string
	for i := range 3 {
		ids = append(ids, create(t, server, "/Users", user(fmt.Sprint("u", i))).id())
	}
	snapshot, at = same(snapshot, at)
	g := create(t, server, "/Groups", group("g", ids...)).id()
	nested := create(t, server, "/Groups", group("nested", g)).id()
	snapshot, at = same(snapshot, at)
	send(t, server, testToken, "PATCH", "/Users/"+ids[0], ops(`{"op":"replace","path":"active","value":false}`))
	send(t, server, testToken, "PATCH", "/Groups/"+g, ops(`{"op":"remove","path":"members","value":["`+ids[1]+`"]}`))
	snapshot, at = same(snapshot, at)
	send(t, server, testToken, "DELETE", "/Users/"+ids[2], "")
	snapshot, at = same(snapshot, at)
	send(t, server, testToken, "DELETE", "/Groups/"+nested, "")
	_, at = same(snapshot, at)

	for change, err := range src.Changes(t.Context(), at) {
		require.NoError(t, err)
		assert.Equal(t, sources.Change{Next: at}, change, "nothing is left")
	}
	for _, cursor := range []sources.Cursor{"seq:1", "seq:9223372036854775807", "seq:-1", "seq:x", "else"} {
		for _, err := range src.Changes(t.Context(), cursor) {
			assert.ErrorIs(t, err, sources.ErrCursorExpired, cursor)
		}
	}
}

func TestOnChangeComesAfterTheCommit(t *testing.T) {
	store := &scim.Memory{}
	src := scim.AsSource(store, "t1", "c1")
	var mu sync.Mutex
	var events []scim.Event
	server := mount(t, scim.Config{Store: store, OnChange: func(ctx context.Context, e scim.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
		_, err := src.User(ctx, e.Ref.ID)
		if e.Ref.Type == scim.TypeUser {
			assert.Equal(t, e.Deleted, err != nil)
		}
	}})
	a := create(t, server, "/Users", user("e"))
	send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(`{"op":"replace","path":"title","value":"t"}`))
	send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(`{"op":"replace","path":"title","value":"t"}`)) // the value is the same, so nothing changes
	g := create(t, server, "/Groups", group("g"))
	for range 2 {
		send(t, server, testToken, "PATCH", "/Groups/"+g.id(), ops(`{"op":"add","path":"members","value":["`+a.id()+`"]}`))
	}
	send(t, server, testToken, "PUT", "/Groups/"+g.id(), group("g", a.id())) // nothing changes here, either
	send(t, server, testToken, "DELETE", "/Users/"+a.id(), "")
	send(t, server, testToken, "POST", "/Users", `{}`)

	var got []string
	last := int64(0)
	for _, e := range events {
		assert.Equal(t, scim.Directory{Tenant: "t1", Connection: "c1"}, e.Directory)
		got = append(got, fmt.Sprint(e.Ref.Type, " ", e.Deleted))
		if !e.Deleted {
			assert.Greater(t, e.Version, last)
			last = e.Version
		}
	}
	assert.Equal(t, []string{"User false", "User false", "Group false", "Group false", "User true"}, got)
}
