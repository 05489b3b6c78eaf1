package scim

// A storedDoc returns the document that a write replaces, or nil if the write
// creates a resource. It is called only for a document that would be refused
// otherwise.
type storedDoc func() (*object, error)

// nothingStored is the storedDoc of a creation.
func nothingStored() (*object, error) { return nil, nil }

// checkDeclared refuses a document without a required attribute or
// sub-attribute, with a unique value that cannot be a key of a store, or with
// too many schemas. It accepts what the stored document has as well: a
// declaration that the host made later must not prevent other changes of the
// resource, above all its deactivation (rule S12).
func (rt *resourceType) checkDeclared(doc *object, stored storedDoc, work *work) error {
	for _, c := range rt.containers {
		in := rt.objectOf(c, doc)
		if in == nil {
			continue
		}
		for _, def := range c.order {
			if !def.required && def.needed == nil {
				continue
			}
			path := rt.pathOf(c, def)
			err := def.lacks(in, nil, path)
			if err == nil {
				continue
			}
			old, failed := stored()
			if failed != nil {
				return failed
			}
			if was := rt.objectOf(c, old); was != nil {
				if err := work.spend(weight(in.get(def.name)) + weight(was.get(def.name))); err != nil {
					return err
				}
				err = def.lacks(in, was, path)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := rt.checkUnique(doc, stored); err != nil {
		return err
	}
	if n := rt.undeclared(doc); n > maxSchemas {
		old, err := stored()
		if err != nil {
			return err
		}
		if n > rt.undeclared(old) {
			return badValue("schemas: more than %d values", maxSchemas)
		}
	}
	return nil
}

// objectOf returns the object in a document with the attributes of a schema, or
// nil.
func (rt *resourceType) objectOf(c *container, doc *object) *object {
	if c == &rt.core || doc == nil {
		return doc
	}
	in, _ := doc.get(c.urn).(*object)
	return in
}

// undeclared returns the number of undeclared schemas that a document names.
func (rt *resourceType) undeclared(doc *object) int {
	if doc == nil {
		return 0
	}
	n := 0
	named, _ := doc.get("schemas").([]any)
	for _, e := range named {
		if urn, _ := e.(string); !sameName(urn, rt.core.urn) && rt.extension(urn) == nil {
			n++
		}
	}
	return n
}

// lacks returns an error if the attribute is required and has no value in an
// object, or if its value, or an element of it, lacks a needed sub-attribute.
// What is the same in was, unless that is nil, is accepted. path is that of the
// attribute.
func (a *attribute) lacks(in, was *object, path attrPath) error {
	v := in.get(a.name)
	if v == nil {
		if a.required && (was == nil || was.get(a.name) != nil) {
			return badValue("%s: the attribute is required", path)
		}
		return nil
	}
	had := map[string]bool{}
	if was != nil {
		for _, e := range listed(was.get(a.name)) {
			had[string(appendCanonical(nil, e))] = true
		}
	}
	for _, e := range listed(v) {
		o, ok := e.(*object)
		for _, sub := range a.needed {
			if !ok || o.get(sub.name) != nil || len(had) > 0 && had[string(appendCanonical(nil, o))] {
				continue
			}
			reason := "the sub-attribute is required"
			if !sub.required {
				reason = "without it the element grants nothing"
			}
			path.sub = sub.name
			return badValue("%s: want a value; %s", path, reason)
		}
	}
	return nil
}

// listed returns the elements of a list, or a single value as the only element.
func listed(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}
