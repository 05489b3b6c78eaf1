package scim

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold maps all spellings that strings.EqualFold considers equal to one string,
// so that an index and a comparison agree about case. All comparisons of names
// of attributes, schemas and types use it: two names that fold to the same
// string are one name.
func fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.Map(foldRune, s)
		}
	}
	return s
}

func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		return asciiLower(r)
	}
	if int(r) < len(foldedRunes) {
		return rune(foldedRunes[r])
	}
	return foldBySearch(r)
}

// foldedRunes are the foldings of the scripts in which most names are written
// (Latin, Greek, Cyrillic, Armenian). The table replaces a slower search.
var foldedRunes = func() (table [0x600]uint16) {
	for r := range table {
		table[r] = uint16(foldBySearch(rune(r)))
	}
	return table
}()

func foldBySearch(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if least < utf8.RuneSelf { // the Kelvin sign and the long s fold to ASCII
		return asciiLower(least)
	}
	return least
}

// foldText returns the form in which values compare whose letter case does not
// matter. It applies fold and the rules of width and normalization of RFC 7613
// section 3.2.2 for user names (RFC 7644 section 5), so that composed and
// decomposed accents are equal.
func foldText(s string) string {
	if isComposed(s) {
		return fold(s)
	}
	if strings.ContainsFunc(s, isWidthForm) {
		s = widthMapped(s)
	}
	if s = norm.NFC.String(s); !strings.ContainsFunc(s, unicode.IsMark) {
		return fold(s)
	}
	// A folded letter may compose with its marks although the original one does
	// not: there is a ǰ, but no such capital.
	return strings.Map(foldLetter, norm.NFC.String(strings.Map(foldLetter, s)))
}

// foldLetter is foldRune, except for the iota: foldRune maps it to the
// combining mark that folds to it.
func foldLetter(r rune) rune {
	if r = foldRune(r); r == '\u0345' {
		return '\u03b9'
	}
	return r
}

// isComposed reports whether a text certainly is in normalization form C and
// has no marks and no width forms: all its letters and signs neither compose
// nor decompose. This is true for nearly all texts.
func isComposed(s string) bool {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r < 0x300: // Latin
		case 0x400 <= r && r < 0x483, 0x48a <= r && r < 0x530: // Cyrillic
		case 0x5d0 <= r && r < 0x5eb, 0x620 <= r && r < 0x64b: // Hebrew, Arabic
		case 0x3041 <= r && r < 0x3097, 0x30a1 <= r && r < 0x30fb: // Kana
		case 0x3400 <= r && r < 0xa000, 0xac00 <= r && r < 0xd7a4: // ideographs, Hangul
		default:
			return false
		}
	}
	return true
}

// isWidthForm reports whether r is a fullwidth or halfwidth form, or the
// ideographic space.
func isWidthForm(r rune) bool { return r == '\u3000' || '\uff00' <= r && r <= '\uffef' }

// widthMapped replaces fullwidth and halfwidth forms by their decompositions.
func widthMapped(s string) string {
	mapped := make([]byte, 0, len(s))
	for _, r := range s {
		switch {
		case '\uff01' <= r && r <= '\uff5e':
			mapped = append(mapped, byte(r-'\uff01'+'!'))
		case isWidthForm(r):
			mapped = norm.NFKC.AppendString(mapped, string(r))
		default:
			mapped = utf8.AppendRune(mapped, r)
		}
	}
	return string(mapped)
}

func asciiLower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

// sameName reports whether two names fold to the same string.
func sameName(a, b string) bool {
	if a == b {
		return true
	}
	if a == "" || b == "" {
		return false
	}
	// Bit 5 distinguishes the case of a letter. The Kelvin sign and the long s,
	// which fold to ASCII letters, are not ASCII themselves.
	if c, d := a[0], b[0]; c|d < utf8.RuneSelf && c|0x20 != d|0x20 {
		return false
	}
	return strings.EqualFold(a, b)
}

// cutName cuts a prefix off s, in any letter case.
func cutName(s, prefix string) (rest string, ok bool) {
	for _, want := range prefix {
		r, size := utf8.DecodeRuneInString(s)
		if size == 0 || foldRune(r) != foldRune(want) {
			return s, false
		}
		s = s[size:]
	}
	return s, true
}

// isURN reports whether a name is a schema's URN, or is qualified with one.
func isURN(name string) bool {
	rest, ok := cutName(name, "urn:")
	return ok && rest != ""
}

// timeLayout is the format of times in answers: UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// appendTime appends a time in timeLayout. It uses a layout that package time
// formats quickly.
func appendTime(dst []byte, t time.Time) []byte {
	dst = t.UTC().AppendFormat(dst, time.RFC3339)
	ms := t.Nanosecond() / 1_000_000
	return append(dst[:len(dst)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// parseTime parses an xsd:dateTime (RFC 7643 section 2.3.5). A time without a
// zone is UTC.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
