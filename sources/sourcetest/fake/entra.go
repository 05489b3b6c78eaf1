package fake

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/usher-go/usher/sources"
)

// Entra is a tenant of Microsoft Entra ID: Microsoft Graph v1.0, as far as it
// reads users and groups, and the login beside it. It is an http.Handler, safe
// for concurrent use.
//
// What is played, after Microsoft's documentation and what its clients found:
//
//   - POST /{tenant}/oauth2/v2.0/token with client credentials, and the OpenID
//     configuration that leads there. A token lives an hour. One that was revoked
//     is refused with a challenge that asks for claims.
//   - GET /v1.0/users, /users/{id or user name}, their manager, memberOf,
//     transitiveMemberOf, mailboxSettings and mailboxSettings/timeZone; /groups,
//     /groups/{id}, members and transitiveMembers. A member that is the ID of a
//     group is a nested group.
//   - $select, $top up to 999, $expand=manager (which makes pages of 100 at most),
//     $filter by userType; any other option is refused. A property that there is
//     not is refused. Pages go on by $skiptoken.
//   - /users/delta and /groups/delta, with parentheses or without: manager@delta
//     and members@delta, @removed in both senses, members of a large group in
//     parts on several pages, delta links that live for seven days and then give
//     syncStateNotFound, and 410 with Location after ForgetDeltas. What was never
//     set is absent. $expand, $top and $orderby are ignored.
//   - POST /v1.0/$batch with up to 20 requests, answered in another order, each
//     with a status of its own.
//   - An allowance of resource units in ten seconds, with Retry-After.
//   - Of objects that the application may not read, the ID alone. Of groups that
//     hide their members, none of them, and them to nobody, and no word about it.
//
// A user's zone is the one of the mailbox; who has none has no mailbox. Status
// staged is a guest who has not accepted. Country, state and the rest are those
// of the directory; there is no place for PrivateEmail, PhoneExtension,
// Manager.Email and Manager.Name. OtherEmails are aliases of the mailbox, but for
// those that the attribute otherMails has. An attribute of another name
// ("extension_1f_badge") is a property of that name.
type Entra struct {
	// Directory is the tenant's people and groups. Required.
	Directory *Directory
	// ClientID and ClientSecret are the application that may log in.
	ClientID, ClientSecret string
	// PageRows is the largest number of rows on a page of a list, DeltaRows on a page
	// of a delta, and DeltaMembers the largest number of members on a page of a
	// delta. They default to 999, 200 and 1,000. Microsoft documents no number for
	// deltas.
	PageRows, DeltaRows, DeltaMembers int
	// Unruly makes deltas do everything that they may do: empty pages, objects
	// repeated without their relations, users in parts on two pages, removed
	// objects in the first round, removals of what came back after it was reported
	// as present, and memberships of removed users.
	Unruly bool
	// TokenLife is how long a token is valid. Defaults to an hour.
	TokenLife time.Duration
	// Units is how many resource units ten seconds allow. Defaults to 8,000;
	// negative allows any number.
	Units int
	// Concurrent is the number of requests of a batch that are served; the others
	// are refused with a Retry-After of their own. 0 serves all.
	Concurrent int
	// Limited are the IDs of objects that the application may not read.
	Limited []string
	// Hidden are the IDs of groups that hide their members (visibility
	// HiddenMembership). They are listed without members, unless ReadsHidden says
	// that the application has the permission Member.Read.Hidden.
	Hidden      []string
	ReadsHidden bool
	// NoMailboxes says that the application may not read mailbox settings.
	NoMailboxes bool

	sessions  sessions
	units     allowance
	forgotten atomic.Int64
}

// RevokeTokens makes all tokens invalid before their time.
func (e *Entra) RevokeTokens() { e.sessions.revoke() }

// ForgetDeltas makes all delta links invalid: the next request to one is answered
// with 410.
func (e *Entra) ForgetDeltas() { e.forgotten.Add(1) }

// ServeHTTP implements http.Handler.
func (e *Entra) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.Directory.serve(w, r, e.answer)
}

