package fake

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/sources"
)

// A salesforceRow is a record. value returns the value of a field by its path in
// lower case ("manager.email"), or nil for null.
type salesforceRow interface{ value(path string) any }

// salesforceRows are the records of an object at one moment.
type salesforceRows struct {
	n  int
	at func(i int) salesforceRow
}

// A salesforceObject is an object of the org.
type salesforceObject struct {
	name   string
	fields []string          // in Salesforce's spelling, also those of relationships
	lookup map[string]string // by field with an ID: the relationship
	rows   func() salesforceRows
}

// The standard fields of objects.
var (
	salesforceUserFields = []string{
		"Id", "Username", "LastName", "FirstName", "Name", "CompanyName", "Division", "Department", "Title", "State", "StateCode",
		"Country", "CountryCode", "Email", "Phone", "MobilePhone", "Extension", "IsActive", "TimeZoneSidKey", "LocaleSidKey",
		"UserRoleId", "ProfileId", "UserType", "EmployeeNumber", "ManagerId", "CreatedDate", "LastModifiedDate", "SystemModstamp",
		"Manager.Id", "Manager.Email", "Manager.Name", "Manager.Username", "Profile.Name", "UserRole.Name", "UserRole.DeveloperName",
	}
	salesforceUserLookups = map[string]string{"ManagerId": "Manager", "ProfileId": "Profile", "UserRoleId": "UserRole"}
)

// object returns an object by its name without regard to case.
func (s *Salesforce) object(name string) *salesforceObject {
	switch strings.ToLower(name) {
	case "user":
		fields := slices.Concat(salesforceUserFields, s.Fields)
		lacks := func(field string) bool {
			return slices.ContainsFunc(s.Lacks, func(lacked string) bool {
				relationship := salesforceUserLookups[lacked]
				return strings.EqualFold(field, lacked) || relationship != "" && strings.HasPrefix(field, relationship+".")
			})
		}
		return &salesforceObject{"User", slices.DeleteFunc(fields, lacks), salesforceUserLookups, s.userRows}
	case "group":
		return &salesforceObject{"Group", []string{"Id", "Name", "DeveloperName", "RelatedId", "Type", "SystemModstamp"}, nil, s.groupRows}
	case "groupmember":
		return &salesforceObject{"GroupMember", []string{"Id", "GroupId", "UserOrGroupId", "SystemModstamp", "Group.Name", "Group.DeveloperName", "Group.Type"},
			map[string]string{"GroupId": "Group"}, s.memberRows}
	case "userrole":
		return &salesforceObject{"UserRole", []string{"Id", "Name", "DeveloperName", "ParentRoleId"}, nil, func() salesforceRows { return s.with("UserRole", salesforceRows{}) }}
	}
	for object, records := range s.Records {
		if strings.EqualFold(object, name) {
			paths := map[string]bool{}
			for _, record := range records {
				collectPaths(record, "", paths)
			}
			return &salesforceObject{object, slices.Sorted(maps.Keys(paths)), nil, func() salesforceRows { return s.with(object, salesforceRows{}) }}
		}
	}
	return nil
}

// collectPaths collects the fields of a record.
func collectPaths(record map[string]any, prefix string, paths map[string]bool) {
	for name, value := range record {
		if inner, ok := value.(map[string]any); ok {
			collectPaths(inner, prefix+name+".", paths)
			continue
		}
		paths[prefix+name] = true
	}
}

// field returns the name of a field in Salesforce's spelling.
func (o *salesforceObject) field(path string) (string, bool) {
	i := slices.IndexFunc(o.fields, func(known string) bool { return strings.EqualFold(known, path) })
	if i < 0 {
		return "", false
	}
	return o.fields[i], true
}

// with appends the further records of an object to rows.
func (s *Salesforce) with(object string, rows salesforceRows) salesforceRows {
	more := s.Records[object]
	if len(more) == 0 {
		return rows
	}
	return salesforceRows{rows.n + len(more), func(i int) salesforceRow {
		if i < rows.n {
			return rows.at(i)
		}
		return salesforceRecord(more[i-rows.n])
	}}
}

// A salesforceRecord is a record as decoded JSON.
type salesforceRecord map[string]any

