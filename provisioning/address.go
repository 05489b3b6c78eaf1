package provisioning

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// parseAddress splits an email address and brings it into the form in which
// members carry it: trimmed, the local part as given, the domain in lower case
// and in A-label form. It reports false for a text that does not have exactly
// one usable domain (S7). The common case allocates nothing.
func parseAddress(text string) (address, domain string, ok bool) {
	text = strings.TrimSpace(text)
	at := strings.IndexByte(text, '@')
	if at <= 0 || !usableLocal(text[:at]) { // no domain has a second @
		return "", "", false
	}
	domain, ok = parseDomain(text[at+1:])
	if !ok {
		return "", "", false
	}
	if domain == text[at+1:] {
		return text, domain, true
	}
	return text[:at+1] + domain, domain, true
}

// usableLocal refuses what no mailbox name has: white space, controls, and
// characters that cannot be seen. Quoted local parts are refused with them.
func usableLocal(local string) bool {
	if len(local) > 64 {
		return false
	}
	for _, r := range local {
		if r <= ' ' || r == 0x7f || r == '"' || r >= utf8.RuneSelf && (r == utf8.RuneError || !unicode.IsPrint(r)) {
			return false
		}
	}
	return true
}

// parseDomain brings a domain into the form in which domains are compared:
// trimmed, ASCII lower case, A-labels (S7).
func parseDomain(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if domain, ok := asciiDomain(text); ok {
		return domain, true
	}
	if isASCII(text) || strings.ContainsRune(text, utf8.RuneError) {
		return "", false
	}
	domain, err := idna.Lookup.ToASCII(text)
	if err != nil {
		return "", false
	}
	return asciiDomain(domain)
}

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

func isASCII(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// sameAddress reports whether two addresses in member form are one: they
// compare without regard to ASCII case (S3).
func sameAddress(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	if a == b {
		return true
	}
	for i := 0; i < len(a); i++ {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

// addressKey is the form under which maps hold an address.
func addressKey(address string) string {
	for i := 0; i < len(address); i++ {
		if c := address[i]; 'A' <= c && c <= 'Z' {
			return string(appendKey(nil, address))
		}
	}
	return address
}

// appendKey appends the key of an address to buffer.
func appendKey(buffer []byte, address string) []byte {
	for i := 0; i < len(address); i++ {
		buffer = append(buffer, lowerASCII(address[i]))
	}
	return buffer
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
