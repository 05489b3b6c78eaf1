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

// A cursor says where the deltas of users and of groups continue. It holds Graph's
// links unchanged; Graph forgets them after seven days.
type cursor struct {
	// Config identifies the configuration: others list different things.
	Config string `json:"config"`
	Users  string `json:"users"`
	Groups string `json:"groups,omitempty"` // empty if groups are configured, which have no delta
	// Absent are members of groups who are not listed: guests and removed users. If
	// one of them becomes a member of the tenant or is restored, the delta of users
	// reports it, but that of groups may not, since no group has changed. A user
	// who is taken for one of them by chance costs a few requests.
	Absent string `json:"absent,omitempty"`

	absent rest.IDs
}

// absentWidth is how many bytes of a hash a cursor holds for each absent user.
const absentWidth = 3

// configOf identifies the parts of the configuration that decide who is listed and
// what a user looks like.
func configOf(cfg Config, r *records) string {
	text, _ := json.Marshal([]any{r.selected, r.properties, r.fields, cfg.Guests, cfg.TimeZones, cfg.HiddenMembers, cfg.Groups}) // these values always have a JSON form
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func (c cursor) String() string {
	text, _ := json.Marshal(c) // texts always have a JSON form
	return string(text)
}

// cursor decodes a cursor. One of another configuration or another host counts as
// expired, like one that Graph has forgotten.
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

// details holds what is read of users besides a page.
type details struct {
	users   map[string]record
	missing map[string]bool // Graph says that these users do not exist
	zones   map[string]string
}

// details reads some users again and, if the configuration wants time zones, the
// mailboxes of those who are listed, all in batches.
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

// zoneOf returns the zone of a mailbox. For a user without a mailbox in the cloud,
// or with one that the application may not see, the zone is unknown, and no zone is
// cleared.
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
