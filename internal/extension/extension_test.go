package extension_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/internal/extension"
)

// R64: the documented forms and others in use: those of RFC 3966, of
// libphonenumber's tests (com.google.i18n.phonenumbers, "parseExtensions"), and
// of telephone lists in other languages.
func TestCut(t *testing.T) {
	const number = "(212) 575-1994"
	for text, want := range map[string]string{
		number + " ext 3437": "3437", number + " ext. 3437": "3437", number + " x3437": "3437", number + " x 3437": "3437", number + " Ext. 3437": "3437",
		number + "x3437": "3437", number + " X3437": "3437", number + "ext3437": "3437", number + " EXT: 12": "12", number + " ext.: 12": "12",
		number + " ext=12": "12", number + " ext-12": "12", number + " ext - 12": "12", number + " ext #12": "12", number + " ext. # 12": "12",
		number + " extension 12": "12", number + ", Extension: 12": "12", number + " extn 12": "12", number + " exten. 12": "12", number + " xtn 12": "12",
		number + " ex 12": "12", number + " Ext. No. 12": "12", number + " extension number 12": "12", number + " (ext 12)": "12", number + "(ext.12)": "12", number + " (x12)": "12", number + " [ext: 12]": "12",
		number + " ( Ext. 12 )": "12", number + " ext. (12)": "12", number + " (#12)": "12", number + " #12": "12", number + "#12": "12", number + " # 12": "12",
		number + ";ext=12": "12", number + "; ext=12": "12", number + " ~12": "12", number + " \u00d712": "12", number + ",,12": "12", number + " ,, 12": "12", number + ",,12#": "12", number + " x12#": "12",
		number + " - ext 12": "12", number + " / x12": "12", number + " | ext 12": "12", number + " \u2013 ext 12": "12", number + "\u00a0ext\u00a012": "12",
		number + " ext 12 ": "12", number + " ext 12.": "12", number + " ext 0012": "0012", number + " ext 1234567890": "1234567890",
		// Spanish, Portuguese, French, Italian, German, Dutch, Swedish, Polish,
		// Czech, Turkish, Russian, Chinese, Japanese, Korean.
		number + " extensi\u00f3n 12": "12", number + " anexo 12": "12", number + " ramal 12": "12", number + " poste 12": "12", number + " int. 12": "12",
		number + " interno 12": "12", number + " Durchwahl 12": "12", number + " DW 12": "12", number + " App. 12": "12", number + " toestel 12": "12",
		number + " ankn 12": "12", number + " wew. 12": "12", number + " klapka 12": "12", number + " dahili 12": "12", number + " \u0434\u043e\u0431. 12": "12",
		number + " \u0412\u041d. 12": "12", number + " \u5206\u673a12": "12", number + "\u8f6c12": "12", number + " \u5185\u7dda12": "12", number + " \ub0b4\uc120 12": "12",
	} {
		rest, ext := extension.Cut(text)
		assert.Equal(t, number, rest, text)
		assert.Equal(t, want, ext, text)
	}
	for text, want := range map[string]string{
		"+1 212 575 1994 ext 12": "+1 212 575 1994", "tel:+1-212-575-1994;ext=12": "tel:+1-212-575-1994", "Tel. 030/901820, DW 12": "Tel. 030/901820",
		"00 49 30 901820 x12": "00 49 30 901820", "212\u2011575\u20111994 ext 12": "212\u2011575\u20111994", "575-1994 x12": "575-1994",
		"\u0660\u0665\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667 x12": "\u0660\u0665\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
	} {
		rest, ext := extension.Cut(text)
		assert.Equal(t, want, rest, text)
		assert.Equal(t, "12", ext, text)
	}
}

