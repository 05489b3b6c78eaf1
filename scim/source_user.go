package scim

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/sources"
)

// user reads a stored user as a directory's word for a person. Which attribute
// is which follows what the providers' templates fill (rules R48, R49, R57,
// R62, R63). A blank value is none (S11). A record that cannot be read gives a
// user with its ID and StatusUnknown: a finding that changes nothing of the
// member. One damaged record then neither ends the reading of a directory nor
// looks like a leaver.
func (s *DirectorySource) user(rec Record) sources.User {
	doc, err := readDoc(rec, nil)
	if err != nil {
		slog.Error("scim: a user is read as unknown", "error", err)
		return sources.User{ID: rec.ID}
	}
	return s.fromDoc(rec.ID, doc)
}

func (s *DirectorySource) fromDoc(id string, doc *object) sources.User {
	u := sources.User{
		ID:       id,
		UserName: doc.text("userName"),
		Title:    doc.text("title"),
		TimeZone: doc.text("timezone"),
		Locale:   doc.text("locale"),
	}
	if blank(u.Locale) {
		u.Locale = preferredLanguage(doc)
	}
	if name, ok := doc.get("name").(*object); ok {
		u.GivenName, u.FamilyName = name.text("givenName"), name.text("familyName")
	}
	if active, ok := doc.get("active").(bool); ok {
		u.Status = sources.StatusInactive
		if active {
			u.Status = sources.StatusActive
		}
	}
	readEmails(&u, doc)
	readPhones(&u, doc)
	if place := best(elements(doc, "addresses", "country", "region"), "work"); place != nil {
		u.Country, u.State = place.text("country"), place.text("region")
	}
	s.readExtensions(&u, doc)
	if u.Email == "" && s.kind.UserNameIsAddress && isAddress(u.UserName) {
		u.Email = u.UserName
	}
	for _, f := range doc.fields {
		switch fold(f.name) {
		case "schemas", "username", "name", "active", "title", "timezone", "locale", "emails", "phonenumbers", "addresses",
			"ims", "photos", "x509certificates":
		default:
			if !isURN(f.name) {
				setAttribute(&u, f.name, f.value)
			}
		}
	}
	return u
}

// preferredLanguage is the first language of that attribute, which has the form
// of an Accept-Language header (RFC 7643 section 4.1.1). It stands in for a
// locale, as it does where Okta and Entra are read (S33): Entra maps no other.
func preferredLanguage(doc *object) string {
	first, _, _ := strings.Cut(doc.text("preferredLanguage"), ",")
	first, _, _ = strings.Cut(first, ";")
	return strings.TrimSpace(first)
}

