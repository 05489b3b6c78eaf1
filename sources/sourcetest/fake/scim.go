package fake

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-go/usher/sources"
)

// SCIM is a SCIM 2.0 server (RFC 7643, RFC 7644), as far as it is read: users,
// groups, and what it can do. It is an http.Handler, safe for concurrent use,
// rooted at "/". For a server that is written to as well, use package scim.
//
// What is played:
//
//   - A bearer token, which lives for good, until RevokeTokens.
//   - GET /ServiceProviderConfig, /Users, /Users/{id}, /Groups, /Groups/{id}.
//   - Pages by startIndex and count, which may be smaller than count; and, with
//     Cursors, by cursor (RFC 9865).
//   - Groups with their members, of which some may be groups.
//
// A member of a group that is the ID of another group is a nested group.
type SCIM struct {
	// Directory is what is served. Required.
	Directory *Directory
	// Token is the accepted token.
	Token string
	// PageRows is the largest number of rows on a page. Defaults to 100.
	PageRows int
	// Cursors also offers pages by cursor.
	Cursors bool
	// MembersOnlyOne leaves members out of the list of groups; only the answer
	// about one group has them.
	MembersOnlyOne bool
	// NoMeta leaves meta out, which says when a resource was created.
	NoMeta bool
	// UserExtension is the URN of the extension with the attributes that the core
	// and enterprise schemas do not have. Defaults to
	// "urn:ietf:params:scim:schemas:extension:usher:2.0:User".
	UserExtension string

	revoked revocable
}

// RevokeTokens makes the token invalid for good.
func (f *SCIM) RevokeTokens() { f.revoked.revoke() }

// ServeHTTP implements http.Handler.
func (f *SCIM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.Directory.serve(w, r, f.answer)
}

const (
	scimCore       = "urn:ietf:params:scim:schemas:core:2.0:"
	scimEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	scimOurs       = "urn:ietf:params:scim:schemas:extension:usher:2.0:User"
	scimMessage    = "urn:ietf:params:scim:api:messages:2.0:"
)

func (f *SCIM) answer(w http.ResponseWriter, r *http.Request, _ time.Time) {
	if token, ok := bearer(r); !ok || token != f.Token || token == "" || f.revoked.is() {
		scimRefuses(w, http.StatusUnauthorized, "", "Authorization failure")
		return
	}
	d := f.Directory
	switch parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); {
	case r.Method != http.MethodGet:
		scimRefuses(w, http.StatusMethodNotAllowed, "", "this server is read only")
	case len(parts) == 1 && parts[0] == "ServiceProviderConfig":
		f.say(w, f.config())
	case len(parts) == 1 && parts[0] == "Users":
		scimList(w, r, f, d.users.order, f.user)
	case len(parts) == 1 && parts[0] == "Groups":
		scimList(w, r, f, d.groups.order, func(i *item[sources.Group]) map[string]any {
			row := f.group(i)
			if f.MembersOnlyOne {
				delete(row, "members")
			}
			return row
		})
	case len(parts) == 2 && parts[0] == "Users" && d.users.byID[parts[1]] != nil:
		f.say(w, f.user(d.users.byID[parts[1]]))
	case len(parts) == 2 && parts[0] == "Groups" && d.groups.byID[parts[1]] != nil:
		f.say(w, f.group(d.groups.byID[parts[1]]))
	default:
		scimRefuses(w, http.StatusNotFound, "", "Resource "+strings.Join(parts[1:], "/")+" not found")
	}
}

func (f *SCIM) config() map[string]any {
	no := map[string]any{"supported": false}
	config := map[string]any{
		"schemas": []string{scimCore + "ServiceProviderConfig"}, "patch": no, "bulk": no, "filter": no, "changePassword": no, "sort": no, "etag": no,
		"authenticationSchemes": []any{map[string]any{"type": "oauthbearertoken", "name": "OAuth Bearer Token", "description": "RFC 6750"}},
	}
	if f.Cursors {
		config["pagination"] = map[string]any{"cursor": true, "index": true, "defaultPaginationMethod": "index", "maxPageSize": f.most()}
	}
	return config
}

func (f *SCIM) most() int {
	if f.PageRows > 0 {
		return f.PageRows
	}
	return 100
}

// scimList answers with one page of a list.
func scimList[T any](w http.ResponseWriter, r *http.Request, f *SCIM, all []*item[T], render func(*item[T]) map[string]any) {
	query := r.URL.Query()
	count := f.most()
	if n, err := strconv.Atoi(query.Get("count")); err == nil {
		count = min(max(n, 0), count)
	}
	answer := map[string]any{"schemas": []string{scimMessage + "ListResponse"}, "totalResults": len(all)}
	first := 0
	cursors := f.Cursors && query.Has("cursor")
	switch {
	case cursors && query.Get("cursor") != "":
		text, err := base64.URLEncoding.DecodeString(query.Get("cursor"))
		after, ok := strings.CutPrefix(string(text), "after:")
		if err != nil || !ok {
			scimRefuses(w, http.StatusBadRequest, "invalidCursor", "the cursor is not one of this server")
			return
		}
		at, found := slices.BinarySearchFunc(all, after, func(i *item[T], after string) int { return compareIDs(i.id, after) })
		if first = at; found {
			first++
		}
	case !cursors:
		start := 1
		if n, err := strconv.Atoi(query.Get("startIndex")); err == nil {
			start = max(n, 1)
		}
		answer["startIndex"] = start
		first = min(start-1, len(all))
	}
	last := min(first+count, len(all))
	resources := make([]any, 0, last-first)
	for _, i := range all[first:last] {
		resources = append(resources, render(i))
	}
	answer["Resources"], answer["itemsPerPage"] = resources, len(resources)
	if cursors && last < len(all) && last > first {
		answer["nextCursor"] = base64.URLEncoding.EncodeToString([]byte("after:" + all[last-1].id))
	}
	f.say(w, answer)
}

