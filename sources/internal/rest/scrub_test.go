package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
)

func TestErrorsCarryNoSecret(t *testing.T) {
	const (
		jwt     = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
		session = "00D000000000001!AQ4AQFakeSessionKey.xyz_1"
	)
	for name, body := range map[string]string{
		"JSON token":       `{"access_token": "s3cr3t-value", "x": 1}`,
		"form":             `grant_type=refresh&refresh_token=s3cr3t-value&client_secret=s3cr3t-value`,
		"escaped quote":    `{"client_secret":"a\"s3cr3t-value"}`,
		"JWT":              `assertion ` + jwt + ` is expired`,
		"bearer":           `invalid header: Authorization: Bearer s3cr3t-value`,
		"session":          `session ` + session + ` is gone`,
		"session in query": `GET /x?sid=` + session,
		"configured":       `do not print configured-s3cr3t-value here`,
		"credentials":      `who is key-number-0?`,
		"address":          `see https://login.example/p?start=s3cr3t-value for more`,
	} {
		t.Run(name, func(t *testing.T) {
			var count atomic.Int32
			tr := New(Config{
				Base: inOrder(&count, say(400, body)), Auth: &keyAuth{},
				Secrets: []string{"configured-s3cr3t-value", ""},
			})
			_, err := tr.Get(t.Context(), "https://api.example/x?q=s3cr3t-value")
			require.Error(t, err)
			for _, secret := range []string{"s3cr3t-value", jwt, "c2lnbmF0dXJl", "FakeSessionKey", "key-number-0"} {
				assert.NotContains(t, err.Error(), secret)
				assert.NotContains(t, Wrap("acme", "list users", err).Error(), secret)
			}
			assert.Contains(t, err.Error(), "[removed]")
		})
	}
}

func TestExcerptIsShortAndOnOneLine(t *testing.T) {
	tr := New(Config{})
	req := &http.Request{Header: http.Header{}}
	assert.Equal(t, "two lines", tr.excerpt(req, []byte("two\r\n\x00 lines\t")))
	long := tr.excerpt(req, []byte(strings.Repeat("é\xff", 5000)))
	assert.True(t, utf8.ValidString(long))
	assert.Equal(t, maxExcerpt+1, utf8.RuneCountInString(long))
	assert.Equal(t, `{"error":{"code":"Request_ResourceNotFound"}}`,
		tr.excerpt(req, []byte(`{"error":{"code":"Request_ResourceNotFound"}}`)), "error codes stay readable")
}

// An http.Client shows the address with its query in its errors.
func TestWrapRemovesTheAddress(t *testing.T) {
	cause := &Error{Method: "GET", Path: "/x", Status: 503, Reason: sources.ErrUnavailable, Detail: "down"}
	err := Wrap("acme", "list users", &url.Error{Op: "Get", URL: "https://api.example/x?token=s3cr3t", Err: cause})
	assert.Equal(t, "acme: list users: provider unavailable: GET /x: 503 Service Unavailable: down", err.Error())
	require.ErrorIs(t, err, sources.ErrUnavailable)

	err = Wrap("acme", "list users", &url.Error{Op: "Get", URL: "https://api.example/x?token=s3cr3t", Err: errors.New("stopped")})
	assert.Equal(t, "acme: list users: stopped", err.Error())
	assert.Equal(t, "acme: list users: odd", Wrap("acme", "list users", fmt.Errorf("odd")).Error())
}

func TestBaseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://login.salesforce.com":  "https://login.salesforce.com",
		"https://acme.my.example.com/":  "https://acme.my.example.com",
		"https://acme.example/a/b/":     "https://acme.example/a/b",
		"http://127.0.0.1:8080":         "http://127.0.0.1:8080",
		"http://[::1]:8080":             "http://[::1]:8080",
		"http://localhost:1":            "http://localhost:1",
		"HTTPS://EXAMPLE.com":           "https://EXAMPLE.com",
		"https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
	} {
		u, err := BaseURL("BaseURL", raw)
		require.NoError(t, err, raw)
		assert.Equal(t, want, u.String())
	}
	for _, raw := range []string{
		"", "login.salesforce.com", "http://login.salesforce.com", "ftp://127.0.0.1", "https://", "https://:443",
		"https://user:pw@example.com", "https://example.com?x=1", "https://example.com/#f", "://", "http://127.0.0.1.evil.example",
	} {
		_, err := BaseURL("BaseURL", raw)
		require.ErrorContains(t, err, "BaseURL: want", raw)
		assert.NotContains(t, err.Error(), "pw")
	}
}

