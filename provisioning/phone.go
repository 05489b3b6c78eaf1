package provisioning

import "github.com/usher-go/usher/internal/extension"

// splitExtension is the PhoneNormalizer of a config that has none: it takes an
// extension in one of the forms of R64, or another one in use, off the end of a
// number, and keeps the number as given. The extension of its own field wins
// (R65).
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
