package timezone

import "github.com/usher-go/usher/timezone/internal/key"

// The tables are strings in tables.go. Only the functions below know their layout.
// None allocates.

func word16(table string, i int) uint16 {
	_ = table[i+1]
	return uint16(table[i]) | uint16(table[i+1])<<8
}

func word32(table string, i int) uint32 {
	_ = table[i+3]
	return uint32(table[i]) | uint32(table[i+1])<<8 | uint32(table[i+2])<<16 | uint32(table[i+3])<<24
}

// find returns the value of the key s, without regard to case.
func find[T key.Text](space key.Space, s T) (value uint16, ok bool) {
	if len(s) == 0 || len(s) > key.Max {
		return 0, false
	}
	bucket := int(key.Hash(space, s) >> (64 - bucketBits))
	want := uint32(len(s))<<5 | uint32(space)
	bounds := word32(buckets, 2*bucket) // this bucket's first entry and the next one's
	for i := int(bounds & 0xffff); i < int(bounds>>16); i++ {
		packed := word32(entries, 6*i)
		if packed&0xfff != want {
			continue
		}
		start := int(packed >> 12)
		if key.EqualLower(s, text[start:start+len(s)]) {
			return word16(entries, 6*i+4), true
		}
	}
	return 0, false
}

// remark is the bit in the value of a zone that asks for a note: the name is an
// abbreviation, or the state has other zones as well.
const remark = 1 << 15

// zoneName returns the name of a zone; it ignores the bit remark.
func zoneName(zone uint16) string {
	packed := word32(zones, 4*int(zone&^remark))
	start := int(packed >> 12)
	return text[start : start+int(packed&0xfff)]
}

// A class says what decides the zone in a country.
type class uint8

const (
	classOne     class = iota // the country: it has one zone, or several with the same rules
	classPrimary              // the state, otherwise the primary zone
	classMany                 // the state, otherwise nothing
	classNone                 // nothing: no zone is known
)

// A country is the number of a country in the tables.
type country uint16

// findAlpha2 finds a country by its two-letter code. These codes are not stored as
// keys.
func findAlpha2[T key.Text](s T) (country, bool) {
	a, b := s[0]|0x20-'a', s[1]|0x20-'a'
	if a >= 26 || b >= 26 {
		return 0, false
	}
	n := alpha2[26*int(a)+int(b)]
	if n == 0 {
		return 0, false
	}
	return country(n - 1), true
}

func (c country) code() string { return countryCodes[2*c : 2*c+2] }

func (c country) class() class { return class(countries[4*int(c)]) }

// states returns the key space of the country's states, or 0.
func (c country) states() key.Space { return key.Space(countries[4*int(c)+1]) }

// zone returns the zone of a country as a whole, or 0.
func (c country) zone() uint16 { return word16(countries, 4*int(c)+2) }

// isTerritoryOf reports whether the country is a territory of the other one.
func (c country) isTerritoryOf(other country) bool { return sovereigns[c] == byte(other)+1 }
