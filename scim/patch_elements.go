package scim

// An elementKey is equal for elements of a list that count as equal: they have the
// same value and type or, without a value, are equal as a whole.
type elementKey struct {
	text     string // the value, if it is a string
	other    string // otherwise the canonical form of the value, or of the whole element
	hasValue bool
	typ      string // folded; only if the element has a value
}

func keyOfElement(e any) elementKey {
	whole, typ, hasValue := identity(e)
	key := elementKey{hasValue: hasValue, typ: fold(typ)}
	if text, ok := whole.(string); ok {
		key.text = text
	} else {
		key.other = string(appendCanonical(nil, whole))
	}
	return key
}

// identity returns what distinguishes an element of a list from others: its
// value and type, or the whole element.
func identity(e any) (whole any, typ string, hasValue bool) {
	if o, ok := e.(*object); ok {
		if value := o.get("value"); value != nil {
			return value, o.text("type"), true
		}
	}
	return e, "", false
}

// identifying returns the work of keyOfElement. The names of an element without
// a value are sorted.
func identifying(e any) int {
	whole, typ, hasValue := identity(e)
	units := 3 + folding(typ)
	if _, isObject := whole.(*object); isObject && !hasValue {
		units += weight(whole)
	}
	return units + weight(whole)
}

// elementKey is keyOfElement, counted as work of the request.
func (p *patcher) elementKey(e any) (elementKey, error) {
	if err := p.work.spend(identifying(e)); err != nil {
		return elementKey{}, err
	}
	return keyOfElement(e), nil
}

// foldedKey is elementKey for the form in which elements of the attribute are
// compared.
func (p *patcher) foldedKey(def *attribute, element any) (elementKey, error) {
	whole, _, _ := identity(element)
	if text, ok := whole.(string); ok {
		if err := p.work.spend(folding(text)); err != nil {
			return elementKey{}, err
		}
	}
	return p.elementKey(def.folded(element))
}

// folded returns the form in which an element of a list is compared: its value
// is folded unless it is case-sensitive (RFC 7643 section 2.2, caseExact).
func (a *attribute) folded(element any) any {
	switch v := element.(type) {
	case string:
		if a != nil && a.kind == "string" && !a.caseExact {
			return foldText(v)
		}
	case *object:
		sub := a.sub("value")
		text, ok := v.get("value").(string)
		if ok && sub != nil && sub.kind == "string" && !sub.caseExact {
			return &object{fields: []field{{"value", foldText(text)}, {"type", v.get("type")}}}
		}
	}
	return element
}
