package scimclient

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// records converts the resources of the server.
type records struct {
	reader *scim.UserReader
	fields rest.Mapped
}

func (r *records) user(resource json.RawMessage) (rest.Row[sources.User], error) {
	u, err := r.reader.Read(resource)
	if err != nil {
		return rest.Row[sources.User]{}, rest.Malformed("a user that cannot be read: %s", err)
	}
	r.fields.Set(&u, u.Attributes)
	// The texts of a user share memory; a copy of the ID does not keep all of it.
	u.ID = strings.Clone(u.ID)
	return rest.Row[sources.User]{Value: u, ID: u.ID, Created: created(resource)}, nil
}

// created returns when a resource was created, or zero if it does not say.
func created(resource json.RawMessage) time.Time {
	var r struct {
		Meta meta `json:"meta"`
	}
	_ = json.Unmarshal(resource, &r) // the resource is known to be an object
	return r.Meta.created
}

// meta is the meta data of a resource. A value of another type counts as unknown.
type meta struct{ created time.Time }

func (m *meta) UnmarshalJSON(data []byte) error {
	var object struct {
		Created json.RawMessage `json:"created"`
	}
	var text string
	if json.Unmarshal(data, &object) == nil && json.Unmarshal(object.Created, &text) == nil {
		m.created, _ = time.Parse(time.RFC3339, text)
	}
	return nil
}

// groupResource is a group as the server sends it.
type groupResource struct {
	ID      rest.Text  `json:"id"`
	Name    rest.Text  `json:"displayName"`
	Members memberRefs `json:"members"`
	Meta    meta       `json:"meta"`
}

// A group is a group with its members.
type group struct {
	id, name string
	given    bool // the server sent members, even if there are none
	members  []memberRef
}

// memberRefs are the members of a group: a list, or a single member in place of
// one.
type memberRefs struct {
	given bool
	list  []memberRef
}

func (m *memberRefs) UnmarshalJSON(data []byte) error {
	m.given = true
	if data[0] != '{' {
		return json.Unmarshal(data, &m.list)
	}
	m.list = make([]memberRef, 1)
	return json.Unmarshal(data, &m.list[0])
}

// A memberRef is a user or a group in a group.
type memberRef struct {
	id    string
	group bool
}

// UnmarshalJSON reads a member: an object with a value, or the ID alone.
func (m *memberRef) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		var id rest.Text
		err := json.Unmarshal(data, &id)
		m.id = id.Value
		return err
	}
	var object struct {
		Value rest.Text `json:"value"`
		Type  rest.Text `json:"type"`
		Ref   rest.Text `json:"$ref"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	m.id = object.Value.Value
	m.group = strings.EqualFold(object.Type.Value, "Group") || object.Type.Value == "" && strings.Contains(object.Ref.Value, "/Groups/")
	return nil
}

func readGroup(r groupResource) (rest.Row[*group], error) {
	g := &group{id: r.ID.Value, name: r.Name.Value, given: r.Members.given, members: r.Members.list}
	if g.id == "" {
		return rest.Row[*group]{}, rest.Malformed("a group without id")
	}
	for _, m := range g.members {
		if m.id == "" {
			return rest.Row[*group]{}, rest.Malformed("group %.80s has a member without value", g.id)
		}
	}
	return rest.Row[*group]{Value: g, ID: g.id, Created: r.Meta.created}, nil
}

// groups are all groups of a server.
type groups struct {
	order []*group
	byID  map[string]*group
}

// users returns the IDs of the users in a group, including those in nested groups,
// each once. Groups may contain each other. A member of unknown type is a group if
// a group has its ID.
func (all *groups) users(g *group) []string {
	var users []string
	seen := map[string]bool{g.id: true}
	for pending := []*group{g}; len(pending) > 0; pending = pending[1:] {
		for _, m := range pending[0].members {
			if seen[m.id] {
				continue
			}
			seen[m.id] = true
			inner, known := all.byID[m.id]
			switch {
			case known:
				pending = append(pending, inner)
			case !m.group:
				users = append(users, m.id)
			}
		}
	}
	return users
}
