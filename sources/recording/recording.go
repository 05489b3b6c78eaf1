// Package recording saves what a provider answers, so that a reading of its
// directory can be repeated without it: a report of a fault is a folder.
//
//	recorder, err := recording.New(dir, recording.Config{Secrets: []string{token}})
//	src, err := okta.New(okta.Config{Token: token, Transport: recorder, ...})
//	snapshot, err := sources.Collect(ctx, src, sources.CollectConfig{})
//
//	player, err := recording.Open(os.DirFS(dir))
//	src, err = okta.New(okta.Config{Token: "any", Transport: player, ...})
//
// Each answer is a file of its own, in the order of the requests, with the
// request's method, path and query:
//
//	{
//	  "request": {"method": "GET", "host": "acme.okta.com", "path": "/api/v1/users", "query": "limit=200"},
//	  "status": 200,
//	  "header": {"Content-Type": "application/json", "Link": [...]},
//	  "body": [...]
//	}
//
// # What is not saved
//
// No credential is. Of a request, neither header nor body is saved; of an answer,
// only the headers that matter to a reading: its type and date, links and
// cursors, totals, rate limits. From bodies, addresses and headers are removed the
// secrets that the Recorder is given, the credentials that it sees on requests,
// what a login gives, and whatever has the form of a token. A secret of less than
// four characters cannot be told from other text, and is removed only where it
// stands under the name of one. People's names and addresses stay: a recording is as
// confidential as the directory.
//
// # What is not replayed
//
// A replay waits for nothing. Of the answers, allowances (X-Rate-Limit-Remaining and
// the like) are left out, and a refusal asks to come again at once, also one within a
// batch.
package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/usher-go/usher/sources/internal/rest"
)

// An exchange is one request and its answer, as a file holds it.
type exchange struct {
	Request request `json:"request"`
	// Error says that there was no answer, and why.
	Error  string              `json:"error,omitempty"`
	Status int                 `json:"status,omitempty"`
	Header map[string][]string `json:"header,omitempty"`
	// Body is the answer's JSON; Text is an answer that is no JSON.
	Body json.RawMessage `json:"body,omitempty"`
	Text string          `json:"text,omitempty"`
}

type request struct {
	Method string `json:"method"`
	Host   string `json:"host"`
	Path   string `json:"path"`
	Query  string `json:"query,omitempty"`
}

func (r request) String() string {
	text := r.Method + " " + r.Host + r.Path
	if r.Query != "" {
		text += "?" + r.Query
	}
	return text
}

// requestOf returns what is saved of a request.
func requestOf(req *http.Request, scrub func(string) string) request {
	return request{Method: req.Method, Host: req.URL.Host, Path: scrub(req.URL.EscapedPath()), Query: scrub(req.URL.RawQuery)}
}

// headerForm is which headers of an answer are saved.
var headerForm = regexp.MustCompile(`(?i)^(?:content-type|date|link|location|retry-after|x-rate-?limit-[a-z]+|ratelimit-[a-z]+|` +
	`total-(?:count|pages)|current-page|page-items|(?:after-|before-)?cursor|sforce-limit-info|rippling-api-version|x-ms-[a-z-]*(?:resource-unit|throttle)[a-z-]*)$`)

// MaxAnswer is the largest answer that is saved, in bytes.
const MaxAnswer = 256 << 20

// Config configures a Recorder. The zero value is useful.
type Config struct {
	// Base sends the requests. Defaults to http.DefaultTransport.
	Base http.RoundTripper
	// Secrets are the credentials that the source is given: tokens, passwords,
	// keys.
	Secrets []string
}

// Format implements fmt.Formatter: no verb shows a secret.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "recording.Config") }

// A Recorder is a transport that saves what it is answered. It is safe for
// concurrent use.
type Recorder struct {
	base http.RoundTripper
	dir  string

	mu       sync.Mutex
	asked    int // requests so far
	given    rest.Scrubber
	known    []string        // what learned removes
	learned  []rest.Scrubber // at most mostLearned, the oldest first
	scrubber rest.Scrubber   // all of them
}

