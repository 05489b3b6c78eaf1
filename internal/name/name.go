// Package name compares the names of people (rule S36). All packages use it.
package name

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/usher-go/usher/internal/invisible"
)

// Full returns the given and the family name with a space between them.
func Full(given, family string) string {
	switch {
	case given == "":
		return family
	case family == "":
		return given
	}
	return given + " " + family
}

// Same reports whether two names are the same, without regard to letter case,
// normal form, white space, invisible characters, and the typographic form of
// apostrophes and hyphens (S36).
func Same(a, b string) bool {
	return a == b || equal(a, b, true)
}

// SameSpelling is Same with regard to letter case: it reports whether a reader sees
// the same name (S36).
func SameSpelling(a, b string) bool {
	return a == b || equal(a, b, false)
}

func equal(a, b string, fold bool) bool {
	var first, second [64]byte
	return string(appendFolded(first[:0], fold, a)) == string(appendFolded(second[:0], fold, b))
}

// AppendKey appends the form in which Same compares names: the words of all parts,
// separated by one space. It allocates only if the buffer is too small, a part is
// not in normal form C, or its key has a mark without a letter.
func AppendKey(buffer []byte, parts ...string) []byte {
	return appendFolded(buffer, true, parts...)
}

func appendFolded(buffer []byte, fold bool, parts ...string) []byte {
	start, marks := len(buffer), false
	for _, part := range parts {
		if !isASCII(part) && norm.NFC.QuickSpanString(part) < len(part) {
			part = norm.NFC.String(part)
		}
		space, broken := true, false
		for i, size := 0, 0; i < len(part); i += size {
			r := rune(part[i])
			if size = 1; r >= utf8.RuneSelf {
				r, size = utf8.DecodeRuneInString(part[i:])
			}
			if unicode.IsSpace(r) {
				space = true
				continue
			}
			if invisible.Is(r) && !invisible.IsJoiner(r) && !broken {
				marks = true // what it kept apart may compose
				continue
			}
			if space && len(buffer) > start {
				buffer = append(buffer, ' ')
			}
			space = false
			broken = r == utf8.RuneError && size == 1
			switch {
			case broken:
				buffer = append(buffer, part[i]) // bytes that are not UTF-8 stay as they are
			case fold:
				marks = marks || r >= utf8.RuneSelf && unicode.IsMark(r)
				buffer = appendCaseFolded(buffer, plain(r))
			default:
				buffer = utf8.AppendRune(buffer, plain(r))
			}
		}
	}
	if marks && fold {
		// A folded letter may compose with its marks although the original does
		// not: ǰ exists, and its capital does not.
		folded := norm.NFC.String(string(buffer[start:]))
		buffer = append(buffer[:start], folded...)
	}
	return buffer
}

func isASCII(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plain returns the apostrophe or hyphen of a keyboard for a typographic one, and
// any other character unchanged.
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

// appendCaseFolded appends the case folding of a character: the simple foldings of
// Unicode's CaseFolding.txt, and the full ones of letters that names are written
// with. Of the letters that differ only in case it takes the smallest, in lower
// case.
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
	case 'և':
		return append(buffer, "եւ"...)
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if least == '\u0345' { // a mark: the iota subscript
		least = 'ι'
	}
	return utf8.AppendRune(buffer, unicode.ToLower(least))
}
