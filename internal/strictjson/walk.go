package strictjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// A walker walks once through a document and compares it with a shape. It does not
// check the syntax completely: it stops where it cannot continue, and encoding/json
// parses the document afterwards.
type walker struct {
	data       []byte
	pos        int
	checkUTF8  bool // data has invalid UTF-8
	probe      bool // decode custom values one by one, to get their errors
	path       []step
	keys       [][]byte // the keys of the open maps, the innermost last
	errs       Errors
	incomplete bool // the walk stopped before the end
}

// A step leads from a value to one inside it: by key, or by index if the key
// is nil.
type step struct {
	key   []byte
	index int
}

// clean reports whether the whole document was walked and nothing was found.
func (w *walker) clean() bool { return !w.incomplete && len(w.errs) == 0 }

// document walks all of data, which has to be one value.
func (w *walker) document(root *shape) {
	// The root is the pointer that was passed to Decode. It is not nil, so the
	// document cannot be null.
	if root.form == formPointer {
		root = root.elem
	}
	if !w.element(root) {
		w.incomplete = true
		return
	}
	if w.peek(); w.pos < len(w.data) {
		w.incomplete = true
	}
}

// element walks a value for which null would become an empty value.
func (w *walker) element(s *shape) bool {
	if w.peek() == 'n' && !s.nullable() {
		w.find("want %s, got null", want(s))
		return w.literal()
	}
	return w.value(s)
}

// value walks the next value. It reports false if it cannot continue.
func (w *walker) value(s *shape) bool {
	first := w.peek()
	if first == 'n' && s.form != formCustom {
		return w.literal()
	}
	for s.form == formPointer {
		s = s.elem
	}
	switch s.form {
	case formAny:
		return w.anything()
	case formCustom:
		start := w.pos
		if !w.anything() {
			return false
		}
		w.try(s.typ, w.data[start:w.pos])
		return true
	case formObject:
		if first == '{' {
			return w.object(s)
		}
	case formMap:
		if first == '{' {
			return w.mapping(s)
		}
	case formList:
		if first == '[' {
			return w.list(s)
		}
	case formString:
		if first == '"' {
			_, ok := w.text()
			return ok
		}
	case formText:
		if first == '"' {
			start := w.pos
			_, ok := w.text()
			if ok {
				w.try(s.typ, w.data[start:w.pos])
			}
			return ok
		}
	case formBool:
		if first == 't' || first == 'f' {
			return w.literal()
		}
	case formInteger, formFloat:
		if first == '-' || '0' <= first && first <= '9' {
			start := w.pos
			ok := w.literal()
			if ok && !fits(s.typ, string(w.data[start:w.pos])) {
				w.find("want %s, got %.40s", want(s), w.data[start:w.pos])
			}
			return ok
		}
	}
	w.find("want %s, got %s", want(s), got(first))
	return w.anything()
}

// anything walks a value of any type.
func (w *walker) anything() bool {
	switch w.peek() {
	case '{':
		return w.mapping(anyMap)
	case '[':
		return w.list(anyList)
	case '"':
		_, ok := w.text()
		return ok
	}
	return w.literal()
}

// The shapes inside a value of any type.
var (
	anyValue = &shape{form: formAny}
	anyMap   = &shape{form: formMap, elem: anyValue, typ: reflect.TypeFor[map[string]any]()}
	anyList  = &shape{form: formList, elem: anyValue, typ: reflect.TypeFor[[]any]()}
)

// object walks an object whose fields are known.
func (w *walker) object(s *shape) bool {
	seen := make([]bool, 0, 64)[:min(len(s.fields), 64)]
	if len(s.fields) > len(seen) {
		seen = make([]bool, len(s.fields))
	}
	return w.members(func(key []byte) bool {
		f, known := s.fields[string(key)]
		switch {
		case !known:
			w.find("unknown field%s", suggestion(string(key), s.fields))
			return w.anything()
		case seen[f.index]:
			w.find("the field is given twice")
		}
		seen[f.index] = true
		return w.value(f.shape)
	})
}

// mapping walks an object with arbitrary keys.
func (w *walker) mapping(s *shape) bool {
	own := len(w.keys)
	var many map[string]bool
	ok := w.members(func(key []byte) bool {
		if w.repeated(key, w.keys[own:], &many) {
			w.find("the key is given twice")
		}
		w.keys = append(w.keys, key)
		if w.probe {
			w.tryKey(s.typ.Key(), key)
		}
		return w.element(s.elem)
	})
	w.keys = w.keys[:own]
	return ok
}

