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

// Rippling is a company in Rippling: its REST API, as far as it reads workers,
// users and supergroups. It is an http.Handler, safe for concurrent use.
//
// What is played, after Rippling's specification and what its clients found:
//
//   - A bearer token that lives for good, until RevokeTokens.
//   - GET /workers and /workers/{id} with expand, GET /users, /supergroups,
//     /supergroups/{id} and /supergroups/{id}/members; each with or without a
//     slash at its end.
//   - Pages by limit (50 at first, 100 at most, more is refused) and an opaque
//     cursor; next_link repeats the query. Every other next_link is relative.
//   - A filter, and an order, are ignored without a word.
//   - What the token may not see is left out and named in redacted_fields.
//   - The version of the API that answers is stated.
//
// The manager of a user is named by the ID of a worker, as the IDs of a
// directory are.
type Rippling struct {
	// Directory is the company's workers; supergroups are its groups. Required.
	Directory *Directory
	// Token is the accepted token.
	Token string
	// PageRows is the largest number of rows on a page. Defaults to 100.
	PageRows int
	// Redacted are the fields of workers that the token may not see.
	Redacted []string
	// Version is the version of the API for a request that names none. Defaults to
	// "2024-08-01".
	Version string

	revoked revocable
}

// RevokeTokens makes the token invalid for good.
func (f *Rippling) RevokeTokens() { f.revoked.revoke() }

// ServeHTTP implements http.Handler.
func (f *Rippling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.Directory.serve(w, r, f.answer)
}

func (f *Rippling) answer(w http.ResponseWriter, r *http.Request, _ time.Time) {
	version := r.Header.Get("Rippling-Api-Version")
	if version == "" {
		version = f.Version
	}
	if version == "" {
		version = "2024-08-01"
	}
	w.Header().Set("Rippling-Api-Version", version)
	if token, ok := bearer(r); !ok || token != f.Token || token == "" || f.revoked.is() {
		ripplingRefuses(w, http.StatusUnauthorized, "Invalid token")
		return
	}
	d := f.Directory
	switch parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); {
	case r.Method != http.MethodGet:
		ripplingRefuses(w, http.StatusMethodNotAllowed, "this company is read only")
	case len(parts) == 1 && parts[0] == "workers":
		expand := strings.Split(r.URL.Query().Get("expand"), ",")
		ripplingList(w, r, f, d.users.order, itemID, func(i *item[sources.User]) any { return f.worker(i, expand) })
	case len(parts) == 2 && parts[0] == "workers":
		if i, ok := d.users.byID[parts[1]]; ok {
			say(w, http.StatusOK, f.worker(i, strings.Split(r.URL.Query().Get("expand"), ",")))
			return
		}
		ripplingRefuses(w, http.StatusNotFound, "Not found")
	case len(parts) == 1 && parts[0] == "users":
		ripplingList(w, r, f, d.users.order, itemID, func(i *item[sources.User]) any { return f.user(i) })
	case len(parts) == 1 && parts[0] == "supergroups":
		ripplingList(w, r, f, d.groups.order, itemID, func(i *item[sources.Group]) any { return ripplingGroup(i) })
	case len(parts) >= 2 && parts[0] == "supergroups" && d.groups.byID[parts[1]] == nil:
		ripplingRefuses(w, http.StatusNotFound, "Not found")
	case len(parts) == 2 && parts[0] == "supergroups":
		say(w, http.StatusOK, ripplingGroup(d.groups.byID[parts[1]]))
	case len(parts) == 3 && parts[0] == "supergroups" && parts[2] == "members":
		ripplingList(w, r, f, d.groups.byID[parts[1]].value.Members, func(id string) string { return id }, f.member)
	default:
		ripplingRefuses(w, http.StatusNotFound, "Not found")
	}
}

