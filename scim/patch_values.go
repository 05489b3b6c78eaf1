package scim

import "slices"

// whole applies an operation to an attribute without filter or sub-attribute.
func (p *patcher) whole(in *object, op patchOp, path patchPath) error {
	if op.op == "remove" {
		if list, ok := in.get(path.attr).([]any); ok && op.given {
			return p.removeListed(in, op, path, list)
		}
		if path.def != nil && path.def.required {
			return notMutable("%s: the attribute is required and cannot be removed", path)
		}
		return p.assign(in, path, nil)
	}
	value, err := path.def.coerce(op.value, path.String())
	if err != nil {
		return err
	}
	old := in.get(path.attr)
	if oldList, ok := old.([]any); ok && op.op == "add" {
		added, isList := value.([]any)
		if !isList && value != nil {
			added = []any{value}
		}
		list, err := p.addAll(oldList, path.alike(oldList, added))
		if err != nil {
			return err
		}
		return p.assign(in, path, list)
	}
	if current, ok := old.(*object); ok && (path.def == nil || !path.def.multi) {
		if given, ok := op.value.(*object); ok { // sub-attributes that are not named stay
			merged, err := clone(p, current)
			if err != nil {
				return err
			}
			if err := p.merge(merged, given, path); err != nil {
				return err
			}
			if len(merged.fields) == 0 && path.def != nil { // an undeclared empty value is stored
				return p.assign(in, path, nil)
			}
			return p.assign(in, path, merged)
		}
	}
	if value == nil && op.op == "add" {
		return nil
	}
	return p.assign(in, path, value)
}

// assign stores value as the whole of the attribute; nil removes it.
func (p *patcher) assign(in *object, path patchPath, value any) error {
	if path.def != nil {
		before := in.get(path.attr)
		err := path.whole().keepsImmutable(before, value)
		if err == nil && path.def.multi && value != nil {
			err = path.def.keepInside(path.whole(), before, value, p.work)
		}
		if err != nil {
			return err
		}
	}
	if list, ok := value.([]any); value == nil || ok && len(list) == 0 {
		return p.drop(in, path.attr)
	}
	in.set(path.attr, value)
	return nil
}

// drop removes a name, which counts as work of the request.
func (p *patcher) drop(from *object, name string) error {
	if !from.drop(name) {
		return nil
	}
	return p.work.spend(from.indexing())
}

// merge sets the sub-attributes in given, and removes those that are null or
// empty there.
func (p *patcher) merge(into, given *object, path patchPath) error {
	was := into.get("value")
	for _, f := range given.fields {
		sub := path.def.sub(f.name)
		name := f.name
		if sub != nil {
			name = sub.name
		}
		if sub.readOnly() || sub.hidden() {
			continue
		}
		value, err := sub.coerce(f.value, path.String()+"."+name)
		if err != nil {
			return err
		}
		if sub != nil {
			if err := path.whole().inner(sub).keepsImmutable(into.get(name), value); err != nil {
				return err
			}
		}
		if value != nil {
			into.set(name, value)
		} else if err := p.drop(into, name); err != nil {
			return err
		}
	}
	if path.def != nil {
		path.def.nameBy(into, given)
	}
	if given.at("$ref") < 0 {
		path.def.dropOldRef(into, was)
	}
	return nil
}

// dropOldRef removes the $ref of a complex value whose value has changed: value
// and $ref identify one resource (RFC 7643 section 4.3).
func (a *attribute) dropOldRef(o *object, was any) {
	if a.sub("$ref") != nil && was != nil && !equalValues(was, o.get("value")) {
		o.drop("$ref")
	}
}

