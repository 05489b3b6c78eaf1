// Package rest is the one way in which the sources of this module speak HTTP.
//
// A [Transport] is an http.RoundTripper, so that it serves both the sources
// that speak plain REST and those that hand an http.Client to a vendor's SDK.
// It differs from an ordinary RoundTripper in one deliberate point: whatever is
// not a good, whole, non-empty JSON answer is an error. Some SDKs read a failed
// or an empty answer as the last page of a listing, and a listing that ends too
// early makes people disappear.
//
// What it does to every request:
//
//   - it authorizes the request, renews refused credentials once and repeats;
//   - it repeats idempotent requests after a lost connection, a 429 or a 5xx,
//     a bounded number of times, with a growing and jittered pause, and for as
//     long as the provider asks if it asks;
//   - it reads the whole answer, up to a limit;
//   - it follows no redirect, so that credentials stay with their host;
//   - its errors name method, path and status, never a query, a header or a
//     secret.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-go/usher/sources"
)

// Auth puts credentials on requests. It must be safe for concurrent use.
type Auth interface {
	// Authorize sets the credentials of req, obtaining them first if there are
	// none. It may change the header and the URL of req, which is a copy.
	Authorize(req *http.Request) error
	// Renew is called once at most for a request, after an answer with status
	// 401. It reports whether the request, authorized anew, deserves another
	// try; an error ends the request with that error.
	Renew(refused *http.Request, answer *Error) (bool, error)
}

// Config configures a Transport. The zero value sends requests without
// credentials and with the limits named below.
type Config struct {
	Redacted

	// Base sends the requests. Defaults to http.DefaultTransport.
	Base http.RoundTripper
	// Auth authorizes every request. Nil leaves requests as they are.
	Auth Auth
	// Origin, if set, is the only scheme and host that requests are sent to,
	// wherever a link of an answer or an SDK leads. A request to another fails
	// before it is authorized.
	Origin *url.URL
	// UserAgent defaults to "usher (+https://github.com/usher-go/usher)".
	UserAgent string
	// MaxBody is the largest answer that is read, in bytes after
	// decompression. Defaults to 64 MiB.
	MaxBody int64
	// Attempts is how often an idempotent request is sent before its failure
	// is returned. Defaults to 4; 1 repeats nothing.
	Attempts int
	// Timeout is how long one attempt may take, the body included. Defaults
	// to 2 minutes. The whole request is bounded by its context.
	Timeout time.Duration
	// MaxWait is the longest pause a provider may impose. A request that
	// would have to wait longer fails, with the time to wait in its error.
	// Defaults to 1 minute.
	MaxWait time.Duration
	// Limit reads a provider's own rate-limit headers and returns how long to
	// wait before the next request: after a refused request, if there is no
	// Retry-After; after a good one, when the allowance runs low. Nil knows
	// Retry-After only.
	Limit func(status int, header http.Header) time.Duration
	// Explain reads the body of a refused request: the provider's code and
	// message, and the reason, where it says more than the status does. Nil,
	// and empty results, leave it at an excerpt of the body and the status.
	Explain func(status int, body []byte) (detail string, reason error)
	// Secrets are removed from every excerpt and error, however an answer
	// spells them, besides whatever has the form of a token.
	Secrets []string
	// Logger gets a line at debug level for each repeated request and each pause
	// that the provider imposes, with the attribute "wait". Defaults to
	// discarding.
	Logger *slog.Logger
}

const (
	defaultUserAgent = "usher (+https://github.com/usher-go/usher)"
	defaultMaxBody   = 64 << 20
	defaultAttempts  = 4
	defaultTimeout   = 2 * time.Minute
	defaultMaxWait   = time.Minute
)

// A Transport sends requests as its Config says. It is safe for concurrent
// use. A pause that a provider imposes holds for all its requests.
type Transport struct {
	cfg      Config
	scrubber Scrubber
	latest   atomic.Pointer[sent] // for errors

	mu        sync.Mutex
	notBefore time.Time
}

// New returns a Transport.
func New(cfg Config) *Transport {
	if cfg.Base == nil {
		cfg.Base = http.DefaultTransport
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = defaultUserAgent
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.Attempts <= 0 {
		cfg.Attempts = defaultAttempts
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = defaultMaxWait
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Transport{cfg: cfg, scrubber: NewScrubber(cfg.Secrets...)}
}

// Get sends a GET request and returns its answer, as RoundTrip does.
func (t *Transport) Get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		// The error would quote the URL, with its query.
		return nil, &Error{Method: http.MethodGet, Detail: "the address of the request is not a URL"}
	}
	return t.RoundTrip(req)
}

// Read sends a GET request and reads the JSON of its answer into v.
func (t *Transport) Read(ctx context.Context, url string, v any) (*http.Response, error) {
	resp, err := t.Get(ctx, url)
	if err != nil {
		return nil, err
	}
	return resp, Decode(resp, v)
}

