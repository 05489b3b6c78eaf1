// Package rest sends the HTTP requests of all sources of this module.
//
// A [Transport] is an http.RoundTripper, so that it serves both the sources that
// speak plain REST and those that hand an http.Client to a vendor's SDK. It differs
// from an ordinary RoundTripper in one point: an answer that is not a complete,
// non-empty JSON document with a good status is an error. Some SDKs read a failed
// or an empty answer as the last page of a listing, and a listing that ends too
// early makes people disappear.
//
// What it does with every request:
//
//   - It authorizes the request. If the credentials are refused, it renews them once
//     and sends the request again.
//   - It repeats an idempotent request after a lost connection, a 429 or a 5xx, a
//     bounded number of times. The pause grows and is jittered, or is as long as the
//     provider asks for.
//   - It reads the whole answer, up to a limit.
//   - It follows no redirect, so that credentials are sent to one host only.
//   - Its errors name method, path and status, and never a query, a header or a
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
	// Renew is called at most once for a request, after an answer with status 401.
	// It reports whether the request is to be authorized and sent again. An error
	// ends the request with that error.
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
	// Origin, if set, is the only scheme and host that requests are sent to, also
	// when an answer's link or an SDK names another. A request to another host
	// fails before it is authorized.
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
	// Limit reads a provider's own rate-limit headers and returns how long to wait
	// before the next request. It is called after a refused request without
	// Retry-After, and after a good one, where it returns a pause when the
	// allowance runs low. If nil, only Retry-After counts.
	Limit func(status int, header http.Header) time.Duration
	// Explain reads the body of a refused request and returns the provider's code
	// and message, and the reason if the body says more than the status. If Explain
	// is nil, or for an empty result, the error has an excerpt of the body and the
	// reason of the status.
	Explain func(status int, body []byte) (detail string, reason error)
	// Secrets are removed from every excerpt and error, in every spelling. Texts
	// that have the form of a token are removed, too.
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

// A Transport sends requests as its Config says. It is safe for concurrent use. A
// pause that a provider asks for holds for all its requests.
type Transport struct {
	cfg      Config
	scrubber Scrubber
	latest   atomic.Pointer[sent] // the latest credentials, to remove them from errors

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

// A held body is in memory as a whole.
type held struct {
	bytes.Reader
	whole []byte
}

func hold(body []byte) *held { return &held{*bytes.NewReader(body), body} }

func (*held) Close() error { return nil }

// Decode reads the body of an answer of a Transport as one JSON value into v.
// Nothing may have been read of the body.
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
				continue // does not count as an attempt: the request was not accepted
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
	defer func() { _ = received.Close() }() // by then it is known whether the body was read to its end
	t.observe(resp)
	body, err := t.read(resp)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := t.refused(req, resp, body)
		if err != nil && e.Reason == nil { // the status has no reason, and the body that may have one was cut off
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

// prepare copies req, gives a repetition a fresh body, and sets the headers and the
// credentials.
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
		t.remember(sent)
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
		_ = req.Body.Close() // nothing was read, so an error loses nothing
	}
}