// addAll appends the values that the list does not have yet. The list has a
// complex value if an element has the same value and type; this element then
// gets the other sub-attributes.
func (p *patcher) addAll(list, added []any) ([]any, error) {
	list = slices.Clone(list)
	places := make(map[elementKey]int, len(list)+len(added))
	for i, have := range list {
		key, err := p.elementKey(have)
		if err != nil {
			return nil, err
		}
		if _, ok := places[key]; !ok {
			places[key] = i
		}
	}
	primary := -1
	for _, e := range added {
		key, err := p.elementKey(e)
		if err != nil {
			return nil, err
		}
		o, isObject := e.(*object)
		at, ok := places[key]
		if !ok {
			at = len(list)
			places[key] = at
			list = append(list, e)
		} else if isObject {
			merged, err := clone(p, list[at].(*object))
			if err != nil {
				return nil, err
			}
			for _, f := range o.fields {
				merged.set(f.name, f.value)
			}
			list[at] = merged
		}
		if isObject && o.get("primary") == true {
			primary = at
		}
	}
	return p.withPrimary(list, primary)
}

// withPrimary leaves the primary mark only on element keep; a negative keep
// changes nothing. It modifies the elements, which belong to the patcher:
// values of operations are copied when they are coerced.
func (p *patcher) withPrimary(list []any, keep int) ([]any, error) {
	if keep >= 0 {
		onePrimary(list, keep)
	}
	return list, p.work.spend(len(list) / 8)
}

// clone copies an object, which counts as work of the request.
func clone(p *patcher, v *object) (*object, error) {
	if err := p.work.spend(weight(v)); err != nil {
		return nil, err
	}
	return cloneValue(v).(*object), nil
}

// removeListed removes the elements that the value of a remove lists, either by
// their value or as a whole. Entra sends such operations.
func (p *patcher) removeListed(in *object, op patchOp, path patchPath, list []any) error {
	value, err := path.def.coerce(op.value, path.String())
	if err != nil {
		return err
	}
	gone, ok := value.([]any)
	if !ok && value != nil {
		gone = []any{value}
	}
	// An element without a type removes elements of any type.
	keys := map[elementKey]bool{}
	for _, g := range path.alike(list, gone) {
		key, err := p.foldedKey(path.def, g)
		if err != nil {
			return err
		}
		keys[key] = true
	}
	rest := make([]any, 0, len(list))
	for _, have := range list {
		key, err := p.foldedKey(path.def, have)
		if err != nil {
			return err
		}
		untyped := key
		untyped.typ = ""
		if !keys[key] && !keys[untyped] {
			rest = append(rest, have)
		}
	}
	return p.assign(in, path, rest)
}

// sub applies an operation to a sub-attribute of a single value, or of every
// element of a list.
func (p *patcher) sub(in *object, op patchOp, path patchPath) error {
	value, err := p.subValue(op, path)
	if err != nil || value == nil && op.op == "add" {
		return err
	}
	old := in.get(path.attr)
	if path.def != nil && path.def.multi || old != nil && path.def == nil {
		if list, ok := old.([]any); ok {
			return p.setSub(in, path, list, func(any) bool { return true }, value)
		}
	}
	o, ok := old.(*object)
	if !ok {
		if o = (&object{}); value == nil {
			return nil
		}
	}
	if o, err = clone(p, o); err != nil {
		return err
	}
	if err := path.keepsImmutable(o.get(path.sub), value); err != nil {
		return err
	}
	was := o.get("value")
	if value == nil {
		o.drop(path.sub)
	} else {
		o.set(path.sub, value)
	}
	path.def.dropOldRef(o, was)
	switch {
	case len(o.fields) == 0:
		return p.assign(in, path, nil)
	case path.def != nil && path.def.multi:
		return p.assign(in, path, []any{o})
	}
	return p.assign(in, path, o)
}

// subValue returns the new value of the sub-attribute; nil removes it.
func (p *patcher) subValue(op patchOp, path patchPath) (any, error) {
	if op.op == "remove" {
		if path.subDef != nil && path.subDef.required {
			return nil, notMutable("%s: the attribute is required and cannot be removed", path)
		}
		return nil, nil
	}
	value := op.value
	if s, ok := value.(string); ok && path.def.sub("value") != nil {
		if inner, isJSON := unwrapped(s); isJSON && inner.get(path.sub) != nil {
			value = inner.get(path.sub)
		}
	}
	return path.subDef.coerce(value, path.String())
}

