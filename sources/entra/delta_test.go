package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// fixed is a credential with one token.
type fixed string

func (f fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(f), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// A script maps the path and query below the version, or the path alone, to Graph's
// answer. Other requests get 404. An answer that begins with a number has that
// status.
type script struct {
	answers  map[string]string
	requests []string // in order; those of a batch indented
}

const host = "http://127.0.0.1:1"

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	at := strings.TrimPrefix(req.URL.RequestURI(), "/v1.0")
	s.requests = append(s.requests, req.Method+" "+at)
	status, body := 200, ""
	if at == "/$batch" {
		var batch struct{ Requests []struct{ ID, URL string } }
		if err := json.NewDecoder(req.Body).Decode(&batch); err != nil {
			return nil, err
		}
		var responses []map[string]any
		for _, r := range batch.Requests {
			s.requests = append(s.requests, "  "+r.URL)
			status, body := s.find(r.URL)
			responses = append(responses, map[string]any{"id": r.ID, "status": status, "body": json.RawMessage(body)})
		}
		slices.Reverse(responses)
		text, err := json.Marshal(map[string]any{"responses": responses})
		if err != nil {
			return nil, err
		}
		body = string(text)
	} else {
		status, body = s.find(at)
	}
	return resttest.JSON(status, body), nil
}

func (s *script) find(at string) (int, string) {
	path, _, _ := strings.Cut(at, "?")
	body, ok := s.answers[at]
	if !ok {
		body, ok = s.answers[path]
	}
	if !ok {
		return 404, `{"error": {"code": "Request_ResourceNotFound", "message": "no such thing"}}`
	}
	status := 200
	if _, err := fmt.Sscanf(body, "%d ", &status); err == nil {
		body = body[4:]
	}
	return status, body
}

// scripted returns a source that reads a script.
func scripted(t *testing.T, cfg Config, answers map[string]string) (*Source, *script) {
	t.Helper()
	s := &script{answers: answers}
	cfg.URL, cfg.Transport, cfg.Credential, cfg.Attempts = host, s, fixed("token"), 1
	return source(t, cfg), s
}

const (
	groupsEnd = `{"value": [], "@odata.deltaLink": "` + host + `/v1.0/groups/delta?$deltatoken=g"}`
	usersEnd  = `"@odata.deltaLink": "` + host + `/v1.0/users/delta?$deltatoken=u"}`
	groupEnd  = `"@odata.deltaLink": "` + host + `/v1.0/groups/delta?$deltatoken=g"}`
)

// at returns a cursor of a source whose rounds continue at u and g.
func at(src *Source) sources.Cursor {
	return sources.Cursor(cursor{Config: src.config, Users: host + "/v1.0/users/delta?$deltatoken=u", Groups: host + "/v1.0/groups/delta?$deltatoken=g"}.String())
}

// told lists changes in a short form.
func told(t *testing.T, src *Source, after sources.Cursor) ([]string, error) {
	t.Helper()
	var lines []string
	for c, err := range src.Changes(t.Context(), after) {
		switch {
		case err != nil:
			return lines, err
		case c.User != nil:
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", c.User.ID, c.User.Status, c.User.Title, c.User.Manager.ID)))
		case c.Group != nil:
			lines = append(lines, fmt.Sprintf("%s %s %s", c.Group.ID, c.Group.Name, c.Group.Members))
		case c.Next != "":
			lines = append(lines, "next")
		default:
			lines = append(lines, "-"+c.UserRemoved+c.GroupRemoved)
		}
	}
	return lines, nil
}

func user(id, more string) string {
	return `{"id": "` + id + `", "userPrincipalName": "` + id + `@x", "accountEnabled": true, "userType": "Member"` + more + `}`
}

// The first round: empty pages; objects repeated without their manager; users
// removed in both senses, before and after they are reported; parts of a group on
// three pages, in disorder; members who are no users or not listed.
func TestFirstRound(t *testing.T) {
	next := func(of, token string) string {
		return `"@odata.nextLink": "` + host + `/v1.0/` + of + `/delta?$skiptoken=` + token + `"}`
	}
	link := func(id string) string { return `{"@odata.type": "#microsoft.graph.user", "id": "` + id + `"}` }
	gone := func(id string) string {
		return `{"@odata.type": "#microsoft.graph.user", "id": "` + id + `", "@removed": {"reason": "deleted"}}`
	}
	src, s := scripted(t, Config{}, map[string]string{
		"/users/delta": `{"value": [], ` + next("users", "1"),
		"/users/delta?$skiptoken=1": `{"value": [{"id": "z", "@removed": {"reason": "changed"}}, ` + user("a", `, "jobTitle": "CEO"`) + `, ` +
			user("b", `, "manager@delta": [`+link("a")+`]`) + `, ` + user("d", "") + `], ` + next("users", "2"),
		"/users/delta?$skiptoken=2": `{"value": [], ` + next("users", "3"),
		"/users/delta?$skiptoken=3": `{"value": [` + user("b", `, "jobTitle": "Clerk"`) + `, {"id": "d", "@removed": {"reason": "deleted"}}, ` +
			`{"id": "guest", "userPrincipalName": "g", "accountEnabled": true, "userType": "Guest"}, {"id": "hidden"}, ` + user("y", "") + `], ` + usersEnd,
		"/groups/delta": `{"value": [{"id": "G", "displayName": "Sales", "members@delta": [` + link("a") + `, ` + link("guest") + `, ` + link("d") + `, ` + link("nobody") + `]}], ` + next("groups", "1"),
		"/groups/delta?$skiptoken=1": `{"value": [{"id": "H", "displayName": "Empty"}, {"id": "K", "@removed": {"reason": "changed"}}, {"id": "G", "members@delta": [` +
			link("b") + `, ` + link("a") + `, {"@odata.type": "#microsoft.graph.group", "id": "H"}]}], ` + next("groups", "2"),
		"/groups/delta?$skiptoken=2": `{"value": [{"id": "G", "displayName": "Sales", "members@delta": [` + gone("y") + `, ` + link("hidden") + `]}, {"id": "L", "displayName": "Left"}, {"id": "L", "@removed": {"reason": "deleted"}}], ` + groupEnd,
	})
	lines, err := told(t, src, "")
	require.NoError(t, err)
	assert.Equal(t, []string{
		"a active CEO", "b active Clerk a", "y active", "hidden unknown",
		"G Sales [a b hidden]", "H Empty []", "next",
	}, lines)
	assert.Equal(t, "GET /users/delta?$select="+src.records.selected+",manager", s.requests[0])
	assert.Len(t, s.requests, 7+3+2+3, "and batches: for d and hidden, for nobody, and for L")

	snapshot, cursor, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	assert.Len(t, snapshot.Users, 4)
	assert.Equal(t, sources.FactAll, snapshot.Proven)
	assert.Regexp(t, `"absent":"[A-Za-z0-9+/]{16}"\}$`, cursor, "of guest, d, nobody and z")

	// A manager who is configured to be read from another property is always read
	// from it.
	elsewhere, _ := scripted(t, Config{Fields: map[string]string{"manager.id": "employeeId"}}, s.answers)
	s.answers["/users/delta?$skiptoken=3"] = strings.Replace(s.answers["/users/delta?$skiptoken=3"], `"jobTitle": "Clerk"`, `"employeeId": "boss"`, 1)
	lines, err = told(t, elsewhere, "")
	require.NoError(t, err)
	assert.Equal(t, "b active  boss", lines[1])

	var ids []string
	for u, err := range src.Users(t.Context()) {
		require.NoError(t, err)
		ids = append(ids, u.ID)
	}
	assert.Equal(t, []string{"a", "b", "y", "hidden"}, ids, "each once, and not who was removed")
}

