package entra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// A cursor is where the deltas of users and of groups go on. Links are kept as
// Graph gave them; Graph forgets what they stand for after seven days.
type cursor struct {
	// Config tells configurations apart that list different things.
	Config string `json:"config"`
	Users  string `json:"users"`
	Groups string `json:"groups,omitempty"` // empty with configured groups, which have no delta
	// Absent are those whose memberships are not told again when they come.
	Absent absent `json:"absent,omitzero"`
}

// configOf is what of the configuration decides who is listed, and what a user
// looks like: the same properties may be asked for, and be read into other fields.
func configOf(cfg Config, r *records) string {
	text, _ := json.Marshal([]any{r.selected, r.properties, r.fields, cfg.Guests, cfg.TimeZones, cfg.Groups}) // texts and booleans always can be
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func (c cursor) String() string {
	text, _ := json.Marshal(c) // texts always can be
	return string(text)
}

// cursor reads a cursor. One of another configuration, or of another host, is of
// no use any more, just as one that Graph has forgotten.
func (s *Source) cursor(after sources.Cursor) (c cursor, err error) {
	if after == "" {
		return c, nil
	}
	if json.Unmarshal([]byte(after), &c) == nil && c.Config == s.config && c.Users != "" && (c.Groups != "") == (len(s.groups) == 0) {
		if c.Users, err = s.api.link(c.Users); err == nil {
			c.Groups, err = s.api.link(c.Groups)
		}
		if err == nil {
			return c, nil
		}
	}
	return c, &rest.Error{Reason: sources.ErrCursorExpired, Detail: "the cursor is not one of this configuration"}
}

// An absent is a set of users who are in groups and are not listed: guests, and
// users who were removed. When one of them becomes a member of the tenant, or is
// restored, the delta of users tells it, and that of groups may not, since no
// group has changed. It holds three bytes of a hash for each, so that it stays
// small in a cursor. Somebody who is taken for one of them by chance costs a few
// requests.
type absent map[[3]byte]bool

func shorten(id string) [3]byte {
	sum := sha256.Sum256([]byte(id))
	return [3]byte(sum[:3])
}

func (a absent) add(id string)      { a[shorten(id)] = true }
func (a absent) has(id string) bool { return a[shorten(id)] }

// IsZero leaves an empty set out of JSON.
func (a absent) IsZero() bool { return len(a) == 0 }

// MarshalJSON implements json.Marshaler: the hashes in order, in base64.
func (a absent) MarshalJSON() ([]byte, error) {
	all := make([]byte, 0, 3*len(a))
	for _, hash := range slices.SortedFunc(maps.Keys(a), func(a, b [3]byte) int { return bytes.Compare(a[:], b[:]) }) {
		all = append(all, hash[:]...)
	}
	return json.Marshal(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *absent) UnmarshalJSON(data []byte) error {
	var all []byte
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	if len(all)%3 != 0 {
		return errors.New("want three bytes for each")
	}
	*a = make(absent, len(all)/3)
	for hash := range slices.Chunk(all, 3) {
		(*a)[[3]byte(hash)] = true
	}
	return nil
}

// A roster holds who is listed, each under a number, so that a membership takes
// four bytes.
type roster struct {
	numbers  map[string]int32
	ids      []string
	managers []string // as told last; only in a round from the beginning
	left     map[string]bool
	absent   absent
	came     []string // who was absent and is listed now, in a later round
}

func newRoster(known absent) *roster {
	r := &roster{numbers: make(map[string]int32), left: make(map[string]bool), absent: make(absent)}
	maps.Copy(r.absent, known)
	return r
}

// leave enters that somebody is not listed, or not any more.
func (r *roster) leave(id string) {
	r.left[id] = true
	r.absent.add(id)
}

// add enters that somebody is listed, and returns their number.
func (r *roster) add(id string) int32 {
	delete(r.left, id)
	if number, known := r.numbers[id]; known {
		return number
	}
	number := int32(len(r.ids)) // a directory has less than two thousand million users
	r.numbers[id] = number
	r.ids, r.managers = append(r.ids, id), append(r.managers, "")
	return number
}

// A userChange is what a round tells of one user, in the order in which it does.
type userChange struct {
	id     string
	record record // nil: removed
}

// users reads one round of the delta of users from link, or everybody where link
// is empty, and hands out who is in the directory or removed from it. It returns
// the link to the next round; take reports whether to go on.
//
// A round from the beginning gives every object whole, but may repeat one without
// its manager. A later one gives what changed, and of the manager only if the
// manager changed: each object is read again, and what the delta says laid over
// it.
func (s *Source) users(ctx context.Context, link string, everybody *roster, take func(u *sources.User, removed string) bool) (next string, err error) {
	first := link
	if first == "" {
		first = s.api.address("/users/delta", "$select="+s.records.selected+",manager")
	}
	gone := make(map[string]bool) // said to be removed in this round
	return s.api.pages(ctx, first, true, func(page []record) (bool, error) {
		changes := make([]userChange, 0, len(page))
		var again, listed []string
		for _, rec := range page {
			id, err := rec.id()
			if err != nil {
				return false, err
			}
			if rec.removed() {
				gone[id] = true
				changes = append(changes, userChange{id, nil})
				continue
			}
			changes = append(changes, userChange{id, rec})
			if out, err := s.records.leftOut(rec); err != nil {
				return false, err
			} else if out {
				continue // there is no more to know of a guest
			}
			listed = append(listed, id)
			if link != "" || gone[id] {
				again = append(again, id)
			}
		}
		read, err := s.details(ctx, again, listed)
		if err != nil {
			return false, err
		}
		for _, c := range changes {
			u, removed, err := s.change(c, link == "", gone[c.id], read, everybody)
			if err != nil {
				return false, err
			}
			if (u != nil || removed != "") && !take(u, removed) {
				return false, nil
			}
		}
		return true, nil
	})
}

// change makes of what a round tells of somebody either the user, or the ID of
// who is not listed any more; neither if there is nothing to tell. gone says that
// the round had them removed at some point.
func (s *Source) change(c userChange, whole, gone bool, read details, everybody *roster) (*sources.User, string, error) {
	removed := c.id
	if _, listed := everybody.numbers[c.id]; whole && (!listed || everybody.left[c.id]) {
		removed = "" // was not told of
	}
	rec := c.record
	if rec == nil || read.missing[c.id] && gone {
		everybody.leave(c.id)
		return nil, removed, nil
	}
	if found := read.users[c.id]; found != nil {
		rec = rec.over(found)
	}
	out, err := s.records.leftOut(rec)
	if err != nil {
		return nil, "", err
	}
	if out {
		everybody.leave(c.id)
		return nil, removed, nil
	}
	if whole {
		manager, known, err := rec.manager()
		if err != nil {
			return nil, "", err
		}
		if number := everybody.add(c.id); known {
			everybody.managers[number] = manager
		} else if manager = everybody.managers[number]; manager != "" { // told before
			rec = rec.with("manager", link{ID: manager})
		}
	} else if everybody.absent.has(c.id) {
		everybody.came = append(everybody.came, c.id)
	}
	u, err := s.records.user(rec)
	if err != nil {
		return nil, "", err
	}
	if u.TimeZone == "" {
		u.TimeZone = read.zones[c.id]
	}
	return &u, "", nil
}

// details is what is read of users beside a page.
type details struct {
	users   map[string]record
	missing map[string]bool // Graph says that there is no such user
	zones   map[string]string
}

// details reads some users again, and the time zones of the mailboxes of those
// who are listed, if the configuration wants them, all in batches.
func (s *Source) details(ctx context.Context, again, listed []string) (details, error) {
	d := details{make(map[string]record), make(map[string]bool), make(map[string]string)}
	if !s.zones {
		listed = nil
	}
	again, listed = distinct(again), distinct(listed)
	var urls []string
	for _, id := range again {
		urls = append(urls, s.userPath(id))
	}
	for _, id := range listed {
		urls = append(urls, zonePath(id))
	}
	outcomes, err := s.api.batch(ctx, urls)
	if err != nil {
		return d, err
	}
	for i, id := range again {
		switch o := outcomes[i]; {
		case o.missing():
			d.missing[id] = true
		case o.failure != nil:
			return d, o.failure
		default:
			var rec record
			if err := json.Unmarshal(o.body, &rec); err != nil {
				return d, rest.Malformed("user %.80q: %s", id, err)
			}
			if got, err := rec.id(); err != nil || got != id {
				return d, rest.Malformed("user %.80q was asked for, and another answered", id)
			}
			d.users[id] = rec
		}
	}
	for i, id := range listed {
		zone, err := zoneOf(outcomes[len(again)+i])
		if err != nil {
			return d, err
		}
		d.zones[id] = zone
	}
	return d, nil
}

func distinct(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }

func (s *Source) userPath(id string) string {
	return "/users/" + url.PathEscape(id) + "?$select=" + s.records.selected + "&$expand=manager($select=id)"
}

func zonePath(id string) string { return "/users/" + url.PathEscape(id) + "/mailboxSettings/timeZone" }

// zoneOf is the zone of a mailbox. Who has no mailbox in the cloud, or one that
// the application may not see, has no zone that is known, which clears nothing.
func zoneOf(o outcome) (string, error) {
	if o.failure != nil {
		if status := o.failure.Status; status == 400 || status == 403 || status == 404 {
			return "", nil
		}
		return "", o.failure
	}
	var zone zoneAnswer
	if err := json.Unmarshal(o.body, &zone); err != nil || !zone.Value.Given {
		return "", rest.Malformed("mailboxSettings/timeZone: want a value")
	}
	return zone.Value.Value, nil
}

type zoneAnswer struct {
	Value rest.Text `json:"value"`
}
