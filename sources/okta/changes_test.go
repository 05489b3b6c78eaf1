package okta

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/okta/okta-sdk-golang/v5/okta"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A round asks for changes since 10 minutes before the cursor, and for the members
// of changed groups only.
func TestRequestsOfARound(t *testing.T) {
	o := acme()
	now := time.Now().UTC().Truncate(time.Second).Add(time.Hour) // after all that is in the org
	o.Directory.SetClock(func() time.Time { return now })
	src, requests := over(t, o, Config{AppID: appID, Sees: SeesAll}, nil)
	org, orgRequests := over(t, o, Config{Sees: SeesAll}, nil)
	known, at, err := sources.Refresh(t.Context(), org, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, sources.Cursor(org.mark+" "+now.Format(cursorForm)), at)
	_, appAt, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)

	now = now.Add(time.Hour)
	_, groups := company()
	groups[1].Members = groups[1].Members[1:]
	o.Directory.PutGroups(groups[1])
	*requests, *orgRequests = nil, nil
	next, _, err := sources.Refresh(t.Context(), org, known, at, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, groups[1].Members, next.Groups[1].Members)
	since := now.Add(-70 * time.Minute)
	stamp := strings.ReplaceAll(since.Format(cursorForm), ":", "%3A")
	deleted := "eventType+eq+%22user.lifecycle.delete.completed%22+or+eventType+eq+%22group.lifecycle.delete%22"
	assert.Equal(t, []string{
		"GET /api/v1/logs?filter=" + deleted + "&limit=1000&since=" + strings.ReplaceAll(since.Format(time.RFC3339), ":", "%3A") + "&sortOrder=ASCENDING",
		"GET /api/v1/users?filter=lastUpdated+gt+%22" + stamp + "%22&limit=200",
		"GET /api/v1/groups?filter=lastUpdated+gt+%22" + stamp + "%22+or+lastMembershipUpdated+gt+%22" + stamp + "%22&limit=1000",
		"GET /api/v1/groups/00g1emfcdsTvHqmuTjv1/users?limit=1000",
	}, *orgRequests)

	for _, err := range src.Changes(t.Context(), appAt) {
		require.NoError(t, err)
	}
	assert.Contains(t, (*requests)[0], deleted+"+or+eventType+eq+%22application.user_membership.remove%22")
	assert.Contains(t, (*requests)[1], "/api/v1/apps/0oa1app00000000000x7/users?expand=user&limit=500")
}

func TestCursors(t *testing.T) {
	src := configured(t, Config{URL: "https://acme.okta.com", Token: "x"})
	at := time.Now().UTC().Truncate(time.Millisecond)
	cursor := func(src *Source, at time.Time) sources.Cursor { return src.cursor(place{at, rest.NewIDs(rollWidth)}) }
	p, err := src.place(cursor(src, at))
	require.NoError(t, err)
	assert.Equal(t, at, p.at)

	// Another credential reads the same people. Another Config reads other people,
	// or reads them differently.
	same := configured(t, Config{URL: "https://acme.okta.com/", Token: "y", Connection: "other", Attempts: 2})
	_, err = same.place(cursor(src, at))
	require.NoError(t, err)
	for _, cfg := range []Config{
		{URL: "https://b.okta.com"}, {AppID: "0oa1"}, {Fields: map[string]string{"title": "x"}}, {ManagerID: ManagerByLogin},
	} {
		cfg.Token = "x"
		if cfg.URL == "" {
			cfg.URL = "https://acme.okta.com"
		}
		_, err := configured(t, cfg).place(cursor(src, at))
		require.ErrorIs(t, err, sources.ErrCursorExpired)
		require.ErrorContains(t, err, "another configuration")
	}
	for _, cursor := range []sources.Cursor{"x", cursor(src, at.Add(-81*24*time.Hour)), sources.Cursor(src.mark), sources.Cursor(src.mark + " soon"), " "} {
		for change, err := range src.Changes(t.Context(), cursor) {
			require.ErrorIs(t, err, sources.ErrCursorExpired)
			assert.Zero(t, change)
		}
	}
}