// ripplingList answers with the page of a list after the ID in the cursor.
func ripplingList[T any](w http.ResponseWriter, r *http.Request, f *Rippling, all []T, id func(T) string, render func(T) any) {
	query := r.URL.Query()
	limit := 50
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil || n < 1 || n > 100 {
			ripplingRefuses(w, http.StatusBadRequest, "limit must be between 1 and 100")
			return
		}
		limit = n
	}
	if f.PageRows > 0 {
		limit = min(limit, f.PageRows)
	}
	first := 0
	if query.Has("cursor") {
		text, err := base64.URLEncoding.DecodeString(query.Get("cursor"))
		after, ok := strings.CutPrefix(string(text), "after:")
		if err != nil || !ok {
			ripplingRefuses(w, http.StatusBadRequest, "Invalid cursor")
			return
		}
		at, found := slices.BinarySearchFunc(all, after, func(row T, after string) int { return compareIDs(id(row), after) })
		if first = at; found {
			first++
		}
	}
	last := min(first+limit, len(all))
	results := make([]any, 0, last-first)
	for _, row := range all[first:last] {
		if rendered := render(row); rendered != nil {
			results = append(results, rendered)
		}
	}
	answer := map[string]any{"results": results, "__meta": map[string]any{"redacted_fields": f.redactions()}, "next_link": nil}
	if last < len(all) {
		query.Set("cursor", base64.URLEncoding.EncodeToString([]byte("after:"+id(all[last-1]))))
		next := (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String()
		if (last/limit)%2 == 0 {
			next = origin(r) + next
		}
		answer["next_link"] = next
	}
	say(w, http.StatusOK, answer)
}

// member returns a member of a supergroup, or nil if the worker does not exist.
func (f *Rippling) member(id string) any {
	i, ok := f.Directory.users.byID[id]
	if !ok {
		return nil
	}
	return map[string]any{
		"id": id, "full_name": strings.TrimSpace(i.value.GivenName + " " + i.value.FamilyName), "work_email": i.value.Email,
		"created_at": i.created.at.Format(time.RFC3339), "updated_at": i.changed.at.Format(time.RFC3339),
	}
}

func (f *Rippling) redactions() []map[string]any {
	list := []map[string]any{}
	for _, name := range f.Redacted {
		list = append(list, map[string]any{"name": name, "reason": "INSUFFICIENT_SCOPE"})
	}
	return list
}

// ripplingStatuses are the words for the states of a worker.
var ripplingStatuses = map[sources.Status]string{
	sources.StatusActive: "ACTIVE", sources.StatusInactive: "TERMINATED", sources.StatusStaged: "HIRED",
}

// worker returns a worker with the expanded fields.
func (f *Rippling) worker(i *item[sources.User], expand []string) map[string]any {
	u := &i.value
	row := map[string]any{
		"id": i.id, "created_at": i.created.at.Format(time.RFC3339), "updated_at": i.changed.at.Format(time.RFC3339),
		"user_id": ripplingUserID(u), "is_manager": false, "manager_id": orNull(u.Manager.ID), "country": orNull(u.Country),
		"number": nil, "work_email": orNull(u.Email), "personal_email": orNull(u.PrivateEmail), "title": orNull(u.Title),
		"status": orNull(ripplingStatuses[u.Status]), "date_of_birth": "1970-01-01", "gender": "PREFER_NOT_TO_SAY",
	}
	if n, err := strconv.Atoi(attribute(u, "number")); err == nil {
		row["number"] = n
	}
	for _, name := range [...]string{"start_date", "end_date", "status"} {
		if value := attribute(u, name); value != "" || row[name] == nil {
			row[name] = orNull(value)
		}
	}
	if at := attribute(u, "work_location_id"); at != "" {
		row["location"] = map[string]any{"type": "OFFICE", "work_location_id": at}
	}
	for name, member := range map[string]string{"department": "name", "legal_entity": "legal_name", "employment_type": "label", "level": "name"} {
		if value := attribute(u, name); value != "" {
			row[name+"_id"] = name + "-1"
			if slices.Contains(expand, name) {
				row[name] = map[string]any{"id": name + "-1", member: value}
			}
		}
	}
	if slices.Contains(expand, "user") {
		row["user"] = f.user(i)
	}
	if len(u.Attributes["teams"]) > 0 {
		row["teams_id"] = u.Attributes["teams"]
	}
	if slices.Contains(expand, "teams") {
		teams := []any{}
		for _, team := range u.Attributes["teams"] {
			teams = append(teams, map[string]any{"id": team, "name": team})
		}
		row["teams"] = teams
	}
	if slices.Contains(expand, "custom_fields") {
		row["custom_fields"] = ripplingCustomFields(u)
	}
	for _, name := range f.Redacted {
		delete(row, name)
	}
	return row
}

