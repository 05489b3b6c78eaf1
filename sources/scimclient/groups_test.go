package scimclient

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
)

// A groupServer has the resources of a list of groups, and single resources by their
// path. It does not know any other path.
type groupServer struct {
	list    []string
	single  map[string]string
	asked   []string // the paths of single resources
	listing func()   // called before each answer of the list
}

func (s *groupServer) RoundTrip(req *http.Request) (*http.Response, error) {
	switch path := req.URL.Path; {
	case path == "/Groups" && s.list != nil:
		if s.listing != nil {
			s.listing()
		}
		list := s.list
		if req.URL.Query().Get("startIndex") != "1" {
			list = nil
		}
		return respond(200, fmt.Sprintf(`{"totalResults": %d, "Resources": [%s]}`, len(s.list), strings.Join(list, ","))), nil
	case path != "/ServiceProviderConfig":
		s.asked = append(s.asked, path)
		if single, ok := s.single[path]; ok {
			return respond(200, single), nil
		}
	}
	return respond(404, `{"detail": "not found"}`), nil
}

// members returns the members of each group by its ID.
func (s *groupServer) members(t *testing.T, change func(*Config)) (map[string][]string, error) {
	t.Helper()
	members := map[string][]string{}
	for g, err := range source(t, "http://127.0.0.1:1", s, change).Groups(t.Context()) {
		if err != nil {
			return nil, err
		}
		members[g.ID] = g.Members
	}
	return members, nil
}

// S12: whatever a server leaves out of its groups, their members are the truth or an
// error.
func TestMembersThatAreNotListed(t *testing.T) {
	for name, c := range map[string]struct {
		server groupServer
		want   map[string][]string
		asked  []string
		fails  string
	}{
		"null in place of members": {
			groupServer{list: []string{`{"id": "a", "members": null}`, `{"id": "b", "members": ["u1"]}`}, single: map[string]string{"/Groups/a": `{"id": "a", "members": ["u2"]}`}},
			map[string][]string{"a": {"u2"}, "b": {"u1"}}, []string{"/Groups/a"}, "",
		},
		"an empty list in every group": {
			groupServer{list: []string{`{"id": "a", "members": []}`, `{"id": "b", "members": []}`}, single: map[string]string{"/Groups/a": `{"id": "a", "members": ["u2"]}`, "/Groups/b": `{"id": "b"}`}},
			map[string][]string{"a": {"u2"}, "b": nil}, []string{"/Groups/a", "/Groups/b"}, "",
		},
		"an empty group beside others": {
			groupServer{list: []string{`{"id": "a", "members": []}`, `{"id": "b", "members": ["u1"]}`}},
			map[string][]string{"a": nil, "b": {"u1"}}, nil, "",
		},
		"no answer about a single group": {
			groupServer{list: []string{`{"id": "a"}`}}, nil, nil, `group "a" is listed without members, and asked for by itself it does not exist`,
		},
		"an answer about another group": {
			groupServer{list: []string{`{"id": "a"}`}, single: map[string]string{"/Groups/a": `{"id": "b", "members": ["u1"]}`}}, nil, nil, `group "a" was asked for, and "b" answered`,
		},
		"a list in place of a single group": {
			groupServer{list: []string{`{"id": "a"}`}, single: map[string]string{"/Groups/a": `{"totalResults": 1, "Resources": [{"id": "a", "members": ["u1"]}]}`}}, nil, nil, "a group without id",
		},
		"no list of groups": {groupServer{}, nil, nil, "if the server has no groups, set Config.NoGroups"},

		"groups in groups, in a circle, and one that is gone": {
			groupServer{list: []string{
				`{"id": "a", "members": [{"value": "u1"}, {"value": "b", "type": "Group"}, {"value": "gone", "type": "Group"}]}`,
				`{"id": "b", "members": [{"value": "u2"}, {"value": "u1"}, {"value": "c"}]}`, // c is not said to be a group
				`{"id": "c", "members": [{"value": "u3"}, {"value": "a", "type": "Group"}, {"value": "c"}]}`,
			}},
			map[string][]string{"a": {"u1", "u2", "u3"}, "b": {"u2", "u1", "u3"}, "c": {"u3", "u1", "u2"}}, []string{"/Groups/gone", "/Users/c"}, "",
		},
		"a group in a group that the list does not have": {
			groupServer{list: []string{`{"id": "a", "members": [{"$ref": "../Groups/x"}]}`, `{"id": "b", "members": [{"$ref": "../Groups/x"}]}`}, single: map[string]string{
				"/Groups/x": `{"id": "x", "members": [{"value": "u1"}, {"value": "y", "type": "Group"}]}`, "/Groups/y": `{"id": "y", "members": ["u2"]}`,
			}},
			map[string][]string{"a": {"u1", "u2"}, "b": {"u1", "u2"}}, []string{"/Groups/x", "/Groups/y"}, "",
		},
		"a group that the list does not have, first without its type": {
			groupServer{list: []string{`{"id": "a", "members": ["x"]}`, `{"id": "b", "members": [{"value": "x", "type": "Group"}]}`}, single: map[string]string{
				"/Groups/x": `{"id": "x", "members": ["u1"]}`,
			}},
			map[string][]string{"a": {"u1"}, "b": {"u1"}}, []string{"/Groups/x", "/Users/x"}, "",
		},

		// Servers that number users and groups each from 1.
		"users and groups with the same IDs": {
			groupServer{list: []string{
				`{"id": 1, "members": [{"value": 1, "type": "User"}, {"value": 2, "$ref": "/Users/2"}]}`,
				`{"id": 2, "members": [{"value": 1, "type": "Group"}, {"value": 2, "type": "User"}, {"value": 3, "type": "User"}]}`,
			}},
			map[string][]string{"1": {"1", "2"}, "2": {"2", "3", "1"}}, nil, "",
		},
		"users and groups with the same IDs, and nothing more": {
			groupServer{list: []string{`{"id": 1, "members": [{"value": 2}]}`, `{"id": 2, "members": []}`}, single: map[string]string{"/Users/2": `{"id": 2}`}},
			nil, nil, `member "2" of group "1" is the ID of a user and of a group`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.server.members(t, nil)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.ElementsMatch(t, c.asked, c.server.asked)
			// Without members nothing of this is asked.
			c.server.asked = nil
			got, err = c.server.members(t, func(cfg *Config) { cfg.NoMembers = true })
			require.NoError(t, err)
			assert.Len(t, got, len(c.want))
			assert.Empty(t, c.server.asked)
		})
	}
}

