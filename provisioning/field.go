package provisioning

import (
	"fmt"
	"iter"
	"maps"
	"math/bits"
	"reflect"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
)

// A Field is the name of a field of a Member that a plan or a hand can change, as
// in the member's JSON. The fields of Member.Attributes have the names that
// Attribute returns.
type Field string

// The fields.
const (
	FieldConnection     Field = "connection"
	FieldExternalID     Field = "external_id"
	FieldManaged        Field = "managed"
	FieldActive         Field = "active"
	FieldEmail          Field = "email"
	FieldOtherEmails    Field = "other_emails"
	FieldPrivateEmail   Field = "private_email"
	FieldGivenName      Field = "given_name"
	FieldFamilyName     Field = "family_name"
	FieldTitle          Field = "title"
	FieldPhone          Field = "phone"
	FieldMobilePhone    Field = "mobile_phone"
	FieldPhoneExtension Field = "phone_extension"
	FieldTimeZone       Field = "timezone"
	FieldCountry        Field = "country"
	FieldState          Field = "state"
	FieldLocale         Field = "locale"
	FieldManager        Field = "manager_id"
	FieldAssignment     Field = "assignment_id"
	FieldSeats          Field = "seats"
	FieldHome           Field = "home"
	FieldProfiles       Field = "profiles"
	FieldCapture        Field = "capture"
	FieldExtra          Field = "extra"
)

const attributePrefix = "attributes."

// Attribute returns the field of the attribute with the given name (S35).
func Attribute(name string) Field { return Field(attributePrefix + name) }

// attribute returns the name of the attribute if f is one.
func (f Field) attribute() (name string, ok bool) {
	return strings.CutPrefix(string(f), attributePrefix)
}

// String returns the field's name in a member's JSON.
func (f Field) String() string { return string(f) }

// line returns the name in a form that may be printed: the host chooses the names
// of attributes.
func (f Field) line() string { return text.Line(string(f)) }

// UnmarshalText implements encoding.TextUnmarshaler. A text that is no field of a
// member is an error.
func (f *Field) UnmarshalText(data []byte) error {
	*f = Field(data)
	if _, ok := f.attribute(); ok {
		return nil
	}
	if _, known := fieldPositions[*f]; !known {
		return fmt.Errorf("field %q: want the name of a member's field", data)
	}
	return nil
}

// A fieldAt is the position of a field in fieldTable. Attributes have no position:
// the config names them, and all are treated alike.
type fieldAt uint8

const (
	atConnection fieldAt = iota
	atExternalID
	atManaged
	atActive
	atEmail
	atOtherEmails
	atPrivateEmail
	atGivenName
	atFamilyName
	atTitle
	atPhone
	atMobilePhone
	atPhoneExtension
	atTimeZone
	atCountry
	atState
	atLocale
	atManager
	atAssignment
	atSeats
	atHome
	atProfiles
	atCapture
	atExtra
	fieldCount
)

// A fieldSpec describes one field: how it is read, compared, written, locked, and
// derived from a user (S34). It is used by the decision, the shortcut for unchanged
// people, the locks, hand edits, the changes of an action, and the stores when they
// check those.
type fieldSpec struct {
	name  Field
	value fieldValue
	// same compares two texts of the field; nil: exactly.
	same func(a, b string) bool
	// wish returns the text that a user asks for in the field of member m, in the
	// member's form, or "" for none, and whether there is something to report about
	// it. Nil for a field that no value of a user fills by itself.
	wish func(r *reader, u *sources.User, m *Member) (value string, report bool)
	// list is wish for a field that holds a set.
	list func(r *reader, u *sources.User, m *Member) []string
	// report reports what wish found.
	report func(r *reader, d *draft, tell func(Reason))
	// required: an eligible person must have a value (S9).
	required bool
	// setting: the value follows the assignment in automatic mode (R116).
	setting bool
	// lock says when the field may not be edited by hand.
	lock lockRule
}

// A lockRule says when a field may not be edited by hand.
type lockRule uint8

