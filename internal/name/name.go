// Package name compares the names of people. It is the one place that does
// (rule S36).
package name

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Full returns given and family name with a space between.
func Full(given, family string) string {
	switch {
	case given == "":
		return family
	case family == "":
		return given
	}
	return given + " " + family
}

// Same reports whether two names are one person's: equal but for letter case,
// normal form, white space, and the typographic form of apostrophes and
// hyphens (S36).
func Same(a, b string) bool {
	return a == b || equal(a, b, true)
}

// SameSpelling reports whether two names differ in nothing that a reader sees
// as another name: it is Same, but letter case counts (S36).
func SameSpelling(a, b string) bool {
	return a == b || equal(a, b, false)
}

func equal(a, b string, fold bool) bool {
	var first, second [64]byte
	return string(appendFolded(first[:0], fold, a)) == string(appendFolded(second[:0], fold, b))
}

// AppendKey appends the form in which names compare by Same: the words of all
// parts with one space between any two. It allocates only if the buffer is too
// small or a part is not in normal form C.
func AppendKey(buffer []byte, parts ...string) []byte {
	return appendFolded(buffer, true, parts...)
}

func appendFolded(buffer []byte, fold bool, parts ...string) []byte {
	start := len(buffer)
	for _, part := range parts {
		if norm.NFC.QuickSpanString(part) < len(part) {
			part = norm.NFC.String(part)
		}
		space := true
		for i, size := 0, 0; i < len(part); i += size {
			var r rune
			r, size = utf8.DecodeRuneInString(part[i:])
			if unicode.IsSpace(r) {
				space = true
				continue
			}
			if space && len(buffer) > start {
				buffer = append(buffer, ' ')
			}
			space = false
			switch {
			case r == utf8.RuneError && size == 1:
				buffer = append(buffer, part[i]) // bytes that are not UTF-8 stay as they are
			case fold:
				buffer = appendCaseFolded(buffer, plain(r))
			default:
				buffer = utf8.AppendRune(buffer, plain(r))
			}
		}
	}
	return buffer
}

// plain returns the apostrophe or hyphen that a keyboard has for a typographic
// one, and any other character as it is.
func plain(r rune) rune {
	if r < utf8.RuneSelf {
		if r == '`' {
			return '\''
		}
		return r
	}
	if strings.ContainsRune("\u2018\u2019\u201b\u02bc\u02b9\u02bb\u00b4\u2032\uff07", r) {
		return '\''
	}
	if strings.ContainsRune("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", r) {
		return '-'
	}
	return r
}

// appendCaseFolded appends the case folding of a character: of Unicode's
// CaseFolding.txt the simple ones, and of the full ones those of letters that
// names are written with.
func appendCaseFolded(buffer []byte, r rune) []byte {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(buffer, byte(r))
	}
	switch r {
	case 'ß', 'ẞ':
		return append(buffer, "ss"...)
	case 'İ':
		return append(buffer, "i\u0307"...)
	case 'ŉ':
		return append(buffer, "'n"...)
	case 'ﬀ':
		return append(buffer, "ff"...)
	case 'ﬁ':
		return append(buffer, "fi"...)
	case 'ﬂ':
		return append(buffer, "fl"...)
	case 'ﬃ':
		return append(buffer, "ffi"...)
	case 'ﬄ':
		return append(buffer, "ffl"...)
	case 'ﬅ', 'ﬆ':
		return append(buffer, "st"...)
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' { // the KELVIN SIGN is a k, the long s an s
		least += 'a' - 'A'
	}
	return utf8.AppendRune(buffer, least)
}
