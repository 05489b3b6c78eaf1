package fake

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-go/usher/sources"
)

// A graphQuery is the query of a GET request.
type graphQuery struct {
	selected []string // nil: the default
	manager  bool     // $expand=manager
	top      int
	userType string // $filter
	skip     string // $skiptoken
	delta    string // $deltatoken
}

// graphUserDefault and graphGroupDefault are the properties that are sent if none
// are selected.
var (
	graphUserDefault  = []string{"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "userPrincipalName", "id"}
	graphGroupDefault = []string{"id", "displayName", "description", "mail", "mailEnabled", "securityEnabled", "groupTypes"}
	// graphRelations may be selected in a delta.
	graphRelations = []string{"manager", "members"}
	graphUserKnown = []string{
		"accountEnabled", "userType", "otherMails", "proxyAddresses", "country", "state", "city", "usageLocation", "department", "companyName",
		"employeeId", "employeeType", "employeeOrgData", "externalUserState", "mailNickname", "onPremisesSamAccountName",
		"onPremisesUserPrincipalName", "onPremisesExtensionAttributes", "createdDateTime", "visibility",
	}
)

func readGraphQuery(values url.Values) (q graphQuery, err error) {
	q.top = 100
	for name := range values {
		value := values.Get(name)
		switch strings.ToLower(name) {
		case "$select":
			q.selected = strings.Split(value, ",")
			for _, property := range q.selected {
				if !slices.Contains(slices.Concat(graphUserDefault, graphGroupDefault, graphRelations, graphUserKnown), property) && !strings.HasPrefix(property, "extension_") {
					return q, fmt.Errorf("Could not find a property named '%s' on type 'microsoft.graph.user'.", property) //nolint:staticcheck // as Graph writes it
				}
			}
		case "$expand":
			if !strings.HasPrefix(value, "manager") {
				return q, errors.New("Expand is not allowed.") //nolint:staticcheck // as Graph writes it
			}
			q.manager = true
		case "$top":
			if q.top, err = strconv.Atoi(value); err != nil || q.top < 1 || q.top > 999 {
				return q, errors.New("Invalid page size specified: must be between 1 and 999 inclusive.") //nolint:staticcheck // as Graph writes it
			}
		case "$filter":
			kind, ok := strings.CutPrefix(value, "userType eq '")
			if !ok {
				return q, errors.New("Unsupported Query.") //nolint:staticcheck // as Graph writes it
			}
			q.userType = strings.TrimSuffix(kind, "'")
		case "$skiptoken":
			q.skip = value
		case "$deltatoken":
			q.delta = value
		case "$orderby", "$count":
		default:
			return q, fmt.Errorf("The query parameter '%s' is not supported.", name) //nolint:staticcheck // as Graph writes it
		}
	}
	return q, nil
}

// graphList answers with the page of a list after the row of the token.
func graphList[T any](w http.ResponseWriter, r *http.Request, most int, q graphQuery, all []T, id func(T) string, render func(T) any) {
	limit := q.top
	if most > 0 {
		limit = min(limit, most)
	}
	if q.manager {
		limit = min(limit, 100)
	}
	first := 0
	if q.skip != "" {
		token, ok := readGraphToken(q.skip)
		if !ok || token.Of != r.URL.Path {
			say(w, http.StatusBadRequest, map[string]any{"error": map[string]any{"code": "Directory_ExpiredPageToken", "message": "The specified page token value has expired and can no longer be included in your request."}})
			return
		}
		first, _ = slices.BinarySearchFunc(all, token.After, func(row T, after string) int { return compareIDs(id(row), after) })
		if first < len(all) && id(all[first]) == token.After {
			first++
		}
	}
	rows := []any{}
	next := ""
	for i := first; i < len(all); i++ {
		if len(rows) == limit {
			query := r.URL.Query()
			query.Set("$skiptoken", graphToken{Of: r.URL.Path, After: next}.String())
			say(w, http.StatusOK, map[string]any{"@odata.context": origin(r) + "/v1.0/$metadata", "@odata.nextLink": origin(r) + r.URL.Path + "?" + query.Encode(), "value": rows})
			return
		}
		next = id(all[i])
		if row := render(all[i]); row != nil && (q.userType == "" || row.(map[string]any)["userType"] == q.userType) {
			rows = append(rows, row)
		}
	}
	say(w, http.StatusOK, map[string]any{"@odata.context": origin(r) + "/v1.0/$metadata", "value": rows})
}

// pick returns the selected properties of an object, with null for those that are
// not set.
func pick(object map[string]any, selected, preset []string) map[string]any {
	if selected == nil {
		selected = preset
	}
	picked := map[string]any{"id": object["id"]}
	for _, property := range selected {
		if !slices.Contains(graphRelations, property) {
			picked[property] = object[property]
		}
	}
	return picked
}

// listed returns a user as in a list, with the manager if it is expanded.
func (e *Entra) listed(i *item[sources.User], q graphQuery) map[string]any {
	row := pick(e.properties(i), q.selected, graphUserDefault)
	if manager := i.value.Manager.ID; q.manager && manager != "" && !slices.Contains(e.Limited, i.id) {
		row["manager"] = map[string]any{"@odata.type": userType, "id": manager}
	}
	return row
}

// group returns a group without members.
func (e *Entra) group(i *item[sources.Group]) map[string]any {
	if slices.Contains(e.Limited, i.id) {
		return map[string]any{"id": i.id}
	}
	var visibility any // null for a security group
	if slices.Contains(e.Hidden, i.id) {
		visibility = "HiddenMembership"
	}
	return map[string]any{
		"id": i.id, "displayName": orNull(i.value.Name), "visibility": visibility, "mailEnabled": false, "securityEnabled": true, "groupTypes": []string{},
	}
}

// properties returns all properties of a user that are set.
func (e *Entra) properties(i *item[sources.User]) map[string]any {
	u := &i.value
	if slices.Contains(e.Limited, i.id) {
		return map[string]any{"id": i.id}
	}
	row := map[string]any{"id": u.ID, "userType": "Member", "createdDateTime": i.created.at.Format("2006-01-02T15:04:05Z"), "businessPhones": []string{}}
	set := func(name, value string) {
		if value != "" {
			row[name] = value
		}
	}
	for name, value := range map[string]string{
		"userPrincipalName": u.UserName, "mail": u.Email, "givenName": u.GivenName, "surname": u.FamilyName, "jobTitle": u.Title,
		"mobilePhone": u.MobilePhone, "preferredLanguage": u.Locale, "country": u.Country, "state": u.State,
	} {
		set(name, value)
	}
	if u.Phone != "" {
		row["businessPhones"] = []string{u.Phone}
	}
	switch u.Status {
	case sources.StatusUnknown:
	case sources.StatusActive:
		row["accountEnabled"] = true
	case sources.StatusInactive:
		row["accountEnabled"] = false
	case sources.StatusStaged:
		row["accountEnabled"], row["userType"], row["externalUserState"] = true, "Guest", "PendingAcceptance"
	}
	others := u.Attributes["otherMails"]
	row["otherMails"] = append([]string{}, others...)
	proxies := []string{}
	if u.Email != "" {
		proxies = append(proxies, "SMTP:"+u.Email, "SIP:"+u.Email)
	}
	for _, address := range u.OtherEmails {
		if !slices.Contains(others, address) {
			proxies = append(proxies, "smtp:"+address)
		}
	}
	row["proxyAddresses"] = proxies
	extension := map[string]any{}
	for n := range 15 {
		name := "extensionAttribute" + strconv.Itoa(n+1)
		extension[name] = orNull(attribute(u, name))
	}
	row["onPremisesExtensionAttributes"] = extension
	organization := map[string]any{}
	for name, values := range u.Attributes {
		known := slices.Contains(graphUserKnown, name) || slices.Contains(graphUserDefault, name)
		switch part, nested := strings.CutPrefix(name, "employeeOrgData."); {
		case nested:
			organization[part] = scalar(values)
		case name == "otherMails" || len(values) == 0:
		case known || strings.HasPrefix(name, "extension_"):
			row[name] = scalar(values)
		}
	}
	if len(organization) > 0 {
		row["employeeOrgData"] = organization
	}
	return row
}
