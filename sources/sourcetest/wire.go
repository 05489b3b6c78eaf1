package sourcetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// forever is the number of a request that is never made.
const forever = math.MaxInt

// A wire is the transport between a source and a provider. It numbers the requests
// from 0, disturbs those in a range of numbers, and records what the source does
// not close.
type wire struct {
	base   http.RoundTripper
	links  []string
	aside  func(*http.Request) bool       // reports requests that are not the source's; nil: none
	before func(n int, req *http.Request) // called before each request

	from, to int
	harm     harm

	mu        sync.Mutex
	requests  int
	harmed    int
	open      int      // answers whose body was not closed
	strangers []string // other hosts to which requests were sent
	last      *exchange
}

// An exchange is a request with its complete answer.
type exchange struct {
	request *http.Request
	status  int
	header  http.Header
	body    []byte
}

// A harm disturbs one exchange. It gets the good answer from get, unless the
// request must not arrive.
type harm func(w *wire, req *http.Request, get func() (*exchange, error)) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if w.aside != nil && w.aside(req) {
		return w.base.RoundTrip(req)
	}
	w.mu.Lock()
	n := w.requests
	w.requests++
	harmed := w.harm != nil && n >= w.from && n < w.to
	if harmed {
		w.harmed++
	}
	stranger := !strings.HasPrefix(address, req.URL.Scheme+"://"+req.URL.Host)
	if stranger {
		w.strangers = append(w.strangers, req.URL.Host)
	}
	w.mu.Unlock()
	if w.before != nil {
		w.before(n, req)
	}
	if stranger {
		closeBody(req)
		return w.answer(&exchange{request: req, status: 200, header: jsonHeader(), body: []byte("{}")}, nil), nil
	}
	get := func() (*exchange, error) {
		resp, err := w.base.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return &exchange{req, resp.StatusCode, resp.Header, body}, err
	}
	if harmed {
		return w.harm(w, req, get)
	}
	x, err := get()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.last = x
	w.mu.Unlock()
	return w.answer(x, nil), nil
}

// answer makes the response of an exchange and records whether its body is closed.
// If body is not nil, it takes the place of the exchange's body.
func (w *wire) answer(x *exchange, body io.Reader) *http.Response {
	if body == nil {
		body = bytes.NewReader(x.body)
	}
	w.mu.Lock()
	w.open++
	w.mu.Unlock()
	return &http.Response{
		StatusCode: x.status, Status: strconv.Itoa(x.status) + " " + http.StatusText(x.status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: x.header, Body: &counted{Reader: body, wire: w}, ContentLength: int64(len(x.body)), Request: x.request,
	}
}

// counted is a body that tells its wire when it is closed.
type counted struct {
	io.Reader
	wire *wire
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.wire.mu.Lock()
		c.wire.open--
		c.wire.mu.Unlock()
	})
	return nil
}

func (w *wire) met() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.harmed
}

// left returns what the source did not close, and the other hosts that it asked.
func (w *wire) left() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.open > 0:
		return errors.New(strconv.Itoa(w.open) + " answers were not closed")
	case len(w.strangers) > 0:
		return errors.New("a request went to another host, " + w.strangers[0])
	}
	return nil
}

func closeBody(req *http.Request) []byte {
	if req.Body == nil {
		return nil
	}
	defer req.Body.Close()
	body, _ := io.ReadAll(req.Body)
	return body
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }

