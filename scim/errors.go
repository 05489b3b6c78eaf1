package scim

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
)

// ErrUnavailable is what Config.Authenticate wraps when it cannot tell at
// present whom a request speaks for, and a Store when it cannot work at present
// (its database is away, busy or full). It is logged, and answered with 503 and
// Retry-After: the client is told to come again.
var ErrUnavailable = errors.New("temporarily unavailable")

// An UnavailableError is an ErrUnavailable that says when to come again.
type UnavailableError struct {
	RetryAfter time.Duration // 0 leaves it to the handler
	Err        error         // what is wrong, for the log; required
}

// Error implements error.
func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap lets errors.Is find ErrUnavailable and what is wrong.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

// A RefusedError is what Config.Authenticate may return for credentials that it
// does not accept, where it knows whose they were or were meant to be: an expired
// token, or a wrong one at a URL of one tenant. The refusal is then counted in the
// Requests of that directory.
type RefusedError struct {
	Directory Directory
	Err       error // what is wrong, for the log; required
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap lets errors.Is find what is wrong.
func (e *RefusedError) Unwrap() error { return e.Err }

func refusedOf(p Principal, why string) error {
	return &RefusedError{Directory{Tenant: p.Tenant, Connection: p.Connection}, errors.New(why)}
}

// retryAfter is what a client is told that has to come again.
func retryAfter(err error) time.Duration {
	var unavailable *UnavailableError
	if errors.As(err, &unavailable) && unavailable.RetryAfter > 0 {
		return unavailable.RetryAfter
	}
	return time.Second
}

// An unreadableError says that a stored record is not one that this package
// writes: the store has damaged it, or somebody else wrote it. It keeps the
// cause as a text, so that the cause is not taken for the client's fault.
type unreadableError struct {
	ref   Ref
	cause string
}

func (e *unreadableError) Error() string {
	return fmt.Sprintf("the stored record %s %s cannot be read: %s", e.ref.Type, e.ref.ID, e.cause)
}

func unreadable(rec Record, cause error) error {
	if cause == nil {
		return nil
	}
	detail, _ := clientError(cause)
	return &unreadableError{ref: rec.Ref, cause: detail.Detail}
}

// scimTypeInvalidCursor is one that RFC 9865 adds to those of RFC 7644.
const scimTypeInvalidCursor scimerrors.ScimType = "invalidCursor"

// fail makes the error that a client sees (RFC 7644 section 3.12).
func fail(status int, kind scimerrors.ScimType, format string, args ...any) error {
	return scimerrors.ScimError{Status: status, ScimType: kind, Detail: fmt.Sprintf(format, args...)}
}

func badSyntax(format string, args ...any) error {
	return fail(http.StatusBadRequest, scimerrors.ScimTypeInvalidSyntax, format, args...)
}

func badValue(format string, args ...any) error {
	return fail(http.StatusBadRequest, scimerrors.ScimTypeInvalidValue, format, args...)
}

func badFilter(format string, args ...any) error {
	return fail(http.StatusBadRequest, scimerrors.ScimTypeInvalidFilter, format, args...)
}

func badPath(format string, args ...any) error {
	return fail(http.StatusBadRequest, scimerrors.ScimTypeInvalidPath, format, args...)
}

func noTarget(format string, args ...any) error {
	return fail(http.StatusBadRequest, scimerrors.ScimTypeNoTarget, format, args...)
}

func notMutable(format string, args ...any) error {
	return fail(http.StatusBadRequest, scimerrors.ScimTypeMutability, format, args...)
}

func sensitive(format string, args ...any) error {
	return fail(http.StatusForbidden, scimerrors.ScimTypeSensitive, format, args...)
}

func tooLarge(format string, args ...any) error {
	return fail(http.StatusRequestEntityTooLarge, "", format, args...)
}

func notFound(format string, args ...any) error {
	return fail(http.StatusNotFound, "", format, args...)
}

// clientError turns any error into the one a client may see. Errors that are
// not this package's are internal: known is then false, for the host to hear of
// it, as it is of an outage.
func clientError(err error) (out scimerrors.ScimError, known bool) {
	var noMember *NoMemberError
	var pointer *scimerrors.ScimError
	switch {
	case errors.As(err, &out):
		return out, true
	case errors.As(err, &pointer):
		return *pointer, true
	case errors.As(err, &noMember):
		err = badValue("members.value: no user or group has the id %q", clip(noMember.ID))
	case errors.Is(err, ErrNotFound):
		err = notFound("there is no such resource")
	case errors.Is(err, ErrDuplicate):
		err = fail(http.StatusConflict, scimerrors.ScimTypeUniqueness, "userName: the value is in use by another resource")
	case errors.Is(err, ErrConflict):
		err = fail(http.StatusPreconditionFailed, "", "the resource has changed since the version given in If-Match")
	case errors.Is(err, ErrUnavailable):
		return scimerrors.ScimError{Status: http.StatusServiceUnavailable, Detail: "the service is unavailable at present; try again"}, false
	default:
		return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: "the server failed to answer the request"}, false
	}
	errors.As(err, &out)
	return out, true
}