func FuzzCursor(f *testing.F) {
	org, err := New(Config{URL: "https://acme.okta.com", Token: "x"})
	require.NoError(f, err)
	app, err := New(Config{URL: "https://acme.okta.com", Token: "x", AppID: "0oa1"})
	require.NoError(f, err)
	roll := rest.NewIDs(rollWidth)
	roll.Add("00u1")
	f.Add(string(org.cursor(place{time.Now(), roll})))
	f.Add(string(app.cursor(place{time.Now(), roll})))
	f.Add(app.mark + " 2026-11-01T00:00:00.000Z ")
	f.Add("x 2026-01-01T00:00:00.000Z AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		for _, src := range []*Source{org, app} {
			p, err := src.place(sources.Cursor(text))
			if err != nil {
				require.ErrorIs(t, err, sources.ErrCursorExpired)
				continue
			}
			again, err := src.place(src.cursor(p))
			require.NoError(t, err)
			require.Equal(t, p, again)
		}
	})
}

// Events that failed, are about something else, or name nobody, remove nobody.
func TestRemovals(t *testing.T) {
	text := func(s string) *string { return &s }
	event := func(kind, result string, targets ...string) okta.LogEvent {
		e := okta.LogEvent{EventType: text(kind), Outcome: &okta.LogOutcome{Result: text(result)}}
		for i := 0; i < len(targets); i += 2 {
			e.Target = append(e.Target, okta.LogTarget{Type: text(targets[i]), Id: text(targets[i+1])})
		}
		return e
	}
	src := configured(t, Config{URL: "https://acme.okta.com", Token: "x", AppID: "0oa1"})
	for _, c := range []struct {
		event okta.LogEvent
		want  []sources.Change
	}{
		{event(userDeleted, "SUCCESS", "User", "00u1"), []sources.Change{{UserRemoved: "00u1"}}},
		{event(userDeleted, "FAILURE", "User", "00u1"), nil},
		{event(userDeleted, "SUCCESS", "Robot", "00u1"), nil},
		{event(groupDeleted, "SUCCESS", "UserGroup", "00g1"), []sources.Change{{GroupRemoved: "00g1"}}},
		{event(appRemoved, "SUCCESS", "AppUser", "0ua1", "AppInstance", "0oa1", "User", "00u1"), []sources.Change{{UserRemoved: "00u1"}}},
		{event(appRemoved, "SUCCESS", "AppUser", "0ua1", "AppInstance", "0oa2", "User", "00u1"), nil},
		{event(appRevoked, "SUCCESS", "AppUser", "0ua1", "AppInstance", "0oa1", "User", "00u1"), []sources.Change{{UserRemoved: "00u1"}}},
		{event(appRevoked, "SUCCESS", "AppUser", "0ua1", "AppInstance", "0oa2", "User", "00u1"), nil},
		{event(userDeactivated, "SUCCESS", "User", "00u1"), []sources.Change{{UserRemoved: "00u1"}}},
		{event("user.session.start", "SUCCESS", "User", "00u1"), nil},
		{okta.LogEvent{EventType: text(userDeleted), Target: []okta.LogTarget{{}, {Type: text("User"), Id: text("00u2")}}}, []sources.Change{{UserRemoved: "00u2"}}},
	} {
		row, err := src.removal(c.event)
		require.NoError(t, err)
		assert.Equal(t, c.want, row.Value)
	}
	// Without an app, a deactivated user is listed.
	row, err := configured(t, Config{URL: "https://acme.okta.com", Token: "x"}).removal(event(userDeactivated, "SUCCESS", "User", "00u1"))
	require.NoError(t, err)
	assert.Empty(t, row.Value)
}

