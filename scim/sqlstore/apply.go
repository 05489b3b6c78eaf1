package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/usher-go/usher/scim"
)

// A write is a scim.Write whose lists have no duplicates.
type write struct {
	scim.Write
	keys   []scim.Key
	add    string // the members to add, as JSON: [{"id": ..., "display": ...}]
	shows  bool   // a member to add has a display
	remove string // the IDs of the members to remove, as JSON
}

// none is an empty list as JSON.
const none = "[]"

// Apply implements scim.Store.
func (s *Store) Apply(ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	prepared, err := prepare(w)
	if err != nil {
		return scim.Record{}, fail("apply", err)
	}
	wait := s.db.NewWait()
	done, err := s.turns.take(ctx, wait, dir)
	if err != nil {
		return scim.Record{}, fail("apply", err)
	}
	var rec scim.Record
	var held time.Duration
	defer func() { done(held) }()
	if s.db.Dialect() == PostgreSQL {
		began := time.Now()
		rec, err = s.applyPostgres(ctx, wait, dir, prepared)
		if took := time.Since(began); took > longCall {
			held = took
		}
	} else {
		rec, held, err = s.applyLite(ctx, wait, dir, prepared)
	}
	if err != nil {
		return scim.Record{}, fail("apply", err)
	}
	return rec, nil
}

// prepare makes the checks that need no database.
func prepare(w scim.Write) (write, error) {
	out := write{Write: w, add: none, remove: none}
	switch {
	case w.Op != scim.Create && w.Op != scim.Update && w.Op != scim.Delete:
		return out, fmt.Errorf("write with unknown operation %d", w.Op)
	case w.Op != scim.Create && (!isText(w.Ref.ID) || !isText(w.Ref.Type)):
		return out, scim.ErrNotFound
	case w.Op == scim.Create && w.Doc == nil:
		return out, fmt.Errorf("create of a %s without a document", w.Ref.Type)
	case w.Op == scim.Delete:
		out.Doc, out.Members = nil, nil
		return out, nil
	case w.Members != nil && w.Ref.Type != scim.TypeGroup:
		return out, fmt.Errorf("a %s cannot have members, only a %s", w.Ref.Type, scim.TypeGroup)
	}
	if w.Doc != nil {
		out.keys = distinct(w.Keys)
	}
	if w.Members != nil {
		return out, out.setMembers(*w.Members)
	}
	return out, nil
}

// distinct removes duplicate keys, such as an address that is listed as work
// and as home.
func distinct(keys []scim.Key) []scim.Key {
	out := make([]scim.Key, 0, len(keys))
	seen := make(map[[2]string]bool, len(keys))
	for _, key := range keys {
		if name := [2]string{key.Name, key.Value}; !seen[name] {
			seen[name] = true
			out = append(out, key)
		}
	}
	return out
}

// setMembers lists each member to remove once, and each to add once with its
// last non-empty display. An
// ID that no database can hold is no member.
func (w *write) setMembers(c scim.MemberChange) error {
	type row struct {
		ID      string `json:"id"`
		Display string `json:"display"`
	}
	rows := make([]row, 0, len(c.Add))
	places := make(map[string]int, len(c.Add))
	for _, link := range c.Add {
		if !isText(link.ID) {
			if c.SkipUnknown {
				continue
			}
			return &scim.NoMemberError{ID: link.ID}
		}
		at, listed := places[link.ID]
		if !listed {
			at = len(rows)
			places[link.ID] = at
			rows = append(rows, row{ID: link.ID})
		}
		if link.Display != "" {
			rows[at].Display = link.Display
			w.shows = true
		}
	}
	remove := make([]string, 0, len(c.Remove))
	removed := make(map[string]bool, len(c.Remove))
	for _, id := range c.Remove {
		if isText(id) && !removed[id] {
			removed[id] = true
			remove = append(remove, id)
		}
	}
	w.add, w.remove = list(rows), list(remove)
	return nil
}

// list returns a list as JSON. It does not fail for texts and booleans.
func list(rows any) string {
	text, _ := json.Marshal(rows)
	return string(text)
}
