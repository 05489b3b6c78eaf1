package entra

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// A record is an object of Graph, by property. A property can be absent (unknown,
// or never set), null (empty), or have a value.
type record map[string]json.RawMessage

// A link is a reference to an object, in manager, manager@delta and members@delta.
type link struct {
	Type    string          `json:"@odata.type"`
	ID      string          `json:"id"`
	Removed json.RawMessage `json:"@removed"`
}

func (l link) gone() bool { return isGiven(l.Removed) }

const (
	userLink  = "#microsoft.graph.user"
	groupLink = "#microsoft.graph.group"
)

func isGiven(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// removed reports whether the record says that the object was removed: it is in the
// deleted items ("changed"), or deleted for good ("deleted").
func (r record) removed() bool { return isGiven(r["@removed"]) }

func (r record) id() (string, error) {
	var id string
	if raw := r["id"]; isGiven(raw) && json.Unmarshal(raw, &id) == nil && id != "" {
		return id, nil
	}
	return "", rest.Malformed("an object without id")
}

// part identifies what a record of a delta tells: records of one object that tell
// different members of a large group, or different properties of a user, have
// different parts. Other values of the same properties are the same part.
func (r record) part() uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, name := range slices.Sorted(maps.Keys(r)) {
		_, _ = h.WriteString(name) // does not fail
		if name == "id" || name == "members@delta" || name == managerDelta || name == "@removed" {
			_, _ = h.Write(r[name])
		}
	}
	return h.Sum64()
}

var seed = maphash.MakeSeed()

// kind returns the type of an object in a list of several types, and "" in other
// lists.
func (r record) kind() string {
	var name string
	if raw := r["@odata.type"]; isGiven(raw) && json.Unmarshal(raw, &name) != nil {
		return string(raw) // an unknown type
	}
	return name
}

// text returns a property with one value, "" if it is null or absent.
func (r record) text(name string) (string, error) {
	values, err := r.texts(name)
	if err != nil || len(values) == 0 {
		return "", err
	}
	if len(values) > 1 {
		return "", rest.Malformed("property %s: want one value", name)
	}
	return values[0], nil
}

// texts returns a property with one or several values.
func (r record) texts(name string) ([]string, error) {
	raw := r[name]
	switch {
	case !isGiven(raw):
		return nil, nil
	case raw[0] == '"' && !bytes.ContainsRune(raw, '\\') && utf8.Valid(raw): // the common case: a plain text
		return []string{string(raw[1 : len(raw)-1])}, nil
	}
	var values sources.Values
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, rest.Malformed("property %s: %s", name, err)
	}
	return values, nil
}

// A reader reads many properties of one record and keeps the first error. A name
// with a dot leads into an object, which is decoded once.
type reader struct {
	record
	objects map[string]record
	err     error
}

func (r *reader) texts(name string) []string {
	rec := r.record
	outer, inner, nested := strings.Cut(name, ".")
	if nested {
		object, decoded := r.objects[outer]
		if raw := r.record[outer]; !decoded && isGiven(raw) {
			if json.Unmarshal(raw, &object) != nil {
				r.fail(rest.Malformed("property %s: want an object", outer))
			}
			r.objects[outer] = object
		}
		rec, name = object, inner
	}
	values, err := rec.texts(name)
	r.fail(err)
	return values
}

