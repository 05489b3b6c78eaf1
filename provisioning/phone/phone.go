// Package phone brings telephone numbers into one form: E.164 and an extension
// (R64, R65).
//
// It is apart from package provisioning because the numbering plans of the
// world cost a program 6 MB and 25 ms of its start. A host that wants them puts
// a [Normalizer] into its configuration; without one, provisioning keeps
// numbers as they are given and only splits extensions off.
package phone

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"github.com/usher-go/usher/internal/extension"
	"github.com/usher-go/usher/internal/invisible"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/timezone"
)

// A Normalizer normalises telephone numbers. The zero value is ready, and safe
// for concurrent use.
type Normalizer struct{}

// Normalize returns a number in E.164 form, such as +12125751994, and its
// extension in digits.
//
// The number may be in any form in use: with or without the country's code,
// grouped in any way, with an extension at its end, or a tel: URI. The country
// is the person's, as a name or an ISO 3166-1 code; numbers without a country's
// code are read as they are dialled there. If it is not known they are read as
// in the United States, as the documented formats want it, but taken only if
// they are numbers in use there.
//
// An empty number gives an empty one. What is not plausible (of a length that
// the country does not have, two numbers in one field, words) comes back as it
// was given, with the code phone.unparsed. The extension is that of the extension
// field if it has one, else that of the number.
func (Normalizer) Normalize(number, ext, country string) (normalized, digits string, codes []string) {
	digits = extension.Digits(narrow(ext))
	if strings.TrimSpace(number) == "" {
		return "", digits, nil
	}
	normalized, own := parse(narrow(number), country)
	switch {
	case normalized == "":
		return number, digits, []string{string(provisioning.CodePhoneUnparsed)}
	case digits == "":
		digits = own
	case own != "" && own != digits:
		codes = []string{string(provisioning.CodePhoneFieldWins)}
	}
	return normalized, digits, codes
}

// NormalizePhone implements provisioning.PhoneNormalizer, by Normalize.
func (n Normalizer) NormalizePhone(p provisioning.Phone) provisioning.NormalizedPhone {
	var normalized provisioning.NormalizedPhone
	number, ext, codes := n.Normalize(p.Number, p.Extension, p.Country)
	normalized.Number, normalized.Extension = number, ext
	for _, code := range codes {
		normalized.Codes = append(normalized.Codes, provisioning.Code(code))
	}
	return normalized
}

// parse returns an empty text for what is no plausible number.
func parse(text, country string) (normalized, ext string) {
	region, known := timezone.Country(country)
	if !known {
		region = "US"
	}
	if rest, ext, ok := extension.CutMarked(text); ok {
		if normalized, own := parseIn(region, rest, known); normalized != "" && own == "" {
			return normalized, ext
		}
	}
	normalized, ext = parseIn(region, text, known)
	if ext != "" && !strings.HasPrefix(strings.ToLower(text), "tel:") {
		// libphonenumber takes what follows a comma or a semicolon, or stands
		// before a "#", for an extension. In a directory it is the end of the
		// number, or a second number.
		return "", ""
	}
	return normalized, ext
}

// parseIn reads a number as it is dialled in a region. One that is read there
// only because the country is not known must be in use.
func parseIn(region, text string, known bool) (normalized, ext string) {
	parsed, err := phonenumbers.Parse(text, region)
	switch {
	case err != nil || phonenumbers.IsPossibleNumberWithReason(parsed) != phonenumbers.IS_POSSIBLE:
		return "", ""
	case !known && !phonenumbers.IsValidNumber(parsed):
		return "", ""
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), parsed.GetExtension()
}

// narrow turns the wide forms of East Asian keyboards and the digits of other
// scripts into ASCII, and drops what nobody sees: address books put marks of
// writing direction around numbers that are copied from them.
func narrow(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case invisible.Is(r):
			return -1
		case '\uff01' <= r && r <= '\uff5e':
			return r - '\uff01' + '!'
		case r >= 0x80 && unicode.IsDigit(r):
			for _, digits := range unicode.Nd.R16 { // tens, from 0 to 9
				if rune(digits.Lo) <= r && r <= rune(digits.Hi) {
					return '0' + (r-rune(digits.Lo))%10
				}
			}
		}
		return r
	}, s)
}
