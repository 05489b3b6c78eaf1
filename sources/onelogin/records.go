package onelogin

import (
	"time"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// user is a user of the API.
type user struct {
	ID              rest.Text                 `json:"id"`
	UserName        rest.Text                 `json:"username"`
	Email           rest.Text                 `json:"email"`
	FirstName       rest.Text                 `json:"firstname"`
	LastName        rest.Text                 `json:"lastname"`
	Title           rest.Text                 `json:"title"`
	Phone           rest.Text                 `json:"phone"`
	Status          rest.Text                 `json:"status"`
	State           rest.Text                 `json:"state"`
	PreferredLocale rest.Text                 `json:"preferred_locale_code"`
	Locale          rest.Text                 `json:"locale_code"`
	Manager         rest.Text                 `json:"manager_user_id"`
	Department      rest.Text                 `json:"department"`
	Company         rest.Text                 `json:"company"`
	Group           rest.Text                 `json:"group_id"`
	ExternalID      rest.Text                 `json:"external_id"`
	Directory       rest.Text                 `json:"directory_id"`
	SAMAccountName  rest.Text                 `json:"samaccountname"`
	PrincipalName   rest.Text                 `json:"userprincipalname"`
	Distinguished   rest.Text                 `json:"distinguished_name"`
	MemberOf        sources.Values            `json:"member_of"`
	ManagerAD       rest.Text                 `json:"manager_ad_id"`
	Custom          map[string]sources.Values `json:"custom_attributes"`
	Created         rest.Text                 `json:"created_at"`
	Roles           rest.Texts                `json:"role_ids"`
}

// role is a role of the API.
type role struct {
	ID    rest.Text  `json:"id"`
	Name  rest.Text  `json:"name"`
	Users rest.Texts `json:"users"`
}

// records converts users and groups of the API.
type records struct {
	fields     rest.Mapped // custom attributes by field of a user
	noManagers bool
}

// defaultFields are the custom attributes that are read if Config.Fields does not
// name others: the fields that OneLogin does not have.
var defaultFields = map[string]string{
	"other_emails": "other_emails", "private_email": "private_email",
	"mobile_phone": "mobile_phone", "phone_extension": "phone_extension",
	"timezone": "timezone", "country": "country", "state": "state",
	"manager.email": "manager_email", "manager.name": "manager_name",
	sources.AttributeDivision:       sources.AttributeDivision,
	sources.AttributeCostCenter:     sources.AttributeCostCenter,
	sources.AttributeEmployeeNumber: sources.AttributeEmployeeNumber,
}

func newRecords(cfg Config) records {
	return records{rest.MappedFields(defaultFields, cfg.Fields), cfg.NoManagers}
}

func (r records) user(rec user) (rest.Row[sources.User], error) {
	id := rec.ID.Value
	switch {
	case id == "":
		return rest.Row[sources.User]{}, rest.Malformed("a user without id")
	case !rec.Manager.Given && !r.noManagers:
		return rest.Row[sources.User]{}, rest.Malformed("the list of users leaves out manager_user_id (user %.40s); Config.NoManagers reads it without managers", id)
	}
	u := sources.User{
		ID:         id,
		UserName:   rec.UserName.Value,
		Status:     status(rec.Status.Value, rec.State.Value),
		Email:      rec.Email.Value,
		GivenName:  rec.FirstName.Value,
		FamilyName: rec.LastName.Value,
		Title:      rec.Title.Value,
		Phone:      rec.Phone.Value,
		Locale:     rec.PreferredLocale.Value,
	}
	if u.Locale == "" {
		u.Locale = rec.Locale.Value
	}
	for _, attribute := range [...]struct {
		name  string
		value rest.Text
	}{
		{sources.AttributeDepartment, rec.Department}, {sources.AttributeOrganization, rec.Company},
		{"company", rec.Company}, {"group_id", rec.Group}, {"external_id", rec.ExternalID}, {"directory_id", rec.Directory},
		{"samaccountname", rec.SAMAccountName}, {"userprincipalname", rec.PrincipalName},
		{"distinguished_name", rec.Distinguished}, {"manager_ad_id", rec.ManagerAD},
		{"status", rec.Status}, {"state", rec.State},
	} {
		rest.SetAttribute(&u, attribute.name, attribute.value.Value)
	}
	rest.SetAttribute(&u, "member_of", rec.MemberOf...)
	for name, values := range rec.Custom {
		rest.SetAttribute(&u, "custom_attributes."+name, values...)
	}
	if !r.noManagers {
		u.Manager.ID = rec.Manager.Value
	}
	r.fields.Set(&u, rec.Custom)
	if r.noManagers {
		u.Manager = sources.Manager{}
	}
	return rest.Row[sources.User]{Value: u, ID: id, Created: moment(rec.Created)}, nil
}

// status combines OneLogin's two: the status of the account, and the state of its
// approval.
func status(status, state string) sources.Status {
	var s sources.Status
	switch status {
	case "1", "3", "4", "5", "8":
		s = sources.StatusActive
	case "2":
		s = sources.StatusInactive
	case "0", "7":
		s = sources.StatusStaged
	}
	switch state {
	case "2", "3":
		s = sources.StatusInactive
	case "0":
		if s == sources.StatusActive {
			s = sources.StatusStaged
		}
	}
	return s
}

// A roleGroup is a role as a group. membersGiven says whether the list had its
// members; null is no list of members.
type roleGroup struct {
	sources.Group
	membersGiven bool
}

func (r records) group(rec role) (rest.Row[roleGroup], error) {
	if rec.ID.Value == "" {
		return rest.Row[roleGroup]{}, rest.Malformed("a role without id")
	}
	g := roleGroup{sources.Group{ID: rec.ID.Value, Name: rec.Name.Value, Members: rec.Users.Values}, rec.Users.Values != nil}
	return rest.Row[roleGroup]{Value: g, ID: g.ID}, nil
}

// A membership is a user with the roles of the user.
type membership struct {
	user  string
	roles []string
}

func (r records) membership(rec user) (rest.Row[membership], error) {
	m := membership{user: rec.ID.Value, roles: rec.Roles.Values}
	switch {
	case m.user == "":
		return rest.Row[membership]{}, rest.Malformed("a user without id")
	case !rec.Roles.Given:
		return rest.Row[membership]{}, rest.Malformed("the list of users leaves out role_ids (user %.40s), and the list of roles users: who has a role is not known", m.user)
	}
	return rest.Row[membership]{Value: m, ID: m.user, Created: moment(rec.Created)}, nil
}

func moment(t rest.Text) time.Time {
	at, _ := time.Parse(time.RFC3339, t.Value) // a text that is no time counts as unknown
	return at
}
