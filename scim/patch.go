package scim

import (
	"slices"
	"strings"
)

// A patchPath is the target of an operation: an attribute, a sub-attribute, and
// the filter in brackets, if any.
type patchPath struct {
	attrPath
	filter *filter // over the elements of attr; sub is then a sub-attribute of them
}

type patchOp struct {
	op    string // "add", "replace", "remove"
	path  string // if empty, value names the attributes
	value any
	given bool // value was sent and is not null
}

// parsePatch reads the operations of a PatchOp message (RFC 7644
// section 3.5.2). Names and operations may have any letter case.
func parsePatch(body *object, most int) ([]patchOp, error) {
	list, ok := body.get("Operations").([]any)
	if one, single := body.get("Operations").(*object); single {
		list, ok = []any{one}, true
	}
	if !ok {
		return nil, badSyntax("Operations: want a list of operations")
	}
	if len(list) > most {
		return nil, tooLarge("Operations: more than %d operations", most)
	}
	ops := make([]patchOp, 0, len(list))
	for i, e := range list {
		in, ok := e.(*object)
		if !ok {
			return nil, badSyntax("Operations[%d]: want an object", i)
		}
		op := patchOp{op: strings.ToLower(in.text("op")), value: in.get("value")}
		op.given = op.value != nil
		switch op.op {
		case "add", "replace", "remove":
		default:
			return nil, badSyntax("Operations[%d].op: want add, replace or remove, got %q", i, clip(in.text("op")))
		}
		// Null and the empty string are values; only an absent "value" is none
		// (RFC 7644 section 3.5.2.1: the operation MUST contain a "value"
		// member).
		if op.op != "remove" && in.at("value") < 0 {
			return nil, badValue("Operations[%d].value: %s wants a value", i, op.op)
		}
		switch path := in.get("path").(type) {
		case nil:
		case string:
			op.path = strings.TrimSpace(path)
		default:
			return nil, badPath("Operations[%d].path: want a string", i)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// A patcher applies operations to a copy of a resource, so that a failure
// leaves the resource unchanged.
type patcher struct {
	rt      *resourceType
	id      string
	doc     *object
	stored  storedDoc // the resource as it was
	locate  locator
	members memberEdit
	work    *work
	sent    []string // attributes that the operations set; only if some are served only on request
}

// apply applies the operations in order. The resulting document is ready to be
// stored.
func (p *patcher) apply(ops []patchOp) error {
	for _, op := range ops {
		err := p.applyOne(op)
		if err := p.work.spend(1); err != nil { // checked first: the result of a filter that ran out of work is wrong
			return err
		}
		if err != nil {
			return err
		}
	}
	if err := p.rt.finish(p.doc, p.work); err != nil {
		return err
	}
	return p.rt.checkDeclared(p.doc, p.stored, p.work)
}

func (p *patcher) applyOne(op patchOp) error {
	if o, ok := op.value.(*object); ok && len(o.fields) > 0 && op.op != "remove" && sameName(op.path, p.rt.core.urn) {
		op.path = "" // the attributes under the URN of the core schema are the resource's own
	}
	if op.path != "" {
		path, err := p.path(op.path, op.value)
		if err != nil {
			return err
		}
		if meant := p.slip(path); meant != "" {
			return badPath("path: there is no attribute %s; is %s meant?", clip(path.String()), meant)
		}
		return p.target(op, path)
	}
	if op.op == "remove" {
		return noTarget("path: a remove operation needs one")
	}
	value := op.value
	if s, ok := value.(string); ok {
		if inner, isJSON := embedded(s); isJSON {
			value = inner
		}
	}
	if list, ok := value.([]any); ok && len(list) == 1 {
		value = list[0]
	}
	in, ok := value.(*object)
	if !ok {
		return badValue("value: an operation without a path needs an object of attributes")
	}
	for _, f := range p.rt.flat(in).fields {
		path, err := p.path(f.name, f.value)
		if err != nil {
			return err
		}
		// A client may send back an answer of the handler with its read-only
		// attributes. It does not intend to change these.
		if path.readOnly() && (path.urn != "" || path.attr != "id") {
			continue
		}
		if err := p.target(patchOp{op: op.op, value: f.value, given: f.value != nil}, path); err != nil {
			return err
		}
	}
	return nil
}

// path parses the target of an operation.
func (p *patcher) path(text string, value any) (patchPath, error) {
	if len(text) > p.rt.maxFilter {
		return patchPath{}, badPath("path: longer than %d bytes", p.rt.maxFilter)
	}
	in := filterParser{in: text, rt: p.rt}
	name := in.word()
	if isURN(name) && in.at == len(text) {
		// The path is an undeclared extension as a whole, or an attribute in
		// one.
		_, stored := p.doc.get(name).(*object)
		_, object := value.(*object)
		if known, ok := p.rt.resolve(name); (stored || object) && ok && known.def == nil && known.urn != "" && p.rt.extension(known.urn) == nil {
			return patchPath{attrPath: attrPath{urn: name}}, nil
		}
		if sameName(name, p.rt.core.urn) {
			return patchPath{}, badPath("path: %s is the schema itself; name an attribute", name)
		}
	}
	attr, ok := p.rt.resolve(name)
	if !ok {
		return patchPath{}, badPath("path: %q is not the name of an attribute", clip(text))
	}
	path := patchPath{attrPath: attr}
	if in.peek() == '[' && attr.attr != "" {
		inner, sub, err := in.brackets(attr, 0)
		if err != nil {
			refused, _ := clientError(err)
			return patchPath{}, badPath("path: %s", refused.Detail)
		}
		path.filter = inner.bound(p.work)
		if sub != "" {
			path.sub = sub
			if path.subDef = attr.def.sub(sub); path.subDef != nil {
				path.sub = path.subDef.name
			}
		}
	}
	if in.at < len(text) {
		return patchPath{}, badPath("path: %q is not understood from character %d on", clip(text), in.at)
	}
	if path.sub != "" && path.def != nil && path.def.kind != "complex" {
		if !path.def.multi || !sameName(path.sub, "value") {
			return patchPath{}, badPath("path: %s has no sub-attributes", path.attr)
		}
		path.sub = "" // a plain value is its own "value"
	}
	return path, nil
}

// slip returns the declared name that a path probably means, if its own name is
// neither declared nor present, or else "". Any other undeclared name is
// accepted in a path, as it is in a body: mapping an undeclared attribute must
// not make each update fail.
func (p *patcher) slip(path patchPath) string {
	switch {
	case path.urn != "" || path.attr == "":
		return ""
	case path.def == nil:
		if p.doc.get(path.attr) != nil {
			return ""
		}
		for _, c := range p.rt.containers {
			if name := nearest(path.attr, c.attrs); name != "" {
				return name
			}
		}
	case path.sub != "" && path.subDef == nil:
		if visitValues(p.doc.get(path.attr), path.sub, func(any) bool { return true }) {
			return ""
		}
		if name := nearest(path.sub, path.def.subs); name != "" {
			return path.attr + "." + name
		}
	}
	return ""
}

// nearest returns the declared name that differs from name by one typing
// mistake, or the alphabetically first of several. It ignores declared names of
// up to three letters, which are similar to too many others.
func nearest(name string, declared map[string]*attribute) (found string) {
	name = fold(name)
	for _, def := range declared {
		if len(def.name) > 3 && oneSlip(name, fold(def.name)) && (found == "" || def.name < found) {
			found = def.name
		}
	}
	return found
}

// oneSlip reports whether two different names differ by one missing, added or
// wrong letter, or by two letters in the wrong order.
func oneSlip(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	at := 0
	for at < len(a) && a[at] == b[at] {
		at++
	}
	switch len(b) - len(a) {
	case 0:
		if at == len(a) {
			return false
		}
		swapped := at+1 < len(a) && a[at] == b[at+1] && a[at+1] == b[at] && a[at+2:] == b[at+2:]
		return swapped || a[at+1:] == b[at+1:]
	case 1:
		return a[at:] == b[at+1:]
	}
	return false
}

// target applies one operation to the target that path names.
func (p *patcher) target(op patchOp, path patchPath) error {
	if path.def != nil && path.def.onRequest {
		p.sent = append(p.sent, path.String())
	}
	switch {
	case path.urn == "" && path.attr == "id":
		if s, ok := op.value.(string); ok && s == p.id && op.op != "remove" {
			return nil // Okta sends it back unchanged
		}
		return notMutable("id: the attribute is readOnly")
	case path.readOnly():
		return notMutable("%s: the attribute is readOnly", path)
	case path.urn == "" && path.attr == "members" && p.rt.links == "members":
		return p.members.apply(p, op, path)
	case path.attr == "":
		return p.extension(op, path)
	case path.leaf().hidden():
		_, err := path.leaf().coerce(op.value, path.String())
		return err
	}
	if path.urn != "" {
		ext, ok := p.doc.get(path.urn).(*object)
		if !ok {
			ext = &object{}
		}
		if err := p.change(ext, op, path); err != nil {
			return err
		}
		if len(ext.fields) == 0 { // an empty extension is removed
			return p.dropURN(path.urn)
		}
		p.doc.set(path.urn, ext)
		return nil
	}
	return p.change(p.doc, op, path)
}

// change applies one operation to an attribute of in.
func (p *patcher) change(in *object, op patchOp, path patchPath) error {
	switch {
	case path.filter != nil:
		return p.filtered(in, op, path)
	case path.sub != "":
		return p.sub(in, op, path)
	}
	return p.whole(in, op, path)
}

// extension applies an operation to a whole extension, attribute by attribute.
// Attributes that are not named stay (RFC 7644 section 3.5.2.3).
func (p *patcher) extension(op patchOp, path patchPath) error {
	ext := p.rt.extension(path.urn)
	empty := !op.given || op.value == ""
	switch {
	case op.op == "add" && empty:
		return nil // as for an attribute
	case op.op == "remove" || empty:
		return p.dropExtension(path.urn, ext)
	}
	in, ok := objectIn(op.value)
	if !ok {
		return badValue("%s: want an object with the extension's attributes", path.urn)
	}
	for _, f := range in.fields {
		inner := patchPath{attrPath: ext.path(path.urn, f.name)}
		if inner.readOnly() {
			continue
		}
		if err := p.target(patchOp{op: op.op, value: f.value, given: f.value != nil}, inner); err != nil {
			return err
		}
	}
	return nil
}

// dropExtension removes an extension, except for attributes that a client may
// not write.
func (p *patcher) dropExtension(urn string, declared *container) error {
	old, ok := p.doc.get(urn).(*object)
	if !ok || declared == nil {
		return p.dropURN(urn)
	}
	kept := &object{}
	for _, f := range old.fields {
		switch def := lookup(declared.attrs, f.name); {
		case def.readOnly():
			kept.set(f.name, f.value)
		case def.immutable():
			return notMutable("%s:%s: the attribute is immutable", urn, f.name)
		}
	}
	if len(kept.fields) == 0 {
		return p.dropURN(urn)
	}
	p.doc.set(urn, kept)
	return nil
}

// dropURN removes an extension's object, and its URN from the schemas.
func (p *patcher) dropURN(urn string) error {
	if err := p.drop(p.doc, urn); err != nil {
		return err
	}
	named, _ := p.doc.get("schemas").([]any)
	p.doc.set("schemas", slices.DeleteFunc(slices.Clone(named), func(e any) bool {
		name, _ := e.(string)
		return sameName(name, urn)
	}))
	return p.work.spend(len(named))
}
