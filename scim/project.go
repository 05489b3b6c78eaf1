package scim

import (
	"strings"
)

// A projection is the part of a resource that a client requests (RFC 7644
// section 3.9). The zero value and nil request the default.
type projection struct {
	only, except []string // as the client wrote the names
	// sent names the attributes that a write has set: its answer has those that
	// are otherwise served only on request (RFC 7643 section 7, returned).
	sent   []string
	byType map[*resourceType]*resolvedProjection
}

// A resolvedProjection is a projection for one type. Its keys are the folded
// schema (empty for the core) and the folded attribute (empty for a whole
// extension).
type resolvedProjection struct{ only, except, sent map[[2]string]named }

type named struct {
	whole bool
	subs  map[string]bool // folded
}

// newProjection returns a projection. It refuses more names than an object may
// have.
func newProjection(attributes, excluded []string) (*projection, error) {
	if len(attributes) == 0 && len(excluded) == 0 {
		return nil, nil
	}
	if len(attributes) > maxFields || len(excluded) > maxFields {
		return nil, badValue("attributes, excludedAttributes: more than %d names", maxFields)
	}
	return &projection{only: attributes, except: excluded, byType: map[*resourceType]*resolvedProjection{}}, nil
}

// answering returns the projection of the answer to a write that has set the
// attributes sent.
func (p *projection) answering(sent []string) *projection {
	if len(sent) == 0 || p != nil && len(p.only) > 0 {
		return p
	}
	out := &projection{sent: sent, byType: map[*resourceType]*resolvedProjection{}}
	if p != nil {
		out.except = p.except
	}
	return out
}

// attributeNames splits the values of an attributes parameter.
func attributeNames(values []string) []string {
	var names []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" && len(names) <= maxFields { // one more than allowed is enough to refuse them
				names = append(names, name)
			}
		}
	}
	return names
}

// trivial reports whether the stored document can be served unchanged.
func (p *projection) trivial(rt *resourceType) bool { return p == nil && rt.onRequest == nil }

// links reports whether the answer shows members or groups.
func (p *projection) links(rt *resourceType) bool { return !p.part(rt, "", rt.links).none }

func (p *projection) resolved(rt *resourceType) *resolvedProjection {
	if in, ok := p.byType[rt]; ok {
		return in
	}
	resolve := func(names []string) map[[2]string]named {
		out := make(map[[2]string]named, len(names))
		for _, name := range names {
			path, ok := rt.resolve(name)
			if sameName(name, rt.core.urn) { // the core schema as a whole, as for an extension
				out[[2]string{}] = named{whole: true}
			}
			if isURN(name) && path.def == nil { // possibly an undeclared extension
				out[[2]string{fold(name), ""}] = named{whole: true}
			}
			if !ok { // an unknown name selects nothing
				continue
			}
			at := [2]string{fold(path.urn), fold(path.attr)}
			n := out[at]
			if path.sub == "" {
				n.whole = true
			} else {
				if n.subs == nil {
					n.subs = map[string]bool{}
				}
				n.subs[fold(path.sub)] = true
			}
			out[at] = n
		}
		return out
	}
	in := &resolvedProjection{only: resolve(p.only), except: resolve(p.except), sent: resolve(p.sent)}
	p.byType[rt] = in
	return in
}

// A part is the served part of one attribute.
type part struct {
	none    bool
	whole   bool // serve all except the names in without; otherwise only those in with
	with    map[string]bool
	without map[string]bool
	named   bool // the whole attribute is named; this includes what is served only on request
	def     *attribute
}

// all reports whether the whole value is served.
func (s part) all() bool {
	return s.whole && s.without == nil && (s.named || s.def == nil || !s.def.onRequest)
}

// has reports whether a sub-attribute is served.
func (s part) has(name string) bool {
	if s.none {
		return false
	}
	if s.all() {
		return true
	}
	whole := s.whole
	if sub := s.def.sub(name); sub != nil {
		switch sub.returned {
		case "always":
			return true
		case "request":
			whole = s.named
		}
	}
	name = fold(name)
	return !s.without[name] && (whole || s.with[name])
}

