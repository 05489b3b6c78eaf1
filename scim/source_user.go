package scim

import (
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/sources"
)

// user converts a stored user to the user of a source. The mapping of
// attributes follows the templates of the providers (rules R48, R49, R57, R62,
// R63). A blank value counts as absent (S11). A record that cannot be read
// gives a user with its ID and StatusUnknown, which causes a finding and does
// not change the member. Therefore one damaged record neither ends the reading
// of a directory nor looks like a leaver.
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

// preferredLanguage returns the language of that attribute with the greatest
// weight; the attribute has the form of an Accept-Language header (RFC 7643
// section 4.1.1). It replaces a missing locale, as in the sources for Okta and
// Entra (S33): Entra maps no locale.
func preferredLanguage(doc *object) (best string) {
	greatest := 0.0
	for language := range strings.SplitSeq(doc.text("preferredLanguage"), ",") {
		language, parameters, _ := strings.Cut(language, ";")
		language = strings.TrimSpace(language)
		weight := 1.0
		if q := parameter(parameters, "q"); q != "" {
			weight, _ = strconv.ParseFloat(q, 64) // 0 if it is malformed
		}
		if language != "" && language != "*" && weight > greatest { // * means any language
			best, greatest = language, weight
		}
	}
	return best
}

// elements returns the elements of a list that have a non-blank value under one
// of the names.
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

// best returns the element of the type, the primary one of several; without
// such an element, the primary one, or else the first.
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

// readEmails sets the work address as the address, the home address as the
// private address, and the addresses of other types as further work addresses.
func readEmails(u *sources.User, doc *object) {
	list := elements(doc, "emails", "value")
	main := best(list, "work")
	if main == nil {
		return
	}
	u.Email = main.text("value")
	var private []*object
	for _, o := range list {
		switch {
		case o == main:
		case strings.EqualFold(o.text("type"), "home"):
			private = append(private, o)
		default:
			addEmails(u, o.get("value"))
		}
	}
	if home := best(private, "home"); home != nil {
		u.PrivateEmail = home.text("value")
	}
}

func readPhones(u *sources.User, doc *object) {
	var mobile, rest []*object
	for _, o := range elements(doc, "phoneNumbers", "value") {
		switch strings.ToLower(o.text("type")) {
		case "mobile":
			mobile = append(mobile, o)
		case "fax", "pager":
		default:
			rest = append(rest, o)
		}
	}
	if phone := best(mobile, "mobile"); phone != nil {
		u.MobilePhone = phone.text("value")
	}
	if phone := best(rest, "work"); phone != nil {
		u.Phone = phone.text("value")
	}
}

// readExtensions reads the enterprise extension, the user extension, and other
// extensions as attributes. The user extension takes precedence over the core
// attributes. Another extension replaces no value: if it has names of our
// extension, it sets only empty fields.
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
		if isEarlyEnterprise(f.name) {
			fillFromEnterprise(u, ext)
		}
		fillFrom(u, ext)
		for _, g := range ext.fields {
			setAttribute(u, f.name+":"+g.name, g.value)
		}
	}
}

// sharedName returns the name of an attribute that every source sets in
// addition to its own name (S35), or "".
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
			if u.Manager.Email != "" { // the user extension has set it, and takes precedence
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

// isEarlyEnterprise reports whether a URN is that of the enterprise extension in
// SCIM 1.1 or in a draft of RFC 7643, such as
// urn:scim:schemas:extension:enterprise:2.0: clients that name the core schema
// so (see looselyCore) send it.
func isEarlyEnterprise(urn string) bool {
	version, ok := strings.CutPrefix(fold(urn), "urn:scim:schemas:extension:enterprise:")
	version, _ = strings.CutSuffix(version, ":user")
	return ok && (version == "1.0" || version == "2.0")
}

// fillFromEnterprise sets what is empty from the enterprise extension of
// isEarlyEnterprise.
func fillFromEnterprise(u *sources.User, ext *object) {
	for _, f := range ext.fields {
		if sameName(f.name, "manager") {
			if (u.Manager == sources.Manager{}) {
				u.Manager = readManager(f.value)
			}
			continue
		}
		for _, name := range []string{f.name, sharedName(f.name)} {
			if name != "" && u.Attributes[name] == nil {
				setAttribute(u, name, f.value)
			}
		}
	}
}

// readManager reads the enterprise manager. value is an id in the same
// directory, or an address if the provider's mapping sends one. Templates of
// OneLogin send it as managerId, its name in SCIM 1.1. A $ref without value ends
// in the id. Okta sends only displayName.
func readManager(v any) (m sources.Manager) {
	o, ok := v.(*object)
	if !ok {
		o = &object{fields: []field{{"value", v}}}
	}
	key := textOf(o.get("value"))
	if blank(key) {
		key = textOf(o.get("managerId"))
	}
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

// refID returns the id in the URL of a resource.
func refID(ref string) string {
	ref, _, _ = strings.Cut(ref, "?")
	ref = strings.TrimRight(ref, "/")
	id, _ := url.PathUnescape(ref[strings.LastIndexByte(ref, '/')+1:]) // a malformed URL gives no id
	return id
}

// isAddress reports whether s is an email address rather than an id or a login
// name.
func isAddress(s string) bool {
	_, _, ok := address.Parse(s)
	return ok
}

// extensionField returns the field of u for an attribute of the user extension,
// or nil. secondaryEmails has no field, since it is a list.
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

// isUserExtension reports whether an extension is the user extension; see
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
// extension. A country alone does not count, because it may belong to something
// else, such as an account.
func hasOurNames(ext *object) bool {
	return slices.ContainsFunc(ext.fields, func(f field) bool {
		return sameName(f.name, secondaryEmails) ||
			!sameName(f.name, "country") && extensionField(&sources.User{}, f.name) != nil
	})
}

// fillFrom sets empty fields from an extension that is not the user extension.
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

// addEmails adds addresses that the user does not have yet.
func addEmails(u *sources.User, v any) {
	visitValues(v, "", func(e any) bool {
		text := textOf(e)
		if !blank(text) && text != u.Email && !slices.Contains(u.OtherEmails, text) {
			u.OtherEmails = append(u.OtherEmails, text)
		}
		return false
	})
}

// textOf returns a value as text: for a number its digits, for a boolean its
// word, for a complex value its "value", and for JSON in a text the value that
// the JSON describes.
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

// setAttribute stores values that assignments may select by: plain values, and
// the "value" of complex ones.
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