// With an app, a deactivated user loses the assignment, whether or not the log says
// so. A deactivated user who is still in the app is listed, as in a full reading.
func TestDeactivatedInAnApp(t *testing.T) {
	entry := func(id, status string) string {
		return `{"id": "` + id + `", "_embedded": {"user": {"id": "` + id + `", "status": "` + status + `", "profile": {"login": "` + id + `"}}}}`
	}
	off := func(id string) string {
		return `{"eventType": "user.lifecycle.deactivate", "outcome": {"result": "SUCCESS"}, "target": [{"id": "` + id + `", "type": "User"}]}`
	}
	transport := resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		body := "[]"
		switch {
		case strings.HasSuffix(req.URL.Path, "/logs") && !req.URL.Query().Has("after"):
			body = "[" + off("00u1") + "," + off("00u2") + "]"
		case strings.HasSuffix(req.URL.Path, "/apps/0oa1/users"):
			body = "[" + entry("00u2", "DEPROVISIONED") + "," + entry("00u3", "ACTIVE") + "]"
		}
		links := []string{"<" + req.URL.String() + `>; rel="self"`}
		if strings.HasSuffix(req.URL.Path, "/logs") && !req.URL.Query().Has("after") {
			links = append(links, "<"+req.URL.String()+`&after=x>; rel="next"`)
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{
			"Content-Type": {"application/json"}, "Link": links, "Date": {time.Now().UTC().Format(http.TimeFormat)},
		}}, nil
	})
	src := configured(t, Config{URL: "https://acme.okta.com", Token: "x", AppID: "0oa1", Sees: SeesAll, Transport: transport})
	user := func(id string, status sources.Status) sources.User { return sources.User{ID: id, Status: status} }
	known := &sources.Snapshot{Kind: kind, Connection: kind, Proven: sources.FactAll, Users: []sources.User{
		user("00u1", sources.StatusActive), user("00u2", sources.StatusActive), user("00u3", sources.StatusActive),
	}}
	before := place{time.Now(), rest.NewIDs(rollWidth)}
	for _, u := range known.Users {
		before.roll.Add(u.ID)
	}
	fresh, _, err := sources.Refresh(t.Context(), src, known, src.cursor(before), sources.CollectConfig{})
	require.NoError(t, err)
	whole, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, whole.Users, fresh.Users)
	assert.Len(t, fresh.Users, 2)
}

// R53, S12: no event of the log names the users who lose the app together with a
// group, and the log may have gaps. A round in which a user is missing whom the log
// does not name says that the cursor has expired, and everything is read again.
// Users whom the log names are reported.
func TestLostTheApp(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	d := fake.NewDirectory()
	d.SetClock(func() time.Time { return now })
	for _, id := range []string{"00u1", "00u2", "00u3", "00u4"} {
		d.PutUsers(sources.User{ID: id, UserName: id, Status: sources.StatusActive})
	}
	d.PutGroups(sources.Group{ID: "00g1", Name: "Sales", Members: []string{"00u1", "00u2"}})
	o := &fake.Okta{Directory: d, Token: token, PerMinute: -1, Apps: map[string][]string{appID: {"00g1", "00u2", "00u3", "00u4"}}}
	src, requests := over(t, o, Config{AppID: appID, Sees: SeesAll}, nil)
	known, at, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	require.Len(t, known.Users, 4)

	ids := func(s *sources.Snapshot) (ids []string) {
		for _, u := range s.Users {
			ids = append(ids, u.ID)
		}
		return ids
	}
	for _, c := range []struct {
		happens func()
		want    []string
		anew    bool
	}{
		{func() { o.Unassign(appID, "00u3") }, []string{"00u1", "00u2", "00u4"}, false},
		{func() { o.Unassign(appID, "00g1") }, []string{"00u2", "00u4"}, true}, // 00u2 has it by itself
		{func() { o.Assign(appID, "00g1") }, []string{"00u2", "00u4", "00u1"}, false},
		{func() { o.Unassign(appID, "00u2") }, []string{"00u2", "00u4", "00u1"}, false}, // has it by the group
		{func() { d.PutGroups(sources.Group{ID: "00g1", Name: "Sales", Members: []string{"00u1"}}) }, []string{"00u4", "00u1"}, false},
		{func() { o.Unassign(appID, "00u4"); o.Assign(appID, "00u4") }, []string{"00u4", "00u1"}, false},
	} {
		now = now.Add(time.Hour)
		c.happens()
		*requests = nil
		anew := false
		for _, err := range src.Changes(t.Context(), at) {
			anew = anew || errors.Is(err, sources.ErrCursorExpired)
		}
		assert.Equal(t, c.anew, anew)
		known, at, err = sources.Refresh(t.Context(), src, known, at, sources.CollectConfig{})
		require.NoError(t, err)
		assert.ElementsMatch(t, c.want, ids(known))
	}
	assert.Regexp(t, `^[A-Za-z0-9_-]{12} [-0-9T:.]{23}Z [A-Za-z0-9+/]{16}$`, at, "8 characters for each of the two who have the app")
}