// pick reduces a value to its served part.
func (s part) pick(v any) any {
	switch {
	case s.none:
		return nil
	case s.all():
		return v
	}
	return pick(v, s.has)
}

// part returns the served part of one attribute: of the core if urn is empty,
// else of that extension.
func (p *projection) part(rt *resourceType, urn, attr string) part {
	attrs := rt.core.attrs
	if urn != "" {
		attrs = nil
		if ext := rt.extension(urn); ext != nil {
			attrs = ext.attrs
		}
	}
	def := lookup(attrs, attr)
	if def != nil {
		switch def.returned {
		case "always":
			return part{whole: true, def: def}
		case "never":
			return part{none: true}
		}
	}
	onRequest := def != nil && def.returned == "request"
	if p == nil {
		return part{none: onRequest, whole: !onRequest, def: def}
	}
	in := p.resolved(rt)
	urn, attr = fold(urn), fold(attr)
	find := func(among map[[2]string]named) (n named, found bool) {
		if n, found = among[[2]string{urn, ""}]; found && n.whole {
			return n, true
		}
		n, found = among[[2]string{urn, attr}]
		return n, found
	}
	only, isNamed := find(in.only)
	if def != nil && def.onRequest && !isNamed {
		only, isNamed = find(in.sent)
	}
	except := in.except[[2]string{urn, attr}]
	all := len(p.only) == 0
	if except.whole || in.except[[2]string{urn, ""}].whole || !isNamed && (onRequest || !all) {
		return part{none: true}
	}
	return part{whole: all && !onRequest || only.whole, named: only.whole, with: only.subs, without: except.subs, def: def}
}

// appendDoc appends the requested fields of a document, each with a comma
// before it.
func (p *projection) appendDoc(dst []byte, w *work, rt *resourceType, doc string) ([]byte, error) {
	err := scanObject(doc, w, func(in *jsonParser, name string) (err error) {
		if !isURN(name) || in.peek() != '{' {
			dst, err = p.part(rt, "", name).appendValue(dst, ",", w, in, name, 1)
			return err
		}
		start := len(dst)
		dst = append(appendText(dst, ",", name), ":{"...)
		inside := len(dst)
		in.at++
		comma := ""
		err = in.members(func(inner string) (err error) {
			dst, err = p.part(rt, name, inner).appendValue(dst, comma, w, in, inner, 2)
			if len(dst) > inside {
				comma = ","
			}
			return err
		})
		if len(dst) == inside {
			dst = dst[:start]
		} else {
			dst = append(dst, '}')
		}
		return err
	})
	return dst, err
}

// appendValue reads a value from in and appends its served part, unless that is
// empty.
func (s part) appendValue(dst []byte, comma string, w *work, in *jsonParser, name string, depth int) ([]byte, error) {
	start := in.at
	if s.none || s.all() {
		err := in.skip(depth)
		raw := in.in[start:in.at]
		switch raw {
		case `""`, `[]`, `{}`, `null`:
		default:
			if err == nil && !s.none {
				dst = append(appendText(dst, comma, name), ':')
				dst = append(dst, raw...)
			}
		}
		return dst, err
	}
	before := in.values
	v, err := in.value(depth)
	if err == nil {
		err = w.spend(2 * (in.values - before)) // for reading and for selecting them
	}
	if err != nil {
		return dst, err
	}
	if v = s.pick(v); !isEmpty(v) {
		dst = appendJSON(append(appendText(dst, comma, name), ':'), v)
	}
	return dst, nil
}

// pick keeps the sub-attributes for which keep is true, in a single value or in
// each element of a list.
func pick(v any, keep func(string) bool) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e = pick(e, keep); !isEmpty(e) {
				out = append(out, e)
			}
		}
		return out
	case *object:
		out := &object{fields: make([]field, 0, len(v.fields))}
		for _, f := range v.fields {
			if keep(f.name) {
				out.fields = append(out.fields, f)
			}
		}
		return out
	}
	return v
}
