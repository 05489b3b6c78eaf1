package fake

import (
	"crypto"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/usher-go/usher/sources"
)

// Okta is an Okta org: its management API, as far as it reads users, groups, the
// users of an app, admin roles and the System Log, and the token endpoint of the
// org's own authorization server. It is an http.Handler, safe for concurrent use.
//
// What is played, after Okta's documentation and recordings of its answers:
//
//   - Authorization: SSWS <Token>; or POST /oauth2/v1/token with private_key_jwt,
//     whose tokens live an hour and reach as far as their scopes. With DPoP, the
//     token endpoint demands a proof and a nonce, binds the token to the key of
//     the proof, and takes no proof twice (RFC 9449).
//   - GET /api/v1/users, /users/me, /users/{id or login}, /users/{id}/groups,
//     /users/{id}/roles, /groups, /groups/{id}, /groups/{id}/users, /apps/{id},
//     /apps/{id}/users, /apps/{id}/users/{id}, /logs, /oauth2/v1/clients/{id}/roles.
//   - Pages by limit, capped, and an opaque after. The links self and next stand
//     in header lines of their own.
//   - Users of status DEPROVISIONED are left out, unless filter or search is
//     given. filter knows few attributes, search all; both know and, or and
//     parentheses.
//   - filter on groups by id, type, lastUpdated and lastMembershipUpdated. The
//     latter moves with the members, the former with all else.
//   - The log of users who were deleted, of groups that were, of users who were
//     taken off an app, and of groups that were. Its list has a next link even on an empty page,
//     unless until is given.
//   - X-Rate-Limit-Limit, -Remaining and -Reset (in seconds of Unix time) on every
//     answer, a bucket for each endpoint, and 429 with E0000047.
//   - Errors as errorCode, errorSummary, errorLink, errorId, errorCauses.
//
// Profile attributes that Okta has no base attribute for stand under privateEmail,
// primaryPhoneExt and managerEmail; attributes that begin with "app." are those of
// the profile that a user has in an app.
type Okta struct {
	// Directory is the org's people and groups. Required.
	Directory *Directory
	// Token is the API token that is accepted as SSWS; "" accepts none.
	Token string
	// ClientID and ClientKey, an RSA or ECDSA public key, are the service app that
	// may log in with private_key_jwt; an empty ClientID means none.
	ClientID  string
	ClientKey crypto.PublicKey
	// DPoP says that the service app's tokens must be bound to a key.
	DPoP bool
	// Scopes are the scopes that were granted to the service app. Nil means all.
	Scopes []string
	// Roles are the admin roles of the credential's owner. Nil means
	// READ_ONLY_ADMIN.
	Roles []string
	// Apps maps the ID of an app to the IDs of the users and groups that it is
	// assigned to at first (see Assign). A nil list assigns it to everybody at all
	// times.
	Apps map[string][]string
	// PageRows is the largest number of rows on any page. Defaults to Okta's
	// limits: 200 users, 10,000 groups, 1,000 members of a group, 500 users of an
	// app, 1,000 events.
	PageRows int
	// TokenLife is how long an access token is valid. Defaults to 1 hour.
	TokenLife time.Duration
	// PerMinute is the number of requests a minute in each bucket. Defaults to 600;
	// negative allows any number.
	PerMinute int

	sessions    sessions
	revoked     revocable
	oauth       oktaOAuth
	assignments []assignment // all since the beginning; guarded by the lock of Directory
	mu          sync.Mutex
	buckets     map[string]*allowance
}

// RevokeTokens makes all access tokens invalid before their time, and the API token
// for good.
func (o *Okta) RevokeTokens() {
	o.sessions.revoke()
	o.revoked.revoke()
}

// An assignment says that a user or a group got an app or lost it.
type assignment struct {
	stamp
	app, id string
	in      bool
}

// Assign assigns an app to users or groups, by ID.
func (o *Okta) Assign(app string, ids ...string) { o.assign(app, ids, true) }