// Rounds applied to the known snapshot give the result of a full reading, whatever
// happens: in an org; in an app that is assigned to groups and users and taken from
// them (R53); and with managers named by employee number.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history(t, rapid.SampledFrom([]Config{
			{}, {AppID: "0oagroups"}, {ManagerID: ManagerByEmployeeNumber}, {AppID: "0oagroups", ManagerID: ManagerByLogin},
		}).Draw(t, "config"))
	})
}

func history(t *rapid.T, cfg Config) {
	now := time.Now().UTC()
	d := fake.NewDirectory()
	d.SetClock(func() time.Time { return now })
	o := &fake.Okta{Directory: d, Token: token, PerMinute: -1, PageRows: 2, Apps: map[string][]string{"0oagroups": {"00g0", "00g1", "00u0"}}}
	cfg.URL, cfg.Token, cfg.Transport = "http://127.0.0.1:1", token, fake.Transport(o)
	src, err := New(cfg)
	require.NoError(t, err)

	user := rapid.IntRange(0, 4)
	group := rapid.IntRange(0, 2)
	put := func(i int) {
		d.PutUsers(sources.User{
			ID: fmt.Sprintf("00u%d", i), UserName: fmt.Sprintf("u%d@acme.com", user.Draw(t, "login")), Status: sources.StatusActive,
			Title: strconv.Itoa(rapid.IntRange(0, 3).Draw(t, "title")), Manager: sources.Manager{ID: rapid.SampledFrom([]string{"", "1", "2", "U1@acme.com", "u2@acme.com"}).Draw(t, "manager")},
			Attributes: map[string]sources.Values{"employeeNumber": {strconv.Itoa(user.Draw(t, "number"))}},
		})
	}
	members := func() (ids []string) { // of those who are there: Okta has no others in groups
		for _, u := range d.Users() {
			if rapid.Bool().Draw(t, "member "+u.ID) {
				ids = append(ids, u.ID)
			}
		}
		return ids
	}
	var known *sources.Snapshot
	var at sources.Cursor
	for range rapid.IntRange(2, 5).Draw(t, "rounds") {
		for range rapid.IntRange(0, 4).Draw(t, "happenings") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
			g := fmt.Sprintf("00g%d", group.Draw(t, "group"))
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 5:
				o.Assign("0oagroups", rapid.SampledFrom([]string{g, fmt.Sprintf("00u%d", user.Draw(t, "assign"))}).Draw(t, "to"))
			case 6:
				o.Unassign("0oagroups", rapid.SampledFrom([]string{g, fmt.Sprintf("00u%d", user.Draw(t, "unassign"))}).Draw(t, "from"))
			case 0, 1:
				put(user.Draw(t, "put"))
			case 2:
				d.RemoveUsers(fmt.Sprintf("00u%d", user.Draw(t, "remove")))
			case 3:
				d.PutGroups(sources.Group{ID: g, Name: "Group " + strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "name")), Members: members()})
			case 4:
				d.RemoveGroups(g)
			}
		}
		now = now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "pause")) * time.Second)
		next, cursor, err := sources.Refresh(t.Context(), src, known, at, sources.CollectConfig{})
		require.NoError(t, err)
		full, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
		require.Equal(t, full.Proven, next.Proven)
		require.Equal(t, sorted(full), sorted(next))
		known, at = next, cursor
	}
}

