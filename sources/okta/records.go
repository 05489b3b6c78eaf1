package okta

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/okta/okta-sdk-golang/v5/okta"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// defaultFields are the profile attributes that each field of a user is read
// from where Config.Fields names no other; the first that holds something counts.
// Okta has base attributes for most fields of rule R62. The others are custom
// attributes, under the names that Okta's app for this purpose gives them.
var defaultFields = map[string][]string{
	"user_name": {"login"}, "email": {"email"}, "other_emails": {"secondEmail"}, "private_email": {"privateEmail"},
	"given_name": {"firstName"}, "family_name": {"lastName"}, "title": {"title"},
	"phone": {"primaryPhone"}, "mobile_phone": {"mobilePhone"}, "phone_extension": {"primaryPhoneExt"},
	"timezone": {"timezone"}, "country": {"countryCode", "country"}, "state": {"state", "stateOrProvince"},
	"locale":        {"locale", "preferredLanguage"},
	"manager.email": {"managerEmail"}, "manager.id": {"managerId"}, "manager.name": {"managerFullName", "manager"},
	sources.AttributeDepartment: {"department"}, sources.AttributeDivision: {"division"},
	sources.AttributeCostCenter: {"costCenter"}, sources.AttributeEmployeeNumber: {"employeeNumber"},
	sources.AttributeOrganization: {"organization"},
}

// shared are the fields of rule S35, whose attributes are given under Okta's own
// names as well.
var shared = []string{
	sources.AttributeDepartment, sources.AttributeDivision, sources.AttributeCostCenter,
	sources.AttributeEmployeeNumber, sources.AttributeOrganization,
}

// records makes users and groups of what the API lists.
type records struct {
	fields    map[string][]string // field of a user: attributes
	placed    map[string]bool     // the attributes that have a field of their own
	managerID ManagerKey
}

func newRecords(cfg Config) records {
	r := records{fields: maps.Clone(defaultFields), placed: make(map[string]bool), managerID: cfg.ManagerID}
	named := slices.Collect(maps.Values(cfg.Fields))
	for field, attributes := range r.fields {
		r.fields[field] = slices.DeleteFunc(slices.Clone(attributes), func(a string) bool { return slices.Contains(named, a) })
	}
	for field, attribute := range cfg.Fields {
		r.fields[field] = []string{attribute}
	}
	for field, attributes := range r.fields {
		for _, attribute := range attributes {
			r.placed[attribute] = r.placed[attribute] || !slices.Contains(shared, field)
		}
	}
	return r
}

// A profile holds the attributes of a user, or those of a user of an app, that
// have a value.
type profile map[string]sources.Values

