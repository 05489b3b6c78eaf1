package rest

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// baseFunc is a server without a network, so that a test can control the time.
type baseFunc func(*http.Request) (*http.Response, error)

func (f baseFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// answer makes a response; header fields come in pairs of name and value.
func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
}

// inOrder gives the responses one after another, and counts them.
func inOrder(count *atomic.Int32, answers ...func() (*http.Response, error)) baseFunc {
	return func(req *http.Request) (*http.Response, error) {
		if req.Body != nil {
			defer req.Body.Close()
		}
		i := int(count.Add(1)) - 1
		return answers[min(i, len(answers)-1)]()
	}
}

func say(status int, body string, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) { return answer(status, body, header...), nil }
}

func TestGoodAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, defaultUserAgent, r.UserAgent())
		assert.Equal(t, "application/json", r.Header.Get("Accept"))
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_, _ = io.WriteString(w, `{"n": 7}`)
	}))
	defer server.Close()

	resp, err := New(Config{}).Get(t.Context(), server.URL+"/x?q=1")
	require.NoError(t, err)
	var got struct{ N int }
	require.NoError(t, Decode(resp, &got))
	assert.Equal(t, 7, got.N)
}

// The parameters of a content type say nothing about JSON.
func TestContentTypes(t *testing.T) {
	for _, value := range []string{
		"application/json", "Application/JSON", "application/scim+json", "application/json;", " application/json ; charset", "application/json;odata.metadata=minimal",
		"application/scim+json; charset=utf-8; charset=UTF-8", `application/problem+json; charset="utf-8`,
	} {
		var count atomic.Int32
		_, err := New(Config{Base: inOrder(&count, say(200, `{"name": "André"}`, "Content-Type", value))}).Get(t.Context(), "https://api.example/x")
		require.NoError(t, err, value)
	}
}

func TestBadAnswers(t *testing.T) {
	cases := map[string]struct {
		answer *http.Response
		want   error
		text   string
	}{
		"empty body":        {answer(200, ""), sources.ErrMalformed, "the answer is empty"},
		"blank body":        {answer(200, " \n"), sources.ErrMalformed, "the answer is empty"},
		"no content":        {answer(204, ""), sources.ErrMalformed, "the answer is empty"},
		"login page":        {answer(200, "<html>Log in</html>", "Content-Type", "text/html"), sources.ErrMalformed, "HTML page"},
		"plain text":        {answer(200, "ok", "Content-Type", "text/plain"), sources.ErrMalformed, `content type "text/plain"`},
		"not UTF-8":         {answer(200, "{\"name\": \"Andr\xe9\"}", "Content-Type", "application/json; charset=iso-8859-1"), sources.ErrMalformed, "not UTF-8"},
		"UTF-16":            {answer(200, "\xff\xfe[\x00]\x00", "Content-Type", "application/json"), sources.ErrMalformed, "not UTF-8"},
		"no content type":   {answer(200, "{}", "Content-Type", ""), sources.ErrMalformed, `content type ""`},
		"too large":         {answer(200, `"`+strings.Repeat("x", 100)+`"`), sources.ErrTooLarge, "more than 64 bytes"},
		"unauthorized":      {answer(401, `{"m": "expired"}`), sources.ErrUnauthorized, "401 Unauthorized: {\"m\": \"expired\"}"},
		"forbidden":         {answer(403, `{}`), sources.ErrForbidden, "403"},
		"not found":         {answer(404, `{}`), sources.ErrNotFound, "404"},
		"query too long":    {answer(414, ``), sources.ErrBadQuery, "414"},
		"header too long":   {answer(431, ``), sources.ErrBadQuery, "431"},
		"redirect":          {answer(302, ``, "Location", "https://evil.example/steal?x=1"), sources.ErrMalformed, "host evil.example"},
		"not implemented":   {answer(501, ``), sources.ErrUnavailable, "501"},
		"error page":        {answer(403, "<!DOCTYPE html><p>proxy"), sources.ErrForbidden, "HTML page"},
		"large error page":  {answer(400, strings.Repeat("y", 1000)), nil, "400 Bad Request"},
		"announced as huge": {&http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: 2 << 30, Body: http.NoBody}, sources.ErrTooLarge, "more than 64 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var count atomic.Int32
			tr := New(Config{MaxBody: 64, Base: inOrder(&count, func() (*http.Response, error) { return c.answer, nil })})
			_, err := tr.Get(t.Context(), "https://api.example/v1/users?secret=1")
			require.Error(t, err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			assert.Contains(t, err.Error(), "GET /v1/users")
			assert.Contains(t, err.Error(), c.text)
			assert.NotContains(t, err.Error(), "secret=1")
			assert.NotContains(t, err.Error(), "steal")
			assert.Equal(t, int32(1), count.Load(), "none of these passes by itself")
		})
	}
}

