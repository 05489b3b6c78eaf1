package scim

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-go/usher/internal/invisible"
)

// normalize converts a whole resource from a client (POST, PUT) to the document
// that is stored. Names get their declared spelling and values their declared
// types. Values that are null, empty, read-only or never returned are removed.
// Undeclared attributes are kept as they were sent.
func (rt *resourceType) normalize(body *object) (*object, error) {
	body = rt.flat(body)
	doc := &object{fields: make([]field, 0, len(body.fields)+1)}
	schemas, err := rt.clientSchemas(body.get("schemas"))
	if err != nil {
		return nil, err
	}
	doc.fields = append(doc.fields, field{"schemas", schemas})
	var plain []field // attributes of an extension without its URN
	for _, f := range body.fields {
		path, ok := rt.resolveKey(f)
		switch {
		case sameName(f.name, "schemas"):
		case ok && path.attr == "":
			err = rt.mergeExtension(doc, path.urn, f.value)
		case ok && path.urn != "" && !isURN(f.name):
			plain = append(plain, f)
		case ok:
			err = rt.place(doc, path, f.value)
		case f.value != nil:
			doc.set(f.name, dropNulls(f.value))
		}
		if err != nil {
			return nil, err
		}
	}
	// A plain name means the extension's attribute, as in a path and in a
	// filter, so that a value has only one place. The qualified name takes
	// precedence.
	for _, f := range plain {
		path, _ := rt.resolveKey(f)
		if ext, ok := doc.get(path.urn).(*object); ok && ext.get(path.attr) != nil {
			continue
		}
		if err := rt.place(doc, path, f.value); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// flat returns a body in which the attributes under the URN of the core schema,
// sent as if that were an extension, are moved to the other core attributes. If
// a name has two values, the plain one takes precedence.
func (rt *resourceType) flat(body *object) *object {
	core, ok := body.get(rt.core.urn).(*object)
	if !ok {
		return body
	}
	out := &object{fields: slices.Clone(body.fields)}
	out.drop(rt.core.urn)
	for _, f := range core.fields {
		if out.at(f.name) < 0 {
			out.fields = append(out.fields, f)
		}
	}
	return out
}

// resolveKey resolves the name of a field at the top of a body. For an
// undeclared extension, a name whose value is an object is the extension's URN;
// a name with any other value is an attribute of the extension.
func (rt *resourceType) resolveKey(f field) (attrPath, bool) {
	path, ok := rt.resolve(f.name)
	if !ok {
		return path, false
	}
	_, isObject := f.value.(*object)
	switch {
	case path.urn != "" && rt.extension(path.urn) == nil && (isObject || path.sub != ""):
		return path, false
	case path.sub != "" && (path.def == nil || path.def.multi || path.subDef == nil):
		return path, false
	}
	return path, true
}

// place stores a client's value at path: at the top, in an extension, or in a
// single complex attribute. Values that a client may not write are omitted
// (RFC 7644 section 3.3).
func (rt *resourceType) place(doc *object, path attrPath, sent any) error {
	if path.readOnly() {
		return nil // any value is ignored
	}
	v, err := path.leaf().coerce(sent, path.String())
	if err != nil || v == nil || path.leaf().hidden() {
		return err
	}
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
	return nil
}

// clientSchemas checks the schemas that a body names: one of them must name
// this type of resource. Unknown and misspelt ones are also accepted, since the
// templates of several providers contain them; OneLogin's spelling of the core
// schema (urn:scim:schemas:core:2.0) counts as the core schema. If the body
// names none, which RFC 7643 section 3 does not allow but several clients do,
// the endpoint determines the type.
func (rt *resourceType) clientSchemas(v any) ([]any, error) {
	if s, single := v.(string); single {
		if inner, isJSON := embedded(s); isJSON {
			v = inner
		} else {
			v = []any{s}
		}
	}
	list, ok := v.([]any)
	switch {
	case v == nil, ok && len(list) == 0:
		return []any{rt.core.urn}, nil
	case !ok:
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

// looselyCore reports whether a URN means a core schema, without a type in it.
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
	if v == nil || v == "" {
		return nil
	}
	in, ok := objectIn(v)
	if !ok {
		return badValue("%s: want an object with the extension's attributes", urn)
	}
	ext := rt.extension(urn)
	for _, f := range in.fields {
		path := ext.path(urn, f.name)
		if path.sub != "" && (path.def == nil || path.def.multi || path.subDef == nil) {
			path = attrPath{urn: urn, attr: f.name}
		}
		if err := rt.place(doc, path, f.value); err != nil {
			return err
		}
	}
	return nil
}

const (
	maxEmails  = 1000 // bounds the keys of one record in a store's index
	maxSchemas = 100  // undeclared schemas that a resource may name
)

// finish checks a document before it is stored and sets its schemas: the core,
// the present extensions, declared or not, and undeclared schemas that the
// client named. The work is that of the request. What the host declares is
// checked by checkDeclared.
func (rt *resourceType) finish(doc *object, work *work) error {
	for _, name := range [...]string{"userName", "externalId"} {
		if len(doc.text(name)) > MaxKeyBytes {
			return badValue("%s: the value is longer than %d bytes", name, MaxKeyBytes)
		}
	}
	if emails, _ := doc.get("emails").([]any); len(emails) > maxEmails {
		return badValue("emails: more than %d values", maxEmails)
	}
	if err := rt.dropRepeated(doc, work); err != nil {
		return err
	}
	making, storing := rt.keying(doc)
	if err := work.spend(making + storing); err != nil {
		return err
	}
	urns := []any{rt.core.urn}
	for _, ext := range rt.extensions {
		if o, ok := doc.get(ext.urn).(*object); ok && len(o.fields) > 0 {
			urns = append(urns, ext.urn)
		}
	}
	named, _ := doc.get("schemas").([]any)
	undeclared := map[string]bool{}
	add := func(urn string) {
		known := sameName(urn, rt.core.urn) || rt.extension(urn) != nil
		if urn != "" && !known && !undeclared[fold(urn)] {
			undeclared[fold(urn)] = true
			urns = append(urns, urn)
		}
	}
	for _, e := range named {
		urn, _ := e.(string)
		add(urn)
	}
	for _, f := range doc.fields { // "the namespaces of the SCIM schemas that define the attributes present" (RFC 7643 section 3)
		if _, isObject := f.value.(*object); isObject && isURN(f.name) && len(undeclared) < maxSchemas {
			add(f.name)
		}
	}
	doc.set("schemas", urns)
	const shown = 4 // attributes that an answer adds (id, meta, members or groups); with them it can still be sent back
	if len(doc.fields) > maxFields-shown {
		return badValue("the resource has more than %d attributes", maxFields-shown)
	}
	return nil
}

// dropRepeated keeps each value of a list once. Of several elements with the
// same value and type it keeps the first, and adds to it the sub-attributes
// that only the others have (RFC 7643 section 2.4: the same combination SHOULD
// NOT be returned more than once).
func (rt *resourceType) dropRepeated(doc *object, work *work) error {
	for _, c := range rt.containers {
		in := doc
		if c != &rt.core {
			in, _ = doc.get(c.urn).(*object)
		}
		for _, def := range c.order {
			if in == nil || !def.multi {
				continue
			}
			if list, _ := in.get(def.name).([]any); len(list) > 1 {
				for _, e := range list {
					if err := work.spend(identifying(e)); err != nil {
						return err
					}
				}
				in.set(def.name, distinct(list))
			}
		}
	}
	return nil
}

func distinct(list []any) []any {
	places := make(map[elementKey]int, len(list))
	merged := make(map[int]*object) // by place in out: the copy that got sub-attributes
	out := make([]any, 0, len(list))
	for _, e := range list {
		key := keyOfElement(e)
		at, known := places[key]
		if !known {
			places[key] = len(out)
			out = append(out, e)
			continue
		}
		first, isObject := out[at].(*object)
		again, _ := e.(*object)
		if !isObject || again == nil {
			continue
		}
		if merged[at] == nil { // once, however many elements repeat the value
			merged[at] = &object{fields: slices.Clone(first.fields)}
			out[at] = merged[at]
		}
		for _, f := range again.fields {
			if have := merged[at].get(f.name); have == nil || have == false {
				merged[at].set(f.name, f.value)
			}
		}
	}
	return out
}

// checkUserName refuses a new name that people cannot see or cannot distinguish
// from another one: a name with control characters (which include line breaks),
// with marks of writing direction or other characters that are not drawn
// (RFC 7613 section 3.2.2 allows none), or with only white space and invisible
// characters. A name that was accepted earlier may stay, so that its user can
// still be changed.
func checkUserName(old, name string) error {
	if name == "" || name == old {
		return nil
	}
	visible, before := false, rune(0)
	for i, r := range name {
		switch {
		case unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control):
			return badValue("userName: the value holds the character %U; want none for control or writing direction", r)
		case invisible.Is(r) && !invisible.IsJoiner(r), invisible.IsJoiner(r) && !isJoined(before),
			unicode.Is(unicode.Variation_Selector, r) && !hasVariants(before, name[i:]):
			return badValue("userName: the value holds the invisible character %U", r)
		}
		before = r
		visible = visible || unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != brailleBlank
	}
	if !visible {
		return badValue("userName: the value is white space only")
	}
	return nil
}

// brailleBlank is a symbol that is drawn as a space.
const brailleBlank = '\u2800'

// hasVariants reports whether rest, which starts with a variation selector, may
// follow r: r is of a kind that has the variants of emoji, of symbols, of
// punctuation or of ideographs (including U+3006), or of the scripts named here, or
// it is the base of a keycap. Unicode defines variants of a few other characters,
// which are refused.
func hasVariants(r rune, rest string) bool {
	const informationSource, closingMark = '\u2139', '\u3006'
	if r < utf8.RuneSelf {
		return strings.ContainsRune("0123456789#*", r) && strings.HasPrefix(rest, "\ufe0f\u20e3")
	}
	return r == informationSource || r == closingMark ||
		unicode.In(r, unicode.S, unicode.P, unicode.Han, unicode.Mongolian, unicode.Phags_Pa, unicode.Myanmar)
}

// isJoined reports whether a joiner may follow r: in the scripts that use
// joiners (RFC 5892 appendix A.1 and A.2), and in emoji.
func isJoined(r rune) bool {
	const firstOfArabic = 0x600
	return r >= firstOfArabic && unicode.In(r, unicode.L, unicode.M, unicode.S)
}

// keying returns the work of making the keys of a document that has longer ones
// than usual, and the work of storing or removing them if it has more than
// usual. The conversion of a domain takes several times as long as folding it.
func (rt *resourceType) keying(doc *object) (making, storing int) {
	const usual, perDomain = 100, 4
	const longest = 1100 // of an address in bytes; no domain is looked for in a longer text
	keys := 0
	count := func(text string) {
		keys++
		switch n := len(text); {
		case n > longest:
			making += 2 * folding(text)
		case n > usual:
			making += perDomain * folding(text)
		}
	}
	count(doc.text("displayName"))
	if rt.name == TypeUser {
		count(doc.text("userName"))
		for _, o := range elements(doc, "emails", "value") {
			count(o.text("value"))
		}
		for _, key := range managerKeys(doc) {
			count(key.Value)
		}
	}
	for key := range rt.storedUnique(doc) {
		count(key.Value)
	}
	return making, unitsPerKey * max(0, keys-freeKeys)
}

// keys returns the keys by which the document can be found.
func (rt *resourceType) keys(doc *object) []Key {
	keys := make([]Key, 0, 4)
	add := func(name, value string, unique bool) {
		if value != "" && len(value) <= MaxKeyBytes {
			keys = append(keys, Key{Name: name, Value: value, Unique: unique})
		}
	}
	if rt.name == TypeUser {
		add(KeyUserName, foldText(doc.text("userName")), true)
		emails, _ := doc.get("emails").([]any)
		for _, e := range emails {
			if o, ok := e.(*object); ok {
				add(KeyEmail, foldText(o.text("value")), false)
			}
		}
	}
	add(KeyExternalID, doc.text("externalId"), false)
	add(KeyDisplayName, foldText(doc.text("displayName")), false)
	if rt.name == TypeUser {
		keys = appendSourceKeys(keys, doc)
	}
	for key := range rt.storedUnique(doc) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// keepFixed copies values that a client may not change from a document to its
// replacement (RFC 7644 section 3.5.1): readOnly values stay as they are,
// immutable ones must be equal or omitted. It reports whether next lacked any
// of them.
func (rt *resourceType) keepFixed(old, next *object, work *work) (kept bool, err error) {
	for _, c := range rt.containers {
		was, now := old, next
		if c != &rt.core {
			was, _ = old.get(c.urn).(*object)
			if now, _ = next.get(c.urn).(*object); now == nil {
				now = &object{}
			}
		}
		if was == nil {
			continue
		}
		before := len(now.fields)
		if err := keepFixed(c.order, rt.schemaPath(c), was, now, work); err != nil {
			return false, err
		}
		if len(now.fields) > before {
			kept = true
			if c != &rt.core {
				next.set(c.urn, now)
			}
		}
	}
	return kept, nil
}

// keepFixed does this for the attributes of one object, which is at the path.
func keepFixed(attrs []*attribute, at attrPath, was, now *object, work *work) error {
	for _, def := range attrs {
		before := was.get(def.name)
		if before == nil {
			continue
		}
		after := now.get(def.name)
		switch {
		case def.readOnly(), def.immutable() && after == nil:
			now.set(def.name, before)
		case def.immutable():
			if !equalValues(before, after) {
				return notMutable("%s: the attribute is immutable", at.inner(def))
			}
		case def.label == "":
			if err := def.keepInside(at.inner(def), before, after, work); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepInside is keepFixed for the sub-attributes of the value at the path, or
// of the elements that are in both lists.
func (a *attribute) keepInside(at attrPath, before, after any, work *work) error {
	if !a.fixed {
		return nil
	}
	if was, ok := before.(*object); ok {
		if now, ok := after.(*object); ok {
			return keepFixed(a.order, at, was, now, work)
		}
		return nil
	}
	old, _ := before.([]any)
	list, _ := after.([]any)
	was, err := elementsByKey(old, work)
	if err != nil {
		return err
	}
	now, err := elementsByKey(list, work)
	if err != nil {
		return err
	}
	// An element that got another type is the same one if its value is.
	untyped := map[elementKey]*object{}
	for key, o := range was {
		if now[key] == nil {
			key.typ = ""
			if _, several := untyped[key]; several {
				o = nil
			}
			untyped[key] = o
		}
	}
	for key, o := range now {
		same := was[key]
		if same == nil {
			key.typ = ""
			same = untyped[key]
		}
		if same == nil {
			continue
		}
		if err := keepFixed(a.order, at, same, o, work); err != nil {
			return err
		}
	}
	return nil
}

// elementsByKey returns the elements of a list that have a value.
func elementsByKey(list []any, work *work) (map[elementKey]*object, error) {
	elements := make(map[elementKey]*object, len(list))
	for _, e := range list {
		if err := work.spend(identifying(e)); err != nil {
			return nil, err
		}
		key := keyOfElement(e)
		if o, ok := e.(*object); ok && key.hasValue {
			elements[key] = o
		}
	}
	return elements, nil
}

// keepsImmutable returns an error if the immutable value at the path changes or
// is removed.
func (p attrPath) keepsImmutable(before, after any) error {
	a := p.leaf()
	if a == nil || before == nil {
		return nil
	}
	if a.immutable() && !equalValues(before, after) {
		return notMutable("%s: the attribute is immutable", p)
	}
	was, ok := before.(*object)
	now, still := after.(*object)
	if a.multi || !ok || !still {
		return nil
	}
	for _, f := range was.fields {
		if sub := a.sub(f.name); sub != nil {
			if err := p.inner(sub).keepsImmutable(f.value, now.get(f.name)); err != nil {
				return err
			}
		}
	}
	return nil
}
