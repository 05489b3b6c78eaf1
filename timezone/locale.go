package timezone

import (
	"strings"

	"github.com/usher-go/usher/timezone/internal/key"
)

// A Locale is a language with its region and script. It is comparable.
type Locale struct {
	Language string // ISO 639, two or three lower-case letters: "en"
	Script   string // ISO 15924 if it was given, else empty: "Hant"
	Region   string // ISO 3166-1 alpha-2 or UN M.49 if it was given, else empty: "US", "419"
}

// String returns the canonical form: en-US, de, zh-Hant-TW.
func (l Locale) String() string {
	s := l.Language
	for _, subtag := range [...]string{l.Script, l.Region} {
		if subtag != "" {
			s += "-" + subtag
		}
	}
	return s
}

// ParseLocale parses a locale in the spellings that providers send: en-US, en_US,
// de, zh_CN_PINYIN, en_US.UTF-8, in any case and with white space around it. It
// replaces retired codes by current ones: iw by he, in by id, UK by GB. It drops
// variants and extensions.
//
// For a text that is no locale, including the empty string, it returns en-US (R69)
// and false, and also for languages, scripts and countries that ISO does not know.
// It does not allocate.
func ParseLocale(s string) (Locale, bool) {
	if t, ok := parseTag(s); ok {
		return Locale{t.languageCode(), t.script, t.region}, true
	}
	return Locale{Language: "en", Region: "US"}, false
}

// A tag is a locale as the tables know its parts.
type tag struct {
	language  uint16
	script    string  // "" if not given
	region    string  // "" if not given
	country   country // of the region
	isCountry bool    // the region is a country, not a part of the world
}

func (t tag) languageCode() string {
	return strings.TrimRight(languages[3*int(t.language):3*int(t.language)+3], " ")
}

// parseTag parses language, script and region, in this order. It ignores empty
// subtags, as in Java's "de__POSIX".
func parseTag(s string) (t tag, ok bool) {
	s = strings.TrimSpace(s)
	if end := strings.IndexAny(s, ".@"); end >= 0 { // encoding and modifier of POSIX
		s = s[:end]
	}
	subtag, rest := cutSubtag(s)
	if len(subtag) < 2 || len(subtag) > 3 {
		return tag{}, false
	}
	if t.language, ok = find(key.Languages, subtag); !ok {
		return tag{}, false
	}
	for rest != "" {
		subtag, rest = cutSubtag(rest)
		if len(subtag) == 1 { // an extension; no region follows
			return t, true
		}
		if !t.add(subtag) {
			return tag{}, false
		}
	}
	return t, true
}

// cutSubtag cuts off the first subtag. Java writes "#" before a script that follows
// the variant.
func cutSubtag(s string) (subtag, rest string) {
	end := strings.IndexAny(s, "-_")
	if end < 0 {
		end = len(s)
	} else {
		rest = s[end+1:]
	}
	return strings.TrimPrefix(s[:end], "#"), rest
}

// longestVariant is the length of Java's TRADITIONAL; other variants have at most
// eight letters.
const longestVariant = 11

// add adds a subtag after the language and reports whether it is valid. It ignores
// variants and extended languages such as the "yue" of zh-yue.
func (t *tag) add(subtag string) bool {
	digits := 0
	for i := range len(subtag) {
		switch b := subtag[i]; {
		case isDigit(b):
			digits++
		case !isLetter(b):
			return false
		}
	}
	switch {
	case len(subtag) > longestVariant:
		return false
	case len(subtag) == 4 && digits == 0 && t.script == "":
		t.script = findScript(subtag)
		return t.script != ""
	case t.region != "":
		return true
	case len(subtag) == 3 && digits == 3:
		t.region = subtag
		return true
	case len(subtag) == 2 || len(subtag) == 3:
		c, ok := findCountry(subtag)
		if ok {
			t.country, t.isCountry, t.region = c, true, c.code()
		}
		return ok || len(subtag) == 3
	}
	return true
}

func findScript(s string) string {
	for i := 0; i < len(scripts); i += 4 {
		if key.EqualLower(s, scripts[i:i+4]) {
			return scripts[i : i+4]
		}
	}
	return ""
}
