package okta

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/okta/okta-sdk-golang/v5/okta"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	// overlap is how far before its cursor a round begins, because changes appear
	// with a delay, also in the System Log.
	overlap = 10 * time.Minute
	// oldest is the largest age of a cursor. Okta keeps its log for 90 days.
	oldest = 80 * 24 * time.Hour

	cursorForm = "2006-01-02T15:04:05.000Z"

	// rollWidth is how many bytes of a hash a cursor holds for each user of the
	// app. With 200,000 users, one of 10^9 users who leave is not noticed.
	rollWidth = 6
)

// mark identifies the parts of a Config that decide what a user looks like. A
// cursor of another Config is not accepted, since users who did not change would
// not be listed again.
func mark(cfg Config, base *url.URL) string {
	text, _ := json.Marshal([]any{"1", base.String(), cfg.AppID, cfg.Fields, cfg.ManagerID}) // these values always have a JSON form
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// A place is the content of a cursor: a time by Okta's clock and, with an app, the
// users who were assigned to it at that time.
type place struct {
	at   time.Time
	roll rest.IDs
}

// cursor encodes a place.
func (s *Source) cursor(p place) sources.Cursor {
	text := s.mark + " " + p.at.UTC().Format(cursorForm)
	if s.app != "" {
		text += " " + p.roll.String()
	}
	return sources.Cursor(text)
}

// place decodes a cursor.
func (s *Source) place(after sources.Cursor) (place, error) {
	p := place{roll: rest.NewIDs(rollWidth)}
	parts := strings.Split(string(after), " ")
	mark, parts := parts[0], parts[1:]
	var err error
	if len(parts) > 0 {
		p.at, err = time.Parse(cursorForm, parts[0])
	}
	if s.app != "" && len(parts) == 2 && err == nil {
		p.roll, err = rest.ReadIDs(rollWidth, parts[1])
		parts = parts[1:]
	}
	expired := &rest.Error{Reason: sources.ErrCursorExpired}
	switch {
	case err != nil || len(parts) == 0:
		expired.Detail = "it is not one of this source"
	case mark != s.mark || len(parts) != 1:
		expired.Detail = "it is one of another configuration"
	case time.Since(p.at) > oldest:
		expired.Detail = "Okta's log does not reach back to it"
	default:
		return p, nil
	}
	return place{}, expired
}

// Changes implements sources.DeltaSource. It finds in the System Log who was deleted
// or taken off the app, which needs the scope okta.logs.read. If a user is missing
// from the app and the log does not say why, the cursor has expired.
func (s *Source) Changes(ctx context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	return rest.List(kind, "list changes", func(emit func(sources.Change) bool) error {
		next := place{roll: rest.NewIDs(rollWidth)}
		users, groups := beginning, ""
		going := true
		tell := func(c sources.Change) bool {
			going = going && emit(c)
			return going
		}
		before, removed := next, rest.NewIDs(rollWidth)
		if after != "" {
			var err error
			if before, err = s.place(after); err != nil {
				return err
			}
			since := before.at.Add(-overlap)
			users = since.UTC().Format(cursorForm)
			groups = users
			// Removals come first, since an object may have come back.
			next.at, err = s.removals(ctx, since, func(c sources.Change) bool {
				removed.Add(c.UserRemoved)
				return tell(c)
			})
			if err != nil || !going {
				return err
			}
		}
		at, err := s.users(ctx, users, func(u sources.User) bool {
			if s.app != "" {
				next.roll.Add(u.ID)
			}
			return tell(sources.Change{User: &u})
		})
		if err != nil || !going {
			return err
		}
		if n := before.roll.Without(next.roll, removed); n > 0 {
			return &rest.Error{Reason: sources.ErrCursorExpired, Detail: fmt.Sprintf("%d users have the app no more, and Okta's log does not say who", n)}
		}
		if next.at.IsZero() {
			next.at = at
		}
		if err := s.groups(ctx, groups, func(g sources.Group) bool { return tell(sources.Change{Group: &g}) }); err != nil || !going {
			return err
		}
		if next.at.IsZero() {
			return rest.Malformed("Okta's answers have no header Date")
		}
		if err := s.proven(ctx); err != nil {
			return err
		}
		tell(sources.Change{Next: s.cursor(next)})
		return nil
	})
}

// The events of the System Log that report removals.
const (
	userDeleted  = "user.lifecycle.delete.completed"
	groupDeleted = "group.lifecycle.delete"
	appRemoved   = "application.user_membership.remove"
	// These events may take a user off the app without an event appRemoved. They
	// need not: a user who is still assigned is listed after them. If a group is
	// taken off the app, the log may not name its users at all.
	appRevoked      = "application.user_membership.revoke"
	userDeactivated = "user.lifecycle.deactivate"
)

// removals lists what was removed since a time. It returns the time by Okta's clock
// before it began.
func (s *Source) removals(ctx context.Context, since time.Time, emit func(sources.Change) bool) (time.Time, error) {
	types := []string{userDeleted, groupDeleted}
	if s.app != "" {
		types = append(types, appRemoved, appRevoked, userDeactivated)
	}
	for i, name := range types {
		types[i] = fmt.Sprintf("eventType eq %q", name)
	}
	filter := strings.Join(types, " or ")
	events := called([]int32{1000, 100}, func(ctx context.Context, after string, limit int32) ([]okta.LogEvent, *okta.APIResponse, error) {
		return from(sdk.SystemLogAPI.ListLogEvents(ctx).Since(since).Filter(filter).SortOrder("ASCENDING"), after, limit).Execute()
	})
	var began time.Time
	err := rest.Follow(ctx, "", func(ctx context.Context, after string) (rest.Page[sources.Change], error) {
		p, err := page(ctx, s.api, events, after, s.removal)
		if after == "" {
			began = p.At
		}
		read := rest.Page[sources.Change]{Next: p.Next}
		if len(p.Rows) == 0 {
			read.Next = "" // Okta's log always has a next page
		}
		for _, row := range p.Rows {
			read.Rows = append(read.Rows, row.Value...)
		}
		return read, err
	}, emit)
	return began, err
}

// removal converts an event to changes.
func (s *Source) removal(event okta.LogEvent) (rest.Row[[]sources.Change], error) {
	var changes []sources.Change
	if event.EventType == nil {
		return rest.Row[[]sources.Change]{}, rest.Malformed("an event of the System Log without eventType")
	}
	if event.Outcome != nil && event.Outcome.Result != nil && *event.Outcome.Result == "FAILURE" {
		return rest.Row[[]sources.Change]{}, nil
	}
	targets := make(map[string][]string) // IDs by type
	for _, target := range event.Target {
		if target.Id != nil && target.Type != nil {
			targets[*target.Type] = append(targets[*target.Type], *target.Id)
		}
	}
	switch *event.EventType {
	case appRemoved, appRevoked:
		for _, app := range targets["AppInstance"] {
			if app != s.app {
				continue
			}
			for _, id := range targets["User"] {
				changes = append(changes, sources.Change{UserRemoved: id})
			}
		}
	case userDeactivated:
		if s.app == "" {
			break // the list of users has this user
		}
		fallthrough
	case userDeleted:
		for _, id := range targets["User"] {
			changes = append(changes, sources.Change{UserRemoved: id})
		}
	case groupDeleted:
		for _, id := range targets["UserGroup"] {
			changes = append(changes, sources.Change{GroupRemoved: id})
		}
	}
	return rest.Row[[]sources.Change]{Value: changes}, nil
}