// R64: a number without an extension loses no digit.
func TestCutNothing(t *testing.T) {
	for _, text := range []string{
		"", "12", "x12", "ext 12", "(ext 12)", "#12", "(212) 575-1994", "+44 (0)20 7946 0958", "+44 20 7946 0958#", "+44 20 7946 0958 - 12#", "+44 20 7946 ##0958", "#31#2125751994", "*67 212 575 1994",
		"(317) 251-0700 / 0701", "(317) 251-0700, 0701", "(317) 251-0700; 0701", "2125751994; 2125751995", "2125751994, 5751995", "2125751994 2125751995",
		"212-575-1994 #5751995", "212-575-1994 ~2125751995", "212-575-1994 ext 12345678901", "212-575-1994 ext", "212-575-1994 ext 12a", "212-575-1994 ext 12 / 13",
		"212-575-1994 ext 12, 13", "212-575-1994 (12)", "212-575-1994 (ext 12", "212-575-1994 ext 12)", "212-575-1994 [ext 12)", "212-575-1994 max12",
		"212-575-1994 suffix 12", "212-575-1994 fax 12", "212-575-1994 pin 1234", "212-575-1994 option 3", "575-199 x12", "0xx1191234567", "(0xx11) 91234-5678",
		"ask Max 12", "Room 12 ext 3", "1-800-FLOWERS", "212-575-1994 or 212-575-1995 ext 12", "212-575-1994 212-575-1995 ext 12", "\xff\xff\xff1234567 x\xff12",
		"#2125751994", "x2125751994", "ext 2125751994", "(x)2125751994", "2125751994()", "2125751994 ()", ")", "(", "1)", "next 12",
	} {
		rest, ext := extension.Cut(text)
		assert.Equal(t, text, rest)
		assert.Empty(t, ext, text)
	}
}

// CutMarked leaves the remaining text to a caller that knows other forms of
// numbers.
func TestCutMarked(t *testing.T) {
	for text, want := range map[string]string{"1-800-FLOWERS, ext. 12": "1-800-FLOWERS", "x12": "", "#": "", "1-800-NEXT12": "",
		"1-800-FLOWERS#12": "1-800-FLOWERS", "tel:1;phone-context=+1;ext=12": "tel:1;phone-context=+1"} {
		rest, ext, ok := extension.CutMarked(text)
		assert.Equal(t, want != "" || text == "x12", ok, text)
		if ok {
			assert.Equal(t, want, rest, text)
			assert.Equal(t, "12", ext, text)
		}
	}
}

// R65.
func TestDigits(t *testing.T) {
	for text, want := range map[string]string{
		"143": "143", " 143 ": "143", "ext. 143": "143", "x143": "143", "#143": "143", "Extension: 143": "143", "(ext 143)": "143", ";ext=143": "143",
		"ext=143": "143", "0143": "0143", "": "", " ": "", "front desk": "front desk", "12 or 13": "12 or 13", "x": "x", "ext": "ext", "max 12": "max 12", "DW 12": "12",
	} {
		assert.Equal(t, want, extension.Digits(text), text)
	}
}

// A number that consists only of digits and dividers is never cut. The
// extension that is cut off consists of the last digits of the text.
func TestCutOnlyMarked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[+(]?[0-9]{1,3}[-0-9 ()./,;]{0,20}`).Draw(t, "number")
		if strings.Contains(number, ",,") {
			return
		}
		rest, ext := extension.Cut(number)
		if rest != number || ext != "" {
			t.Fatalf("%q: %q %q", number, rest, ext)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("0123456789+()-[]./,;:#~xXext \u00a0\u0434\u043e\u0431"))).Draw(t, "text")
		rest, ext := extension.Cut(text)
		if !strings.HasPrefix(text, rest) || ext != "" && !strings.HasSuffix(strings.TrimRight(text, " .)]#"), ext) {
			t.Fatalf("%q: %q %q", text, rest, ext)
		}
		again, none := extension.Cut(rest)
		if ext != "" && len(rest) == len(text) || ext == "" && (again != rest || none != "") {
			t.Fatalf("%q: %q %q", text, rest, ext)
		}
	})
}
