package provisioning

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// R64: the six documented forms of an extension behind a number; R65: the
// field of its own wins.
func TestSplitExtension(t *testing.T) {
	for _, test := range []struct{ text, field, number, extension, code string }{
		{"(865) 365-1900", "", "(865) 365-1900", "", ""},
		{"(212) 575-1994 ext 3437", "", "(212) 575-1994", "3437", ""},
		{"(317) 251-0700 ext. 468", "", "(317) 251-0700", "468", ""},
		{"(202) 903-2585 x2991", "", "(202) 903-2585", "2991", ""},
		{"(206) 324-1800 x 229", "", "(206) 324-1800", "229", ""},
		{"540.946.4600 Ext. 143", "", "540.946.4600", "143", ""},
		{"540.946.4600, EXT.143", "", "540.946.4600", "143", ""},
		{"540.946.4600;x143", "", "540.946.4600", "143", ""},
		{"(865) 365-1900", "12", "(865) 365-1900", "12", ""},
		{"(212) 575-1994 ext 3437", "3437", "(212) 575-1994", "3437", ""},
		{"(212) 575-1994 ext 3437", "99", "(212) 575-1994", "99", "phone.ext_field_wins"},
		{"ext 12", "", "ext 12", "", ""}, // no number before it
		{"call Max", "", "call Max", "", ""},
		{"540.946.4600 x", "", "540.946.4600 x", "", ""},
		{"540.946.4600 x12a", "", "540.946.4600 x12a", "", ""},
		{"540.946.4600 x123456789012", "", "540.946.4600 x123456789012", "", ""},
		{"５４０ x12", "", "５４０ x12", "", ""},
		{"", "12", "", "12", ""},
	} {
		number, extension, codes := splitExtension(test.text, test.field, "")
		assert.Equal(t, test.number, number, test.text)
		assert.Equal(t, test.extension, extension, test.text)
		if test.code == "" {
			assert.Empty(t, codes, test.text)
		} else {
			assert.Equal(t, []string{test.code}, codes, test.text)
		}
	}
}
