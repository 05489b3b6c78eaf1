package timezone

import "strings"

func isDigit(b byte) bool  { return '0' <= b && b <= '9' }
func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// isOffset reports whether s is a distance from UTC, which is no time zone
// (R75): "-05:00", "+0530", "UTC+2", "GMT -8", "(UTC-05:00)", "05:30". The sign
// may be missing only before minutes.
func isOffset(s string) bool {
	if s[0] == '(' && s[len(s)-1] == ')' {
		s = s[1 : len(s)-1]
	}
	if len(s) >= 3 && (strings.EqualFold(s[:3], "UTC") || strings.EqualFold(s[:3], "GMT")) {
		s = s[3:]
	}
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
	default: // minutes, perhaps seconds
		return isClock(rest)
	}
}

// cutSign cuts a sign off: plus, hyphen, minus, plus-minus.
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
