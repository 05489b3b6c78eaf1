package scimclient

import (
	"encoding/json"
	"net/url"
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
	given    bool // the server sent a list of members, even if it is empty
	members  []memberRef
}

// memberRefs are the members of a group: a list, or a single member in place of
// one. Null is no list.
type memberRefs struct {
	given bool
	list  []memberRef
}

func (m *memberRefs) UnmarshalJSON(data []byte) error {
	m.given = data[0] != 'n'
	if data[0] != '{' {
		return json.Unmarshal(data, &m.list)
	}
	m.list = make([]memberRef, 1)
	return json.Unmarshal(data, &m.list[0])
}

// A memberRef is a user or a group in a group.
type memberRef struct {
	id   string
	kind memberKind
}

// A memberKind is what a member is, as far as the server says it.
type memberKind byte

const (
	kindUnsaid memberKind = iota
	kindUser
	kindGroup
)

// UnmarshalJSON reads a member: an object with a value, a $ref or both, or the ID
// alone.
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
	kind, id := parseRef(object.Ref.Value)
	m.id, m.kind = object.Value.Value, kind
	if m.id == "" {
		m.id = id
	}
	switch {
	case strings.EqualFold(object.Type.Value, "Group"):
		m.kind = kindGroup
	case strings.EqualFold(object.Type.Value, "User"):
		m.kind = kindUser
	}
	return nil
}

// parseRef reads the address of a user or a group, which may be relative
// ("../Users/2819c223"). It returns no ID for any other address.
func parseRef(ref string) (memberKind, string) {
	ref, _, _ = strings.Cut(ref, "?")
	parts := strings.Split(ref, "/")
	if len(parts) < 2 {
		return kindUnsaid, ""
	}
	id, err := url.PathUnescape(parts[len(parts)-1])
	if err != nil {
		return kindUnsaid, ""
	}
	switch endpoint := parts[len(parts)-2]; {
	case strings.EqualFold(endpoint, "Users"):
		return kindUser, id
	case strings.EqualFold(endpoint, "Groups"):
		return kindGroup, id
	}
	return kindUnsaid, ""
}

func readGroup(r groupResource) (rest.Row[*group], error) {
	g := &group{id: r.ID.Value, name: r.Name.Value, given: r.Members.given, members: r.Members.list}
	if g.id == "" {
		return rest.Row[*group]{}, rest.Malformed("a group without id")
	}
	for _, m := range g.members {
		if m.id == "" {
			return rest.Row[*group]{}, rest.Malformed("group %.80s has a member without an ID", g.id)
		}
	}
	return rest.Row[*group]{Value: g, ID: g.id, Created: r.Meta.created}, nil
}

// groups are all groups of a server.
type groups struct {
	order []*group
	byID  map[string]*group // also those that are known only as members of others
}

// users returns the IDs of the users in a group, including those in nested groups,
// each once. Groups may contain each other. The kind of every member whose ID is
// that of a group must be known.
func (all *groups) users(g *group) []string {
	var users []string
	seenUser, seenGroup := map[string]bool{}, map[string]bool{g.id: true}
	for pending := []*group{g}; len(pending) > 0; pending = pending[1:] {
		for _, m := range pending[0].members {
			switch inner := all.byID[m.id]; {
			case m.kind != kindGroup:
				if !seenUser[m.id] {
					seenUser[m.id] = true
					users = append(users, m.id)
				}
			case inner != nil && !seenGroup[m.id]:
				seenGroup[m.id] = true
				pending = append(pending, inner)
			}
		}
	}
	return users
}
