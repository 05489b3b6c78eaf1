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
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-go/usher/sources"
)

// Error is a failed request. Its text holds no secret, no query and no header. It
// does not repeat Reason, which the error of the source names.
type Error struct {
	Method, Path string        // empty if the error is not about one request
	Status       int           // 0 if there was no answer
	Reason       error         // one of the errors of package sources, or nil
	RetryAfter   time.Duration // how long the provider asks to wait; 0 if it did not say
	Detail       string        // what went wrong, in short and without secrets
	Err          error         // the cause, for errors.Is; never printed

	// Body is the body of the refusing answer, up to 64 KiB. The source may read it
	// and must not print it.
	Body []byte
	// Challenge is the header WWW-Authenticate of an answer with status 401. Auth
	// may read it and must not print it.
	Challenge string

	temporary bool // a repetition may succeed
	asked     bool // the provider stated RetryAfter, even if it is 0
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

// Wrap returns err as the error of a source, with provider, operation, reason and
// waiting time. An error that is a *sources.Error already, such as a failed login,
// stays as it is. A *url.Error around err, as http.Client adds it, is removed,
// since it quotes the query. Wrap of nil is nil.
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

// Malformed returns the error of an answer that is not what the provider documents.
func Malformed(format string, args ...any) error {
	return &Error{Reason: sources.ErrMalformed, Detail: fmt.Sprintf(format, args...)}
}

// IsMissing reports whether err is the provider's own answer that the object does
// not exist: status 404 with a body of JSON, which the page of a proxy does not
// have.
func IsMissing(err error) bool {
	failure, ok := errors.AsType[*Error](err)
	return ok && failure.Status == http.StatusNotFound && json.Valid(failure.Body)
}

// failure returns an Error with the text of err, from which secrets are removed.
func (t *Transport) failure(req *http.Request, status int, reason, err error) *Error {
	return &Error{
		Method: req.Method, Path: req.URL.Path, Status: status, Reason: reason,
		Detail: t.excerpt(req, []byte(err.Error())), Err: err,
	}
}

// cancelled returns the error of a request whose context ended.
func cancelled(req *http.Request, err error) *Error {
	return &Error{Method: req.Method, Path: req.URL.Path, Detail: err.Error(), Err: err}
}

// unreachable returns the error of a request without an answer. It counts as
// temporary, unless the certificate was refused, or err has a method NonRetriable,
// as errors of Azure's SDK do.
func (t *Transport) unreachable(ctx context.Context, req *http.Request, err error) *Error {
	if ctx.Err() != nil {
		// Either this attempt ran out of time, or the whole request did, which
		// RoundTrip checks. The cause is left out, so that the error does not match
		// that of the caller's context.
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

// atOnce reports whether an error has a method RetryNow: the repetition need not
// wait, as in a replay.
func atOnce(err error) bool {
	var now interface{ RetryNow() }
	return errors.As(err, &now)
}

// unreadable returns the error of an answer of status 2xx whose body is too large
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

// refused returns the error of an answer whose status is not 2xx.
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

// statusReason returns the reason that a status stands for, and whether a
// repetition may succeed.
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
	case status < 400: // 1xx and 3xx: no API of this module answers with these
		return sources.ErrMalformed, false
	}
	return nil, false
}

// wantJSON returns an error for an empty body, for a content type other than JSON,
// such as that of a proxy's login page, and for a text that is not UTF-8, which JSON
// is (RFC 8259, section 8.1): decoding would replace letters in names. Parameters of
// the content type say nothing about JSON, and servers send some that are malformed.
func wantJSON(resp *http.Response, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("the answer is empty")
	}
	value := resp.Header.Get("Content-Type")
	media, _, _ := strings.Cut(strings.ToLower(value), ";")
	media = strings.TrimSpace(media)
	switch {
	case media != "application/json" && !strings.HasSuffix(media, "+json"):
		if looksLikeHTML(body) {
			return errors.New("the answer is an HTML page, want JSON")
		}
		return fmt.Errorf("content type %.80q, want JSON", value)
	case !utf8.Valid(body):
		return fmt.Errorf("the answer is not UTF-8 (content type %.80q)", value)
	}
	return nil
}

func looksLikeHTML(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}