// baseProfile are the attributes that the SDK knows by name.
var baseProfile = map[string]func(*okta.UserProfile) *string{
	"city":              func(p *okta.UserProfile) *string { return p.City.Get() },
	"costCenter":        func(p *okta.UserProfile) *string { return p.CostCenter.Get() },
	"countryCode":       func(p *okta.UserProfile) *string { return p.CountryCode.Get() },
	"department":        func(p *okta.UserProfile) *string { return p.Department },
	"displayName":       func(p *okta.UserProfile) *string { return p.DisplayName.Get() },
	"division":          func(p *okta.UserProfile) *string { return p.Division.Get() },
	"email":             func(p *okta.UserProfile) *string { return p.Email },
	"employeeNumber":    func(p *okta.UserProfile) *string { return p.EmployeeNumber },
	"firstName":         func(p *okta.UserProfile) *string { return p.FirstName.Get() },
	"honorificPrefix":   func(p *okta.UserProfile) *string { return p.HonorificPrefix.Get() },
	"honorificSuffix":   func(p *okta.UserProfile) *string { return p.HonorificSuffix.Get() },
	"lastName":          func(p *okta.UserProfile) *string { return p.LastName.Get() },
	"locale":            func(p *okta.UserProfile) *string { return p.Locale },
	"login":             func(p *okta.UserProfile) *string { return p.Login },
	"manager":           func(p *okta.UserProfile) *string { return p.Manager.Get() },
	"managerId":         func(p *okta.UserProfile) *string { return p.ManagerId.Get() },
	"middleName":        func(p *okta.UserProfile) *string { return p.MiddleName.Get() },
	"mobilePhone":       func(p *okta.UserProfile) *string { return p.MobilePhone.Get() },
	"nickName":          func(p *okta.UserProfile) *string { return p.NickName.Get() },
	"organization":      func(p *okta.UserProfile) *string { return p.Organization.Get() },
	"postalAddress":     func(p *okta.UserProfile) *string { return p.PostalAddress.Get() },
	"preferredLanguage": func(p *okta.UserProfile) *string { return p.PreferredLanguage.Get() },
	"primaryPhone":      func(p *okta.UserProfile) *string { return p.PrimaryPhone.Get() },
	"profileUrl":        func(p *okta.UserProfile) *string { return p.ProfileUrl.Get() },
	"secondEmail":       func(p *okta.UserProfile) *string { return p.SecondEmail.Get() },
	"state":             func(p *okta.UserProfile) *string { return p.State.Get() },
	"streetAddress":     func(p *okta.UserProfile) *string { return p.StreetAddress.Get() },
	"timezone":          func(p *okta.UserProfile) *string { return p.Timezone.Get() },
	"title":             func(p *okta.UserProfile) *string { return p.Title.Get() },
	"userType":          func(p *okta.UserProfile) *string { return p.UserType.Get() },
	"zipCode":           func(p *okta.UserProfile) *string { return p.ZipCode.Get() },
}

// profileOf returns the attributes of a user's profile, base and custom.
func profileOf(p *okta.UserProfile) profile {
	all := profileOfMap(p.AdditionalProperties)
	for name, get := range baseProfile {
		if value := get(p); value != nil && *value != "" {
			all[name] = sources.Values{*value}
		}
	}
	return all
}

// profileOfMap returns the attributes of a profile that has custom ones only: texts,
// numbers, booleans and lists of those, which is all that Okta's schemas have.
func profileOfMap(attributes map[string]any) profile {
	all := make(profile)
	for name, value := range attributes {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		var values sources.Values
		for _, element := range list {
			switch v := element.(type) {
			case string:
				if v != "" {
					values = append(values, v)
				}
			case float64:
				values = append(values, strconv.FormatFloat(v, 'f', -1, 64))
			case bool:
				values = append(values, strconv.FormatBool(v))
			}
		}
		if len(values) > 0 {
			all[name] = values
		}
	}
	return all
}

// A person is a user as one of Okta's lists has one.
type person struct {
	id, status *string
	profile    *okta.UserProfile
	app        profile // the profile in the app; nil without one
}

// user makes a user of a person. managers says who has which key, where
// Config.ManagerID names managers by one.
func (r records) user(p person, managers map[string]string) (rest.Row[sources.User], error) {
	switch {
	case p.id == nil || *p.id == "":
		return rest.Row[sources.User]{}, rest.Malformed("a user without id")
	case p.profile == nil || p.status == nil:
		return rest.Row[sources.User]{}, rest.Malformed("user %.40s without profile or status", *p.id)
	}
	u := sources.User{ID: *p.id, Status: status(*p.status)}
	base := profileOf(p.profile)
	for name, values := range base {
		if !r.placed[name] {
			rest.SetAttribute(&u, name, values...)
		}
	}
	for name, values := range p.app {
		rest.SetAttribute(&u, "app."+name, values...)
	}
	rest.SetAttribute(&u, "status", *p.status)
	for field, attributes := range r.fields {
		rest.SetField(&u, field, first(attributes, p.app, base))
	}
	r.manager(&u, managers)
	return rest.Row[sources.User]{Value: u, ID: u.ID}, nil
}

