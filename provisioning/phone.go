package provisioning

import "strings"

// splitExtension is the PhoneNormalizer of a config that has none: it takes an
// extension in one of the six forms of R64 off the end of a number, and keeps
// the number as given. The extension of its own field wins (R65).
func splitExtension(number, field, _ string) (string, string, []string) {
	rest, extension := cutExtension(number)
	switch {
	case extension == "":
		return number, field, nil
	case field == "" || field == extension:
		return rest, extension, nil
	}
	return rest, field, []string{string(CodePhoneFieldWins)}
}

// cutExtension divides a number into itself and the digits of its extension,
// which stands at the end, behind "ext", "ext." or "x" in any case, with or
// without spaces. What has none, or is no number, comes back whole.
func cutExtension(number string) (rest, extension string) {
	const minDigits, maxExtension = 7, 10
	s := strings.TrimRight(number, " \t")
	start := len(s)
	for start > 0 && '0' <= s[start-1] && s[start-1] <= '9' {
		start--
	}
	extension = s[start:]
	rest, marked := cutExtensionMark(strings.TrimRight(s[:start], " \t"))
	if !marked || extension == "" || len(extension) > maxExtension {
		return number, ""
	}
	rest = strings.TrimRight(rest, " \t,;")
	digits := 0
	for i := range len(rest) {
		switch c := rest[i]; {
		case '0' <= c && c <= '9':
			digits++
		case strings.IndexByte("+()-./ \t", c) < 0:
			return number, ""
		}
	}
	if digits < minDigits {
		return number, ""
	}
	return rest, extension
}

// cutExtensionMark cuts the word that announces an extension off the end.
func cutExtensionMark(s string) (rest string, ok bool) {
	for _, mark := range [...]string{"ext.", "ext", "x"} {
		if n := len(s) - len(mark); n >= 0 && strings.EqualFold(s[n:], mark) {
			return s[:n], true
		}
	}
	return s, false
}