// filtered applies an operation to the elements that a filter selects. If it
// selects none of a list, it creates the element that the filter describes. A
// single value that the filter does not select is not changed (RFC 7644
// section 3.5.2.3: noTarget).
func (p *patcher) filtered(in *object, op patchOp, path patchPath) error {
	old := in.get(path.attr)
	list, isList := old.([]any)
	if !isList && old != nil {
		list = []any{old}
	}
	found := slices.ContainsFunc(list, path.filter.matchesElement)
	element, creatable := path.filter.element()
	clears := op.op == "remove" || isEmpty(op.value)
	switch {
	case found:
	case !creatable, !clears && !path.multi(old):
		return noTarget("%s: the filter selects no value", path)
	case clears:
		return nil // an absent element need not be removed
	case path.def != nil && path.def.kind == "complex": // the client sends these values, too
		var err error
		if element, err = path.def.oneElement(element, path.String()); err != nil {
			return err
		}
		if element == nil {
			element = &object{}
		}
	}
	if path.sub != "" {
		value, err := p.subValue(op, path)
		if err != nil || value == nil && (op.op == "add" || !found) {
			return err
		}
		if found {
			return p.setSub(in, path, list, path.filter.matchesElement, value)
		}
		element.set(path.sub, value)
		return p.appendElement(in, path, list, element)
	}
	if !clears && !path.multi(old) {
		// A filter that selects a single value means that value. Its
		// unspecified sub-attributes stay (RFC 7644 section 3.5.2.3).
		path.filter = nil
		return p.whole(in, op, path)
	}
	if clears {
		if op.op == "add" {
			return nil
		}
		return p.assignList(in, path, slices.DeleteFunc(slices.Clone(list), path.filter.matchesElement))
	}
	value := op.value
	if one, ok := value.([]any); ok && len(one) == 1 {
		value = one[0]
	}
	if path.plain(list) {
		return p.filteredPlain(in, path, list, found, path.alike(list, []any{value})[0])
	}
	given, err := path.def.oneElement(value, path.String())
	if err != nil || given == nil {
		return err
	}
	if !found {
		for _, f := range given.fields {
			element.set(f.name, f.value)
		}
		return p.appendElement(in, path, list, element)
	}
	list = slices.Clone(list)
	keep := -1
	for i, e := range list {
		if !path.filter.matchesElement(e) {
			continue
		}
		next, err := clone(p, given)
		if err != nil {
			return err
		}
		if old, ok := e.(*object); ok {
			for _, f := range old.fields {
				// An add keeps unspecified sub-attributes. A replace keeps
				// those that the filter compares.
				if next.get(f.name) == nil && (op.op == "add" || creatable && element.get(f.name) != nil) {
					next.set(f.name, f.value)
				}
			}
		}
		if primary, _ := next.get("primary").(bool); primary && keep < 0 {
			keep = i
		}
		list[i] = next
	}
	if list, err = p.withPrimary(list, keep); err != nil {
		return err
	}
	return p.assignList(in, path, list)
}

// filteredPlain replaces the values that a filter selects in a list of plain
// values. In the filter, each value is its own "value".
func (p *patcher) filteredPlain(in *object, path patchPath, list []any, found bool, value any) error {
	if path.def != nil {
		var err error
		if value, err = path.def.coerceOne(value, path.String()); err != nil || value == nil {
			return err
		}
	}
	if !found {
		merged, err := p.addAll(list, []any{value})
		if err != nil {
			return err
		}
		return p.assignList(in, path, merged)
	}
	if err := p.work.spend(len(list) * comparing(value)); err != nil {
		return err
	}
	next := make([]any, 0, len(list))
	placed := false
	for _, e := range list {
		switch {
		case !path.filter.matchesElement(e) && !equalValues(e, value):
			next = append(next, e)
		case !placed:
			next, placed = append(next, value), true
		}
	}
	return p.assignList(in, path, next)
}

