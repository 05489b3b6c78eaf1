package fake

import (
	"net/http"
	"strings"

	"github.com/usher-go/usher/sources"
)

// oktaStatuses are Okta's words for the states of a user.
var oktaStatuses = map[sources.Status]string{sources.StatusActive: "ACTIVE", sources.StatusInactive: "DEPROVISIONED", sources.StatusStaged: "STAGED"}

// oktaStatus returns the status of a user in Okta's words.
func oktaStatus(u *sources.User) string {
	if word := attribute(u, "status"); word != "" {
		return word
	}
	return oktaStatuses[u.Status]
}

// oktaProfile returns the profile of a user. Six attributes are always set.
func oktaProfile(u *sources.User) map[string]any {
	profile := map[string]any{
		"login": orNull(u.UserName), "email": orNull(u.Email), "firstName": orNull(u.GivenName), "lastName": orNull(u.FamilyName),
		"mobilePhone": orNull(u.MobilePhone), "secondEmail": orNull(strings.Join(u.OtherEmails, ",")),
	}
	for name, value := range map[string]string{
		"title": u.Title, "primaryPhone": u.Phone, "primaryPhoneExt": u.PhoneExtension, "privateEmail": u.PrivateEmail,
		"timezone": u.TimeZone, "countryCode": u.Country, "state": u.State, "locale": u.Locale,
		"managerEmail": u.Manager.Email, "managerId": u.Manager.ID, "manager": u.Manager.Name,
	} {
		if value != "" {
			profile[name] = value
		}
	}
	for name, values := range u.Attributes {
		switch {
		case name == "status", strings.HasPrefix(name, "app."):
		case name == sources.AttributeCostCenter, name == sources.AttributeEmployeeNumber:
		default:
			profile[name] = scalar(values)
		}
	}
	return profile
}

// user returns a user, with or without credentials.
func (o *Okta) user(r *http.Request, i *item[sources.User], omitCredentials bool) map[string]any {
	row := map[string]any{
		"id": i.id, "status": orNull(oktaStatus(&i.value)), "created": oktaTime(i.created.at), "lastUpdated": oktaTime(i.changed.at),
		"statusChanged": oktaTime(i.created.at), "activated": nil, "lastLogin": nil, "passwordChanged": nil,
		"type": map[string]any{"id": "otyfake"}, "profile": oktaProfile(&i.value),
		"_links": map[string]any{"self": map[string]any{"href": origin(r) + "/api/v1/users/" + i.id}},
	}
	if !omitCredentials {
		row["credentials"] = map[string]any{
			"provider": map[string]any{"type": "OKTA", "name": "OKTA"}, "recovery_question": map[string]any{"question": "Which street?"},
			"emails": []any{map[string]any{"value": i.value.Email, "status": "VERIFIED", "type": "PRIMARY"}},
		}
	}
	return row
}

// appUser returns a user as a user of an app.
func (o *Okta) appUser(r *http.Request, app string, i *item[sources.User]) map[string]any {
	profile := map[string]any{}
	for name, values := range i.value.Attributes {
		if name, ok := strings.CutPrefix(name, "app."); ok {
			profile[name] = scalar(values)
		}
	}
	scope := "GROUP"
	if o.Apps[app] == nil {
		scope = "USER"
	}
	row := map[string]any{
		"id": i.id, "externalId": nil, "created": oktaTime(i.created.at), "lastUpdated": oktaTime(i.changed.at), "scope": scope, "status": "ACTIVE",
		"statusChanged": oktaTime(i.created.at), "passwordChanged": nil, "syncState": "DISABLED", "credentials": nil, "profile": profile,
		"_links": map[string]any{
			"app":  map[string]any{"href": origin(r) + "/api/v1/apps/" + app},
			"user": map[string]any{"href": origin(r) + "/api/v1/users/" + i.id},
		},
	}
	if r.URL.Query().Get("expand") == "user" {
		row["_embedded"] = map[string]any{"user": o.user(r, i, false)}
	}
	return row
}

func (o *Okta) group(r *http.Request, i *item[sources.Group]) map[string]any {
	return map[string]any{
		"id": i.id, "created": oktaTime(i.created.at), "lastUpdated": oktaTime(i.changed.at), "lastMembershipUpdated": oktaTime(i.members.at),
		"objectClass": []string{"okta:user_group"}, "type": "OKTA_GROUP", "profile": map[string]any{"name": i.value.Name, "description": nil},
		"_links": map[string]any{"users": map[string]any{"href": origin(r) + "/api/v1/groups/" + i.id + "/users"}},
	}
}

// The attributes that filter may use.
var (
	oktaUserFilter  = []string{"status", "lastUpdated", "id", "profile.login", "profile.email", "profile.firstName", "profile.lastName"}
	oktaGroupFilter = []string{"type", "lastUpdated", "lastMembershipUpdated", "id"}
)

// oktaUserValue returns the values that an expression compares.
func oktaUserValue(i *item[sources.User], name string) []string {
	switch name {
	case "id":
		return []string{i.id}
	case "status":
		return []string{oktaStatus(&i.value)}
	case "created":
		return []string{oktaTime(i.created.at)}
	case "lastUpdated":
		return []string{oktaTime(i.changed.at)}
	}
	short, ok := strings.CutPrefix(name, "profile.")
	if !ok {
		return nil
	}
	switch value := oktaProfile(&i.value)[short].(type) {
	case string:
		return []string{value}
	case []string:
		return value
	case sources.Values:
		return value
	}
	return nil
}

func oktaGroupValue(i *item[sources.Group], name string) []string {
	switch name {
	case "id":
		return []string{i.id}
	case "type":
		return []string{"OKTA_GROUP"}
	case "lastUpdated":
		return []string{oktaTime(i.changed.at)}
	case "lastMembershipUpdated":
		return []string{oktaTime(i.members.at)}
	case "profile.name":
		return []string{i.value.Name}
	}
	return nil
}
