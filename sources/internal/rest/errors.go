package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/usher-go/usher/sources"
)

// Error is a request that failed. Its text holds no secret, no query and no
// header; it does not repeat Reason, which the source's own error names.
type Error struct {
	Method, Path string        // empty if the error is not about one request
	Status       int           // 0 if there was no answer
	Reason       error         // one of the errors of package sources, or nil
	RetryAfter   time.Duration // how long the provider asks to wait; 0 if it did not say
	Detail       string        // what went wrong, in short and without secrets
	Err          error         // the cause, for errors.Is; never printed

	// Body is what the refusing answer says, up to 64 KiB, for the source to
	// read and never to print.
	Body []byte
	// Challenge is the header WWW-Authenticate of an answer with status 401, for
	// Auth to read and never to print.
	Challenge string

	temporary bool // worth a repetition
	asked     bool // RetryAfter is what the provider said, even if it is 0
}

const maxErrorBody = 64 << 10

// Error implements error.
func (e *Error) Error() string {
	var parts []string
	if e.Method != "" {
		parts = append(parts, e.Method+" "+e.Path)
	}
	if e.Status != 0 {
		parts = append(parts, strings.TrimSpace(strconv.Itoa(e.Status)+" "+http.StatusText(e.Status)))
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives errors.Is and errors.As the reason and the cause.
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

// Wrap makes the error that a source returns: it names the provider and the
// operation and takes reason and waiting time from err. An error that is a
// *sources.Error already (a failed login, say) stays as it is. The wrapper that
// an http.Client puts around errors is removed, since it quotes the query. Nil
// stays nil.
func Wrap(kind, op string, err error) error {
	if err == nil {
		return nil
	}
	var done *sources.Error
	if errors.As(err, &done) {
		return done
	}
	wrapped := &sources.Error{Kind: kind, Op: op, Err: err}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		wrapped.Err = outer.Err
	}
	if failure, ok := errors.AsType[*Error](err); ok {
		wrapped.Reason, wrapped.RetryAfter, wrapped.Err = failure.Reason, failure.RetryAfter, failure
	}
	return wrapped
}

// Malformed is the error of an answer that was received and read, and is not
// what the provider documents.
func Malformed(format string, args ...any) error {
	return &Error{Reason: sources.ErrMalformed, Detail: fmt.Sprintf(format, args...)}
}

// IsMissing reports whether err says that the provider itself answered that there
// is no such thing: with status 404 and JSON, and not with the page of a proxy.
func IsMissing(err error) bool {
	failure, ok := errors.AsType[*Error](err)
	return ok && failure.Status == http.StatusNotFound && json.Valid(failure.Body)
}

// failure makes an Error whose text is that of err without its secrets.
func (t *Transport) failure(req *http.Request, status int, reason, err error) *Error {
	return &Error{
		Method: req.Method, Path: req.URL.Path, Status: status, Reason: reason,
		Detail: t.excerpt(req, []byte(err.Error())), Err: err,
	}
}

// cancelled is the failure of a request whose context ended.
func cancelled(req *http.Request, err error) *Error {
	return &Error{Method: req.Method, Path: req.URL.Path, Detail: err.Error(), Err: err}
}

// unreachable is the failure of a request without an answer. A certificate that
// does not fit will not fit in a second either, and an error may say so of itself,
// by a method NonRetriable, as those of Azure's SDK do.
func (t *Transport) unreachable(ctx context.Context, req *http.Request, err error) *Error {
	if ctx.Err() != nil {
		// The attempt ran out of time, or the whole request did, which
		// RoundTrip sees. The cause is left out: the caller's context did not
		// end, and the error must not claim it.
		err = fmt.Errorf("no answer within %s", t.cfg.Timeout)
	}
	e := t.failure(req, 0, sources.ErrUnavailable, err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	var final interface{ NonRetriable() }
	e.temporary = !certificate && !authority && !hostname && !errors.As(err, &final)
	e.asked = atOnce(err)
	return e
}

// atOnce reports whether an error says of itself, by a method RetryNow, that a
// repetition need not wait, as those of a replay do.
func atOnce(err error) bool {
	var now interface{ RetryNow() }
	return errors.As(err, &now)
}

// unreadable is the failure of an answer of status 2xx whose body is too large
// or was cut off.
func (t *Transport) unreadable(ctx context.Context, req *http.Request, resp *http.Response, err error) *Error {
	if errors.Is(err, sources.ErrTooLarge) {
		return t.failure(req, resp.StatusCode, sources.ErrTooLarge, err)
	}
	if ctx.Err() != nil {
		return t.unreachable(ctx, req, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("the answer was cut off: %w", err)
	}
	e := t.failure(req, resp.StatusCode, sources.ErrMalformed, err)
	e.temporary, e.asked = true, atOnce(err)
	return e
}

// refused is the failure of an answer whose status is not 2xx.
func (t *Transport) refused(req *http.Request, resp *http.Response, body []byte) *Error {
	e := &Error{
		Method: req.Method, Path: req.URL.Path, Status: resp.StatusCode,
		Body: body[:min(len(body), maxErrorBody)],
	}
	if resp.StatusCode == http.StatusUnauthorized {
		e.Challenge = resp.Header.Get("WWW-Authenticate")
	}
	e.Reason, e.temporary = statusReason(resp.StatusCode)
	e.RetryAfter, e.asked = t.wait(resp)
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		e.Detail = "redirects are not followed"
		if to, err := url.Parse(resp.Header.Get("Location")); err == nil && to.Host != "" {
			e.Detail += "; this one leads to host " + t.excerpt(req, []byte(to.Host))
		}
		return e
	}
	if t.cfg.Explain != nil {
		detail, reason := t.cfg.Explain(resp.StatusCode, e.Body)
		if reason != nil {
			e.Reason = reason
		}
		e.Detail = t.excerpt(req, []byte(detail))
	}
	if e.Detail == "" {
		e.Detail = t.excerpt(req, e.Body)
		if looksLikeHTML(e.Body) {
			e.Detail = "the answer is an HTML page"
		}
	}
	return e
}

// statusReason is what a status alone says, and whether it may pass by itself.
func statusReason(status int) (reason error, temporary bool) {
	switch {
	case status == http.StatusUnauthorized:
		return sources.ErrUnauthorized, false
	case status == http.StatusForbidden:
		return sources.ErrForbidden, false
	case status == http.StatusNotFound:
		return sources.ErrNotFound, false
	case status == http.StatusRequestTimeout:
		return sources.ErrUnavailable, true
	case status == http.StatusRequestURITooLong, status == http.StatusRequestHeaderFieldsTooLarge:
		return sources.ErrBadQuery, false
	case status == http.StatusTooManyRequests:
		return sources.ErrRateLimited, true
	case status == http.StatusNotImplemented:
		return sources.ErrUnavailable, false
	case status >= 500:
		return sources.ErrUnavailable, true
	case status < 400: // 1xx and 3xx: no API of this module answers so
		return sources.ErrMalformed, false
	}
	return nil, false
}

// wantJSON refuses an empty body and a body that does not claim to be JSON,
// such as the login page of a proxy.
func wantJSON(resp *http.Response, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("the answer is empty")
	}
	value := resp.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(value)
	if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
		return nil
	}
	if looksLikeHTML(body) {
		return errors.New("the answer is an HTML page, want JSON")
	}
	return fmt.Errorf("content type %.80q, want JSON", value)
}

func looksLikeHTML(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}
