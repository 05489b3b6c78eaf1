package rippling

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// worker is a worker of the API, with the expanded fields and the IDs of what they
// expand.
type worker struct {
	ID             rest.Text         `json:"id"`
	UserID         rest.Text         `json:"user_id"`
	DepartmentID   rest.Text         `json:"department_id"`
	LegalEntityID  rest.Text         `json:"legal_entity_id"`
	EmploymentID   rest.Text         `json:"employment_type_id"`
	LevelID        rest.Text         `json:"level_id"`
	TeamsID        sources.Values    `json:"teams_id"`
	User           *user             `json:"user"`
	ManagerID      rest.Text         `json:"manager_id"`
	Country        rest.Text         `json:"country"`
	StartDate      rest.Text         `json:"start_date"`
	EndDate        rest.Text         `json:"end_date"`
	Number         rest.Text         `json:"number"`
	WorkEmail      rest.Text         `json:"work_email"`
	PersonalEmail  rest.Text         `json:"personal_email"`
	Status         rest.Text         `json:"status"`
	Title          rest.Text         `json:"title"`
	Location       location          `json:"location"`
	Department     named             `json:"department"`
	LegalEntity    named             `json:"legal_entity"`
	EmploymentType named             `json:"employment_type"`
	Level          named             `json:"level"`
	Teams          []named           `json:"teams"`
	CustomFields   []json.RawMessage `json:"custom_fields"`
	Meta           meta              `json:"__meta"`
}

type location struct {
	WorkLocation rest.Text `json:"work_location_id"`
}

// user is the account of a worker.
type user struct {
	Active   *bool     `json:"active"`
	UserName rest.Text `json:"username"`
	Name     struct {
		GivenName       rest.Text `json:"given_name"`
		FamilyName      rest.Text `json:"family_name"`
		PreferredGiven  rest.Text `json:"preferred_given_name"`
		PreferredFamily rest.Text `json:"preferred_family_name"`
	} `json:"name"`
	Emails    []contact `json:"emails"`
	Phones    []contact `json:"phone_numbers"`
	Addresses []address `json:"addresses"`
	TimeZone  rest.Text `json:"timezone"`
	Locale    rest.Text `json:"locale"`
	Language  rest.Text `json:"preferred_language"`
}

// contact is an address or a number and what it is for.
type contact struct {
	Value rest.Text `json:"value"`
	Type  rest.Text `json:"type"`
}

type address struct {
	Type   rest.Text `json:"type"`
	Region rest.Text `json:"region"`
}

// named is an object of which the name is read. If it is not expanded, the API
// gives only its ID.
type named struct {
	name  string
	given bool // as an object
}

