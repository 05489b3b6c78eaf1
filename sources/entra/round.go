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

// A roster holds what a round tells of users, each under a number, so that a
// membership or a manager takes four bytes.
type roster struct {
	numbers map[string]int32
	ids     []string
	people  []person
	left    map[string]bool
	absent  rest.IDs
	came    []string        // who was absent and is listed now, in a later round
	hidden  map[string]bool // groups that hide their members from the application
	limited bool            // of somebody, the application sees no more when it asks again
}

// A person is what a round has told of one user so far, beside the records on the
// pile.
type person struct {
	told   bool // and not removed since
	gone   bool // was said to be removed, at some point of the round
	done   bool // was handed out, or found not to be listed
	listed bool // is a user of the directory
	// records is how many records of the user are on the pile and not merged yet;
	// the first void of them came before a removal, and count no more.
	records, void int32
	// manager is the number of the manager, or one of the constants below; former
	// that of who was said not to be the manager any more.
	manager, former int32
}

const (
	untold    = -1 // nothing was told of the manager
	noManager = -2
)

// newRoster returns an empty roster. It adds to the set of those who are absent.
func newRoster(absent rest.IDs) *roster {
	return &roster{numbers: make(map[string]int32), left: make(map[string]bool), absent: absent, hidden: make(map[string]bool)}
}

// number returns the number of an ID.
func (r *roster) number(id string) int32 {
	if number, known := r.numbers[id]; known {
		return number
	}
	number := int32(len(r.ids)) // a directory has less than two thousand million users
	r.numbers[id] = number
	r.ids, r.people = append(r.ids, id), append(r.people, person{manager: untold})
	return number
}

// list enters that somebody is listed.
func (r *roster) list(id string) {
	r.people[r.number(id)].listed = true
	delete(r.left, id)
}

// lists reports whether somebody is listed, and under what number.
func (r *roster) lists(id string) (number int32, listed bool) {
	number, known := r.numbers[id]
	return number, known && r.people[number].listed
}

// leave enters that somebody is not listed, or not any more.
func (r *roster) leave(id string) {
	r.left[id] = true
	r.absent.Add(id)
}

// tell takes in a record of a round in the order in which they come. It keeps what
// the record says of the manager, and reports whether there is more in it, to be
// put on the pile.
func (r *roster) tell(rec record) (more bool, err error) {
	id, err := rec.id()
	if err != nil {
		return false, err
	}
	number := r.number(id)
	if rec.removed() {
		p := &r.people[number]
		p.told, p.gone, p.void, p.manager = false, true, p.records, untold
		return false, nil
	}
	links, err := rec.managers()
	if err != nil {
		return false, err
	}
	for _, l := range links { // in order: the former one may stand beside the new one
		manager := r.number(l.ID)
		switch p := &r.people[number]; {
		case !l.gone():
			p.manager = manager
		case p.manager < 0 || p.manager == manager:
			p.manager, p.former = noManager, manager
		}
	}
	delete(rec, managerDelta)
	p := &r.people[number]
	p.told = true
	for name := range rec {
		if name != "id" && !strings.HasPrefix(name, "@") {
			p.records++
			return true, nil
		}
	}
	return false, nil
}

// manager returns the manager of a user after the round, who was read to be
// another one meanwhile, or before: what the round says goes before it.
func (r *roster) manager(p person, read string) string {
	switch {
	case p.manager >= 0:
		return r.ids[p.manager]
	case p.manager == noManager && r.ids[p.former] == read:
		return ""
	}
	return read
}

// A pile holds the records of a round, compressed, since a user may be told of in
// parts that lie a whole round apart. 200,000 users take about 20 MB on it.
type pile struct {
	pages  [][]byte
	packer *flate.Writer
}

// put puts a page on the pile.
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

// take takes the pages from the pile in the order in which they came on it.
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

// users reads one round of the delta of users from link, or everybody where link
// is empty, and hands out who is in the directory or removed from it, each once,
// when the round has ended: it may tell of one user in parts, on any of its pages,
// and that somebody was removed before or after that. It returns the link to the
// next round; take reports whether to go on.
//
// A later round gives what changed, and of the manager only if the manager
// changed: each user is read again, and what the delta says laid over it. In a
// round from the beginning that is so only of those whom the round tells to be
// removed as well, or without saying whether the account is enabled, until that is
// found to be all that the application may see of somebody.
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
	// Who was removed, and of whom the ID alone was told.
	var bare []record
	for number := 0; number < len(everybody.ids); number++ {
		id, p := everybody.ids[number], everybody.people[number]
		switch {
		case p.told && !p.done:
			bare = append(bare, record{}.with("id", id))
		case p.gone && !p.told:
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

// merge lays the records of a page over those that came before of the same users,
// which are kept in parts, and returns those of whom no more will come.
func (r *roster) merge(page []record, parts map[string]record) (whole []record) {
	for _, rec := range page {
		id, err := rec.id()
		if err != nil {
			continue // is not on the pile
		}
		p := &r.people[r.numbers[id]]
		p.records--
		if p.void > 0 {
			p.void--
			continue
		}
		if before := parts[id]; before != nil {
			rec = rec.over(before)
		}
		if p.records > 0 {
			parts[id] = rec
			continue
		}
		delete(parts, id)
		if p.told {
			whole = append(whole, rec)
		}
	}
	return whole
}

// handOut hands out users as the round leaves them, with what is read of them
// beside it.
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
			continue // there is no more to know of a guest
		}
		listed = append(listed, id)
		if later || p.gone || !isGiven(rec["accountEnabled"]) && !everybody.limited {
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

// settle makes of what a round tells of somebody, and of what was read beside it,
// the user; nil if they are not listed.
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
	case p.gone && read.missing[id]: // what tells of them is a replay
		everybody.leave(id)
		return nil, nil
	case later && p.manager < 0 && len(rec) > 1 && read.missing[id]:
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