// Unassign takes an app from users or groups, by ID. For a group, the System Log
// reports the group and not its users.
func (o *Okta) Unassign(app string, ids ...string) { o.assign(app, ids, false) }

func (o *Okta) assign(app string, ids []string, in bool) {
	d := o.Directory
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		now := d.tick()
		had := o.assigned(app, id, nil, now.seq)
		o.assignments = append(o.assignments, assignment{now, app, id, in})
		switch group := d.groups.byID[id]; {
		case in || !had:
		case group != nil:
			d.moves.add(move{stamp: now, kind: unassigned, app: app, group: id})
		default:
			d.moves.add(move{stamp: now, kind: unassigned, app: app, user: id, still: slices.Clone(d.groupOf[id])})
		}
	}
}

// ServeHTTP implements http.Handler.
func (o *Okta) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.Directory.serve(w, r, o.answer)
}

func (o *Okta) answer(w http.ResponseWriter, r *http.Request, now time.Time) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 3 {
		oktaNotFound(w, r.URL.Path)
		return
	}
	if !o.allowed(w, parts[2], now) {
		oktaRefuses(w, http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.")
		return
	}
	if r.URL.Path == oktaTokenPath {
		o.login(w, r, now)
		return
	}
	scope := map[string]string{"users": "okta.users.read", "groups": "okta.groups.read", "apps": "okta.apps.read", "logs": "okta.logs.read", "clients": "okta.roles.read"}[parts[2]]
	if parts[len(parts)-1] == "roles" {
		scope = "okta.roles.read"
	}
	switch status, allowed := o.authorized(w, r, scope, now), strings.Join(parts[:2], "/"); {
	case status == http.StatusUnauthorized:
		oktaRefuses(w, status, "E0000011", "Invalid token provided")
	case status == http.StatusForbidden:
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		oktaRefuses(w, status, "E0000006", "You do not have permission to perform the requested action")
	case r.Method != http.MethodGet:
		oktaRefuses(w, http.StatusMethodNotAllowed, "E0000022", "The endpoint does not support the provided HTTP method")
	case allowed == "api/v1" || allowed == "oauth2/v1":
		o.read(w, r, parts[2:], now)
	default:
		oktaNotFound(w, r.URL.Path)
	}
}

// allowed counts a request and states what is left in its bucket.
func (o *Okta) allowed(w http.ResponseWriter, bucket string, now time.Time) bool {
	limit := o.PerMinute
	if limit < 0 {
		return true
	}
	if limit == 0 {
		limit = 600
	}
	o.mu.Lock()
	if o.buckets == nil {
		o.buckets = make(map[string]*allowance)
	}
	if o.buckets[bucket] == nil {
		o.buckets[bucket] = new(allowance)
	}
	requests := o.buckets[bucket]
	o.mu.Unlock()
	left, next := requests.take(now, limit, time.Minute)
	w.Header().Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
	w.Header().Set("X-Rate-Limit-Remaining", strconv.Itoa(max(left, 0)))
	w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(next.Unix()+1, 10))
	return left >= 0
}