// first returns the values of the first attribute that has some, in the profile
// that the user has in the app before the user's own.
func first(attributes []string, profiles ...profile) sources.Values {
	for _, p := range profiles {
		for _, attribute := range attributes {
			if values := p[attribute]; len(values) > 0 {
				return values
			}
		}
	}
	return nil
}

// manager puts the text of manager.id where it belongs. A key that nobody has, or
// several have, stays: it names a manager who is not to be found.
func (r records) manager(u *sources.User, managers map[string]string) {
	text := u.Manager.ID
	if text == "" {
		return
	}
	switch r.managerID {
	case ManagerByID:
	case ManagerByEmail:
		u.Manager.ID = ""
		rest.SetField(u, "manager.email", sources.Values{text})
	case ManagerByName:
		u.Manager.ID = ""
		rest.SetField(u, "manager.name", sources.Values{text})
	case ManagerByLogin, ManagerByEmployeeNumber:
		if id := managers[r.fold(text)]; id != "" {
			u.Manager.ID = id
		}
	}
}

// fold gives a key that names a manager the form in which keys compare.
func (r records) fold(key string) string {
	key = strings.TrimSpace(key)
	if r.managerID == ManagerByLogin {
		key = strings.ToLower(key)
	}
	return key
}

// keyed reports whether managers are named by what has to be looked up.
func (r records) keyed() bool {
	return r.managerID == ManagerByLogin || r.managerID == ManagerByEmployeeNumber
}

// keyAttributes are those that hold the key which names managers.
func (r records) keyAttributes() []string {
	if r.managerID == ManagerByEmployeeNumber {
		return r.fields[sources.AttributeEmployeeNumber]
	}
	return r.fields["user_name"]
}

// key is what names the user as a manager.
func (r records) key(u *okta.User) string {
	if u.Profile == nil {
		return ""
	}
	if values := first(r.keyAttributes(), profileOf(u.Profile)); len(values) > 0 {
		return r.fold(values[0])
	}
	return ""
}

// status makes a status of Okta's word (S10, R51). Somebody who is locked out, or
// has to choose a password, is still with the company; who was never activated has
// not come to it yet.
func status(word string) sources.Status {
	switch word {
	case "ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT":
		return sources.StatusActive
	case "SUSPENDED", "DEPROVISIONED":
		return sources.StatusInactive
	case "STAGED", "PROVISIONED":
		return sources.StatusStaged
	}
	return sources.StatusUnknown
}

// embedded returns the user whom an entry of an app's list is about.
func embedded(entry *okta.AppUser) (person, error) {
	var user okta.User
	text, err := json.Marshal(entry.Embedded["user"])
	if err == nil {
		err = json.Unmarshal(text, &user)
	}
	switch {
	case err != nil:
		return person{}, rest.Malformed("the user of an app: %s", excerpt(err.Error()))
	case entry.Embedded["user"] == nil:
		return person{}, rest.Malformed("the list of the app's users leaves out the users themselves")
	case entry.Id == nil || user.Id == nil || *entry.Id != *user.Id:
		return person{}, rest.Malformed("the list of the app's users gives another user than it names")
	}
	return person{user.Id, user.Status, user.Profile, profileOfMap(entry.Profile)}, nil
}

func (r records) group(rec okta.Group) (rest.Row[sources.Group], error) {
	if rec.Id == nil || *rec.Id == "" {
		return rest.Row[sources.Group]{}, rest.Malformed("a group without id")
	}
	g := sources.Group{ID: *rec.Id}
	if rec.Profile != nil && rec.Profile.Name != nil {
		g.Name = *rec.Profile.Name
	}
	return rest.Row[sources.Group]{Value: g, ID: g.ID}, nil
}

// A memberID is what is read of a member of a group.
type memberID struct {
	ID string `json:"id"`
}

func member(rec memberID) (rest.Row[string], error) {
	if rec.ID == "" {
		return rest.Row[string]{}, rest.Malformed("a member without id")
	}
	return rest.Row[string]{Value: rec.ID, ID: rec.ID}, nil
}
