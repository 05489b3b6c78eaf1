// Package address parses and compares email addresses and their domains (rule S7).
// The decision, the org chart and the stores all use it, so that they agree on
// which addresses are the same.
package address

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/usher-go/usher/internal/invisible"
)

// mangled is the suffix that a Salesforce sandbox appends to addresses, so that no
// mail is sent from it.
const mangled = ".invalid"

// Parse splits an email address and converts it to the form that members carry:
// trimmed of space and of invisible characters, the local part unchanged, the domain
// in lower case and in A-label form. It reports false if the text does not have
// exactly one usable domain (S7), if it was changed by a Salesforce sandbox, or if it
// has a URI scheme (S8). In the common case it does not allocate.
func Parse(text string) (address, domain string, ok bool) {
	text = invisible.Trim(text)
	at := strings.IndexByte(text, '@')
	if at <= 0 || !usableLocal(text[:at]) { // a domain has no second @
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

// Clean returns an address in the form that members carry. A text that is no
// address is only trimmed of space and of invisible characters.
func Clean(text string) string {
	if address, _, ok := Parse(text); ok {
		return address
	}
	return invisible.Trim(text)
}

// usableLocal refuses characters that no mailbox name has: white space, control
// characters, invisible characters, and the specials of RFC 5322, section 3.2.3. So
// it also refuses quoted local parts.
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

// Domain converts a domain to the form in which domains are compared: trimmed,
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

// maxDomain is the largest length in bytes of a domain that is converted to
// A-labels. Names in the DNS are shorter, and the conversion takes quadratic time.
const maxDomain = 1024

// asciiDomain converts a domain of letters, digits and hyphens to lower case. It
// reports false for any other text, and for empty and overlong labels. It does not
// check labels in A-label form.
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

// Same reports whether two texts are the same address, without regard to
// surrounding space, invisible characters and ASCII case, and with domains in
// A-label form (S3, S7). Texts that are no addresses are compared in the same way.
func Same(a, b string) bool {
	if a == b {
		return true
	}
	var first, second [64]byte
	return string(AppendKey(first[:0], a)) == string(AppendKey(second[:0], b))
}

// Key returns the form of an address for maps and indexes: two addresses are the
// same if and only if their keys are equal.
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

// lowerASCII converts the ASCII letters of b to lower case in place, eight bytes at
// a time, and reports whether all of b is ASCII.
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
