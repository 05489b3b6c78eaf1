// Package phone converts telephone numbers to one form: E.164 and an extension
// (R64, R65).
//
// It is separate from package provisioning because the world's numbering plans
// add 6 MB to a program and 25 ms to its start. A host that wants them sets a
// [Normalizer] in its configuration. Without one, provisioning keeps numbers as
// they are given and only separates the extensions.
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

// A Normalizer normalises telephone numbers. The zero value is ready to use and
// safe for concurrent use.
type Normalizer struct{}

// Normalize returns a number in E.164 form, such as +12125751994, and its
// extension in digits.
//
// The number may have any usual form: with or without a country code, with any
// grouping, with an extension at its end, or as a tel: URI. country is the
// person's country, as a name or an ISO 3166-1 code; a number without a country
// code is read as it is dialled there. If the country is unknown, the number is
// read as in the United States, as the documented formats require, but only
// accepted if it is in use there.
//
// An empty number gives an empty result. An implausible number (of a length
// that does not exist in the country, two numbers in one field, words) is
// returned unchanged with the code phone.unparsed. The extension is that of ext
// if it has one, and otherwise that of the number.
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

// NormalizePhone implements provisioning.PhoneNormalizer with Normalize.
func (n Normalizer) NormalizePhone(p provisioning.Phone) provisioning.NormalizedPhone {
	var normalized provisioning.NormalizedPhone
	number, ext, codes := n.Normalize(p.Number, p.Extension, p.Country)
	normalized.Number, normalized.Extension = number, ext
	for _, code := range codes {
		normalized.Codes = append(normalized.Codes, provisioning.Code(code))
	}
	return normalized
}

// parse returns empty texts if the text is not a plausible number.
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
		// libphonenumber treats text after a comma or a semicolon, or before a
		// "#", as an extension. In a directory it is the end of the number, or
		// a second number.
		return "", ""
	}
	return normalized, ext
}

// parseIn parses a number as it is dialled in a region. known reports whether
// the country is known; if it is not, the number must be in use in the region.
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

// narrow converts wide forms of East Asian keyboards and digits of other
// scripts to ASCII, and removes invisible characters: address books add marks
// of writing direction to numbers that are copied from them.
func narrow(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case invisible.Is(r):
			return -1
		case '\uff01' <= r && r <= '\uff5e':
			return r - '\uff01' + '!'
		case r >= 0x80 && unicode.IsDigit(r):
			for _, digits := range unicode.Nd.R16 { // a range has tens, each from 0 to 9
				if rune(digits.Lo) <= r && r <= rune(digits.Hi) {
					return '0' + (r-rune(digits.Lo))%10
				}
			}
		}
		return r
	}, s)
}
