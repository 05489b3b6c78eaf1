package text

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
)

// Unstorable yields where in a value of structs, pointers, slices and maps with
// string keys the texts are that are not Storable, as the path of the JSON form
// with a dot before it. Fields that JSON leaves out are left out.
func Unstorable(value any) iter.Seq[string] {
	return func(yield func(string) bool) { unstorable("", reflect.ValueOf(value), yield) }
}

func unstorable(path string, v reflect.Value, yield func(string) bool) bool {
	switch v.Kind() {
	case reflect.String:
		return Storable(v.String()) || yield(path)
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || unstorable(path, v.Elem(), yield)
	case reflect.Slice:
		for i := range v.Len() {
			if !unstorable(fmt.Sprintf("%s[%d]", path, i), v.Index(i), yield) {
				return false
			}
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			name := path + "." + Line(Clean(key.String()))
			if !Storable(key.String()) && !yield(name) || !unstorable(name, v.MapIndex(key), yield) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			at := path
			if !f.Anonymous {
				at += "." + name
			}
			if f.IsExported() && name != "-" && !unstorable(at, v.Field(i), yield) {
				return false
			}
		}
	}
	return true
}
