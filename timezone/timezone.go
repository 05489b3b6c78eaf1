package timezone

import "iter"

// Hints is what a directory and the application know about where a person
// works. Every field may be empty, may have white space around it and may be
// in any case.
type Hints struct {
	Zone    string // the time-zone attribute
	Country string // a name, or an ISO 3166-1 code of two or three letters
	State   string // a name, or an ISO 3166-2 code, whole or its second part
	Default string // the company's default: a TZ database name
}

// Basis says which hint decided.
type Basis uint8

// The bases, in the order of R76.
const (
	BasisNone    Basis = iota // nothing was usable, not even the default
	BasisZone                 // the time-zone attribute
	BasisCountry              // the country alone
	BasisState                // the state or province
	BasisDefault              // the company's default
)

var basisWords = [...]string{"none", "zone", "country", "state", "default"}

// String returns "none", "zone", "country", "state" or "default".
func (b Basis) String() string {
	if int(b) < len(basisWords) {
		return basisWords[b]
	}
	return "invalid"
}

// MarshalText implements encoding.TextMarshaler with the words of String.
func (b Basis) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// A Note is a stable code that says why a hint was passed over, or how far the
// answer can be trusted (S26).
type Note string

// The notes, in the order in which Notes.All yields them.
const (
	// NoteOffsetUnsupported: the time-zone attribute is an offset such as
	// -05:00 (R75).
	NoteOffsetUnsupported Note = "tz.offset_unsupported"
	// NoteUnknownName: the time-zone attribute is no TZ database name.
	NoteUnknownName Note = "tz.unknown_name"
	// NoteAbbreviation: the time-zone attribute is a TZ database name that
	// reads like an abbreviation and has fixed rules: EST, MST, HST.
	NoteAbbreviation Note = "tz.abbreviation"
	// NoteUnknownCountry: the country is none that is known.
	NoteUnknownCountry Note = "tz.unknown_country"
	// NoteUnknownState: the state was needed and is none of the country's.
	NoteUnknownState Note = "tz.unknown_state"
	// NoteStateMajority: the state has several zones; the answer is the one
	// of most of its people (A20).
	NoteStateMajority Note = "tz.state_majority"
	// NoteCountryHasMany: the country has several zones and no usable state
	// tells them apart, so it decides nothing.
	NoteCountryHasMany Note = "tz.country_has_many"
	// NoteCountryPrimary: the country has several zones and no usable state,
	// but one of its zones stands for it (A17).
	NoteCountryPrimary Note = "tz.country_primary"
)

var noteCodes = [...]Note{
	NoteOffsetUnsupported, NoteUnknownName, NoteAbbreviation, NoteUnknownCountry,
	NoteUnknownState, NoteStateMajority, NoteCountryHasMany, NoteCountryPrimary,
}

// Notes is a set of notes. The zero value is empty, and two sets are equal if
// they hold the same notes.
type Notes uint8

// Has reports whether the set holds the note.
func (s Notes) Has(n Note) bool { return s&noteBit(n) != 0 }

// Len returns how many notes the set holds.
func (s Notes) Len() int {
	n := 0
	for ; s != 0; s &= s - 1 {
		n++
	}
	return n
}

// All yields the notes of the set in the order of the constants.
func (s Notes) All() iter.Seq[Note] {
	return func(yield func(Note) bool) {
		for i, n := range noteCodes {
			if s&(1<<i) != 0 && !yield(n) {
				return
			}
		}
	}
}

func noteBit(n Note) Notes {
	for i, c := range noteCodes {
		if c == n {
			return 1 << i
		}
	}
	return 0
}

// Result is the answer of Resolve. It is comparable and holds no reference to
// the hints.
type Result struct {
	Zone  string // a TZ database name, or "" with BasisNone
	Basis Basis  // the hint that decided
	Notes Notes  // why stronger hints did not, and reservations
}
