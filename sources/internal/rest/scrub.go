package rest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"

	"github.com/usher-go/usher/internal/redact"
)

// maxExcerpt is how many characters of an answer an error shows at most.
const maxExcerpt = 200

// secretForms are texts that are secrets by their form alone.
var secretForms = []secretForm{
	// A named secret in JSON, a form or a query.
	{regexp.MustCompile(`(?i)("?\b(?:` + secretNames + `)"?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|[^\s&,;}]+)`), "${1}[removed]"},
	// The value of an Authorization header.
	{regexp.MustCompile(`(?i)\b(bearer|basic|ssws|dpop)\s+[A-Za-z0-9._~+/=!-]{6,}`), "${1} [removed]"},
	// A JSON Web Token.
	{regexp.MustCompile(`eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`), "[removed]"},
	// A Salesforce session: the org's ID, an exclamation mark and the key.
	{regexp.MustCompile(`00D[A-Za-z0-9]{12,15}(?:!|%21)[A-Za-z0-9._%]+`), "[removed]"},
}

type secretForm struct {
	form *regexp.Regexp
	keep string
}

// secretNames are the names of secrets, as a regular expression.
const secretNames = `access_?token|refresh_?token|id_?token|client_?secret|client_?assertion|assertion|password|session_?id|sid|api_?key|signature`

var (
	secretName   = regexp.MustCompile(`(?i)^(?:` + secretNames + `)$`)
	addressQuery = regexp.MustCompile(`(https?://[^\s"'<>?]*)\?[^\s"'<>]*`)
)

// SecretName reports whether a value with that name is a secret.
func SecretName(name string) bool { return secretName.MatchString(name) }

// A Scrubber removes secrets from texts: those that it knows, and texts that have
// the form of a secret. The zero value knows none.
type Scrubber struct{ known []echo }

// An echo returns an expression that matches a secret in every spelling. Most are
// never needed, so it is compiled at the first call.
type echo func() *regexp.Regexp

func echoOf(secret string) echo {
	return sync.OnceValue(func() *regexp.Regexp { return echoes(secret) })
}

// NewScrubber returns a Scrubber that knows the given secrets.
func NewScrubber(secrets ...string) Scrubber {
	var s Scrubber
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			s.known = append(s.known, echoOf(secret))
		}
	}
	return s
}

// With returns a Scrubber that also knows the secrets of others.
func (s Scrubber) With(others ...Scrubber) Scrubber {
	all := Scrubber{slices.Clone(s.known)}
	for _, other := range others {
		all.known = append(all.known, other.known...)
	}
	return all
}

// Scrub returns a text without its secrets.
func (s Scrubber) Scrub(text string) string {
	for _, secret := range s.known {
		text = secret().ReplaceAllString(text, removed)
	}
	for _, secret := range secretForms {
		text = secret.form.ReplaceAllString(text, secret.keep)
	}
	return text
}

// remember keeps the credentials of a request as the latest and returns them. Of a
// request without credentials, it returns the latest, or nil if there are none.
func (t *Transport) remember(req *http.Request) *sent {
	_, credentials, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	latest := t.latest.Load()
	if len(credentials) >= minSecret && (latest == nil || latest.credentials != credentials) {
		latest = &sent{credentials, echoOf(credentials)}
		t.latest.Store(latest)
	}
	return latest
}

// excerpt returns the beginning of text on one line, without secrets: those of the
// configuration, the credentials of req (the latest, if req is a part of a batch and has
// none), texts with the form of a token, and queries of addresses. It removes
// secrets before it shortens the text, so that no part of a secret stays.
func (t *Transport) excerpt(req *http.Request, text []byte) string {
	s := strings.ToValidUTF8(string(text[:min(len(text), maxErrorBody)]), "�")
	if latest := t.remember(req); latest != nil {
		s = latest.echo().ReplaceAllString(s, removed)
	}
	s = addressQuery.ReplaceAllString(t.scrubber.Scrub(s), "${1}?"+removed)
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(s); len(runes) > maxExcerpt {
		s = string(runes[:maxExcerpt]) + "…"
	}
	return s
}

// sent holds the credentials of the latest request, and the expression for them.
type sent struct {
	credentials string
	echo        echo
}

const (
	removed   = redact.Removed
	minSecret = 4 // bytes; a shorter text is too common to be removed
)

// echoes returns an expression that matches a secret in every spelling that an
// answer may use: for each character as it is, percent-encoded any number of times
// (RFC 3986, section 2.1; a space also as +), as an escape of JSON (RFC 8259,
// section 7), or as a character reference of HTML.
func echoes(secret string) *regexp.Regexp {
	var b strings.Builder
	for _, r := range secret {
		b.WriteString("(?:(?i:") // longer spellings come first: they may begin with a shorter one
		for i := range []byte(string(r)) {
			fmt.Fprintf(&b, "%%(?:25)*%02x", string(r)[i])
		}
		b.WriteByte('|')
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\\u%04x`, unit)
		}
		fmt.Fprintf(&b, "|&#(?:0*%d|x0*%x);", r, r)
		if r == ' ' {
			b.WriteString(`|\+|%(?:25)*2b`)
		}
		if letter, ok := jsonEscapes[r]; ok {
			b.WriteString(`|\\` + regexp.QuoteMeta(letter))
		}
		if name, ok := references[r]; ok {
			b.WriteString("|&" + name + ";")
		}
		b.WriteString(")|" + regexp.QuoteMeta(string(r)) + ")")
	}
	if form, err := regexp.Compile(b.String()); err == nil {
		return form
	}
	return regexp.MustCompile(regexp.QuoteMeta(secret)) // the secret is too long for such an expression
}

// jsonEscapes are the short escapes of JSON, without the backslash.
var jsonEscapes = map[rune]string{
	'"': `"`, '\\': `\`, '/': "/", '\b': "b", '\f': "f", '\n': "n", '\r': "r", '\t': "t",
}

// references are the named character references of HTML that encoders commonly
// write.
var references = map[rune]string{'&': "amp", '<': "lt", '>': "gt", '"': "quot", '\'': "apos"}
