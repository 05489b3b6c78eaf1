package scim

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A value of a JSON text is nil, bool, string, number, []any or *object.
type number string

type object struct {
	fields []field
	// places is the index of each folded name, for the first indexed fields. It
	// is made when an object becomes too long for a linear search, and made
	// again after a field was removed.
	places  map[string]int
	indexed int
}

type field struct {
	name  string
	value any
}

// fewFields is the number of names up to which names are compared one by one.
const fewFields = 16

// at returns the index of name in o, in any letter case, or -1.
func (o *object) at(name string) int {
	if len(o.fields) <= fewFields {
		for i := range o.fields {
			if sameName(o.fields[i].name, name) {
				return i
			}
		}
		return -1
	}
	if o.indexed > len(o.fields) {
		o.places = nil
	}
	if o.places == nil {
		o.places, o.indexed = make(map[string]int, 2*len(o.fields)), 0
	}
	for ; o.indexed < len(o.fields); o.indexed++ {
		o.places[fold(o.fields[o.indexed].name)] = o.indexed
	}
	if i, ok := o.places[fold(name)]; ok {
		return i
	}
	return -1
}

// get returns the value of name in any letter case, or nil.
func (o *object) get(name string) any {
	if i := o.at(name); i >= 0 {
		return o.fields[i].value
	}
	return nil
}

// text returns the string under name, or "".
func (o *object) text(name string) string {
	s, _ := o.get(name).(string)
	return s
}

// set replaces the value of name or appends it.
func (o *object) set(name string, v any) {
	if i := o.at(name); i >= 0 {
		o.fields[i].value = v
		return
	}
	o.fields = append(o.fields, field{name, v})
}

// drop removes name and reports whether it was there.
func (o *object) drop(name string) bool {
	i := o.at(name)
	if i < 0 {
		return false
	}
	o.fields = append(o.fields[:i], o.fields[i+1:]...)
	o.places = nil
	return true
}

// indexing returns the work of looking for a name after another one was dropped:
// the names of a large object are folded and indexed again.
func (o *object) indexing() int {
	if len(o.fields) <= fewFields {
		return 0
	}
	n := len(o.fields)
	for _, f := range o.fields {
		n += folding(f.name)
	}
	return n
}

// cloneValue copies arrays and objects; the rest is immutable.
func cloneValue(v any) any {
	switch v := v.(type) {
	case *object:
		out := &object{fields: make([]field, len(v.fields))}
		for i, f := range v.fields {
			out.fields[i] = field{f.name, cloneValue(f.value)}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneValue(e)
		}
		return out
	}
	return v
}

// weight returns the work of copying a value, of comparing it with another, or
// of looking for a name in the copy, whose names are folded for that.
func weight(v any) int {
	n := 1
	switch v := v.(type) {
	case *object:
		for _, f := range v.fields {
			n += 1 + folding(f.name) + weight(f.value)
		}
	case []any:
		for _, e := range v {
			n += weight(e)
		}
	case string:
		n += len(v) / scannedPerUnit
	case number:
		n += len(v) / 32
	}
	return n
}

// appendCanonical appends a text that is the same only for equal values.
func appendCanonical(dst []byte, v any) []byte {
	switch v := v.(type) {
	case *object:
		fields := make([]field, 0, len(v.fields))
		for _, f := range v.fields {
			fields = append(fields, field{fold(f.name), f.value})
		}
		slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
		dst = append(dst, '{')
		for _, f := range fields {
			dst = append(appendString(dst, f.name), ':')
			dst = append(appendCanonical(dst, f.value), ',')
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for _, e := range v {
			dst = append(appendCanonical(dst, e), ',')
		}
		return append(dst, ']')
	case number:
		return append(dst, canonicalNumber(string(v))...)
	}
	return appendJSON(dst, v)
}

// equalValues compares two values; names in objects may differ in case and
// order.
func equalValues(a, b any) bool {
	switch a := a.(type) {
	case *object:
		b, ok := b.(*object)
		if !ok || len(a.fields) != len(b.fields) {
			return false
		}
		for _, f := range a.fields {
			i := b.at(f.name)
			if i < 0 || !equalValues(f.value, b.fields[i].value) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalValues(a[i], b[i]) {
				return false
			}
		}
		return true
	case number:
		b, ok := b.(number)
		return ok && compareNumbers(string(a), string(b)) == 0
	}
	switch b.(type) {
	case *object, []any:
		return false
	}
	return a == b
}

// A nameSet is a set of names, compared by their folded form.
type nameSet struct {
	firsts uint32 // a bit for the first letter of each name
	few    [fewFields]string
	many   map[string]struct{} // all names, folded, once there are more
	count  int
}

// first returns the bit for the first letter of a name; it is the same for
// names that fold to the same string.
func first(name string) uint32 {
	if name == "" {
		return 1
	}
	r := rune(name[0])
	if r >= utf8.RuneSelf {
		r, _ = utf8.DecodeRuneInString(name)
		r = foldRune(r)
	}
	return 1 << (r & 31) // both cases of an ASCII letter have the same low five bits
}

// add adds the name and reports whether it is new.
func (s *nameSet) add(name string) bool {
	bit := first(name)
	if s.firsts&bit != 0 && s.find(name) {
		return false
	}
	s.firsts |= bit
	s.count++
	if s.count <= fewFields {
		s.few[s.count-1] = name
		return true
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 4*fewFields)
		for _, have := range s.few {
			s.many[fold(have)] = struct{}{}
		}
	}
	s.many[fold(name)] = struct{}{}
	return true
}

// has reports whether the set holds the name.
func (s *nameSet) has(name string) bool {
	return s.firsts&first(name) != 0 && s.find(name)
}

func (s *nameSet) find(name string) bool {
	if s.many != nil {
		_, ok := s.many[fold(name)]
		return ok
	}
	for _, have := range s.few[:s.count] {
		if sameName(have, name) {
			return true
		}
	}
	return false
}
