// Package extension finds the extensions of telephone numbers (R64, R65). It knows
// the words and signs before an extension, and no numbering plan: digits without
// such a mark belong to the number.
package extension

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A mark is a word or sign before an extension. Its case does not matter.
type mark struct {
	text string
	most int // largest number of digits after it
}

const (
	mostAfterWord = 10
	// A local number has seven digits, and a second number may also follow "#".
	mostAfterSign = 6
)

// marks are tried in this order. A mark comes before its own endings.
var marks = [...]mark{
	// R64, similar words, and RFC 3966.
	{"extension", mostAfterWord}, {"exten", mostAfterWord}, {"extn", mostAfterWord}, {"ext", mostAfterWord},
	{"ext no", mostAfterWord}, {"ext. no", mostAfterWord}, {"extension no", mostAfterWord}, {"extension number", mostAfterWord},
	{"xtn", mostAfterWord}, {"ex", mostAfterWord}, {"x", mostAfterWord}, {"\u00d7", mostAfterSign}, {"#", mostAfterSign}, {"~", mostAfterSign},
	{",,", mostAfterSign}, // the pause that telephones store
	// Spanish, Portuguese, French, Italian.
	{"extensi\u00f3n", mostAfterWord}, {"extens\u00e3o", mostAfterWord}, {"anexo", mostAfterWord}, {"ramal", mostAfterWord}, {"poste", mostAfterWord},
	{"interno", mostAfterWord}, {"interne", mostAfterWord}, {"int", mostAfterSign},
	// German, Dutch, Swedish.
	{"durchwahl", mostAfterWord}, {"dw", mostAfterSign}, {"nebenstelle", mostAfterWord}, {"apparat", mostAfterWord}, {"app", mostAfterSign},
	{"toestel", mostAfterWord}, {"anknytning", mostAfterWord}, {"ankn", mostAfterWord},
	// Polish, Czech, Turkish, Russian, Ukrainian.
	{"wewn\u0119trzny", mostAfterWord}, {"wewn", mostAfterWord}, {"wew", mostAfterWord}, {"klapka", mostAfterWord}, {"linka", mostAfterWord},
	{"dahili", mostAfterWord}, {"\u0434\u043e\u0431\u0430\u0432\u043e\u0447\u043d\u044b\u0439", mostAfterWord}, {"\u0434\u043e\u0431", mostAfterWord},
	{"\u0432\u043d\u0443\u0442\u0440", mostAfterWord}, {"\u0432\u043d", mostAfterSign}, {"\u0434\u043e\u0434", mostAfterWord},
	// Chinese, Japanese, Korean.
	{"\u5206\u673a", mostAfterWord}, {"\u5206\u6a5f", mostAfterWord}, {"\u8f6c", mostAfterWord}, {"\u8f49", mostAfterWord},
	{"\u5185\u7dda", mostAfterWord}, {"\u5185\u7ebf", mostAfterWord}, {"\ub0b4\uc120", mostAfterWord},
}

// Cut divides a telephone number into the number and the digits of the extension at
// its end: "(212) 575-1994 ext. 3437", "212-575-1994 (x 12)",
// "+12125751994;ext=12". A text without an extension, or without a number before
// it, is returned unchanged.
func Cut(s string) (number, extension string) {
	if isUnmarked(s) { // the common case
		return s, ""
	}
	number, extension, ok := CutMarked(s)
	if !ok || !isNumber(number) {
		return s, ""
	}
	return number, extension
}

// isUnmarked reports whether a text has only digits and their separators, and so no
// extension.
func isUnmarked(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != ' ' && c != '-' && c != '+' && c != '.' && c != '(' && c != ')' {
			return false
		}
	}
	return true
}

// CutMarked divides a text at the mark before the digits at its end, whatever is
// before the mark.
func CutMarked(s string) (rest, extension string, ok bool) {
	rest, extension, ok = cutMarked(s)
	return strings.TrimRightFunc(rest, isDivider), extension, ok
}

// isDivider reports whether a rune may be between the number and the mark.
func isDivider(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || strings.ContainsRune(",;:/|.", r)
}

// Digits returns the digits of an extension that is not behind a number: "143",
// "ext. 143", "#143". Any other text is only trimmed.
func Digits(s string) string {
	if rest, extension, ok := CutMarked(s); ok && rest == "" {
		return extension
	}
	return strings.TrimSpace(s)
}

// cutMarked cuts off a mark and the digits after it. The digits alone, or both, may
// be in brackets.
func cutMarked(s string) (rest, extension string, ok bool) {
	rest, whole := cutClosing(strings.TrimRight(s, " \t."))
	rest, extension = cutDigits(strings.TrimSuffix(rest, "#")) // "#" ends a dialled sequence: ",,12#"
	if extension == "" {
		return s, "", false
	}
	if whole != 0 {
		if text, found := strings.CutSuffix(rest, string(whole)); found { // "ext. (12)"
			rest, whole = text, 0
		}
	}
	rest = strings.TrimRight(rest, " \t\u00a0")
	// "#" is a mark, and may also follow a word: "ext # 12".
	word := strings.TrimRight(rest, " \t\u00a0.:=#-")
	for _, text := range [...]string{word, strings.TrimRight(rest, " \t\u00a0.:=-")} {
		if rest, ok := cutMark(text, len(extension)); ok {
			if whole != 0 { // "(ext. 12)"
				if rest, ok = strings.CutSuffix(strings.TrimRight(rest, " \t\u00a0"), string(whole)); !ok {
					return s, "", false
				}
			}
			return rest, extension, true
		}
	}
	return s, "", false
}

// cutClosing cuts off a closing bracket and returns the matching opening bracket,
// or 0.
func cutClosing(s string) (rest string, opening rune) {
	switch {
	case strings.HasSuffix(s, ")"):
		return strings.TrimRight(s[:len(s)-1], " \t"), '('
	case strings.HasSuffix(s, "]"):
		return strings.TrimRight(s[:len(s)-1], " \t"), '['
	}
	return s, 0
}

func cutDigits(s string) (rest, digits string) {
	start := len(s)
	for start > 0 && '0' <= s[start-1] && s[start-1] <= '9' {
		start--
	}
	return s[:start], s[start:]
}

// cutMark cuts off a mark that allows so many digits after it. A word counts if no
// other letter is before it.
func cutMark(s string, digits int) (rest string, ok bool) {
	for _, m := range marks {
		n := len(s) - len(m.text)
		if n < 0 || digits > m.most || !strings.EqualFold(s[n:], m.text) {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(s[:n])
		first, _ := utf8.DecodeRuneInString(m.text)
		if n == 0 || !unicode.IsLetter(first) || !unicode.IsLetter(before) {
			return s[:n], true
		}
	}
	return s, false
}

// isNumber reports whether s is one telephone number as people write it, also with
// a word such as "Tel:" before it.
func isNumber(s string) bool {
	const minDigits, maxDigits = 7, 18 // E.164 allows 15; prefixes of international calls have up to 3
	s = strings.TrimLeftFunc(s, func(r rune) bool { return !unicode.IsDigit(r) && r != '+' && r != '(' })
	digits := 0
	for _, r := range s {
		switch {
		case unicode.IsDigit(r):
			digits++
		case !unicode.IsSpace(r) && !unicode.Is(unicode.Pd, r) && !strings.ContainsRune("+()./\u2212", r):
			return false
		}
	}
	return minDigits <= digits && digits <= maxDigits && !strings.HasSuffix(s, "(")
}