// sorted returns the parts of a snapshot that must be equal: users and groups
// ordered by ID, and only listed members.
func sorted(s *sources.Snapshot) [2]any {
	users := slices.SortedFunc(slices.Values(s.Users), func(a, b sources.User) int { return strings.Compare(a.ID, b.ID) })
	groups := slices.SortedFunc(slices.Values(s.Groups), func(a, b sources.Group) int { return strings.Compare(a.ID, b.ID) })
	for i := range groups {
		groups[i].Members = slices.DeleteFunc(slices.Clone(groups[i].Members), func(id string) bool {
			return !slices.ContainsFunc(users, func(u sources.User) bool { return u.ID == id })
		})
		if len(groups[i].Members) == 0 {
			groups[i].Members = nil
		}
	}
	return [2]any{users, groups}
}

// One finds a manager who is named by login or employee number, as a listing does.
func TestOneWithManagerKeys(t *testing.T) {
	for key, text := range map[ManagerKey]string{ManagerByLogin: "ADA@acme.com", ManagerByEmployeeNumber: "0001"} {
		o := acme()
		users, _ := company()
		users[3].Manager.ID = text
		users[4].Manager.ID = `no"body\`
		o.Directory.PutUsers(users[3:]...)
		o.Directory.PutUsers(sources.User{ID: users[0].ID, UserName: "ada@acme.com", Email: "ada@acme.com", Attributes: map[string]sources.Values{"employeeNumber": {"0001"}, "status": {"ACTIVE"}}})
		src, _ := over(t, o, Config{ManagerID: key}, nil)
		var listed []string
		for u, err := range src.Users(t.Context()) {
			require.NoError(t, err)
			one, err := src.One(t.Context(), u.ID)
			require.NoError(t, err)
			assert.Equal(t, u, one.User)
			listed = append(listed, u.Manager.ID)
		}
		assert.Equal(t, []string{"", "00u1cagurdhtxqBdf4x0", "", "00u1cagurdhtxqBdf4x0", `no"body\`}[3:], listed[3:], key)
	}
}

// Without Okta's clock, the cursor would be a time by ours.
func TestRoundWithoutDate(t *testing.T) {
	src, _ := through(t, Config{}, func(_ int, _ *http.Request, resp *http.Response) { resp.Header.Del("Date") })
	_, _, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.ErrorIs(t, err, sources.ErrMalformed)
	require.ErrorContains(t, err, "no header Date")
}

// With managers named by a key, a round reports everybody whose manager is a
// different person now, although only the managers changed; a key that two people
// have names neither.
func TestManagerKeysMove(t *testing.T) {
	d := fake.NewDirectory()
	now := time.Now().UTC()
	d.SetClock(func() time.Time { return now })
	put := func(id, number, manager string) {
		d.PutUsers(sources.User{ID: id, UserName: id, Status: sources.StatusActive, Manager: sources.Manager{ID: manager}, Attributes: map[string]sources.Values{"employeeNumber": {number}}})
	}
	put("00u1", "1", "")
	put("00u2", "2", "")
	put("00u3", "3", "1")
	src := configured(t, Config{URL: "http://127.0.0.1:1", Token: token, Sees: SeesAll, ManagerID: ManagerByEmployeeNumber,
		Transport: fake.Transport(&fake.Okta{Directory: d, Token: token, PerMinute: -1})})
	var known *sources.Snapshot
	var at sources.Cursor
	for _, c := range []struct {
		first, second, want string
	}{
		{"1", "2", "00u1"}, {"9", "1", "00u2"}, {"1", "1", "1"}, {"9", "9", "1"}, {" 1 ", "9", "00u1"},
	} {
		now = now.Add(time.Hour)
		put("00u1", c.first, "")
		put("00u2", c.second, "")
		var err error
		known, at, err = sources.Refresh(t.Context(), src, known, at, sources.CollectConfig{})
		require.NoError(t, err)
		assert.Equal(t, c.want, known.Users[2].Manager.ID, "%+v", c)
		one, err := src.One(t.Context(), "00u3")
		require.NoError(t, err)
		if c.first == strings.TrimSpace(c.first) { // Okta's search compares with the spaces
			assert.Equal(t, c.want, one.User.Manager.ID, "%+v", c)
		}
	}
}
