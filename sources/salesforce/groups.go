package salesforce

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// Groups implements sources.Source: it yields the org's public groups (those of
// Type "Regular") with the users who are in them directly, through nested groups,
// and through roles. Groups that Salesforce uses internally (roles, queues,
// sharing) are not yielded, but a public group that contains a role has the users
// of that role in Config.Scope.
//
// Memberships need complete listings of groups, of their members and, if a group
// contains a role, of roles and their users. Nothing is yielded before all of these
// have ended. After the members, the groups are listed again, and a group that has
// been removed is not yielded, since its members may have been removed before it.
func (s *Source) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return rest.List(kind, "list groups", func(emit func(sources.Group) bool) error {
		if !s.info.Lists.Has(sources.FactGroups) {
			return nil
		}
		groups, err := s.readGroups(ctx)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(groups.byID)) {
			g := groups.byID[id]
			if g.kind != "Regular" || !g.stays {
				continue
			}
			members, err := groups.users(id)
			if err != nil {
				return err
			}
			if !emit(sources.Group{ID: id, Name: g.name, Members: members}) {
				return nil
			}
		}
		return nil
	})
}

// group is a record of Group.
type group struct {
	name    string
	kind    string   // "Regular", "Role", "RoleAndSubordinates", "Organization", ...
	related string   // for a role's group: the ID of the role
	members []string // IDs of users and groups
	stays   bool     // the group still exists after all members have been read
}

// groupTree has everything that decides who is in a group.
type groupTree struct {
	byID     map[string]*group
	inRole   map[string][]string // by role: users
	children map[string][]string // by role: the roles directly below
	standard []string            // the internal users
}

// readGroups reads groups and members, and also roles if a public group may need
// them.
func (s *Source) readGroups(ctx context.Context) (*groupTree, error) {
	tree := &groupTree{byID: map[string]*group{}, inRole: map[string][]string{}, children: map[string][]string{}}
	err := s.api.each(ctx, "SELECT Id, Name, DeveloperName, Type, RelatedId FROM Group", func(rec *record) error {
		id, err := rec.idOf("Group")
		if err != nil {
			return err
		}
		g := &group{name: rec.text("Name"), kind: rec.text("Type"), related: soql.LongID(rec.text("RelatedId"))}
		if g.name == "" {
			g.name = rec.text("DeveloperName")
		}
		tree.byID[id] = g
		return nil
	})
	if err != nil {
		return nil, err
	}
	nested := false
	if err := s.api.polite(); err != nil {
		return nil, err
	}
	err = s.api.each(ctx, "SELECT Id, GroupId, UserOrGroupId FROM GroupMember", func(rec *record) error {
		if _, err := rec.idOf("GroupMember"); err != nil {
			return err
		}
		in, member := soql.LongID(rec.text("GroupId")), soql.LongID(rec.text("UserOrGroupId"))
		if in == "" || member == "" {
			return rest.Malformed("a GroupMember without GroupId and UserOrGroupId")
		}
		if g := tree.byID[in]; g != nil {
			g.members = append(g.members, member)
			inner := tree.byID[member]
			nested = nested || g.kind == "Regular" && inner != nil && inner.kind != "Regular"
		}
		return nil
	})
	if err == nil {
		err = s.api.polite()
	}
	if err == nil {
		err = s.api.each(ctx, "SELECT Id FROM Group", func(rec *record) error {
			id, err := rec.idOf("Group")
			if g := tree.byID[id]; g != nil {
				g.stays = true
			}
			return err
		})
	}
	if err != nil || !nested {
		return tree, err
	}
	if err := s.api.polite(); err != nil {
		return nil, err
	}
	return tree, s.readRoles(ctx, tree)
}

func (s *Source) readRoles(ctx context.Context, tree *groupTree) error {
	err := s.api.each(ctx, "SELECT Id, ParentRoleId FROM UserRole", func(rec *record) error {
		id, err := rec.idOf("UserRole")
		if parent := soql.LongID(rec.text("ParentRoleId")); parent != "" {
			tree.children[parent] = append(tree.children[parent], id)
		}
		return err
	})
	if err == nil {
		err = s.api.polite()
	}
	if err != nil {
		return err
	}
	return s.api.each(ctx, "SELECT Id, UserRoleId, UserType FROM User WHERE "+s.scope.String(), func(rec *record) error {
		id, err := rec.idOf("User")
		if role := soql.LongID(rec.text("UserRoleId")); role != "" {
			tree.inRole[role] = append(tree.inRole[role], id)
		}
		if rec.text("UserType") == "Standard" {
			tree.standard = append(tree.standard, id)
		}
		return err
	})
}

// users returns the users of a group, sorted and each once. It visits each nested
// group once, so groups may contain each other.
func (t *groupTree) users(id string) ([]string, error) {
	users := map[string]bool{}
	visited := map[string]bool{}
	for todo := []string{id}; len(todo) > 0; {
		last := len(todo) - 1
		id := todo[last]
		todo = todo[:last]
		if visited[id] {
			continue
		}
		visited[id] = true
		g, ok := t.byID[id]
		if !ok {
			// The group was created between the two listings.
			return nil, &rest.Error{
				Reason: sources.ErrUnavailable,
				Detail: fmt.Sprintf("the groups changed while they were read: group %s is a member and not in the listing", id),
			}
		}
		found, err := t.own(g, id)
		if err != nil {
			return nil, err
		}
		for _, member := range found {
			if isUser(member) {
				users[member] = true
			} else {
				todo = append(todo, member)
			}
		}
	}
	return slices.Sorted(maps.Keys(users)), nil
}

// own returns the users and groups that are directly in a group.
func (t *groupTree) own(g *group, id string) ([]string, error) {
	switch g.kind {
	case "Regular":
		return g.members, nil
	case "Role":
		return t.inRole[g.related], nil
	case "RoleAndSubordinates", "RoleAndSubordinatesInternal":
		return t.below(g.related), nil
	case "Organization":
		return t.standard, nil
	}
	return nil, &rest.Error{
		Reason: sources.ErrUnsupported,
		Detail: fmt.Sprintf("group %s of type %.40q is a member of a public group, and who is in it is not known here", id, g.kind),
	}
}

// below returns the users of a role and of all roles under it.
func (t *groupTree) below(role string) []string {
	var users []string
	visited := map[string]bool{}
	for todo := []string{role}; len(todo) > 0; {
		last := len(todo) - 1
		role := todo[last]
		todo = todo[:last]
		if visited[role] {
			continue
		}
		visited[role] = true
		users = append(users, t.inRole[role]...)
		todo = append(todo, t.children[role]...)
	}
	return users
}

// isUser reports whether an ID is that of a user, by its prefix.
func isUser(id string) bool { return strings.HasPrefix(id, idKeys["User"]) }
