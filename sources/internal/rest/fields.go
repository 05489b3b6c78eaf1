package rest

import (
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/sources"
)

// texts are the fields of a user that hold one text, by their names in the JSON of
// a snapshot.
var texts = map[string]func(*sources.User) *string{
	"user_name":       func(u *sources.User) *string { return &u.UserName },
	"email":           func(u *sources.User) *string { return &u.Email },
	"private_email":   func(u *sources.User) *string { return &u.PrivateEmail },
	"given_name":      func(u *sources.User) *string { return &u.GivenName },
	"family_name":     func(u *sources.User) *string { return &u.FamilyName },
	"title":           func(u *sources.User) *string { return &u.Title },
	"phone":           func(u *sources.User) *string { return &u.Phone },
	"mobile_phone":    func(u *sources.User) *string { return &u.MobilePhone },
	"phone_extension": func(u *sources.User) *string { return &u.PhoneExtension },
	"timezone":        func(u *sources.User) *string { return &u.TimeZone },
	"country":         func(u *sources.User) *string { return &u.Country },
	"state":           func(u *sources.User) *string { return &u.State },
	"locale":          func(u *sources.User) *string { return &u.Locale },
	"manager.id":      func(u *sources.User) *string { return &u.Manager.ID },
	"manager.email":   func(u *sources.User) *string { return &u.Manager.Email },
	"manager.name":    func(u *sources.User) *string { return &u.Manager.Name },
}

// common are the attributes that all sources share (rule S35).
var common = []string{
	sources.AttributeDepartment, sources.AttributeDivision, sources.AttributeCostCenter,
	sources.AttributeEmployeeNumber, sources.AttributeOrganization,
}

// SetField sets a field of a user by its name in the JSON of a snapshot, such as
// "timezone" or "manager.email", or one of the attributes that all sources share
// (rule S35), such as "cost_center". It reports false for any other name. If all
// values are empty, the field stays as it is (rule S11).
func SetField(u *sources.User, field string, values sources.Values) bool {
	text, known := texts[field]
	attribute := slices.Contains(common, field)
	if !known && !attribute && field != "other_emails" {
		return false
	}
	values = given(values)
	switch {
	case len(values) == 0:
	case known:
		*text(u) = values[0]
	case attribute:
		SetAttribute(u, field, values...)
	default: // one text may hold several addresses (R66)
		u.OtherEmails = strings.FieldsFunc(strings.Join(values, " "), func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
	}
	return true
}

// SetAttribute sets an attribute of a user to the values that are not empty. If all
// are empty, it sets nothing (rule S11).
func SetAttribute(u *sources.User, name string, values ...string) {
	if values = given(values); len(values) == 0 {
		return
	}
	if u.Attributes == nil {
		u.Attributes = make(map[string]sources.Values)
	}
	u.Attributes[name] = values
}

// given returns the texts that are not empty.
func given(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(text string) bool { return text == "" })
}

// Mapped says from which attributes the fields of a user are read: it maps the name
// of a field, as SetField knows it, to the name of an attribute.
type Mapped map[string]string

// MappedFields returns the configured fields, and those of a source's own table
// that are not configured.
func MappedFields(own, configured map[string]string) Mapped {
	mapped := make(Mapped, len(own)+len(configured))
	maps.Copy(mapped, own)
	maps.Copy(mapped, configured)
	return mapped
}

// Set sets the fields from the values of their attributes. A field whose attribute
// has no value stays as it is.
func (m Mapped) Set(u *sources.User, attributes map[string]sources.Values) {
	for field, attribute := range m {
		SetField(u, field, attributes[attribute])
	}
}
