package rest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/sources"
)

// SetField sets one field of a user by its name in the JSON of a snapshot, such
// as "timezone" or "manager.email", or one of the attributes that every source
// gives (rule S35), such as "cost_center". It reports false for a name that is
// none of these. Values without a text leave the field as it is (rule S11).
func SetField(u *sources.User, field string, values sources.Values) bool {
	values = slices.DeleteFunc(slices.Clone(values), func(text string) bool { return text == "" })
	set := func(target *string) bool {
		if len(values) > 0 {
			*target = values[0]
		}
		return true
	}
	switch field {
	case "user_name":
		return set(&u.UserName)
	case "email":
		return set(&u.Email)
	case "other_emails": // several may stand in one text (R66)
		if len(values) > 0 {
			u.OtherEmails = strings.FieldsFunc(strings.Join(values, " "), func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
		}
		return true
	case "private_email":
		return set(&u.PrivateEmail)
	case "given_name":
		return set(&u.GivenName)
	case "family_name":
		return set(&u.FamilyName)
	case "title":
		return set(&u.Title)
	case "phone":
		return set(&u.Phone)
	case "mobile_phone":
		return set(&u.MobilePhone)
	case "phone_extension":
		return set(&u.PhoneExtension)
	case "timezone":
		return set(&u.TimeZone)
	case "country":
		return set(&u.Country)
	case "state":
		return set(&u.State)
	case "locale":
		return set(&u.Locale)
	case "manager.email":
		return set(&u.Manager.Email)
	case "manager.id":
		return set(&u.Manager.ID)
	case "manager.name":
		return set(&u.Manager.Name)
	case sources.AttributeDepartment, sources.AttributeDivision, sources.AttributeCostCenter,
		sources.AttributeEmployeeNumber, sources.AttributeOrganization:
		SetAttribute(u, field, values...)
		return true
	}
	return false
}

// SetAttribute gives a user an attribute. Empty texts are left out, and so is
// an attribute without any other (rule S11).
func SetAttribute(u *sources.User, name string, values ...string) {
	values = slices.DeleteFunc(slices.Clone(values), func(text string) bool { return text == "" })
	if len(values) == 0 {
		return
	}
	if u.Attributes == nil {
		u.Attributes = make(map[string]sources.Values)
	}
	u.Attributes[name] = values
}

// CheckFields reports what is wrong with the configured names of fields: the
// keys are names that SetField knows, the values attributes of the provider.
func CheckFields(option string, fields map[string]string) []error {
	var problems []error
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		switch {
		case !SetField(&sources.User{}, field, nil):
			problems = append(problems, fmt.Errorf("field %s[%.80q]: want the name of a user's field, such as timezone or manager.email", option, field))
		case strings.TrimSpace(fields[field]) == "":
			problems = append(problems, fmt.Errorf("field %s[%q]: want the name of an attribute", option, field))
		}
	}
	return problems
}
