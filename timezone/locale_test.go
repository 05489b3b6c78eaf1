package timezone_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/timezone"
)

// R69: the spellings of providers; en-US for a text that is no locale.
func TestParseLocale(t *testing.T) {
	for s, want := range map[string]string{
		"en-US": "en-US", "en_US": "en-US", "EN_us": "en-US", "\ten-us\n": "en-US", "de": "de", "DE": "de", "fr_CA": "fr-CA",
		"zh_CN_PINYIN": "zh-CN", "zh_HK_STROKE": "zh-HK", "zh-Hant-TW": "zh-Hant-TW", "zh_CN_#Hans": "zh-Hans-CN", "zh-hans": "zh-Hans",
		"iw_IL": "he-IL", "iw": "he", "in_ID": "id-ID", "ji": "yi", "no_NO": "no-NO", "nb-NO": "nb-NO", "tl_PH": "fil-PH", "sh_BA": "sr-BA",
		"eng": "en", "deu-DE": "de-DE", "fil": "fil", "gsw_CH": "gsw-CH",
		"en-UK": "en-GB", "en-USA": "en-US", "es-419": "es-419", "en-001": "en-001", "en_150": "en-150",
		"sr_Latn_RS": "sr-Latn-RS", "sr-cyrl-rs": "sr-Cyrl-RS", "uz-Arab-AF": "uz-Arab-AF",
		"en_US.UTF-8": "en-US", "ca_ES@valencia": "ca-ES", "en_US_POSIX": "en-US", "de__POSIX": "de", "de_DE_PHONEBOOK": "de-DE",
		"sl-rozaj-1994": "sl", "zh-yue-HK": "zh-HK", "en-US-u-ca-gregory": "en-US", "de-u-co-phonebk": "de", "en-": "en", "th_TH_TH": "th-TH",
		"no_NO_NY": "no-NO", "en-US-x-twain": "en-US", "hy-AM": "hy-AM", "ar-XK": "ar-XK",
	} {
		l, ok := timezone.ParseLocale(s)
		assert.True(t, ok, s)
		assert.Equal(t, want, l.String(), s)
		again, ok := timezone.ParseLocale(l.String())
		assert.True(t, ok, s)
		assert.Equal(t, l, again, s)
	}
	for _, s := range []string{
		"", " ", "-", "_", "english", "English (United States)", "e", "US", "xx", "xx-US", "en-XX", "en-ZZ", "en US", "en/US", "en-U$", "12",
		"en-Zzzzz$", "en-Abcd", "C", "POSIX", "i-klingon", "x-private", "en-toolongsubtag", "de,en", "ру", "\xff\xff", "1033", "null",
		strings.Repeat("en-", 2000) + "!",
	} {
		l, ok := timezone.ParseLocale(s)
		assert.False(t, ok, s)
		assert.Equal(t, timezone.Locale{Language: "en", Region: "US"}, l, s)
	}
}

func days(d timezone.Days) []time.Weekday { return slices.Collect(d.All()) }

// R69: the weekend of a region is CLDR's, whatever the language.
func TestWeekend(t *testing.T) {
	const sun, thu, fri, sat = time.Sunday, time.Thursday, time.Friday, time.Saturday
	for locale, want := range map[string][]time.Weekday{
		"en-US": {sun, sat}, "de": {sun, sat}, "": {sun, sat}, "nonsense": {sun, sat}, "en-001": {sun, sat}, "ar-AE": {sun, sat}, "tr": {sun, sat},
		"ar-SA": {fri, sat}, "ar_EG": {fri, sat}, "he-IL": {fri, sat}, "iw_IL": {fri, sat}, "ar": {fri, sat}, "he": {fri, sat}, "en-SA": {fri, sat},
		"fa-IR": {fri}, "fa": {fri}, "fa-AF": {thu, fri}, "ps": {thu, fri}, "uz": {sun, sat}, "uz-Arab": {thu, fri}, "uz-Arab-UZ": {sun, sat},
		"hi-IN": {sun}, "hi": {sun}, "en-IN": {sun}, "en-UG": {sun}, "ar-001": {sun, sat}, "es-419": {sun, sat}, "ar-US": {sun, sat},
		// CLDR has no entry for these regions; offices there keep other days.
		"bn-BD": {sun, sat}, "dv-MV": {sun, sat}, "ar-PS": {sun, sat}, "ms-BN": {sun, sat}, "ne-NP": {sun, sat}, "so-SO": {sun, sat}, "fr-DJ": {sun, sat},
	} {
		slices.Sort(want)
		assert.Equal(t, want, days(timezone.Weekend(locale)), locale)
	}
	listed := map[string]string{}
	for _, f := range vendored(t, "cldr-weekends.tsv") {
		listed[f[0]] = f[1] + " to " + f[2]
	}
	spans := map[string][]time.Weekday{
		"sat to sun": {sun, sat}, "fri to sat": {fri, sat}, "thu to fri": {thu, fri}, "fri to fri": {fri}, "sun to sun": {sun},
	}
	for _, f := range vendored(t, "cldr-countries.tsv") {
		want := spans[cmp.Or(listed[f[0]], listed["001"])]
		assert.Equal(t, want, days(timezone.Weekend("en-"+f[0])), f[0])
	}
	for d := range timezone.Weekend("en-US").All() {
		assert.Equal(t, time.Sunday, d, "a loop may stop at once")
		break
	}
}

// R69: the day is the day in the person's zone.
func TestIsWorkingDay(t *testing.T) {
	friday := time.Date(2026, time.November, 27, 12, 0, 0, 0, time.UTC)
	saturdayInAuckland := time.Date(2026, time.November, 27, 20, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at           time.Time
		zone, locale string
		want         bool
	}{
		{friday, "Europe/London", "en-GB", true},
		{friday, "Asia/Riyadh", "ar-SA", false},
		{friday, "Asia/Riyadh", "", true},
		{saturdayInAuckland, "Europe/London", "en-GB", true},
		{saturdayInAuckland, "Pacific/Auckland", "en-NZ", false},
		{friday.AddDate(0, 0, 1), "Asia/Kolkata", "en-IN", true},
		{friday.AddDate(0, 0, 2), "Asia/Kolkata", "en-IN", false},
		// If the zone is not valid, the day is the day in t's own location.
		{saturdayInAuckland.In(time.FixedZone("", 13*3600)), "", "en-NZ", false},
		{saturdayInAuckland.In(time.FixedZone("", 13*3600)), "Narnia/City", "en-NZ", false},
		{saturdayInAuckland, "", "en-NZ", true},
	} {
		assert.Equal(t, c.want, timezone.IsWorkingDay(c.at, c.zone, c.locale), "%+v", c)
	}
}

// R69: every text is parsed without panic or allocation, and a parsed locale
// parses to itself.
func FuzzParseLocale(f *testing.F) {
	for _, s := range []string{"en-US", "zh_CN_#Hans", "de__POSIX", "es-419", "sr_Latn_RS", "en-u-x", "\xff-\xff", "a-", "--", "zh-yue", "en@."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, ok := timezone.ParseLocale(s)
		if again, _ := timezone.ParseLocale(l.String()); ok && again != l {
			t.Errorf("%q: %v, then %v", s, l, again)
		}
		if n := testing.AllocsPerRun(10, func() { timezone.ParseLocale(s); timezone.Weekend(s) }); n > 0 {
			t.Errorf("%q: %v allocations", s, n)
		}
	})
}
