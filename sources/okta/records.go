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

// defaultFields are the profile attributes from which the fields of a user are read
// if Config.Fields does not name another. The first attribute with a value counts.
// Okta has base attributes for most fields of rule R62. The others are custom
// attributes, with the names that Okta's app for this purpose uses.
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

// shared are the attributes of rule S35. They are also given under Okta's own
// names.
var shared = []string{
	sources.AttributeDepartment, sources.AttributeDivision, sources.AttributeCostCenter,
	sources.AttributeEmployeeNumber, sources.AttributeOrganization,
}

// records converts users and groups of the API.
type records struct {
	fields    map[string][]string // by field of a user
	placed    map[string]bool     // attributes that fill a field of a user
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

// A profile holds the attributes that have a value, of a user or of a user of an
// app.
type profile map[string]sources.Values

// baseProfile are the attributes that the SDK has fields for.
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

// profileOfMap returns the attributes of a profile that has custom attributes only:
// texts, numbers, booleans and lists of those, which is all that Okta's schemas
// allow.
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

// A person is a user from one of Okta's lists.
type person struct {
	id, status *string
	profile    *okta.UserProfile
	app        profile // the profile in the app, or nil
}

// user converts a person. If Config.ManagerID names managers by a key, managers
// maps that key to the ID of the user.
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

// first returns the values of the first attribute that has a value. The profile in
// the app takes precedence over the user's own.
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

// manager resolves the text of manager.id. A key that no user or several users have
// stays as it is, and names a manager who cannot be found.
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

// fold converts a key that names a manager to the form in which keys are compared.
func (r records) fold(key string) string {
	key = strings.TrimSpace(key)
	if r.managerID == ManagerByLogin {
		key = strings.ToLower(key)
	}
	return key
}

// keyed reports whether managers are named by a key that has to be looked up.
func (r records) keyed() bool {
	return r.managerID == ManagerByLogin || r.managerID == ManagerByEmployeeNumber
}

// keyAttributes are the attributes that hold the key of a manager.
func (r records) keyAttributes() []string {
	if r.managerID == ManagerByEmployeeNumber {
		return r.fields[sources.AttributeEmployeeNumber]
	}
	return r.fields["user_name"]
}

// key returns the key by which the user is named as a manager.
func (r records) key(u *okta.User) string {
	if u.Profile == nil {
		return ""
	}
	if values := first(r.keyAttributes(), profileOf(u.Profile)); len(values) > 0 {
		return r.fold(values[0])
	}
	return ""
}

// status converts a status of Okta (S10, R51). A user who is locked out, or has to
// choose a password, is still with the company. A user who was never activated has
// not joined yet.
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

// embedded returns the user of an entry in an app's list.
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

// A memberID is the part of a group's member that is read.
type memberID struct {
	ID string `json:"id"`
}

func member(rec memberID) (rest.Row[string], error) {
	if rec.ID == "" {
		return rest.Row[string]{}, rest.Malformed("a member without id")
	}
	return rest.Row[string]{Value: rec.ID, ID: rec.ID}, nil
}
