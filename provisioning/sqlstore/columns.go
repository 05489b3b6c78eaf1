package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/usher-go/usher/provisioning"
)

// A column is what the table of members has of a field. Its type follows from
// that of the field: TEXT for a string, BOOLEAN for a bool, and for anything
// else a JSON document, which is NULL if empty.
type column struct {
	name string
	// few says that a team has few different values: Members keeps one copy of
	// each.
	few bool
	// field returns a pointer to the field.
	field func(m *provisioning.Member) any
}

// columns are the fields that a plan writes. This package names a field here
// and nowhere else (S34). Not among them are id, which never changes, revision,
// which the store gives, and protected, which is the host's.
var columns = []column{
	{"connection", true, func(m *provisioning.Member) any { return &m.Connection }},
	{"external_id", false, func(m *provisioning.Member) any { return &m.ExternalID }},
	{"managed", false, func(m *provisioning.Member) any { return &m.Managed }},
	{"active", false, func(m *provisioning.Member) any { return &m.Active }},
	{"email", false, func(m *provisioning.Member) any { return &m.Email }},
	{"other_emails", false, func(m *provisioning.Member) any { return &m.OtherEmails }},
	{"private_email", false, func(m *provisioning.Member) any { return &m.PrivateEmail }},
	{"given_name", false, func(m *provisioning.Member) any { return &m.GivenName }},
	{"family_name", false, func(m *provisioning.Member) any { return &m.FamilyName }},
	{"title", true, func(m *provisioning.Member) any { return &m.Title }},
	{"phone", false, func(m *provisioning.Member) any { return &m.Phone }},
	{"mobile_phone", false, func(m *provisioning.Member) any { return &m.MobilePhone }},
	{"phone_extension", false, func(m *provisioning.Member) any { return &m.PhoneExtension }},
	{"timezone", true, func(m *provisioning.Member) any { return &m.TimeZone }},
	{"country", true, func(m *provisioning.Member) any { return &m.Country }},
	{"state", true, func(m *provisioning.Member) any { return &m.State }},
	{"locale", true, func(m *provisioning.Member) any { return &m.Locale }},
	{"manager_id", true, func(m *provisioning.Member) any { return &m.ManagerID }},
	{"assignment_id", true, func(m *provisioning.Member) any { return &m.AssignmentID }},
	{"seats", false, func(m *provisioning.Member) any { return &m.Seats }},
	{"home", true, func(m *provisioning.Member) any { return &m.Home }},
	{"profiles", false, func(m *provisioning.Member) any { return &m.Profiles }},
	{"capture", false, func(m *provisioning.Member) any { return &m.Capture }},
	{"extra", false, func(m *provisioning.Member) any { return &m.Extra }},
	{"owners", false, func(m *provisioning.Member) any { return &m.Owners }},
}

// columnNames are the names of columns, in their order.
var columnNames = func() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}()

// insertMember begins the insertion of members, whose values follow in the
// order of memberValues.
var insertMember = `INSERT INTO @members (` + strings.Join(columnNames, ", ") + `, email_key, revision, tenant, id) `

// orUpdateMember ends it: a member that exists gets the new values.
var orUpdateMember = func() string {
	var b strings.Builder
	b.WriteString(` ON CONFLICT (tenant, id) DO UPDATE SET email_key = excluded.email_key, revision = excluded.revision`)
	for _, name := range columnNames {
		b.WriteString(", " + name + " = excluded." + name)
	}
	return b.String()
}()

// fieldValues returns what the columns hold of m.
func fieldValues(m *provisioning.Member) ([]any, error) {
	values := make([]any, len(columns))
	for i, c := range columns {
		switch field := c.field(m).(type) {
		case *string:
			values[i] = *field
		case *bool:
			values[i] = *field
		default:
			text, err := json.Marshal(field)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			switch document := string(text); document {
			case "null", "[]", "{}":
			default:
				values[i] = document
			}
		}
	}
	return values, nil
}

// emailKey returns the form of an address by which addresses are unique; nil
// for no address, which is not unique.
func emailKey(address string) any {
	if address == "" {
		return nil
	}
	return foldASCII(address)
}

// foldASCII brings an address into the form by which addresses are unique: only
// ASCII letters have a lower case (S7).
func foldASCII(address string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, address)
}
