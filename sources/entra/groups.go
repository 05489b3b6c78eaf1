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

// A groupDraft is what a round has told of one group so far. The pages of a large
// one hold a part of its members each, anywhere in the round.
type groupDraft struct {
	id, name string
	gone     bool            // was said to be removed, at some point of the round
	members  []int32         // of the roster; ^number for one who left
	moved    map[string]bool // in a later round: who came (true) or left
}

// hidesMembers reports whether a group hides its members from who may not read
// hidden memberships: Graph lists it without them then, or with a part of them, as
// it lists any group.
func (r record) hidesMembers() (bool, error) {
	visibility, err := r.text("visibility")
	return strings.EqualFold(visibility, "HiddenMembership"), err
}

// allShown returns an error if the round, or the reading, met a group whose
// members the application is not known to see.
func (r *roster) allShown() error {
	if len(r.hidden) == 0 {
		return nil
	}
	return &rest.Error{Reason: sources.ErrForbidden, Detail: fmt.Sprintf(
		"%d groups hide their members, such as %.80q; give the application Member.Read.Hidden and say so in Config.HiddenMembers, or name in Config.Groups the groups to list", len(r.hidden), slices.Min(slices.Collect(maps.Keys(r.hidden))))}
}

// note enters a group that hides its members from the application.
func (s *Source) note(rec record, everybody *roster) error {
	hides, err := rec.hidesMembers()
	if err != nil || !hides || s.hidden {
		return err
	}
	id, err := rec.id()
	everybody.hidden[id] = true
	return err
}

// deltaGroups reads one round of the delta of groups from link, or all groups
// where link is empty, and hands out groups with all their members, or the IDs of
// those that were removed. Members are the users of the roster, which only a
// round from the beginning needs.
func (s *Source) deltaGroups(ctx context.Context, link string, everybody *roster, take func(g *sources.Group, removed string) bool) (next string, err error) {
	first := link
	if first == "" {
		first = s.api.address("/groups/delta", "$select=displayName,visibility,members")
	}
	drafts := make(map[string]*groupDraft)
	var order []string
	removed := make(map[string]bool) // at some point of the round
	next, err = s.api.pages(ctx, first, true, func(page []record) (bool, error) {
		for _, rec := range page {
			id, err := rec.id()
			if err != nil {
				return false, err
			}
			draft, known := drafts[id]
			if !known {
				order = append(order, id)
			}
			if rec.removed() {
				drafts[id], removed[id] = nil, true
				continue
			}
			if err := s.note(rec, everybody); err != nil {
				return false, err
			}
			if draft == nil {
				draft = &groupDraft{id: id, gone: removed[id]}
				drafts[id] = draft
			}
			if err := draft.add(rec, link == "", everybody); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return "", err
	}
	if link != "" {
		for _, id := range distinct(everybody.came) {
			groups, err := s.groupsOf(ctx, id)
			if err != nil && !rest.IsMissing(err) {
				return "", err
			}
			for _, g := range groups {
				if _, told := drafts[g.ID]; !told {
					drafts[g.ID] = &groupDraft{id: g.ID}
					order = append(order, g.ID)
				}
			}
		}
		return next, s.readChanged(ctx, drafts, order, everybody, take)
	}
	var again []string
	for _, id := range order {
		draft := drafts[id]
		switch {
		case draft == nil:
		case draft.gone:
			again = append(again, id)
		case !take(draft.group(everybody), ""):
			return next, nil
		}
	}
	// What is told after a removal may be a replay, and need not be whole.
	return next, s.readGroups(ctx, again, "members", everybody, func(_ string, g *sources.Group) (bool, error) {
		if g == nil {
			return true, nil
		}
		g.Members = slices.DeleteFunc(g.Members, func(member string) bool {
			_, listed := everybody.lists(member)
			if !listed {
				everybody.absent.Add(member)
			}
			return !listed
		})
		return take(g, ""), nil
	})
}

// add takes in what one record says.
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
				d.moved = make(map[string]bool)
			}
			d.moved[l.ID] = !l.gone()
		default:
			number, listed := everybody.lists(l.ID)
			if !listed {
				everybody.absent.Add(l.ID) // a guest, or somebody who was removed and is in the group still
				continue
			}
			if l.gone() {
				number = ^number
			}
			d.members = append(d.members, number)
		}
	}
	return nil
}

