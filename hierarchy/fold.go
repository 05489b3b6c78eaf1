package hierarchy

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxDomain bounds, in bytes, the domains that are converted to A-labels. No
// name in the DNS is that long, and the conversion takes quadratic time.
const maxDomain = 1024

// appendEmail appends the form in which addresses are compared (rule S7): two
// addresses are the same if and only if these bytes are.
func appendEmail(dst []byte, address string) []byte {
	start := len(dst)
	dst = append(dst, strings.TrimSpace(address)...)
	if lowerASCII(dst[start:]) {
		return dst
	}
	domain := start + 1 + bytes.LastIndexByte(dst[start:], '@')
	if domain == start || len(dst)-domain > maxDomain || isASCII(dst[domain:]) || !utf8.Valid(dst[domain:]) {
		return dst
	}
	if label, err := idna.Lookup.ToASCII(string(dst[domain:])); err == nil {
		dst = append(dst[:domain], label...)
	}
	return dst
}

// appendName appends the form in which full names are compared: words
// separated by one space, each character replaced by the least of those that
// differ from it by case only.
func appendName(dst []byte, parts ...string) []byte {
	return appendWords(dst, foldRune, parts...)
}

// appendWords appends the words of all parts, one space between any two, with
// each rune mapped. A rune that is mapped to a negative one is left out, and
// bytes that are not UTF-8 stay as they are.
func appendWords(dst []byte, mapped func(rune) rune, parts ...string) []byte {
	start := len(dst)
	for _, part := range parts {
		space := true
		for i, size := 0, 0; i < len(part); i += size {
			var r rune
			r, size = utf8.DecodeRuneInString(part[i:])
			if unicode.IsSpace(r) {
				space = true
				continue
			}
			invalid := r == utf8.RuneError && size == 1
			if !invalid {
				if r = mapped(r); r < 0 {
					continue
				}
			}
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			if invalid {
				dst = append(dst, part[i])
			} else {
				dst = utf8.AppendRune(dst, r)
			}
		}
	}
	return dst
}

// foldRune returns the least rune that is r but for its case.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
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

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
