package scim

import (
	"cmp"
	"slices"
	"strings"
)

// A resource is a stored record with its parsed document, for filters, sorting
// and projection.
type resource struct {
	rt     *resourceType
	rec    Record
	doc    *object
	locate locator
}

// A locator returns the URL under which a resource is served. Filters see the
// same computed values as answers.
type locator func(Ref) string

// parse parses the document of a record.
func (rt *resourceType) parse(rec Record, locate locator) (*resource, error) {
	doc, err := readDoc(rec, nil)
	if err != nil {
		return nil, err
	}
	return &resource{rt: rt, rec: rec, doc: doc, locate: locate}, nil
}

// readDoc parses the document of a stored record.
func readDoc(rec Record, w *work) (*object, error) {
	if err := w.spend(1 + len(rec.Doc)/scannedPerUnit); err != nil {
		return nil, err
	}
	doc, units, err := parseCounted(string(rec.Doc))
	if err := w.spend(units); err != nil {
		return nil, err
	}
	return doc, unreadable(rec, err)
}

// readFields reads the named fields of a stored record's document into doc,
// which loses its former content, and skips the other fields. If no field is
// named, it does not look at the document.
func readFields(doc *object, rec Record, names *nameSet, w *work) error {
	doc.fields, doc.places = doc.fields[:0], nil
	if names.count == 0 {
		return w.spend(1)
	}
	err := scanObject(viewed(rec.Doc), w, func(p *jsonParser, name string) error {
		if !names.has(name) {
			return p.skip(1)
		}
		p.values = 0
		v, err := p.value(1)
		if err != nil {
			return err
		}
		doc.fields = append(doc.fields, field{name, v})
		return w.spend(p.values - 1) // see unitsPerRecord
	})
	return cmp.Or(w.failed(), unreadable(rec, err))
}

// values calls visit with each value that path names, until visit returns true.
// The members and groups that it makes for this count as work; once the work is
// too much, it makes no more of them.
func (r *resource) values(path attrPath, w *work, visit func(any) bool) bool {
	if path.urn == "" {
		switch path.attr {
		case "id":
			return visit(r.rec.ID)
		case "meta":
			return r.meta(path.sub, visit)
		case r.rt.links:
			for _, link := range r.rec.Links {
				if w.spend(unitsPerLink) != nil {
					return false
				}
				if visitSub(r.rt.linkObject(link, r.locate), path.sub, visit) {
					return true
				}
			}
			return false
		}
	}
	in := r.doc
	if path.urn != "" {
		var ok bool
		if in, ok = r.doc.get(path.urn).(*object); !ok {
			return false
		}
	}
	return visitValues(in.get(path.attr), path.sub, visit)
}

// linkObject returns a membership as an object, as it is served and filtered.
func (rt *resourceType) linkObject(link Link, locate locator) *object {
	o := &object{fields: []field{{"value", link.ID}, {"display", link.Display}, {"type", rt.linkType(link)}}}
	if locate != nil {
		o.set("$ref", locate(link.Ref))
	}
	return o
}

// linkType returns the sub-attribute type of a membership: for a member its
// type; for a group "direct", because the user is a direct member (RFC 7643
// section 4.1.2).
func (rt *resourceType) linkType(link Link) string {
	if rt.links == "groups" {
		return "direct"
	}
	return link.Type
}

func (r *resource) meta(sub string, visit func(any) bool) bool {
	switch sub {
	case "resourceType":
		return visit(r.rt.name)
	case "created":
		return visit(string(appendTime(nil, r.rec.Created)))
	case "lastModified":
		return visit(string(appendTime(nil, r.rec.LastModified)))
	case "version":
		return visit(r.rec.tag())
	case "location":
		return r.locate != nil && visit(r.locate(r.rec.Ref))
	case "":
		return visit(&object{fields: []field{{"resourceType", r.rt.name}}})
	}
	return false
}

func visitValues(v any, sub string, visit func(any) bool) bool {
	if list, ok := v.([]any); ok {
		for _, e := range list {
			if visitSub(e, sub, visit) {
				return true
			}
		}
		return false
	}
	return v != nil && visitSub(v, sub, visit)
}