func TestExplain(t *testing.T) {
	var count atomic.Int32
	tr := New(Config{
		Base: inOrder(&count, say(403, `[{"errorCode":"LIMIT"}]`)),
		Explain: func(status int, body []byte) (string, error) {
			assert.Equal(t, 403, status)
			return "LIMIT: " + string(body), sources.ErrRateLimited
		},
	})
	_, err := tr.Get(t.Context(), "https://api.example/x")
	require.ErrorIs(t, err, sources.ErrRateLimited)
	assert.Contains(t, err.Error(), "LIMIT: [{")
	var failure *Error
	require.ErrorAs(t, err, &failure)
	assert.JSONEq(t, `[{"errorCode":"LIMIT"}]`, string(failure.Body))
}

// A connection that breaks inside an answer must not look like the end of the
// answer.
func TestAnswerCutOff(t *testing.T) {
	var count atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		count.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"records":[`)
	}))
	defer server.Close()
	_, err := New(Config{Attempts: 1}).Get(t.Context(), server.URL)
	require.ErrorIs(t, err, sources.ErrMalformed)
	assert.Contains(t, err.Error(), "cut off")
	assert.Equal(t, int32(1), count.Load())
}

func TestDecodeMalformed(t *testing.T) {
	for name, body := range map[string]string{
		"cut":           `{"records":[{"Id":`,
		"two values":    `{"n":1}{"n":2}`,
		"another type":  `{"n":"seven"}`,
		"not an object": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			var count atomic.Int32
			resp, err := New(Config{Base: inOrder(&count, say(200, body))}).Get(t.Context(), "https://api.example/x?q=1")
			require.NoError(t, err)
			err = Decode(resp, &struct{ N int }{})
			require.ErrorIs(t, err, sources.ErrMalformed)
			assert.Contains(t, err.Error(), "GET /x")
		})
	}
}

// keyAuth gives numbered keys and counts renewals.
type keyAuth struct {
	key, renewals int
	again         bool
	err           error
}

func (a *keyAuth) Authorize(req *http.Request) error {
	if a.err != nil {
		return a.err
	}
	req.Header.Set("Authorization", "Bearer key-number-"+string(rune('0'+a.key)))
	return nil
}

func (a *keyAuth) Renew(*http.Request, *Error) (bool, error) {
	a.renewals++
	a.key++
	return a.again, nil
}

func TestRenewsOnce(t *testing.T) {
	var count atomic.Int32
	var keys []string
	var bodies []string
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		count.Add(1)
		keys = append(keys, req.Header.Get("Authorization"))
		body, err := io.ReadAll(req.Body)
		require.NoError(t, err)
		bodies = append(bodies, string(body))
		if count.Load() == 1 {
			return answer(401, `{}`), nil
		}
		return answer(200, `{}`), nil
	})
	auth := &keyAuth{again: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.example/x", strings.NewReader("hello"))
	require.NoError(t, err)
	_, err = New(Config{Base: base, Auth: auth}).RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, []string{"Bearer key-number-0", "Bearer key-number-1"}, keys)
	assert.Equal(t, []string{"hello", "hello"}, bodies, "the body is sent again in full")
	assert.Empty(t, req.Header.Get("Authorization"), "the caller's request is not changed")
}

func TestRenewalThatDoesNotHelp(t *testing.T) {
	for _, again := range []bool{true, false} {
		var count atomic.Int32
		auth := &keyAuth{again: again}
		tr := New(Config{Base: inOrder(&count, say(401, `{}`)), Auth: auth})
		_, err := tr.Get(t.Context(), "https://api.example/x")
		require.ErrorIs(t, err, sources.ErrUnauthorized)
		assert.Equal(t, 1, auth.renewals)
	}
}

// A failed login is not the failure of the request: it is neither repeated nor
// wrapped.
func TestAuthErrorStays(t *testing.T) {
	var count atomic.Int32
	refused := Wrap("acme", "token", &Error{Method: "POST", Path: "/token", Status: 503, temporary: true})
	tr := New(Config{Base: inOrder(&count, say(200, `{}`)), Auth: &keyAuth{err: refused}})
	_, err := tr.Get(t.Context(), "https://api.example/x")
	assert.Equal(t, refused, err)
	assert.Equal(t, refused, Wrap("acme", "list users", err), "the first operation named is the one that failed")
	assert.Zero(t, count.Load())
}

func TestCertificateErrorIsNotRepeated(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := New(Config{}).Get(t.Context(), server.URL)
	require.ErrorIs(t, err, sources.ErrUnavailable)
	var failure *Error
	require.ErrorAs(t, err, &failure)
	assert.False(t, failure.temporary)
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	base := baseFunc(func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, errors.New("connection lost")
	})
	_, err := New(Config{Base: base}).Get(ctx, "https://api.example/x")
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, sources.ErrUnavailable, "the provider is not to blame")
}

func TestNotAnAddress(t *testing.T) {
	_, err := New(Config{}).Get(t.Context(), "https://api.example/%zz?token=abcdef")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "abcdef")
}
