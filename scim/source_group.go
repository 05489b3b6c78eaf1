package scim

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/usher-go/usher/sources"
)

// nesting resolves nested groups for one listing, or for one page of changes.
// It reads each nested group once.
type nesting struct {
	s     *DirectorySource
	links map[string][]Link // of nested groups, by ID
	seen  bool              // a nested group has occurred, now or earlier
}

// expand returns a group with all of its direct and indirect members, each
// once, direct members first. A cycle of groups ends at the first group that
// was already visited.
func (n *nesting) expand(ctx context.Context, rec Record) (sources.Group, error) {
	g := sources.Group{ID: rec.ID, Name: rec.Display}
	var pending []string // groups that are not read yet
	for _, link := range rec.Links {
		switch link.Type {
		case TypeUser:
			g.Members = append(g.Members, link.ID)
		case TypeGroup:
			pending = append(pending, link.ID)
		}
	}
	if len(pending) == 0 {
		return g, nil
	}
	seen := map[string]bool{rec.ID: true}
	for _, link := range rec.Links {
		seen[link.ID] = true
	}
	for ; len(pending) > 0; pending = pending[1:] {
		links, err := n.read(ctx, pending[0])
		if err != nil {
			return g, err
		}
		for _, link := range links {
			switch {
			case seen[link.ID]:
				continue
			case link.Type == TypeUser:
				g.Members = append(g.Members, link.ID)
			case link.Type == TypeGroup:
				pending = append(pending, link.ID)
			}
			seen[link.ID] = true
		}
	}
	return g, nil
}

// read returns the links of a group, or none if it was deleted: its deletion is
// also a change of the group that contained it.
func (n *nesting) read(ctx context.Context, id string) ([]Link, error) {
	if links, ok := n.links[id]; ok {
		return links, nil
	}
	rec, err := n.s.store.Get(ctx, n.s.dir, Ref{TypeGroup, id}, true)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if n.links == nil {
		n.links = map[string][]Link{}
	}
	n.links[id] = rec.Links
	return rec.Links, nil
}

// above returns the groups that contain a record, directly or through other
// groups, without their links.
func (s *DirectorySource) above(ctx context.Context, id string) ([]Record, error) {
	var found []Record
	visited := map[string]bool{}
	for pending := []string{id}; len(pending) > 0; pending = pending[1:] {
		q := Query{Type: TypeGroup, Where: []Key{{Name: KeyMember, Value: pending[0]}}, Limit: sourceUsersPage}
		for rec, err := range s.records(ctx, q) {
			if err != nil {
				return nil, err
			}
			if !visited[rec.ID] {
				visited[rec.ID] = true
				found, pending = append(found, rec), append(pending, rec.ID)
			}
		}
	}
	return found, nil
}

// changes yields the changes of a directory that the change of one record
// means: none for a record that is neither a user nor a group. If all is set,
// every record is listed as changed, so that no record is repeated for the
// change of another.
func (n *nesting) changes(ctx context.Context, rec Record, all bool) iter.Seq2[sources.Change, error] {
	return func(yield func(sources.Change, error) bool) {
		switch {
		case rec.Type == TypeUser && rec.Deleted:
			yield(sources.Change{UserRemoved: rec.ID}, nil)
		case rec.Type == TypeUser:
			u := n.s.user(rec)
			yield(sources.Change{User: &u}, nil)
		case rec.Type == TypeGroup && rec.Deleted:
			yield(sources.Change{GroupRemoved: rec.ID}, nil)
		case rec.Type == TypeGroup:
			n.groupChanges(ctx, rec, all, yield)
		}
	}
}

func (n *nesting) groupChanges(ctx context.Context, rec Record, all bool, yield func(sources.Change, error) bool) {
	n.seen = n.seen || slices.ContainsFunc(rec.Links, func(link Link) bool { return link.Type == TypeGroup })
	g, err := n.expand(ctx, rec)
	if !yield(sources.Change{Group: &g}, err) || err != nil || all {
		return
	}
	above, err := n.s.above(ctx, rec.ID)
	n.seen = n.seen || len(above) > 0
	for _, parent := range above {
		if err != nil {
			break
		}
		if parent.ID == rec.ID { // it is in a cycle
			continue
		}
		if parent.Links, err = n.read(ctx, parent.ID); err != nil {
			break
		}
		var whole sources.Group
		if whole, err = n.expand(ctx, parent); err == nil && !yield(sources.Change{Group: &whole}, nil) {
			return
		}
	}
	if err == nil && n.seen {
		for _, id := range g.Members {
			var rec Record
			rec, err = n.s.store.Get(ctx, n.s.dir, Ref{TypeUser, id}, false)
			if errors.Is(err, ErrNotFound) {
				err = nil
				continue
			}
			if err != nil {
				break
			}
			if u := n.s.user(rec); !yield(sources.Change{User: &u}, nil) {
				return
			}
		}
	}
	if err != nil {
		yield(sources.Change{}, err)
	}
}
