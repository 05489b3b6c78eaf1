package scimclient

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

func newRecords(t *testing.T, fields map[string]string) *records {
	t.Helper()
	reader, err := scim.NewUserReader(scim.SourceConfig{})
	require.NoError(t, err)
	return &records{reader, fields}
}

// R49, R57, R62, S35: every attribute of Entra's and Okta's templates, also in
// servers' own spellings.
func TestUser(t *testing.T) {
	const text = `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "2819c223", "externalId": "701984", "USERNAME": "bjensen@acme.com",
		"name": {"formatted": "Ms. Barbara J Jensen", "familyName": "Jensen", "givenName": "Barbara"}, "active": "True", "title": "Guide", "locale": "en-US", "timezone": "America/Los_Angeles",
		"emails": {"value": "bjensen@acme.com", "type": "work"}, "phoneNumbers": [{"value": "tel:+1-201-555-0123", "type": "work"}, {"value": "555 0100", "type": "mobile"}],
		"addresses": [{"type": "work", "region": "CA", "country": "US"}], "groups": [{"value": "e9e30dba"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios",
			"division": "Theme Park", "department": "Tours", "manager": {"value": "26118915", "$ref": "../Users/26118915", "displayName": "John Smith"}},
		"urn:ietf:params:scim:schemas:extension:Gong:2.0:User": {"managerEmail": "jsmith@acme.com", "privateEmail": "b@home.example", "secondaryEmails": ["b.jensen@acme.com"],
			"primaryPhoneExt": "143", "stateOrProvince": "California", "country": "USA", "managerFullName": "John Smith"},
		"meta": {"resourceType": "User", "created": "2010-01-23T04:56:22Z"}}`
	row, err := newRecords(t, nil).user(json.RawMessage(text))
	require.NoError(t, err)
	assert.Equal(t, "2819c223", row.ID)
	assert.Equal(t, time.Date(2010, 1, 23, 4, 56, 22, 0, time.UTC), row.Created)
	assert.Equal(t, sources.User{
		ID: "2819c223", UserName: "bjensen@acme.com", Status: sources.StatusActive, Email: "bjensen@acme.com", OtherEmails: []string{"b.jensen@acme.com"},
		PrivateEmail: "b@home.example", GivenName: "Barbara", FamilyName: "Jensen", Title: "Guide", Phone: "tel:+1-201-555-0123", MobilePhone: "555 0100", PhoneExtension: "143",
		TimeZone: "America/Los_Angeles", Locale: "en-US", Country: "USA", State: "California",
		Manager: sources.Manager{ID: "26118915", Email: "jsmith@acme.com", Name: "John Smith"},
		Attributes: map[string]sources.Values{
			"externalId": values("701984"), "employeeNumber": values("701984"), "employee_number": values("701984"), "costCenter": values("4130"), "cost_center": values("4130"),
			"organization": values("Universal Studios"), "division": values("Theme Park"), "department": values("Tours"),
		},
	}, row.Value)
}

func TestMalformedResources(t *testing.T) {
	r := newRecords(t, nil)
	for _, text := range []string{`{}`, `{"id": ""}`, `[]`, `"x"`, `7`} {
		_, err := r.user(json.RawMessage(text))
		require.ErrorIs(t, err, sources.ErrMalformed, text)
	}
	for _, text := range []string{
		`{}`, `{"id": ""}`, `[]`, `"x"`, `{"id": "1", "members": "x"}`, `{"id": "1", "members": [{}]}`, `{"id": "1", "members": [{"value": ""}]}`,
		`{"id": "1", "members": [[]]}`, `{"id": "1", "displayName": {}}`, `{"id": "1", "members": {"display": "x"}}`,
	} {
		var r groupResource
		err := json.Unmarshal([]byte(text), &r)
		if err == nil {
			_, err = readGroup(r)
			require.ErrorIs(t, err, sources.ErrMalformed, text)
		}
		require.Error(t, err, text)
	}
}

func TestCreated(t *testing.T) {
	for _, text := range []string{`{}`, `{"meta": null}`, `{"meta": 7}`, `{"meta": {"created": 7}}`, `{"meta": {"created": "yesterday"}}`, `[]`} {
		assert.Zero(t, created(json.RawMessage(text)), text)
	}
}

func TestGroupMembers(t *testing.T) {
	of := func(members ...memberRef) *group { return &group{id: "1", given: true, members: members} }
	for text, want := range map[string]*group{
		`{"id": "1", "displayName": "A"}`:                                        {id: "1", name: "A"},
		`{"id": 1, "members": null}`:                                             {id: "1"},
		`{"id": "1", "members": []}`:                                             {id: "1", given: true, members: []memberRef{}},
		`{"ID": "1", "Members": ["2", 3]}`:                                       of(memberRef{id: "2"}, memberRef{id: "3"}),
		`{"id": "1", "members": {"value": "2"}}`:                                 of(memberRef{id: "2"}),
		`{"id": "1", "members": [{"Value": 2, "Type": "user"}]}`:                 of(memberRef{"2", kindUser}),
		`{"id": "1", "members": [{"value": "2", "type": "Group"}]}`:              of(memberRef{"2", kindGroup}),
		`{"id": "1", "members": [{"value": "2", "$ref": "/Groups/2"}]}`:          of(memberRef{"2", kindGroup}),
		`{"id": "1", "members": [{"value": "2", "$ref": null, "type": null}]}`:   of(memberRef{id: "2"}),
		`{"id": "1", "members": [{"value": "2", "$ref": "https://x.example/"}]}`: of(memberRef{id: "2"}),
		// RFC 7643, section 2.4: a $ref says which resource is meant.
		`{"id": "1", "members": [{"$ref": "https://x.example/v2/Users/2"}]}`:                of(memberRef{"2", kindUser}),
		`{"id": "1", "members": [{"$ref": "../users/a%2Fb?x=1", "display": "Ada"}]}`:        of(memberRef{"a/b", kindUser}),
		`{"id": "1", "members": [{"value": "", "$ref": "Groups/2"}]}`:                       of(memberRef{"2", kindGroup}),
		`{"id": "1", "members": [{"value": "2", "$ref": "../Users/2", "type": "direct"}]}`:  of(memberRef{"2", kindUser}),
		`{"id": "1", "members": [{"value": "2", "$ref": "../Groups/2", "type": "direct"}]}`: of(memberRef{"2", kindGroup}),
	} {
		var r groupResource
		require.NoError(t, json.Unmarshal([]byte(text), &r), text)
		row, err := readGroup(r)
		require.NoError(t, err, text)
		assert.Equal(t, want, row.Value, text)
	}
	for _, ref := range []string{"", "2", "/Users/", "Users", "https://x.example/Users/%zz", "https://x.example/Devices/2"} {
		var r groupResource
		require.NoError(t, json.Unmarshal([]byte(`{"id": "1", "members": [{"$ref": "`+ref+`"}]}`), &r))
		_, err := readGroup(r)
		require.ErrorContains(t, err, "without an ID", ref)
	}
}
