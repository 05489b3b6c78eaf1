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

	"github.com/nyaruka/phonenumbers"

	"github.com/usher-go/usher/timezone"
)

// The codes that Normalize returns.
const (
	// Unparsed: the number is no plausible telephone number and was kept as it
	// was given.
	Unparsed = "phone.unparsed"
	// ExtFieldWins: the number has an extension and the extension field has
	// another one, which was taken (R65).
	ExtFieldWins = "phone.ext_field_wins"
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
// was given, with the code Unparsed. The extension is that of the extension
// field if it has one, else that of the number.
func (Normalizer) Normalize(number, extension, country string) (normalized, ext string, codes []string) {
	ext = trimExtension(extension)
	if strings.TrimSpace(number) == "" {
		return "", ext, nil
	}
	parsed := parse(number, country)
	if parsed == nil {
		return number, ext, []string{Unparsed}
	}
	switch own := parsed.GetExtension(); {
	case ext == "":
		ext = own
	case own != "" && own != ext:
		codes = []string{ExtFieldWins}
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), ext, codes
}

// parse returns nil for what is no plausible number.
func parse(number, country string) *phonenumbers.PhoneNumber {
	region, known := timezone.Country(country)
	if !known {
		region = "US"
	}
	parsed, err := phonenumbers.Parse(number, region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(parsed) != phonenumbers.IS_POSSIBLE {
		return nil
	}
	if !known && !phonenumbers.IsValidNumber(parsed) {
		return nil
	}
	return parsed
}

// trimExtension cuts what people write before an extension: "ext. 143", "x143",
// "#143".
func trimExtension(s string) string {
	s = strings.TrimSpace(s)
	digits := strings.TrimLeft(strings.ToLower(s), "extnsio.:=# ")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return s
	}
	return digits
}
