package scimclient

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// records makes users of what the server lists.
type records struct {
	reader *scim.UserReader
	fields map[string]string // field of a user: attribute
}

func (r *records) user(resource json.RawMessage) (rest.Row[sources.User], error) {
	u, err := r.reader.Read(resource)
	if err != nil {
		return rest.Row[sources.User]{}, rest.Malformed("a user that cannot be read: %s", err)
	}
	for field, attribute := range r.fields {
		rest.SetField(&u, field, u.Attributes[attribute])
	}
	return rest.Row[sources.User]{Value: u, ID: u.ID, Created: created(resource)}, nil
}

// check is user for one who only wants to know whether it can be read.
func (r *records) check(resource json.RawMessage) error {
	_, err := r.user(resource)
	return err
}

// created is when a resource came into being; zero if it does not say.
func created(resource json.RawMessage) time.Time {
	var r struct {
		Meta struct {
			Created json.RawMessage `json:"created"`
		} `json:"meta"`
	}
	if json.Unmarshal(resource, &r) != nil {
		return time.Time{}
	}
	var text string
	_ = json.Unmarshal(r.Meta.Created, &text)
	at, _ := time.Parse(time.RFC3339, text)
	return at
}

// A group is a group as the server lists one.
type group struct {
	id, name string
	given    bool // whether the server said anything of members
	members  []memberRef
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

func readGroup(resource json.RawMessage) (rest.Row[*group], error) {
	var r struct {
		ID      rest.Text       `json:"id"`
		Name    rest.Text       `json:"displayName"`
		Members json.RawMessage `json:"members"`
	}
	err := json.Unmarshal(resource, &r)
	g := &group{id: r.ID.Value, name: r.Name.Value, given: r.Members != nil}
	if err == nil && g.given {
		if r.Members[0] == '{' { // one member where a list belongs
			g.members = make([]memberRef, 1)
			err = json.Unmarshal(r.Members, &g.members[0])
		} else {
			err = json.Unmarshal(r.Members, &g.members)
		}
	}
	switch {
	case err != nil:
		return rest.Row[*group]{}, rest.Malformed("a group that cannot be read: %s", err)
	case g.id == "":
		return rest.Row[*group]{}, rest.Malformed("a group without id")
	}
	for _, m := range g.members {
		if m.id == "" {
			return rest.Row[*group]{}, rest.Malformed("group %.80s has a member without value", g.id)
		}
	}
	return rest.Row[*group]{Value: g, ID: g.id, Created: created(resource)}, nil
}

// checkGroup is readGroup for one who only wants to know whether it can be read.
func checkGroup(resource json.RawMessage) error {
	_, err := readGroup(resource)
	return err
}

// groups are all groups of a server.
type groups struct {
	order []*group
	byID  map[string]*group
}

// users returns the IDs of the users in a group, in it or in groups in it, each
// once. Circles of groups end where they close. A member whose kind nobody tells
// is a group if there is one of that ID.
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