func TestNextLink(t *testing.T) {
	from, err := url.Parse("https://acme.example/services/query?q=1")
	require.NoError(t, err)
	for link, want := range map[string]string{
		"/services/query/01g-2000":             "https://acme.example/services/query/01g-2000",
		"https://acme.example/x?after=2":       "https://acme.example/x?after=2",
		"https://ACME.example/x":               "https://ACME.example/x",
		"?after=3":                             "https://acme.example/services/query?after=3",
		"/services/query/%2e%2e/01g?x=a%20b#f": "https://acme.example/services/query/%2e%2e/01g?x=a%20b#f",
	} {
		next, err := NextLink(from, link)
		require.NoError(t, err, link)
		assert.Equal(t, want, next.String())
	}
	for _, link := range []string{
		"https://evil.example/x", "//evil.example/x", "http://acme.example/x", "https://acme.example:8443/x",
		"https://u:p@acme.example/x", "https://acme.example.evil.example/x", "%zz", "mailto:x@y",
	} {
		_, err := NextLink(from, link)
		require.Error(t, err, link)
	}
}

// A server repeats what it received, in any spelling.
func TestEchoesInEverySpelling(t *testing.T) {
	const given = `p+ä/"q& 's\=1`
	header := http.Header{"Authorization": {"Bearer tok/en+€!"}}
	for name, text := range map[string]string{
		"as it is":               given,
		"form":                   url.QueryEscape(given),
		"path":                   url.PathEscape(given),
		"lower case hex":         strings.ToLower(url.QueryEscape(given)),
		"every byte":             percentEncoded(given),
		"twice":                  url.QueryEscape(url.QueryEscape(given)),
		"JSON":                   `p+ä\/\"q\u0026 's\\=1`,
		"JSON, ASCII only":       `p\u002b\u00E4/\u0022q\u0026 \u0027s\u005c=1`,
		"HTML":                   html.EscapeString(given),
		"HTML, hexadecimal":      `p&#x2B;&#xe4;/&quot;q&amp; &apos;s&#092;=1`,
		"the token as it is":     "tok/en+€!",
		"the token, in a form":   url.QueryEscape("tok/en+€!"),
		"the token, in JSON":     `tok\/en+\u20ac!`,
		"the token, as entities": "tok&#47;en&#43;&#x20AC;!",
	} {
		tr := New(Config{Secrets: []string{given, "abc"}})
		got := tr.excerpt(&http.Request{Header: header}, []byte("before "+text+" behind abc"))
		assert.Equal(t, "before [removed] behind abc", got, name)
	}
}

func percentEncoded(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

// For any secret, its usual spellings are found.
func TestAnySecretIsRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringN(4, 60, -1).Draw(t, "secret")
		quoted, err := json.Marshal(secret)
		require.NoError(t, err)
		for _, text := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret), string(quoted[1 : len(quoted)-1])} {
			assert.Equal(t, removed, echoes(secret).ReplaceAllString(text, removed), "%q", text)
		}
	})
}

// A config that is printed, logged or stored shows no secret.
func TestConfigShowsNoSecret(t *testing.T) {
	shown := resttest.Shown(t, Config{Auth: &keyAuth{}, Secrets: []string{"s3cr3t-value"}, MaxBody: 5, Timeout: time.Second})
	assert.Contains(t, shown, "value=[removed]")
	assert.Contains(t, shown, `"value":"[removed]"`)
	assert.NotContains(t, shown, "s3cr3t")
	assert.NotContains(t, shown, "733363723374") // in hexadecimal
}