func ripplingCustomFields(u *sources.User) []any {
	list := []any{}
	add := func(name string, value any) {
		list = append(list, map[string]any{"id": name, "name": name, "value": value})
	}
	for _, name := range sortedKeys(u.Attributes) {
		if short, ok := strings.CutPrefix(name, "custom_fields."); ok {
			add(short, scalar(u.Attributes[name]))
		}
	}
	for name, value := range map[string]string{"phone_extension": u.PhoneExtension, "manager_email": u.Manager.Email, "manager_name": u.Manager.Name} {
		if value != "" && u.Attributes["custom_fields."+name] == nil {
			add(name, value)
		}
	}
	return list
}

// ripplingUserID returns the ID of a worker's account.
func ripplingUserID(u *sources.User) string {
	if id := attribute(u, "user_id"); id != "" {
		return id
	}
	return "user-" + u.ID
}

// user returns the account of a worker.
func (f *Rippling) user(i *item[sources.User]) map[string]any {
	u := &i.value
	contacts := func(pairs ...string) []any {
		list := []any{}
		for k := 0; k < len(pairs); k += 2 {
			if pairs[k+1] != "" {
				list = append(list, map[string]any{"type": pairs[k], "value": pairs[k+1], "display": pairs[k+1]})
			}
		}
		return list
	}
	emails := contacts("WORK", u.Email, "HOME", u.PrivateEmail)
	for _, other := range u.OtherEmails {
		emails = append(emails, contacts("WORK", other)...)
	}
	row := map[string]any{
		"id": ripplingUserID(u), "created_at": i.created.at.Format(time.RFC3339), "updated_at": i.changed.at.Format(time.RFC3339),
		"active": u.Status == sources.StatusActive, "username": orNull(u.UserName),
		"name": map[string]any{
			"formatted": strings.TrimSpace(u.GivenName + " " + u.FamilyName), "given_name": orNull(u.GivenName), "family_name": orNull(u.FamilyName),
			"preferred_given_name": orNull(attribute(u, "preferred_given_name")), "preferred_family_name": orNull(attribute(u, "preferred_family_name")),
		},
		"emails": emails, "phone_numbers": contacts("WORK", u.Phone, "MOBILE", u.MobilePhone), "addresses": []any{}, "photos": []any{},
		"locale": orNull(u.Locale), "timezone": orNull(u.TimeZone), "preferred_language": orNull(attribute(u, "preferred_language")),
	}
	if u.State != "" {
		row["addresses"] = []any{map[string]any{"type": "WORK", "region": u.State, "country": orNull(u.Country)}}
	}
	return row
}

func ripplingGroup(i *item[sources.Group]) map[string]any {
	return map[string]any{
		"id": i.id, "name": i.value.Name, "display_name": i.value.Name, "group_type": "CUSTOM", "read_only": false,
		"created_at": i.created.at.Format(time.RFC3339), "updated_at": i.changed.at.Format(time.RFC3339),
	}
}

// ripplingRefuses answers with an error.
func ripplingRefuses(w http.ResponseWriter, status int, message string) {
	say(w, status, map[string]any{"error": map[string]any{"code": strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_")), "message": message}})
}
