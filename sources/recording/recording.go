// Package recording saves a provider's answers, so that a reading of its directory
// can be repeated without the provider. A report of a fault is then a folder.
//
//	recorder, err := recording.New(dir, recording.Config{Secrets: []string{token}})
//	src, err := okta.New(okta.Config{Token: token, Transport: recorder, ...})
//	snapshot, err := sources.Collect(ctx, src, sources.CollectConfig{})
//
//	player, err := recording.Open(os.DirFS(dir))
//	src, err = okta.New(okta.Config{Token: "any", Transport: player, ...})
//
// Each answer is a file. The files are numbered in the order of the requests and
// hold the request's method, path and query:
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
// No credential is saved. Of a request, neither header nor body is saved. Of an
// answer, only the headers that matter to a reading are saved: type and date, links
// and cursors, totals, rate limits. From bodies, addresses and headers, the
// Recorder removes the secrets that it is given, the credentials of requests, the
// results of logins, and texts that have the form of a token. A secret of less than
// four characters is too common a text, and is removed only where its name is that
// of a secret. People's names and addresses stay: a recording is as confidential as
// the directory.
//
// # What is not replayed
//
// A replay does not wait. It leaves allowances (X-Rate-Limit-Remaining and the
// like) out of the answers, and a refusal, also inside a batch, allows an immediate
// repetition.
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

// An exchange is one request with its answer, in the form of a file.
type exchange struct {
	Request request `json:"request"`
	// Error is the error of a request without an answer.
	Error  string              `json:"error,omitempty"`
	Status int                 `json:"status,omitempty"`
	Header map[string][]string `json:"header,omitempty"`
	// Body is the answer if it is JSON, Text if it is not.
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

// requestOf returns the parts of a request that are saved.
func requestOf(req *http.Request, scrub func(string) string) request {
	return request{Method: req.Method, Host: req.URL.Host, Path: scrub(req.URL.EscapedPath()), Query: scrub(req.URL.RawQuery)}
}

// headerForm matches the headers of an answer that are saved.
var headerForm = regexp.MustCompile(`(?i)^(?:content-type|date|link|location|retry-after|x-rate-?limit-[a-z]+|ratelimit-[a-z]+|` +
	`total-(?:count|pages)|current-page|page-items|(?:after-|before-)?cursor|sforce-limit-info|rippling-api-version|x-ms-[a-z-]*(?:resource-unit|throttle)[a-z-]*)$`)

// maxAnswer is the largest answer that is saved, in bytes.
const maxAnswer = 256 << 20

// Config configures a Recorder. The zero value is useful. A Config that is printed,
// logged or encoded shows no secret.
type Config struct {
	redacted

	// Base sends the requests. Defaults to http.DefaultTransport.
	Base http.RoundTripper
	// Secrets are the source's credentials: tokens, passwords, keys.
	Secrets []string
}

// redacted keeps the secrets of a Config out of what prints it.
type redacted = rest.Redacted

// A Recorder is a transport that saves the answers to its requests. It is safe for
// concurrent use.
type Recorder struct {
	base http.RoundTripper
	dir  string

	mu       sync.Mutex
	asked    int // requests so far
	given    rest.Scrubber
	known    []string        // the secrets behind learned
	learned  []rest.Scrubber // scrubbers of learned secrets, the oldest first; at most mostLearned
	scrubber rest.Scrubber   // removes given and learned secrets
}

const (
	// mostLearned is how many secrets are remembered besides those that are given,
	// because each costs a search through all that is saved. That is enough for the
	// credentials of some hours.
	mostLearned = 64
	// mostOfLogin is the largest number of secrets that a login gives. An answer
	// with more is a list of things that have the names of secrets; their values
	// are removed by name.
	mostOfLogin = 8
	// minOfLogin is the smallest length in bytes of a value in an answer that is a
	// secret by its name. A shorter one may be an ordinary word.
	minOfLogin = 8
)

// New returns a Recorder that saves into a directory, which it creates. It is an
// error if the directory has files already, since two recordings would mix.
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

// learn remembers secrets, to remove them.
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

// RoundTrip implements http.RoundTripper. If an answer cannot be saved, or has more
// than 256 MiB, it returns an error.
func (r *Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.learn(credentials(req)...)
	r.mu.Lock()
	r.asked++
	number := r.asked
	r.mu.Unlock()

	resp, err := r.base.RoundTrip(req)
	if req.Context().Err() != nil {
		return resp, err // the caller has cancelled the request
	}
	saved := exchange{Request: requestOf(req, r.scrub)}
	if err != nil {
		saved.Error = r.scrub(err.Error())
		return nil, errors.Join(err, r.save(number, saved))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	_ = resp.Body.Close()
	if req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	if len(body) > maxAnswer {
		body, err = body[:maxAnswer], fmt.Errorf("recording: an answer of more than %d bytes", maxAnswer)
	}
	if err != nil { // the body as far as it came, and then the error
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

// shorten shortens the name of a file to the length that file systems allow.
func shorten(name string) string {
	const most = 80
	if len(name) <= most {
		return name
	}
	return name[:most-len(".json")] + ".json"
}

// credentials returns the credentials of a request.
func credentials(req *http.Request) []string {
	var secrets []string
	for _, name := range []string{"Authorization", "Dpop", "X-Api-Key"} {
		for _, value := range req.Header.Values(name) {
			if _, token, ok := strings.Cut(value, " "); ok {
				value = token // the part behind the scheme
			}
			// Each request has another DPoP proof, and every known secret costs a
			// search through all that is saved. A proof is removed by its form.
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

// A Player is a transport that answers from a recording. It is safe for concurrent
// use.
//
// It answers a request with the answer that was saved for the same method, host,
// path and query. If several were saved, it gives them in turn, and begins again
// after the last. A request that was not saved is an error.
type Player struct {
	files fs.FS

	mu      sync.Mutex
	answers map[request]*turn
}

type turn struct {
	names []string
	next  int
}

// Open reads a recording.
func Open(files fs.FS) (*Player, error) {
	names, err := fs.Glob(files, "[0-9]*-*.json")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("recording: no recording: there are no files 000001-....json")
	}
	p := &Player{files: files, answers: map[request]*turn{}}
	for _, name := range names { // the order of the names is that of the requests
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
	const most = 2 * maxAnswer // indentation makes a file larger than its answer
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

// allowanceForm matches the headers of an answer which say that the next request
// should wait.
var allowanceForm = regexp.MustCompile(`(?i)^(?:retry-after|x-rate-?limit-remaining|ratelimit-[a-z]+|x-ms-[a-z-]*throttle[a-z-]*)$`)

// lost is a saved failure.
type lost struct{ text string }

func (l lost) Error() string { return l.text }

// RetryNow says that a repetition need not wait.
func (lost) RetryNow() {}

// missing is a request that was not saved.
type missing struct{ request }

func (m missing) Error() string { return "recording: there is no answer to " + m.String() }

// NonRetriable says that a repetition of the request will fail, too.
func (missing) NonRetriable() {}

// take returns the file with the next answer to a request.
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