// group returns the group with the members that the last word on each leaves.
func (d *groupDraft) group(everybody *roster) *sources.Group {
	in := make(map[int32]bool, len(d.members))
	for _, number := range d.members {
		in[max(number, ^number)] = number >= 0
	}
	g := &sources.Group{ID: d.id, Name: d.name}
	for _, number := range d.members {
		if number >= 0 && in[number] {
			in[number] = false // once
			g.Members = append(g.Members, everybody.ids[number])
		}
	}
	d.members = nil
	return g
}

// readChanged reads the groups that a later round told of, since a delta tells
// who came and who left, and not who is in. Its word goes before what is read.
func (s *Source) readChanged(ctx context.Context, drafts map[string]*groupDraft, order []string, everybody *roster, take func(g *sources.Group, removed string) bool) error {
	var changed []string
	for _, id := range order {
		if drafts[id] != nil {
			changed = append(changed, id)
		} else if !take(nil, id) {
			return nil
		}
	}
	return s.readGroups(ctx, changed, "members", everybody, func(id string, g *sources.Group) (bool, error) {
		draft := drafts[id]
		if g == nil && draft.gone {
			return take(nil, id), nil
		}
		if g == nil {
			return false, &rest.Error{Reason: sources.ErrUnavailable, Detail: fmt.Sprintf("group %.80q changed, and is not found; the next round will tell", id)}
		}
		if draft.name != "" {
			g.Name = draft.name
		}
		g.Members = slices.DeleteFunc(g.Members, func(member string) bool {
			in, moved := draft.moved[member]
			return moved && !in
		})
		have := make(map[string]bool, len(g.Members))
		for _, member := range g.Members {
			have[member] = true
		}
		for _, member := range slices.Sorted(maps.Keys(draft.moved)) {
			if draft.moved[member] && !have[member] && !everybody.left[member] {
				g.Members = append(g.Members, member)
			}
		}
		return take(g, ""), nil
	})
}

// groupsOfBatch is how many groups fit into a batch: each takes two requests.
const groupsOfBatch = mostBatch / 2

// readGroups reads groups by ID with their members, direct ones ("members") or
// all ("transitiveMembers"). A group that there is not is nil. Members who are not
// listed are entered in the roster as absent.
func (s *Source) readGroups(ctx context.Context, ids []string, members string, everybody *roster, take func(id string, g *sources.Group) (bool, error)) error {
	selected := "$select=id,userType"
	if members != "members" { // those of groups within the group as well, which may hide theirs
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

// group makes a group of the object and the first page of its members, and reads
// the further ones.
func (s *Source) group(ctx context.Context, id string, object, members outcome, everybody *roster) (*sources.Group, error) {
	switch {
	case object.missing():
		return nil, nil
	case object.failure == nil && members.missing(): // says nothing of the group
		return nil, &rest.Error{Reason: sources.ErrUnavailable, Detail: fmt.Sprintf("group %.80q is there, and its members are not found", id)}
	}
	for _, o := range []outcome{object, members} {
		if o.failure != nil {
			return nil, o.failure
		}
	}
	var rec record
	if err := json.Unmarshal(object.body, &rec); err != nil {
		return nil, rest.Malformed("group %.80q: %s", id, err)
	}
	got, err := rec.id()
	if err != nil || got != id {
		return nil, rest.Malformed("group %.80q was asked for, and another answered", id)
	}
	g := &sources.Group{ID: id}
	if g.Name, err = rec.text("displayName"); err != nil {
		return nil, err
	}
	if err := s.note(rec, everybody); err != nil {
		return nil, err
	}
	var first page
	if err := json.Unmarshal(members.body, &first); err != nil || first.Value == nil {
		return nil, rest.Malformed("the members of group %.80q: want a list", id)
	} else if err := first.check(); err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	add := func(rows []record) (bool, error) {
		for _, row := range rows {
			switch row.kind() {
			case "", userLink:
			case groupLink: // within the group
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
				g.Members = append(g.Members, member)
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
	return g, err
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
