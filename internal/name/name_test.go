package name_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/usher-go/usher/internal/name"
)

// S36: names are equal if they differ only in normal form, letter case, white
// space, or the form of apostrophes and hyphens. Of these, only letter case
// makes a different spelling.
func TestSame(t *testing.T) {
	for _, test := range []struct {
		a, b           string
		same, spelling bool
	}{
		{"José", "Jose\u0301", true, true},
		{"O'Brien", "O\u2019Brien", true, true},
		{"Anne-Marie", "Anne\u2011Marie", true, true},
		{"Wilson  K", " Wilson\u00a0K ", true, true},
		{"ANA", "Ana", true, false},
		{"STRASSER", "Straßer", true, false},
		{"\u212a", "k", true, false}, // the KELVIN SIGN
		{"Σωκράτης", "ΣΩΚΡΆΤΗΣ", true, false},
		{"ǰan", "J\u030can", true, false},             // the capital has no single code point
		{"\u0390", "\u0399\u0308\u0301", true, false}, // neither has this iota
		{"Σταϊκος", "ΣΤΑΪΚΟΣ", true, false},
		{"Σταΐκος", "ΣΤΑΪ\u0301ΚΟΣ", true, false},
		{"Սևակ", "ՍԵՒԱԿ", true, false}, // the Armenian ligature
		{"ışık", "Işık", false, false}, // the dotless i is a separate letter
		{"Iotα\u0345", "iotᾳ", true, false},
		{"Ana\u200b", "\ufeffAna", true, true}, // pasted with invisible characters
		{"Mc\u00adLeod", "McLeod", true, true},
		{"e\u200b\u0301", "\u00e9", true, false},
		{"\u1100\u200b\u1161", "\uac00", true, false},
		{"\u0645\u06cc\u200c\u0646\u0627", "\u0645\u06cc\u0646\u0627", false, false}, // a zero-width non-joiner belongs to the spelling
		{"Ana", "Anna", false, false},
		{"José", "Jose", false, false}, // an accent belongs to the letter
		{"Ana", "", false, false},
		{"a\xffb", "a\xffb", true, true},
		{"a\xffb", "a\ufffdb", false, false},
		{"", "  ", true, true},
	} {
		require.Equal(t, test.same, name.Same(test.a, test.b), "%q %q", test.a, test.b)
		require.Equal(t, test.spelling, name.SameSpelling(test.a, test.b), "%q %q", test.a, test.b)
		require.Equal(t, test.same, string(name.AppendKey(nil, test.a)) == string(name.AppendKey(nil, test.b)))
	}
}

// A full name consists of the words of its parts, however the words are divided
// among the parts.
func TestAppendKeyJoinsParts(t *testing.T) {
	require.Equal(t, "ana maria o'hara", string(name.AppendKey(nil, "Ana  Maria", "O’Hara")))
	require.Equal(t, string(name.AppendKey(nil, "Ana Maria O'Hara")), string(name.AppendKey(nil, " Ana", "MARIA O'Hara ")))
	require.Equal(t, "x ana", string(name.AppendKey([]byte("x "), "Ana")))
	require.Equal(t, "Ana Young", name.Full("Ana", "Young"))
	require.Equal(t, "Young", name.Full("", "Young"))
	require.Equal(t, "Ana", name.Full("Ana", ""))
}

// Comparing short names in composed form allocates nothing.
func TestSameAllocatesNothing(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() { name.Same("José Núñez", "josé  núñez") }))
	require.Zero(t, testing.AllocsPerRun(100, func() { name.Same("Ana Young", "ana  young") }))
}

// A name is the same in upper and lower case, composed or decomposed, and its
// key has one normal form.
func TestKeyOfEveryLetter(t *testing.T) { // S36
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.IsLetter(r) || r == 'ı' { // the upper case of ı belongs to another letter
			continue
		}
		text := "A" + string(r)
		key := string(name.AppendKey(nil, text))
		require.True(t, norm.NFC.IsNormalString(key), "%q", text)
		require.True(t, name.Same(text, norm.NFD.String(text)), "%q", text)
		if r != 'İ' { // the lower case of İ is an i
			require.True(t, name.Same(text, strings.ToLower(text)), "%q", text)
		}
		require.True(t, name.Same(text, strings.ToUpper(text)), "%q", text)
		require.True(t, name.Same(key, text), "%q", text)
	}
}

// The key of a key is the key itself, and the normal form of a name does not
// change its key.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"Ana Young", "José", "Jose\u0301", "e\u200b\u0301", "\u1100\u200b\u1161", "J\u030can", "O\u2019Brien", "\u0345", "ﬁ\u0301", "a\xff\u0301", "각", "\u1100\u1161\u11a8"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key := string(name.AppendKey(nil, text))
		require.Equal(t, key, string(name.AppendKey(nil, key)))
		require.True(t, name.Same(text, norm.NFC.String(text)))
		require.True(t, name.Same(text, norm.NFD.String(text)))
		if name.SameSpelling(text, key) {
			require.True(t, name.Same(text, key))
		}
	})
}
