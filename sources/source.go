package sources

import (
	"context"
	"iter"
)

// A Source lists one directory. Implementations are safe for concurrent use.
//
// An iteration that ends without an error claims that the provider itself said that
// this was the end. A source that did not see the provider's end mark (no next link
// in a good, non-empty answer; "done": true; a delta link) must yield an error
// instead. This matters because everybody who was not listed before a claimed end
// counts as gone.
//
// For both iterations:
//
//   - The error is yielded last, at most once, beside a zero value.
//   - After the caller leaves the loop, no further request is made.
//   - Every call starts a new listing.
//   - The caller may keep and change the yielded values.
//   - A cancelled context yields an error that matches ctx.Err().
type Source interface {
	// Info describes the source. It makes no request.
	Info() Info
	// Users yields every user once, in any order.
	Users(ctx context.Context) iter.Seq2[User, error]
	// Groups yields every group once, in any order, with its member IDs. A
	// source that has no groups yields nothing and leaves FactGroups and
	// FactMemberships out of Info.Lists.
	Groups(ctx context.Context) iter.Seq2[Group, error]
}

// Info describes a source.
type Info struct {
	// Kind names the provider: one of the Kind constants, or a word of your own.
	Kind string
	// Connection names one configured instance of the provider. It is unique within
	// a tenant. A person is identified by connection and ID together (S1).
	Connection string
	// Lists says which facts a listing proves if it ends without an error.
	Lists Facts
}

// A DeltaSource can also list only what changed. Use [Refresh], which lists
// everything if a source cannot do so.
type DeltaSource interface {
	Source
	// Changes yields what changed after the cursor. It ends with a Change whose
	// Next is set; without one the round is incomplete. The empty cursor asks for
	// everything. A cursor that the provider no longer accepts yields an error that
	// matches ErrCursorExpired. Changes may repeat and are applied in the given
	// order.
	Changes(ctx context.Context, after Cursor) iter.Seq2[Change, error]
}

// A Cursor is a position in a provider's stream of changes. It is opaque and may be
// stored. The empty Cursor is the beginning.
type Cursor string

// A Change is one change in a directory. Exactly one field is set.
type Change struct {
	User         *User  // the user as it is now
	UserRemoved  string // the ID of a user who is no longer listed
	Group        *Group // the group as it is now, with all its members
	GroupRemoved string // the ID of a group that is no longer listed
	Next         Cursor // ends the round; the cursor of the next one
}

// A Matcher answers queries in the provider's own language, such as SOQL. Use
// [Match] to reach it through wrappers.
type Matcher interface {
	Source
	// Match yields the IDs of the users that the query selects, under the contract
	// of Source: an end without an error means that the answer is complete. If the
	// provider or the source refuses the query, the error matches ErrBadQuery.
	Match(ctx context.Context, query string) iter.Seq2[string, error]
}

// A BatchMatcher answers several queries while it lists its users, which is cheaper
// than one reading for each query, for instance of a file. [Collect] uses it.
type BatchMatcher interface {
	Matcher
	// UsersAndMatches returns a listing of all users, as Users does, and a function
	// that answers a query, as Match does. After the listing has ended, the
	// function answers the given queries from memory. Before that, and for any
	// other query, it does what Match does.
	UsersAndMatches(ctx context.Context, queries []string) (users iter.Seq2[User, error], match func(query string) iter.Seq2[string, error])
}

// A Checker tests a connection: address, credentials, permissions. Use [Check],
// which reads the first user of a source that is no Checker.
type Checker interface {
	Source
	Check(ctx context.Context) error
}

// As returns the ability T of src, or of a source that src wraps.
//
// A wrapper that only observes (logs, counts, slows down) has a method Unwrap()
// Source. A wrapper that changes what is listed must not have one, since callers
// would use the abilities of the inner source directly. For the same reason it must
// not embed a type that has abilities.
func As[T any](src Source) (T, bool) {
	for src != nil {
		if t, ok := src.(T); ok {
			return t, true
		}
		wrapper, ok := src.(interface{ Unwrap() Source })
		if !ok {
			break
		}
		src = wrapper.Unwrap()
	}
	var zero T
	return zero, false
}

// Match yields the IDs of the users that a query in the provider's language
// selects. If src is no Matcher, the error matches ErrUnsupported.
func Match(ctx context.Context, src Source, query string) iter.Seq2[string, error] {
	if m, ok := As[Matcher](src); ok {
		return m.Match(ctx, query)
	}
	return func(yield func(string, error) bool) {
		yield("", &Error{Kind: src.Info().Kind, Op: "match", Reason: ErrUnsupported})
	}
}

// Check tests the connection by the source's own check if it has one, and otherwise
// by listing users up to the first.
func Check(ctx context.Context, src Source) error {
	if c, ok := As[Checker](src); ok {
		return c.Check(ctx)
	}
	for _, err := range src.Users(ctx) {
		return err
	}
	return ctx.Err()
}