func (r *reader) text(name string) string {
	value, err := r.record.text(name)
	r.fail(err)
	return value
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// managerDelta is the property in which a delta reports a change of the manager.
const managerDelta = "manager@delta"

// managers returns what a record of a delta reports about the manager.
func (r record) managers() ([]link, error) {
	var links []link
	if raw, given := r[managerDelta]; given && json.Unmarshal(raw, &links) != nil {
		return nil, rest.Malformed("manager@delta: want a list of objects")
	}
	if slices.ContainsFunc(links, func(l link) bool { return l.ID == "" }) {
		return nil, rest.Malformed("manager@delta: a manager without id")
	}
	return links, nil
}

// manager returns the ID of the manager of an object that was read together with
// its manager, or "".
func (r record) manager() (string, error) {
	var l *link
	if raw, given := r["manager"]; given && json.Unmarshal(raw, &l) != nil {
		return "", rest.Malformed("manager: want an object")
	}
	if l == nil {
		return "", nil
	}
	return l.ID, nil
}

// attributes are the properties that become attributes of the same name. Those of
// rule S35 also get the shared name.
var attributes = []struct{ property, shared string }{
	{"department", sources.AttributeDepartment},
	{"companyName", sources.AttributeOrganization},
	{"employeeId", sources.AttributeEmployeeNumber},
	{"employeeType", ""},
	{"employeeOrgData.division", sources.AttributeDivision},
	{"employeeOrgData.costCenter", sources.AttributeCostCenter},
	{"displayName", ""},
	{"officeLocation", ""},
	{"city", ""},
	{"usageLocation", ""},
	{"userType", ""},
	{"mailNickname", ""},
	{"otherMails", ""},
	{"onPremisesSamAccountName", ""},
	{"onPremisesUserPrincipalName", ""},
}

// extensions is the property that holds the fifteen extension attributes of
// Exchange.
const (
	extensions     = "onPremisesExtensionAttributes"
	extensionCount = 15
)

// needed are the properties that every user must have. The others may be hidden.
var needed = []string{"id", "userPrincipalName", "accountEnabled", "userType"}

// asked are the further properties that are read.
var asked = []string{
	"mail", "otherMails", "proxyAddresses", "givenName", "surname", "displayName", "jobTitle", "businessPhones", "mobilePhone",
	"preferredLanguage", "country", "state", "city", "usageLocation", "officeLocation", "department", "companyName",
	"employeeId", "employeeType", "employeeOrgData", "externalUserState", "mailNickname",
	"onPremisesSamAccountName", "onPremisesUserPrincipalName", extensions,
}

// records converts users of Graph.
type records struct {
	fields     map[string]string // by field of a user
	properties []string          // further properties, which become attributes
	selected   string            // the properties of a user, as $select
	guests     bool
}

func newRecords(cfg Config) *records {
	r := &records{fields: maps.Clone(cfg.Fields), guests: cfg.Guests}
	selected := slices.Clone(needed)
	add := func(property string) {
		if !slices.Contains(selected, property) && !slices.Contains(cfg.Hidden, property) {
			selected = append(selected, property)
		}
	}
	for _, property := range asked {
		add(property)
	}
	further := slices.Clone(cfg.Properties)
	for _, field := range slices.Sorted(maps.Keys(cfg.Fields)) {
		further = append(further, cfg.Fields[field])
	}
	for _, name := range further {
		property, _, _ := strings.Cut(name, ".")
		if strings.HasPrefix(property, "extensionAttribute") && slices.Contains(extensionNames, property) {
			continue // within onPremisesExtensionAttributes
		}
		add(property)
		if !slices.Contains(r.properties, name) && !slices.ContainsFunc(attributes, func(a struct{ property, shared string }) bool { return a.property == name }) {
			r.properties = append(r.properties, name)
		}
	}
	r.selected = strings.Join(selected, ",")
	return r
}

var extensionNames = func() []string {
	names := make([]string, extensionCount)
	for i := range names {
		names[i] = fmt.Sprintf("extensionAttribute%d", i+1)
	}
	return names
}()

// isGuest reports whether a user is a guest: a person of another directory who was
// invited. A user without a type is older than types, or may not be read, and is no
// guest.
func isGuest(userType string) bool { return strings.EqualFold(userType, "Guest") }

// leftOut reports whether a record is that of a guest who is not to be listed.
func (r *records) leftOut(rec record) (bool, error) {
	userType, err := rec.text("userType")
	return isGuest(userType) && !r.guests, err
}

// user converts a record. manager is the ID of the manager. If the application may
// not read the object, Graph sends only its ID, and the status is unknown.
func (r *records) user(rec record, manager string) (sources.User, error) {
	in := reader{record: rec, objects: make(map[string]record)}
	text, texts := in.text, in.texts
	var u sources.User
	u.ID, in.err = rec.id()
	u.UserName = text("userPrincipalName")
	u.Status = status(text("accountEnabled"), text("userType"), text("externalUserState"))
	u.Email = text("mail")
	u.OtherEmails = otherEmails(u.Email, texts("otherMails"), texts("proxyAddresses"))
	u.GivenName, u.FamilyName, u.Title = text("givenName"), text("surname"), text("jobTitle")
	if phones := texts("businessPhones"); len(phones) > 0 {
		u.Phone = phones[0]
	}
	u.MobilePhone = text("mobilePhone")
	u.Locale, u.Country, u.State = text("preferredLanguage"), text("country"), text("state")

	for _, a := range attributes {
		values := texts(a.property)
		rest.SetAttribute(&u, a.property, values...)
		if a.shared != "" {
			rest.SetAttribute(&u, a.shared, values...)
		}
	}
	for _, name := range extensionNames {
		rest.SetAttribute(&u, name, texts(extensions+"."+name)...)
	}
	for _, name := range r.properties {
		rest.SetAttribute(&u, name, texts(name)...)
	}
	u.Manager.ID = manager
	for field, attribute := range r.fields {
		rest.SetField(&u, field, u.Attributes[attribute])
	}
	if in.err != nil {
		return sources.User{}, in.err
	}
	return u, nil
}

// status says whether the account may sign in. A guest who has not accepted the
// invitation is staged.
func status(enabled, userType, externalState string) sources.Status {
	switch {
	case enabled == "true" && isGuest(userType) && strings.EqualFold(externalState, "PendingAcceptance"):
		return sources.StatusStaged
	case enabled == "true":
		return sources.StatusActive
	case enabled == "false":
		return sources.StatusInactive
	}
	return sources.StatusUnknown
}

// otherEmails returns the further addresses of a person: the alternate ones, and
// the aliases of the mailbox, whose prefix is smtp: (the primary address has
// SMTP:).
func otherEmails(primary string, others, proxies []string) []string {
	var all []string
	add := func(address string) {
		same := func(known string) bool { return strings.EqualFold(known, address) }
		if address != "" && !same(primary) && !slices.ContainsFunc(all, same) {
			all = append(all, address)
		}
	}
	for _, address := range others {
		add(address)
	}
	for _, proxy := range proxies {
		if scheme, address, ok := strings.Cut(proxy, ":"); ok && strings.EqualFold(scheme, "smtp") {
			add(address)
		}
	}
	return all
}

// over returns read, changed by what a delta reports about the object, which is as
// new or newer. A property that the delta does not have is unchanged.
func (r record) over(read record) record {
	whole := maps.Clone(read)
	maps.Copy(whole, r)
	return whole
}

// with returns a copy of the record with another value of one property.
func (r record) with(name string, value any) record {
	raw, err := json.Marshal(value)
	if err != nil {
		return r // the values that the package sets always have a JSON form
	}
	changed := maps.Clone(r)
	changed[name] = raw
	return changed
}
