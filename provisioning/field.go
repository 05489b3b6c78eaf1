package provisioning

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math/bits"
	"slices"
)

// A Field is a field of a Member that a plan or a hand can change.
type Field uint8

// The fields, named in JSON and text as in a member's JSON.
const (
	FieldConnection Field = iota
	FieldExternalID
	FieldManaged
	FieldActive
	FieldEmail
	FieldOtherEmails
	FieldPrivateEmail
	FieldGivenName
	FieldFamilyName
	FieldTitle
	FieldPhone
	FieldMobilePhone
	FieldPhoneExtension
	FieldTimeZone
	FieldCountry
	FieldState
	FieldLocale
	FieldManager
	FieldAssignment
	FieldSeats
	FieldHome
	FieldProfiles
	FieldCapture
	FieldExtra
	fieldCount
)

var fieldNames = [fieldCount]string{
	"connection", "external_id", "managed", "active",
	"email", "other_emails", "private_email", "given_name", "family_name", "title",
	"phone", "mobile_phone", "phone_extension", "timezone", "country", "state", "locale",
	"manager_id", "assignment_id", "seats", "home", "profiles", "capture", "extra",
}

// String returns the field's name in a member's JSON.
func (f Field) String() string {
	if f < fieldCount {
		return fieldNames[f]
	}
	return fmt.Sprintf("Field(%d)", uint8(f))
}

// MarshalText implements encoding.TextMarshaler.
func (f Field) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Field) UnmarshalText(text []byte) error {
	for i, name := range fieldNames {
		if string(text) == name {
			*f = Field(i)
			return nil
		}
	}
	return fmt.Errorf("field %q: want the name of a member's field", text)
}

// A FieldSet is a set of fields. The zero FieldSet is empty.
type FieldSet uint32

// Fields returns the set of the given fields.
func Fields(fields ...Field) FieldSet {
	var s FieldSet
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

// Has reports whether f is in s.
func (s FieldSet) Has(f Field) bool { return s&(1<<f) != 0 }

// All yields the fields of s in their order.
func (s FieldSet) All() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(Field(bits.TrailingZeros32(uint32(s)))) {
				return
			}
		}
	}
}

// Names returns the names of the fields in their order.
func (s FieldSet) Names() []string {
	var names []string
	for f := range s.All() {
		names = append(names, f.String())
	}
	return names
}

// The groups of fields that the rules treat alike.
const (
	// sourceFields follow the directory wherever it gives a value (R37, C4).
	sourceFields FieldSet = 1<<FieldEmail | 1<<FieldOtherEmails | 1<<FieldPrivateEmail |
		1<<FieldGivenName | 1<<FieldFamilyName | 1<<FieldTitle |
		1<<FieldPhone | 1<<FieldMobilePhone | 1<<FieldPhoneExtension |
		1<<FieldTimeZone | 1<<FieldCountry | 1<<FieldState | 1<<FieldLocale
	// settingFields follow the assignment under automatic mode (R116).
	settingFields FieldSet = 1<<FieldSeats | 1<<FieldHome | 1<<FieldProfiles | 1<<FieldCapture | 1<<FieldExtra
)

// Owner is who wrote a field last.
type Owner uint8

// The owners. Nobody is the zero value: such a field may be edited.
const (
	Nobody Owner = iota
	Hand         // edited by hand; a set-once field is locked from then on (R71)
	Source       // given by the directory or by an automatic assignment (R70)
)

var ownerWords = [...]string{"nobody", "hand", "source"}

// String returns the word that stands for o in JSON.
func (o Owner) String() string {
	if int(o) < len(ownerWords) {
		return ownerWords[o]
	}
	return fmt.Sprintf("Owner(%d)", uint8(o))
}

// MarshalText implements encoding.TextMarshaler.
func (o Owner) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Owner) UnmarshalText(text []byte) error {
	for i, word := range ownerWords {
		if string(text) == word {
			*o = Owner(i)
			return nil
		}
	}
	return fmt.Errorf("owner %q: want source, hand or nobody", text)
}

// Owners says who owns each field of a member. It is a small comparable value;
// the zero Owners say nobody of every field. In JSON it is an object from field
// to owner, without the fields that nobody owns.
type Owners struct{ source, hand FieldSet }

// Of returns the owner of f.
func (o Owners) Of(f Field) Owner {
	switch {
	case o.source.Has(f):
		return Source
	case o.hand.Has(f):
		return Hand
	}
	return Nobody
}

// With returns o with owner as the owner of f.
func (o Owners) With(f Field, owner Owner) Owners {
	o.source &^= 1 << f
	o.hand &^= 1 << f
	switch owner {
	case Source:
		o.source |= 1 << f
	case Hand:
		o.hand |= 1 << f
	}
	return o
}

// MarshalJSON implements json.Marshaler.
func (o Owners) MarshalJSON() ([]byte, error) {
	words := make(map[string]string)
	for f := range (o.source | o.hand).All() {
		words[f.String()] = o.Of(f).String()
	}
	return json.Marshal(words)
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Owners) UnmarshalJSON(data []byte) error {
	var words map[string]string
	if err := json.Unmarshal(data, &words); err != nil {
		return fmt.Errorf("want an object from field to owner")
	}
	*o = Owners{}
	for _, name := range slices.Sorted(maps.Keys(words)) {
		var f Field
		if err := f.UnmarshalText([]byte(name)); err != nil {
			return err
		}
		var owner Owner
		if err := owner.UnmarshalText([]byte(words[name])); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*o = o.With(f, owner)
	}
	return nil
}
