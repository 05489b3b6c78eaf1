package timezone

import "strings"

func isDigit(b byte) bool  { return '0' <= b && b <= '9' }
func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// isOffset reports whether s is an offset from UTC, which is no time zone (R75):
// "-05:00", "+0530", "UTC+2", "GMT -8", "(UTC-05:00)", "05:30". The sign may be
// missing only if there are minutes.
func isOffset(s string) bool {
	s = cutReference(s)
	s, signed := cutSign(strings.TrimSpace(s))
	hours := 0
	for hours < len(s) && isDigit(s[hours]) {
		hours++
	}
	switch rest := s[hours:]; {
	case hours == 0 || hours > 6 || (hours > 2 && rest != ""):
		return false
	case rest == "":
		return signed
	default: // minutes and possibly seconds
		return isClock(rest)
	}
}

// cutReference cuts off the parentheses and the UTC or GMT of an offset.
func cutReference(s string) string {
	if len(s) >= 2 && s[0] == '(' && s[len(s)-1] == ')' {
		s = s[1 : len(s)-1]
	}
	if len(s) >= 3 && (strings.EqualFold(s[:3], "UTC") || strings.EqualFold(s[:3], "GMT")) {
		s = s[3:]
	}
	return s
}

// cutSign cuts off a sign: plus, hyphen, minus, plus-minus.
func cutSign(s string) (rest string, ok bool) {
	for _, sign := range [...]string{"+", "-", "\u2212", "\u2013", "\u00b1"} {
		if rest, ok := strings.CutPrefix(s, sign); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return s, false
}

// isClock reports whether s is one or two groups of a divider and digits, as
// in ":30", ".5" or ":30:00".
func isClock(s string) bool {
	groups := 0
	for ; s != "" && (s[0] == ':' || s[0] == '.' || s[0] == ','); groups++ {
		digits := 1
		for digits < len(s) && isDigit(s[digits]) {
			digits++
		}
		if digits == 1 || digits > 3 {
			return false
		}
		s = s[digits:]
	}
	return s == "" && 0 < groups && groups <= 2
}

// A direction says on which side of Greenwich the offset beside a label is.
type direction uint8

const (
	none direction = iota // there is no offset
	east                  // or zero
	west
)

// cutOffset cuts an offset off the start or the end of a label: "(GMT-08:00)
// Pacific Time", "GMT Ireland Time", "Pacific Time (UTC-8)".
func cutOffset(s string) (text string, offset direction) {
	text = s
	for first := true; text != ""; first = false { // "GMT +01:00 Paris" has two words
		end := strings.IndexByte(text, ' ')
		if text[0] == '(' {
			end = strings.IndexByte(text, ')') + 1
		}
		if end <= 0 {
			break
		}
		word := text[:end]
		if reference := first && cutReference(word) == ""; !reference && !isOffset(word) {
			break
		}
		text, offset = strings.TrimSpace(text[end:]), max(offset, directionOf(word))
	}
	if offset != none {
		return text, offset
	}
	start := strings.LastIndexByte(text, ' ') + 1
	if strings.HasSuffix(text, ")") {
		start = strings.LastIndexByte(text, '(')
	}
	if start > 0 && isOffset(text[start:]) {
		return strings.TrimSpace(text[:start]), directionOf(text[start:])
	}
	return text, none
}

func directionOf(offset string) direction {
	if strings.ContainsAny(offset, "-\u2212\u2013") {
		return west
	}
	return east
}