// read answers a GET request with a valid credential.
func (o *Okta) read(w http.ResponseWriter, r *http.Request, parts []string, now time.Time) {
	d := o.Directory
	id, sub := "", ""
	if len(parts) > 1 {
		id = parts[1]
	}
	if len(parts) > 2 {
		sub = parts[2]
	}
	switch shape := fmt.Sprint(parts[0], " ", len(parts), " ", sub); shape {
	case "users 1 ":
		o.users(w, r)
	case "users 2 ":
		if id == "me" {
			if strings.HasPrefix(r.Header.Get("Authorization"), "SSWS ") {
				say(w, http.StatusOK, oktaAdmin)
				return
			}
			oktaNotFound(w, "me (User)")
			return
		}
		if u := o.byIDOrLogin(id); u != nil {
			say(w, http.StatusOK, o.user(r, u, false))
			return
		}
		oktaNotFound(w, id+" (User)")
	case "users 3 groups":
		if d.users.byID[id] == nil {
			oktaNotFound(w, id+" (User)")
			return
		}
		var groups []*item[sources.Group]
		for _, group := range d.groupOf[id] {
			groups = append(groups, d.groups.byID[group])
		}
		oktaList(w, r, o, groups, 200, 200, itemID, nil, func(g *item[sources.Group]) any { return o.group(r, g) })
	case "users 3 roles", "clients 3 roles":
		if parts[0] == "users" && id != oktaAdmin["id"] || parts[0] == "clients" && id != o.ClientID {
			oktaNotFound(w, id)
			return
		}
		say(w, http.StatusOK, o.roles())
	case "groups 1 ":
		o.groups(w, r)
	case "groups 2 ", "groups 3 users":
		g := d.groups.byID[id]
		if g == nil {
			oktaNotFound(w, id+" (UserGroup)")
			return
		}
		if sub == "" {
			say(w, http.StatusOK, o.group(r, g))
			return
		}
		known := func(id string) bool { return d.users.byID[id] != nil }
		oktaList(w, r, o, g.value.Members, 1000, 1000, func(id string) string { return id }, known, func(id string) any { return o.user(r, d.users.byID[id], false) })
	case "apps 2 ", "apps 3 users", "apps 4 users":
		if _, known := o.Apps[id]; !known {
			oktaNotFound(w, id+" (AppInstance)")
			return
		}
		o.app(w, r, id, parts[2:])
	case "logs 1 ":
		o.logs(w, r, now)
	default:
		oktaNotFound(w, r.URL.Path)
	}
}

// oktaAdmin is the user who owns the API token. The directory does not have this
// user.
var oktaAdmin = map[string]any{"id": "00uadmin00000000fake", "status": "ACTIVE", "profile": map[string]any{"login": "admin@okta.example"}}

func (o *Okta) byIDOrLogin(id string) *item[sources.User] {
	if u := o.Directory.users.byID[id]; u != nil {
		return u
	}
	for _, u := range o.Directory.users.order {
		if u.value.UserName != "" && strings.EqualFold(u.value.UserName, id) {
			return u
		}
	}
	return nil
}

// oktaList answers with the page of a list after the ID in the parameter after. It
// lists the rows for which keep returns true, or all if keep is nil.
func oktaList[T any](w http.ResponseWriter, r *http.Request, o *Okta, all []T, usual, most int, id func(T) string, keep func(T) bool, render func(T) any) {
	query := r.URL.Query()
	limit := usual
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil || n < 1 {
			oktaRefuses(w, http.StatusBadRequest, "E0000001", "Api validation failed: limit")
			return
		}
		limit = min(n, most)
	}
	if o.PageRows > 0 {
		limit = min(limit, o.PageRows)
	}
	first := 0
	if after := query.Get("after"); after != "" {
		at, found := slices.BinarySearchFunc(all, after, func(row T, after string) int { return compareIDs(id(row), after) })
		if first = at; found {
			first++
		}
	}
	rows := make([]any, 0, min(limit, len(all)-first))
	last, more := "", false
	for _, row := range all[first:] {
		if keep != nil && !keep(row) {
			continue
		}
		if more = len(rows) == limit; more {
			break
		}
		rows, last = append(rows, render(row)), id(row)
	}
	oktaLink(w, r, query.Get("after"), "self")
	if more {
		oktaLink(w, r, last, "next")
	}
	say(w, http.StatusOK, rows)
}

// oktaLink adds a link to the same list.
func oktaLink(w http.ResponseWriter, r *http.Request, after, rel string) {
	query := r.URL.Query()
	if query.Del("after"); after != "" {
		query.Set("after", after)
	}
	u := *r.URL
	u.RawQuery = query.Encode()
	w.Header().Add("Link", fmt.Sprintf(`<%s%s>; rel="%s"`, origin(r), u.RequestURI(), rel))
}

