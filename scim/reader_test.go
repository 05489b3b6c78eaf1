package scim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// The answers of other servers are read with the same tolerance as the requests
// of clients.
func TestUserReader(t *testing.T) {
	reader, err := NewUserReader(SourceConfig{})
	require.NoError(t, err)
	for text, want := range map[string]sources.User{
		`{"id": "1"}`: {ID: "1"},
		`{"ID": 7, "Active": "True", "USERNAME": "ana"}`:                                           {ID: "7", Status: sources.StatusActive, UserName: "ana"},
		`{"id": "1", "active": false, "schemas": ["urn:example:nonsense"], "meta": {"x": 1}}`:      {ID: "1", Status: sources.StatusInactive},
		`{"id": "1", "emails": {"value": "a@x.example", "type": "work"}, "groups": [{"value":1}]}`: {ID: "1", Email: "a@x.example"},
		`{"id": "1", "active": "perhaps", "title": "Boss"}`:                                        {ID: "1", Title: "Boss"},
		// One malformed value leaves the others as they are read without it.
		`{"id": "1", "active": 1, "emails": {"value": "a@x.example"}, "phoneNumbers": "555 0100"}`:    {ID: "1", Email: "a@x.example", Phone: "555 0100"},
		`{"id": "1", "active": "False", "title": {"x": 1}, "name": "Ana", "emails": ["a@x.example"]}`: {ID: "1", Email: "a@x.example", Status: sources.StatusInactive},
		`{"id": "1", "userName": 7, "externalId": 8}`:                                                 {ID: "1", UserName: "7", Attributes: map[string]sources.Values{"externalId": {"8"}}},
		`{"id": "1", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": "2", "department": "Sales"}}`: {
			ID: "1", Manager: sources.Manager{ID: "2"}, Attributes: map[string]sources.Values{"department": {"Sales"}}},
	} {
		got, err := reader.Read([]byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{``, `[]`, `{}`, `{"id": ""}`, `{"id": " "}`, `{"id": {}}`, `{"id": "1"} x`} {
		_, err := reader.Read([]byte(text))
		require.Error(t, err, text)
	}
	_, err = NewUserReader(SourceConfig{UserExtension: enterpriseURN})
	require.ErrorContains(t, err, "scim: UserExtension: ")
}
