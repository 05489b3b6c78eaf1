package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// A groupRound holds what one round of the delta of groups tells.
type groupRound struct {
	order  []string               // the IDs of the groups, in the order of their first record
	drafts map[string]*groupDraft // by ID; nil: the round said that the group is removed, and nothing else
	whole  bool                   // the round began without a link and lists all groups
}

// A groupDraft is what a round has told of one group so far. The members of a
// large group come in parts, on any pages of the round.
type groupDraft struct {
	id, name string
	gone     bool            // some record of the round said that the group is removed
	members  []int32         // in a whole round: numbers in the roster, ^number for a member who left
	moved    map[string]move // in a later round, by member
}

// A move is what a later round has told of one member of a group. If it told both,
// the members that are read decide, since records come in any order.
type move uint8

const (
	moveIn move = 1 << iota
	moveOut
)

// add takes in one record of the round.
func (r *groupRound) add(rec record, everybody *roster) error {
	id, err := rec.id()
	if err != nil {
		return err
	}
	draft, known := r.drafts[id]
	if !known {
		r.order = append(r.order, id)
	}
	switch {
	case rec.removed() && draft == nil:
		r.drafts[id] = nil
		return nil
	case rec.removed():
		r.drafts[id] = &groupDraft{id: id, gone: true}
		return nil
	case draft == nil:
		draft = &groupDraft{id: id, gone: known}
		r.drafts[id] = draft
	}
	return draft.add(rec, r.whole, everybody)
}

// hidesMembers reports whether a group hides its members from applications that
// may not read hidden memberships. Graph then lists the group with some members
// or none, and without an error.
func (r record) hidesMembers() (bool, error) {
	visibility, err := r.text("visibility")
	return strings.EqualFold(visibility, "HiddenMembership"), err
}

// allShown returns an error if a group was read whose members the application may
// not see.
func (r *roster) allShown() error {
	if len(r.hidden) == 0 {
		return nil
	}
	return &rest.Error{Reason: sources.ErrForbidden, Detail: fmt.Sprintf(
		"%d groups hide their members, such as %.80q; give the application Member.Read.Hidden and say so in Config.HiddenMembers, or name in Config.Groups the groups to list", len(r.hidden), slices.Min(slices.Collect(maps.Keys(r.hidden))))}
}

// note enters a group in the roster if it hides its members from the application.
func (s *Source) note(rec record, everybody *roster) error {
	hides, err := rec.hidesMembers()
	if err != nil || !hides || s.hidden {
		return err
	}
	id, err := rec.id()
	everybody.hidden[id] = true
	return err
}

