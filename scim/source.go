package scim

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"

	"github.com/usher-go/usher/sources"
)

// SourceConfig has the facts about a directory that its store does not have.
// The zero value is right for a provider without a kind of its own.
type SourceConfig struct {
	// Kind is the kind of provider that pushes, a value of sources.KindOf:
	// users that Okta pushes have the kind sources.KindOkta, and the same rules
	// apply to them as to users read from Okta's API (rule S33). Empty means
	// sources.KindSCIM.
	Kind string
	// UserExtension is Config.UserExtension of the handler to which the
	// directory was pushed. Its values take precedence over the core
	// attributes. Empty means DefaultUserExtension and any extension of the
	// form urn:ietf:params:scim:schemas:extension:NAME:2.0:User that has an
	// attribute of our extension other than country.
	UserExtension string
}

// A DirectorySource reads a pushed directory as a source, like a pulled one.
type DirectorySource struct {
	store     Store
	dir       Directory
	kind      sources.Kind
	extension string // SourceConfig.UserExtension
}

var (
	_ sources.DeltaSource = (*DirectorySource)(nil)
	_ sources.OneReader   = (*DirectorySource)(nil)
	_ sources.UserFinder  = (*DirectorySource)(nil)
)

// AsSource returns the directory of a connection as a source; at most one
// SourceConfig adds facts about it. Its delta is complete, whatever happens
// between an acknowledged push and its reading, because the change and its
// sequence number are stored together.
//
// The ID of a user or group is its SCIM id. The members of a group are its
// direct members and those in its nested groups, as far as these were pushed. A
// record that cannot be read has only its ID; it is logged to slog.Default.
func AsSource(store Store, tenant, connection string, cfg ...SourceConfig) *DirectorySource {
	s := &DirectorySource{store: store, dir: Directory{Tenant: tenant, Connection: connection}}
	word := sources.KindSCIM
	for _, c := range cfg {
		if c.Kind != "" {
			word = c.Kind
		}
		s.extension = c.UserExtension
	}
	s.kind, _ = sources.KindOf(word)
	return s
}

const (
	sourceUsersPage = 500
	sourceDeltaPage = 200
	sourceGroupPage = 20 // groups may be large
)

// Info implements sources.Source.
func (s *DirectorySource) Info() sources.Info {
	return sources.Info{
		Kind:       s.kind.Word,
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
			if !yield(s.user(rec), nil) {
				return
			}
		}
	}
}

// Groups implements sources.Source.
func (s *DirectorySource) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return func(yield func(sources.Group, error) bool) {
		q := Query{Type: TypeGroup, Limit: sourceGroupPage, Links: true}
		nested := nesting{s: s}
		for rec, err := range s.records(ctx, q) {
			var g sources.Group
			if err == nil {
				g, err = nested.expand(ctx, rec)
			}
			if err != nil {
				yield(sources.Group{}, s.fail("list groups", err))
				return
			}
			if !yield(g, nil) {
				return
			}
		}
	}
}

// records yields all records of a query, page by page.
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

// cursorPrefix identifies the form of a cursor, in case another form is added
// later.
const cursorPrefix = "seq:"

// cursorNested follows the number in a cursor if a nested group has occurred in
// the directory.
const cursorNested = "+nested"

// Changes implements sources.DeltaSource. The cursor is a sequence number.
//
// A round lists every user whom a push concerns (rule S40), so that the other
// users of a large group need no new decision. A user who joined or left a
// group is listed as changed, in addition to the group. With a changed group,
// the groups that contain it are listed too. When a nested group joins or
// leaves a group, both groups change and none of their members does. Therefore,
// once nested groups have occurred, which the cursor records, all users in a
// changed group are listed.
func (s *DirectorySource) Changes(ctx context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	return func(yield func(sources.Change, error) bool) {
		at, nestedBefore := int64(0), false
		if after != "" {
			digits, ok := strings.CutPrefix(string(after), cursorPrefix)
			digits, nestedBefore = strings.CutSuffix(digits, cursorNested)
			n, err := strconv.ParseInt(digits, 10, 64)
			if !ok || err != nil || n < 0 {
				yield(sources.Change{}, s.fail("list changes", sources.ErrCursorExpired))
				return
			}
			at = n
		}
		all := at == 0 // everything is listed, so that nothing needs to be repeated for another change
		for {
			records, err := s.store.Changes(ctx, s.dir, at, sourceDeltaPage)
			if err != nil {
				yield(sources.Change{}, s.fail("list changes", err))
				return
			}
			nested := nesting{s: s, seen: nestedBefore}
			for _, rec := range records {
				at = rec.Version
				for change, err := range nested.changes(ctx, rec, all) {
					if err == nil {
						err = ctx.Err()
					}
					if err != nil {
						yield(sources.Change{}, s.fail("list changes", err))
						return
					}
					if !yield(change, nil) {
						return
					}
				}
			}
			nestedBefore = nested.seen
			if len(records) < sourceDeltaPage {
				break
			}
		}
		next := cursorPrefix + strconv.FormatInt(at, 10)
		if nestedBefore {
			next += cursorNested
		}
		yield(sources.Change{Next: sources.Cursor(next)}, nil)
	}
}

// fail returns the error of a source.
func (s *DirectorySource) fail(op string, err error) error {
	out := &sources.Error{Kind: s.kind.Word, Op: op, Err: err}
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