const (
	lockOnce     lockRule = iota // while the source gives a value; otherwise it may be set once (R70, R71)
	lockAlways                   // if the member has a source (R72)
	lockSettings                 // while the governing assignment is automatic (R118)
	lockManager                  // while the chart follows the source (R83, R88, R93)
	lockNever                    // never: people can always be removed by hand (R35)
)

var fieldTable = [fieldCount]fieldSpec{
	atConnection: {name: FieldConnection, lock: lockAlways, value: textValue(func(m *Member) *string { return &m.Connection })},
	atExternalID: {name: FieldExternalID, lock: lockAlways, value: textValue(func(m *Member) *string { return &m.ExternalID })},
	atManaged:    {name: FieldManaged, lock: lockAlways, value: boolValue(func(m *Member) *bool { return &m.Managed })},
	atActive:     {name: FieldActive, lock: lockNever, value: boolValue(func(m *Member) *bool { return &m.Active })},
	// The addresses are decided separately, among all people who want them.
	atEmail:        {name: FieldEmail, lock: lockAlways, required: true, value: textValue(func(m *Member) *string { return &m.Email })},
	atOtherEmails:  {name: FieldOtherEmails, lock: lockAlways, list: wishOtherEmails, value: setValue(func(m *Member) *[]string { return &m.OtherEmails })},
	atPrivateEmail: {name: FieldPrivateEmail, lock: lockAlways, wish: wishPrivateEmail, value: textValue(func(m *Member) *string { return &m.PrivateEmail })},
	atGivenName: {name: FieldGivenName, lock: lockAlways, required: true, same: name.SameSpelling,
		wish: wishText(func(u *sources.User, m *Member) (string, string) { return u.GivenName, m.GivenName }), value: textValue(func(m *Member) *string { return &m.GivenName })},
	atFamilyName: {name: FieldFamilyName, lock: lockAlways, required: true, same: name.SameSpelling,
		wish: wishText(func(u *sources.User, m *Member) (string, string) { return u.FamilyName, m.FamilyName }), value: textValue(func(m *Member) *string { return &m.FamilyName })},
	atTitle:          {name: FieldTitle, lock: lockAlways, wish: wishText(func(u *sources.User, m *Member) (string, string) { return u.Title, m.Title }), value: textValue(func(m *Member) *string { return &m.Title })},
	atPhone:          {name: FieldPhone, wish: wishPhone, report: reportPhone, value: textValue(func(m *Member) *string { return &m.Phone })},
	atMobilePhone:    {name: FieldMobilePhone, wish: wishMobilePhone, report: reportMobilePhone, value: textValue(func(m *Member) *string { return &m.MobilePhone })},
	atPhoneExtension: {name: FieldPhoneExtension, wish: wishPhoneExtension, value: textValue(func(m *Member) *string { return &m.PhoneExtension })},
	atTimeZone:       {name: FieldTimeZone, wish: wishTimeZone, report: reportTimeZone, value: textValue(func(m *Member) *string { return &m.TimeZone })},
	atCountry:        {name: FieldCountry, wish: wishText(func(u *sources.User, m *Member) (string, string) { return u.Country, m.Country }), value: textValue(func(m *Member) *string { return &m.Country })},
	atState:          {name: FieldState, wish: wishText(func(u *sources.User, m *Member) (string, string) { return u.State, m.State }), value: textValue(func(m *Member) *string { return &m.State })},
	atLocale:         {name: FieldLocale, wish: wishLocale, report: reportLocale, value: textValue(func(m *Member) *string { return &m.Locale })},
	atManager:        {name: FieldManager, lock: lockManager, value: textValue(func(m *Member) *string { return &m.ManagerID })},
	atAssignment:     {name: FieldAssignment, lock: lockAlways, value: textValue(func(m *Member) *string { return &m.AssignmentID })},
	atSeats:          {name: FieldSeats, lock: lockSettings, setting: true, value: setValue(func(m *Member) *[]string { return &m.Seats })},
	atHome:           {name: FieldHome, lock: lockSettings, setting: true, value: textValue(func(m *Member) *string { return &m.Home })},
	atProfiles:       {name: FieldProfiles, lock: lockSettings, setting: true, value: mapValue(func(m *Member) *map[string]string { return &m.Profiles })},
	atCapture:        {name: FieldCapture, lock: lockSettings, setting: true, value: setValue(func(m *Member) *[]string { return &m.Capture })},
	atExtra:          {name: FieldExtra, lock: lockSettings, setting: true, value: extraValue(func(m *Member) *map[string]any { return &m.Extra })},
}

