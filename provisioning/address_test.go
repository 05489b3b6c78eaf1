package provisioning

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// S7: an address has exactly one usable domain, which is compared whole, in
// ASCII lower case and A-label form, with the space around it trimmed.
func TestParseAddress(t *testing.T) {
	longLocal, longLabel := strings.Repeat("l", 64), strings.Repeat("d", 63)
	longDomain := strings.Repeat(strings.Repeat("d", 49)+".", 5) + "com" // 253 bytes
	for text, want := range map[string]string{                           // "" is refused
		"ana@acme.com":                "ana@acme.com",
		" \t ana@acme.com \u00a0\n":   "ana@acme.com",
		"Ana.Young@ACME.Com":          "Ana.Young@acme.com",
		"ana@bücher.example":          "ana@xn--bcher-kva.example",
		"ana@BÜCHER.example":          "ana@xn--bcher-kva.example",
		"ana@xn--bcher-kva.example":   "ana@xn--bcher-kva.example",
		"ana@XN--BCHER-KVA.example":   "ana@xn--bcher-kva.example",
		"ana@acme。com":                "ana@acme.com", // the ideographic full stop is a dot of a domain
		"ana@ａｃｍｅ.com":                "ana@acme.com", // full-width letters are the letters, by IDNA's mapping
		"ana+tag@acme.com":            "ana+tag@acme.com",
		"o'hara@acme.com":             "o'hara@acme.com",
		"émile@acme.com":              "émile@acme.com",
		"a@b":                         "a@b",
		"ana@127.0.0.1":               "ana@127.0.0.1",
		longLocal + "@acme.com":       longLocal + "@acme.com",
		"a@" + longLabel + ".com":     "a@" + longLabel + ".com",
		"a@" + longDomain:             "a@" + longDomain,
		"a@acme.com.":                 "", // a trailing dot
		"a@.acme.com":                 "",
		"a@acme..com":                 "",
		"a@-acme.com":                 "",
		"a@acme-.com":                 "",
		"a@acme.com-":                 "",
		"a@acme_x.com":                "",
		"a@[127.0.0.1]":               "",
		"a@":                          "",
		"@acme.com":                   "",
		"acme.com":                    "",
		"":                            "",
		"@":                           "",
		"ana@@acme.com":               "",
		"ana@evil.example@acme.com":   "",
		`"ana@evil.example"@acme.com`: "", // quoted
		`"ana young"@acme.com`:        "",
		"ana young@acme.com":          "",
		"ana@acme .com":               "",
		"ana@acme.com, bo@acme.com":   "",
		"ana@acme.com\nbcc: x":        "",
		"ana\x00@acme.com":            "",
		"ana\x7f@acme.com":            "",
		"ana\xff@acme.com":            "",
		"ana@acme\xff.com":            "",
		"Ana <ana@acme.com>":          "",
		"l" + longLocal + "@acme.com": "",
		"a@d" + longLabel + ".com":    "",
		"a@d" + longDomain:            "",
		"a@" + strings.Repeat("ü", 300) + ".com": "",
		"ana\u2028@acme.com":                     "",
		"ana\u202egnp@acme.com":                  "",
		"ana\u00a0young@acme.com":                "",
		"ana\u0085@acme.com":                     "",
	} {
		address, domain, ok := parseAddress(text)
		assert.Equal(t, want, address, "%q", text)
		assert.Equal(t, want != "", ok, "%q", text)
		if ok {
			assert.True(t, strings.HasSuffix(address, "@"+domain))
		}
	}
}

// Look-alikes of other alphabets are other domains.
func TestDomainLookAlikes(t *testing.T) {
	r, err := New(Config{Source: "okta", Domains: Domains{Primary: "acme.com"}})
	require.NoError(t, err)
	for domain, in := range map[string]bool{
		"acme.com": true, "ACME.COM": true, "аcme.com": false /* Cyrillic a */, "acme.сom": false, "acme.com.evil.example": false,
		"evil-acme.com": false, "mail.acme.com": false, "acmé.com": false, "acme.co": false, "xn--acme-.com": false,
	} {
		_, parsed, ok := parseAddress("ana@" + domain)
		require.Equal(t, in, ok && r.domains[parsed], domain)
	}
}

