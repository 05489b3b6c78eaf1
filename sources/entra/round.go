package entra

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// A roster holds what a round reports about users. Each has a number, so that a
// membership or a manager takes four bytes.
type roster struct {
	numbers map[string]int32
	ids     []string
	people  []person
	left    map[string]bool
	absent  rest.IDs
	came    []string        // in a later round: users who were absent and are listed now
	hidden  map[string]bool // groups that hide their members from the application
	limited bool            // the application may not see more of some user than the ID
}

// A person holds what a round has reported about one user so far, besides the
// records on the pile.
type person struct {
	there  bool // some record of the round said that the user is there
	gone   bool // some record of the round said that the user is removed
	done   bool // was handed out, or is known not to be listed
	listed bool // is a user of the directory
	// records is the number of the user's records on the pile that are not merged
	// yet.
	records int32
	// manager is the number of the manager, or one of the constants below. former
	// is the number of the person who is reported to be no longer the manager, or
	// untold.
	manager, former int32
}

const (
	untold    = -1 // nothing was reported about the manager
	noManager = -2
	// disputed says that the round contradicts itself: it names two managers, or one
	// person as the manager and as the former one. What is read decides.
	disputed = -3
)

// newRoster returns an empty roster, which adds to the set of absent users.
func newRoster(absent rest.IDs) *roster {
	return &roster{numbers: make(map[string]int32), left: make(map[string]bool), absent: absent, hidden: make(map[string]bool)}
}

// number returns the number of an ID.
func (r *roster) number(id string) int32 {
	if number, known := r.numbers[id]; known {
		return number
	}
	number := int32(len(r.ids)) // a directory has less than 2^31 users
	r.numbers[id] = number
	r.ids, r.people = append(r.ids, id), append(r.people, person{manager: untold, former: untold})
	return number
}

// list records that a user is listed.
func (r *roster) list(id string) {
	r.people[r.number(id)].listed = true
	delete(r.left, id)
}

// lists reports whether a user is listed.
func (r *roster) lists(id string) bool {
	number, met := r.numbers[id]
	return met && r.people[number].listed
}

// knows reports whether it is known whether a user is listed.
func (r *roster) knows(id string) bool { return r.lists(id) || r.left[id] }

// leave records that a user is not listed, or no longer.
func (r *roster) leave(id string) {
	r.left[id] = true
	r.absent.Add(id)
}

// tell takes in a record of a round. Records must come in their order. It keeps
// what the record reports about the manager, and returns whether the record holds
// more and has to be put on the pile.
func (r *roster) tell(rec record) (more bool, err error) {
	id, err := rec.id()
	if err != nil {
		return false, err
	}
	number := r.number(id)
	if rec.removed() {
		r.people[number].gone = true
		return false, nil
	}
	links, err := rec.managers()
	if err != nil {
		return false, err
	}
	for _, l := range links { // one may name the former manager, and another the new one
		manager := r.number(l.ID)
		switch p := &r.people[number]; {
		case p.manager == disputed:
		case l.gone() && p.manager == manager, !l.gone() && (p.former == manager || p.manager >= 0 && p.manager != manager):
			p.manager = disputed
		case !l.gone():
			p.manager = manager
		default:
			p.former = manager
			if p.manager == untold {
				p.manager = noManager
			}
		}
	}
	delete(rec, managerDelta)
	p := &r.people[number]
	p.there = true
	for name := range rec {
		if name != "id" && !strings.HasPrefix(name, "@") {
			p.records++
			return true, nil
		}
	}
	return false, nil
}

// manager returns the manager of a user after the round. What the round reports
// takes precedence over the manager that was read, which may be older or newer,
// unless the round also reports the user as removed.
func (r *roster) manager(p person, read string) string {
	switch {
	case p.gone:
		return read
	case p.manager >= 0:
		return r.ids[p.manager]
	case p.manager == noManager && r.ids[p.former] == read:
		return ""
	}
	return read
}

// A pile holds the records of a round, compressed, since the records of one user
// may be a whole round apart. 200,000 users take about 20 MB.
type pile struct {
	pages  [][]byte
	packer *flate.Writer
}

// put adds a page to the pile.
func (p *pile) put(page []record) error {
	if len(page) == 0 {
		return nil
	}
	text, err := json.Marshal(page)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	if p.packer == nil {
		p.packer, err = flate.NewWriter(&packed, flate.BestSpeed)
	} else {
		p.packer.Reset(&packed)
	}
	if err == nil {
		_, err = p.packer.Write(text)
	}
	if err == nil {
		err = p.packer.Close()
	}
	p.pages = append(p.pages, bytes.Clone(packed.Bytes()))
	return err
}

