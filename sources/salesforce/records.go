package salesforce

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
	"github.com/usher-go/usher/sources/salesforce/internal/soql"
)

// A record is one row of a query's answer, as JSON gives it with numbers kept
// as their text: nil, string, bool, json.Number, map[string]any, []any.
// Relationships are nested ("Manager": {"Email": ...}) and null where there is
// nobody on the other side.
type record map[string]any

var idForm = regexp.MustCompile(`^[A-Za-z0-9]{18}$`)

// id returns the record's ID in its long form, so that IDs compare.
func (r record) id() (string, error) {
	id := r.text("Id")
	if id == "" {
		return "", rest.Malformed("a record without Id")
	}
	return soql.LongID(id), nil
}

// lookup returns the value of a field such as "Profile.Name" and whether the
// record holds it. A field of a relationship that is null is null.
func (r record) lookup(field string) (value any, ok bool) {
	return r.find(field, func(fields map[string]any, name string) (any, bool) {
		value, ok := fields[name]
		return value, ok
	})
}

// lookupFold is lookup for a field that an admin typed: names compare without
// regard to case, as in SOQL.
func (r record) lookupFold(field string) (value any, ok bool) {
	return r.find(field, func(fields map[string]any, name string) (any, bool) {
		if value, ok := fields[name]; ok {
			return value, true
		}
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			if strings.EqualFold(key, name) {
				return fields[key], true
			}
		}
		return nil, false
	})
}

func (r record) find(field string, get func(map[string]any, string) (any, bool)) (value any, ok bool) {
	value = map[string]any(r)
	for name := range strings.SplitSeq(field, ".") {
		if value == nil {
			return nil, true
		}
		fields, isRecord := value.(map[string]any)
		if !isRecord {
			return nil, false
		}
		if value, ok = get(fields, name); !ok {
			return nil, false
		}
	}
	return value, true
}

// text returns the text of a field that has a text, and nothing for any other.
func (r record) text(field string) string {
	text, _ := r[field].(string)
	return text
}

// decoder makes users of records. It is the only place that knows how, for the
// live listing and the saved answer alike.
type decoder struct{ log *slog.Logger }

// user decodes one record. What is not given as it should be (an object where a
// text belongs, "yes" where a boolean does) is left out and named in the log
// with the user's ID; the rest of the record counts. An empty field is never an
// order to clear a value (rule S11) and an unknown status decides nothing, so
// that a broken field surfaces in a plan as a missing one: a person who lacks a
// required value is skipped or kept as is, with that reason.
func (d decoder) user(rec record) (sources.User, error) {
	if err := rec.wantType("User"); err != nil {
		return sources.User{}, err
	}
	id, err := rec.id()
	if err != nil {
		return sources.User{}, err
	}
	var broken []string
	text := func(field string) string {
		value, ok := rec.lookup(field)
		if !ok || value == nil {
			return ""
		}
		switch value := value.(type) {
		case string:
			return value
		case json.Number:
			return value.String()
		}
		broken = append(broken, field)
		return ""
	}
	first := func(fields ...string) string {
		for _, field := range fields {
			if value := text(field); value != "" {
				return value
			}
		}
		return ""
	}
	u := sources.User{
		ID:             id,
		UserName:       text("Username"),
		Email:          text("Email"), // also a sandbox's "x=acme.com@example.com.invalid"
		GivenName:      text("FirstName"),
		FamilyName:     text("LastName"),
		Title:          text("Title"),
		Phone:          text("Phone"),
		MobilePhone:    text("MobilePhone"),
		PhoneExtension: text("Extension"),
		TimeZone:       unlabel(text("TimeZoneSidKey"), zoneKey),
		Locale:         unlabel(text("LocaleSidKey"), localeKey),
		Country:        first("CountryCode", "Country"),
		State:          first("StateCode", "State"),
		Manager:        sources.Manager{ID: soql.LongID(text("ManagerId")), Email: text("Manager.Email")},
	}
	switch active := rec["IsActive"].(type) {
	case bool:
		u.Status = sources.StatusInactive
		if active {
			u.Status = sources.StatusActive
		}
	case nil:
	default:
		broken = append(broken, "IsActive")
	}
	u.Attributes = rec.attributes()
	if len(broken) > 0 {
		d.log.Warn("fields of a user could not be read", "id", u.ID, "fields", broken)
	}
	return u, nil
}

// wantType refuses a record that says it is of another object than the one that
// was asked for: the answer to another query.
func (r record) wantType(object string) error {
	about, _ := r["attributes"].(map[string]any)
	if name, ok := about["type"].(string); ok && name != object {
		return rest.Malformed("a record of %.40q, want %s", name, object)
	}
	return nil
}

// notAttributes are the fields that have a place of their own in a user.
var notAttributes = map[string]bool{
	"Id": true, "Username": true, "Email": true, "FirstName": true, "LastName": true, "Title": true,
	"Phone": true, "MobilePhone": true, "Extension": true, "IsActive": true,
	"TimeZoneSidKey": true, "LocaleSidKey": true,
	"Country": true, "CountryCode": true, "State": true, "StateCode": true,
	"ManagerId": true, "Manager.Email": true,
}

// attributes returns the other fields of a record under their own names, those
// of relationships with a dot ("Profile.Name"). Each is one text: numbers and
// booleans as in JSON, the choices of a multi-select picklist as "A;B". Empty
// ones are left out.
func (r record) attributes() map[string]sources.Values {
	var attributes map[string]sources.Values
	var collect func(prefix string, fields map[string]any, depth int)
	collect = func(prefix string, fields map[string]any, depth int) {
		for key, value := range fields {
			name := prefix + key
			if key == "attributes" || notAttributes[name] {
				continue
			}
			var text string
			switch value := value.(type) {
			case string:
				text = value
			case json.Number:
				text = value.String()
			case bool:
				text = fmt.Sprint(value)
			case map[string]any:
				if depth > 0 {
					collect(name+".", value, depth-1)
				}
			}
			if text == "" {
				continue
			}
			if attributes == nil {
				attributes = map[string]sources.Values{}
			}
			attributes[name] = sources.Values{text}
		}
	}
	const maxRelationships = 5 // SOQL's own bound
	collect("", r, maxRelationships)
	return attributes
}

var (
	zoneKey   = regexp.MustCompile(`^(?:[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+|GMT|UTC)$`)
	localeKey = regexp.MustCompile(`^[a-z]{2,3}(?:[_-][A-Za-z0-9]{2,8})*$`)
)

// unlabel returns the key of a picklist value that was given with its label, as
// toLabel() and reports give it: the last token in parentheses of
// "(GMT+14:00) Line Islands Time (Pacific/Kiritimati)". Any other text comes
// back as it is.
func unlabel(value string, key *regexp.Regexp) string {
	trimmed := strings.TrimSpace(value)
	open := strings.LastIndexByte(trimmed, '(')
	if open < 0 || !strings.HasSuffix(trimmed, ")") {
		return value
	}
	if token := trimmed[open+1 : len(trimmed)-1]; key.MatchString(token) {
		return token
	}
	return value
}