// elements returns the elements of a list that have a value, which is not
// blank, under one of the names.
func elements(doc *object, list string, names ...string) []*object {
	var out []*object
	all, _ := doc.get(list).([]any)
	for _, e := range all {
		if o, ok := e.(*object); ok && slices.ContainsFunc(names, func(name string) bool { return !blank(o.text(name)) }) {
			out = append(out, o)
		}
	}
	return out
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// best is the element of the type, else the primary one, else the first; among
// several of the type the primary one.
func best(list []*object, typ string) *object {
	var found *object
	rank := 0
	for _, o := range list {
		r := 1
		if o.get("primary") == true {
			r = 2
		}
		if strings.EqualFold(o.text("type"), typ) {
			r += 2
		}
		if r > rank {
			found, rank = o, r
		}
	}
	return found
}

// readEmails takes the work address as the address, the one for home as the
// private one, and the others as further work addresses.
func readEmails(u *sources.User, doc *object) {
	list := elements(doc, "emails", "value")
	main := best(list, "work")
	for _, o := range list {
		value := o.text("value")
		switch {
		case o == main:
			u.Email = value
		case !strings.EqualFold(o.text("type"), "home"):
			u.OtherEmails = append(u.OtherEmails, value)
		case u.PrivateEmail == "":
			u.PrivateEmail = value
		}
	}
}

func readPhones(u *sources.User, doc *object) {
	var rest []*object
	for _, o := range elements(doc, "phoneNumbers", "value") {
		switch strings.ToLower(o.text("type")) {
		case "mobile":
			if u.MobilePhone == "" {
				u.MobilePhone = o.text("value")
			}
		case "fax", "pager":
		default:
			rest = append(rest, o)
		}
	}
	if phone := best(rest, "work"); phone != nil {
		u.Phone = phone.text("value")
	}
}

// readExtensions reads the enterprise extension, the user extension, and other
// extensions as attributes. What the user extension says goes before the core
// attributes. Another extension takes the place of nothing: where it has the
// names of ours, it fills what is empty.
func (s *DirectorySource) readExtensions(u *sources.User, doc *object) {
	var others []field
	for _, f := range doc.fields {
		ext, ok := f.value.(*object)
		switch {
		case !ok || !isURN(f.name):
		case sameName(f.name, enterpriseURN):
			readEnterprise(u, ext)
		case s.isUserExtension(f.name, ext):
			readUserExtension(u, f.name, ext)
		default:
			others = append(others, f)
		}
	}
	for _, f := range others {
		ext := f.value.(*object)
		fillFrom(u, ext)
		for _, g := range ext.fields {
			setAttribute(u, f.name+":"+g.name, g.value)
		}
	}
}

// sharedName is the name that every source gives beside its own (S35), or "".
func sharedName(enterprise string) string {
	switch fold(enterprise) {
	case "department":
		return sources.AttributeDepartment
	case "division":
		return sources.AttributeDivision
	case "costcenter":
		return sources.AttributeCostCenter
	case "employeenumber":
		return sources.AttributeEmployeeNumber
	case "organization":
		return sources.AttributeOrganization
	}
	return ""
}

func readEnterprise(u *sources.User, ext *object) {
	for _, f := range ext.fields {
		if sameName(f.name, "manager") {
			manager := readManager(f.value)
			if u.Manager.Email != "" { // named by the user extension, which says more
				manager.Email = u.Manager.Email
			}
			if u.Manager.Name != "" {
				manager.Name = u.Manager.Name
			}
			u.Manager = manager
			continue
		}
		setAttribute(u, f.name, f.value)
		if shared := sharedName(f.name); shared != "" {
			setAttribute(u, shared, f.value)
		}
	}
}

// readManager reads the enterprise manager: value is an id of the same
// directory, or an address where a mapping sends one; $ref alone ends in the
// id; Okta sends displayName alone.
func readManager(v any) (m sources.Manager) {
	o, ok := v.(*object)
	if !ok {
		o = &object{fields: []field{{"value", v}}}
	}
	key := textOf(o.get("value"))
	if blank(key) {
		key = refID(o.text("$ref"))
	}
	switch {
	case isAddress(key):
		m.Email = key
	case !blank(key):
		m.ID = key
	default:
		m.Name = o.text("displayName")
	}
	return m
}

// refID is the id in the URL of a resource.
func refID(ref string) string {
	ref, _, _ = strings.Cut(ref, "?")
	ref = strings.TrimRight(ref, "/")
	id, _ := url.PathUnescape(ref[strings.LastIndexByte(ref, '/')+1:]) // a malformed one names nobody
	return id
}

// isAddress tells an email address from an id or a login name.
func isAddress(s string) bool {
	_, _, ok := address.Parse(s)
	return ok
}

// extensionField returns the field of u that an attribute of the user extension
// stands for, or nil. secondaryEmails is none, since it is a list.
func extensionField(u *sources.User, name string) *string {
	switch fold(name) {
	case "country":
		return &u.Country
	case "stateorprovince":
		return &u.State
	case "manageremail":
		return &u.Manager.Email
	case "managerfullname":
		return &u.Manager.Name
	case "privateemail":
		return &u.PrivateEmail
	case "primaryphoneext":
		return &u.PhoneExtension
	}
	return nil
}

const secondaryEmails = "secondaryEmails"

func readUserExtension(u *sources.User, urn string, ext *object) {
	for _, f := range ext.fields {
		text := textOf(f.value)
		field := extensionField(u, f.name)
		switch {
		case sameName(f.name, secondaryEmails):
			addEmails(u, f.value)
		case field != nil && !blank(text):
			*field = text
		case field == nil:
			setAttribute(u, urn+":"+f.name, f.value)
		}
	}
}

// isUserExtension says which extension is the user extension; see
// SourceConfig.UserExtension.
func (s *DirectorySource) isUserExtension(urn string, ext *object) bool {
	if s.extension != "" {
		return sameName(urn, s.extension)
	}
	const before, after = "urn:ietf:params:scim:schemas:extension:", ":2.0:user"
	lower := fold(urn)
	return sameName(urn, DefaultUserExtension) ||
		strings.HasPrefix(lower, before) && strings.HasSuffix(lower, after) && hasOurNames(ext)
}

// hasOurNames reports whether an extension has attributes of the user
// extension. A country alone may be anything's, such as that of an account.
func hasOurNames(ext *object) bool {
	return slices.ContainsFunc(ext.fields, func(f field) bool {
		return sameName(f.name, secondaryEmails) ||
			!sameName(f.name, "country") && extensionField(&sources.User{}, f.name) != nil
	})
}

// fillFrom fills what is empty from an extension that is not the user
// extension.
func fillFrom(u *sources.User, ext *object) {
	if !hasOurNames(ext) {
		return
	}
	managed := u.Manager != sources.Manager{}
	for _, f := range ext.fields {
		text := textOf(f.value)
		field := extensionField(u, f.name)
		ofManager := field == &u.Manager.Email || field == &u.Manager.Name
		switch {
		case sameName(f.name, secondaryEmails):
			addEmails(u, f.value)
		case field != nil && blank(*field) && !blank(text) && (!ofManager || !managed):
			*field = text
		}
	}
}

// addEmails adds addresses that are not there yet.
func addEmails(u *sources.User, v any) {
	visitValues(v, "", func(e any) bool {
		text := textOf(e)
		if !blank(text) && text != u.Email && !slices.Contains(u.OtherEmails, text) {
			u.OtherEmails = append(u.OtherEmails, text)
		}
		return false
	})
}

// textOf is a value as text: a number is its digits, a boolean its word, a
// complex value its "value", and JSON in a text the value that it describes.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		if inner, ok := unwrapped(v); ok {
			return textOf(inner.get("value"))
		}
		return v
	case number:
		return string(v)
	case bool:
		if v {
			return "true"
		}
		return "false"
	case *object:
		return textOf(v.get("value"))
	}
	return ""
}

// setAttribute keeps a value that assignments may select by: plain ones, and
// of complex ones their value.
func setAttribute(u *sources.User, name string, v any) {
	var values sources.Values
	visitValues(v, "", func(e any) bool {
		if text := textOf(e); !blank(text) {
			values = append(values, text)
		}
		return false
	})
	if len(values) == 0 {
		return
	}
	if u.Attributes == nil {
		u.Attributes = map[string]sources.Values{}
	}
	u.Attributes[name] = values
}
