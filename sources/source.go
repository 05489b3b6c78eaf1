package sources

import (
	"context"
	"iter"
)

// A Source lists one directory. Implementations are safe for concurrent use.
//
// An iteration that ends without an error claims: the provider itself said
// that this was the end. A source that did not see the provider's end mark (no
// next link on a good, non-empty answer; "done": true; a delta link) must yield
// an error instead, because everybody who was not listed before a claimed end
// is taken to be gone.
//
// For both iterations: the error is yielded last, at most once and beside a
// zero value; breaking out of the loop stops further requests; every call
// starts a fresh listing; yielded values are the caller's to keep and change;
// a cancelled context surfaces as an error that matches ctx.Err().
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
	// Connection names one configured instance of the provider, unique within
	// a tenant. A person is identified by connection and ID together (S1).
	Connection string
	// Lists says what a listing that ended without error proves complete.
	Lists Facts
}

// A DeltaSource can also list only what changed. Use [Refresh], which falls
// back to a full listing where a source cannot.
type DeltaSource interface {
	Source
	// Changes yields what changed after the cursor and ends with a Change
	// whose Next is set; without one the round is not complete. The empty
	// cursor asks for everything. A cursor that the provider no longer
	// accepts yields an error that matches ErrCursorExpired. Changes may
	// repeat and are applied in the order given.
	Changes(ctx context.Context, after Cursor) iter.Seq2[Change, error]
}

// A Cursor marks a place in a provider's stream of changes. It is opaque, may
// be stored, and is empty for the beginning.
type Cursor string

// A Change is one thing that happened in a directory. Exactly one field is
// set.
type Change struct {
	User         *User  // the user as it is now
	UserRemoved  string // the ID of a user who is no longer listed
	Group        *Group // the group as it is now, with all its members
	GroupRemoved string // the ID of a group that is no longer listed
	Next         Cursor // the end of this round, and where the next one starts
}

// A Matcher answers queries in the provider's own language, such as SOQL. Use
// [Match] to reach it through wrappers.
type Matcher interface {
	Source
	// Match yields the IDs of the users that the query selects, under the
	// contract of Source: an end without an error is a complete answer. A
	// query the provider or the source refuses yields an error that matches
	// ErrBadQuery.
	Match(ctx context.Context, query string) iter.Seq2[string, error]
}

// A BatchMatcher answers queries while it lists its users, where each query
// would otherwise cost a reading of its own, as it does for a file. [Collect]
// makes use of it.
type BatchMatcher interface {
	Matcher
	// UsersAndMatches returns a listing of all users, as Users does, and a
	// function that answers a query, as Match does. After the listing has
	// ended, the function has the answers to the given queries at hand; before
	// that, or to another query, an answer costs what it costs Match.
	UsersAndMatches(ctx context.Context, queries []string) (users iter.Seq2[User, error], match func(query string) iter.Seq2[string, error])
}

// A Checker tests a connection: address, credentials, permissions. Use
// [Check], which falls back to reading the first user.
type Checker interface {
	Source
	Check(ctx context.Context) error
}

// As returns the ability T of src, or of a source that src wraps.
//
// A wrapper that only observes (logs, counts, slows down) has a method
// Unwrap() Source; a wrapper that changes what is listed must not have one,
// since an ability of the inner source would then bypass it. For the same reason
// it holds a Source, and does not embed a type that has abilities.
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
// selects. A source without the ability yields an error that matches
// ErrUnsupported.
func Match(ctx context.Context, src Source, query string) iter.Seq2[string, error] {
	if m, ok := As[Matcher](src); ok {
		return m.Match(ctx, query)
	}
	return func(yield func(string, error) bool) {
		yield("", &Error{Kind: src.Info().Kind, Op: "match", Reason: ErrUnsupported})
	}
}

// Check tests the connection: with the source's own check where it has one,
// else by listing up to the first user.
func Check(ctx context.Context, src Source) error {
	if c, ok := As[Checker](src); ok {
		return c.Check(ctx)
	}
	for _, err := range src.Users(ctx) {
		return err
	}
	return ctx.Err()
}
