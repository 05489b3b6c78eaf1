package strictjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
)

// A shape describes the JSON that can be decoded into a type.
type shape struct {
	form   form
	typ    reflect.Type
	elem   *shape // for a pointer, list or map
	fields map[string]field
}

type field struct {
	index int // position among the fields of the shape
	shape *shape
}

type form uint8

const (
	formAny    form = iota // any well-formed value
	formCustom             // whatever the type's own decoder accepts
	formText               // a string that the type's own decoder accepts
	formString
	formBool
	formInteger
	formFloat
	formList // a slice or an array
	formMap
	formObject
	formPointer
)

// nullable reports whether a type of this shape has a null besides its empty value,
// or decodes null itself.
func (s *shape) nullable() bool {
	switch s.form {
	case formAny, formCustom, formMap, formPointer:
		return true
	case formList:
		return s.typ.Kind() == reflect.Slice
	}
	return false
}

// shapes builds the shapes for one call. Each type is built once, so a type may
// contain itself.
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
	// encoding/json uses methods of a non-nil pointer, and of the address of a
	// named type.
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
			s.form = formCustom // bytes are a string in base64 or a list
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

// fill finds the fields of a struct by the rules of encoding/json: of several
// fields with one name, the least deeply embedded one counts, then the one with a
// tag; if there are still several, none counts.
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

// candidates passes every field of t and of its embedded structs to found. path has
// the types from the outermost to t, to detect a type that embeds itself.
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

// validName reports whether encoding/json accepts a name in a tag.
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

// quotable reports whether the tag option "string" has an effect for t.
func quotable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array, reflect.Pointer, reflect.Interface:
		return false
	}
	return true
}
