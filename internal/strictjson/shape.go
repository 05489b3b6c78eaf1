package strictjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
)

// A shape is what JSON has to look like to be decoded into a type.
type shape struct {
	form   form
	typ    reflect.Type
	elem   *shape // of a pointer, list or map
	fields map[string]field
}

type field struct {
	index int // counts the fields of one shape
	shape *shape
}

type form uint8

const (
	formAny    form = iota // anything well formed
	formCustom             // what the type itself accepts
	formText               // a string that the type itself accepts
	formString
	formBool
	formInteger
	formFloat
	formList // a slice or an array
	formMap
	formObject
	formPointer
)

// nullable reports whether a type of this shape tells null from an empty value,
// or decides about null itself.
func (s *shape) nullable() bool {
	switch s.form {
	case formAny, formCustom, formMap, formPointer:
		return true
	case formList:
		return s.typ.Kind() == reflect.Slice
	}
	return false
}

// shapes builds the shapes that one call needs, each type once, so that a type
// may contain itself.
type shapes map[reflect.Type]*shape

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	number          = reflect.TypeFor[json.Number]()
)

func (all shapes) of(t reflect.Type) *shape {
	if known, ok := all[t]; ok {
		return known
	}
	s := &shape{typ: t}
	all[t] = s
	// Methods count as encoding/json counts them: of a pointer that is there,
	// and of the address of a type that has a name.
	methods := t
	if t.Kind() != reflect.Pointer && t.Name() != "" {
		methods = reflect.PointerTo(t)
	}
	if methods.Kind() == reflect.Pointer {
		if methods.Implements(unmarshaler) {
			s.form = formCustom
			return s
		}
		if methods.Implements(textUnmarshaler) {
			s.form = formText
			return s
		}
	}
	if t == number {
		s.form = formCustom
		return s
	}
	switch t.Kind() {
	case reflect.Bool:
		s.form = formBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		s.form = formInteger
	case reflect.Float32, reflect.Float64:
		s.form = formFloat
	case reflect.String:
		s.form = formString
	case reflect.Slice:
		s.form, s.elem = formList, all.of(t.Elem())
		if t.Elem().Kind() == reflect.Uint8 {
			s.form = formCustom // bytes are a string in base64, or a list
		}
	case reflect.Array:
		s.form, s.elem = formList, all.of(t.Elem())
	case reflect.Map:
		s.form, s.elem = formMap, all.of(t.Elem())
	case reflect.Pointer:
		s.form, s.elem = formPointer, all.of(t.Elem())
	case reflect.Struct:
		s.form = formObject
		all.fill(s, t)
	}
	return s
}

// fill finds the fields of a struct under the rules of encoding/json: the least
// deeply embedded field of a name wins, then the one with a tag, and where two
// remain there is none.
func (all shapes) fill(s *shape, t reflect.Type) {
	best := make(map[string]candidate)
	all.candidates(t, 0, nil, func(name string, c candidate) {
		known, ok := best[name]
		switch {
		case !ok || c.stronger(known):
			best[name] = c
		case !known.stronger(c):
			known.ambiguous = true
			best[name] = known
		}
	})
	s.fields = make(map[string]field, len(best))
	for name, c := range best {
		if !c.ambiguous {
			s.fields[name] = field{index: len(s.fields), shape: c.shape}
		}
	}
}

type candidate struct {
	shape     *shape
	depth     int
	tagged    bool
	ambiguous bool
}

func (c candidate) stronger(than candidate) bool {
	if c.depth != than.depth {
		return c.depth < than.depth
	}
	return c.tagged && !than.tagged
}

// candidates hands every field of t and of the structs embedded in it to found.
// path holds the types from the outermost to t, against a type that embeds
// itself.
func (all shapes) candidates(t reflect.Type, depth int, path []reflect.Type, found func(string, candidate)) {
	for _, outer := range path {
		if outer == t {
			return
		}
	}
	path = append(path, t)
	for f := range t.Fields() {
		inner := f.Type
		if inner.Kind() == reflect.Pointer && inner.Name() == "" {
			inner = inner.Elem()
		}
		embedded := f.Anonymous && inner.Kind() == reflect.Struct
		tag := f.Tag.Get("json")
		if tag == "-" || !f.IsExported() && !embedded {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if !validName(name) {
			name = ""
		}
		if embedded && name == "" {
			all.candidates(inner, depth+1, path, found)
			continue
		}
		c := candidate{depth: depth, tagged: name != ""}
		if name == "" {
			name = f.Name
		}
		if hasOption(options, "string") && quotable(inner) {
			c.shape = &shape{form: formAny, typ: f.Type} // a value inside a string
		} else {
			c.shape = all.of(f.Type)
		}
		found(name, c)
	}
}

// validName reports whether encoding/json takes name from a tag.
func validName(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return name != ""
}

func hasOption(options, want string) bool {
	for option := range strings.SplitSeq(options, ",") {
		if option == want {
			return true
		}
	}
	return false
}

// quotable reports whether the tag option "string" has a meaning for t.
func quotable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array, reflect.Pointer, reflect.Interface:
		return false
	}
	return true
}
