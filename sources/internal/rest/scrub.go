package rest

import (
	"net/http"
	"regexp"
	"strings"
	"unicode"
)

// maxExcerpt is how many characters of an answer an error shows at most.
const maxExcerpt = 200

// Whatever has one of these forms is a secret, whoever sent it.
var secretForms = []struct {
	form *regexp.Regexp
	keep string
}{
	// A named secret in JSON, a form or a query.
	{regexp.MustCompile(`(?i)("?\b(?:access_?token|refresh_?token|id_?token|client_?secret|client_?assertion|assertion|password|session_?id|sid|api_?key|signature)"?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|[^\s&,;}]+)`), "${1}[removed]"},
	// The value of an Authorization header.
	{regexp.MustCompile(`(?i)\b(bearer|basic|ssws|dpop)\s+[A-Za-z0-9._~+/=!-]{6,}`), "${1} [removed]"},
	// A JSON Web Token.
	{regexp.MustCompile(`eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`), "[removed]"},
	// A Salesforce session: the org's ID, an exclamation mark and the key.
	{regexp.MustCompile(`00D[A-Za-z0-9]{12,15}(?:!|%21)[A-Za-z0-9._%]+`), "[removed]"},
	// The query of an address.
	{regexp.MustCompile(`(https?://[^\s"'<>?]*)\?[^\s"'<>]*`), "${1}?[removed]"},
}

// excerpt returns the beginning of text on one line, without secrets: neither
// the configured ones, nor the credentials of req, nor anything that has the
// form of a token. It scrubs before it cuts, so that no half of a secret stays.
func (t *Transport) excerpt(req *http.Request, text []byte) string {
	s := strings.ToValidUTF8(string(text[:min(len(text), maxErrorBody)]), "�")
	for _, secret := range t.cfg.Secrets {
		s = removeSecret(s, secret)
	}
	_, credentials, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	s = removeSecret(s, credentials)
	for _, secret := range secretForms {
		s = secret.form.ReplaceAllString(s, secret.keep)
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(s); len(runes) > maxExcerpt {
		s = string(runes[:maxExcerpt]) + "…"
	}
	return s
}

func removeSecret(s, secret string) string {
	if len(secret) < 4 {
		return s // nothing, or too short to be told from ordinary text
	}
	return strings.ReplaceAll(s, secret, "[removed]")
}