const (
	// mostLearned is how many secrets are remembered beside those that are given,
	// since each is looked for in all that is saved. It is the credentials of some
	// hours: what a request proves its right by, and what a login gives.
	mostLearned = 64
	// mostOfLogin is how many secrets one answer gives at most; one with more is a
	// list of things that are called like secrets, and has them removed by name.
	mostOfLogin = 8
	// minOfLogin is the least length in bytes of what counts as a secret by its name
	// in an answer: what is shorter may be an ordinary word.
	minOfLogin = 8
)

// New returns a Recorder that saves into a directory, which it makes. One that
// has files already is an error, since two recordings would mix.
func New(dir string, cfg Config) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(files) > 0 {
		return nil, fmt.Errorf("recording: %s holds files already", dir)
	}
	r := &Recorder{base: cfg.Base, dir: dir, given: rest.NewScrubber(cfg.Secrets...)}
	if r.base == nil {
		r.base = http.DefaultTransport
	}
	r.scrubber = r.given
	return r, nil
}

// Format implements fmt.Formatter: no verb shows a secret.
func (r *Recorder) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "recording in "+r.dir) }

// learn notes secrets to remove.
func (r *Recorder) learn(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.known)
	for _, secret := range secrets {
		if secret != "" && !slices.Contains(r.known, secret) {
			r.known, r.learned = append(r.known, secret), append(r.learned, rest.NewScrubber(secret))
		}
	}
	if len(r.known) > before {
		forget := max(0, len(r.known)-mostLearned)
		r.known, r.learned = slices.Delete(r.known, 0, forget), slices.Delete(r.learned, 0, forget)
		r.scrubber = r.given.With(r.learned...)
	}
}

func (r *Recorder) scrub(text string) string {
	r.mu.Lock()
	scrubber := r.scrubber
	r.mu.Unlock()
	return scrubber.Scrub(text)
}

