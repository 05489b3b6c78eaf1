package timezone

import (
	"strings"
	"time"
)

// A Locale is a language, and where and how it is written. Two locales are
// equal if they are the same.
type Locale struct {
	Language string // ISO 639, two or three lower-case letters: "en"
	Script   string // ISO 15924 if it was given, else empty: "Hant"
	Region   string // ISO 3166-1 alpha-2 or UN M.49 if it was given: "US", "419"
}

// String returns the canonical form: en-US, de, zh-Hant-TW.
func (l Locale) String() string {
	s := l.Language
	if l.Script != "" {
		s += "-" + l.Script
	}
	if l.Region != "" {
		s += "-" + l.Region
	}
	return s
}

// ParseLocale reads a locale in the spellings that providers send. What is no
// locale, and the empty string, gives en-US (R69) and false.
func ParseLocale(s string) (Locale, bool) {
	lang, region, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(s), "_", "-"), "-")
	if len(lang) != 2 {
		return Locale{Language: "en", Region: "US"}, false
	}
	return Locale{Language: strings.ToLower(lang), Region: strings.ToUpper(region)}, true
}

// Days is a set of days of the week.
type Days uint8

// Has reports whether the set holds the day.
func (d Days) Has(day time.Weekday) bool { return d&(1<<day) != 0 }

// Weekend returns the free days of the week where the locale is used (R69).
func Weekend(locale string) Days { return 1<<time.Saturday | 1<<time.Sunday }

// IsWorkingDay reports whether the instant t, in the person's zone, falls on a
// day that is no part of the weekend of the person's locale (R69).
func IsWorkingDay(t time.Time, zone, locale string) bool {
	if loc, err := time.LoadLocation(zone); err == nil {
		t = t.In(loc)
	}
	return !Weekend(locale).Has(t.Weekday())
}
