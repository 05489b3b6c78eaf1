package fake

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/usher-go/usher/sources"
)

// OneLogin is an account of OneLogin: version 2 of its API, as far as it reads
// users and roles. It is an http.Handler, safe for concurrent use.
//
// What is played, after OneLogin's documentation and what its own clients found:
//
//   - POST /auth/oauth2/v2/token with HTTP Basic or OneLogin's own form of the
//     Authorization header; a token lives 36,000 seconds.
//   - GET /api/2/users, /api/2/users/{id}, /api/2/roles, /api/2/roles/{id}/users.
//   - Pages by limit and page, and by cursor alone: a cursor beside limit or page
//     is refused. After-Cursor is base64 of the next page's number, with its
//     padding escaped, so what is removed during a listing moves what follows.
//     Total-Count, Total-Pages, Current-Page and Page-Items tell the rest.
//   - The list of users is reduced, without manager, roles and custom attributes,
//     unless fields names them; the list of roles has members only if fields
//     names users.
//   - updated_since selects who was changed at that time or later.
//   - Every answer states the rate limit, whose reset is in seconds from now.
//
// IDs are digits.
type OneLogin struct {
	// Directory is the account's people; roles are its groups. Required.
	Directory *Directory
	// ClientID and ClientSecret are the accepted API credential.
	ClientID, ClientSecret string
	// PageUsers and PageRoles are the largest numbers of users and roles on a page.
	// They default to OneLogin's limits, 50 and 650.
	PageUsers, PageRoles int
	// TokenLife is how long a token is valid. Defaults to 10 hours.
	TokenLife time.Duration
	// PerHour is the number of requests an hour. Defaults to 5,000; negative allows
	// any number.
	PerHour int

	sessions sessions
	requests allowance
}

// RevokeTokens makes all tokens invalid before their time.
func (o *OneLogin) RevokeTokens() { o.sessions.revoke() }

// ServeHTTP implements http.Handler.
func (o *OneLogin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.Directory.serve(w, r, o.answer)
}

func (o *OneLogin) answer(w http.ResponseWriter, r *http.Request, now time.Time) {
	if !o.allowed(w, now) {
		oneLoginRefuses(w, http.StatusTooManyRequests, "TooManyRequestsError", "rate limit exceeded")
		return
	}
	path := strings.Trim(r.URL.Path, "/")
	if path == "auth/oauth2/v2/token" {
		o.login(w, r, now)
		return
	}
	if token, ok := bearer(r); !ok || !o.sessions.good(token, now) {
		say(w, http.StatusUnauthorized, map[string]any{"message": "Unauthorized", "statusCode": 401, "name": "UnauthorizedError"})
		return
	}
	switch parts := strings.Split(path, "/"); {
	case r.Method != http.MethodGet:
		oneLoginRefuses(w, http.StatusMethodNotAllowed, "MethodNotAllowedError", "this account is read only")
	case path == "api/2/users":
		o.users(w, r)
	case path == "api/2/roles":
		o.roles(w, r)
	case len(parts) == 4 && strings.HasPrefix(path, "api/2/users/"):
		if u, ok := o.Directory.users.byID[parts[3]]; ok {
			o.say(w, o.user(u))
			return
		}
		oneLoginRefuses(w, http.StatusNotFound, "NotFoundError", "The resource with the given id could not be found")
	case len(parts) == 5 && strings.HasPrefix(path, "api/2/roles/") && parts[4] == "users":
		o.roleUsers(w, r, parts[3])
	default:
		oneLoginRefuses(w, http.StatusNotFound, "NotFoundError", "No Route Exists")
	}
}

// allowed counts a request and states what is left.
func (o *OneLogin) allowed(w http.ResponseWriter, now time.Time) bool {
	limit := o.PerHour
	if limit < 0 {
		return true
	}
	if limit == 0 {
		limit = 5000
	}
	left, next := o.requests.take(now, limit, time.Hour)
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(limit))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(left, 0)))
	w.Header().Set("X-RateLimit-Reset", strconv.Itoa(int(next.Sub(now).Seconds())))
	return left >= 0
}