// user returns a user. An attribute is put into the enterprise extension if it
// belongs there, into the extension with which its name begins, or into the core.
func (f *SCIM) user(i *item[sources.User]) map[string]any {
	u := &i.value
	row := map[string]any{
		"schemas": []string{scimCore + "User", scimEnterprise}, "id": i.id, "userName": u.UserName,
	}
	f.meta(row, "User", i.created, i.changed)
	switch u.Status {
	case sources.StatusActive, sources.StatusInactive:
		row["active"] = u.Status == sources.StatusActive
	case sources.StatusUnknown, sources.StatusStaged:
	}
	put := func(in map[string]any, name, value string) {
		if value != "" {
			in[name] = value
		}
	}
	put(row, "title", u.Title)
	put(row, "timezone", u.TimeZone)
	put(row, "locale", u.Locale)
	name := map[string]any{}
	put(name, "givenName", u.GivenName)
	put(name, "familyName", u.FamilyName)
	row["name"] = name
	list := func(name string, pairs ...string) {
		values := []any{}
		for k := 0; k < len(pairs); k += 2 {
			if pairs[k+1] != "" {
				values = append(values, map[string]any{"type": pairs[k], "value": pairs[k+1], "primary": k == 0})
			}
		}
		if len(values) > 0 {
			row[name] = values
		}
	}
	list("emails", "work", u.Email, "home", u.PrivateEmail)
	list("phoneNumbers", "work", u.Phone, "mobile", u.MobilePhone)
	enterprise, ours := map[string]any{}, map[string]any{}
	if u.Manager.ID != "" {
		enterprise["manager"] = map[string]any{"value": u.Manager.ID, "$ref": "../Users/" + url.PathEscape(u.Manager.ID)}
	}
	put(ours, "country", u.Country)
	put(ours, "stateOrProvince", u.State)
	put(ours, "managerEmail", u.Manager.Email)
	put(ours, "managerFullName", u.Manager.Name)
	put(ours, "primaryPhoneExt", u.PhoneExtension)
	if len(u.OtherEmails) > 0 {
		ours["secondaryEmails"] = u.OtherEmails
	}
	for name, values := range u.Attributes {
		switch {
		case slices.Contains([]string{"cost_center", "employee_number"}, name):
		case slices.Contains([]string{"employeeNumber", "costCenter", "organization", "division", "department"}, name):
			enterprise[name] = scalar(values)
		case strings.HasPrefix(name, "urn:"):
			at := strings.LastIndexByte(name, ':')
			extension, _ := row[name[:at]].(map[string]any)
			if extension == nil {
				extension = map[string]any{}
				row[name[:at]] = extension
			}
			extension[name[at+1:]] = scalar(values)
		default:
			row[name] = scalar(values)
		}
	}
	if len(enterprise) > 0 {
		row[scimEnterprise] = enterprise
	}
	if len(ours) > 0 {
		urn := f.UserExtension
		if urn == "" {
			urn = scimOurs
		}
		row[urn] = ours
	}
	return row
}

func (f *SCIM) group(i *item[sources.Group]) map[string]any {
	members := make([]any, 0, len(i.value.Members))
	for _, id := range i.value.Members {
		kind := "User"
		if _, nested := f.Directory.groups.byID[id]; nested {
			kind = "Group"
		}
		members = append(members, map[string]any{"value": id, "type": kind, "$ref": "../" + kind + "s/" + url.PathEscape(id)})
	}
	row := map[string]any{"schemas": []string{scimCore + "Group"}, "id": i.id, "displayName": i.value.Name, "members": members}
	f.meta(row, "Group", i.created, i.changed)
	return row
}

// meta sets when a resource was created and changed.
func (f *SCIM) meta(row map[string]any, kind string, created, changed stamp) {
	if !f.NoMeta {
		row["meta"] = map[string]any{"resourceType": kind, "created": created.at.Format(time.RFC3339Nano), "lastModified": changed.at.Format(time.RFC3339Nano)}
	}
}

func (f *SCIM) say(w http.ResponseWriter, value any) {
	say(w, http.StatusOK, value)
	w.Header().Set("Content-Type", "application/scim+json")
}

// scimRefuses answers with an error (RFC 7644, section 3.12).
func scimRefuses(w http.ResponseWriter, status int, scimType, detail string) {
	answer := map[string]any{"schemas": []string{scimMessage + "Error"}, "status": strconv.Itoa(status), "detail": detail}
	if scimType != "" {
		answer["scimType"] = scimType
	}
	say(w, status, answer)
}
