package timezone

import (
	"bytes"
	"strings"

	"github.com/usher-go/usher/timezone/internal/key"
)

//go:generate go run ./internal/gen -out tables.go

// Resolve decides a person's time zone by the time-zone attribute, then the
// country, then the state if the zones inside the country differ, then the
// company's default (R76). See the package comment.
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

// byZone reads a time-zone attribute: a name of the TZ database, a Windows ID, or a
// text for people that stands for one.
func byZone(s string) (zone uint16, note Notes) {
	zone, ok := findZone(s) // the usual spelling, except for its case
	if !ok {
		given := len(s)
		if s = strings.TrimSpace(s); s == "" {
			return 0, 0
		}
		if len(s) < given {
			zone, ok = findZone(s)
		}
	}
	switch {
	case !ok:
		return byLabel(s)
	case zone&remark != 0:
		return zone, noteAbbreviation
	}
	return zone, 0
}

// findZone finds a name of the TZ database or a Windows ID.
func findZone(s string) (zone uint16, ok bool) {
	if zone, ok := find(key.Zones, s); ok {
		return zone, true
	}
	return find(key.Windows, s)
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

// Country returns the ISO 3166-1 alpha-2 code, in upper case, of a country that is
// given by its English name or by a code of two or three letters (R77). It does not
// allocate.
func Country(s string) (alpha2 string, ok bool) {
	c, ok := findCountry(s)
	if !ok {
		return "", false
	}
	return c.code(), true
}

// findCountry finds a country by one spelling, or by a spelling in two parts.
func findCountry(s string) (country, bool) {
	if len(s) == 2 { // the common case
		return findAlpha2(s)
	}
	if n, ok := find(key.Countries, s); ok { // the usual spelling, except for its case
		return country(n), true
	}
	if c, ok := findFolded(s); ok {
		return c, true
	}
	return findDivided(s)
}

// findDivided finds a country by a text of two parts: two names of one country
// ("Eswatini (Swaziland)", "Burma/Myanmar", "Germany (DE)"), a territory and its
// state ("Guam (USA)", "China - Hong Kong"), or a name and the words before it
// ("Singapore, Republic of").
func findDivided(s string) (country, bool) {
	head, tail, ok := cutName(s)
	if !ok {
		return 0, false
	}
	one, known := findFolded(head)
	other, same := findFolded(tail)
	if known && same {
		switch {
		case one == other || one.isTerritoryOf(other):
			return one, true
		case other.isTerritoryOf(one):
			return other, true
		}
		return 0, false
	}
	var buf [key.Max]byte
	n, ok := find(key.Countries, buf[:key.Fold(&buf, tail, head)])
	if !ok { // "Moldova, Rep."
		n, ok = find(key.Countries, buf[:key.Fold(&buf, tail, "of", head)])
	}
	return country(n), ok
}

// cutName divides a name at its first parenthesis, comma or slash, or at a hyphen
// between spaces.
func cutName(s string) (head, tail string, ok bool) {
	const divider = " - "
	i := strings.IndexAny(s, "(,/")
	if i < 0 {
		if i = strings.Index(s, divider); i < 0 {
			return "", "", false
		}
	}
	return s[:i], strings.Trim(s[i:], "(,/-) "), true
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
// name, by the whole ISO 3166-2 code, or by two of these. A code that names
// another country is unknown.
func byState(c country, s string) (zone uint16) {
	space := c.states()
	if space == 0 || s == "" {
		return 0
	}
	if zone, ok := find(space, s); ok { // the usual spelling, except for its case
		return zone
	}
	if zone := findState(c, s); zone != 0 {
		return zone
	}
	head, tail, ok := cutName(s)
	if !ok {
		return 0
	}
	if other, ok := findFolded(tail); ok && other == c { // "California, USA"
		return findState(c, head)
	}
	if other, ok := findFolded(head); ok && other == c { // "US - California"
		return findState(c, tail)
	}
	one, other := findState(c, head), findState(c, tail)
	if one&^remark != other&^remark { // "Washington (DC)"
		return 0
	}
	return one | other // "California (CA)"
}

// findState finds a state by one spelling.
func findState(c country, s string) (zone uint16) {
	space := c.states()
	s = strings.TrimSpace(s)
	if zone, ok := find(space, s); ok {
		return zone
	}
	if prefix, part, ok := cutCode(s, looseSeparators); ok && prefix == c {
		if zone, ok := find(space, part); ok {
			return zone
		}
	}
	var buf [key.Max]byte
	name := buf[:key.Fold(&buf, s)]
	if zone, ok := find(space, name); ok {
		return zone
	}
	zone, _ = find(space, trimKind(name))
	return zone
}

// byWholeCode finds a state by an ISO 3166-2 code alone, which names its
// country.
func byWholeCode(s string) (zone uint16) {
	c, part, ok := cutCode(s, isoSeparators)
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

// The separators between the parts of an ISO 3166-2 code. Beside a known country,
// more are accepted, and also none: Salesforce, which allows no hyphen, has "USCA"
// in orgs that want unique codes of states.
const (
	isoSeparators   = "-_"
	looseSeparators = "-_ /."
)

// cutCode divides an ISO 3166-2 code: a country, a separator, and one to three
// letters or digits; two or three if the separator may be missing.
func cutCode(s, separators string) (c country, part string, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) < 4 || len(s) > 6 {
		return 0, "", false
	}
	switch part = s[2:]; {
	case strings.IndexByte(separators, part[0]) >= 0:
		part = part[1:]
	case separators == isoSeparators || len(part) > 3:
		return 0, "", false
	}
	for _, b := range []byte(part) {
		if !isDigit(b) && !isLetter(b) {
			return 0, "", false
		}
	}
	c, ok = findAlpha2(s[:2])
	return c, part, ok
}

// isKind reports whether words are a word for subdivisions, which may be before or
// after a name. Words for cities and counties are not: "Virginia City" is in
// Nevada.
func isKind(words []byte) bool {
	switch string(words) {
	case "aimag", "autonomous okrug", "autonomous region", "avtonomnaya oblast", "avtonomnaja oblast", "avtonomnaa oblast",
		"avtonomnyy okrug", "avtonomnyj okrug", "aymag", "commonwealth", "department", "district", "distrito", "estado",
		"governorate", "krai", "kraj", "kray", "municipality", "oblast", "okrug", "prefecture", "provincia", "province",
		"region", "republic", "respublika", "sheng", "shi", "state", "territory":
		return true
	}
	return false
}

// joints are the words between such a word and the name after it.
var joints = [...]string{" of the ", " of ", " del ", " de la ", " de ", " du ", " do ", " da ", " "}

// trimKind cuts one or two such words off a folded name. It returns nil if there is
// none.
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