func visitSub(v any, sub string, visit func(any) bool) bool {
	if sub == "" {
		return visit(v)
	}
	o, ok := v.(*object)
	if !ok {
		// In an undeclared list of plain values, each element is its own
		// "value".
		return sameName(sub, "value") && visit(v)
	}
	inner := o.get(sub)
	return inner != nil && visitValues(inner, "", visit)
}

// matches is the reference evaluator: it reports whether the filter selects the
// resource. A comparison with a multi-valued attribute is true if it is true
// for any value; ne is also true for an absent attribute.
func (f *filter) matches(r *resource) bool {
	switch f.op {
	case opAnd, opOr, opNot:
		return f.combine(func(kid *filter) bool { return kid.matches(r) })
	case opValuePath:
		return r.values(f.path, f.work, func(e any) bool { return f.inner.matchesElement(e) || f.work.failed() != nil })
	}
	if f.assume {
		return f.test(func(visit func(any) bool) bool {
			return r.values(f.path.whole(), f.work, func(e any) bool { return visit(primaryOf(e)) })
		})
	}
	return f.test(func(visit func(any) bool) bool { return r.values(f.path, f.work, visit) })
}

// matchesElement applies a filter in brackets to one element of the list.
func (f *filter) matchesElement(e any) bool {
	switch f.op {
	case opAnd, opOr, opNot:
		return f.combine(func(kid *filter) bool { return kid.matchesElement(e) })
	}
	if f.assume {
		return f.test(func(visit func(any) bool) bool { return visit(primaryOf(e)) })
	}
	return f.test(func(visit func(any) bool) bool { return visitSub(e, f.path.attr, visit) })
}

// primaryOf returns the sub-attribute "primary" of an element. "If not
// specified, the value of "primary" SHALL be assumed to be "false"" (RFC 7643
// section 2.4).
func primaryOf(e any) any {
	if o, ok := e.(*object); ok {
		if primary := o.get("primary"); primary != nil {
			return primary
		}
	}
	return false
}

func (f *filter) combine(holds func(*filter) bool) bool {
	if f.op == opNot {
		return !holds(f.kids[0])
	}
	for _, kid := range f.kids {
		if holds(kid) == (f.op == opOr) {
			return f.op == opOr
		}
	}
	return f.op == opAnd
}

// test evaluates a comparison over the values that each yields. The values
// count as work; once the work is too much, it yields no more of them.
func (f *filter) test(each func(visit func(any) bool) bool) bool {
	if f.work.spend(1) != nil {
		return false
	}
	some := false
	present := each(func(v any) bool {
		some = true
		return !isEmpty(v) || f.work.spend(1) != nil
	})
	switch {
	case f.op == opPresent:
		return present
	case f.value == nil:
		return present == (f.op == opNotEqual)
	case f.op == opNotEqual && !present:
		return true
	case !some:
		return false
	}
	return each(func(v any) bool { return f.work.spend(comparing(v)) != nil || f.compare(v) })
}

// comparing returns the work of comparing a value with another.
func comparing(v any) int {
	switch v := v.(type) {
	case string:
		return 1 + folding(v)
	case number:
		return 2
	}
	return 1
}

// bound makes the filter count its work in w.
func (f *filter) bound(w *work) *filter {
	f.work = w
	for _, kid := range f.kids {
		kid.bound(w)
	}
	if f.inner != nil {
		f.inner.bound(w)
	}
	return f
}

// reads adds what the filter reads of a record.
func (f *filter) reads(rt *resourceType, into *reads) {
	for _, kid := range f.kids {
		kid.reads(rt, into)
	}
	into.add(rt, f.path)
}

// reads are the parts of a record that a filter and the sorting read.
type reads struct {
	fields nameSet // of the document
	links  bool
	meta   bool // the version and the times
}

