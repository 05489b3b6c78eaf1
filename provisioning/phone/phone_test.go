package phone_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/phone"
)

var _ provisioning.PhoneNormalizer = phone.Normalizer{}

// R64, R65.
func TestNormalize(t *testing.T) {
	for _, c := range []struct {
		number, extension, country string
		want, ext, codes           string
	}{
		// R64: the six documented formats, with and without a country.
		{"(865) 365-1900", "", "US", "+18653651900", "", ""},
		{"(212) 575-1994 ext 3437", "", "United States", "+12125751994", "3437", ""},
		{"(317) 251-0700 ext. 468", "", "USA", "+13172510700", "468", ""},
		{"(202) 903-2585 x2991", "", "us", "+12029032585", "2991", ""},
		{"(206) 324-1800 x 229", "", "", "+12063241800", "229", ""},
		{"540.946.4600 Ext. 143", "", "Narnia", "+15409464600", "143", ""},
		{"1 (865) 365-1900", "", "", "+18653651900", "", ""},
		// International numbers, from anywhere.
		{"+44 20 7946 0958", "", "US", "+442079460958", "", ""},
		{"+44 (0)20 7946 0958", "", "", "+442079460958", "", ""},
		{"+49 30 901820", "", "", "+4930901820", "", ""},
		{"011 44 20 7946 0958", "", "US", "+442079460958", "", ""},
		{"0044 20 7946 0958", "", "DE", "+442079460958", "", ""},
		{"tel:+1-212-575-1994;ext=3437", "", "FR", "+12125751994", "3437", ""},
		{"+1 212 575 1994 #3437", "", "", "+12125751994", "3437", ""},
		// Copied from an address book, with marks of writing direction.
		{"\u202d+1 (212) 575-1994\u202c", "", "", "+12125751994", "", ""},
		{"+1 212\u200e575\u200b1994 x\u200e12", "\u200e12", "", "+12125751994", "12", ""},
		// R64: other forms in use.
		{"212-575-1994 (ext 123)", "", "US", "+12125751994", "123", ""},
		{"(212) 575-1994 [x 123]", "", "US", "+12125751994", "123", ""},
		{"(212) 575-1994 ext: 12", "", "US", "+12125751994", "12", ""},
		{"(212) 575-1994, Ext. No. 12", "", "US", "+12125751994", "12", ""},
		{"(212) 575-1994 #12", "", "US", "+12125751994", "12", ""},
		{"(212) 575-1994,,12#", "", "US", "+12125751994", "12", ""},
		{"+12125751994;ext=12", "", "", "+12125751994", "12", ""},
		{"tel:+1-212-575-1994;ext=34;isub=5", "", "", "+12125751994", "34", ""},
		{"Tel: 212-575-1994 ext 12", "", "US", "+12125751994", "12", ""},
		{"1-800-FLOWERS ext 5", "", "US", "+18003569377", "5", ""},
		{"1-800-APP-1234", "", "US", "+18002771234", "", ""}, // "APP" marks no extension
		{"030/901820 (Durchwahl 12)", "", "DE", "+4930901820", "12", ""},
		{"+7 (495) 123-45-67 \u0434\u043e\u0431. 89", "", "RU", "+74951234567", "89", ""},
		{"03-1234-5678 \u5185\u7dda12", "", "JP", "+81312345678", "12", ""},
		{"\uff10\uff13\uff0d\uff11\uff12\uff13\uff14\uff0d\uff15\uff16\uff17\uff18 \uff58\uff11\uff12", "", "JP", "+81312345678", "12", ""},
		{"\u0660\u0665\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667 x\u0661\u0662", "", "AE", "+971501234567", "12", ""},
		// As dialled in the person's own country.
		{"020 7946 0958", "", "UK", "+442079460958", "", ""},
		{"020 7946 0958", "", "GBR", "+442079460958", "", ""},
		{"020 7946 0958", "", "United Kingdom", "+442079460958", "", ""},
		{"030/901820", "", "Germany", "+4930901820", "", ""},
		{"01 42 68 53 00", "", "FR", "+33142685300", "", ""},
		{"06 698 12345", "", "IT", "+390669812345", "", ""},
		{"03-1234-5678", "", "Japan", "+81312345678", "", ""},
		{"098765 43210", "", "IN", "+919876543210", "", ""},
		{"(416) 555-0123", "", "CA", "+14165550123", "", ""},
		{"(787) 555-0123", "", "Puerto Rico", "+17875550123", "", ""},
		{"038 123 456", "", "Kosovo", "+38338123456", "", ""},
		// R65: the extension field wins.
		{"(212) 575-1994", "3437", "US", "+12125751994", "3437", ""},
		{"(212) 575-1994 ext 3437", "99", "US", "+12125751994", "99", "phone.ext_field_wins"},
		{"(212) 575-1994 ext 3437", "3437", "US", "+12125751994", "3437", ""},
		{"(212) 575-1994", "ext. 0143", "US", "+12125751994", "0143", ""},
		{"(212) 575-1994", " x143 ", "US", "+12125751994", "143", ""},
		{"(212) 575-1994", "Extension: 143", "US", "+12125751994", "143", ""},
		{"(212) 575-1994 (ext 3437)", "x 3437", "US", "+12125751994", "3437", ""},
		{"(212) 575-1994 (ext 3437)", "#99", "US", "+12125751994", "99", "phone.ext_field_wins"},
		{"(212) 575-1994", "front desk", "US", "+12125751994", "front desk", ""},
		{"", "143", "US", "", "143", ""},
		{" ", "", "US", "", "", ""},
		// Not plausible: kept as given, together with the extension of the
		// field.
		{"(317) 251-0700 / 0701", "", "US", "(317) 251-0700 / 0701", "", "phone.unparsed"},
		// libphonenumber would read the end of the second number, or of the
		// only number, as an extension.
		{"(317) 251-0700, 0701", "", "US", "(317) 251-0700, 0701", "", "phone.unparsed"},
		{"2125751994; 2125751995", "", "US", "2125751994; 2125751995", "", "phone.unparsed"},
		{"2125751994;5751995", "12", "US", "2125751994;5751995", "12", "phone.unparsed"},
		{"212-575-1994 #5751995", "", "US", "212-575-1994 #5751995", "", "phone.unparsed"},
		{"+49 30 901820 123#", "", "DE", "+49 30 901820 123#", "", "phone.unparsed"},
		{"+44 20 7946 0958#", "", "GB", "+44 20 7946 0958#", "", "phone.unparsed"},
		{"212-575-1994 x5 ext 6", "", "US", "212-575-1994 x5 ext 6", "", "phone.unparsed"},
		{"212-575-1994 ext 12 / 13", "", "US", "212-575-1994 ext 12 / 13", "", "phone.unparsed"},
		{"251-0700", "12", "US", "251-0700", "12", "phone.unparsed"},
		{" ask the front desk ", "", "US", " ask the front desk ", "", "phone.unparsed"},
		{"n/a", "", "", "n/a", "", "phone.unparsed"},
		{"+999 123456", "", "", "+999 123456", "", "phone.unparsed"},
		{"+1 212", "", "", "+1 212", "", "phone.unparsed"},
		{"020 7946 0958", "", "", "020 7946 0958", "", "phone.unparsed"},
		{"98765 43210", "", "", "98765 43210", "", "phone.unparsed"},
		{"12345", "", "AQ", "12345", "", "phone.unparsed"},
		{"\xff\x00", "", "US", "\xff\x00", "", "phone.unparsed"},
		{strings.Repeat("1", 300), "", "US", strings.Repeat("1", 300), "", "phone.unparsed"},
	} {
		number, ext, codes := phone.Normalizer{}.Normalize(c.number, c.extension, c.country)
		assert.Equal(t, c.want, number, "%+v", c)
		assert.Equal(t, c.ext, ext, "%+v", c)
		assert.Equal(t, c.codes, strings.Join(codes, " "), "%+v", c)

		again, same, _ := phone.Normalizer{}.Normalize(number, ext, c.country)
		assert.Equal(t, []string{number, ext}, []string{again, same}, "what is normal stays: %+v", c)
	}
}

