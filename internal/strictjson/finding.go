package strictjson

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// find records a finding at the current path.
func (w *walker) find(format string, args ...any) {
	w.errs.Add(w.where(), fmt.Sprintf(format, args...))
}

// try decodes a value of a type with its own decoder, to get its error.
func (w *walker) try(t reflect.Type, raw []byte) {
	if !w.probe {
		return
	}
	if err := json.Unmarshal(raw, reflect.New(t).Interface()); err != nil {
		w.find("%s", err)
	}
}

// tryKey is try for the key of a map whose keys are not plain strings.
func (w *walker) tryKey(t reflect.Type, key []byte) {
	if t.Kind() == reflect.String && !reflect.PointerTo(t).Implements(textUnmarshaler) {
		return
	}
	quoted, err := json.Marshal(string(key))
	if err != nil {
		return
	}
	m := reflect.New(reflect.MapOf(t, reflect.TypeFor[any]()))
	if err := json.Unmarshal(fmt.Appendf(nil, "{%s:null}", quoted), m.Interface()); err != nil {
		w.find("as a key: %s", err)
	}
}

// maxKey is the largest number of bytes of a key that is shown.
const maxKey = 64

// where returns the current path, such as users[3].attributes["Profile.Name"].
func (w *walker) where() string {
	var b strings.Builder
	for _, s := range w.path {
		switch {
		case s.key == nil:
			fmt.Fprintf(&b, "[%d]", s.index)
		case isWord(s.key):
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.Write(s.key)
		default:
			fmt.Fprintf(&b, "[%s]", strconv.Quote(excerpt(s.key)))
		}
	}
	return b.String()
}

func excerpt(key []byte) string {
	if len(key) > maxKey {
		return string(key[:maxKey]) + "..."
	}
	return string(key)
}

// isWord reports whether key needs no quotes in a path.
func isWord(key []byte) bool {
	for _, c := range key {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return 0 < len(key) && len(key) <= maxKey
}

// fits reports whether the type can hold the number.
func fits(t reflect.Type, number string) bool {
	var err error
	switch {
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		_, err = strconv.ParseFloat(number, t.Bits())
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uintptr:
		_, err = strconv.ParseUint(number, 10, t.Bits())
	default:
		_, err = strconv.ParseInt(number, 10, t.Bits())
	}
	return err == nil
}

// want describes the values of the shape.
func want(s *shape) string {
	one, _ := names(s)
	return one
}

// names returns the singular and the plural for values of the shape.
func names(s *shape) (one, several string) {
	switch s.form {
	case formObject, formMap:
		return "an object", "objects"
	case formList:
		if s.elem.form == formList {
			return "an array of arrays", "arrays"
		}
		_, several = names(s.elem)
		return "an array of " + several, "arrays"
	case formString, formText:
		return "a string", "strings"
	case formBool:
		return "true or false", "booleans"
	case formFloat:
		return "a number", "numbers"
	case formInteger:
		bits := s.typ.Bits()
		if s.typ.Kind() >= reflect.Uint && s.typ.Kind() <= reflect.Uintptr {
			return fmt.Sprintf("a whole number of 0 or more within %d bits", bits), "whole numbers"
		}
		return fmt.Sprintf("a whole number within %d bits", bits), "whole numbers"
	case formPointer:
		return names(s.elem)
	}
	return "a value", "values"
}

// got describes the value that begins with the byte.
func got(first byte) string {
	switch first {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	}
	return "a number"
}

// suggestion returns the known field that was probably meant, or "".
func suggestion(unknown string, fields map[string]field) string {
	if len(unknown) > maxKey {
		return ""
	}
	best, distance := "", 1+min(2, len(unknown)/3)
	for _, known := range slices.Sorted(maps.Keys(fields)) {
		if d := edits(fold(unknown), fold(known)); d < distance {
			best, distance = known, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// fold makes givenName, given-name and given_name the same.
func fold(name string) []rune {
	var folded []rune
	for _, r := range name {
		if r != '_' && r != '-' {
			folded = append(folded, unicode.ToLower(r))
		}
	}
	return folded
}

// edits returns the Levenshtein distance of two names.
func edits(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			cost := diagonal
			if x != y {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
