package provisioning

import (
	"maps"
	"slices"
	"strings"
)

// A Mask is a list of fields whose values are hidden from somebody. Its results
// contain no such value: not in fields, not in the facts of reasons, and not in
// names of people. Attribute("*") stands for all attributes. The zero Mask hides
// nothing.
type Mask []Field

// PersonalMask hides everything that tells who somebody is or how to reach them.
// What stays visible are the IDs of members, and what the application gives them.
func PersonalMask() Mask {
	return Mask{
		FieldExternalID, FieldEmail, FieldOtherEmails, FieldPrivateEmail, FieldGivenName, FieldFamilyName, FieldTitle, FieldPhone,
		FieldMobilePhone, FieldPhoneExtension, FieldTimeZone, FieldCountry, FieldState, FieldLocale, Attribute("*"),
	}
}

// Hides reports whether the values of a field are hidden.
func (k Mask) Hides(f Field) bool {
	if _, ok := f.attribute(); ok && slices.Contains(k, Attribute("*")) {
		return true
	}
	return slices.Contains(k, f)
}

// The texts that replace a hidden value in a change.
const (
	hiddenOld = "(hidden)"
	hiddenNew = "(hidden, new)"
)

// factFields says which fields a fact of a reason reveals. A fact that is not in it
// is hidden by every mask.
var factFields = map[string][]Field{
	"assignment": nil, "field": nil, "fields": nil, "seat": nil, "group": nil, "missing": nil, "cause": nil,
	"tripped": nil, "snapshot": nil, "config": nil,
	"address": {FieldEmail, FieldOtherEmails, FieldPrivateEmail}, "from": {FieldEmail, FieldOtherEmails}, "to": {FieldEmail},
	"source": {FieldEmail, FieldOtherEmails}, "email": {FieldEmail}, "domain": {FieldEmail},
	"name": {FieldGivenName, FieldFamilyName, FieldEmail}, "manager": {FieldGivenName, FieldFamilyName, FieldEmail},
	"former": {FieldGivenName, FieldFamilyName, FieldEmail}, "holder": {FieldGivenName, FieldFamilyName}, "former_id": {FieldExternalID}, "id": {FieldExternalID, FieldEmail}, "member": nil,
	"timezone": {FieldTimeZone}, "country": {FieldCountry}, "state": {FieldState}, "locale": {FieldLocale},
}

// Plan returns a copy of the plan without hidden values, for display. The copy
// keeps the hash of the whole plan, and so its approvals; apply the whole plan. If
// something is hidden, the copy does not know the people whom the plan does not
// change.
func (k Mask) Plan(p *Plan) *Plan {
	if len(k) == 0 {
		return p
	}
	shown := *p
	shown.world = nil
	shown.About = k.externalIDs(p.About)
	shown.Actions = slices.Clone(p.Actions)
	for i := range shown.Actions {
		k.action(&shown.Actions[i])
	}
	shown.Held = slices.Clone(p.Held)
	for i := range shown.Held {
		h := &shown.Held[i]
		k.action(&h.Action)
		h.Reasons = k.reasons(h.Reasons)
	}
	shown.Skipped = slices.Clone(p.Skipped)
	for i := range shown.Skipped {
		s := &shown.Skipped[i]
		k.person(&s.ExternalID, &s.Email, &s.Name)
		s.Reasons = k.reasons(s.Reasons)
	}
	shown.Findings = slices.Clone(p.Findings)
	for i := range shown.Findings {
		f := &shown.Findings[i]
		k.person(&f.ExternalID, &f.Email, &f.Name)
		f.Reason = k.reasons([]Reason{f.Reason})[0]
	}
	return &shown
}

// Diff returns a copy of the difference without hidden values.
func (k Mask) Diff(d *Diff) *Diff {
	if len(k) == 0 {
		return d
	}
	shown := &Diff{Now: k.Plan(d.Now), Next: k.Plan(d.Next), Shifts: slices.Clone(d.Shifts)}
	for i := range shown.Shifts {
		s := &shown.Shifts[i]
		k.person(&s.ExternalID, &s.Email, &s.Name)
		s.Changes, s.Reasons = k.changes(s.Changes), k.reasons(s.Reasons)
	}
	return shown
}

// Member returns the member without hidden values.
func (k Mask) Member(m Member) Member {
	m = m.Clone()
	for name := range m.Attributes {
		if k.Hides(Attribute(name)) {
			delete(m.Attributes, name)
		}
	}
	for _, f := range k {
		if spec := f.spec(); spec != nil {
			spec.value.set(&m, nil)
		}
	}
	if k.Hides(FieldExternalID) {
		m.Subject = ""
	}
	return m
}

// Record returns the record without hidden values.
func (k Mask) Record(r Record) Record {
	if len(k) == 0 {
		return r
	}
	if k.Hides(FieldEmail) {
		r.Email = ""
	}
	r.Changes, r.Reasons = k.changes(r.Changes), k.reasons(r.Reasons)
	return r
}

func (k Mask) action(a *Action) {
	a.Member = k.Member(a.Member)
	a.Changes, a.Reasons = k.changes(a.Changes), k.reasons(a.Reasons)
}

func (k Mask) changes(changes []Change) []Change {
	changes = slices.Clone(changes)
	for i := range changes {
		c := &changes[i]
		if !k.Hides(c.Field) {
			continue
		}
		same := !c.IsValue()
		if c.Old != nil {
			c.Old = hiddenOld
		}
		if c.New != nil {
			c.New = hiddenNew
			if same {
				c.New = hiddenOld
			}
		}
	}
	return changes
}

func (k Mask) reasons(reasons []Reason) []Reason {
	reasons = slices.Clone(reasons)
	for i := range reasons {
		facts := maps.Clone(reasons[i].Facts)
		maps.DeleteFunc(facts, func(name, value string) bool {
			about, known := factFields[name]
			return !known || slices.ContainsFunc(about, k.Hides)
		})
		reasons[i].Facts = facts
	}
	return reasons
}

func (k Mask) person(externalID, email, name *string) {
	if k.Hides(FieldExternalID) {
		*externalID = ""
	}
	if k.Hides(FieldEmail) {
		*email = ""
	}
	if k.Hides(FieldGivenName) || k.Hides(FieldFamilyName) {
		*name = ""
	}
}

func (k Mask) externalIDs(ids []string) []string {
	if ids == nil || !k.Hides(FieldExternalID) {
		return ids
	}
	return slices.Repeat([]string{strings.Trim(hiddenOld, "()")}, len(ids))
}
