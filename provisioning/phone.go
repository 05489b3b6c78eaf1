package provisioning

import "github.com/usher-go/usher/internal/extension"

// splitExtension is the PhoneNormalizer if the config has none. It removes an
// extension from the end of a number, in one of the forms of R64 or another common
// one, and keeps the number otherwise as given. An extension in a field of its own
// takes precedence (R65).
func splitExtension(p Phone) NormalizedPhone {
	rest, own := extension.Cut(p.Number)
	field := extension.Digits(p.Extension)
	switch {
	case own == "":
		return NormalizedPhone{Number: p.Number, Extension: field}
	case field == "" || field == own:
		return NormalizedPhone{Number: rest, Extension: own}
	}
	return NormalizedPhone{Number: rest, Extension: field, Codes: []Code{CodePhoneFieldWins}}
}
