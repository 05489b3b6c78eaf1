package timezone

import (
	"bytes"
	"strings"

	"github.com/usher-go/usher/timezone/internal/key"
)

//go:generate go run ./internal/gen -out tables.go

// Resolve decides a person's time zone by the time-zone attribute, then the
// country, then the state where zones differ inside the country, then the
// company's default (R76). The package comment has the details.
//
// It never fails and does not allocate. It is safe for concurrent use.
func Resolve(h Hints) Result {
	var notes Notes
	if h.Zone != "" {
		zone, note := byZone(h.Zone)
		if notes = note; zone != 0 {
			return Result{zoneName(zone), BasisZone, notes}
		}
	}
	zone, basis, note := byPlace(h.Country, h.State)
	notes |= note
	if zone != 0 {
		return Result{zoneName(zone), basis, notes}
	}
	if zone, ok := find(key.Zones, strings.TrimSpace(h.Default)); ok {
		return Result{zoneName(zone), BasisDefault, notes}
	}
	return Result{Notes: notes}
}

// byZone reads a time-zone attribute: a name of the TZ database, a Windows id,
// or a Salesforce label, which ends with a name in parentheses.
func byZone(s string) (zone uint16, note Notes) {
	zone, ok := find(key.Zones, s) // the usual spelling, but for its case
	if !ok {
		given := len(s)
		if s = strings.TrimSpace(s); s == "" {
			return 0, 0
		}
		if len(s) < given {
			zone, ok = find(key.Zones, s)
		}
		if !ok {
			zone, ok = find(key.Windows, s)
		}
	}
	if !ok && s[len(s)-1] == ')' {
		token := s[strings.LastIndexByte(s, '(')+1 : len(s)-1]
		zone, ok = find(key.Zones, strings.TrimSpace(token))
	}
	switch {
	case !ok && isOffset(s):
		return 0, noteOffsetUnsupported
	case !ok:
		return 0, noteUnknownName
	case zone&remark != 0:
		return zone, noteAbbreviation
	}
	return zone, 0
}

// byPlace decides by the country, and by the state if the country does not.
func byPlace(country, state string) (zone uint16, basis Basis, notes Notes) {
	c, known := findCountry(country)
	if known && c.class() == classOne {
		return c.zone(), BasisCountry, 0
	}
	if known {
		zone = byState(c, state)
	} else {
		if !isBlank(country) {
			notes = noteUnknownCountry
		}
		zone = byWholeCode(state)
	}
	switch {
	case zone&remark != 0:
		return zone, BasisState, notes | noteStateMajority
	case zone != 0:
		return zone, BasisState, notes
	case !isBlank(state):
		notes |= noteUnknownState
	}
	switch {
	case !known:
		return 0, BasisNone, notes
	case c.class() == classPrimary:
		return c.zone(), BasisCountry, notes | noteCountryPrimary
	case c.class() == classMany:
		return 0, BasisNone, notes | noteCountryHasMany
	}
	return 0, BasisNone, notes | noteCountryNoZone
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

// Country returns the ISO 3166-1 alpha-2 code, in upper case, of a country
// given by an English name or by a code of two or three letters (R77). It does
// not allocate.
func Country(s string) (alpha2 string, ok bool) {
	c, ok := findCountry(s)
	if !ok {
		return "", false
	}
	return c.code(), true
}

// findCountry finds a country by one spelling, or by two of the same country:
// "Eswatini (Swaziland)", "Germany (DE)".
func findCountry(s string) (country, bool) {
	if len(s) == 2 { // the usual form
		return findAlpha2(s)
	}
	if n, ok := find(key.Countries, s); ok { // the usual spelling, but for its case
		return country(n), true
	}
	if c, ok := findFolded(s); ok {
		return c, true
	}
	s = strings.TrimSpace(s)
	open := strings.IndexByte(s, '(')
	if open < 0 || s[len(s)-1] != ')' {
		return 0, false
	}
	c, ok := findFolded(s[:open])
	other, same := findFolded(s[open+1 : len(s)-1])
	if !ok || !same || c != other {
		return 0, false
	}
	return c, true
}

// findFolded finds a country by one spelling.
func findFolded(s string) (country, bool) {
	s = strings.TrimSpace(s)
	if len(s) == 2 {
		return findAlpha2(s)
	}
	var buf [key.Max]byte
	name := buf[:key.Fold(&buf, s)]
	if len(name) == 2 { // U.S.
		return findAlpha2(name)
	}
	n, ok := find(key.Countries, name)
	return country(n), ok
}

// byState finds a state of a country with several zones (R78): by code, by
// name, or by the whole ISO 3166-2 code. A code that names another country is
// unknown.
func byState(c country, s string) (zone uint16) {
	space := c.states()
	if space == 0 || s == "" {
		return 0
	}
	if zone, ok := find(space, s); ok { // the usual spelling, but for its case
		return zone
	}
	if prefix, part, ok := cutCode(s); ok && prefix == c {
		zone, _ = find(space, part)
		return zone
	}
	var buf [key.Max]byte
	n := key.Fold(&buf, s)
	if zone, ok := find(space, buf[:n]); ok {
		return zone
	}
	zone, _ = find(space, trimKind(buf[:n]))
	return zone
}

// byWholeCode finds a state by an ISO 3166-2 code alone, which names its
// country.
func byWholeCode(s string) (zone uint16) {
	c, part, ok := cutCode(s)
	switch {
	case !ok:
		return 0
	case c.class() == classOne:
		return c.zone()
	case c.states() == 0:
		return 0
	}
	zone, _ = find(c.states(), part)
	return zone
}

// cutCode divides an ISO 3166-2 code: a country, a hyphen (or an underscore),
// and one to three letters or digits.
func cutCode(s string) (c country, part string, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) < 4 || len(s) > 6 || s[2] != '-' && s[2] != '_' {
		return 0, "", false
	}
	for _, b := range []byte(s[3:]) {
		if !isDigit(b) && !isLetter(b) {
			return 0, "", false
		}
	}
	c, ok = findAlpha2(s[:2])
	return c, s[3:], ok
}

// isKind reports whether words are one for subdivisions, which may stand after
// a name, or before it with one of joints.
func isKind(words []byte) bool {
	switch string(words) {
	case "aimag", "autonomous okrug", "autonomous region", "city", "commonwealth", "county", "department", "district",
		"distrito", "estado", "governorate", "krai", "kray", "municipality", "oblast", "okrug", "prefecture", "provincia",
		"province", "region", "republic", "respublika", "sheng", "shi", "state", "territory":
		return true
	}
	return false
}

var joints = [...]string{" of ", " de ", " del "}

// trimKind cuts one such word, or two, off a folded name. It returns nil if
// there is none.
func trimKind(name []byte) []byte {
	for i, c := range name {
		if c != ' ' {
			continue
		}
		if isKind(name[i+1:]) {
			return name[:i]
		}
		if !isKind(name[:i]) {
			continue
		}
		for _, joint := range joints {
			if rest, ok := bytes.CutPrefix(name[i:], []byte(joint)); ok {
				return rest
			}
		}
	}
	return nil
}