// harms are the disturbances of an exchange, by name.
var harms = map[string]harm{
	"cut body": changed(func(w *wire, x *exchange) *http.Response {
		half := io.MultiReader(bytes.NewReader(x.body[:len(x.body)/2]), errorReader{io.ErrUnexpectedEOF})
		return w.answer(x, half)
	}),
	"empty answer":  refusal(http.StatusOK, jsonHeader(), ""),
	"no content":    refusal(http.StatusNoContent, nil, ""),
	"another shape": refusal(http.StatusOK, jsonHeader(), `{"result":"see the new API"}`),
	"null":          refusal(http.StatusOK, jsonHeader(), `null`),
	"login page":    refusal(http.StatusOK, http.Header{"Content-Type": {"text/html"}}, "<html>Sign in</html>"),
	"429":           refusal(http.StatusTooManyRequests, http.Header{"Content-Type": {"application/json"}, "Retry-After": {"2"}}, `{}`),
	"bare 429":      refusal(http.StatusTooManyRequests, nil, ""),
	"500":           refusal(http.StatusInternalServerError, jsonHeader(), `{}`),
	"502":           refusal(http.StatusBadGateway, http.Header{"Content-Type": {"text/html"}}, "<html><h1>502 Bad Gateway</h1></html>"),
	"503":           refusal(http.StatusServiceUnavailable, jsonHeader(), `{}`),
	"401":           refusal(http.StatusUnauthorized, jsonHeader(), `{}`),
	"redirect":      refusal(http.StatusFound, http.Header{"Location": {"http://127.0.0.1:6666/elsewhere"}}, ""),
	"lost connection": func(_ *wire, req *http.Request, _ func() (*exchange, error)) (*http.Response, error) {
		closeBody(req)
		return nil, io.EOF
	},
	"slow bytes": changed(func(w *wire, x *exchange) *http.Response {
		return w.answer(x, &slow{ctx: x.request.Context().Done(), Reader: bytes.NewReader(x.body)})
	}),
	"merged links": changed(func(w *wire, x *exchange) *http.Response {
		if links := x.header.Values("Link"); len(links) > 1 {
			x.header.Set("Link", strings.Join(links, ", "))
		}
		return w.answer(x, nil)
	}),
	"repeated answer": func(w *wire, _ *http.Request, get func() (*exchange, error)) (*http.Response, error) {
		x, err := get()
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		last := w.last
		w.mu.Unlock()
		if last != nil && last.request.URL.Path == x.request.URL.Path {
			x = last
		}
		return w.answer(x, nil), nil
	},
	"repeated link": changed(func(w *wire, x *exchange) *http.Response {
		w.mu.Lock()
		last := w.last
		w.mu.Unlock()
		if last != nil && last.request.URL.Path == x.request.URL.Path {
			w.relink(x, func(string, string) string { return "" }, last)
		}
		return w.answer(x, nil)
	}),
	"foreign link": changed(func(w *wire, x *exchange) *http.Response {
		w.relink(x, func(name, link string) string { return foreign(name, link) }, nil)
		return w.answer(x, nil)
	}),
}

// refusal is an answer that is not the provider's. It repeats the header and the
// body of the request, so that a source which shows answers unfiltered shows a
// secret.
func refusal(status int, header http.Header, body string) harm {
	return func(w *wire, req *http.Request, _ func() (*exchange, error)) (*http.Response, error) {
		sent := closeBody(req)
		text := body
		if status >= 300 && body == "{}" {
			echo, _ := json.Marshal(map[string]string{
				"message": "refused: " + req.Header.Get("Authorization") + " " + req.URL.RawQuery + " " + string(sent),
			})
			text = string(echo)
		}
		h := header.Clone()
		if h == nil {
			h = make(http.Header)
		}
		return w.answer(&exchange{req, status, h, []byte(text)}, nil), nil
	}
}

// changed returns a good answer with a change.
func changed(change func(*wire, *exchange) *http.Response) harm {
	return func(w *wire, _ *http.Request, get func() (*exchange, error)) (*http.Response, error) {
		x, err := get()
		if err != nil {
			return nil, err
		}
		return change(w, x), nil
	}
}

// relink replaces the links to the next page in an answer: by the result of link,
// or by those of another answer.
func (w *wire) relink(x *exchange, link func(name, link string) string, other *exchange) {
	var members map[string]json.RawMessage
	if json.Unmarshal(x.body, &members) != nil {
		members = nil
	}
	var otherMembers map[string]json.RawMessage
	if other != nil {
		_ = json.Unmarshal(other.body, &otherMembers)
	}
	replaced := false
	for _, name := range w.links {
		if values := x.header.Values(name); len(values) > 0 {
			if other != nil {
				x.header[http.CanonicalHeaderKey(name)] = slices.Clone(other.header.Values(name))
			} else {
				for i, value := range values { // a header line has one link
					values[i] = link(name, value)
				}
			}
		}
		var value string
		if json.Unmarshal(members[name], &value) == nil && value != "" {
			if other != nil {
				members[name] = otherMembers[name]
			} else {
				members[name], _ = json.Marshal(link(name, value))
			}
			replaced = true
		}
	}
	if replaced {
		x.body, _ = json.Marshal(members)
	}
}

// foreign changes a link to lead to another host. A cursor stays as it is.
func foreign(name, link string) string {
	const elsewhere = "http://127.0.0.1:6666"
	if name == "Link" {
		return strings.ReplaceAll(link, address, elsewhere)
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" && !strings.HasPrefix(link, "/") {
		return link
	}
	return elsewhere + u.RequestURI()
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// slow yields one byte a second, until the request ends.
type slow struct {
	ctx <-chan struct{}
	io.Reader
}

func (s *slow) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return s.Reader.Read(p[:min(len(p), 1)])
	case <-s.ctx:
		return 0, errors.New("the connection was closed")
	}
}
