package scim

import (
	"encoding/base64"
	"strings"
	"unicode"
)

// normalize turns what a client sent for a whole resource (POST, PUT) into the
// document that is stored: names in their declared spelling, values of their
// declared types, nothing that is null, empty, read-only or never returned.
// What is not declared is kept as it was sent.
func (rt *resourceType) normalize(body *object) (*object, error) {
	doc := &object{fields: make([]field, 0, len(body.fields)+1)}
	schemas, err := rt.clientSchemas(body.get("schemas"))
	if err != nil {
		return nil, err
	}
	doc.fields = append(doc.fields, field{"schemas", schemas})
	for _, f := range body.fields {
		path, ok := rt.resolveKey(f.name)
		switch {
		case sameName(f.name, "schemas"):
		case ok && path.attr == "":
			err = rt.mergeExtension(doc, path.urn, f.value)
		case ok && path.sub == "" && path.urn == "":
			var v any
			if v, err = path.def.coerce(f.value, path.attr); err == nil && v != nil && !path.def.readOnly() && !path.def.hidden() {
				doc.set(path.attr, v)
			}
		case ok && path.def != nil:
			// A dotted or qualified name in a body: one attribute of a
			// complex one or of an extension.
			var v any
			if v, err = path.leaf().coerce(f.value, path.String()); err == nil && v != nil && !path.def.readOnly() && !path.leaf().readOnly() {
				rt.place(doc, path, v)
			}
		case f.value != nil:
			doc.set(f.name, dropNulls(f.value))
		}
		if err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// resolveKey resolves a name at the top of a body. There, a plain name is
// never taken for an extension's: it is kept where it stands.
func (rt *resourceType) resolveKey(name string) (attrPath, bool) {
	path, ok := rt.resolve(name)
	if !ok {
		return path, false
	}
	qualified := isURN(name)
	switch {
	case qualified && path.urn != "" && rt.extension(path.urn) == nil:
		return path, false // an undeclared extension: the whole name is its URN
	case !qualified && path.urn != "":
		return attrPath{attr: name}, true
	case path.sub != "" && (path.def == nil || path.def.multi || path.subDef == nil):
		return path, false
	}
	return path, true
}

// place stores a value under an extension or a single complex attribute.
func (rt *resourceType) place(doc *object, path attrPath, v any) {
	in := doc
	for _, name := range []string{path.urn, path.attr} {
		if name == "" || name == path.attr && path.sub == "" {
			continue
		}
		inner, ok := in.get(name).(*object)
		if !ok {
			inner = &object{}
			in.set(name, inner)
		}
		in = inner
	}
	if path.sub != "" {
		in.set(path.sub, v)
	} else {
		in.set(path.attr, v)
	}
}

// clientSchemas checks the schemas a body names: one of them must say that it
// is a resource of this type. Unknown and misspelt ones beside it are taken
// along, since several providers' templates have them, and OneLogin's spelling
// of the core schema (urn:scim:schemas:core:2.0) will do.
func (rt *resourceType) clientSchemas(v any) ([]any, error) {
	list, ok := v.([]any)
	if s, single := v.(string); single {
		list, ok = []any{s}, true
	}
	if !ok || len(list) == 0 {
		return nil, badSyntax("schemas: want a list of schema URNs with %s", rt.core.urn)
	}
	known := false
	for _, e := range list {
		urn, ok := e.(string)
		if !ok || urn == "" {
			return nil, badValue("schemas: want a list of schema URNs")
		}
		known = known || sameName(urn, rt.core.urn) || rt.extension(urn) != nil || looselyCore(urn)
	}
	if !known {
		return nil, badValue("schemas: want %s", rt.core.urn)
	}
	return list, nil
}

// looselyCore says that a URN means a core schema, without saying of another
// type.
func looselyCore(urn string) bool {
	_, typ, ok := strings.Cut(fold(urn), "schemas:core:")
	switch strings.TrimPrefix(strings.TrimPrefix(typ, "2.0"), ":") {
	case "user", "group", "schema", "resourcetype", "serviceproviderconfig":
		return false
	}
	return ok
}

// mergeExtension stores the object of a declared extension.
func (rt *resourceType) mergeExtension(doc *object, urn string, v any) error {
	if v == nil {
		return nil
	}
	in, ok := v.(*object)
	if !ok {
		return badValue("%s: want an object with the extension's attributes", urn)
	}
	ext := rt.extension(urn)
	out, ok := doc.get(urn).(*object)
	if !ok {
		out = &object{}
	}
	for _, f := range in.fields {
		def := lookup(ext.attrs, f.name)
		name := f.name
		if def != nil {
			name = def.name
		}
		value, err := def.coerce(f.value, urn+":"+name)
		if err != nil {
			return err
		}
		if value != nil && !def.readOnly() && !def.hidden() {
			out.set(name, value)
		}
	}
	if len(out.fields) > 0 {
		doc.set(urn, out)
	}
	return nil
}

// hidden says that the value is accepted and neither stored nor served:
// passwords.
func (a *attribute) hidden() bool {
	return a != nil && (a.returned == "never" || a.mutability == "writeOnly")
}

// coerce checks v against the declaration and returns it in its declared
// type: booleans and numbers out of strings, a single value as a list where a
// list is declared, a plain string as the value of a complex attribute. It
// returns nil for what leaves the attribute unassigned: null, the empty
// string, an empty list. A nil attribute is not declared and takes anything.
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
	if s, ok := v.(string); ok && a.kind == "complex" {
		if inner, ok := embedded(s); ok {
			v = inner
			list, isList = v.([]any)
		}
	}
	if !isList {
		list = []any{v}
	}
	out := make([]any, 0, len(list))
	for _, e := range list {
		one, err := a.coerceOne(e, path)
		if err != nil {
			return nil, err
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

// embedded reads JSON inside a string, as Entra sends app roles.
func embedded(s string) (any, bool) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '{' && s[0] != '[' {
		return nil, false
	}
	v, err := parseJSON(s)
	return v, err == nil
}

// onlyLabels says that an element of a list says what it is but not what its
// value is, such as an address whose value was cleared.
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

// onePrimary leaves the primary mark on one element: on keep, or on the first
// that has it where keep is negative (RFC 7643 section 2.4).
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

func (a *attribute) coerceComplex(v any, path string) (any, error) {
	in, ok := v.(*object)
	if !ok {
		if s, isString := v.(string); isString {
			if inner, isJSON := embedded(s); isJSON {
				in, ok = inner.(*object)
			}
		}
	}
	if !ok {
		// A plain value stands for the sub-attribute "value": the manager or
		// a member as a string.
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
		value, err := sub.coerce(f.value, path+"."+name)
		if err != nil {
			return nil, err
		}
		if value != nil && !sub.readOnly() && !sub.hidden() {
			out.set(name, value)
		}
	}
	if len(out.fields) == 0 {
		return nil, nil
	}
	return out, nil
}

// dropNulls removes the nulls in an undeclared value.
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

const (
	maxEmails  = 1000 // bounds how many keys one record has in a store's index
	maxSchemas = 100  // that a resource may name
)

// finish checks a document that is about to be stored and lists the schemas it
// has: the core, the extensions present, and undeclared ones the client named.
func (rt *resourceType) finish(doc *object) error {
	for _, c := range rt.containers {
		in := doc
		if c != &rt.core {
			var ok bool
			if in, ok = doc.get(c.urn).(*object); !ok {
				continue
			}
		}
		for _, def := range c.order {
			if !def.required || in.get(def.name) != nil {
				continue
			}
			return badValue("%s: the attribute is required", attrPath{urn: strings.TrimPrefix(c.urn, rt.core.urn), attr: def.name})
		}
	}
	for _, name := range [...]string{"userName", "externalId"} {
		if len(doc.text(name)) > MaxKeyBytes {
			return badValue("%s: the value is longer than %d bytes", name, MaxKeyBytes)
		}
	}
	if emails, _ := doc.get("emails").([]any); len(emails) > maxEmails {
		return badValue("emails: more than %d values", maxEmails)
	}
	urns := []any{rt.core.urn}
	for _, ext := range rt.extensions {
		if o, ok := doc.get(ext.urn).(*object); ok && len(o.fields) > 0 {
			urns = append(urns, ext.urn)
		}
	}
	named, _ := doc.get("schemas").([]any)
	if len(named) > maxSchemas {
		return badValue("schemas: more than %d values", maxSchemas)
	}
	undeclared := map[string]bool{}
	for _, e := range named {
		urn, _ := e.(string)
		known := sameName(urn, rt.core.urn) || rt.extension(urn) != nil
		if urn != "" && !known && !undeclared[urn] {
			undeclared[urn] = true
			urns = append(urns, urn)
		}
	}
	doc.set("schemas", urns)
	const shown = 4 // what an answer adds (id, meta, members or groups), so that it can be sent back
	if len(doc.fields) > maxFields-shown {
		return badValue("the resource has more than %d attributes", maxFields-shown)
	}
	return nil
}

// checkUserName refuses a new name that people cannot tell from another one or
// cannot see: with control characters (line breaks are among them) or marks of
// writing direction, or with nothing but white space and invisible characters.
// A name that was taken before may stay, so that its user can still be changed.
func checkUserName(old, name string) error {
	if name == "" || name == old {
		return nil
	}
	visible := false
	for _, r := range name {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return badValue("userName: the value holds the character %U; want none for control or writing direction", r)
		}
		visible = visible || unicode.IsGraphic(r) && !unicode.IsSpace(r)
	}
	if !visible {
		return badValue("userName: the value is white space only")
	}
	return nil
}

// keys returns what the document can be found by.
func (rt *resourceType) keys(doc *object) []Key {
	keys := make([]Key, 0, 4)
	add := func(name, value string, unique bool) {
		if value != "" && len(value) <= MaxKeyBytes {
			keys = append(keys, Key{Name: name, Value: value, Unique: unique})
		}
	}
	if rt.name == TypeUser {
		add(KeyUserName, fold(doc.text("userName")), true)
		emails, _ := doc.get("emails").([]any)
		for _, e := range emails {
			if o, ok := e.(*object); ok {
				add(KeyEmail, fold(o.text("value")), false)
			}
		}
	}
	add(KeyExternalID, doc.text("externalId"), false)
	add(KeyDisplayName, fold(doc.text("displayName")), false)
	return keys
}

// sameImmutable refuses a document that changes an immutable value (RFC 7644
// section 3.5.1): one that is set may neither change nor go.
func (rt *resourceType) sameImmutable(old, next *object) error {
	for _, c := range rt.containers {
		was, now := old, next
		if c != &rt.core {
			was, _ = old.get(c.urn).(*object)
			now, _ = next.get(c.urn).(*object)
		}
		if was == nil {
			continue
		}
		for _, def := range c.order {
			before := was.get(def.name)
			var after any
			if now != nil {
				after = now.get(def.name)
			}
			if err := def.keepsImmutable(before, after); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *attribute) keepsImmutable(before, after any) error {
	if before == nil {
		return nil
	}
	if a.mutability == "immutable" && !equalValues(before, after) {
		return notMutable("%s: the attribute is immutable", a.name)
	}
	was, ok := before.(*object)
	now, still := after.(*object)
	if a.multi || !ok || !still {
		return nil
	}
	for _, f := range was.fields {
		if sub := a.sub(f.name); sub != nil {
			if err := sub.keepsImmutable(f.value, now.get(f.name)); err != nil {
				return notMutable("%s.%s: the attribute is immutable", a.name, sub.name)
			}
		}
	}
	return nil
}
