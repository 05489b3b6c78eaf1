package key

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func folded(s string) string {
	var buf [Max]byte
	return string(buf[:Fold(&buf, s)])
}

func TestFold(t *testing.T) {
	for s, want := range map[string]string{
		"":                             "",
		"  ":                           "",
		"&":                            "",
		"United  States":               "united states",
		"U.S.A.":                       "usa",
		"Côte d’Ivoire":                "cote divoire",
		"Co\u0302te d'Ivoire":          "cote divoire",
		"ÅLAND":                        "aland",
		"Æ Ø ß Þ Œ Ł ı İ":              "ae o ss th oe l i i",
		"Türkiye/Turkey":               "turkiye turkey",
		"Việt Nam":                     "viet nam",
		"Guǎngdōng":                    "guangdong",
		"Timișoara Țara":               "timisoara tara",
		"Trinidad & Tobago":            "trinidad and tobago",
		"Trinidad&Tobago":              "trinidad and tobago",
		"St. Lucia":                    "saint lucia",
		"St.Lucia":                     "saint lucia",
		"st lucia st":                  "saint lucia saint",
		"Stavropol":                    "stavropol",
		"Dem. Rep. of the Congo":       "democratic republic of the congo",
		"Korea,Rep.of":                 "korea republic of",
		"Solomon Is.":                  "solomon islands",
		"Isdem repst":                  "isdem repst",
		"oblast\u02b9 Ob\u02baekt":     "oblast obekt",
		"The Gambia":                   "gambia",
		"Gambia, The":                  "gambia",
		"the":                          "the",
		"Theatre":                      "theatre",
		"Congo (the)":                  "congo",
		"Korea, Republic of":           "korea republic of",
		"Guinea-Bissau":                "guinea bissau",
		"a×b÷c":                        "a b c",
		"zero\u200bwidth \ufeff\u00ad": "zerowidth",
		"a\u00a0b\u2013c":              "a b c",
		"Москва":                       "",
		"中国":                           "",
		"bad \xff byte":                "",
		strings.Repeat("a", Max-1):     strings.Repeat("a", Max-1),
		strings.Repeat("a", Max):       "",
		strings.Repeat("&", 500) + "x": "x",
		strings.Repeat("a&", 100):      "",
	} {
		assert.Equal(t, want, folded(s), "%q", s)
	}
}

// A name in several parts gives the same key as the name in one text.
func TestFoldParts(t *testing.T) {
	var buf [Max]byte
	for want, parts := range map[string][]string{
		"republic of korea": {"Rep. of ", "Korea"}, "saint lucia": {"St", "Lucia"}, "congo": {"The", "Congo", "", "the"}, "": {"", "&"}, "a": {"a", "", " "},
	} {
		assert.Equal(t, want, string(buf[:Fold(&buf, parts...)]), parts)
	}
	assert.Zero(t, Fold(&buf, "Rep. of", "Корея"))
}

func TestFoldLabel(t *testing.T) {
	var buf [Max]byte
	for s, want := range map[string]string{
		"Eastern Standard Time": "eastern time", "EASTERN DAYLIGHT TIME (US & Canada)": "eastern time us and canada", "British Summer-Time": "british time",
		"Eastern Time": "eastern time", "Standard Time": "standard time", "Summer": "summer", "Substandard Time": "substandard time",
		"": "",
	} {
		assert.Equal(t, want, string(buf[:FoldLabel(&buf, s)]), s)
	}
}

// Stored and looked-up keys are equal: a folded name folds to itself.
func TestFoldTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once := folded(rapid.StringOf(rapid.RuneFrom([]rune("aAbtThHeEsS .,'&-éßŒ\u0301\u00a0"))).Draw(t, "s"))
		assert.Equal(t, strings.TrimPrefix(strings.TrimSuffix(once, " the"), "the "), folded(once))
	})
}

// asciiLower is the slow reference for Hash and EqualLower.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func TestLower(t *testing.T) {
	text := rapid.StringOf(rapid.RuneFrom([]rune("aAbBzZ@[`{09\x00\x7fàÀ")))
	rapid.Check(t, func(t *rapid.T) {
		s, other := text.Draw(t, "s"), text.Draw(t, "other")
		assert.Equal(t, Hash(Zones, s), Hash(Zones, asciiLower(s)))
		assert.Equal(t, Hash(Zones, s), Hash(Zones, []byte(s)))
		assert.NotEqual(t, Hash(Zones, s), Hash(Windows, s))
		assert.True(t, EqualLower([]byte(s), asciiLower(s)))
		assert.Equal(t, asciiLower(s) == asciiLower(other), EqualLower(s, other))
	})
	for x := range 256 {
		for y := range 256 {
			s, other := string([]byte{byte(x), '-'}), string([]byte{byte(y), '-'})
			assert.Equal(t, asciiLower(s) == asciiLower(other), EqualLower(s, other), "%q %q", s, other)
		}
	}
}
