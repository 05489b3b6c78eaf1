package timezone

import "fmt"

// Hints is what a directory and the application know about a person's place of
// work. Every field may be empty, in any case, and have white space around it.
type Hints struct {
	Zone    string // the time-zone attribute: a name, or a text that shows a zone
	Country string // a name, or an ISO 3166-1 code of two or three letters
	State   string // a name, or an ISO 3166-2 code, complete or its second part
	Default string // the company's default: a TZ database name
}

// Basis says which hint decided.
type Basis uint8

// The bases, in the order of R76.
const (
	BasisNone    Basis = iota // nothing could be used, not even the default
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

// MarshalText implements encoding.TextMarshaler with the words of String. A
// value that is none of the constants is an error.
func (b Basis) MarshalText() ([]byte, error) {
	if int(b) >= len(basisWords) {
		return nil, fmt.Errorf("timezone: invalid basis %d", uint8(b))
	}
	return []byte(basisWords[b]), nil
}

// Result is the answer of Resolve. It is comparable and does not refer to the
// hints.
type Result struct {
	Zone  string // a TZ database name, or "" with BasisNone
	Basis Basis  // the hint that decided
	Notes Notes  // why stronger hints were not used, and how certain the answer is
}
