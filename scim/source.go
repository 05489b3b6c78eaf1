package scim

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"

	"github.com/usher-go/usher/sources"
)

// SourceConfig says of a directory what its store does not know. The zero value
// is right for a provider that is none of those with a kind of their own.
type SourceConfig struct {
	// Kind is the kind of provider that pushes, by a word of sources.KindOf:
	// what Okta pushes is of kind sources.KindOkta and is decided as what is
	// read from Okta's API (rule S33). Empty stands for sources.KindSCIM.
	Kind string
	// UserExtension is Config.UserExtension of the handler that the directory
	// was pushed to. What is said there goes before what the core attributes
	// say. Empty stands for DefaultUserExtension and any extension of the form
	// urn:ietf:params:scim:schemas:extension:NAME:2.0:User that has an
	// attribute of ours other than country.
	UserExtension string
}

// A DirectorySource reads a directory that was pushed as one that is pulled.
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
// SourceConfig says more about it. Its delta is complete whatever happens
// between an acknowledged push and its reading, since the change and its
// sequence number were stored together.
//
// A user's and group's ID is its SCIM id. Members of a group are those who are
// in it directly or through groups in it, as far as these were pushed. Of a
// record that cannot be read only the ID is known; it is logged to slog.Default.
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

// cursorPrefix marks the form of a cursor, should there be another one day.
const cursorPrefix = "seq:"

// cursorNested is behind the number in a cursor of a directory in which a group
// has been seen in another.
const cursorNested = "+nested"

// Changes implements sources.DeltaSource. The cursor is a sequence number.
//
// Who joined or left a group is a user that changed, beside the group: a round
// names everybody whom a push concerns (rule S40), so that nobody else of a
// large group needs to be decided anew. With a group change also those groups
// that it is in. That a group joined or left another is a change of both groups
// and of none of their members; so once groups have been seen in groups, which
// the cursor tells, everybody in a changed group is named.
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
		all := at == 0 // everything is listed, and nothing needs to be told twice
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

// fail makes the error of a source.
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