func (r salesforceRecord) value(path string) any {
	var value any = map[string]any(r)
	for name := range strings.SplitSeq(path, ".") {
		inner, _ := value.(map[string]any)
		value = nil
		for key, of := range inner {
			if strings.EqualFold(key, name) {
				value = of
			}
		}
	}
	return value
}

func (s *Salesforce) userRows() salesforceRows {
	users := slices.Clone(s.Directory.users.order)
	return s.with("User", salesforceRows{len(users), func(i int) salesforceRow { return salesforceUser{users[i]} }})
}

type salesforceUser struct{ *item[sources.User] }

const salesforceTime = "2006-01-02T15:04:05.000+0000"

func (u salesforceUser) value(path string) any {
	user := &u.item.value
	text := func(text string) any { return orNull(text) }
	switch path {
	case "id":
		return user.ID
	case "username":
		return text(user.UserName)
	case "lastname":
		return text(user.FamilyName)
	case "firstname":
		return text(user.GivenName)
	case "name":
		return text(strings.TrimSpace(user.GivenName + " " + user.FamilyName))
	case "email":
		return text(user.Email)
	case "title":
		return text(user.Title)
	case "phone":
		return text(user.Phone)
	case "mobilephone":
		return text(user.MobilePhone)
	case "extension":
		return text(user.PhoneExtension)
	case "timezonesidkey":
		return text(user.TimeZone)
	case "localesidkey":
		return text(user.Locale)
	case "isactive":
		if user.Status == sources.StatusUnknown {
			return nil
		}
		return user.Status == sources.StatusActive
	case "managerid", "manager.id":
		return text(user.Manager.ID)
	case "manager.email":
		return text(user.Manager.Email)
	case "manager.name":
		return text(user.Manager.Name)
	case "createddate":
		return u.created.at.Format(salesforceTime)
	case "lastmodifieddate", "systemmodstamp":
		return u.changed.at.Format(salesforceTime)
	}
	for name, values := range user.Attributes {
		if strings.ToLower(name) == path && name != path && len(values) > 0 { // attributes of rule S35 have names in lower case
			return values[0]
		}
	}
	if path == "usertype" {
		return "Standard"
	}
	return nil
}

func (s *Salesforce) groupRows() salesforceRows {
	groups := slices.Clone(s.Directory.groups.order)
	return s.with("Group", salesforceRows{len(groups), func(i int) salesforceRow { return salesforceGroup{groups[i]} }})
}

type salesforceGroup struct{ *item[sources.Group] }

func (g salesforceGroup) value(path string) any {
	switch path {
	case "id":
		return g.id
	case "name":
		return orNull(g.item.value.Name)
	case "developername":
		return strings.ReplaceAll(g.item.value.Name, " ", "_")
	case "type":
		return "Regular"
	case "systemmodstamp":
		return g.changed.at.Format(salesforceTime)
	}
	return nil
}

// memberRows returns the pairs of group and member. Lists of members are replaced
// and never changed, so the pairs keep the state of this moment.
func (s *Salesforce) memberRows() salesforceRows {
	groups := make([]salesforceGroup, 0, len(s.Directory.groups.order))
	lists := make([][]string, 0, len(groups))
	ends := make([]int, 0, len(groups)) // the number of pairs up to the end of each list
	n := 0
	for _, g := range s.Directory.groups.order {
		n += len(g.value.Members)
		groups, lists, ends = append(groups, salesforceGroup{g}), append(lists, g.value.Members), append(ends, n)
	}
	return s.with("GroupMember", salesforceRows{n, func(i int) salesforceRow {
		at, _ := slices.BinarySearch(ends, i+1)
		return salesforceMember{groups[at], lists[at][i-ends[at]+len(lists[at])]}
	}})
}

type salesforceMember struct {
	group  salesforceGroup
	member string
}

func (m salesforceMember) value(path string) any {
	switch path {
	case "id":
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(m.group.id + m.member))
		return soql.LongID("011" + fmt.Sprintf("%012d", hash.Sum64()%1e12))
	case "groupid":
		return m.group.id
	case "userorgroupid":
		return m.member
	}
	if of, ok := strings.CutPrefix(path, "group."); ok {
		return m.group.value(of)
	}
	return nil
}