func (o *Okta) users(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var expression oktaExpression = func(get func(string) []string) bool { return !slices.Contains(get("status"), "DEPROVISIONED") }
	if text := query.Get("q"); text != "" {
		expression = func(get func(string) []string) bool {
			return slices.ContainsFunc([]string{"profile.firstName", "profile.lastName", "profile.email"}, func(name string) bool {
				return slices.ContainsFunc(get(name), func(v string) bool { return strings.HasPrefix(strings.ToLower(v), strings.ToLower(text)) })
			})
		}
	}
	for name, attributes := range map[string][]string{"filter": oktaUserFilter, "search": nil} {
		if !query.Has(name) {
			continue
		}
		var err error
		if expression, err = parseOkta(query.Get(name), attributes); err != nil {
			oktaRefuses(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.")
			return
		}
	}
	keep := func(u *item[sources.User]) bool {
		return expression(func(name string) []string { return oktaUserValue(u, name) })
	}
	omit := strings.Contains(r.Header.Get("Content-Type"), "omitCredentials")
	oktaList(w, r, o, o.Directory.users.order, 200, 200, itemID, keep, func(u *item[sources.User]) any { return o.user(r, u, omit) })
}

func (o *Okta) groups(w http.ResponseWriter, r *http.Request) {
	expression, _ := parseOkta("", nil)
	for name, attributes := range map[string][]string{"filter": oktaGroupFilter, "search": nil} {
		var err error
		if text := r.URL.Query().Get(name); text == "" {
			continue
		} else if expression, err = parseOkta(text, attributes); err != nil {
			oktaRefuses(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.")
			return
		}
	}
	keep := func(g *item[sources.Group]) bool {
		return expression(func(name string) []string { return oktaGroupValue(g, name) })
	}
	oktaList(w, r, o, o.Directory.groups.order, 10_000, 10_000, itemID, keep, func(g *item[sources.Group]) any { return o.group(r, g) })
}

// app answers requests about an app and its users.
func (o *Okta) app(w http.ResponseWriter, r *http.Request, id string, parts []string) {
	d := o.Directory
	switch {
	case len(parts) == 0:
		say(w, http.StatusOK, map[string]any{"id": id, "name": "usher", "label": "Usher", "status": "ACTIVE", "signOnMode": "SAML_2_0"})
	case len(parts) == 2:
		u := d.users.byID[parts[1]]
		if u == nil || !o.assigned(id, u.id, d.groupOf[u.id], d.seq) {
			oktaNotFound(w, parts[1]+" (AppUser)")
			return
		}
		say(w, http.StatusOK, o.appUser(r, id, u))
	default:
		keep := func(u *item[sources.User]) bool { return o.assigned(id, u.id, d.groupOf[u.id], d.seq) }
		oktaList(w, r, o, d.users.order, 50, 500, itemID, keep, func(u *item[sources.User]) any { return o.appUser(r, id, u) })
	}
}

// assigned reports whether a user who is in some groups has the app after a change.
func (o *Okta) assigned(app, user string, groups []string, after int64) bool {
	first := o.Apps[app]
	if first == nil {
		return true
	}
	return slices.ContainsFunc(append([]string{user}, groups...), func(id string) bool {
		in := slices.Contains(first, id)
		for _, a := range o.assignments {
			if a.app == app && a.id == id && a.seq <= after {
				in = a.in
			}
		}
		return in
	})
}

// logs lists the events of the System Log.
func (o *Okta) logs(w http.ResponseWriter, r *http.Request, now time.Time) {
	query := r.URL.Query()
	since, until := now.Add(-7*24*time.Hour), now
	for name, t := range map[string]*time.Time{"since": &since, "until": &until} {
		if text := query.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				oktaRefuses(w, http.StatusBadRequest, "E0000001", "Api validation failed: "+name)
				return
			}
			*t = at
		}
	}
	expression, err := parseOkta(query.Get("filter"), nil)
	if err != nil {
		oktaRefuses(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.")
		return
	}
	limit := 100
	if n, err := strconv.Atoi(query.Get("limit")); err == nil && n > 0 {
		limit = min(n, 1000)
	}
	if o.PageRows > 0 {
		limit = min(limit, o.PageRows)
	}
	after, err := strconv.Atoi(query.Get("after"))
	if err != nil && query.Has("after") {
		oktaRefuses(w, http.StatusBadRequest, "E0000001", "Api validation failed: after")
		return
	}
	events := []any{}
	next := after
	for n, left := range o.Directory.moves.log {
		if n < after || len(events) >= limit {
			continue
		}
		next = n + 1
		for _, event := range o.events(n, left) {
			if !left.at.Before(since) && !left.at.After(until) && expression(func(name string) []string {
				return map[string][]string{"eventType": {event["eventType"].(string)}}[name]
			}) {
				events = append(events, event)
			}
		}
	}
	oktaLink(w, r, query.Get("after"), "self")
	if !query.Has("until") || next < len(o.Directory.moves.log) {
		oktaLink(w, r, strconv.Itoa(next), "next")
	}
	say(w, http.StatusOK, events)
}

// events returns the events of the System Log for a move.
func (o *Okta) events(n int, what move) []map[string]any {
	event := func(kind string, targets ...any) map[string]any {
		return map[string]any{
			"uuid": fmt.Sprintf("00000000-0000-0000-0000-%012d", n), "published": oktaTime(what.at), "eventType": kind, "version": "0", "severity": "INFO",
			"actor":   map[string]any{"id": oktaAdmin["id"], "type": "User", "alternateId": "admin@okta.example"},
			"outcome": map[string]any{"result": "SUCCESS", "reason": nil}, "target": targets,
		}
	}
	target := func(id, kind string) any {
		return map[string]any{"id": id, "type": kind, "alternateId": "unknown", "displayName": "unknown", "detailEntry": nil}
	}
	user, group := target(what.user, "User"), target(what.group, "UserGroup")
	var events []map[string]any
	switch {
	case what.kind == userGone:
		events = append(events, event("user.lifecycle.delete.completed", user))
	case what.kind == groupGone:
		events = append(events, event("group.lifecycle.delete", group))
	case what.kind == memberOut:
		events = append(events, event("group.user_membership.remove", user, group))
	case what.kind == unassigned && what.group != "":
		events = append(events, event("group.application_assignment.remove", group, target(what.app, "AppInstance")))
	}
	for _, app := range sortedKeys(o.Apps) {
		byUser, byGroup := what.kind == unassigned && what.user != "", what.kind == memberOut && o.assigned(app, what.group, nil, what.seq)
		if (byUser && app == what.app || byGroup) && !o.assigned(app, what.user, what.still, what.seq) {
			events = append(events, event("application.user_membership.remove", target("0ua"+what.user, "AppUser"), target(app, "AppInstance"), user))
		}
	}
	return events
}

// roles returns the admin roles of the credential.
func (o *Okta) roles() []any {
	roles := o.Roles
	if roles == nil {
		roles = []string{"READ_ONLY_ADMIN"}
	}
	list := make([]any, len(roles))
	for i, role := range roles {
		list[i] = map[string]any{"id": "ra" + strconv.Itoa(i), "type": role, "label": role, "status": "ACTIVE", "assignmentType": "USER"}
	}
	return list
}

func oktaNotFound(w http.ResponseWriter, what string) {
	oktaRefuses(w, http.StatusNotFound, "E0000007", "Not found: Resource not found: "+what)
}

func oktaRefuses(w http.ResponseWriter, status int, code, summary string) {
	say(w, status, map[string]any{"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oaeFakeFakeFakeFake", "errorCauses": []any{}})
}

func oktaTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