// Every text is returned as E.164 or as it was given.
func FuzzNormalize(f *testing.F) {
	f.Add("(212) 575-1994 ext 3437", "99", "US")
	f.Add("tel:+1-212-575-1994;ext=3437", "", "")
	f.Add("+44 (0)20 7946 0958", "x", "UK")
	f.Add("1-800-FLOWERS", "", "CA")
	f.Add("212-575-1994 (ext 12)", "#12", "US")
	f.Add("2125751994; 2125751995", "", "US")
	f.Fuzz(func(t *testing.T, number, extension, country string) {
		normalized, _, codes := phone.Normalizer{}.Normalize(number, extension, country)
		switch {
		case slices.Contains(codes, string(provisioning.CodePhoneUnparsed)):
			assert.Equal(t, number, normalized)
		case strings.TrimSpace(number) == "":
			assert.Empty(t, normalized)
		default:
			assert.Regexp(t, `^\+[0-9]{3,17}$`, normalized)
		}
	})
}

func ExampleNormalizer() {
	var n phone.Normalizer
	fmt.Println(n.Normalize("(212) 575-1994 ext 3437", "", "US"))
	fmt.Println(n.Normalize("020 7946 0958", "12", "United Kingdom"))
	fmt.Println(n.Normalize("(212) 575-1994 ext 3437", "99", "US"))
	fmt.Println(n.Normalize("ask the front desk", "", "US"))
	// Output:
	// +12125751994 3437 []
	// +442079460958 12 []
	// +12125751994 99 [phone.ext_field_wins]
	// ask the front desk  [phone.unparsed]
}