// alike converts values for a list: if an undeclared list has plain values,
// {"value": "x"} becomes "x".
func (path patchPath) alike(list, values []any) []any {
	if path.def != nil || !path.plain(list) {
		return values
	}
	out := slices.Clone(values)
	for i, v := range out {
		if o, ok := v.(*object); ok && len(o.fields) == 1 && isPlain(o.get("value")) {
			out[i] = o.get("value")
		}
	}
	return out
}

// multi reports whether the attribute, whose present value is old, is a list.
func (path patchPath) multi(old any) bool {
	if path.def != nil {
		return path.def.multi
	}
	_, isList := old.([]any)
	return isList || old == nil
}

// plain reports whether the attribute is a list of plain values.
func (path patchPath) plain(list []any) bool {
	if path.def != nil {
		return path.def.kind != "complex"
	}
	return len(list) > 0 && !slices.ContainsFunc(list, func(e any) bool { _, ok := e.(*object); return ok })
}

// assignList stores the elements of an attribute, which may be a single one.
func (p *patcher) assignList(in *object, path patchPath, list []any) error {
	if len(list) == 1 && !path.multi(in.get(path.attr)) {
		return p.assign(in, path, list[0])
	}
	return p.assign(in, path, list)
}

// oneElement coerces the value of one element of a list.
func (a *attribute) oneElement(v any, path string) (*object, error) {
	if a != nil {
		one, err := a.coerceOne(v, path)
		o, ok := one.(*object)
		if err == nil && one != nil && !ok {
			err = badValue("%s: want an object", path)
		}
		return o, err
	}
	o, ok := dropNulls(v).(*object)
	if !ok {
		return nil, badValue("%s: want an object", path)
	}
	return o, nil
}

func (p *patcher) appendElement(in *object, path patchPath, list []any, element *object) error {
	list = append(slices.Clone(list), element)
	primary := -1
	if element.get("primary") == true {
		primary = len(list) - 1
	}
	list, err := p.withPrimary(list, primary)
	if err != nil {
		return err
	}
	return p.assignList(in, path, list)
}

// setSub sets or removes a sub-attribute of the selected elements. An element
// that then has only labels is removed.
func (p *patcher) setSub(in *object, path patchPath, list []any, selected func(any) bool, value any) error {
	cost := weight(value)
	next := make([]any, 0, len(list))
	keep := -1
	for _, e := range list {
		o, ok := e.(*object)
		if !ok || !selected(e) {
			next = append(next, e)
			continue
		}
		if err := path.keepsImmutable(o.get(path.sub), value); err != nil {
			return err
		}
		o, err := clone(p, o)
		if err == nil {
			err = p.work.spend(cost)
		}
		if err != nil {
			return err
		}
		if value != nil {
			o.set(path.sub, value)
		} else if o.drop(path.sub); onlyLabels(o) || path.sub == "value" && path.def.lacksValue(o) {
			continue
		}
		if path.sub == "primary" && value == true && keep < 0 {
			keep = len(next)
		}
		next = append(next, o)
	}
	next, err := p.withPrimary(next, keep)
	if err != nil {
		return err
	}
	return p.assignList(in, path, next)
}

// element returns the element that a filter of equalities joined by and
// describes. A client means this element if the list has none yet.
func (f *filter) element() (*object, bool) {
	terms := []*filter{f}
	if f.op == opAnd {
		terms = f.kids
	}
	out := &object{}
	for _, term := range terms {
		if term.op == opAnd {
			inner, ok := term.element()
			if !ok {
				return nil, false
			}
			for _, g := range inner.fields {
				out.set(g.name, g.value)
			}
			continue
		}
		if term.op != opEqual || term.value == nil {
			return nil, false
		}
		out.set(term.path.attr, term.source)
	}
	return out, true
}