// A held body is one that is in memory as a whole.
type held struct {
	bytes.Reader
	whole []byte
}

func hold(body []byte) *held { return &held{*bytes.NewReader(body), body} }

func (*held) Close() error { return nil }

// Decode reads the body of an answer of a Transport, of which nothing has been
// read, as one JSON value into v.
func Decode(resp *http.Response, v any) error {
	body, ok := resp.Body.(*held)
	if !ok {
		return errors.New("rest: Decode takes the answers of a Transport")
	}
	if err := json.Unmarshal(body.whole, v); err != nil {
		return &Error{
			Method: resp.Request.Method, Path: resp.Request.URL.Path, Status: resp.StatusCode,
			Reason: sources.ErrMalformed, Detail: err.Error(), Err: err,
		}
	}
	return nil
}

// RoundTrip implements http.RoundTripper. The answer it returns has a status of
// 2xx and a body that is held in memory as a whole, is not empty and is JSON by
// its content type. Every error but those of Auth is an *Error.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	renewed := false
	for attempt, first := 1, true; ; first = false {
		if err := t.pause(ctx); err != nil {
			closeBody(req)
			return nil, cancelled(req, err)
		}
		sent, err := t.prepare(req, first)
		if err != nil {
			closeBody(req)
			return nil, err
		}
		resp, failure := t.send(sent)
		if failure == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, cancelled(req, ctx.Err())
		}

		if failure.Status == http.StatusUnauthorized && t.cfg.Auth != nil && !renewed && canResend(req) {
			renewed = true
			again, err := t.cfg.Auth.Renew(sent, failure)
			if err != nil {
				return nil, err
			}
			if again {
				continue // not an attempt more: the first was never accepted
			}
		}

		wait, repeat := t.repeats(failure, attempt)
		if !repeat || !idempotent(req) || !canResend(req) {
			return nil, failure
		}
		t.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "repeat a request",
			slog.String("method", failure.Method), slog.String("path", failure.Path),
			slog.Int("status", failure.Status), slog.Int("attempt", attempt), slog.Duration("wait", wait))
		if err := sleep(ctx, wait); err != nil {
			return nil, cancelled(req, err)
		}
		attempt++
	}
}

// send sends a prepared request once and reads the whole answer.
func (t *Transport) send(req *http.Request) (*http.Response, *Error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.cfg.Timeout)
	defer cancel()
	resp, err := t.cfg.Base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, t.unreachable(ctx, req, err)
	}
	received := resp.Body
	defer func() { _ = received.Close() }() // whether it was read to its end is known by then
	t.observe(resp)
	body, err := t.read(resp)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := t.refused(req, resp, body)
		if err != nil && e.Reason == nil { // the reason stood in what was cut off
			return nil, t.unreadable(ctx, req, resp, err)
		}
		return nil, e
	}
	if err != nil {
		return nil, t.unreadable(ctx, req, resp, err)
	}
	if err := wantJSON(resp, body); err != nil {
		return nil, t.failure(req, resp.StatusCode, sources.ErrMalformed, err)
	}
	resp.Body = hold(body)
	resp.ContentLength = int64(len(body))
	resp.Request = req
	return resp, nil
}

// prepare copies req, renews its body for a repetition and puts on the headers
// and the credentials.
func (t *Transport) prepare(req *http.Request, first bool) (*http.Request, error) {
	if t.cfg.Origin != nil && !sameOrigin(t.cfg.Origin, req.URL) {
		return nil, &Error{
			Method: req.Method, Path: req.URL.Path, Reason: sources.ErrMalformed,
			Detail: fmt.Sprintf("not sent: it would go to another host, %.100q", req.URL.Host),
		}
	}
	sent := req.Clone(req.Context())
	if !first && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, t.failure(req, 0, nil, err)
		}
		sent.Body = body
	}
	if sent.Header.Get("User-Agent") == "" {
		sent.Header.Set("User-Agent", t.cfg.UserAgent)
	}
	if sent.Header.Get("Accept") == "" {
		sent.Header.Set("Accept", "application/json")
	}
	if t.cfg.Auth != nil {
		if err := t.cfg.Auth.Authorize(sent); err != nil {
			return nil, err
		}
	}
	return sent, nil
}

// read reads the body of resp up to the limit.
func (t *Transport) read(resp *http.Response) ([]byte, error) {
	if resp.ContentLength > t.cfg.MaxBody {
		return nil, tooLarge(t.cfg.MaxBody)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.cfg.MaxBody+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > t.cfg.MaxBody {
		return nil, tooLarge(t.cfg.MaxBody)
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return fmt.Errorf("%w: more than %d bytes", sources.ErrTooLarge, limit)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing was read of it, so nothing is lost
	}
}
