// Package address parses and compares email addresses and their domains. It is
// the one place that does (rule S7), so that the decision, the org chart and
// the stores agree on which two addresses are one.
package address

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/usher-go/usher/internal/invisible"
)

// mangled is what a Salesforce sandbox appends to an address, so that nobody is
// mailed from it.
const mangled = ".invalid"

// Parse splits an email address and brings it into the form in which members
// carry it: trimmed of what is not seen, the local part as given, the domain in lower case and in
// A-label form. It reports false for a text that does not have exactly one
// usable domain (S7), and for one that a Salesforce sandbox made of an address
// or that has a URI scheme (S8). The common case allocates nothing.
func Parse(text string) (address, domain string, ok bool) {
	text = invisible.Trim(text)
	at := strings.IndexByte(text, '@')
	if at <= 0 || !usableLocal(text[:at]) { // no domain has a second @
		return "", "", false
	}
	domain, ok = Domain(text[at+1:])
	if !ok || strings.HasSuffix(domain, mangled) || domain == "example.com" && strings.IndexByte(text[:at], '=') > 0 {
		return "", "", false
	}
	if domain == text[at+1:] {
		return text, domain, true
	}
	return text[:at+1] + domain, domain, true
}

// Clean returns an address in the form in which members carry it, and a text
// that is none without what is not seen around it.
func Clean(text string) string {
	if address, _, ok := Parse(text); ok {
		return address
	}
	return invisible.Trim(text)
}

// usableLocal refuses what no mailbox name has: white space, controls,
// characters that cannot be seen, and the specials of RFC 5322, section 3.2.3.
// Quoted local parts are refused with them.
func usableLocal(local string) bool {
	if len(local) > 64 {
		return false
	}
	for _, r := range local {
		switch {
		case r <= ' ' || r == 0x7f:
			return false
		case r < utf8.RuneSelf:
			if strings.IndexByte(`()<>[]:;\,"`, byte(r)) >= 0 {
				return false
			}
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return false
		}
	}
	return true
}

// Domain brings a domain into the form in which domains are compared: trimmed,
// ASCII lower case, A-labels (S7).
func Domain(text string) (string, bool) {
	text = invisible.Trim(text)
	if domain, ok := asciiDomain(text); ok {
		return domain, true
	}
	if isASCII(text) || len(text) > maxDomain || strings.ContainsRune(text, utf8.RuneError) {
		return "", false
	}
	domain, err := idna.Lookup.ToASCII(text)
	if err != nil {
		return "", false
	}
	return asciiDomain(domain)
}

// maxDomain bounds, in bytes, the domains that are converted to A-labels. No
// name in the DNS is that long, and the conversion takes quadratic time.
const maxDomain = 1024

// asciiDomain lower-cases a domain of letters, digits and hyphens. It reports
// false for anything else, including empty and overlong labels. Labels in
// A-label form are taken as they are.
func asciiDomain(text string) (string, bool) {
	if text == "" || len(text) > 253 {
		return "", false
	}
	label, upper := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			if label == 0 || label > 63 || text[i-1] == '-' {
				return "", false
			}
			label = 0
			continue
		case c == '-':
			if label == 0 {
				return "", false
			}
		case 'A' <= c && c <= 'Z':
			upper = true
		case ('a' > c || c > 'z') && ('0' > c || c > '9'):
			return "", false
		}
		label++
	}
	if label == 0 || label > 63 || text[len(text)-1] == '-' {
		return "", false
	}
	if upper {
		text = strings.ToLower(text)
	}
	return text, true
}

// Same reports whether two texts are one address: what is not seen around them
// and ASCII case aside, and with domains in A-label form (S3, S7). Texts that are no
// addresses compare in the same way.
func Same(a, b string) bool {
	if a == b {
		return true
	}
	var first, second [64]byte
	return string(AppendKey(first[:0], a)) == string(AppendKey(second[:0], b))
}

// Key returns the form of an address under which maps and indexes hold it: two
// addresses are the same if and only if their keys are.
func Key(text string) string {
	for i := 0; i < len(text); i++ {
		if c := text[i]; 'A' <= c && c <= 'Z' || c <= ' ' || c >= utf8.RuneSelf {
			return string(AppendKey(nil, text))
		}
	}
	return text
}

// AppendKey appends the key of an address to buffer. It allocates only if the
// buffer is too small or the address is not ASCII.
func AppendKey(buffer []byte, text string) []byte {
	start := len(buffer)
	buffer = append(buffer, invisible.Trim(text)...)
	if lowerASCII(buffer[start:]) {
		return buffer
	}
	at := start + strings.LastIndexByte(string(buffer[start:]), '@')
	if at < start {
		return buffer
	}
	if domain, ok := Domain(string(buffer[at+1:])); ok {
		buffer = append(buffer[:at+1], domain...)
	}
	return buffer
}

// lowerASCII lower-cases the ASCII letters of b in place, eight bytes at a
// time, and reports whether b is ASCII throughout.
func lowerASCII(b []byte) bool {
	const (
		each = 0x0101010101010101
		high = 0x80 * each
	)
	var seen uint64
	for len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		seen |= w
		low := w &^ high
		fromA := low + (0x80-'A')*each    // high bit set from 'A' on
		afterZ := low + (0x80-'Z'-1)*each // high bit set after 'Z'
		upper := (fromA ^ afterZ) &^ w & high
		binary.LittleEndian.PutUint64(b, w|upper>>2)
		b = b[8:]
	}
	for i, c := range b {
		seen |= uint64(c)
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return seen&high == 0
}

func isASCII(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
