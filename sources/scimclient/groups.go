package scimclient

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/usher-go/usher/sources/internal/rest"
)

// readGroups reads all groups, and their members if these are wanted.
func (s *Source) readGroups(ctx context.Context, members bool) (*groups, error) {
	all, err := s.listGroups(ctx)
	if err != nil || !members {
		return all, err
	}
	if err := s.readMembers(ctx, all); err != nil {
		return nil, err
	}
	return all, s.settle(ctx, all)
}

// listGroups reads the list of groups, with the members that it has.
func (s *Source) listGroups(ctx context.Context) (*groups, error) {
	all := &groups{byID: map[string]*group{}}
	return all, noGroups(listing(ctx, s.api, "Groups", readGroup, func(g *group) bool {
		all.order, all.byID[g.id] = append(all.order, g), g
		return true
	}))
}

// noGroups adds what to do to the error of a server that has no list of groups. It
// may be that the address is wrong, so that nothing is concluded from it.
func noGroups(err error) error {
	if failure, ok := errors.AsType[*rest.Error](err); ok && (failure.Status == http.StatusNotFound || failure.Status == http.StatusNotImplemented) {
		failure.Detail += "; if the server has no groups, set Config.NoGroups"
	}
	return err
}

// readGroup reads one group, or returns nil if there is none with the ID.
func (s *Source) readGroup(ctx context.Context, id string) (*group, error) {
	resource, err := one[groupResource](ctx, s.api, "Groups", id)
	if rest.IsMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	row, err := readGroup(resource)
	if err == nil && row.ID != id {
		err = rest.Malformed("group %.80q was asked for, and %.80q answered", id, row.ID)
	}
	return row.Value, err
}

// readMembers reads each group by itself that was listed without members. If no
// group was listed with a member, the list may leave members out in every group, so
// an empty list of members does not count.
func (s *Source) readMembers(ctx context.Context, all *groups) error {
	some := slices.ContainsFunc(all.order, func(g *group) bool { return len(g.members) > 0 })
	listed := all.order
	all.order = nil
	gone := map[string]bool{}
	for _, g := range listed {
		if !g.given || !some {
			single, err := s.readGroup(ctx, g.id)
			if err != nil {
				return err
			}
			if single == nil {
				gone[g.id] = true
				delete(all.byID, g.id)
				continue
			}
			g.members = single.members
		}
		all.order = append(all.order, g)
	}
	if len(gone) == 0 {
		return nil
	}
	// A group that was removed in the meantime is no longer listed. A server that
	// cannot answer about a single group still lists it.
	again, err := s.listGroups(ctx)
	if err != nil {
		return err
	}
	for _, g := range again.order {
		if gone[g.id] {
			return rest.Malformed("group %.80q is listed without members, and asked for by itself it does not exist, so its members are not known; Config.NoMembers reads groups without members", g.id)
		}
	}
	return nil
}

// mostUnlisted is how many groups in groups are read that the list does not have. It
// bounds what a server can ask for.
const mostUnlisted = 10_000

// settle reads the groups in groups that the list does not have, and then finds out
// what a member is if the server does not say it and a group has its ID.
func (s *Source) settle(ctx context.Context, all *groups) error {
	met := slices.Clone(all.order)
	for i := 0; i < len(met); i++ {
		for _, m := range met[i].members {
			if _, known := all.byID[m.id]; known || m.kind != kindGroup {
				continue
			}
			if len(all.byID)-len(all.order) == mostUnlisted {
				return rest.Malformed("more than %d groups in groups are not in the list of groups", mostUnlisted)
			}
			inner, err := s.readGroup(ctx, m.id)
			if err != nil {
				return err
			}
			all.byID[m.id] = inner // nil if the group was removed and is still named
			if inner != nil {
				met = append(met, inner)
			}
		}
	}
	isUser := map[string]bool{} // by ID of a group: whether a user has that ID, too
	for _, g := range met {
		for i := range g.members {
			m := &g.members[i]
			if _, known := all.byID[m.id]; !known || m.kind != kindUnsaid {
				continue
			}
			if err := s.askForUser(ctx, m.id, isUser); err != nil {
				return err
			}
			if isUser[m.id] { // IDs are unique among all resources (RFC 7643, section 3.1)
				return rest.Malformed("member %.80q of group %.80q is the ID of a user and of a group, and the server does not say which is meant", m.id, g.id)
			}
			m.kind = kindGroup
		}
	}
	return nil
}

// askForUser finds out whether there is a user with an ID, unless known has it.
func (s *Source) askForUser(ctx context.Context, id string, known map[string]bool) error {
	if _, asked := known[id]; asked {
		return nil
	}
	_, err := one[json.RawMessage](ctx, s.api, "Users", id)
	if err != nil && !rest.IsMissing(err) {
		return err
	}
	known[id] = err == nil
	return nil
}
