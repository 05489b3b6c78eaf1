package timezone

import (
	"iter"
	"math/bits"
)

// A Note is a stable code that says why a hint was not used, or how certain the
// answer is (S26).
type Note string

// The notes, in the order in which Notes.All yields them.
const (
	// NoteOffsetUnsupported: the time-zone attribute is an offset such as -05:00
	// (R75).
	NoteOffsetUnsupported Note = "tz.offset_unsupported"
	// NoteUnknownName: the time-zone attribute names no zone, or several.
	NoteUnknownName Note = "tz.unknown_name"
	// NoteAbbreviation: the time-zone attribute was used, but EST, MST and HST are
	// names of fixed offsets, without daylight saving time.
	NoteAbbreviation Note = "tz.abbreviation"
	// NoteUnknownCountry: the country is unknown.
	NoteUnknownCountry Note = "tz.unknown_country"
	// NoteUnknownState: the state was needed, and the country has no such state or
	// is itself unknown.
	NoteUnknownState Note = "tz.unknown_state"
	// NoteStateMajority: the state has several zones; the answer is the zone of
	// most of its people (A20).
	NoteStateMajority Note = "tz.state_majority"
	// NoteCountryHasMany: the country has several zones and no usable state tells
	// which, so it decides nothing.
	NoteCountryHasMany Note = "tz.country_has_many"
	// NoteCountryPrimary: the country has several zones and no usable state, and
	// the answer is its primary zone (A17).
	NoteCountryPrimary Note = "tz.country_primary"
	// NoteCountryNoZone: the TZ database has no zone for the country, which is an
	// uninhabited island.
	NoteCountryNoZone Note = "tz.country_no_zone"
)

// Notes is a set of notes. The zero value is empty, and two sets are equal if
// they hold the same notes.
type Notes uint16

// The sets of one note each, in the order of noteCodes.
const (
	noteOffsetUnsupported Notes = 1 << iota
	noteUnknownName
	noteAbbreviation
	noteUnknownCountry
	noteUnknownState
	noteStateMajority
	noteCountryHasMany
	noteCountryPrimary
	noteCountryNoZone
)

var noteCodes = [...]Note{
	NoteOffsetUnsupported, NoteUnknownName, NoteAbbreviation, NoteUnknownCountry, NoteUnknownState,
	NoteStateMajority, NoteCountryHasMany, NoteCountryPrimary, NoteCountryNoZone,
}

// Has reports whether the set holds the note.
func (s Notes) Has(n Note) bool {
	for held := range s.All() {
		if held == n {
			return true
		}
	}
	return false
}

// Len returns how many notes the set holds.
func (s Notes) Len() int { return bits.OnesCount16(uint16(s)) }

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
