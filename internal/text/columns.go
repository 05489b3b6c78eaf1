package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Columns returns how many columns of a terminal a line takes: two for a wide
// letter (Unicode Standard Annex 11) and for an emoji, none for a combining
// character. Terminals differ; the result is that of terminals that draw a cluster
// of code points as one.
func Columns(line string) int {
	columns := 0
	for len(line) > 0 {
		size, wide := cluster(line)
		columns, line = columns+wide, line[size:]
	}
	return columns
}

// Cut shortens a line to at most so many columns. An ellipsis replaces what is cut
// off; no cluster is divided.
func Cut(line string, columns int) string {
	if len(line) <= columns || Columns(line) <= columns {
		return line
	}
	return line[:Fit(line, columns-1)] + "…"
}

// Fit returns how many bytes at the beginning of the line fit into so many columns.
// No cluster is divided.
func Fit(line string, columns int) int {
	at := 0
	for at < len(line) {
		size, wide := cluster(line[at:])
		if columns -= wide; columns < 0 {
			break
		}
		at += size
	}
	return at
}

// Pad returns the spaces that fill a cell to so many columns.
func Pad(cell string, columns int) string {
	return strings.Repeat(" ", max(0, columns-Columns(cell)))
}

// Code points that combine others to one picture.
const (
	joiner       = '\u200d' // zero width joiner
	emojiVariant = '\ufe0f' // variation selector 16: the picture, not the letter
)

// cluster returns the bytes and the columns of the first cluster of a non-empty
// line: a letter with its combining characters, or one emoji.
func cluster(line string) (size, columns int) {
	if len(line) == 1 || line[0] < utf8.RuneSelf && line[1] < utf8.RuneSelf {
		if line[0] < ' ' || line[0] == 0x7f {
			return 1, 0
		}
		return 1, 1
	}
	base, size := utf8.DecodeRuneInString(line)
	columns = runeColumns(base)
	for before := base; size < len(line); {
		r, n := utf8.DecodeRuneInString(line[size:])
		switch {
		case r == emojiVariant && columns == 1:
			columns = 2
		case unicode.Is(unicode.Regional_Indicator, r) && before == base && unicode.Is(unicode.Regional_Indicator, base):
			columns = 2 // a flag
		case before == joiner && unicode.Is(unicode.So, r), isSkin(r) && unicode.Is(unicode.So, before):
		case r >= utf8.RuneSelf && runeColumns(r) == 0 && !unicode.IsControl(r):
		default:
			return size, columns
		}
		before, size = r, size+n
	}
	return size, columns
}

// isSkin reports whether r sets the skin colour of the emoji before it.
func isSkin(r rune) bool { return r >= 0x1f3fb && r <= 0x1f3ff }

func runeColumns(r rune) int {
	switch {
	case r == '\u00ad': // a soft hyphen is visible
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Cc),
		r >= 0x1160 && r <= 0x11ff, r >= 0xd7b0 && r <= 0xd7ff: // vowels and final consonants of Hangul syllables
		return 0
	}
	if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
		return 2
	}
	return 1
}
