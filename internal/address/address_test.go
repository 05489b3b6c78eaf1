package address_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/address"
)

// S7: an address has exactly one usable domain. Domains are compared as a
// whole, in ASCII lower case and A-label form, with surrounding space trimmed.
func TestParseAddress(t *testing.T) {
	longLocal, longLabel := strings.Repeat("l", 64), strings.Repeat("d", 63)
	longDomain := strings.Repeat(strings.Repeat("d", 49)+".", 5) + "com" // 253 bytes
	for text, want := range map[string]string{                           // an empty result means that the address is refused
		"ana@acme.com":                           "ana@acme.com",
		" \t ana@acme.com \u00a0\n":              "ana@acme.com",
		"\ufeffana@acme.com\u200b":               "ana@acme.com", // pasted with invisible characters
		"\u202aana@acme.com\u202c":               "ana@acme.com",
		"ana\u200b@acme.com":                     "",
		"Ana.Young@ACME.Com":                     "Ana.Young@acme.com",
		"ana@bücher.example":                     "ana@xn--bcher-kva.example",
		"ana@BÜCHER.example":                     "ana@xn--bcher-kva.example",
		"ana@xn--bcher-kva.example":              "ana@xn--bcher-kva.example",
		"ana@XN--BCHER-KVA.example":              "ana@xn--bcher-kva.example",
		"ana@acme。com":                           "ana@acme.com", // the ideographic full stop is a dot of a domain
		"ana@ａｃｍｅ.com":                           "ana@acme.com", // IDNA maps full-width letters to the plain letters
		"ana+tag@acme.com":                       "ana+tag@acme.com",
		"o'hara@acme.com":                        "o'hara@acme.com",
		"émile@acme.com":                         "émile@acme.com",
		"a@b":                                    "a@b",
		"ana@127.0.0.1":                          "ana@127.0.0.1",
		longLocal + "@acme.com":                  longLocal + "@acme.com",
		"a@" + longLabel + ".com":                "a@" + longLabel + ".com",
		"a@" + longDomain:                        "a@" + longDomain,
		"a@acme.com.":                            "", // a trailing dot
		"a@.acme.com":                            "",
		"a@acme..com":                            "",
		"a@-acme.com":                            "",
		"a@acme-.com":                            "",
		"a@acme.com-":                            "",
		"a@acme_x.com":                           "",
		"a@[127.0.0.1]":                          "",
		"a@":                                     "",
		"@acme.com":                              "",
		"acme.com":                               "",
		"":                                       "",
		"@":                                      "",
		"ana@@acme.com":                          "",
		"ana@evil.example@acme.com":              "",
		`"ana@evil.example"@acme.com`:            "", // quoted
		`"ana young"@acme.com`:                   "",
		"mailto:ana@acme.com":                    "", // S8: a URI
		"smtp:ana@acme.com":                      "",
		"ana;bo@acme.com":                        "", // special characters are allowed in quoted local parts only
		"ana@acme.com.invalid":                   "", // S8: as a sandbox mangles addresses
		"ana@ACME.com.INVALID":                   "",
		"ana=acme.com@example.com":               "", // S8: the older form of that
		"ana@example.com":                        "ana@example.com",
		"ana=x@acme.com":                         "ana=x@acme.com",
		"ana young@acme.com":                     "",
		"ana@acme .com":                          "",
		"ana@acme.com, bo@acme.com":              "",
		"ana@acme.com\nbcc: x":                   "",
		"ana\x00@acme.com":                       "",
		"ana\x7f@acme.com":                       "",
		"ana\xff@acme.com":                       "",
		"ana@acme\xff.com":                       "",
		"Ana <ana@acme.com>":                     "",
		"l" + longLocal + "@acme.com":            "",
		"a@d" + longLabel + ".com":               "",
		"a@d" + longDomain:                       "",
		"a@" + strings.Repeat("ü", 300) + ".com": "",
		"ana\u2028@acme.com":                     "",
		"ana\u202egnp@acme.com":                  "",
		"ana\u00a0young@acme.com":                "",
		"ana\u0085@acme.com":                     "",
	} {
		got, domain, ok := address.Parse(text)
		assert.Equal(t, want, got, "%q", text)
		assert.Equal(t, want != "", ok, "%q", text)
		if ok {
			assert.True(t, strings.HasSuffix(got, "@"+domain))
		}
	}
}

// S3: addresses that differ only in ASCII letter case are equal; other letter
// case matters.
func TestSameAddress(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"ana@acme.com", "ANA@acme.com", true}, {"ana@acme.com", "ana@acme.com", true}, {"", "", true},
		{"ana@acme.com", "ana@acme.co", false},
		{"ana@acme.com ", "ana@acme.com", true}, {"ana@bücher.example", "Ana@xn--bcher-kva.example", true}, {"é@Bücher.example", "é@xn--bcher-kva.example", true}, {"é@acme.com", "É@acme.com", false}, {"[@acme.com", "{@acme.com", false}, {"@@acme.com", "`@acme.com", false},
	} {
		require.Equal(t, test.same, address.Same(test.a, test.b), "%q %q", test.a, test.b)
		require.Equal(t, test.same, address.Key(test.a) == address.Key(test.b))
		require.Equal(t, address.Key(test.a), string(address.AppendKey(nil, test.a)))
	}
}

// An accepted address has the form in which members carry it: parsing it again
// changes nothing, and it cannot break out of a line of text.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"ana@acme.com", " Ana@BÜCHER.example ", "a@b@c", "\"a b\"@c", "a@xn--a.com", "a@.", "a\u2028@b.c", "a@b.c.", "@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, domain, ok := address.Parse(text)
		if !ok {
			require.Empty(t, got+domain)
			return
		}
		again, domainAgain, ok := address.Parse(got)
		require.True(t, ok)
		require.Equal(t, got, again)
		require.Equal(t, domain, domainAgain)
		require.Equal(t, 1, strings.Count(got, "@"))
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, len(got), 64+1+253)
		require.NotRegexp(t, `[\pC\pZ]`, got)
	})
}

func FuzzParseDomain(f *testing.F) {
	for _, seed := range []string{"acme.com", "ACME.com ", "bücher.example", "xn--bcher-kva.example", "a..b", ".", "a.b.", "-a.b", "日本語.example", "acme。com"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		domain, ok := address.Domain(text)
		if !ok {
			require.Empty(t, domain)
			return
		}
		again, ok := address.Domain(domain)
		require.True(t, ok)
		require.Equal(t, domain, again)
		require.Equal(t, strings.ToLower(domain), domain)
		require.True(t, !strings.ContainsFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }))
		require.LessOrEqual(t, len(domain), 253)
	})
}