// fieldPositions maps the name of a field to its position in the table.
var fieldPositions = func() map[Field]fieldAt {
	positions := make(map[Field]fieldAt, fieldCount)
	for at := range fieldCount {
		positions[fieldTable[at].name] = at
	}
	return positions
}()

// Sets of fields that the rules treat alike.
var (
	// sourceFields follow the directory if it gives a value (R37, C4).
	sourceFields = fieldsWhere(func(f *fieldSpec) bool { return f.wish != nil || f.list != nil }) | fields(atEmail)
	// settingFields follow the assignment in automatic mode (R116).
	settingFields = fieldsWhere(func(f *fieldSpec) bool { return f.setting })
)

// spec returns the description of a field, or nil if there is no such field.
// Attributes differ only in their names.
func (f Field) spec() *fieldSpec {
	if at, ok := fieldPositions[f]; ok {
		return &fieldTable[at]
	}
	if attribute, ok := f.attribute(); ok {
		return &fieldSpec{name: f, value: attributeValue(attribute)}
	}
	return nil
}

// allFields yields the descriptions of all fields that a or b has a value of: those
// of the table, then the attributes, ordered by name.
func allFields(a, b *Member) iter.Seq[*fieldSpec] {
	return func(yield func(*fieldSpec) bool) {
		for at := range fieldCount {
			if !yield(&fieldTable[at]) {
				return
			}
		}
		if len(a.Attributes)+len(b.Attributes) == 0 && a.Owners.attributes == b.Owners.attributes {
			return
		}
		names := slices.Collect(maps.Keys(a.Attributes))
		names = slices.AppendSeq(names, maps.Keys(b.Attributes))
		names = slices.AppendSeq(names, a.Owners.attributeNames())
		names = slices.AppendSeq(names, b.Owners.attributeNames())
		for _, name := range set.Of(names) {
			if !yield(Attribute(name).spec()) {
				return
			}
		}
	}
}

// sameText compares two texts of the field.
func (f *fieldSpec) sameText(a, b string) bool {
	return a == b || f.same != nil && f.same(a, b)
}

// A fieldValue reads, compares and writes the value of one field of a member.
type fieldValue struct {
	// text returns the place of a field that holds text; nil for other fields.
	text func(m *Member) *string
	// get returns the value in the form of a Change, nil if there is none.
	get func(m *Member) any
	// equal compares the field of two members exactly. Empty and absent are equal.
	equal func(a, b *Member) bool
	// set writes a value that get returned or that was decoded from JSON. It
	// reports false for a value of another type.
	set func(m *Member, value any) bool
}

func textValue(at func(*Member) *string) fieldValue {
	return fieldValue{
		text: at,
		get: func(m *Member) any {
			if value := *at(m); value != "" {
				return value
			}
			return nil
		},
		equal: func(a, b *Member) bool { return *at(a) == *at(b) },
		set: func(m *Member, value any) (ok bool) {
			*at(m), ok = value.(string)
			return ok || value == nil
		},
	}
}

func boolValue(at func(*Member) *bool) fieldValue {
	return fieldValue{
		get:   func(m *Member) any { return *at(m) },
		equal: func(a, b *Member) bool { return *at(a) == *at(b) },
		set: func(m *Member, value any) (ok bool) {
			*at(m), ok = value.(bool)
			return ok
		},
	}
}

