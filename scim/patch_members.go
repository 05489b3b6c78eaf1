package scim

import "slices"

// A memberEdit is the net effect of the operations of one PATCH on the members
// of a group: one wish for each member, in the order in which they were first
// named. Making it does not read the group, unless a filter uses an attribute
// other than the member's id.
type memberEdit struct {
	replace bool
	wishes  map[string]memberWish
	order   []string
	// current loads the group's members; loaded reports that the edit depends
	// on them.
	current func() ([]Link, error)
	loaded  bool
}

type memberWish struct {
	add     bool
	display string
}

// change returns the edit for the store, or nil if it is empty.
func (e *memberEdit) change() *MemberChange {
	if !e.replace && len(e.order) == 0 {
		return nil
	}
	c := &MemberChange{Replace: e.replace}
	for _, id := range e.order {
		if wish := e.wishes[id]; wish.add {
			c.Add = append(c.Add, Link{Ref: Ref{ID: id}, Display: wish.display})
		} else if !e.replace {
			c.Remove = append(c.Remove, id)
		}
	}
	return c
}

func (e *memberEdit) wish(id string, w memberWish) {
	if e.wishes == nil {
		e.wishes = map[string]memberWish{}
	}
	if _, ok := e.wishes[id]; !ok {
		e.order = append(e.order, id)
	}
	e.wishes[id] = w
}

func (e *memberEdit) clear() {
	e.replace, e.wishes, e.order = true, nil, nil
}

func (e *memberEdit) apply(p *patcher, op patchOp, path patchPath) error {
	if path.filter != nil {
		return e.applyFiltered(p, op, path)
	}
	if path.sub != "" && path.sub != "value" {
		return badPath("path: %s cannot be set for all members at once", path)
	}
	if op.op == "replace" || op.op == "remove" && !op.given {
		e.clear()
	}
	links, err := memberLinks(path.def, op.value)
	if err != nil {
		return err
	}
	for _, link := range links {
		e.wish(link.ID, memberWish{add: op.op != "remove", display: link.Display})
	}
	return nil
}

// memberLinks reads members as clients send them: objects with value (or only
// $ref), or plain ids; a single member or a list.
func memberLinks(def *attribute, v any) ([]Link, error) {
	value, err := def.coerce(v, "members")
	if err != nil {
		return nil, err
	}
	list, _ := value.([]any)
	links := make([]Link, 0, len(list))
	for _, e := range list {
		o, _ := e.(*object)
		id := o.text("value")
		if id == "" {
			id = refID(o.text("$ref"))
		}
		if id == "" {
			return nil, badValue("members.value: want the id of a user or group")
		}
		links = append(links, Link{Ref: Ref{ID: id}, Display: o.text("display")})
	}
	return links, nil
}

func (e *memberEdit) applyFiltered(p *patcher, op patchOp, path patchPath) error {
	ids, byID := path.filter.memberIDs()
	if !byID || path.sub == "display" { // a change of the display alone makes no record a member
		var err error
		if ids, err = e.selected(p, path.filter); err != nil {
			return err
		}
		if _, says := path.filter.element(); says && len(ids) == 0 && op.op == "remove" {
			return nil // a record that is no member need not be removed
		}
		if len(ids) == 0 {
			return noTarget("%s: the filter selects no member", path)
		}
	}
	if op.op == "remove" {
		if path.sub != "" && path.sub != "value" {
			return notMutable("members.%s: the attribute is immutable", path.sub)
		}
		for _, id := range ids {
			e.wish(id, memberWish{})
		}
		return nil
	}
	switch path.sub {
	case "display":
		display, ok := op.value.(string)
		if !ok && op.given {
			return badValue("members.display: want a string")
		}
		for _, id := range ids {
			e.wish(id, memberWish{add: true, display: display})
		}
		return nil
	case "", "value":
	default:
		return notMutable("members.%s: the attribute is immutable", path.sub)
	}
	links, err := memberLinks(path.def, op.value)
	if err != nil {
		return err
	}
	if other := func(link Link) bool { return !slices.Contains(ids, link.ID) }; path.sub == "value" && slices.ContainsFunc(links, other) {
		return notMutable("members.value: the attribute is immutable; remove the member and add another one")
	}
	if op.op == "replace" { // the given members replace the selected ones
		for _, id := range ids {
			e.wish(id, memberWish{})
		}
	}
	for _, link := range links {
		e.wish(link.ID, memberWish{add: true, display: link.Display})
	}
	return nil
}

// memberIDs returns the ids in a filter, if the filter consists only of terms
// value eq "..." joined by or.
func (f *filter) memberIDs() ([]string, bool) {
	terms := []*filter{f}
	if f.op == opOr {
		terms = f.kids
	}
	var ids []string
	for _, term := range terms {
		id, ok := term.value.(string)
		if term.op != opEqual || term.path.attr != "value" || !ok {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// selected evaluates a filter over the members as edited so far.
func (e *memberEdit) selected(p *patcher, f *filter) ([]string, error) {
	e.loaded = true
	links, err := e.current()
	if err != nil {
		return nil, err
	}
	if err := p.work.spend((len(links) + len(e.order)) * 2); err != nil {
		return nil, err
	}
	var ids []string
	if !e.replace {
		for _, link := range links {
			if err := p.work.failed(); err != nil {
				return nil, err
			}
			if _, edited := e.wishes[link.ID]; !edited && f.matchesElement(p.rt.linkObject(link, p.locate)) {
				ids = append(ids, link.ID)
			}
		}
	}
	for _, id := range e.order {
		if wish := e.wishes[id]; wish.add && f.matchesElement(p.rt.linkObject(Link{Ref: Ref{ID: id}, Display: wish.display}, nil)) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
