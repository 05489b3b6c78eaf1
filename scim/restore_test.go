package scim_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// ofKind serves a directory to which a provider of the given kind pushes.
func ofKind(t *testing.T, store scim.Store, kind string) *httptest.Server {
	t.Helper()
	return mount(t, scim.Config{Store: store, Authenticate: func(*http.Request) (scim.Principal, error) {
		return scim.Principal{Tenant: "t1", Connection: "c1", Kind: kind}, nil
	}})
}

// S6: a POST restores a deactivated user only if the record is that of the same
// person. If another person has the user name, the answer is 409.
func TestRestoredIsTheSamePerson(t *testing.T) {
	const ana, dan = `"name":{"givenName":"Ana","familyName":"Young"}`, `"name":{"givenName":"Dan","familyName":"Moss"}`
	for _, c := range []struct {
		what, kind string
		was, comes string
		status     int // 201: created with the same id; 202 stands for 201 with another id
	}{
		{"the same person", "", user("a", ana), user("A", ana), 201},
		{"without names", "", user("a"), user("a"), 201},
		{"a name spelt otherwise", "", user("a", `"name":{"givenName":"Jose\u0301","familyName":"O’Neill-Díaz"}`),
			user("a", `"name":{"givenName":" JOSÉ ","familyName":"O'Neill‑Díaz"}`), 201}, // S36
		{"a name in another attribute", "", user("a", ana), user("a", `"displayName":"Ana  Young"`), 201},
		{"another person with the user name", "", user("a", ana), user("a", dan), 409},
		{"a person of whom no name is given", "", user("a", ana), user("a"), 409},
		{"another external id, which is not stable", "entra", user("a", ana, `"externalId":"ana"`), user("a", ana, `"externalId":"ana2"`), 201},
		{"an external id alone, which is not stable", "entra", user("a", ana, `"externalId":"ana"`), user("b", ana, `"externalId":"ana"`), 202},
		{"a nickname that a new hire got", "entra", user("a", ana, `"externalId":"ana"`), user("b", dan, `"externalId":"ana"`), 202},
		{"of no kind, an external id alone", "", user("a", ana, `"externalId":"1"`), user("b", ana, `"externalId":"1"`), 202},
		{"of a host's own kind, an external id alone", "acme-hr", user("a", ana, `"externalId":"1"`), user("b", ana, `"externalId":"1"`), 202},
		{"the same stable external id", "okta", user("a", ana, `"externalId":"00u1"`), user("b", ana, `"externalId":"00u1"`), 201},
		{"the same stable external id after a marriage", "Okta", user("a", ana, `"externalId":"00u1"`), user("b", dan, `"externalId":"00u1"`), 201},
		{"another stable external id", "okta", user("a", ana, `"externalId":"00u1"`), user("a", ana, `"externalId":"00u2"`), 409},
		{"an external id in another letter case", "okta", user("a", ana, `"externalId":"00u1"`), user("a", ana, `"externalId":"00U1"`), 409},
		{"no external id sent", "okta", user("a", ana, `"externalId":"00u1"`), user("a", ana), 201},
		{"no external id kept", "okta", user("a", ana), user("a", ana, `"externalId":"00u1"`), 201},
	} {
		t.Run(c.what, func(t *testing.T) {
			server := ofKind(t, &scim.Memory{}, c.kind)
			old := create(t, server, "/Users", c.was)
			// An active user is never restored.
			again := send(t, server, testToken, "POST", "/Users", c.was)
			assert.Equal(t, 409, again.status)
			require.Equal(t, 200, send(t, server, testToken, "PATCH", "/Users/"+old.id(), ops(`{"op":"replace","path":"active","value":false}`)).status)

			got := send(t, server, testToken, "POST", "/Users", c.comes)
			switch c.status {
			case 201:
				require.Equal(t, 201, got.status, got.text)
				assert.Equal(t, old.id(), got.id())
				assert.Equal(t, true, got.body["active"])
			case 202:
				require.Equal(t, 201, got.status, got.text)
				assert.NotEqual(t, old.id(), got.id())
				assert.Equal(t, false, send(t, server, testToken, "GET", "/Users/"+old.id(), "").body["active"])
			default:
				require.Equal(t, c.status, got.status, got.text)
				assert.Equal(t, "uniqueness", got.scimType())
				assert.Equal(t, false, send(t, server, testToken, "GET", "/Users/"+old.id(), "").body["active"])
			}
		})
	}
}

// S4, S6: a restored record keeps no memberships and no other old data; the
// provider pushes them again.
func TestRestoredIsInNoGroup(t *testing.T) {
	server := ofKind(t, &scim.Memory{}, "okta")
	a := create(t, server, "/Users", user("a", `"title":"CFO"`, `"externalId":"1"`))
	b := create(t, server, "/Users", user("b"))
	g := create(t, server, "/Groups", group("admins", a.id(), b.id()))
	create(t, server, "/Groups", group("finance", a.id()))
	require.Equal(t, 200, send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(`{"op":"replace","path":"active","value":false}`)).status)
	kept := send(t, server, testToken, "GET", "/Users/"+a.id(), "")
	assert.Len(t, kept.body["groups"], 2, "who is deactivated keeps the memberships: Entra does not send them again")

	back := send(t, server, testToken, "POST", "/Users", user("a", `"externalId":"1"`))
	require.Equal(t, 201, back.status, back.text)
	assert.Equal(t, a.id(), back.id())
	now := send(t, server, testToken, "GET", "/Users/"+a.id(), "")
	assert.NotContains(t, now.body, "groups")
	assert.NotContains(t, now.body, "title")
	assert.Equal(t, now.header.Get("ETag"), back.header.Get("ETag"))
	assert.Equal(t, now.body, back.body, "the answer to the POST is what GET shows")
	members := send(t, server, testToken, "GET", "/Groups/"+g.id(), "").body["members"]
	assert.Len(t, members, 1, "the others stay")
}

// A joiningStore adds the user to a group before the first update of a record
// of the type before.
type joiningStore struct {
	scim.Store
	before string // the type of the written record
	join   func()
}

func (s *joiningStore) Apply(ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	if w.Op == scim.Update && w.Ref.Type == s.before && s.join != nil {
		join := s.join
		s.join = nil
		join()
	}
	return s.Store.Apply(ctx, dir, w)
}

// A membership that is added between the removal from the groups and the
// restore does not stay.
func TestRestoredIsInNoGroupThatCameBetween(t *testing.T) {
	for _, before := range []string{scim.TypeUser, scim.TypeGroup} { // the restore, and the removal from the old group
		store := &joiningStore{Store: &scim.Memory{}, before: before}
		server := ofKind(t, store, "okta")
		a := create(t, server, "/Users", user("a", `"externalId":"1"`))
		g := create(t, server, "/Groups", group("g"))
		create(t, server, "/Groups", group("was", a.id()))
		require.Equal(t, 200, send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(`{"op":"replace","path":"active","value":false}`)).status)
		store.join = func() {
			r := send(t, server, testToken, "PATCH", "/Groups/"+g.id(), ops(`{"op":"add","path":"members","value":["`+a.id()+`"]}`))
			assert.Equal(t, 204, r.status)
		}
		back := send(t, server, testToken, "POST", "/Users", user("a", `"externalId":"1"`))
		require.Equal(t, 201, back.status, back.text)
		assert.Equal(t, a.id(), back.id())
		assert.Nil(t, store.join)
		assert.Empty(t, send(t, server, testToken, "GET", "/Groups/"+g.id(), "").body["members"])
	}
}
