// Package invisible knows the characters that nobody sees: directories hold
// them where a value was pasted from a page or a document.
package invisible

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Is reports whether a character is neither drawn nor a space, such as the zero
// width space, the byte order mark or a mark of writing direction. Joiners say
// how their neighbours are drawn, and are invisible all the same.
func Is(r rune) bool {
	if r < utf8.RuneSelf {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// IsJoiner reports whether a character joins its neighbours or keeps them apart
// (RFC 5892 appendix A.1 and A.2): within a word it is a part of the spelling.
func IsJoiner(r rune) bool { return unicode.Is(unicode.Join_Control, r) }

// Trim returns text without the Unicode white space and the invisible
// characters around it.
func Trim(text string) string {
	if text == "" || isGraphic(text[0]) && isGraphic(text[len(text)-1]) {
		return text
	}
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || Is(r) })
}

func isGraphic(b byte) bool { return b > ' ' && b < utf8.RuneSelf }
