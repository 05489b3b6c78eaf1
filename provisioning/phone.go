package provisioning

import "strings"

// splitExtension is the PhoneNormalizer of a config that has none: it takes an
// extension written behind a number in one of the forms of R64 off it, and
// keeps the number as given. An extension of its own field wins (R65).
func splitExtension(number, extension, _ string) (string, string, []string) {
	if !isASCII(number) {
		return number, extension, nil
	}
	lower := strings.ToLower(number)
	at := strings.LastIndexByte(lower, 'x')
	if at < 0 {
		return number, extension, nil
	}
	digits := strings.TrimPrefix(lower[at+1:], "t")
	digits = strings.TrimSpace(strings.TrimPrefix(digits, "."))
	head := strings.TrimRight(strings.TrimSuffix(lower[:at], "e"), " \t,;")
	if !onlyDigits(digits) || !strings.ContainsAny(head, "0123456789") {
		return number, extension, nil
	}
	number = number[:len(head)]
	if extension == "" || extension == digits {
		return number, digits, nil
	}
	return number, extension, []string{"phone.ext_field_wins"}
}

func onlyDigits(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != "" && len(text) <= 11
}
