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

// foldEmail returns the form in which addresses are compared (rule S7): two
// addresses are the same if and only if these bytes are. Like foldName, it
// overwrites the buffer given and allocates only if that is too small.
func foldEmail(buffer []byte, address string) []byte {
	folded := append(buffer[:0], strings.TrimSpace(address)...)
	if lowerASCII(folded) {
		return folded
	}
	at := bytes.LastIndexByte(folded, '@')
	domain := folded[at+1:]
	if at < 0 || len(domain) > maxDomain || isASCII(domain) || !utf8.Valid(domain) {
		return folded
	}
	if label, err := idna.Lookup.ToASCII(string(domain)); err == nil {
		folded = append(folded[:at+1], label...)
	}
	return folded
}

// foldName returns the form in which full names are compared: words separated
// by one space, each character replaced by the least of those that differ from
// it by case only.
func foldName(buffer []byte, parts ...string) []byte {
	return words(buffer, foldRune, parts...)
}

// words returns the words of all parts, one space between any two, with each
// rune mapped. A rune that is mapped to a negative one is left out, and bytes
// that are not UTF-8 stay as they are.
func words(buffer []byte, mapped func(rune) rune, parts ...string) []byte {
	out := buffer[:0]
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
			if space && len(out) > 0 {
				out = append(out, ' ')
			}
			space = false
			if invalid {
				out = append(out, part[i])
			} else {
				out = utf8.AppendRune(out, r)
			}
		}
	}
	return out
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