// take passes the pages of the pile to a function in the order in which they were
// added.
func (p *pile) take(take func([]record) (bool, error)) (more bool, err error) {
	p.packer = nil
	for i, packed := range p.pages {
		p.pages[i] = nil
		var page []record
		if err := json.NewDecoder(flate.NewReader(bytes.NewReader(packed))).Decode(&page); err != nil {
			return false, err
		}
		if more, err := take(page); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// users reads one round of the delta of users that begins at link, or at the
// beginning if link is empty, and returns the link to the next round. When the
// round has ended, it hands each user, or the ID of a removed user, once to take,
// until take returns false. It cannot do so earlier: the round may report one user
// in parts on any of its pages, and report before or after them that the user was
// removed.
//
// A later round reports what changed, and the manager only if the manager changed.
// So it reads each of these users again and applies what the delta reports. In a
// round from the beginning, it does so only for users whom the round reports both
// ways (as there and as removed, with a manager and as no longer under that
// manager), since its records come in any order; and for users without
// accountEnabled, until it finds that the application may not see more of some
// user.
func (s *Source) users(ctx context.Context, link string, everybody *roster, take func(u *sources.User, removed string) bool) (next string, err error) {
	first := link
	if first == "" {
		first = s.api.address("/users/delta", "$select="+s.records.selected+",manager")
	}
	var told pile
	next, err = s.api.pages(ctx, first, true, func(page []record) (bool, error) {
		kept := page[:0]
		for _, rec := range page {
			more, err := everybody.tell(rec)
			if err != nil {
				return false, err
			}
			if more {
				kept = append(kept, rec)
			}
		}
		return true, told.put(kept)
	})
	if err != nil {
		return "", err
	}
	later := link != ""
	parts := make(map[string]record)
	more, err := told.take(func(page []record) (bool, error) {
		return s.handOut(ctx, everybody.merge(page, parts), later, everybody, take)
	})
	if err != nil || !more {
		return next, err
	}
	// Users who were removed, users who were reported both ways, and users of whom
	// only the ID was reported.
	var bare []record
	for number := 0; number < len(everybody.ids); number++ {
		id, p := everybody.ids[number], everybody.people[number]
		switch {
		case p.there && !p.done:
			bare = append(bare, record{}.with("id", id))
		case p.gone && !p.there:
			everybody.leave(id)
			if later && !take(nil, id) {
				return next, nil
			}
		}
		if len(bare) == mostBatch || number == len(everybody.ids)-1 {
			if more, err := s.handOut(ctx, bare, later, everybody, take); err != nil || !more {
				return next, err
			}
			bare = nil
		}
	}
	return next, nil
}

// merge adds the records of a page to the earlier records of the same users, which
// it keeps in parts, and returns the users of whom no more records come.
func (r *roster) merge(page []record, parts map[string]record) (whole []record) {
	for _, rec := range page {
		id, err := rec.id()
		if err != nil {
			continue // the record is not on the pile
		}
		p := &r.people[r.numbers[id]]
		p.records--
		if p.gone {
			continue // the user is read again
		}
		if before := parts[id]; before != nil {
			rec = rec.over(before)
		}
		if p.records > 0 {
			parts[id] = rec
			continue
		}
		delete(parts, id)
		whole = append(whole, rec)
	}
	return whole
}

// handOut hands out users as they are after the round, together with what is read
// of them besides.
func (s *Source) handOut(ctx context.Context, round []record, later bool, everybody *roster, take func(u *sources.User, removed string) bool) (more bool, err error) {
	var again, listed []string
	for _, rec := range round {
		id, err := rec.id()
		if err != nil {
			return false, err
		}
		p := &everybody.people[everybody.numbers[id]]
		p.done = true
		if out, err := s.records.leftOut(rec); err != nil {
			return false, err
		} else if out {
			continue // nothing more is needed of a guest
		}
		listed = append(listed, id)
		if later || p.gone || p.manager == disputed || !isGiven(rec["accountEnabled"]) && !everybody.limited {
			again = append(again, id)
		}
	}
	read, err := s.details(ctx, again, listed)
	if err != nil {
		return false, err
	}
	for _, rec := range read.users {
		everybody.limited = everybody.limited || !isGiven(rec["accountEnabled"])
	}
	for _, rec := range round {
		u, err := s.settle(rec, later, read, everybody)
		if err != nil {
			return false, err
		}
		removed := ""
		if u == nil && later {
			removed, err = rec.id()
			if err != nil {
				return false, err
			}
		}
		if (u != nil || removed != "") && !take(u, removed) {
			return false, nil
		}
	}
	return true, nil
}

// settle makes a user from what a round reports and what was read besides; nil if
// the user is not listed.
func (s *Source) settle(rec record, later bool, read details, everybody *roster) (*sources.User, error) {
	id, err := rec.id()
	if err != nil {
		return nil, err
	}
	p := everybody.people[everybody.numbers[id]]
	found := read.users[id]
	switch {
	case found != nil:
		rec = rec.over(found)
	case p.gone && read.missing[id]:
		everybody.leave(id)
		return nil, nil
	case (later && len(rec) > 1 || p.manager == disputed) && read.missing[id]:
		return nil, &rest.Error{Reason: sources.ErrUnavailable, Detail: fmt.Sprintf("user %.80q changed, and is not found; the next round will tell", id)}
	}
	if out, err := s.records.leftOut(rec); err != nil {
		return nil, err
	} else if out {
		everybody.leave(id)
		return nil, nil
	}
	everybody.list(id)
	if later && everybody.absent.Has(id) {
		everybody.came = append(everybody.came, id)
	}
	manager, err := rec.manager()
	if err != nil {
		return nil, err
	}
	u, err := s.records.user(rec, everybody.manager(p, manager))
	if err != nil {
		return nil, err
	}
	if u.TimeZone == "" {
		u.TimeZone = read.zones[id]
	}
	return &u, nil
}
