package rest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func TestProblems(t *testing.T) {
	var p Problems
	require.NoError(t, p.Err("test"))
	p.Add(nil, nil)
	p.Require("Token", "x")
	assert.Equal(t, "https://idp.example/scim", p.URL("URL", "https://idp.example/scim/").String())
	p.Fields("Fields", map[string]string{"timezone": "tz", "cost_center": "cc", "other_emails": "mails"})
	require.NoError(t, p.Err("test"))

	cause := errors.New("another")
	p.Add(cause)
	p.Require("Token", "")
	assert.Nil(t, p.URL("URL", "ftp://idp.example"))
	p.Fields("Fields", map[string]string{"zone": "tz", "country": " "})
	err := p.Err("test")
	require.ErrorIs(t, err, cause)
	assert.EqualError(t, err, "test: config: another\nToken: required\nURL: want https\n"+
		`Fields["country"]: want the name of an attribute`+"\n"+
		`Fields["zone"]: want the name of a user's field, such as timezone or manager.email`)
}

func TestLists(t *testing.T) {
	assert.Equal(t, sources.FactAll, Lists(false, false, false))
	assert.Equal(t, sources.FactUsers|sources.FactGroups|sources.FactMemberships, Lists(true, false, false))
	assert.Equal(t, sources.FactUsers|sources.FactManagers, Lists(false, true, false))
	assert.Equal(t, sources.FactAll&^sources.FactMemberships, Lists(false, false, true))
}

// A configured field replaces the source's own, and an attribute without a value
// leaves its field unchanged (S11).
func TestMapped(t *testing.T) {
	m := MappedFields(map[string]string{"title": "job", "country": "land"}, map[string]string{"country": "nation", "timezone": "tz"})
	u := sources.User{TimeZone: "Europe/Paris"}
	m.Set(&u, map[string]sources.Values{"job": {"Clerk"}, "land": {"FR"}, "nation": {"GB"}, "tz": {""}})
	assert.Equal(t, sources.User{Title: "Clerk", Country: "GB", TimeZone: "Europe/Paris"}, u)
}
