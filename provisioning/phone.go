package provisioning

import "github.com/usher-go/usher/internal/extension"

// splitExtension is the PhoneNormalizer of a config that has none: it takes an
// extension in one of the forms of R64, or another one in use, off the end of a
// number, and keeps the number as given. The extension of its own field wins
// (R65).
func splitExtension(number, field, _ string) (string, string, []string) {
	rest, own := extension.Cut(number)
	field = extension.Digits(field)
	switch {
	case own == "":
		return number, field, nil
	case field == "" || field == own:
		return rest, own, nil
	}
	return rest, field, []string{string(CodePhoneFieldWins)}
}
