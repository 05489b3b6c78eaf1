package scim

import (
	"log/slog"
	"strings"

	"github.com/usher-go/usher/sources"
)

// sourceUser reads a stored user as a directory's word for a person. Which
// attribute is which follows what the providers' templates fill (rules R48,
// R49, R57, R62, R63). A record that cannot be read gives a user with its ID
// and StatusUnknown: a finding that changes nothing of the member. One damaged
// record then neither ends the reading of a directory nor looks like a leaver.
func sourceUser(rec Record) sources.User {
	doc, err := readDoc(rec, nil)
	if err != nil {
		slog.Error("scim: a user is read as unknown", "error", err)
		return sources.User{ID: rec.ID}
	}
	name, _ := doc.get("name").(*object)
	u := sources.User{
		ID:         rec.ID,
		UserName:   doc.text("userName"),
		GivenName:  name.textOrEmpty("givenName"),
		FamilyName: name.textOrEmpty("familyName"),
		Title:      doc.text("title"),
		TimeZone:   doc.text("timezone"),
		Locale:     doc.text("locale"),
	}
	if active, ok := doc.get("active").(bool); ok {
		u.Status = sources.StatusInactive
		if active {
			u.Status = sources.StatusActive
		}
	}
	readEmails(&u, doc)
	readPhones(&u, doc)
	if address := best(elements(doc, "addresses"), "work"); address != nil {
		u.Country, u.State = address.text("country"), address.text("region")
	}
	for _, f := range doc.fields {
		if ext, ok := f.value.(*object); ok && isURN(f.name) {
			readExtension(&u, f.name, ext)
		}
	}
	for _, name := range [...]string{"externalId", "displayName", "nickName", "userType", "preferredLanguage", "roles", "entitlements"} {
		setAttribute(&u, name, doc.get(name))
	}
	return u
}

// textOrEmpty is text for an object that may be absent.
func (o *object) textOrEmpty(name string) string {
	if o == nil {
		return ""
	}
	return o.text(name)
}

func elements(doc *object, name string) []*object {
	var out []*object
	list, _ := doc.get(name).([]any)
	for _, e := range list {
		if o, ok := e.(*object); ok {
			out = append(out, o)
		}
	}
	return out
}

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
	list := elements(doc, "emails")
	main := best(list, "work")
	if main != nil {
		u.Email = main.text("value")
	}
	for _, o := range list {
		value := o.text("value")
		switch {
		case o == main || value == "":
		case strings.EqualFold(o.text("type"), "home"):
			if u.PrivateEmail == "" {
				u.PrivateEmail = value
			}
		default:
			u.OtherEmails = append(u.OtherEmails, value)
		}
	}
}

func readPhones(u *sources.User, doc *object) {
	var rest []*object
	for _, o := range elements(doc, "phoneNumbers") {
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

// readExtension reads the enterprise extension, the user extension under
// whatever URN it is configured, and other extensions as attributes.
func readExtension(u *sources.User, urn string, ext *object) {
	prefix := urn + ":"
	if sameName(urn, enterpriseURN) {
		prefix = ""
	}
	for _, f := range ext.fields {
		text, _ := f.value.(string)
		var field *string
		switch fold(f.name) {
		case "manager":
			manager, _ := f.value.(*object)
			u.Manager.ID = manager.textOrEmpty("value")
			continue
		case "country":
			field = &u.Country
		case "stateorprovince":
			field = &u.State
		case "manageremail":
			field = &u.Manager.Email
		case "managerfullname":
			field = &u.Manager.Name
		case "privateemail":
			field = &u.PrivateEmail
		case "primaryphoneext":
			field = &u.PhoneExtension
		case "secondaryemails":
			list, ok := f.value.([]any)
			if !ok {
				list = []any{f.value}
			}
			for _, e := range list {
				if email, ok := e.(string); ok && email != "" {
					u.OtherEmails = append(u.OtherEmails, email)
				}
			}
			continue
		}
		if field != nil && text != "" {
			*field = text
			continue
		}
		setAttribute(u, prefix+f.name, f.value)
	}
}

// setAttribute keeps a value that assignments may select by: plain ones, and
// of complex ones their value.
func setAttribute(u *sources.User, name string, v any) {
	var values sources.Values
	visitValues(v, "", func(e any) bool {
		switch e := e.(type) {
		case string:
			values = append(values, e)
		case number:
			values = append(values, string(e))
		case bool:
			values = append(values, map[bool]string{true: "true", false: "false"}[e])
		case *object:
			if value := e.text("value"); value != "" {
				values = append(values, value)
			}
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