// A user whom the first round reports as removed and then as present is read again:
// a replay is no return.
func TestRemovedAndThereInOneRound(t *testing.T) {
	answers := map[string]string{
		"/users/delta":  `{"value": [{"id": "a", "@removed": {"reason": "changed"}}, {"id": "b", "@removed": {"reason": "changed"}}, ` + user("a", "") + `, ` + user("b", "") + `], ` + usersEnd,
		"/users/b":      user("b", `, "jobTitle": "Clerk"`),
		"/groups/delta": groupsEnd,
	}
	src, _ := scripted(t, Config{}, answers)
	lines, err := told(t, src, "")
	require.NoError(t, err)
	assert.Equal(t, []string{"b active Clerk", "next"}, lines)
}

// A later round: changes are applied to what is read again; an unchanged manager is
// read and a changed one is not; a user who became a guest is no longer listed; an
// object that may no longer be read is unknown and not gone.
func TestLaterRound(t *testing.T) {
	src, s := scripted(t, Config{}, map[string]string{
		"/users/delta?$deltatoken=u": `{"value": [` +
			`{"id": "a", "jobTitle": "CEO"}, ` +
			user("b", `, "jobTitle": null, "manager@delta": [{"id": "a", "@removed": {"reason": "deleted"}}]`) + `, ` +
			`{"id": "c", "userType": "Guest"}, {"id": "d"}, ` + user("e", `, "manager@delta": [{"id": "a"}]`) + `, {"id": "f", "@removed": {"reason": "deleted"}}, ` +
			`{"id": "g", "@removed": {"reason": "changed"}}, ` + user("g", "") + `], ` + usersEnd,
		"/users/a": user("a", `, "jobTitle": "Clerk", "manager": {"id": "z"}`),
		"/users/b": user("b", `, "jobTitle": "Clerk", "manager": {"id": "a"}`),
		"/users/c": user("c", ""),
		"/users/d": `{"id": "d", "userPrincipalName": null, "accountEnabled": null}`,
		"/users/e": user("e", ""),
		"/groups/delta?$deltatoken=g": `{"value": [{"id": "G", "members@delta": [{"id": "a"}, {"id": "guest"}, {"id": "f"}, {"id": "b", "@removed": {"reason": "deleted"}}, {"@odata.type": "#microsoft.graph.device", "id": "pc"}]}, ` +
			`{"id": "H", "@removed": {"reason": "changed"}}, {"id": "K", "displayName": "New name"}], ` + groupEnd,
		"/groups/G": `{"id": "G", "displayName": "Sales"}`,
		"/groups/G/members": `{"value": [{"@odata.type": "#microsoft.graph.user", "id": "b"}, {"@odata.type": "#microsoft.graph.group", "id": "K"}, {"id": "guest", "userType": "Guest"}], ` +
			`"@odata.nextLink": "` + host + `/v1.0/groups/G/members?$skiptoken=2"}`,
		"/groups/G/members?$skiptoken=2": `{"value": [{"id": "b"}, {"id": "c"}]}`,
		"/groups/K":                      `{"id": "K", "displayName": "Old name"}`,
		"/groups/K/members":              `{"value": []}`,
	})
	lines, err := told(t, src, at(src))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"a active CEO z", "b active", "-c", "e active  a", "-f", "d unknown", "-g",
		"-H", "G Sales [c a]", "K New name []", "next",
	}, lines)
	assert.Equal(t, 3, strings.Count(strings.Join(s.requests, "\n"), "POST /$batch"))
	assert.Contains(t, s.requests, "  /groups/G/members?$select=id,userType&$top=999")
}

