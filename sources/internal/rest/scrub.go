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
)

// maxExcerpt is how many characters of an answer an error shows at most.
const maxExcerpt = 200

// Whatever has one of these forms is a secret, whoever sent it.
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

// secretNames are what secrets are called.
const secretNames = `access_?token|refresh_?token|id_?token|client_?secret|client_?assertion|assertion|password|session_?id|sid|api_?key|signature`

var (
	secretName   = regexp.MustCompile(`(?i)^(?:` + secretNames + `)$`)
	addressQuery = regexp.MustCompile(`(https?://[^\s"'<>?]*)\?[^\s"'<>]*`)
)

// SecretName reports whether a value of that name is a secret.
func SecretName(name string) bool { return secretName.MatchString(name) }

// A Scrubber removes secrets from texts. The zero value knows none, and removes
// what has the form of one.
type Scrubber struct{ known []echo }

// An echo returns an expression for a secret in every spelling. It is made when it is
// first needed, which most are not.
type echo func() *regexp.Regexp

func echoOf(secret string) echo {
	return sync.OnceValue(func() *regexp.Regexp { return echoes(secret) })
}

// NewScrubber returns a Scrubber that removes the given secrets, however they are
// spelled, and what has the form of one.
func NewScrubber(secrets ...string) Scrubber {
	var s Scrubber
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			s.known = append(s.known, echoOf(secret))
		}
	}
	return s
}

// With returns a Scrubber that removes the secrets of others as well.
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

// excerpt returns the beginning of text on one line, without secrets: neither
// the configured ones, nor the credentials of req, nor anything that has the
// form of a token, nor the query of an address. It scrubs before it cuts, so that
// no half of a secret stays.
func (t *Transport) excerpt(req *http.Request, text []byte) string {
	s := strings.ToValidUTF8(string(text[:min(len(text), maxErrorBody)]), "�")
	if _, credentials, _ := strings.Cut(req.Header.Get("Authorization"), " "); len(credentials) >= minSecret {
		latest := t.latest.Load()
		if latest == nil || latest.credentials != credentials {
			latest = &sent{credentials, echoOf(credentials)}
			t.latest.Store(latest)
		}
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

// sent are the credentials that requests carry, as long as they carry the same.
type sent struct {
	credentials string
	echo        echo
}

const (
	removed   = "[removed]"
	minSecret = 4 // bytes; what is shorter cannot be told from ordinary text
)

// echoes returns an expression for a secret in every spelling in which an answer
// may repeat it: each character as it is, percent-encoded (RFC 3986, section 2.1,
// once or several times over; as +, if it is a space), as an escape of JSON (RFC
// 8259, section 7), or as a character reference of HTML.
func echoes(secret string) *regexp.Regexp {
	var b strings.Builder
	for _, r := range secret {
		b.WriteString("(?:(?i:") // longer spellings first: they may begin with a shorter one
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
	return regexp.MustCompile(regexp.QuoteMeta(secret)) // one of megabytes
}

// jsonEscapes are what follows the backslash in the short escapes of JSON.
var jsonEscapes = map[rune]string{
	'"': `"`, '\\': `\`, '/': "/", '\b': "b", '\f': "f", '\n': "n", '\r': "r", '\t': "t",
}

// references are the character references that HTML has names for and that are
// written as a matter of course.
var references = map[rune]string{'&': "amp", '<': "lt", '>': "gt", '"': "quot", '\'': "apos"}
