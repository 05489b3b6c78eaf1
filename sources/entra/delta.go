package entra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	// Absent are those whose memberships are not told again when they come: users
	// who are in groups and are not listed, guests and those who were removed. When
	// one of them becomes a member of the tenant, or is restored, the delta of users
	// tells it, and that of groups may not, since no group has changed. Somebody who
	// is taken for one of them by chance costs a few requests.
	Absent string `json:"absent,omitempty"`

	absent rest.IDs
}

// absentWidth is how many bytes of a hash a cursor holds of each absent user.
const absentWidth = 3

// configOf is what of the configuration decides who is listed, and what a user
// looks like: the same properties may be asked for, and be read into other fields.
func configOf(cfg Config, r *records) string {
	text, _ := json.Marshal([]any{r.selected, r.properties, r.fields, cfg.Guests, cfg.TimeZones, cfg.HiddenMembers, cfg.Groups}) // texts and booleans always can be
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
		c.absent = rest.NewIDs(absentWidth)
		return c, nil
	}
	if json.Unmarshal([]byte(after), &c) == nil && c.Config == s.config && c.Users != "" && (c.Groups != "") == (len(s.groups) == 0) {
		if c.Users, err = s.api.link(c.Users); err == nil {
			c.Groups, err = s.api.link(c.Groups)
		}
		if err == nil {
			c.absent, err = rest.ReadIDs(absentWidth, c.Absent)
		}
		if err == nil {
			return c, nil
		}
	}
	return c, &rest.Error{Reason: sources.ErrCursorExpired, Detail: "the cursor is not one of this configuration"}
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