func (o *OneLogin) login(w http.ResponseWriter, r *http.Request, now time.Time) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret, ok = strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "client_id:"), ",")
		secret = strings.TrimPrefix(strings.TrimSpace(secret), "client_secret:")
	}
	var form struct {
		GrantType string `json:"grant_type"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&form)
	switch {
	case r.Method != http.MethodPost || err != nil || form.GrantType != "client_credentials":
		oneLoginStatus(w, http.StatusBadRequest, "bad request", "grant_type is incorrect or absent")
	case !ok || id != o.ClientID || secret != o.ClientSecret || secret == "":
		oneLoginStatus(w, http.StatusUnauthorized, "Unauthorized", "Authentication Failure")
	default:
		life := o.TokenLife
		if life == 0 {
			life = 10 * time.Hour
		}
		say(w, http.StatusOK, map[string]any{
			"access_token": o.sessions.open(now, life), "created_at": now.Format(time.RFC3339), "expires_in": int(life.Seconds()),
			"refresh_token": "not used", "token_type": "bearer", "account_id": 1,
		})
	}
}

// oneLoginPage is the page that a query asks for.
type oneLoginPage struct{ number, limit int }

func (p oneLoginPage) cursor() string {
	text := fmt.Sprintf("limit=%d&sort=id&page=%d&sort_direction=asc", p.limit, p.number)
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// page parses the paging of a query. If it is wrong, page answers the request
// itself.
func (o *OneLogin) page(w http.ResponseWriter, query url.Values, most int) (p oneLoginPage, ok bool) {
	p = oneLoginPage{1, min(most, 50)}
	if cursor := query.Get("cursor"); cursor != "" {
		if query.Has("limit") || query.Has("page") || query.Has("sort") {
			oneLoginRefuses(w, http.StatusBadRequest, "BadRequestError", "Requests can only have cursor xor pagination arguments")
			return p, false
		}
		text, err := base64.StdEncoding.DecodeString(cursor)
		if err == nil {
			query, err = url.ParseQuery(string(text))
		}
		if err != nil || !query.Has("page") {
			oneLoginRefuses(w, http.StatusBadRequest, "BadRequestError", "Invalid pagination cursor")
			return p, false
		}
	}
	for name, value := range map[string]*int{"limit": &p.limit, "page": &p.number} {
		if !query.Has(name) {
			continue
		}
		n, err := strconv.Atoi(query.Get(name))
		if err != nil || n < 1 {
			oneLoginRefuses(w, http.StatusBadRequest, "BadRequestError", "Invalid "+name)
			return p, false
		}
		*value = n
	}
	p.limit = min(p.limit, most)
	return p, true
}

// headers states the position of a page in the list.
func (p oneLoginPage) headers(h http.Header, items, total int) {
	pages := (total + p.limit - 1) / p.limit
	h.Set("Total-Count", strconv.Itoa(total))
	h.Set("Total-Pages", strconv.Itoa(pages))
	h.Set("Current-Page", strconv.Itoa(p.number))
	h.Set("Page-Items", strconv.Itoa(items))
	h.Set("Cursor", url.QueryEscape(p.cursor()))
	if p.number < pages {
		h.Set("After-Cursor", url.QueryEscape(oneLoginPage{p.number + 1, p.limit}.cursor()))
	}
	if p.number > 1 {
		h.Set("Before-Cursor", url.QueryEscape(oneLoginPage{p.number - 1, p.limit}.cursor()))
	}
}

// oneLoginReduced are the fields of the list of users if the query does not name
// fields.
const oneLoginReduced = "id,username,email,firstname,lastname,phone,status,state,group_id,directory_id,external_id," +
	"samaccountname,distinguished_name,member_of,activated_at,created_at,updated_at,last_login,invitation_sent_at," +
	"invalid_login_attempts,locked_until,password_changed_at"

func (o *OneLogin) users(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	most := o.PageUsers
	if most == 0 {
		most = 50
	}
	p, ok := o.page(w, query, most)
	if !ok {
		return
	}
	fields := query.Get("fields")
	if fields == "" {
		fields = oneLoginReduced
	}
	all := &o.Directory.users
	if since := query.Get("updated_since"); since != "" {
		from, err := time.Parse(time.RFC3339, since)
		if err != nil {
			oneLoginRefuses(w, http.StatusBadRequest, "BadRequestError", "Invalid updated_since")
			return
		}
		changed := &shelf[sources.User]{}
		for _, u := range all.order {
			if !u.changed.at.Before(from) {
				changed.order = append(changed.order, u)
			}
		}
		all = changed
	}
	list := []map[string]any{}
	for _, u := range all.positions((p.number-1)*p.limit, p.limit) {
		whole := o.user(u)
		row := map[string]any{"id": whole["id"]}
		for name := range strings.SplitSeq(fields, ",") {
			if value, known := whole[strings.TrimSpace(name)]; known {
				row[strings.TrimSpace(name)] = value
			}
		}
		list = append(list, row)
	}
	p.headers(w.Header(), len(list), len(all.order))
	o.say(w, list)
}

func (o *OneLogin) roles(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	most := o.PageRoles
	if most == 0 {
		most = 650
	}
	p, ok := o.page(w, query, most)
	if !ok {
		return
	}
	all := &o.Directory.groups
	list := []map[string]any{}
	for _, g := range all.positions((p.number-1)*p.limit, p.limit) {
		row := map[string]any{"id": json.Number(g.id), "name": g.value.Name}
		for name := range strings.SplitSeq(query.Get("fields"), ",") {
			switch name {
			case "users":
				row["users"] = numbers(g.value.Members)
			case "apps", "admins":
				row[name] = []any{}
			}
		}
		list = append(list, row)
	}
	p.headers(w.Header(), len(list), len(all.order))
	o.say(w, list)
}

// roleUsers lists the members of one role.
func (o *OneLogin) roleUsers(w http.ResponseWriter, r *http.Request, id string) {
	g, ok := o.Directory.groups.byID[id]
	if !ok {
		oneLoginRefuses(w, http.StatusNotFound, "NotFoundError", "The resource with the given id could not be found")
		return
	}
	p, ok := o.page(w, r.URL.Query(), 650)
	if !ok {
		return
	}
	list := []map[string]any{}
	first := min((p.number-1)*p.limit, len(g.value.Members))
	for _, member := range g.value.Members[first:min(first+p.limit, len(g.value.Members))] {
		if u, known := o.Directory.users.byID[member]; known {
			list = append(list, map[string]any{
				"id": json.Number(member), "name": strings.TrimSpace(u.value.GivenName + " " + u.value.FamilyName),
				"username": u.value.UserName, "email": u.value.Email,
			})
		}
	}
	p.headers(w.Header(), len(list), len(g.value.Members))
	o.say(w, list)
}

// oneLoginStatuses are the numbers for the states of a user.
var oneLoginStatuses = map[sources.Status]int{sources.StatusActive: 1, sources.StatusInactive: 2, sources.StatusStaged: 0}

// user returns a user with all fields.
func (o *OneLogin) user(i *item[sources.User]) map[string]any {
	u := &i.value
	row := map[string]any{
		"id": json.Number(u.ID), "username": u.UserName, "email": u.Email, "firstname": u.GivenName, "lastname": u.FamilyName,
		"title": u.Title, "phone": u.Phone, "status": nil, "state": 1, "preferred_locale_code": orNull(u.Locale), "locale_code": nil,
		"department": attribute(u, "department"), "company": attribute(u, "company"),
		"manager_user_id": number(u.Manager.ID), "role_ids": numbers(o.Directory.groupOf[u.ID]),
		"created_at": i.created.at.Format(oneLoginTime), "updated_at": i.changed.at.Format(oneLoginTime),
		"activated_at": nil, "last_login": nil, "invitation_sent_at": nil, "invalid_login_attempts": 0,
		"locked_until": nil, "password_changed_at": nil, "comment": "", "openid_name": "", "trusted_idp_id": nil,
	}
	if number, known := oneLoginStatuses[u.Status]; known {
		row["status"] = number
	}
	for _, name := range [...]string{"status", "state", "group_id", "directory_id"} {
		if value := attribute(u, name); value != "" || row[name] == nil {
			row[name] = number(value)
		}
	}
	for _, name := range [...]string{"external_id", "samaccountname", "userprincipalname", "distinguished_name", "member_of", "manager_ad_id"} {
		row[name] = scalar(u.Attributes[name])
	}
	custom := map[string]any{}
	for name, value := range map[string]string{
		"private_email": u.PrivateEmail, "other_emails": strings.Join(u.OtherEmails, ","), "mobile_phone": u.MobilePhone,
		"phone_extension": u.PhoneExtension, "timezone": u.TimeZone, "country": u.Country, "state": u.State,
		"manager_email": u.Manager.Email, "manager_name": u.Manager.Name,
	} {
		if value != "" {
			custom[name] = value
		}
	}
	for name := range u.Attributes {
		if short, ok := strings.CutPrefix(name, "custom_attributes."); ok {
			custom[short] = scalar(u.Attributes[name])
		}
	}
	row["custom_attributes"] = custom
	return row
}

const oneLoginTime = "2006-01-02T15:04:05.000Z"

func (o *OneLogin) say(w http.ResponseWriter, value any) { say(w, http.StatusOK, value) }

// oneLoginRefuses answers with an error of version 2 of the API.
func oneLoginRefuses(w http.ResponseWriter, status int, name, description string) {
	say(w, status, map[string]any{"status": status, "error": name, "description": description})
}

// oneLoginStatus answers with an error of the token endpoint.
func oneLoginStatus(w http.ResponseWriter, status int, kind, message string) {
	say(w, status, map[string]any{"status": map[string]any{"error": true, "code": status, "type": kind, "message": message}})
}

// bearer returns the token of a request. OneLogin documents the scheme in lower
// case and accepts any.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "bearer")
}

// number returns an ID as a JSON number if it is one.
func number(id string) any {
	if id == "" {
		return nil
	}
	return json.Number(id)
}

func numbers(ids []string) []json.Number {
	list := make([]json.Number, len(ids))
	for i, id := range ids {
		list[i] = json.Number(id)
	}
	return list
}
