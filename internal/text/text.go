// Package text cleans and shows texts that come from outside.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-go/usher/internal/invisible"
)

// Clean returns text without the Unicode white space around it (S9), without
// invisible characters there, and without what no database keeps: a NUL or broken UTF-8 in one field must not
// stop the rest of a person's changes. It allocates only for the latter.
func Clean(text string) string {
	if !Storable(text) {
		text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
	}
	return invisible.Trim(text)
}

// IsClean reports whether Clean changes nothing.
func IsClean(text string) bool {
	if text == "" {
		return true
	}
	first, last := text[0], text[len(text)-1]
	if first > ' ' && first < utf8.RuneSelf && last > ' ' && last < utf8.RuneSelf {
		return Storable(text)
	}
	return Clean(text) == text
}

// Storable reports whether every database keeps text as it is: it is UTF-8 and
// has no NUL.
func Storable(text string) bool {
	return strings.IndexByte(text, 0) < 0 && utf8.ValidString(text)
}

// Line returns text as it is if it is safe to print in a line, and quoted
// otherwise: data from a directory must not forge lines of a plan or turn its
// order around.
func Line(text string) string {
	for _, r := range text {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r >= 0x80 && r < 0xa0 || r == '\uFFFD' ||
			unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Sprintf("%+q", text)
		}
	}
	return text
}
