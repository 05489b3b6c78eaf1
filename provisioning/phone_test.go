package provisioning

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// R64, R65: without a PhoneNormalizer, a number loses its extension in any common
// form, and nothing else; the extension field is parsed in the same forms.
func TestSplitExtensionForms(t *testing.T) {
	for _, test := range []struct{ text, field, number, extension, code string }{
		{"212-575-1994 (ext 123)", "", "212-575-1994", "123", ""},
		{"212-575-1994, Extension: 123", "", "212-575-1994", "123", ""},
		{"+12125751994;ext=123", "", "+12125751994", "123", ""},
		{"212-575-1994 #123", "", "212-575-1994", "123", ""},
		{"212-575-1994", "ext. 123", "212-575-1994", "123", ""},
		{"212-575-1994 x123", "x 123", "212-575-1994", "123", ""},
		{"212-575-1994 x123", "front desk", "212-575-1994", "front desk", "phone.ext_field_wins"},
		{"212-575-1994, 1995", "", "212-575-1994, 1995", "", ""},
		{"212-575-1994 #5751995", "", "212-575-1994 #5751995", "", ""},
		{"+44 20 7946 0958#", "", "+44 20 7946 0958#", "", ""},
	} {
		got := splitExtension(Phone{Number: test.text, Extension: test.field})
		assert.Equal(t, [2]string{test.number, test.extension}, [2]string{got.Number, got.Extension}, test.text)
		if test.code == "" {
			assert.Empty(t, got.Codes, test.text)
		} else {
			assert.Equal(t, []Code{Code(test.code)}, got.Codes, test.text)
		}
	}
}