func (n *named) UnmarshalJSON(data []byte) error {
	if n.given = data[0] == '{'; !n.given {
		return nil
	}
	var object struct {
		Name      rest.Text `json:"name"`
		LegalName rest.Text `json:"legal_name"`
		Label     rest.Text `json:"label"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	for _, text := range []rest.Text{object.Label, object.Name, object.LegalName} {
		if n.name == "" {
			n.name = text.Value
		}
	}
	return nil
}

// expandable are the fields of a worker that are expanded; hideable those that
// Config.Hidden may name; harmless those that may be redacted, since an empty value
// clears nothing.
var (
	expandable = []string{"user", "department", "legal_entity", "employment_type", "level", "teams", "custom_fields"}
	hideable   = []string{"department", "legal_entity", "employment_type", "level", "teams", "number", "custom_fields"}
	harmless   = []string{"user", "work_email", "personal_email", "status", "title", "country", "start_date", "end_date", "location"}
)

func checkHidden(hidden []string) (problems []error) {
	for i, name := range hidden {
		if !slices.Contains(hideable, name) {
			problems = append(problems, rest.Wrong(fmt.Sprintf("Hidden[%d]", i), "want one of %s, not %.80q", strings.Join(hideable, ", "), name))
		}
	}
	return problems
}

// records converts the workers of the API.
type records struct {
	fields     rest.Mapped
	hidden     []string
	noManagers bool
	log        *slog.Logger
}

// defaultFields are the custom fields that are read if Config.Fields does not name
// others: the fields that Rippling does not have.
var defaultFields = map[string]string{
	"phone_extension": "custom_fields.phone_extension",
	"manager.email":   "custom_fields.manager_email", "manager.name": "custom_fields.manager_name",
	sources.AttributeDivision: "custom_fields.division", sources.AttributeCostCenter: "custom_fields.cost_center",
}

func newRecords(cfg Config) *records {
	return &records{rest.MappedFields(defaultFields, cfg.Fields), slices.Clone(cfg.Hidden), cfg.NoManagers, cfg.Logger}
}

func (r *records) reads(field string) bool { return !slices.Contains(r.hidden, field) }

// workersQuery returns the query for workers; more is added to it.
func (r *records) workersQuery(more string) string {
	expand := slices.DeleteFunc(slices.Clone(expandable), func(field string) bool { return !r.reads(field) })
	return more + "expand=" + strings.Join(expand, ",")
}

// reader returns functions for one listing: convert converts a worker, and judge
// checks the redacted fields of a page or of a single worker. A redacted field that
// does no harm is logged once.
func (r *records) reader() (convert func(worker) (rest.Row[sources.User], error), judge func(meta) error) {
	logged := map[string]bool{}
	judge = func(m meta) error {
		var missing []string
		for _, field := range m.Redacted {
			name, _, _ := strings.Cut(field.Name, ".")
			name = strings.TrimSuffix(name, "_id")
			switch {
			case name == "manager" && !r.noManagers, slices.Contains(hideable, name) && r.reads(name):
				missing = append(missing, fmt.Sprintf("%.80s", field.Name))
			case slices.Contains(harmless, name) && !logged[name]:
				logged[name] = true
				r.log.Warn("the token may not see a field of workers", "field", field.Name)
			}
		}
		if len(missing) > 0 {
			return &rest.Error{
				Reason: sources.ErrForbidden,
				Detail: "the token may not see " + strings.Join(missing, ", ") + " of workers, and an empty one would be taken for a statement; give it the permission, or use Config.Hidden or Config.NoManagers",
			}
		}
		return nil
	}
	return func(rec worker) (rest.Row[sources.User], error) {
		if err := judge(rec.Meta); err != nil {
			return rest.Row[sources.User]{}, err
		}
		row, err := r.user(rec)
		if field := r.unexpanded(rec, logged["user"]); field != "" && err == nil && row.Value.Status != sources.StatusInactive {
			row.Value.Status = sources.StatusUnknown
			if warned := "without " + field; !logged[warned] {
				logged[warned] = true
				r.log.Warn("a worker has the ID of a field that was asked for, and not the field; nothing is decided about such workers", "field", field, "worker", row.ID)
			}
		}
		return row, err
	}, judge
}

// unexpanded returns a field of which a worker has the ID, and not the object that was
// asked for, or "". What the field holds is not known then, rather than empty: the
// link to the next page left out the query for it, or the object was deleted. So
// nothing is known of the person but a departure.
func (r *records) unexpanded(rec worker, userRedacted bool) string {
	for _, field := range [...]struct {
		name     string
		id       bool
		expanded bool
	}{
		{"user", rec.UserID.Value != "", rec.User != nil || userRedacted},
		{"department", rec.DepartmentID.Value != "", rec.Department.given},
		{"legal_entity", rec.LegalEntityID.Value != "", rec.LegalEntity.given},
		{"employment_type", rec.EmploymentID.Value != "", rec.EmploymentType.given},
		{"level", rec.LevelID.Value != "", rec.Level.given},
		{"teams", len(rec.TeamsID) > 0, len(rec.Teams) > 0 && !slices.ContainsFunc(rec.Teams, func(team named) bool { return !team.given })},
	} {
		if field.id && !field.expanded && r.reads(field.name) {
			return field.name
		}
	}
	return ""
}

func (r *records) user(rec worker) (rest.Row[sources.User], error) {
	if rec.ID.Value == "" {
		return rest.Row[sources.User]{}, rest.Malformed("a worker without id")
	}
	account := rec.User
	if account == nil {
		account = &user{}
	}
	u := sources.User{
		ID:           rec.ID.Value,
		UserName:     account.UserName.Value,
		Status:       status(rec.Status.Value, account.Active),
		Email:        rec.WorkEmail.Value,
		PrivateEmail: rec.PersonalEmail.Value,
		GivenName:    account.Name.GivenName.Value,
		FamilyName:   account.Name.FamilyName.Value,
		Title:        rec.Title.Value,
		Phone:        first(account.Phones, "WORK"),
		MobilePhone:  first(account.Phones, "MOBILE"),
		TimeZone:     account.TimeZone.Value,
		Locale:       account.Locale.Value,
		Country:      rec.Country.Value,
		Manager:      sources.Manager{ID: rec.ManagerID.Value},
	}
	if u.Email == "" {
		u.Email = first(account.Emails, "WORK")
	}
	if u.PrivateEmail == "" {
		u.PrivateEmail = first(account.Emails, "HOME")
	}
	for _, email := range account.Emails {
		if strings.EqualFold(email.Type.Value, "WORK") && email.Value.Value != "" && !strings.EqualFold(email.Value.Value, u.Email) {
			u.OtherEmails = append(u.OtherEmails, email.Value.Value)
		}
	}
	for _, address := range account.Addresses {
		if u.State == "" && strings.EqualFold(address.Type.Value, "WORK") {
			u.State = address.Region.Value
		}
	}
	r.attributes(&u, rec, account)
	r.fields.Set(&u, u.Attributes)
	if r.noManagers {
		u.Manager = sources.Manager{}
	}
	return rest.Row[sources.User]{Value: u, ID: u.ID}, nil
}

func (r *records) attributes(u *sources.User, rec worker, account *user) {
	for _, attribute := range [...]struct{ field, name, value string }{
		{"department", sources.AttributeDepartment, rec.Department.name},
		{"legal_entity", sources.AttributeOrganization, rec.LegalEntity.name}, {"legal_entity", "legal_entity", rec.LegalEntity.name},
		{"number", sources.AttributeEmployeeNumber, rec.Number.Value}, {"number", "number", rec.Number.Value},
		{"employment_type", "employment_type", rec.EmploymentType.name}, {"level", "level", rec.Level.name},
		{"user_id", "user_id", rec.UserID.Value}, {"status", "status", rec.Status.Value},
		{"start_date", "start_date", rec.StartDate.Value}, {"end_date", "end_date", rec.EndDate.Value},
		{"location", "work_location_id", rec.Location.WorkLocation.Value},
		{"user", "preferred_given_name", account.Name.PreferredGiven.Value},
		{"user", "preferred_family_name", account.Name.PreferredFamily.Value},
		{"user", "preferred_language", account.Language.Value},
	} {
		if r.reads(attribute.field) {
			rest.SetAttribute(u, attribute.name, attribute.value)
		}
	}
	if r.reads("teams") {
		teams := make([]string, len(rec.Teams))
		for i, team := range rec.Teams {
			teams[i] = team.name
		}
		rest.SetAttribute(u, "teams", teams...)
	}
	if r.reads("custom_fields") {
		for _, raw := range rec.CustomFields {
			setCustomField(u, raw)
		}
	}
}

// setCustomField reads one entry of custom_fields: {"name": ..., "value": ...}, or
// a map of names to values. A value that is neither a scalar nor a list of scalars
// is left out.
func setCustomField(u *sources.User, raw json.RawMessage) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return
	}
	set := func(name string, value json.RawMessage) {
		var values sources.Values
		if json.Unmarshal(value, &values) == nil {
			rest.SetAttribute(u, "custom_fields."+name, values...)
		}
	}
	var name string
	if value, ok := members["value"]; ok && json.Unmarshal(members["name"], &name) == nil {
		set(name, value)
		return
	}
	for name, value := range members {
		set(name, value)
	}
}

// status combines the status of the engagement and that of the account.
func status(engagement string, active *bool) sources.Status {
	switch strings.ToUpper(engagement) {
	case "ACTIVE":
		if active != nil && !*active {
			return sources.StatusInactive
		}
		return sources.StatusActive
	case "TERMINATED":
		return sources.StatusInactive
	case "INIT", "HIRED", "ACCEPTED":
		return sources.StatusStaged
	case "":
		if active == nil {
			return sources.StatusUnknown
		}
		if *active {
			return sources.StatusActive
		}
		return sources.StatusInactive
	}
	return sources.StatusUnknown
}

// first returns the first value of a type.
func first(contacts []contact, kind string) string {
	for _, c := range contacts {
		if strings.EqualFold(c.Type.Value, kind) && c.Value.Value != "" {
			return c.Value.Value
		}
	}
	return ""
}

// supergroup is a group as the API lists one.
type supergroup struct {
	ID          rest.Text `json:"id"`
	DisplayName rest.Text `json:"display_name"`
	Name        rest.Text `json:"name"`
}

func group(rec supergroup) (rest.Row[sources.Group], error) {
	if rec.ID.Value == "" || strings.ContainsAny(rec.ID.Value, "./?#%") {
		return rest.Row[sources.Group]{}, rest.Malformed("a supergroup without an id that can stand in a path")
	}
	g := sources.Group{ID: rec.ID.Value, Name: rec.DisplayName.Value}
	if g.Name == "" {
		g.Name = rec.Name.Value
	}
	return rest.Row[sources.Group]{Value: g, ID: g.ID}, nil
}

func member(rec struct {
	ID rest.Text `json:"id"`
}) (rest.Row[string], error) {
	if rec.ID.Value == "" {
		return rest.Row[string]{}, rest.Malformed("a member of a supergroup without id")
	}
	return rest.Row[string]{Value: rec.ID.Value, ID: rec.ID.Value}, nil
}
