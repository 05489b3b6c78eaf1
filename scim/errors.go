package scim

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
)

// ErrUnavailable is wrapped by the error of Config.Authenticate when it cannot
// identify the principal at present, and by the error of a Store when it cannot
// work at present (its database is unreachable, busy or full). It is logged,
// and answered with 503 and Retry-After: the client is told to retry later.
var ErrUnavailable = errors.New("temporarily unavailable")

// An UnavailableError is an ErrUnavailable with the time after which to retry.
type UnavailableError struct {
	RetryAfter time.Duration // 0 lets the handler choose
	Err        error         // the cause, for the log; required
}

// Error implements error.
func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap lets errors.Is find ErrUnavailable and the cause.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

// A RefusedError is what Config.Authenticate may return for credentials that it
// does not accept, if it knows whose they are or claim to be: an expired token,
// or a wrong token at a URL of one tenant. The refusal is then counted in the
// Requests of that directory.
type RefusedError struct {
	Directory Directory
	Err       error // the cause, for the log; required
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap lets errors.Is find the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

func refusedOf(p Principal, why string) error {
	return &RefusedError{Directory{Tenant: p.Tenant, Connection: p.Connection}, errors.New(why)}
}

// retryAfter returns how long a client has to wait before it retries.
func retryAfter(err error) time.Duration {
	var unavailable *UnavailableError
	if errors.As(err, &unavailable) && unavailable.RetryAfter > 0 {
		return unavailable.RetryAfter
	}
	return time.Second
}

// An unreadableError reports that a stored record does not have the form that
// this package writes: the store has damaged it, or another program wrote it.
// It has the cause as text only, so that the cause is not treated as the
// client's fault.
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

// The values that RFC 9865 adds to those of RFC 7644.
const (
	scimTypeInvalidCursor scimerrors.ScimType = "invalidCursor"
	scimTypeInvalidCount  scimerrors.ScimType = "invalidCount"
)

// fail returns an error that a client sees (RFC 7644 section 3.12).
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

// clientError converts any error to one that a client may see. An error that is
// not this package's is internal; known is then false, so that the host gets a
// log entry. The same holds for an outage.
func clientError(err error) (out scimerrors.ScimError, known bool) {
	var noMember *NoMemberError
	var duplicate *duplicateError
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
	case errors.As(err, &duplicate):
		err = fail(http.StatusConflict, scimerrors.ScimTypeUniqueness, "%s: the value is in use by another resource", duplicate.name)
	case errors.Is(err, ErrDuplicate):
		err = fail(http.StatusConflict, scimerrors.ScimTypeUniqueness, "a unique value is in use by another resource")
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