// fewKeys is the number of keys up to which keys are compared one by one.
const fewKeys = 16

// repeated reports whether key is among earlier. With more than fewKeys, it builds
// an index.
func (w *walker) repeated(key []byte, earlier [][]byte, many *map[string]bool) bool {
	if len(earlier) < fewKeys {
		for _, k := range earlier {
			if bytes.Equal(k, key) {
				return true
			}
		}
		return false
	}
	if *many == nil {
		*many = make(map[string]bool)
		for _, k := range earlier {
			(*many)[string(k)] = true
		}
	}
	known := (*many)[string(key)]
	(*many)[string(key)] = true
	return known
}

// members walks an object and calls value for each value, with its key.
func (w *walker) members(value func(key []byte) bool) bool {
	if !w.enter() {
		return false
	}
	for n := 0; ; n++ {
		switch c := w.peek(); {
		case c == '}':
			return w.leave()
		case n > 0 && c != ',':
			return false
		case n > 0:
			w.pos++
		}
		if w.peek() != '"' {
			return false
		}
		key, ok := w.text()
		if !ok || w.peek() != ':' {
			return false
		}
		w.pos++
		w.path = append(w.path, step{key: key})
		if !value(key) {
			return false
		}
		w.path = w.path[:len(w.path)-1]
	}
}

func (w *walker) list(s *shape) bool {
	if !w.enter() {
		return false
	}
	for n := 0; ; n++ {
		switch c := w.peek(); {
		case c == ']':
			if s.typ.Kind() == reflect.Array && n > s.typ.Len() {
				w.path = append(w.path, step{index: s.typ.Len()})
				w.find("want at most %d elements, got %d", s.typ.Len(), n)
				w.path = w.path[:len(w.path)-1]
			}
			return w.leave()
		case n > 0 && c != ',':
			return false
		case n > 0:
			w.pos++
		}
		w.path = append(w.path, step{index: n})
		if !w.element(s.elem) {
			return false
		}
		w.path = w.path[:len(w.path)-1]
	}
}

// enter skips an opening bracket, unless the nesting is too deep.
func (w *walker) enter() bool {
	if len(w.path) >= MaxDepth {
		w.find("nested deeper than %d levels", MaxDepth)
		return false
	}
	w.pos++
	return true
}

func (w *walker) leave() bool {
	w.pos++
	return true
}

// peek skips white space and returns the next byte, or 0 at the end.
func (w *walker) peek() byte {
	for ; w.pos < len(w.data); w.pos++ {
		switch c := w.data[w.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// literal walks a number, true, false or null, and reports whether there was one.
func (w *walker) literal() bool {
	start := w.pos
	for w.pos < len(w.data) && inLiteral(w.data[w.pos]) {
		w.pos++
	}
	return w.pos > start
}

func inLiteral(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// text walks a string and returns its content.
func (w *walker) text() ([]byte, bool) {
	start := w.pos
	escaped := false
	for w.pos++; w.pos < len(w.data); w.pos++ {
		switch w.data[w.pos] {
		case '\\':
			escaped = true
			w.pos++
		case '"':
			w.pos++
			return w.unquote(w.data[start:w.pos], escaped)
		}
	}
	return nil, false
}

// unquote checks the quoted string and returns its content. It reports false
// for an escape that JSON does not have.
func (w *walker) unquote(quoted []byte, escaped bool) ([]byte, bool) {
	if w.checkUTF8 && !utf8.Valid(quoted) {
		w.find("invalid UTF-8")
	}
	if !escaped {
		return quoted[1 : len(quoted)-1], true
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return nil, false
	}
	if loneSurrogate(quoted) {
		w.find(`half of a surrogate pair: want both \u escapes of the character`)
	}
	return []byte(s), true
}

// loneSurrogate reports whether a well-formed quoted string has a \u escape of one
// half of a surrogate pair without the other half, which encoding/json would
// replace.
func loneSurrogate(quoted []byte) bool {
	for i := 0; i+1 < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++ // skips the escaped byte, which may be a backslash
		if quoted[i] != 'u' {
			continue
		}
		switch half := hex(quoted[i+1:]); {
		case 0xDC00 <= half && half < 0xE000:
			return true
		case 0xD800 <= half && half < 0xDC00:
			rest := quoted[i+5:]
			if !bytes.HasPrefix(rest, []byte(`\u`)) || hex(rest[2:])>>10 != 0xDC00>>10 {
				return true
			}
			i += 6
		}
	}
	return false
}

// hex returns the number in the first four bytes of a checked escape.
func hex(digits []byte) uint64 {
	n, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return n
}
