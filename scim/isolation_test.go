package scim_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// A tenant tries to reach the data of another tenant, through every part of a
// request that takes an id, a filter, a cursor or a reference.
func TestTenantsAreApart(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	theirs := create(t, server, "/Users", user("target", `"externalId":"ext-1","emails":[{"value":"target@example.com"}]`))
	theirGroup := create(t, server, "/Groups", group("secret-group", theirs.id()))
	for i := range 5 {
		create(t, server, "/Users", user(fmt.Sprintf("filler%d", i)))
	}
	cursor := send(t, server, testToken, "GET", "/Users?cursor=&count=2", "").body["nextCursor"].(string)

	const intruder = "intruder"
	try := func(method, path, body string) answer { return send(t, server, intruder, method, path, body) }
	own := try("POST", "/Users", user("target", `"externalId":"ext-1"`))
	require.Equal(t, 201, own.status, "the name is free in another tenant")
	require.NotEqual(t, theirs.id(), own.id())
	ownGroup := try("POST", "/Groups", group("mine", own.id()))
	require.Equal(t, 201, ownGroup.status)

	for _, path := range []string{"/Users/" + theirs.id(), "/Groups/" + theirGroup.id()} {
		for method, body := range map[string]string{
			"GET": "", "PUT": user("stolen"), "PATCH": ops(`{"op":"replace","path":"externalId","value":"stolen"}`), "DELETE": "",
		} {
			if path[1] == 'G' && method == "PUT" {
				body = group("stolen")
			}
			assert.Equal(t, 404, try(method, path, body).status, "%s %s", method, path)
		}
	}
	for _, filter := range []string{
		`id eq "` + theirs.id() + `"`, `emails.value eq "target@example.com"`, `displayName eq "secret-group"`,
		`members.value eq "` + theirs.id() + `"`, `groups.value eq "` + theirGroup.id() + `"`, `userName sw "filler"`,
		`id eq "` + theirGroup.id() + `" and members eq "` + own.id() + `"`,
	} {
		for _, path := range []string{"/", "/Users", "/Groups"} {
			a := try("GET", path+"?filter="+url.QueryEscape(filter), "")
			if a.status == 200 {
				assert.Equal(t, 0.0, a.body["totalResults"], "%s %s", path, filter)
			}
		}
		a := try("POST", "/.search", fmt.Sprintf(`{"filter":%q}`, filter))
		assert.NotContains(t, a.text, "secret")
	}
	assert.Equal(t, 1.0, try("GET", "/Users?sortBy=userName", "").body["totalResults"])
	a := try("GET", "/Users?count=2&cursor="+url.QueryEscape(cursor), "")
	assert.Equal(t, "invalidCursor", a.scimType())

	for name, a := range map[string]answer{
		"create with a member":      try("POST", "/Groups", group("grab", theirs.id())),
		"replace with a member":     try("PUT", "/Groups/"+ownGroup.id(), group("grab", theirs.id())),
		"patch with a member":       try("PATCH", "/Groups/"+ownGroup.id(), ops(`{"op":"add","path":"members","value":[{"value":"`+theirs.id()+`"}]}`)),
		"patch with a group":        try("PATCH", "/Groups/"+ownGroup.id(), ops(`{"op":"replace","path":"members","value":["`+theirGroup.id()+`"]}`)),
		"patch through a filter":    try("PATCH", "/Groups/"+ownGroup.id(), ops(`{"op":"add","path":"members[value eq \"`+theirs.id()+`\"]","value":"`+theirs.id()+`"}`)),
		"patch with a $ref instead": try("PATCH", "/Groups/"+ownGroup.id(), ops(`{"op":"add","path":"members","value":[{"$ref":"../Users/`+theirs.id()+`"}]}`)),
	} {
		assert.Equal(t, 400, a.status, name)
		assert.Equal(t, "invalidValue", a.scimType(), name)
	}
	bulk := try("POST", "/Bulk", `{"Operations":[
		{"method":"DELETE","path":"/Users/`+theirs.id()+`"},
		{"method":"PATCH","path":"/Users/`+theirs.id()+`","data":`+ops(`{"op":"replace","path":"title","value":"x"}`)+`},
		{"method":"POST","bulkId":"g","path":"/Groups","data":`+group("bulk-grab", theirs.id())+`}]}`)
	for _, e := range bulk.body["Operations"].([]any) {
		assert.NotEqual(t, "2", e.(map[string]any)["status"].(string)[:1])
	}
	for _, c := range []struct {
		src  *scim.DirectorySource
		want int
	}{{scim.AsSource(store, "t1", "c1"), 6}, {scim.AsSource(store, intruder, "c1"), 1}, {scim.AsSource(store, "t1", "other"), 0}} {
		n := 0
		for _, err := range c.src.Users(t.Context()) {
			require.NoError(t, err)
			n++
		}
		assert.Equal(t, c.want, n)
	}
	still := send(t, server, testToken, "GET", "/Groups/"+theirGroup.id(), "")
	assert.Equal(t, theirGroup.body, still.body, "nothing of theirs has changed")
}

// R145 to R147: two app instances of one tenant are two separate directories.
func TestConnectionsAreApart(t *testing.T) {
	server := mount(t, scim.Config{Authenticate: func(r *http.Request) (scim.Principal, error) {
		return scim.Principal{Tenant: "acme", Connection: r.Header.Get("Authorization")}, nil
	}})
	before := send(t, server, "old", "POST", "/Users", user("both"))
	after := send(t, server, "new", "POST", "/Users", user("both"))
	require.Equal(t, 201, before.status)
	require.Equal(t, 201, after.status)
	off := send(t, server, "old", "PATCH", "/Users/"+before.id(), ops(`{"op":"replace","path":"active","value":false}`))
	require.Equal(t, 200, off.status)
	assert.Equal(t, true, send(t, server, "new", "GET", "/Users/"+after.id(), "").body["active"])
	assert.Equal(t, 404, send(t, server, "old", "DELETE", "/Users/"+after.id(), "").status)
}
