package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-go/usher/provisioning"
)

// A column is a column of the members table that holds a field. Its type follows
// from the type of the field: TEXT for a string, BOOLEAN for a bool, and for any
// other type a JSON document, which is NULL if empty.
type column struct {
	name string
	// few says that a team has few different values, so that Members keeps one copy
	// of each.
	few bool
	// field returns a pointer to the field.
	field func(m *provisioning.Member) any
}

// columns are the fields that a plan writes. In this package, only this list names
// the fields (S34). It does not contain id, which never changes, revision, which
// the store gives, and protected and subject, which only the host writes.
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

// A keyColumn is a column that holds the key of one kind of a member, or NULL, so
// that members are found by it. The other kinds of keys are in columns of fields.
type keyColumn struct {
	name string
	by   provisioning.MemberKeyKind
}

var keyColumns = []keyColumn{
	emailColumn: {"email_key", provisioning.MemberByEmail},
	{"name_key", provisioning.MemberByName},
	{"recorded_by", provisioning.MemberByRecordedBy},
}

// emailColumn is the index in keyColumns of the unique key.
const emailColumn = 0

// keyNames are the names of keyColumns, in their order.
var keyNames = func() []string {
	names := make([]string, len(keyColumns))
	for i, c := range keyColumns {
		names[i] = c.name
	}
	return names
}()

// keyValues returns the values of keyColumns for m.
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

// insertMember is the beginning of the statement that inserts members. The values
// follow: those of fieldValues and keyValues, the revision, the tenant and the ID.
var insertMember = `INSERT INTO @members (` + strings.Join(append(columnNames, keyNames...), ", ") + `, revision, tenant, id) `

// orUpdateMember is the end of that statement: a member that exists gets the new
// values.
var orUpdateMember = func() string {
	var b strings.Builder
	b.WriteString(` ON CONFLICT (tenant, id) DO UPDATE SET revision = excluded.revision`)
	for _, name := range append(columnNames, keyNames...) {
		b.WriteString(", " + name + " = excluded." + name)
	}
	return b.String()
}()

// updateMember is the statement for SQLite that changes a member if all columns in
// indexes keep their values. It has the values of insertMember. An upsert assigns
// these columns, too, and then SQLite writes each index again, although nothing in
// it changes: about five more pages for each member. The plus signs prevent
// SQLite from looking for the member in another index than that of the primary key.
var updateMember = func() string {
	indexed := append(slices.Clone(keyNames), "connection", "external_id", "managed", "manager_id")
	names := append(slices.Clone(columnNames), append(keyNames, "revision")...)
	var set, same []string
	for i, name := range names {
		if slices.Contains(indexed, name) {
			same = append(same, fmt.Sprintf(" AND +%s IS ?%d", name, i+1))
		} else {
			set = append(set, fmt.Sprintf("%s = ?%d", name, i+1))
		}
	}
	return fmt.Sprintf("UPDATE @members SET %s WHERE tenant = ?%d AND id = ?%d%s",
		strings.Join(set, ", "), len(names)+1, len(names)+2, strings.Join(same, ""))
}()

// fieldValues returns the values of columns for m.
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
