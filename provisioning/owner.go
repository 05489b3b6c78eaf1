package provisioning

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Owner says who wrote a field last.
type Owner uint8

// The owners. OwnerNobody is the zero value: such a field may be edited.
const (
	OwnerNobody Owner = iota
	OwnerHand         // edited by hand; a set-once field is locked from then on (R71)
	OwnerSource       // given by the directory or by an automatic assignment (R70)
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
func (o *Owner) UnmarshalText(data []byte) error {
	for i, word := range ownerWords {
		if string(data) == word {
			*o = Owner(i)
			return nil
		}
	}
	return fmt.Errorf("owner %q: want source, hand or nobody", data)
}

// Owners holds the owner of each field of a member. It is a small comparable value;
// in the zero Owners nobody owns any field. In JSON it is an object from field to
// owner, without the fields that nobody owns.
type Owners struct {
	source, hand fieldSet
	// attributes encodes the owners of attributes. It has, ordered by name, the
	// length of the name, the name and the owner of each.
	attributes string
}

// Of returns the owner of f.
func (o Owners) Of(f Field) Owner {
	if at, ok := fieldPositions[f]; ok {
		return o.at(at)
	}
	if name, ok := f.attribute(); ok {
		for attribute, owner := range o.attributeOwners() {
			if attribute == name {
				return owner
			}
		}
	}
	return OwnerNobody
}

// at is Of for a field of the table.
func (o Owners) at(f fieldAt) Owner {
	switch {
	case o.source.has(f):
		return OwnerSource
	case o.hand.has(f):
		return OwnerHand
	}
	return OwnerNobody
}

// With returns o with owner as the owner of f.
func (o Owners) With(f Field, owner Owner) Owners {
	if at, ok := fieldPositions[f]; ok {
		return o.with(at, owner)
	}
	if name, ok := f.attribute(); ok {
		owners := maps.Collect(o.attributeOwners())
		owners[name] = owner
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(owners)) {
			if owners[name] != OwnerNobody {
				fmt.Fprintf(&b, "%d:%s%c", len(name), name, '0'+owners[name])
			}
		}
		o.attributes = b.String()
	}
	return o
}

// with is With for a field of the table.
func (o Owners) with(f fieldAt, owner Owner) Owners {
	o.source &^= 1 << f
	o.hand &^= 1 << f
	switch owner {
	case OwnerNobody:
	case OwnerSource:
		o.source |= 1 << f
	case OwnerHand:
		o.hand |= 1 << f
	}
	return o
}

// attributeOwners yields the attributes that have an owner.
func (o Owners) attributeOwners() iter.Seq2[string, Owner] {
	return func(yield func(string, Owner) bool) {
		for rest := o.attributes; rest != ""; {
			digits, after, _ := strings.Cut(rest, ":")
			length, _ := strconv.Atoi(digits)
			name, owner := after[:length], Owner(after[length]-'0')
			if rest = after[length+1:]; !yield(name, owner) {
				return
			}
		}
	}
}

func (o Owners) attributeNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range o.attributeOwners() {
			if !yield(name) {
				return
			}
		}
	}
}

// MarshalJSON implements json.Marshaler.
func (o Owners) MarshalJSON() ([]byte, error) {
	owners := make(map[Field]Owner)
	for at := range (o.source | o.hand).all() {
		owners[fieldTable[at].name] = o.at(at)
	}
	for name, owner := range o.attributeOwners() {
		owners[Attribute(name)] = owner
	}
	return json.Marshal(owners)
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