func setValue(at func(*Member) *[]string) fieldValue {
	return fieldValue{
		get: func(m *Member) any {
			if len(*at(m)) == 0 {
				return nil
			}
			return set.Of(*at(m))
		},
		equal: func(a, b *Member) bool { return slices.Equal(set.Of(*at(a)), set.Of(*at(b))) },
		set: func(m *Member, value any) (ok bool) {
			var names []string
			switch v := value.(type) {
			case []string:
				names, ok = slices.Clone(v), true
			case []any:
				names, ok = make([]string, len(v)), true
				for i := range v {
					text, isText := v[i].(string)
					names[i], ok = text, ok && isText
				}
			}
			*at(m) = set.Of(names)
			return ok || value == nil
		},
	}
}

func mapValue(at func(*Member) *map[string]string) fieldValue {
	return fieldValue{
		get: func(m *Member) any {
			if len(*at(m)) == 0 {
				return nil
			}
			return *at(m)
		},
		equal: func(a, b *Member) bool { return maps.Equal(*at(a), *at(b)) },
		set: func(m *Member, value any) (ok bool) {
			var values map[string]string
			switch v := value.(type) {
			case map[string]string:
				values, ok = maps.Clone(v), true
			case map[string]any:
				values, ok = make(map[string]string, len(v)), true
				for name := range v {
					text, isText := v[name].(string)
					values[name], ok = text, ok && isText
				}
			}
			*at(m) = values
			return ok || value == nil
		},
	}
}

func extraValue(at func(*Member) *map[string]any) fieldValue {
	return fieldValue{
		get: func(m *Member) any {
			if len(*at(m)) == 0 {
				return nil
			}
			return *at(m)
		},
		equal: func(a, b *Member) bool {
			return len(*at(a)) == 0 && len(*at(b)) == 0 || reflect.DeepEqual(*at(a), *at(b))
		},
		set: func(m *Member, value any) bool {
			values, ok := value.(map[string]any)
			*at(m) = maps.Clone(values)
			return ok || value == nil
		},
	}
}

func attributeValue(name string) fieldValue {
	return fieldValue{
		get: func(m *Member) any {
			if value := m.Attributes[name]; value != "" {
				return value
			}
			return nil
		},
		equal: func(a, b *Member) bool { return a.Attributes[name] == b.Attributes[name] },
		set: func(m *Member, value any) bool {
			text, ok := value.(string)
			m.setAttribute(name, text)
			return ok || value == nil
		},
	}
}

// setAttribute sets one attribute in a copy of the map, which other members may
// share.
func (m *Member) setAttribute(name, value string) {
	m.Attributes = maps.Clone(m.Attributes)
	if value == "" {
		delete(m.Attributes, name)
		return
	}
	if m.Attributes == nil {
		m.Attributes = make(map[string]string)
	}
	m.Attributes[name] = value
}

// A fieldSet is a set of fields of the table. The zero fieldSet is empty.
type fieldSet uint32

func fields(some ...fieldAt) fieldSet {
	var s fieldSet
	for _, at := range some {
		s |= 1 << at
	}
	return s
}

func fieldsWhere(is func(*fieldSpec) bool) fieldSet {
	var s fieldSet
	for at := range fieldCount {
		if is(&fieldTable[at]) {
			s |= 1 << at
		}
	}
	return s
}

func (s fieldSet) has(at fieldAt) bool { return s&(1<<at) != 0 }

// all yields the fields of s in the order of the table.
func (s fieldSet) all() iter.Seq[fieldAt] {
	return func(yield func(fieldAt) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(fieldAt(bits.TrailingZeros32(uint32(s)))) {
				return
			}
		}
	}
}

// Texts returns the value before and after, each on one line: names are joined by
// +, maps are written as name:value, "none" stands for no value.
func (c *Change) Texts() (before, after string) { return showValue(c.Old), showValue(c.New) }

// showValue returns a value of a Change as Texts shows it. The value comes from a
// resolver or was decoded from JSON.
func showValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		return text.Line(v)
	case []string, []any:
		return text.Line(strings.Join(setOf(v), "+"))
	case map[string]string:
		return showMap(v)
	case map[string]any:
		return showMap(v)
	}
	return text.Line(fmt.Sprint(v))
}

func showMap[V any](values map[string]V) string {
	parts := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, fmt.Sprintf("%s:%v", name, values[name]))
	}
	return text.Line("[" + strings.Join(parts, " ") + "]")
}
