package scim

import (
	"strings"
)

// A projection is what of a resource is asked for (RFC 7644 section 3.9).
// The zero value and nil ask for the default.
type projection struct {
	only, except []string // as the client wrote them
	byType       map[*resourceType]*resolvedProjection
}

type resolvedProjection struct {
	only, except []attrPath
}

func newProjection(attributes, excluded []string) *projection {
	if len(attributes) == 0 && len(excluded) == 0 {
		return nil
	}
	return &projection{only: attributes, except: excluded, byType: map[*resourceType]*resolvedProjection{}}
}

// attributeNames splits the values of an attributes parameter.
func attributeNames(values []string) []string {
	var names []string
	for _, value := range values {
		for _, name := range strings.Split(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// trivial says that the stored document can be served as it is.
func (p *projection) trivial(rt *resourceType) bool { return p == nil && !rt.onRequest }

// links reports whether the answer shows members or groups.
func (p *projection) links(rt *resourceType) bool {
	if p == nil {
		return true
	}
	in := p.resolved(rt)
	return (len(p.only) == 0 || selects(in.only, "", rt.links)) && !excludes(in.except, "", rt.links)
}

func (p *projection) resolved(rt *resourceType) *resolvedProjection {
	if in, ok := p.byType[rt]; ok {
		return in
	}
	resolve := func(names []string) (paths []attrPath) {
		for _, name := range names {
			if path, ok := rt.resolve(name); ok { // what is unknown selects nothing
				paths = append(paths, path)
			} else if strings.HasPrefix(strings.ToLower(name), "urn:") {
				paths = append(paths, attrPath{urn: name})
			}
		}
		return paths
	}
	in := &resolvedProjection{only: resolve(p.only), except: resolve(p.except)}
	p.byType[rt] = in
	return in
}

// selects reports whether a path names the attribute or something in it.
func selects(paths []attrPath, urn, attr string) bool {
	for _, path := range paths {
		if strings.EqualFold(path.urn, urn) && (path.attr == "" || strings.EqualFold(path.attr, attr)) {
			return true
		}
	}
	return false
}

// excludes reports whether a path names the whole attribute.
func excludes(paths []attrPath, urn, attr string) bool {
	for _, path := range paths {
		if strings.EqualFold(path.urn, urn) && (path.attr == "" || strings.EqualFold(path.attr, attr)) && path.sub == "" {
			return true
		}
	}
	return false
}

// apply reduces a full resource to what is asked for.
func (p *projection) apply(rt *resourceType, full *object) *object {
	in := &resolvedProjection{}
	if p != nil {
		in = p.resolved(rt)
	}
	all := p == nil || len(p.only) == 0
	out := &object{fields: make([]field, 0, len(full.fields))}
	for _, f := range full.fields {
		ext, isObject := f.value.(*object)
		if isObject && len(f.name) > 4 && strings.EqualFold(f.name[:4], "urn:") {
			var attrs map[string]*attribute
			if declared := rt.extension(f.name); declared != nil {
				attrs = declared.attrs
			}
			inner := &object{}
			for _, g := range ext.fields {
				if v, keep := in.keep(all, f.name, g, lookup(attrs, g.name)); keep {
					inner.fields = append(inner.fields, field{g.name, v})
				}
			}
			if len(inner.fields) > 0 {
				out.fields = append(out.fields, field{f.name, inner})
			}
			continue
		}
		if v, keep := in.keep(all, "", f, lookup(rt.core.attrs, f.name)); keep {
			out.fields = append(out.fields, field{f.name, v})
		}
	}
	return out
}

// keep decides one attribute and, of a complex one, which sub-attributes.
func (in *resolvedProjection) keep(all bool, urn string, f field, def *attribute) (any, bool) {
	returned := "default"
	if def != nil {
		returned = def.returned
	}
	switch returned {
	case "always":
		return f.value, true
	case "never":
		return nil, false
	case "request":
		if !selects(in.only, urn, f.name) {
			return nil, false
		}
	default:
		if !all && !selects(in.only, urn, f.name) {
			return nil, false
		}
	}
	if excludes(in.except, urn, f.name) {
		return nil, false
	}
	if list, ok := f.value.([]any); ok && len(list) == 0 { // a group without members
		return list, true
	}
	whole := all || excludes(in.only, urn, f.name)
	v := pick(f.value, func(name string) bool {
		if sub := def.sub(name); sub != nil && sub.returned == "always" {
			return true
		}
		for _, path := range in.except {
			if strings.EqualFold(path.urn, urn) && strings.EqualFold(path.attr, f.name) && strings.EqualFold(path.sub, name) {
				return false
			}
		}
		if whole {
			return true
		}
		for _, path := range in.only {
			if strings.EqualFold(path.urn, urn) && strings.EqualFold(path.attr, f.name) && strings.EqualFold(path.sub, name) {
				return true
			}
		}
		return false
	})
	return v, !isEmpty(v)
}

// pick keeps the sub-attributes that keep says, in one value or each of a list.
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
