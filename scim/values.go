package scim

import (
	"encoding/base64"
	"slices"
	"strings"
)

// hidden reports whether the value is accepted but neither stored nor served:
// passwords.
func (a *attribute) hidden() bool {
	return a != nil && (a.returned == "never" || a.mutability == "writeOnly")
}

// coerce checks v against the declaration and converts it to the declared type:
// strings to booleans and numbers, a single value to a list if a list is
// declared, a plain string to the "value" of a complex attribute. It returns
// nil for a value that leaves the attribute unassigned: null, the empty string,
// an empty list. A nil attribute is not declared and accepts any value.
func (a *attribute) coerce(v any, path string) (any, error) {
	if v == nil {
		return nil, nil
	}
	if a == nil {
		return dropNulls(v), nil
	}
	list, isList := v.([]any)
	if !a.multi {
		if isList && len(list) == 0 {
			return nil, nil
		}
		if isList && len(list) == 1 { // Entra sends the manager as a list
			v = list[0]
		}
		return a.coerceOne(v, path)
	}
	if !isList {
		list = []any{v}
	}
	out := make([]any, 0, len(list))
	for _, e := range unpacked(list) {
		one, err := a.coerceOne(e, path)
		if err != nil {
			return nil, err
		}
		if a.lacksValue(one) {
			if sent, ok := e.(*object); ok && sent.at("value") >= 0 {
				continue // its value was cleared
			}
			out = append(out, one) // checkDeclared refuses it unless it is stored
			continue
		}
		if one != nil && !onlyLabels(one) {
			out = append(out, one)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	onePrimary(out, -1)
	return out, nil
}

// lacksValue reports whether an element of a list has no value although it
// needs one.
func (a *attribute) lacksValue(element any) bool {
	if a == nil || a.needed == nil {
		return false
	}
	o, ok := element.(*object)
	return ok && o.get("value") == nil && slices.Contains(a.needed, a.sub("value"))
}

// unpacked returns the elements of a list. A text that is a JSON array is
// replaced by its elements. Texts with more than maxFields elements stay texts.
func unpacked(list []any) []any {
	var out []any // allocated at the first array
	left := maxFields
	for i, e := range list {
		s, _ := e.(string)
		var inner []any
		isArray := false
		if left > 0 {
			inner, isArray = wrapped(s).([]any)
			left -= len(inner)
			isArray = isArray && left >= 0
		}
		if isArray && out == nil {
			out = slices.Clone(list[:i])
		}
		switch {
		case isArray:
			out = append(out, inner...)
		case out != nil:
			out = append(out, e)
		}
	}
	if out == nil {
		return list
	}
	return out
}

// maxWrapped is the greatest length in bytes of a text that is parsed as JSON:
// a list of many roles has about 10 KiB. A longer text stays a text.
const maxWrapped = 64 << 10

// wrapped returns the value that a text contains as JSON, or nil.
func wrapped(s string) any {
	if len(s) > maxWrapped {
		return nil
	}
	v, _ := embedded(s)
	return v
}

// objectIn returns an object, also one that a text contains as JSON.
func objectIn(v any) (*object, bool) {
	if s, isText := v.(string); isText {
		v = wrapped(s)
	}
	o, ok := v.(*object)
	return o, ok
}

// embedded parses JSON inside a string.
func embedded(s string) (any, bool) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '{' && s[0] != '[' {
		return nil, false
	}
	v, err := parseJSON(s)
	return v, err == nil
}

// standIns are the sub-attributes that can replace a missing "value" of a
// complex value, the best first.
var standIns = [...]string{"displayName", "display", "id"}

// unwrapped parses a complex value that a text contains as JSON. Entra sends
// app roles so: {"id":"06b0","value":"Admin","displayName":"Admin"}. The result
// has a "value".
func unwrapped(s string) (*object, bool) {
	o, ok := wrapped(s).(*object)
	if !ok {
		return nil, false
	}
	if isPlain(o.get("value")) {
		return o, true
	}
	for _, name := range standIns {
		if v := o.get(name); isPlain(v) {
			o.set("value", v)
			return o, true
		}
	}
	return nil, false
}

// isPlain reports whether v is not empty and neither complex nor a list.
func isPlain(v any) bool {
	switch v.(type) {
	case *object, []any:
		return false
	}
	return !isEmpty(v)
}

// unwrap returns a complex value in which a text that contains JSON is replaced
// by the sub-attributes in it; other sub-attributes stay.
func unwrap(o *object) *object {
	for _, name := range [...]string{"value", "displayName", "display", "id"} {
		inner, ok := unwrapped(o.text(name))
		if !ok {
			continue
		}
		out := &object{fields: slices.Clone(o.fields)}
		out.drop(name)
		for _, f := range inner.fields {
			out.set(f.name, f.value)
		}
		return out
	}
	return o
}

// onlyLabels reports whether an element of a list has labels (type, primary)
// but no value, such as an address whose value was removed.
func onlyLabels(v any) bool {
	o, ok := v.(*object)
	if !ok {
		return false
	}
	for _, f := range o.fields {
		if f.name != "type" && f.name != "primary" {
			return false
		}
	}
	return true
}

// onePrimary leaves the primary mark on one element: on element keep, or, if
// keep is negative, on the first that has it (RFC 7643 section 2.4).
func onePrimary(list []any, keep int) {
	for i, e := range list {
		o, ok := e.(*object)
		if !ok {
			continue
		}
		if primary, _ := o.get("primary").(bool); !primary {
			continue
		}
		if keep < 0 {
			keep = i
		}
		if i != keep {
			o.set("primary", false)
		}
	}
}

func (a *attribute) coerceOne(v any, path string) (any, error) {
	if v == nil || v == "" {
		return nil, nil
	}
	if o, ok := v.(*object); ok && a.kind != "complex" && isPlain(o.get("value")) && (a.multi || onlyValue(o)) {
		// A plain value may be sent as the "value" of an object: as an element
		// of a list, or by Microsoft's library instead of a text.
		v = o.get("value")
	}
	s, isString := v.(string)
	switch a.kind {
	case "complex":
		return a.coerceComplex(v, path)
	case "boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
		switch {
		case isString && strings.EqualFold(s, "true"):
			return true, nil
		case isString && strings.EqualFold(s, "false"):
			return false, nil
		}
		return nil, badValue("%s: want a boolean", path)
	case "integer", "decimal":
		n, ok := v.(number)
		if isString {
			parsed, err := parseJSON(s)
			if n, ok = parsed.(number); err != nil {
				ok = false
			}
		}
		if !ok || a.kind == "integer" && strings.ContainsAny(string(n), ".eE") {
			return nil, badValue("%s: want a number of type %s", path, a.kind)
		}
		return n, nil
	}
	switch n := v.(type) {
	case number, bool: // HR tools send numbers instead of texts
		// 17 and 17.0 are the same number but two texts, so a unique attribute
		// accepts only digits, and the user name no number at all.
		s = textOf(n)
		isString = !a.unique || !a.textOnly && onlyDigits(s)
	}
	if !isString {
		return nil, badValue("%s: want a string", path)
	}
	switch a.kind {
	case "dateTime":
		if _, ok := parseTime(s); !ok {
			return nil, badValue("%s: want a time such as 2008-01-23T04:56:22Z", path)
		}
	case "binary":
		encoding := base64.RawStdEncoding
		if strings.ContainsAny(s, "-_") {
			encoding = base64.RawURLEncoding
		}
		if _, err := encoding.DecodeString(strings.TrimRight(s, "=")); err != nil {
			return nil, badValue("%s: want binary data in base64", path)
		}
	}
	return s, nil
}

// onlyDigits reports whether a text has only the digits 0 to 9.
func onlyDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// onlyValue reports whether an object has only a "value".
func onlyValue(o *object) bool {
	for _, f := range o.fields {
		if f.value != nil && !sameName(f.name, "value") {
			return false
		}
	}
	return true
}

func (a *attribute) coerceComplex(v any, path string) (any, error) {
	in, ok := v.(*object)
	valued := a.sub("value") != nil
	if s, isString := v.(string); isString {
		if in, ok = unwrapped(s); !ok || !valued {
			in, ok = wrapped(s).(*object)
		}
	}
	if ok && valued {
		in = unwrap(in)
	}
	if !ok {
		// A plain value is the sub-attribute "value": for instance the manager
		// or a member as a string.
		sub := a.sub("value")
		if _, isList := v.([]any); sub == nil || isList {
			return nil, badValue("%s: want an object", path)
		}
		value, err := sub.coerce(v, path+".value")
		if err != nil || value == nil {
			return nil, err
		}
		return &object{fields: []field{{"value", value}}}, nil
	}
	out := &object{fields: make([]field, 0, len(in.fields))}
	for _, f := range in.fields {
		sub := a.sub(f.name)
		name := f.name
		if sub != nil {
			name = sub.name
		}
		if sub.readOnly() {
			continue
		}
		value, err := sub.coerce(f.value, path+"."+name)
		if err != nil {
			return nil, err
		}
		if value != nil && !sub.hidden() {
			out.set(name, value)
		}
	}
	a.nameBy(out, in)
	if len(out.fields) == 0 {
		return nil, nil
	}
	return out, nil
}

// nameBy keeps the sub-attribute that names a value for people, if value and
// $ref are absent or blank, although it is readOnly (RFC 7643 section 4.3): Okta
// sends the manager with displayName only.
func (a *attribute) nameBy(out, sent *object) {
	switch {
	case a.label == "":
	case !blank(textOf(out.get("value"))) || !blank(out.text("$ref")):
		out.drop(a.label)
	case sent.at(a.label) >= 0:
		if name := textOf(sent.get(a.label)); !blank(name) {
			out.set(a.label, name)
		} else {
			out.drop(a.label)
		}
	}
}

// dropNulls removes null values from an undeclared value.
func dropNulls(v any) any {
	switch v := v.(type) {
	case *object:
		out := &object{fields: make([]field, 0, len(v.fields))}
		for _, f := range v.fields {
			if f.value != nil {
				out.fields = append(out.fields, field{f.name, dropNulls(f.value)})
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e != nil {
				out = append(out, dropNulls(e))
			}
		}
		return out
	}
	return v
}