// A round may report a user in parts, in any order and on any pages. Each part is
// applied to the earlier ones, in a first and in a later round, and the user is
// reported once. Parts before a removal do not count.
func TestPartsOfAUser(t *testing.T) {
	next := func(token string) string {
		return `"@odata.nextLink": "` + host + `/v1.0/users/delta?$skiptoken=` + token + `"}`
	}
	boss := func(id string) string { return `"manager@delta": [{"id": "` + id + `"}]` }
	left := func(id string) string {
		return `"manager@delta": [{"id": "` + id + `", "@removed": {"reason": "deleted"}}]`
	}
	pages := map[string]string{
		// a: properties, then the manager. b: the manager first. c: properties in
		// two parts. d: removed in between, so that the title does not count. e:
		// the former manager after the new one. f: cleared by a later part. g:
		// removed after its parts.
		"": `{"value": [` + user("a", `, "jobTitle": "CEO"`) + `, {"id": "b", ` + boss("a") + `}, {"id": "c", "jobTitle": "Clerk", "city": "Rome"}, ` +
			user("d", `, "jobTitle": "Old", `+boss("a")) + `, ` + user("e", `, `+boss("b")) + `, ` + user("f", `, "jobTitle": "Old", `+boss("a")) + `, ` + user("g", "") + `], ` + next("1"),
		"1": `{"value": [{"id": "d", "@removed": {"reason": "changed"}}, {"id": "a", ` + boss("z") + `}, {"id": "e", ` + left("a") + `}], ` + next("2"),
		"2": `{"value": [], ` + next("3"),
		"3": `{"value": [` + user("b", `, "jobTitle": "Clerk"`) + `, ` + user("c", `, "jobTitle": "Boss"`) + `, ` + user("d", "") + `, ` +
			`{"id": "f", "jobTitle": null, ` + left("a") + `}, {"id": "g", ` + boss("a") + `}, {"id": "g", "@removed": {"reason": "deleted"}}], ` + usersEnd,
	}
	want := []string{"e active  b", "a active CEO z", "b active Clerk a", "c active Boss", "d active", "f active"}

	// What a later round does not report is read, and is older than what it
	// reports.
	for name, answers := range map[string]map[string]string{
		"first": {"/users/delta": pages[""], "/users": `{"value": []}`, "/groups/delta": groupsEnd, "/users/d": user("d", ""), "/users/f": user("f", "")},
		"later": {
			"/users/delta?$deltatoken=u": pages[""], "/groups/delta?$deltatoken=g": groupsEnd,
			"/users/a": user("a", `, "manager": {"id": "a"}`), "/users/b": user("b", `, "jobTitle": "Old", "manager": {"id": "q"}`), "/users/c": user("c", `, "jobTitle": "Old"`),
			"/users/d": user("d", ""), "/users/e": user("e", `, "manager": {"id": "a"}`), "/users/f": user("f", `, "jobTitle": "Old"`),
		},
	} {
		for token, page := range pages {
			if token != "" {
				answers["/users/delta?$skiptoken="+token] = page
			}
		}
		src, _ := scripted(t, Config{}, answers)
		after := sources.Cursor("")
		if name == "later" {
			after = at(src)
		}
		lines, err := told(t, src, after)
		require.NoError(t, err)
		end := []string{"next"}
		if name == "later" {
			end = []string{"-g", "next"}
		}
		assert.ElementsMatch(t, append(slices.Clone(want), end...), lines, name)

		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		if name == "first" {
			require.NoError(t, err)
			require.Len(t, snapshot.Users, len(want))
			c := snapshot.Users[slices.IndexFunc(snapshot.Users, func(u sources.User) bool { return u.ID == "c" })]
			assert.Equal(t, values("Rome"), c.Attributes["city"], "the part that came first")
		}
	}
}