func (e *Entra) answer(w http.ResponseWriter, r *http.Request, now time.Time) {
	path := strings.Trim(r.URL.Path, "/")
	switch {
	case strings.HasSuffix(path, "/oauth2/v2.0/token"):
		e.login(w, r, now)
		return
	case strings.HasSuffix(path, "/v2.0/.well-known/openid-configuration"):
		tenant := origin(r) + "/" + strings.TrimSuffix(path, "/v2.0/.well-known/openid-configuration")
		say(w, http.StatusOK, map[string]any{
			"issuer": tenant + "/v2.0", "authorization_endpoint": tenant + "/oauth2/v2.0/authorize", "token_endpoint": tenant + "/oauth2/v2.0/token",
		})
		return
	}
	w.Header().Set("request-id", "00000000-0000-0000-0000-000000000000")
	if token, ok := bearer(r); !ok || !e.sessions.good(token, now) {
		claims := base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"nbf":{"essential":true,"value":"` + strconv.FormatInt(now.Unix(), 10) + `"}}}`))
		w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="`+origin(r)+`/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="`+claims+`"`)
		graphRefuses(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.", now)
		return
	}
	if path == "v1.0/$batch" {
		e.batch(w, r, now)
		return
	}
	e.route(w, r, now)
}

func (e *Entra) login(w http.ResponseWriter, r *http.Request, now time.Time) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	refuse := func(status int, kind, description string, code int) {
		say(w, status, map[string]any{"error": kind, "error_description": description, "error_codes": []int{code}, "timestamp": now.Format(time.RFC3339)})
	}
	switch {
	case r.Method != http.MethodPost || r.PostFormValue("grant_type") != "client_credentials":
		refuse(http.StatusBadRequest, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.", 70003)
	case !strings.HasSuffix(r.PostFormValue("scope"), "/.default") && !strings.Contains(r.PostFormValue("scope"), "/.default "):
		refuse(http.StatusBadRequest, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid.", 1002012)
	case id != e.ClientID:
		refuse(http.StatusBadRequest, "unauthorized_client", "AADSTS700016: Application was not found in the directory.", 700016)
	case secret != e.ClientSecret || secret == "":
		refuse(http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided.", 7000215)
	default:
		life := e.TokenLife
		if life == 0 {
			life = time.Hour
		}
		seconds := int(life.Seconds())
		say(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": e.sessions.open(now, life)})
	}
}

// batch answers the requests of a batch one by one, in reverse order.
func (e *Entra) batch(w http.ResponseWriter, r *http.Request, now time.Time) {
	var asked struct {
		Requests []struct {
			ID     string `json:"id"`
			Method string `json:"method"`
			URL    string `json:"url"`
		} `json:"requests"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked)
	switch {
	case r.Method != http.MethodPost || err != nil || r.Header.Get("Content-Type") != "application/json":
		graphRefuses(w, http.StatusBadRequest, "BadRequest", "Invalid batch payload format.", now)
		return
	case len(asked.Requests) > 20:
		graphRefuses(w, http.StatusBadRequest, "MaximumValueExceeded", "Number of batch request steps exceeds the maximum value of 20.", now)
		return
	}
	type response struct {
		ID      string            `json:"id"`
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	}
	responses := make([]response, len(asked.Requests))
	for i, request := range asked.Requests {
		answer := recorder{header: make(http.Header)}
		inner, err := http.NewRequestWithContext(r.Context(), request.Method, origin(r)+"/v1.0"+request.URL, http.NoBody)
		switch {
		case err != nil:
			graphRefuses(&answer, http.StatusBadRequest, "BadRequest", "Invalid request URL.", now)
		case e.Concurrent > 0 && i >= e.Concurrent:
			answer.header.Set("Retry-After", "1")
			graphRefuses(&answer, http.StatusTooManyRequests, "ApplicationThrottled", "Application is over its concurrency limit.", now)
		default:
			inner.Host = r.Host
			e.route(&answer, inner, now)
		}
		header := make(map[string]string)
		for name, values := range answer.header {
			header[name] = values[0]
		}
		responses[len(responses)-1-i] = response{request.ID, answer.status, header, bytes.Clone(answer.body.Bytes())}
	}
	say(w, http.StatusOK, map[string]any{"responses": responses})
}

// route answers a GET request.
func (e *Entra) route(w http.ResponseWriter, r *http.Request, now time.Time) {
	path, isGraph := strings.CutPrefix(strings.Trim(r.URL.Path, "/"), "v1.0/")
	parts := strings.Split(strings.TrimSuffix(path, "()"), "/")
	if !isGraph || r.Method != http.MethodGet {
		graphRefuses(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment, or it is read only.", now)
		return
	}
	if !e.allowed(w, parts, r.URL.Query(), now) {
		graphRefuses(w, http.StatusTooManyRequests, "TooManyRequests", "Too many requests.", now)
		return
	}
	q, err := readGraphQuery(r.URL.Query())
	if err != nil {
		graphRefuses(w, http.StatusBadRequest, "BadRequest", err.Error(), now)
		return
	}
	d := e.Directory
	under := strings.Join(parts[min(2, len(parts)):], "/")
	missing := func() {
		graphRefuses(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource '"+parts[1]+"' does not exist or one of its queried reference-property objects are not present.", now)
	}
	switch {
	case path == "users/delta" || path == "users/delta()":
		e.deltaUsers(w, r, q, now)
	case path == "groups/delta" || path == "groups/delta()":
		e.deltaGroups(w, r, q, now)
	case path == "users":
		graphList(w, r, e.PageRows, q, d.users.order, itemID, func(i *item[sources.User]) any { return e.listed(i, q) })
	case path == "groups":
		graphList(w, r, e.PageRows, q, d.groups.order, itemID, func(i *item[sources.Group]) any { return pick(e.group(i), q.selected, graphGroupDefault) })
	case parts[0] == "users":
		if u := e.find(parts[1]); u != nil {
			e.user(w, r, u, under, q, now)
			return
		}
		missing()
	case parts[0] == "groups":
		if g, ok := d.groups.byID[strings.ToLower(parts[1])]; ok {
			e.groupUnder(w, r, g, under, q, now)
			return
		}
		missing()
	default:
		graphRefuses(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment.", now)
	}
}

// groupUnder answers requests below one group.
func (e *Entra) groupUnder(w http.ResponseWriter, r *http.Request, g *item[sources.Group], what string, q graphQuery, now time.Time) {
	same := func(id string) string { return id }
	switch what {
	case "":
		say(w, http.StatusOK, pick(e.group(g), q.selected, graphGroupDefault))
	case "members":
		graphList(w, r, e.PageRows, q, e.shown(g), same, func(id string) any { return e.member(id, q) })
	case "transitiveMembers":
		graphList(w, r, e.PageRows, q, e.everybodyIn(g), same, func(id string) any { return e.member(id, q) })
	default:
		graphRefuses(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment.", now)
	}
}

// find finds a user by ID or user name.
func (e *Entra) find(key string) *item[sources.User] {
	if u, ok := e.Directory.users.byID[key]; ok {
		return u
	}
	for _, u := range e.Directory.users.order {
		if u.value.UserName != "" && strings.EqualFold(u.value.UserName, key) {
			return u
		}
	}
	return nil
}

// user answers requests below one user.
func (e *Entra) user(w http.ResponseWriter, r *http.Request, u *item[sources.User], what string, q graphQuery, now time.Time) {
	missing := func(code, message string) { graphRefuses(w, http.StatusNotFound, code, message, now) }
	switch what {
	case "":
		say(w, http.StatusOK, e.listed(u, q))
	case "manager":
		manager, ok := e.Directory.users.byID[u.value.Manager.ID]
		if !ok {
			missing("Request_ResourceNotFound", "Resource 'manager' does not exist or one of its queried reference-property objects are not present.")
			return
		}
		say(w, http.StatusOK, typed(userType, e.listed(manager, graphQuery{selected: q.selected})))
	case "memberOf", "transitiveMemberOf":
		in := e.groupsAround(u.id, what == "transitiveMemberOf")
		graphList(w, r, e.PageRows, q, in, func(id string) string { return id }, func(id string) any {
			return typed(groupType, pick(e.group(e.Directory.groups.byID[id]), q.selected, graphGroupDefault))
		})
	case "mailboxSettings", "mailboxSettings/timeZone":
		switch {
		case e.NoMailboxes:
			graphRefuses(w, http.StatusForbidden, "ErrorAccessDenied", "Access is denied. Check credentials and try again.", now)
		case u.value.TimeZone == "":
			missing("MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.")
		case what == "mailboxSettings":
			say(w, http.StatusOK, map[string]any{"timeZone": u.value.TimeZone})
		default:
			say(w, http.StatusOK, map[string]any{"value": u.value.TimeZone})
		}
	default:
		graphRefuses(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment.", now)
	}
}

const (
	userType  = "#microsoft.graph.user"
	groupType = "#microsoft.graph.group"
)

func typed(kind string, object map[string]any) map[string]any {
	object["@odata.type"] = kind
	return object
}

// member renders a member of a group: a user, or a nested group.
func (e *Entra) member(id string, q graphQuery) any {
	if u, ok := e.Directory.users.byID[id]; ok {
		return typed(userType, e.listed(u, q))
	}
	if g, ok := e.Directory.groups.byID[id]; ok {
		return typed(groupType, pick(e.group(g), q.selected, graphGroupDefault))
	}
	return map[string]any{"@odata.type": "#microsoft.graph.device", "id": id}
}

// hides reports whether a group hides its members from the application.
func (e *Entra) hides(group string) bool { return !e.ReadsHidden && slices.Contains(e.Hidden, group) }

// shown returns the members of a group that the application may see.
func (e *Entra) shown(g *item[sources.Group]) []string {
	if e.hides(g.id) {
		return nil
	}
	return g.value.Members
}

// everybodyIn returns the members of a group and of its nested groups, each once,
// in order.
func (e *Entra) everybodyIn(g *item[sources.Group]) []string {
	nested := slices.ContainsFunc(e.shown(g), func(id string) bool { return e.Directory.groups.byID[id] != nil })
	if !nested {
		return e.shown(g)
	}
	found := make(map[string]bool)
	var enter func(*item[sources.Group])
	enter = func(g *item[sources.Group]) {
		for _, id := range e.shown(g) {
			if !found[id] {
				found[id] = true
				if inner, ok := e.Directory.groups.byID[id]; ok {
					enter(inner)
				}
			}
		}
	}
	enter(g)
	return slices.SortedFunc(slices.Values(sortedKeys(found)), compareIDs)
}

// groupsAround returns the groups that a user or group is in, in order.
func (e *Entra) groupsAround(id string, transitive bool) []string {
	direct := slices.DeleteFunc(slices.Clone(e.Directory.groupOf[id]), e.hides)
	if !transitive {
		return direct
	}
	found := make(map[string]bool)
	var enter func([]string)
	enter = func(groups []string) {
		for _, group := range groups {
			if !found[group] {
				found[group] = true
				enter(slices.DeleteFunc(slices.Clone(e.Directory.groupOf[group]), e.hides))
			}
		}
	}
	enter(direct)
	return slices.SortedFunc(slices.Values(sortedKeys(found)), compareIDs)
}

// graphUnits is the cost of a request, by the last part of its path.
var graphUnits = map[string]int{"users": 2, "groups": 3, "members": 3, "transitiveMembers": 5, "memberOf": 3, "transitiveMemberOf": 3, "delta": 1}

// allowed counts a request and states its cost.
func (e *Entra) allowed(w http.ResponseWriter, parts []string, query url.Values, now time.Time) bool {
	cost, listed := graphUnits[parts[len(parts)-1]]
	if !listed {
		cost = 1
	}
	if query.Has("$select") {
		cost--
	}
	if query.Has("$expand") {
		cost++
	}
	cost = max(cost, 1)
	w.Header().Set("x-ms-resource-unit", strconv.Itoa(cost))
	limit := e.Units
	if limit < 0 {
		return true
	}
	if limit == 0 {
		limit = 8000
	}
	var left int
	var next time.Time
	for range cost {
		left, next = e.units.take(now, limit, 10*time.Second)
	}
	if used := float64(limit-left) / float64(limit); used > 0.8 {
		w.Header().Set("x-ms-throttle-limit-percentage", fmt.Sprintf("%.2f", min(used, 1.8)))
	}
	if left < 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(next.Sub(now).Seconds())+1))
	}
	return left >= 0
}

// graphRefuses answers with an error in Graph's form.
func graphRefuses(w http.ResponseWriter, status int, code, message string, now time.Time) {
	say(w, status, map[string]any{"error": map[string]any{
		"code": code, "message": message,
		"innerError": map[string]any{"date": now.Format("2006-01-02T15:04:05"), "request-id": "00000000-0000-0000-0000-000000000000", "client-request-id": "00000000-0000-0000-0000-000000000000"},
	}})
}

// graphToken is the content of a $skiptoken or a $deltatoken.
type graphToken struct {
	Of       string    `json:"of"`                 // the collection
	From     int64     `json:"from"`               // the round has the changes after this one
	To       int64     `json:"to"`                 // up to this one
	After    string    `json:"after"`              // the last row so far
	Member   string    `json:"member,omitempty"`   // the last member of that row so far
	Part     bool      `json:"part,omitempty"`     // that row has more members
	Blank    bool      `json:"blank,omitempty"`    // this page is empty
	Selected []string  `json:"selected,omitempty"` // the properties of the first request
	Given    time.Time `json:"given"`
	Epoch    int64     `json:"epoch"`
	First    bool      `json:"first,omitempty"` // the round began without a token
}

func (t graphToken) String() string {
	data, _ := json.Marshal(t) // always has a JSON form
	return base64.RawURLEncoding.EncodeToString(data)
}

func readGraphToken(text string) (t graphToken, ok bool) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	return t, err == nil && json.NewDecoder(io.LimitReader(bytes.NewReader(data), 1<<16)).Decode(&t) == nil
}