// A group that is removed while the members are read is left out.
func TestGroupIsRemovedMeanwhile(t *testing.T) {
	n := 0
	server := &groupServer{list: []string{`{"id": "a"}`, `{"id": "b"}`}, single: map[string]string{"/Groups/b": `{"id": "b", "members": ["u1"]}`}}
	server.listing = func() {
		if n++; n > 2 { // the first reading asks for two pages
			server.list = []string{`{"id": "b"}`}
		}
	}
	got, err := server.members(t, nil)
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{"b": {"u1"}}, got)
}

// A server that names ever more groups comes to an end.
func TestGroupsWithoutEnd(t *testing.T) {
	n := 0
	src := source(t, "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/Groups" {
			return (&groupServer{list: []string{`{"id": "0", "members": [{"value": "1", "type": "Group"}]}`}}).RoundTrip(req)
		}
		if !strings.HasPrefix(req.URL.Path, "/Groups/") {
			return respond(404, `{}`), nil
		}
		n++
		return respond(200, fmt.Sprintf(`{"id": "%s", "members": [{"value": "%d", "type": "Group"}]}`, strings.TrimPrefix(req.URL.Path, "/Groups/"), n+1)), nil
	}), nil)
	for _, err := range src.Groups(t.Context()) {
		require.ErrorIs(t, err, sources.ErrMalformed)
		require.ErrorContains(t, err, "groups in groups")
	}
	assert.Equal(t, mostUnlisted, n)
}