// S3: addresses are one without regard to ASCII case, and to no other.
func TestSameAddress(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"ana@acme.com", "ANA@acme.com", true}, {"ana@acme.com", "ana@acme.com", true}, {"", "", true},
		{"ana@acme.com", "ana@acme.co", false}, {"é@acme.com", "É@acme.com", false}, {"[@acme.com", "{@acme.com", false}, {"@@acme.com", "`@acme.com", false},
	} {
		require.Equal(t, test.same, sameAddress(test.a, test.b), "%q %q", test.a, test.b)
		require.Equal(t, test.same, addressKey(test.a) == addressKey(test.b))
		require.Equal(t, addressKey(test.a), string(appendKey(nil, test.a)))
	}
}

// What is accepted is in the form in which members carry it: parsing it again
// changes nothing, and it cannot break out of a line.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"ana@acme.com", " Ana@BÜCHER.example ", "a@b@c", "\"a b\"@c", "a@xn--a.com", "a@.", "a\u2028@b.c", "a@b.c.", "@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, domain, ok := parseAddress(text)
		if !ok {
			require.Empty(t, address+domain)
			return
		}
		again, domainAgain, ok := parseAddress(address)
		require.True(t, ok)
		require.Equal(t, address, again)
		require.Equal(t, domain, domainAgain)
		require.Equal(t, 1, strings.Count(address, "@"))
		require.True(t, utf8.ValidString(address))
		require.LessOrEqual(t, len(address), 64+1+253)
		require.Equal(t, address, quoteUnprintable(address))
	})
}

func FuzzParseDomain(f *testing.F) {
	for _, seed := range []string{"acme.com", "ACME.com ", "bücher.example", "xn--bcher-kva.example", "a..b", ".", "a.b.", "-a.b", "日本語.example", "acme。com"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		domain, ok := parseDomain(text)
		if !ok {
			require.Empty(t, domain)
			return
		}
		again, ok := parseDomain(domain)
		require.True(t, ok)
		require.Equal(t, domain, again)
		require.Equal(t, strings.ToLower(domain), domain)
		require.True(t, isASCII(domain))
		require.LessOrEqual(t, len(domain), 253)
	})
}

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

// S14: more than the limit, not equal to it; both where both are given; below
// the least population the count alone.
func TestLimitTrips(t *testing.T) {
	percent, count := func(p float64) *float64 { return &p }, func(n int) *int { return &n }
	both := Limit{Percent: percent(20), Count: count(10)}
	for _, test := range []struct {
		limit             Limit
		count, population int
		trips             bool
	}{
		{both, 11, 50, true}, {both, 10, 50, false}, {both, 10, 51, false}, {both, 11, 54, true}, {both, 11, 55, false}, {both, 12, 55, true}, {both, 20, 100, false}, {both, 21, 100, true},
		{both, 10, 49, false}, {both, 11, 49, true}, {both, 1, 1, false}, // the count alone
		{Limit{Percent: percent(20)}, 10, 50, false}, {Limit{Percent: percent(20)}, 11, 50, true}, {Limit{Percent: percent(20)}, 49, 49, false},
		{Limit{Count: count(0)}, 0, 100, false}, {Limit{Count: count(0)}, 1, 100, true}, {Limit{Count: count(3)}, 3, 4, false}, {Limit{Count: count(3)}, 4, 4, true},
		{Limit{Percent: percent(0)}, 1, 1000, true}, {Limit{Percent: percent(100)}, 50, 50, false}, {Limit{}, 50, 50, false},
		{Limit{Percent: percent(12.5)}, 10, 80, false}, {Limit{Percent: percent(12.5)}, 11, 80, true},
	} {
		require.Equal(t, test.trips, test.limit.trips(test.count, test.population, 50), "%d of %d, %s", test.count, test.population, test.limit)
	}
}

// The defaults of each class (S14).
func TestDefaultLimits(t *testing.T) {
	limits, least := Breakers{}.limits()
	require.Equal(t, 50, least)
	for class, want := range map[Class]string{
		ClassDeactivate: "limit 20 % and 10 people", ClassDowngrade: "limit 20 %", ClassRewriteIdentity: "limit 10 %", ClassReparent: "limit 30 %", ClassCreate: "no limit",
	} {
		require.Equal(t, want, limits[class].String(), class)
	}
	one := 1
	limits, least = Breakers{Create: &Limit{Count: &one}, MinPopulation: &one}.limits()
	require.Equal(t, 1, least)
	require.Equal(t, "limit 1 people", limits[ClassCreate].String())
	require.Equal(t, "limit 20 % and 10 people", limits[ClassDeactivate].String(), "the others keep theirs")
}
