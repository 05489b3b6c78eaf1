package scim

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"

	"github.com/usher-go/usher/sources"
)

// A DirectorySource reads a directory that was pushed as one that is pulled.
type DirectorySource struct {
	store Store
	dir   Directory
}

var (
	_ sources.DeltaSource = (*DirectorySource)(nil)
	_ sources.OneReader   = (*DirectorySource)(nil)
)

// AsSource returns the directory of a connection as a source. Its delta is
// complete whatever happens between an acknowledged push and its reading,
// since the change and its sequence number were stored together.
//
// A user's and group's ID is its SCIM id. Members are direct ones. Of a record
// that cannot be read only the ID is known; it is logged to slog.Default.
func AsSource(store Store, tenant, connection string) *DirectorySource {
	return &DirectorySource{store: store, dir: Directory{Tenant: tenant, Connection: connection}}
}

const (
	sourceKind      = "scim"
	sourceUsersPage = 500
	sourceDeltaPage = 200
	sourceGroupPage = 20 // groups may be large
)

// Info implements sources.Source.
func (s *DirectorySource) Info() sources.Info {
	return sources.Info{
		Kind:       sourceKind,
		Connection: s.dir.Connection,
		Lists:      sources.FactUsers | sources.FactGroups | sources.FactMemberships | sources.FactManagers,
	}
}

// Users implements sources.Source.
func (s *DirectorySource) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return func(yield func(sources.User, error) bool) {
		q := Query{Type: TypeUser, Limit: sourceUsersPage}
		for rec, err := range s.records(ctx, q) {
			if err != nil {
				yield(sources.User{}, s.fail("list users", err))
				return
			}
			if !yield(sourceUser(rec), nil) {
				return
			}
		}
	}
}

// Groups implements sources.Source.
func (s *DirectorySource) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return func(yield func(sources.Group, error) bool) {
		q := Query{Type: TypeGroup, Limit: sourceGroupPage, Links: true}
		for rec, err := range s.records(ctx, q) {
			if err != nil {
				yield(sources.Group{}, s.fail("list groups", err))
				return
			}
			if !yield(sourceGroup(rec), nil) {
				return
			}
		}
	}
}

// records pages through a query to its end.
func (s *DirectorySource) records(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			page, err := s.store.List(ctx, s.dir, q)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, rec := range page.Records {
				if err := ctx.Err(); err != nil {
					yield(Record{}, err)
					return
				}
				if !yield(rec, nil) {
					return
				}
				q.After = rec.Ordinal
			}
			if len(page.Records) < q.Limit {
				return
			}
		}
	}
}

// User implements sources.OneReader.
func (s *DirectorySource) User(ctx context.Context, id string) (sources.User, error) {
	rec, err := s.store.Get(ctx, s.dir, Ref{TypeUser, id}, false)
	if err != nil {
		return sources.User{}, s.fail("read user", err)
	}
	return sourceUser(rec), nil
}

// cursorPrefix marks the form of a cursor, should there be another one day.
const cursorPrefix = "seq:"

// Changes implements sources.DeltaSource. The cursor is a sequence number.
func (s *DirectorySource) Changes(ctx context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	return func(yield func(sources.Change, error) bool) {
		at := int64(0)
		if after != "" {
			digits, ok := strings.CutPrefix(string(after), cursorPrefix)
			n, err := strconv.ParseInt(digits, 10, 64)
			if !ok || err != nil || n < 0 {
				yield(sources.Change{}, s.fail("list changes", sources.ErrCursorExpired))
				return
			}
			at = n
		}
		for {
			records, err := s.store.Changes(ctx, s.dir, at, sourceDeltaPage)
			if err != nil {
				yield(sources.Change{}, s.fail("list changes", err))
				return
			}
			for _, rec := range records {
				at = rec.Version
				if err := ctx.Err(); err != nil {
					yield(sources.Change{}, s.fail("list changes", err))
					return
				}
				if change := sourceChange(rec); change != (sources.Change{}) && !yield(change, nil) {
					return
				}
			}
			if len(records) < sourceDeltaPage {
				break
			}
		}
		yield(sources.Change{Next: sources.Cursor(cursorPrefix + strconv.FormatInt(at, 10))}, nil)
	}
}

// sourceChange is a change of a user or group; the zero Change for others.
func sourceChange(rec Record) sources.Change {
	switch {
	case rec.Type == TypeUser && rec.Deleted:
		return sources.Change{UserRemoved: rec.ID}
	case rec.Type == TypeUser:
		u := sourceUser(rec)
		return sources.Change{User: &u}
	case rec.Type == TypeGroup && rec.Deleted:
		return sources.Change{GroupRemoved: rec.ID}
	case rec.Type == TypeGroup:
		g := sourceGroup(rec)
		return sources.Change{Group: &g}
	}
	return sources.Change{}
}

// fail makes the error of a source.
func (s *DirectorySource) fail(op string, err error) error {
	out := &sources.Error{Kind: sourceKind, Op: op, Err: err}
	switch {
	case errors.Is(err, ErrNotFound):
		out.Reason, out.Err = sources.ErrNotFound, nil
	case errors.Is(err, sources.ErrCursorExpired):
		out.Reason, out.Err = sources.ErrCursorExpired, nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	default:
		out.Reason = sources.ErrUnavailable
	}
	return out
}

func sourceGroup(rec Record) sources.Group {
	g := sources.Group{ID: rec.ID, Name: rec.Display}
	for _, link := range rec.Links {
		if link.Type == TypeUser {
			g.Members = append(g.Members, link.ID)
		}
	}
	return g
}