// add adds what resource.values reads for a path; the zero path reads nothing.
func (r *reads) add(rt *resourceType, path attrPath) {
	switch {
	case path.urn != "":
		r.fields.add(path.urn)
	case path.attr == "meta":
		r.meta = r.meta || slices.Contains([]string{"created", "lastModified", "version"}, path.sub)
		// The version of a user covers the user's groups, and that of a group
		// does not cover its members.
		r.links = r.links || path.sub == "version" && rt.links == "groups"
	case path.attr == rt.links:
		r.links = true
	case path.attr != "" && path.attr != "id":
		r.fields.add(path.attr)
	}
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case *object:
		return len(v.fields) == 0
	}
	return false
}

// compare evaluates the comparison for one value. Values of different types are
// never equal and have no order.
func (f *filter) compare(v any) bool {
	switch v := v.(type) {
	case bool:
		want, ok := f.value.(bool)
		if s, isString := f.value.(string); isString && f.path.leaf() == nil { // "True" for an undeclared boolean
			want, ok = strings.EqualFold(s, "true"), true
		}
		return ok && (v == want) == (f.op == opEqual) && (f.op == opEqual || f.op == opNotEqual)
	case number:
		want, ok := f.value.(number)
		if !ok {
			return f.op == opNotEqual
		}
		return f.ordered(compareNumbers(string(v), string(want)))
	case string:
		want, ok := f.value.(string)
		if n, isNumber := f.value.(number); isNumber {
			want, ok = string(n), true
		}
		if !ok {
			return f.op == opNotEqual
		}
		if !f.time.IsZero() {
			if t, ok := parseTime(v); ok && !f.partial() {
				return f.ordered(t.Compare(f.time))
			}
		}
		if !f.exact {
			v = foldText(v)
		}
		switch f.op {
		case opContains:
			return strings.Contains(v, want)
		case opStarts:
			return strings.HasPrefix(v, want)
		case opEnds:
			return strings.HasSuffix(v, want)
		}
		return f.ordered(strings.Compare(v, want))
	case *object: // an undeclared complex attribute compares by its "value"
		inner := v.get("value")
		if inner == nil {
			return f.op == opNotEqual
		}
		return f.compare(inner)
	}
	return false
}

func (f *filter) ordered(order int) bool {
	switch f.op {
	case opEqual:
		return order == 0
	case opNotEqual:
		return order != 0
	case opGreater:
		return order > 0
	case opGreaterEqual:
		return order >= 0
	case opLess:
		return order < 0
	}
	return f.op == opLessEqual && order <= 0
}

// hint returns keys that every match has, by which a store can look up records,
// and whether the keys express the whole filter.
func (f *filter) hint(rt *resourceType) (keys []Key, covered bool) {
	terms := []*filter{f}
	if f.op == opAnd {
		terms = f.kids
	}
	covered = true
	for _, term := range terms {
		key, exact := term.key(rt)
		switch {
		case key.Name == "" || slices.Contains(keys, key):
		case len(keys) == maxHints:
			exact = false
		default:
			keys = append(keys, key)
		}
		covered = covered && exact
	}
	return keys, covered
}

// maxHints bounds the number of keys in one query to the store.
const maxHints = 4

func (f *filter) key(rt *resourceType) (key Key, exact bool) {
	if f.op == opValuePath && f.path.urn == "" && f.path.attr == "emails" {
		terms := []*filter{f.inner}
		if f.inner.op == opAnd {
			terms = f.inner.kids
		}
		for _, term := range terms {
			if term.op == opEqual && term.path.attr == "value" {
				if s, ok := term.value.(string); ok && s != "" && len(s) <= MaxKeyBytes {
					return Key{Name: KeyEmail, Value: s}, false
				}
			}
		}
		return Key{}, false
	}
	s, ok := f.value.(string)
	if f.op != opEqual || !ok || s == "" || len(s) > MaxKeyBytes || strings.ContainsRune(s, 0) || f.path.urn != "" || f.path.def == nil {
		return Key{}, false
	}
	switch name := f.path.String(); {
	case name == KeyID, name == KeyExternalID, name == KeyDisplayName,
		(name == KeyUserName || name == KeyEmail) && rt.name == TypeUser,
		name == KeyMember && rt.links == "members",
		name == KeyGroup && rt.links == "groups":
		return Key{Name: name, Value: s}, true
	}
	return Key{}, false
}
