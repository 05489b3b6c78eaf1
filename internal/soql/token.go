package soql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Error says at which position and why a text is not a condition.
type Error struct {
	Position int // in characters, counted from 1
	Reason   string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("position %d: %s", e.Position, e.Reason) }

type kind uint8

const (
	kindEnd kind = iota
	kindName
	kindString
	kindNumber
	kindDate
	kindDateTime
	kindTime
	kindCurrency
	kindSymbol
)

// A token is a piece of the text. The text of a string is its canonical form
// without the quotes; that of every other token is as written.
type token struct {
	kind  kind
	text  string
	start int // in bytes
	end   int
}

// is reports whether the token is the given keyword, in any case of letters.
func (t token) is(keyword string) bool {
	return t.kind == kindName && strings.EqualFold(t.text, keyword)
}

// symbol reports whether the token is the given operator or punctuation mark.
func (t token) symbol(s string) bool { return t.kind == kindSymbol && t.text == s }

// String describes the token for a message.
func (t token) String() string {
	switch t.kind {
	case kindEnd:
		return "the end"
	case kindString:
		return "a string"
	}
	return t.text
}

var (
	nameForm     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*`)
	currencyForm = regexp.MustCompile(`^[A-Za-z]{3}[0-9]+(?:\.[0-9]+)?`)
	numberForm   = regexp.MustCompile(`^[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?`)
	wordRest     = regexp.MustCompile(`^[A-Za-z0-9_.]`)
)

// timeForms are the forms of times, longer forms first.
var timeForms = []struct {
	kind kind
	form *regexp.Regexp
}{
	{kindDateTime, regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)`)},
	{kindDate, regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}`)},
	{kindTime, regexp.MustCompile(`^[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)`)},
}

// symbols are the operators and marks, longer ones first.
var symbols = []string{"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","}

// next returns the token that begins at the given byte, or after white space.
func (p *parser) next(at int) (token, error) {
	for at < len(p.text) && strings.IndexByte(" \t\r\n\f", p.text[at]) >= 0 {
		at++
	}
	rest := p.text[at:]
	if rest == "" {
		return token{kind: kindEnd, start: at, end: at}, nil
	}
	if rest[0] == '\'' {
		return p.stringToken(at)
	}
	if text := currencyForm.FindString(rest); text != "" && !wordRest.MatchString(rest[len(text):]) {
		return token{kindCurrency, text, at, at + len(text)}, nil
	}
	if name := nameForm.FindString(rest); name != "" {
		if end := at + len(name); end < len(p.text) && p.text[end] == '.' {
			return token{}, p.fail(end, "a dot without a name after it")
		}
		return token{kindName, name, at, at + len(name)}, nil
	}
	if t, ok, err := p.numberToken(at); ok || err != nil {
		return t, err
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			return token{kindSymbol, s, at, at + len(s)}, nil
		}
	}
	return token{}, p.fail(at, strayReason(rest))
}

// strayReason says why a text that begins no token is refused.
func strayReason(rest string) string {
	switch {
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "/"):
		return "comments are not allowed"
	case rest[0] == ':':
		return "bind variables (:name) are not allowed"
	case rest[0] == ';':
		return "a semicolon is not allowed"
	case rest[0] == '"':
		return "strings stand in single quotes"
	}
	r, _ := utf8.DecodeRuneInString(rest)
	switch r {
	case '‘', '’', '“', '”', '´', '`':
		return fmt.Sprintf("the character %q is not allowed outside a string; strings stand in straight single quotes", r)
	}
	return fmt.Sprintf("the character %q is not allowed outside a string", r)
}

// numberToken reads a number or a time.
func (p *parser) numberToken(at int) (t token, ok bool, err error) {
	rest := p.text[at:]
	k, text := kindNumber, ""
	for _, f := range timeForms {
		if text = f.form.FindString(rest); text != "" {
			k = f.kind
			break
		}
	}
	if text == "" {
		text = numberForm.FindString(rest)
	}
	if text == "" {
		return token{}, false, nil
	}
	end := at + len(text)
	if wordRest.MatchString(p.text[end:]) {
		return token{}, false, p.fail(at, "not a number, a date (2006-01-02) or a time (2006-01-02T15:04:05Z)")
	}
	if k != kindNumber {
		if _, _, ok := readTime(text); !ok {
			return token{}, false, p.fail(at, "there is no such date or time")
		}
	}
	return token{k, text, at, end}, true, nil
}

// stringToken reads a string and returns it in its canonical form: every character
// that can end a string or a line is escaped, and every other one is unescaped.
// Escaped wildcards stay escaped, since LIKE treats them differently from unescaped
// ones.
func (p *parser) stringToken(at int) (token, error) {
	var b strings.Builder
	for i := at + 1; i < len(p.text); {
		r, size := utf8.DecodeRuneInString(p.text[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			return token{}, p.fail(i, "the text is not UTF-8")
		case r == '\'':
			return token{kindString, b.String(), at, i + 1}, nil
		case r < ' ' || r == 0x7f:
			return token{}, p.fail(i, `a control character inside a string; write it as an escape, such as \n`)
		case r == '\\':
			canonical, n, reason := unescape(p.text[i:])
			if reason != "" {
				return token{}, p.fail(i, reason)
			}
			b.WriteString(canonical)
			i += n
		default:
			b.WriteRune(r)
			i += size
		}
	}
	return token{}, p.fail(at, "a string without its closing quote")
}

// unescape reads the escape at the beginning of text and returns its canonical form
// and its length, or why it is refused.
func unescape(text string) (canonical string, n int, reason string) {
	const known = `an escape other than \n \r \t \b \f \" \' \\ \_ \% \uXXXX; a backslash is written \\`
	if len(text) < 2 {
		return "", 0, known
	}
	switch c := text[1]; c {
	case 'n', 'r', 't', 'b', 'f', '\'', '\\', '_', '%':
		return text[:2], 2, ""
	case 'N', 'R', 'T', 'B', 'F':
		return strings.ToLower(text[:2]), 2, ""
	case '"':
		return `"`, 2, ""
	case 'u':
		r, ok := hex4(text)
		if !ok {
			return "", 0, known
		}
		n = 6
		if utf16.IsSurrogate(r) {
			low, _ := hex4(text[6:])
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return "", 0, "half of a surrogate pair"
			}
			n = 12
		}
		if r == 0 {
			return "", 0, "the character NUL is not allowed"
		}
		return escape(r), n, ""
	}
	return "", 0, known
}

// hex4 reads the escape \uXXXX at the beginning of text.
func hex4(text string) (rune, bool) {
	if len(text) < 6 || text[:2] != `\u` || strings.ContainsAny(text[2:6], "+-_") {
		return 0, false
	}
	v, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(v), err == nil
}

// escape returns the canonical form of a character of a string.
func escape(r rune) string {
	switch r {
	case '\'', '\\':
		return `\` + string(r)
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	}
	if r < ' ' || r == 0x7f {
		return fmt.Sprintf(`\u%04X`, r)
	}
	return string(r)
}

// fail returns the error for the given byte of the text.
func (p *parser) fail(at int, reason string) *Error {
	return &Error{Position: utf8.RuneCountInString(p.text[:at]) + 1, Reason: reason}
}
