package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"
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
// which the store gives, and protected and subject, which are the host's.
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
	{"attributes", false, func(m *provisioning.Member) any { return &m.Attributes }},
	{"owners", false, func(m *provisioning.Member) any { return &m.Owners }},
}

// columnNames are the names of columns, in their order.
var columnNames = func() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return slices.Clip(names)
}()

// A keyColumn holds what members are found by, beside the columns that hold it
// anyway: the key of a kind that a member has, or NULL.
type keyColumn struct {
	name string
	by   provisioning.MemberKeyKind
}

var keyColumns = []keyColumn{
	emailColumn: {"email_key", provisioning.MemberByEmail},
	{"name_key", provisioning.MemberByName},
	{"recorded_by", provisioning.MemberByRecordedBy},
}

// emailColumn is where keyColumns has the key that is unique.
const emailColumn = 0

// keyNames are the names of keyColumns, in their order.
var keyNames = func() []string {
	names := make([]string, len(keyColumns))
	for i, c := range keyColumns {
		names[i] = c.name
	}
	return names
}()

// keyValues returns what the keyColumns hold of m.
func keyValues(m *provisioning.Member) []any {
	values := make([]any, len(keyColumns))
	for _, key := range m.Keys() {
		for i, c := range keyColumns {
			if key.By == c.by {
				values[i] = key.Value
			}
		}
	}
	return values
}

// insertMember begins the insertion of members. What follows are the values of
// fieldValues and keyValues, the revision, the tenant and the ID.
var insertMember = `INSERT INTO @members (` + strings.Join(append(columnNames, keyNames...), ", ") + `, revision, tenant, id) `

// orUpdateMember ends it: a member that exists gets the new values.
var orUpdateMember = func() string {
	var b strings.Builder
	b.WriteString(` ON CONFLICT (tenant, id) DO UPDATE SET revision = excluded.revision`)
	for _, name := range append(columnNames, keyNames...) {
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