// deltaGroups reads one round of the delta of groups that begins at link, or at
// the beginning if link is empty, and returns the link to the next round. It hands
// each group with all its members, or the ID of a removed group, to take, until
// take returns false. In a round from the beginning, only users of the roster are
// members.
func (s *Source) deltaGroups(ctx context.Context, link string, everybody *roster, take func(g *sources.Group, removed string) bool) (next string, err error) {
	round := &groupRound{drafts: make(map[string]*groupDraft), whole: link == ""}
	first := link
	if round.whole {
		first = s.api.address("/groups/delta", "$select=displayName,visibility,members")
	}
	next, err = s.api.pages(ctx, first, true, func(page []record) (bool, error) {
		for _, rec := range page {
			if !rec.removed() {
				if err := s.note(rec, everybody); err != nil {
					return false, err
				}
			}
			if err := round.add(rec, everybody); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	switch {
	case err != nil:
		return "", err
	case round.whole:
		err = s.handOutGroups(ctx, round, everybody, take)
	default:
		err = s.readChanged(ctx, round, everybody, take)
	}
	return next, err
}

// handOutGroups hands out the groups of a round from the beginning. A group that
// the round reports both as there and as removed is read again, in whichever order
// it did, and so is one with such a member: records come in any order, and may be a
// replay of earlier ones.
func (s *Source) handOutGroups(ctx context.Context, round *groupRound, everybody *roster, take func(g *sources.Group, removed string) bool) error {
	if err := s.lookUp(ctx, everybody.unknown(round), everybody); err != nil {
		return err
	}
	var again []string
	for _, id := range round.order {
		draft := round.drafts[id]
		if draft == nil {
			continue
		}
		g, sure := draft.group(everybody)
		if draft.gone || !sure {
			again = append(again, id)
		} else if !take(g, "") {
			return nil
		}
	}
	return s.readGroups(ctx, again, "members", everybody, func(id string, g *sources.Group) (bool, error) {
		if g == nil && round.drafts[id].gone {
			return true, nil
		}
		if g == nil {
			return false, groupNotFound(id)
		}
		err := s.lookUp(ctx, slices.DeleteFunc(slices.Clone(g.Members), everybody.knows), everybody)
		g.Members = slices.DeleteFunc(g.Members, func(member string) bool { return !everybody.lists(member) })
		return err == nil && take(g, ""), err
	})
}

// unknown returns the members of the groups of a round of whom nothing is known.
func (r *roster) unknown(round *groupRound) (ids []string) {
	for _, draft := range round.drafts {
		if draft == nil {
			continue
		}
		for _, number := range draft.members {
			if number >= 0 && !r.knows(r.ids[number]) {
				ids = append(ids, r.ids[number])
			}
		}
	}
	return ids
}

// lookUp reads members of groups of whom nothing is known, and enters them in the
// roster. Most are removed users, who keep their memberships while they are in the
// deleted items. But a new user may be in a group before the list of users has the
// user.
func (s *Source) lookUp(ctx context.Context, members []string, everybody *roster) error {
	read, err := s.details(ctx, members, nil)
	if err != nil {
		return err
	}
	for _, id := range distinct(members) {
		rec := read.users[id]
		out, err := s.records.leftOut(rec)
		if err != nil {
			return err
		}
		if rec == nil || out {
			everybody.leave(id)
		} else {
			everybody.list(id)
		}
	}
	return nil
}

// add takes in one record of the group.
func (d *groupDraft) add(rec record, whole bool, everybody *roster) error {
	name, err := rec.text("displayName")
	if err != nil {
		return err
	}
	if name != "" {
		d.name = name
	}
	raw, given := rec["members@delta"]
	if !given {
		return nil
	}
	var links []link
	if json.Unmarshal(raw, &links) != nil {
		return rest.Malformed("members@delta of group %.80q: want a list of objects", d.id)
	}
	for _, l := range links {
		switch {
		case l.ID == "":
			return rest.Malformed("members@delta of group %.80q: a member without id", d.id)
		case l.Type != "" && l.Type != userLink: // a group, a device, a contact
		case !whole:
			if d.moved == nil {
				d.moved = make(map[string]move)
			}
			if l.gone() {
				d.moved[l.ID] |= moveOut
			} else {
				d.moved[l.ID] |= moveIn
			}
		default:
			number := everybody.number(l.ID)
			if l.gone() {
				number = ^number
			}
			d.members = append(d.members, number)
		}
	}
	return nil
}

// group returns the group with those of its members who are listed. It is not sure
// if the round told of some member both ways: as in the group, and as gone from it.
func (d *groupDraft) group(everybody *roster) (g *sources.Group, sure bool) {
	g, sure = &sources.Group{ID: d.id, Name: d.name}, true
	told := make(map[int32]bool, len(d.members)) // by number; ^number for a member who left
	for _, number := range d.members {
		if number >= 0 && !told[number] && everybody.people[number].listed {
			g.Members = append(g.Members, everybody.ids[number])
		}
		told[number] = true
		sure = sure && !told[^number]
	}
	d.members = nil
	return g, sure
}

// groupNotFound is the error for a group that a round reports and that is not found
// when it is read.
func groupNotFound(id string) error {
	return &rest.Error{Reason: sources.ErrUnavailable, Detail: fmt.Sprintf("group %.80q changed, and is not found; the next round will tell", id)}
}

// readChanged hands out the groups of a later round. The delta tells which members
// came and left, and not who stayed, so each changed group is read again; what the
// delta tells is applied to the members that were read, since it may be newer,
// unless it also reports the group as removed. The groups of users who came back
// into the directory are read again, too.
func (s *Source) readChanged(ctx context.Context, round *groupRound, everybody *roster, take func(g *sources.Group, removed string) bool) error {
	for _, id := range distinct(everybody.came) {
		groups, err := s.groupsOf(ctx, id)
		if err != nil && !rest.IsMissing(err) {
			return err
		}
		for _, g := range groups {
			if _, told := round.drafts[g.ID]; !told {
				round.drafts[g.ID] = &groupDraft{id: g.ID}
				round.order = append(round.order, g.ID)
			}
		}
	}
	var changed []string
	for _, id := range round.order {
		if round.drafts[id] != nil {
			changed = append(changed, id)
		} else if !take(nil, id) {
			return nil
		}
	}
	return s.readGroups(ctx, changed, "members", everybody, func(id string, g *sources.Group) (bool, error) {
		draft := round.drafts[id]
		if g == nil && draft.gone {
			return take(nil, id), nil
		}
		if g == nil {
			return false, groupNotFound(id)
		}
		if draft.gone {
			return take(g, ""), nil
		}
		if draft.name != "" {
			g.Name = draft.name
		}
		g.Members = slices.DeleteFunc(g.Members, func(member string) bool {
			return draft.moved[member] == moveOut
		})
		have := make(map[string]bool, len(g.Members))
		for _, member := range g.Members {
			have[member] = true
		}
		for _, member := range slices.Sorted(maps.Keys(draft.moved)) {
			if draft.moved[member] == moveIn && !have[member] && !everybody.left[member] {
				g.Members = append(g.Members, member)
			}
		}
		return take(g, ""), nil
	})
}

// groupsOfBatch is how many groups fit into a batch: each takes two requests.
const groupsOfBatch = mostBatch / 2

// readGroups reads groups by ID with their direct ("members") or all members
// ("transitiveMembers"), and hands them to take: nil for a group that does not
// exist. Members who are left out of the directory are entered in the roster as
// absent.
func (s *Source) readGroups(ctx context.Context, ids []string, members string, everybody *roster, take func(id string, g *sources.Group) (bool, error)) error {
	selected := "$select=id,userType"
	if members != "members" { // also of nested groups, which may hide their members
		selected += ",visibility"
	}
	for chunk := range slices.Chunk(ids, groupsOfBatch) {
		var urls []string
		for _, id := range chunk {
			path := "/groups/" + url.PathEscape(id)
			urls = append(urls, path+"?$select=id,displayName,visibility", path+"/"+members+"?"+selected+"&$top="+mostRows)
		}
		outcomes, err := s.api.batch(ctx, urls)
		if err != nil {
			return err
		}
		for i, id := range chunk {
			g, err := s.group(ctx, id, outcomes[2*i], outcomes[2*i+1], everybody)
			if err != nil {
				return err
			}
			if more, err := take(id, g); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// group makes a group of two answers: the group's object, and the first page of
// its members. It reads the further pages. It returns nil for a group that does not
// exist.
func (s *Source) group(ctx context.Context, id string, object, members outcome, everybody *roster) (*sources.Group, error) {
	switch {
	case object.missing():
		return nil, nil
	case object.failure == nil && members.missing(): // does not say that the group is gone
		return nil, &rest.Error{Reason: sources.ErrUnavailable, Detail: fmt.Sprintf("group %.80q is there, and its members are not found", id)}
	case object.failure != nil:
		return nil, object.failure
	case members.failure != nil:
		return nil, members.failure
	}
	var rec record
	if err := json.Unmarshal(object.body, &rec); err != nil {
		return nil, rest.Malformed("group %.80q: %s", id, err)
	}
	got, err := rec.id()
	if err != nil || got != id {
		return nil, rest.Malformed("group %.80q was asked for, and another answered", id)
	}
	if err := s.note(rec, everybody); err != nil {
		return nil, err
	}
	g := &sources.Group{ID: id}
	if g.Name, err = rec.text("displayName"); err != nil {
		return nil, err
	}
	g.Members, err = s.members(ctx, id, members.body, everybody)
	return g, err
}

// members returns the users who are members of a group, each once: those of the
// first page of its members, and those of the further pages, which it reads.
func (s *Source) members(ctx context.Context, group string, firstPage []byte, everybody *roster) (members []string, err error) {
	var first page
	if err := json.Unmarshal(firstPage, &first); err != nil || first.Value == nil {
		return nil, rest.Malformed("the members of group %.80q: want a list", group)
	} else if err := first.check(); err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	add := func(rows []record) (bool, error) {
		for _, row := range rows {
			switch row.kind() {
			case "", userLink:
			case groupLink: // a nested group
				if err := s.note(row, everybody); err != nil {
					return false, err
				}
				continue
			default:
				continue
			}
			member, err := row.id()
			if err != nil {
				return false, err
			}
			if out, err := s.records.leftOut(row); err != nil {
				return false, err
			} else if out {
				everybody.leave(member)
			} else if !seen[member] {
				seen[member] = true
				members = append(members, member)
			}
		}
		return true, nil
	}
	if _, err := add(*first.Value); err != nil {
		return nil, err
	}
	next, err := s.api.link(first.Next)
	if err == nil && next != "" {
		_, err = s.api.pages(ctx, next, false, add)
	}
	return members, err
}

// groupsOf returns the groups that a listing would have a user in.
func (s *Source) groupsOf(ctx context.Context, id string) (groups []sources.Group, err error) {
	relation := "memberOf"
	if len(s.groups) > 0 {
		relation = "transitiveMemberOf"
	}
	first := s.api.address("/users/"+url.PathEscape(id)+"/"+relation, "$select=id,displayName&$top="+mostRows)
	_, err = s.api.pages(ctx, first, false, func(page []record) (bool, error) {
		for _, rec := range page {
			g := sources.Group{}
			if g.ID, err = rec.id(); err != nil {
				return false, err
			}
			if g.Name, err = rec.text("displayName"); err != nil {
				return false, err
			}
			if rec.kind() == groupLink && (len(s.groups) == 0 || slices.Contains(s.groups, g.ID)) && !slices.ContainsFunc(groups, func(have sources.Group) bool { return have.ID == g.ID }) {
				groups = append(groups, g)
			}
		}
		return true, nil
	})
	return groups, err
}