// RoundTrip implements http.RoundTripper. An answer that cannot be saved is an
// error.
func (r *Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.learn(credentials(req)...)
	r.mu.Lock()
	r.asked++
	number := r.asked
	r.mu.Unlock()

	resp, err := r.base.RoundTrip(req)
	if req.Context().Err() != nil {
		return resp, err // whoever asked does not wait for the answer
	}
	saved := exchange{Request: requestOf(req, r.scrub)}
	if err != nil {
		saved.Error = r.scrub(err.Error())
		return nil, errors.Join(err, r.save(number, saved))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	_ = resp.Body.Close()
	if req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	if len(body) > MaxAnswer {
		body, err = body[:MaxAnswer], fmt.Errorf("recording: an answer of more than %d bytes", MaxAnswer)
	}
	if err != nil { // the body that came, and then the error
		saved.Error = r.scrub(err.Error())
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	} else {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	r.learn(secretsOf(body)...)
	saved.Status, saved.Header = resp.StatusCode, r.header(resp.Header)
	if json.Valid(body) {
		saved.Body = rewrite(body, r.scrub)
	} else {
		saved.Text = r.scrub(strings.ToValidUTF8(string(body), "�"))
	}
	if err := r.save(number, saved); err != nil {
		return nil, err
	}
	return resp, nil
}

func (r *Recorder) header(header http.Header) map[string][]string {
	kept := map[string][]string{}
	for name, values := range header {
		if headerForm.MatchString(name) {
			for _, value := range values {
				kept[name] = append(kept[name], r.scrub(value))
			}
		}
	}
	return kept
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// save writes one file.
func (r *Recorder) save(number int, saved exchange) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(saved); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	name := fmt.Sprintf("%06d-%s%s.json", number, strings.ToLower(saved.Request.Method), nameForm.ReplaceAllString(saved.Request.Path, "-"))
	if err := os.WriteFile(filepath.Join(r.dir, shorten(name)), text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

var nameForm = regexp.MustCompile(`[^A-Za-z0-9]+`)

// shorten keeps the name of a file within what file systems take.
func shorten(name string) string {
	const most = 80
	if len(name) <= most {
		return name
	}
	return name[:most-len(".json")] + ".json"
}

// credentials returns what a request proves its sender's right by.
func credentials(req *http.Request) []string {
	var secrets []string
	for _, name := range []string{"Authorization", "Dpop", "X-Api-Key"} {
		for _, value := range req.Header.Values(name) {
			if _, token, ok := strings.Cut(value, " "); ok {
				value = token // behind its scheme
			}
			// Each request has another proof of DPoP, and every secret that is known
			// is looked for in all that is saved. A proof is removed by its form.
			if name == "Dpop" && (rest.Scrubber{}).Scrub(value) == "[removed]" {
				continue
			}
			secrets = append(secrets, value)
		}
	}
	for _, cookie := range req.Cookies() {
		secrets = append(secrets, cookie.Value)
	}
	if _, password, ok := req.BasicAuth(); ok {
		secrets = append(secrets, password)
	}
	return secrets
}

// A Player is a transport that answers from a recording. It is safe for
// concurrent use.
//
// A request is answered with the answer that was saved for the same method, host,
// path and query; one that was asked several times, by its answers in turn, and
// from the first again after the last. A request that was not saved is an error.
type Player struct {
	files fs.FS

	mu      sync.Mutex
	answers map[request]*turn
}

type turn struct {
	names []string
	next  int
}

// Open reads what a recording holds.
func Open(files fs.FS) (*Player, error) {
	names, err := fs.Glob(files, "[0-9]*-*.json")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("recording: no recording: there are no files 000001-....json")
	}
	p := &Player{files: files, answers: map[request]*turn{}}
	for _, name := range names { // in the order of the names, which is that of the requests
		saved, err := p.read(name)
		if err != nil {
			return nil, err
		}
		answer := p.answers[saved.Request]
		if answer == nil {
			answer = &turn{}
			p.answers[saved.Request] = answer
		}
		answer.names = append(answer.names, name)
	}
	return p, nil
}

func (p *Player) read(name string) (exchange, error) {
	var saved exchange
	file, err := p.files.Open(name)
	if err != nil {
		return saved, err
	}
	defer func() { _ = file.Close() }()
	const most = 2 * MaxAnswer // with indentation
	data, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return saved, err
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		return saved, fmt.Errorf("recording: %s: %w", name, err)
	}
	if saved.Request.Method == "" {
		return saved, fmt.Errorf("recording: %s: request.method: required", name)
	}
	return saved, nil
}

// RoundTrip implements http.RoundTripper.
func (p *Player) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	asked := requestOf(req, rest.Scrubber{}.Scrub)
	name, ok := p.take(asked)
	if !ok {
		return nil, missing{asked}
	}
	saved, err := p.read(name)
	if err != nil {
		return nil, err
	}
	if saved.Status == 0 {
		return nil, lost{saved.Error}
	}
	body := hasten(saved.Body)
	if body == nil {
		body = []byte(saved.Text)
	}
	var reader io.Reader = bytes.NewReader(body)
	length := int64(len(body))
	if saved.Error != "" {
		reader, length = io.MultiReader(reader, failing{lost{saved.Error}}), -1
	}
	header := http.Header{}
	for name, values := range saved.Header {
		if !allowanceForm.MatchString(name) {
			header[name] = values
		}
	}
	if saved.Status > 299 {
		header.Set(retryAfter, "0")
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", saved.Status, http.StatusText(saved.Status)), StatusCode: saved.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(reader), ContentLength: length, Request: req,
	}, nil
}

// retryAfter is the header by which an answer says when to come again.
const retryAfter = "Retry-After"

// allowanceForm is which headers of an answer say that the next request should wait.
var allowanceForm = regexp.MustCompile(`(?i)^(?:retry-after|x-rate-?limit-remaining|ratelimit-[a-z]+|x-ms-[a-z-]*throttle[a-z-]*)$`)

// lost is a failure that was saved.
type lost struct{ text string }

func (l lost) Error() string { return l.text }

// RetryNow says that a repetition need not wait.
func (lost) RetryNow() {}

// missing is a request that was not saved.
type missing struct{ request }

func (m missing) Error() string { return "recording: there is no answer to " + m.String() }

// NonRetriable says that the request is not worth a repetition.
func (missing) NonRetriable() {}

// take returns the file of the next answer to a request.
func (p *Player) take(asked request) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, ok := p.answers[asked]
	if !ok {
		return "", false
	}
	name := answer.names[answer.next]
	answer.next = (answer.next + 1) % len(answer.names)
	return name, true
}