// If a round reports only the ID of a user, the rest is read; but not for everybody
// if the application may see no more, since that would take a request for every
// twenty users.
func TestUsersWithoutProperties(t *testing.T) {
	const many = 500
	rows, answers := make([]string, many), map[string]string{"/groups/delta": groupsEnd}
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"id": "u%d"}`, i)
		answers[fmt.Sprintf("/users/u%d", i)] = user(fmt.Sprintf("u%d", i), `, "jobTitle": "Clerk"`)
	}
	answers["/users/delta"] = `{"value": [` + strings.Join(rows, ",") + `], ` + usersEnd
	src, _ := scripted(t, Config{}, answers)
	lines, err := told(t, src, "")
	require.NoError(t, err)
	require.Len(t, lines, many+1)
	assert.Equal(t, "u499 active Clerk", lines[many-1])

	for i := range rows {
		answers[fmt.Sprintf("/users/u%d", i)] = rows[i]
	}
	src, s := scripted(t, Config{}, answers)
	lines, err = told(t, src, "")
	require.NoError(t, err)
	require.Len(t, lines, many+1)
	assert.Equal(t, "u499 unknown", lines[many-1])
	assert.Equal(t, 1, strings.Count(strings.Join(s.requests, "\n"), "POST /$batch"))
}

// Parts of the members of a group, in any order. A member whom the round reports
// both ways, and a group that it reports as removed as well, are as they are read.
func TestPartsOfAGroup(t *testing.T) {
	next := func(token string) string {
		return `"@odata.nextLink": "` + host + `/v1.0/groups/delta?$skiptoken=` + token + `"}`
	}
	gone := `, "@removed": {"reason": "deleted"}}`
	answers := map[string]string{
		"/users/delta": `{"value": [` + user("a", "") + `, ` + user("b", "") + `, ` + user("c", "") + `], ` + usersEnd,
		"/groups/delta": `{"value": [{"id": "G", "members@delta": [{"id": "a"}, {"id": "b"}]}, {"id": "H", "displayName": "Old", "members@delta": [{"id": "a"}]}, ` +
			`{"id": "K", "displayName": "Gone", "members@delta": [{"id": "a"}]}, {"id": "M", "displayName": "Parts", "members@delta": [{"id": "a"}]}], ` + next("1"),
		"/groups/delta?$skiptoken=1": `{"value": [{"id": "G", "members@delta": [{"id": "a"` + gone + `, {"id": "b"` + gone + `, {"id": "c"` + gone + `]}, ` +
			`{"id": "H", "@removed": {"reason": "changed"}}, {"id": "K", "@removed": {"reason": "changed"}}], ` + next("2"),
		"/groups/delta?$skiptoken=2": `{"value": [{"id": "G", "displayName": "Sales", "members@delta": [{"id": "b"}, {"id": "c"}]}, ` +
			`{"id": "H", "members@delta": [{"id": "b"}]}, {"id": "K", "members@delta": [{"id": "a"}]}, {"id": "M", "members@delta": [{"id": "b"}, {"id": "a"}, {"id": "c"` + gone + `]}], ` + groupEnd,
		"/groups/G":         `{"id": "G", "displayName": "Sales"}`,
		"/groups/G/members": `{"value": [{"id": "b"}, {"id": "c"}]}`,
		"/groups/H":         `{"id": "H", "displayName": "New"}`,
		"/groups/H/members": `{"value": [{"id": "b"}, {"id": "c"}, {"id": "newcomer"}]}`,
		"/users/a":          user("a", ""), "/users/b": user("b", ""), "/users/c": user("c", ""),
	}
	src, _ := scripted(t, Config{}, answers)
	lines, err := told(t, src, "")
	require.NoError(t, err)
	assert.Equal(t, []string{"M Parts [a b]", "G Sales [b c]", "H New [b c]", "next"}, lines[3:])

	answers["/users/delta?$deltatoken=u"] = answers["/users/delta"]
	answers["/groups/delta?$deltatoken=g"] = answers["/groups/delta"]
	answers["/groups/G"] = `{"id": "G", "displayName": "Old"}`
	answers["/groups/M"], answers["/groups/M/members"] = `{"id": "M", "displayName": "Old"}`, `{"value": [{"id": "c"}]}`
	lines, err = told(t, src, at(src))
	require.NoError(t, err)
	assert.Equal(t, []string{"G Sales [b c]", "H New [b c newcomer]", "-K", "M Parts [a b]", "next"}, lines[3:])

	// A group with such a member that is not found.
	delete(answers, "/groups/G")
	_, err = told(t, src, "")
	require.ErrorIs(t, err, sources.ErrUnavailable)
	require.ErrorContains(t, err, `group "G" changed, and is not found`)
}

// S12: a member of whom the list of users says nothing is no reason to shorten a
// group: a new user may not be in that list yet.
func TestMembersOfWhomNothingIsKnown(t *testing.T) {
	answers := map[string]string{
		"/users": `{"value": [{"id": "a"}, {"id": "guest", "userType": "Guest"}]}`, "/users/delta": `{"value": [` + user("a", "") + `], ` + usersEnd,
		"/groups/delta": `{"value": [{"id": "G", "displayName": "Sales", "members@delta": [{"id": "a"}, {"id": "guest"}, {"id": "new"}, {"id": "other"}, {"id": "gone"}]}, ` +
			`{"id": "H", "@removed": {"reason": "changed"}}, {"id": "H", "displayName": "Back"}], ` + groupEnd,
		"/groups/H": `{"id": "H", "displayName": "Back"}`, "/groups/H/members": `{"value": [{"id": "newer"}, {"id": "gone"}]}`,
		"/users/new": user("new", ""), "/users/newer": user("newer", ""), "/users/other": `{"id": "other", "userType": "Guest"}`,
	}
	want := []sources.Group{{ID: "G", Name: "Sales", Members: []string{"a", "new"}}, {ID: "H", Name: "Back", Members: []string{"newer"}}}
	src, s := scripted(t, Config{}, answers)
	var groups []sources.Group
	for g, err := range src.Groups(t.Context()) {
		require.NoError(t, err)
		groups = append(groups, g)
	}
	assert.Equal(t, want, groups)
	requests := strings.Join(s.requests, "\n")
	assert.NotContains(t, requests, "/users/guest")
	assert.Equal(t, 1, strings.Count(requests, "/users/gone"))

	// In a first round, the user comes with the next one.
	snapshot, _, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, want, snapshot.Groups)

	answers["/users/gone"] = `403 {"error": {"code": "Authorization_RequestDenied", "message": "m"}}`
	for _, err := range src.Groups(t.Context()) {
		require.ErrorIs(t, err, sources.ErrForbidden)
	}
}

// S12: whatever a round reports, in whatever order and on whatever pages, a listing
// and a later round give what there is: users in parts, repeated, and as removed;
// members and managers who came and left; replays of all that.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const removed = `"@removed": {"reason": "changed"}}`
		some := func(what string) bool { return rapid.Bool().Draw(r, what) }
		of := func(links ...string) string { return "[" + strings.Join(links, ", ") + "]" }
		link := func(id string) string { return `{"id": "` + id + `"}` }
		left := func(id string) string { return `{"id": "` + id + `", ` + removed }
		answers := map[string]string{"/users/new": user("new", "")}
		var users, groups, wantUsers, wantGroups, gone []string
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			row := func(more string) { users = append(users, `{"id": "`+id+`"`+more+`}`) }
			there := id == "a" || some(id+" is there") // a is the others' manager
			boss := ""
			if id != "a" && some(id+" has a manager") {
				boss = rapid.SampledFrom([]string{"a", "z"}).Draw(r, "manager of "+id)
			}
			whole := `, "userPrincipalName": "` + id + `@x", "userType": "Member"`
			told := there || some(id+" was there")
			if told {
				if some(id + " in parts") {
					row(whole)
					row(`, "accountEnabled": true, "jobTitle": "Clerk"`)
				} else {
					row(whole + `, "accountEnabled": true, "jobTitle": "Clerk"`)
				}
				if some(id + " repeated") {
					row(whole)
				}
				if boss != "" {
					row(`, "manager@delta": ` + of(link(boss)))
				}
				if some(id + " had another manager") {
					row(`, "manager@delta": ` + of(link("y")))
					row(`, "manager@delta": ` + of(left("y")))
				}
				if some(id+" had none") && boss != "" {
					row(`, "manager@delta": ` + of(left(boss)))
				}
			}
			if !there || some(id+" was away") {
				users = append(users, left(id))
			}
			if there {
				wantUsers = append(wantUsers, strings.TrimSpace(id+" active Clerk "+boss))
				manager := ""
				if boss != "" {
					manager = `, "manager": ` + link(boss)
				}
				answers["/users/"+id] = user(id, `, "jobTitle": "Clerk"`+manager)
			} else {
				gone = append(gone, "-"+id)
			}
		}
		for _, id := range []string{"G", "H"} {
			row := func(links ...string) {
				groups = append(groups, `{"id": "`+id+`", "displayName": "`+id+`", "members@delta": `+of(links...)+`}`)
			}
			var members, listed []string
			there := some(id + " is there")
			for _, member := range append([]string{"new"}, ids...) {
				in := some(member + " in " + id)
				if in {
					row(link(member))
					members = append(members, link(member))
					if answers["/users/"+member] != "" {
						listed = append(listed, member)
					}
				}
				if some(member + " was elsewhere") {
					row(left(member))
					if !in {
						row(link(member))
					}
				}
			}
			row()
			if !there || some(id+" was away") {
				groups = append(groups, left(id))
			}
			if there {
				answers["/groups/"+id], answers["/groups/"+id+"/members"] = `{"id": "`+id+`", "displayName": "`+id+`"}`, `{"value": `+of(members...)+`}`
				wantGroups = append(wantGroups, fmt.Sprintf("%s %s %s", id, id, slices.Sorted(slices.Values(listed))))
			} else {
				gone = append(gone, "-"+id)
			}
		}
		for _, delta := range []struct {
			path string
			rows []string
			end  string
		}{{"/users/delta", users, usersEnd}, {"/groups/delta", groups, groupEnd}} {
			rows := rapid.Permutation(delta.rows).Draw(r, "order")
			at := rapid.IntRange(0, len(rows)).Draw(r, "page")
			first := `{"value": ` + of(rows[:at]...) + `, "@odata.nextLink": "` + host + `/v1.0` + delta.path + `?$skiptoken=1"}`
			answers[delta.path], answers[delta.path+"?$skiptoken=1"] = first, `{"value": `+of(rows[at:]...)+`, `+delta.end
			answers[delta.path+"?$deltatoken=u"], answers[delta.path+"?$deltatoken=g"] = first, first
		}
		src, _ := scripted(t, Config{}, answers)
		sorted := func(lines []string) []string { // members sorted, and without those who are no users, who do no harm
			for i, line := range lines {
				if before, members, ok := strings.Cut(line, " ["); ok {
					lines[i] = fmt.Sprint(before, " ", slices.DeleteFunc(slices.Sorted(slices.Values(strings.Fields(strings.TrimSuffix(members, "]")))), func(id string) bool {
						return answers["/users/"+id] == ""
					}))
				}
			}
			return lines
		}
		want := slices.Concat(wantUsers, wantGroups, []string{"next"})
		lines, err := told(t, src, "")
		require.NoError(r, err)
		require.ElementsMatch(r, want, sorted(lines), "a first round")
		lines, err = told(t, src, at(src))
		require.NoError(r, err)
		require.ElementsMatch(r, append(want, gone...), sorted(lines), "a later round")
	})
}

// S12: the records of a round come in any order, as Microsoft says, so whether a
// user, a group, a member or a manager whom it reports both ways is there is read.
func TestReportedBothWays(t *testing.T) {
	const gone = `"@removed": {"reason": "changed"}}`
	there, left := func(id string) string { return user(id, "") }, func(id string) string { return `{"id": "` + id + `", ` + gone }
	boss, former := func(id string) string { return user(id, `, "manager@delta": [{"id": "z"}]`) }, func(id string) string {
		return `{"id": "` + id + `", "manager@delta": [{"id": "z", ` + gone + `]}`
	}
	group, dead := func(id string) string {
		return `{"id": "` + id + `", "displayName": "` + id + `", "members@delta": [{"id": "z"}]}`
	}, left
	in, out := group, func(id string) string { return `{"id": "` + id + `", "members@delta": [{"id": "z", ` + gone + `]}` }
	for name, order := range map[string]bool{"as it happened": false, "the other way": true} {
		both := func(first, second string) string {
			if order {
				first, second = second, first
			}
			return first + ", " + second
		}
		users := `{"value": [` + user("z", "") + `, ` + both(there("a"), left("a")) + `, ` + both(there("b"), left("b")) + `, ` +
			both(boss("c"), former("c")) + `, ` + both(boss("d"), former("d")) + `], ` + usersEnd
		groups := `{"value": [` + both(group("G"), dead("G")) + `, ` + both(group("H"), dead("H")) + `, ` + both(in("I"), out("I")) + `, ` + both(in("K"), out("K")) + `], ` + groupEnd
		answers := map[string]string{
			"/users/delta": users, "/users/delta?$deltatoken=u": users, "/groups/delta": groups, "/groups/delta?$deltatoken=g": groups,
			"/users/z": user("z", ""), "/users/a": user("a", ""), "/users/c": user("c", `, "manager": {"id": "z"}`), "/users/d": user("d", ""),
		}
		for _, id := range []string{"G", "I", "K"} {
			answers["/groups/"+id], answers["/groups/"+id+"/members"] = `{"id": "`+id+`", "displayName": "`+id+`"}`, `{"value": [{"id": "z"}]}`
		}
		answers["/groups/K/members"] = `{"value": []}`
		src, _ := scripted(t, Config{}, answers)
		want := []string{"z active", "a active", "c active  z", "d active", "G G [z]", "I I [z]", "K K []", "next"}
		lines, err := told(t, src, "")
		require.NoError(t, err, name)
		assert.ElementsMatch(t, want, lines, name)
		lines, err = told(t, src, at(src))
		require.NoError(t, err, name)
		assert.ElementsMatch(t, append(want, "-b", "-H"), lines, name)

		delete(answers, "/users/c")
		for _, after := range []sources.Cursor{"", at(src)} {
			_, err = told(t, src, after)
			require.ErrorIs(t, err, sources.ErrUnavailable, name)
		}
	}
}

// If a changed user is not found, the round fails, also if it reports the manager:
// what else it reports is only what changed.
func TestChangedUserIsNotFound(t *testing.T) {
	src, _ := scripted(t, Config{}, map[string]string{"/users/delta?$deltatoken=u": `{"value": [{"id": "a", "jobTitle": "CEO"}], ` + usersEnd})
	_, err := told(t, src, at(src))
	require.ErrorIs(t, err, sources.ErrUnavailable)
	require.ErrorContains(t, err, `user "a" changed, and is not found`)
	src, _ = scripted(t, Config{}, map[string]string{"/users/delta?$deltatoken=u": `{"value": [{"id": "a", "accountEnabled": true, "manager@delta": [{"id": "b"}]}], ` + usersEnd})
	_, err = told(t, src, at(src))
	require.ErrorIs(t, err, sources.ErrUnavailable)
}

// S12: a listing without the permission for hidden members proves nothing about a
// group that hides its members: among all groups, configured groups and nested
// groups, in a first and in a later round.
func TestHiddenMembers(t *testing.T) {
	people, _ := company()
	groups := []sources.Group{
		{ID: id(101), Name: "Company", Members: []string{id(1), id(102)}},
		{ID: id(102), Name: "Works council", Members: []string{id(2), id(5)}},
		{ID: id(103), Name: "Sales", Members: []string{id(1)}},
	}
	read := func(sees bool, configured ...string) (*sources.Snapshot, sources.Cursor, error) {
		d := fake.NewDirectory()
		d.PutUsers(people...)
		d.PutGroups(groups...)
		tenant := face(d)
		tenant.Hidden, tenant.ReadsHidden = []string{id(102)}, sees
		cfg := config(host, fake.Transport(tenant))
		cfg.TimeZones, cfg.HiddenMembers, cfg.Groups = false, sees, configured
		return sources.Refresh(t.Context(), source(t, cfg), nil, "", sources.CollectConfig{})
	}
	for _, configured := range [][]string{nil, {id(102)}, {id(101), id(103)}} {
		snapshot, at, err := read(false, configured...)
		require.ErrorIs(t, err, sources.ErrForbidden)
		require.ErrorContains(t, err, "1 groups hide their members, such as "+strconv.Quote(id(102))+"; give the application Member.Read.Hidden")
		assert.False(t, snapshot.Proven.Has(sources.FactMemberships))
		assert.Empty(t, at)

		snapshot, at, err = read(true, configured...)
		require.NoError(t, err)
		assert.Equal(t, sources.FactAll, snapshot.Proven)
		assert.NotEmpty(t, at)
	}
	snapshot, _, err := read(false, id(103))
	require.NoError(t, err, "no group that hides its members is listed")
	assert.Equal(t, sources.FactAll, snapshot.Proven)

	// In a later round, and in a listing of groups alone.
	d := fake.NewDirectory()
	d.PutUsers(people...)
	d.PutGroups(groups[2])
	tenant := face(d)
	tenant.Hidden = []string{id(102)}
	cfg := config(host, fake.Transport(tenant))
	cfg.TimeZones = false
	src := source(t, cfg)
	known, at, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	d.PutGroups(groups[1])
	_, again, err := sources.Refresh(t.Context(), src, known, at, sources.CollectConfig{})
	require.ErrorIs(t, err, sources.ErrForbidden)
	assert.Equal(t, at, again)
	full, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.ErrorIs(t, err, sources.ErrForbidden)
	assert.Equal(t, sources.FactUsers|sources.FactManagers, full.Proven)
}

// If a user who was removed or was a guest comes back, the user's groups are
// reported, although no delta of groups reports that.
func TestReturningUserIsInTheirGroups(t *testing.T) {
	src, s := scripted(t, Config{}, map[string]string{
		"/users/delta?$deltatoken=u":  `{"value": [{"id": "a", "@removed": {"reason": "changed"}}, {"id": "b", "userType": "Guest"}], ` + usersEnd,
		"/groups/delta?$deltatoken=g": groupsEnd,
	})
	var next sources.Cursor
	for c, err := range src.Changes(t.Context(), at(src)) {
		require.NoError(t, err)
		next = c.Next
	}
	s.answers["/users/delta?$deltatoken=u"] = `{"value": [` + user("a", "") + `, ` + user("b", "") + `, ` + user("c", "") + `], ` + usersEnd
	s.answers["/groups/delta?$deltatoken=g"] = `{"value": [{"id": "H", "@removed": {"reason": "changed"}}], ` + groupEnd
	for _, id := range []string{"a", "b", "c"} {
		s.answers["/users/"+id] = user(id, "")
	}
	s.answers["/users/a/memberOf"] = `{"value": [{"@odata.type": "#microsoft.graph.group", "id": "G"}, {"@odata.type": "#microsoft.graph.directoryRole", "id": "R"}, {"@odata.type": "#microsoft.graph.group", "id": "H"}]}`
	s.answers["/users/b/memberOf"] = `{"value": [{"@odata.type": "#microsoft.graph.group", "id": "G"}]}`
	s.answers["/groups/G"] = `{"id": "G", "displayName": "Sales"}`
	s.answers["/groups/G/members"] = `{"value": [{"id": "a"}, {"id": "b"}]}`
	lines, err := told(t, src, next)
	require.NoError(t, err)
	assert.Equal(t, []string{"a active", "b active", "c active", "-H", "G Sales [a b]", "next"}, lines)
}

// Whatever happens in a tenant, a round of changes applied to the known snapshot
// gives the result of a full reading: people come, leave, return, change, get other
// managers, become guests and members; groups come, go, are renamed and get other
// members.
func TestHistories(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"all groups":            func(*Config) {},
		"with guests":           func(cfg *Config) { cfg.Guests = true },
		"configured groups":     func(cfg *Config) { cfg.Groups = []string{id(101), id(102), id(103)} },
		"configured and guests": func(cfg *Config) { cfg.Groups, cfg.Guests = []string{id(101), id(104)}, true },
	} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { history(t, change) }) })
	}
}

func history(t *rapid.T, change func(*Config)) {
	d := fake.NewDirectory()
	users, groups := company()
	d.PutUsers(users...)
	d.PutGroups(groups...)
	tenant := face(d)
	tenant.Unruly = rapid.Bool().Draw(t, "unruly")
	cfg := config(host, fake.Transport(tenant))
	cfg.Guests, cfg.TimeZones = false, false
	change(&cfg)
	src, err := New(cfg)
	require.NoError(t, err)
	someone := rapid.IntRange(1, 7)
	group := rapid.IntRange(101, 104)
	find := func(n int) (sources.User, bool) {
		i := slices.IndexFunc(d.Users(), func(u sources.User) bool { return u.ID == id(n) })
		if i < 0 {
			return sources.User{}, false
		}
		return d.Users()[i], true
	}
	var known *sources.Snapshot
	var at sources.Cursor
	for range rapid.IntRange(1, 5).Draw(t, "rounds") {
		for range rapid.IntRange(0, 4).Draw(t, "events") {
			n, g := someone.Draw(t, "who"), group.Draw(t, "group")
			u, there := find(n)
			if !there {
				u = sources.User{ID: id(n), UserName: fmt.Sprintf("u%d@acme.com", n), Status: sources.StatusActive, Attributes: map[string]sources.Values{"userType": values("Member")}}
			}
			what := rapid.IntRange(0, 7).Draw(t, "what")
			switch what {
			case 0:
				d.RemoveUsers(id(n))
				continue
			case 1:
				u.Title = rapid.SampledFrom([]string{"", "Clerk", "Boss"}).Draw(t, "title")
			case 2:
				u.Manager.ID = rapid.SampledFrom([]string{"", id(1), id(2), id(3)}).Draw(t, "manager")
			case 3:
				u.Attributes["userType"] = values(rapid.SampledFrom([]string{"Guest", "Member"}).Draw(t, "type"))
				u.Status = sources.StatusActive
			case 4:
				d.RemoveGroups(id(g))
				continue
			default:
				var members []string
				for range rapid.IntRange(0, 4).Draw(t, "size") {
					if m := rapid.IntRange(1, 9).Draw(t, "member"); m <= 7 {
						if _, there := find(m); there {
							members = append(members, id(m))
						}
					} else {
						members = append(members, id(93+m))
					}
				}
				d.PutGroups(sources.Group{ID: id(g), Name: fmt.Sprintf("Group %d", rapid.IntRange(1, 3).Draw(t, "name")), Members: members})
				continue
			}
			d.PutUsers(u)
		}
		next, cursor, err := sources.Refresh(context.Background(), src, known, at, sources.CollectConfig{})
		require.NoError(t, err)
		full, err := sources.Collect(context.Background(), src, sources.CollectConfig{})
		require.NoError(t, err)
		require.Equal(t, full.Proven, next.Proven)
		require.Equal(t, inOrder(full), inOrder(next))
		var listed, there []string
		for _, u := range full.Users {
			listed = append(listed, u.ID)
		}
		for _, u := range d.Users() {
			if guest := slices.Equal(u.Attributes["userType"], values("Guest")); cfg.Guests || !guest {
				there = append(there, u.ID)
			}
		}
		require.ElementsMatch(t, there, listed, "the full reading is the directory")
		for _, g := range full.Groups {
			for _, member := range g.Members {
				require.True(t, slices.ContainsFunc(full.Users, func(u sources.User) bool { return u.ID == member }), "a member is a user")
			}
		}
		known, at = next, cursor
	}
}

// inOrder returns the sorted content of a snapshot. It leaves out members who are
// not listed as users, since a delta of groups need not report that a user is gone.
func inOrder(s *sources.Snapshot) string {
	users := slices.SortedFunc(slices.Values(s.Users), func(a, b sources.User) int { return strings.Compare(a.ID, b.ID) })
	groups := slices.SortedFunc(slices.Values(s.Groups), func(a, b sources.Group) int { return strings.Compare(a.ID, b.ID) })
	for i, g := range groups {
		groups[i].Members = slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(g.Members), func(member string) bool {
			return !slices.ContainsFunc(users, func(u sources.User) bool { return u.ID == member })
		})))
	}
	text, err := json.MarshalIndent([]any{users, groups}, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// If a changed group is not found, the round fails: the group may appear later, and
// the cursor must not skip it.
func TestChangedGroupIsNotFound(t *testing.T) {
	src, _ := scripted(t, Config{}, map[string]string{
		"/users/delta?$deltatoken=u":  `{"value": [], ` + usersEnd,
		"/groups/delta?$deltatoken=g": `{"value": [{"id": "G", "displayName": "Sales"}], ` + groupEnd,
	})
	_, err := told(t, src, at(src))
	require.ErrorIs(t, err, sources.ErrUnavailable)
}

// Configured groups have members of nested groups, too; a group that is not found
// is left out.
func TestConfiguredGroups(t *testing.T) {
	d := fake.NewDirectory()
	users, _ := company()
	d.PutUsers(users...)
	d.PutGroups(
		sources.Group{ID: id(101), Name: "Company", Members: []string{id(102), id(1)}},
		sources.Group{ID: id(102), Name: "Sales", Members: []string{id(5), id(1), id(3), id(101)}},
		sources.Group{ID: id(103), Name: "Other", Members: []string{id(101)}},
	)
	cfg := config(host, fake.Transport(face(d)))
	cfg.Groups, cfg.Guests, cfg.TimeZones = []string{strings.ToUpper(id(101)), id(104)}, false, false
	src := source(t, cfg)
	snapshot, at, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, []sources.Group{{ID: id(101), Name: "Company", Members: []string{id(1), id(5)}}}, snapshot.Groups)
	assert.Len(t, snapshot.Users, 4, "without the guest")

	d.RemoveGroups(id(101))
	d.PutGroups(sources.Group{ID: id(104), Name: "New", Members: []string{id(2)}})
	snapshot, _, err = sources.Refresh(t.Context(), src, snapshot, at, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, []sources.Group{{ID: id(104), Name: "New", Members: []string{id(2)}}}, snapshot.Groups)

	one, err := sources.ReadOne(t.Context(), src, id(2))
	require.NoError(t, err)
	assert.Equal(t, []sources.Group{{ID: id(104), Name: "New"}}, one.Groups)
	assert.Equal(t, sources.FactUsers|sources.FactManagers|sources.FactMemberships, one.Proven)
	one, err = sources.ReadOne(t.Context(), src, id(3))
	require.NoError(t, err)
	assert.Equal(t, sources.One{Proven: sources.FactUsers}, one, "a guest is not in this directory")
}

// S12: a configured group whose members are not found is left out only if the group
// is not found either.
func TestMembersAreNotFound(t *testing.T) {
	src, s := scripted(t, Config{Groups: []string{"g"}}, map[string]string{"/groups/g": `{"id": "g", "displayName": "Sales"}`})
	read := func() (groups []sources.Group, err error) {
		for g, err := range src.Groups(t.Context()) {
			if err != nil {
				return groups, err
			}
			groups = append(groups, g)
		}
		return groups, nil
	}
	_, err := read()
	require.ErrorIs(t, err, sources.ErrUnavailable)
	require.ErrorContains(t, err, `group "g" is there, and its members are not found`)
	delete(s.answers, "/groups/g")
	groups, err := read()
	require.NoError(t, err)
	assert.Empty(t, groups)
}

// S12: all groups have their direct members; a nested group is no user.
func TestNestedGroupsAreNoUsers(t *testing.T) {
	d := fake.NewDirectory()
	users, _ := company()
	d.PutUsers(users...)
	d.PutGroups(sources.Group{ID: id(101), Name: "Company", Members: []string{id(102), id(1)}}, sources.Group{ID: id(102), Name: "Sales", Members: []string{id(5), id(3)}})
	cfg := config(host, fake.Transport(face(d)))
	cfg.Guests, cfg.TimeZones = false, false
	src := source(t, cfg)
	want := []sources.Group{{ID: id(101), Name: "Company", Members: []string{id(1)}}, {ID: id(102), Name: "Sales", Members: []string{id(5)}}}
	snapshot, at, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, want, snapshot.Groups)
	full, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, want, full.Groups)

	d.PutGroups(sources.Group{ID: id(102), Name: "Sales", Members: []string{id(5), id(3), id(4), id(101)}})
	snapshot, _, err = sources.Refresh(t.Context(), src, snapshot, at, sources.CollectConfig{})
	require.NoError(t, err)
	want[1].Members = []string{id(4), id(5)}
	assert.Equal(t, want, snapshot.Groups)
}

// A link is valid for seven days, and as long as the tenant keeps its state. A
// cursor is valid for its own configuration and host only. After that, everything
// is read again.
func TestCursorsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := fake.NewDirectory()
		d.SetClock(time.Now)
		users, groups := company()
		d.PutUsers(users...)
		d.PutGroups(groups...)
		tenant := face(d)
		cfg := config(host, fake.Transport(tenant))
		src := source(t, cfg)
		known, cursor, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
		require.NoError(t, err)

		expired := func(src *Source, after sources.Cursor) {
			t.Helper()
			lines, err := told(t, src, after)
			require.ErrorIs(t, err, sources.ErrCursorExpired)
			require.Empty(t, lines)
		}
		time.Sleep(6 * 24 * time.Hour)
		_, err = told(t, src, cursor)
		require.NoError(t, err)
		time.Sleep(2 * 24 * time.Hour)
		expired(src, cursor)
		fresh, again, err := sources.Refresh(t.Context(), src, known, cursor, sources.CollectConfig{})
		require.NoError(t, err)
		assert.Equal(t, known.Users, fresh.Users)
		tenant.ForgetDeltas()
		expired(src, again)
		_, again, err = sources.Refresh(t.Context(), src, known, again, sources.CollectConfig{})
		require.NoError(t, err)

		for _, change := range []func(*Config){
			func(cfg *Config) { cfg.Guests = false },
			func(cfg *Config) { cfg.TimeZones = false },
			func(cfg *Config) { cfg.Groups = []string{id(101)} },
			func(cfg *Config) { cfg.Properties = nil },
			// The same properties are requested, and used for other fields.
			func(cfg *Config) {
				cfg.Fields = map[string]string{"phone_extension": "extensionAttribute4", "private_email": "extension_1f_private"}
			},
			func(cfg *Config) { cfg.Properties = append(slices.Clone(cfg.Properties), "employeeOrgData.unit") },
			func(cfg *Config) { cfg.URL = "http://127.0.0.1:2" },
		} {
			other := cfg
			change(&other)
			expired(source(t, other), again)
		}
		expired(src, "{}")
		expired(src, sources.Cursor(strings.Replace(string(again), host, "https://evil.example", 1)))
	})
}

// A cursor shows no secret and no person.
func TestCursorHoldsOnlyLinks(t *testing.T) {
	src, _ := scripted(t, Config{}, nil)
	assert.Regexp(t, `^\{"config":"[0-9a-f]{16}","users":"http://127.0.0.1:1/v1.0/users/delta\?\$deltatoken=u","groups":"http://127.0.0.1:1/v1.0/groups/delta\?\$deltatoken=g"\}$`, string(at(src)))
}

// With any cursor, a source continues from it or says that it has expired, and
// sends no request to another host.
func FuzzCursor(f *testing.F) {
	f.Add("{}")
	f.Add(`{"config":"x","users":"0","groups":"../a"}`)
	f.Add(`{"config":"x","users":"http://evil.example/v1.0/users/delta?$deltatoken=u"}`)
	f.Add(`{"config":"x","users":"//evil.example","groups":"http://user@127.0.0.1:1/"}`)
	f.Fuzz(func(t *testing.T, text string) {
		src, s := scripted(t, Config{}, nil)
		text = strings.Replace(text, `"config":"x"`, `"config":"`+src.config+`"`, 1)
		for _, err := range src.Changes(t.Context(), sources.Cursor(text)) {
			require.Error(t, err)
			if len(s.requests) == 0 && text != "" {
				require.ErrorIs(t, err, sources.ErrCursorExpired)
			}
		}
	})
}
