package sources

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The reasons of failed calls, one for each different reaction of a caller. Test
// with errors.Is.
var (
	// ErrUnauthorized: the credentials were refused; the host needs new ones.
	ErrUnauthorized = errors.New("credentials rejected")
	// ErrForbidden: the credentials are valid and lack a permission.
	ErrForbidden = errors.New("permission missing")
	// ErrRateLimited: the provider's allowance is used up; see Error.RetryAfter.
	ErrRateLimited = errors.New("rate limited")
	// ErrUnavailable: the provider did not answer or failed; a later call may
	// succeed.
	ErrUnavailable = errors.New("provider unavailable")
	// ErrMalformed: the answer is not what the provider documents: not JSON, a
	// field of another type, a listing cut in the middle.
	ErrMalformed = errors.New("malformed answer")
	// ErrTooLarge: the answer is larger than the configured limit.
	ErrTooLarge = errors.New("answer too large")
	// ErrNotFound: the provider says that the object does not exist.
	ErrNotFound = errors.New("not found")
	// ErrCursorExpired: the cursor is no longer accepted; everything has to be read
	// again.
	ErrCursorExpired = errors.New("cursor expired")
	// ErrBadQuery: the provider does not accept the query; the config has to
	// change.
	ErrBadQuery = errors.New("query refused")
	// ErrUnsupported: this source does not have the ability.
	ErrUnsupported = errors.New("not supported by this source")
)

// Error is the error of every failed call of a source in this module. It never
// carries a secret, an authorization header or more than a short excerpt of an
// answer.
type Error struct {
	Kind       string        // the provider, as Info.Kind
	Op         string        // the operation: "list users", "log in"
	Reason     error         // one of the Err variables above, or nil
	RetryAfter time.Duration // how long the provider asks to wait; 0 if it did not say
	Err        error         // the cause, or nil
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind)
	if e.Op != "" {
		b.WriteString(": " + e.Op)
	}
	if e.Reason != nil {
		b.WriteString(": " + e.Reason.Error())
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (retry after %s)", e.RetryAfter)
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As both the reason and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Reason != nil {
		errs = append(errs, e.Reason)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}
