package fake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-go/usher/sources"
)

// Transport returns a transport that passes each request to the handler, in the
// caller's goroutine and for any host. It uses no network and starts no goroutine.
func Transport(handler http.Handler) http.RoundTripper { return transport{handler} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	} else {
		req = req.Clone(req.Context())
		req.Body = http.NoBody
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	served := req.Clone(req.Context())
	served.RequestURI = req.URL.RequestURI()
	if served.Host == "" {
		served.Host = req.URL.Host
	}
	answer := recorder{header: make(http.Header)}
	t.handler.ServeHTTP(&answer, served)
	answer.WriteHeader(http.StatusOK)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if answer.header.Get("Date") == "" {
		answer.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status)), StatusCode: answer.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.header, Body: io.NopCloser(&answer.body), ContentLength: int64(answer.body.Len()), Request: req,
	}, nil
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(data []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(data)
}

// send writes data that is not changed afterwards, without a copy if possible,
// since a page may be large.
func send(w http.ResponseWriter, data []byte) {
	if r, ok := w.(*recorder); ok && r.body.Cap() == 0 {
		r.WriteHeader(http.StatusOK)
		r.body = *bytes.NewBuffer(data[:len(data):len(data)])
		return
	}
	_, _ = w.Write(data) // a client that closed the connection needs no answer
}

// serve answers a request to a face: handle sees the directory at one moment, and
// the answer is sent after the directory is unlocked.
func (d *Directory) serve(w http.ResponseWriter, r *http.Request, handle func(w http.ResponseWriter, r *http.Request, now time.Time)) {
	answer := recorder{header: w.Header()}
	func() {
		d.mu.RLock()
		defer d.mu.RUnlock()
		now := d.now().UTC()
		answer.header.Set("Date", now.Format(http.TimeFormat))
		handle(&answer, r, now)
	}()
	answer.WriteHeader(http.StatusOK)
	w.WriteHeader(answer.status)
	send(w, answer.body.Bytes())
}

// say answers with a value as JSON.
func say(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "fake: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	send(w, body)
}

// sessions are the valid access tokens of a face. The zero value has none.
type sessions struct {
	mu    sync.Mutex
	given int
	until map[string]time.Time
}

// open returns a new token.
func (s *sessions) open(now time.Time, life time.Duration) string { return s.openAs("", now, life) }

// openAs returns a new token with a prefix.
func (s *sessions) openAs(prefix string, now time.Time, life time.Duration) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given++
	sum := sha256.Sum256([]byte("fake token " + strconv.Itoa(s.given)))
	token := prefix + hex.EncodeToString(sum[:])
	if s.until == nil {
		s.until = make(map[string]time.Time)
	}
	s.until[token] = now.Add(life)
	return token
}

func (s *sessions) good(token string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[token]
	return ok && now.Before(until)
}

func (s *sessions) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.until)
}

// revocable can be made invalid for good.
type revocable struct{ revoked atomic.Bool }

func (r *revocable) revoke()  { r.revoked.Store(true) }
func (r *revocable) is() bool { return r.revoked.Load() }

// An allowance is a rate limit: a number of requests in a window of time.
type allowance struct {
	mu    sync.Mutex
	begun time.Time
	used  int
}

// take counts a request. It returns how many are left in the window and when the
// next window begins. If left is negative, the request is refused.
func (a *allowance) take(now time.Time, limit int, window time.Duration) (left int, next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.begun) >= window {
		a.begun, a.used = now, 0
	}
	a.used++
	return limit - a.used, a.begun.Add(window)
}

// origin returns the address by which the caller reached the face.
func origin(r *http.Request) string {
	scheme := r.URL.Scheme
	if scheme == "" {
		scheme = "http"
	}
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// attribute returns the first value of an attribute, or "".
func attribute(u *sources.User, name string) string {
	if values := u.Attributes[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// scalar returns the values of an attribute as a provider sends them: null, one
// text, or several.
func scalar(values []string) any {
	switch len(values) {
	case 0:
		return nil
	case 1:
		return values[0]
	}
	return values
}

// orNull returns a text, or nil for "".
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// sortedKeys returns the sorted keys of m, so that answers are the same every time.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
