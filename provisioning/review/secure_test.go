package review_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/review"
	"github.com/usher-go/usher/sources"
)

// visit follows every link and the values of every filter, starting from the
// first page. It returns the answer of each URL.
func (h *host) visit(user string, begin ...string) map[string]answer {
	seen := make(map[string]answer)
	links := regexp.MustCompile(`(?:href|action)="([^"#]+)"`)
	for todo := append([]string{""}, begin...); len(todo) > 0; todo = todo[1:] {
		at := todo[0]
		if _, known := seen[at]; known || len(seen) > 2000 {
			continue
		}
		a := h.send(user, "GET", at, nil)
		seen[at] = a
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, m := range links.FindAllStringSubmatch(a.text, -1) {
			to := strings.TrimPrefix(strings.ReplaceAll(m[1], "&amp;", "&"), "./")
			require.False(h.t, strings.HasPrefix(to, "/") || strings.Contains(to, "://"), "%s links to %s, which is not relative", at, to)
			todo = append(todo, to)
		}
	}
	return seen
}

// world returns a host in which every page has content.
func world(t testing.TB) (*host, *provisioning.Plan) {
	h := newHost(t)
	h.hire(names(10)...)
	h.leave(names(4)...)
	h.dirs[acme].set(func(d *directory) {
		d.users[5].Title = "Overlord"
		d.users[6].Manager.Email = d.users[5].Email
		d.users = append(d.users, user("newcomer"))
	})
	require.Contains(t, h.post("olga", "run", "connection", "okta").words(), "Plan for okta")
	plan := h.plan()
	h.post("olga", "approve", approval(plan, provisioning.ClassDeactivate, "4", "they left")...)
	h.leave("person05", "person06", "person07")
	h.dirs[acme].set(func(d *directory) { d.users[8].Title = "Overlord" })
	require.Contains(t, h.post("olga", "plan", "connection", "okta").words(), "Plan for okta")
	return h, h.plan()
}

// No URL reads or changes a plan, a person or a run of another tenant.
func TestOtherTenant(t *testing.T) {
	h, plan := world(t)
	pages := h.visit("olga", "plan?hash="+plan.Hash)
	require.Greater(t, len(pages), 60)
	kinds := make(map[string]bool)
	for path, page := range pages {
		name, _, _ := strings.Cut(path, "?")
		kinds[name] = true
		require.NotEqual(t, 500, page.StatusCode, path)
		other := h.send("eve", "GET", path, nil)
		require.NotContains(t, other.text, "person0", path)
		require.NotContains(t, other.text, "they left", path)
		if strings.Contains(path, "hash=") || strings.Contains(path, "id=") {
			require.Equal(t, 404, other.StatusCode, path)
		}
		for _, nobody := range []string{"", "stranger"} {
			a := h.send(nobody, "GET", path, nil)
			if name != "style.css" {
				require.Equal(t, 403, a.StatusCode, path)
				require.NotContains(t, a.text, "person0", path)
			}
		}
	}
	for _, want := range []string{"", "plan", "approve", "outcome", "person", "chart", "whatif", "chart.svg", "chart.dot", "chart.mmd", "export.html", "export.csv", "export.json"} {
		require.True(t, kinds[want], "the walk did not come to %q", want)
	}
	active := h.active()
	for _, post := range [][]string{
		append([]string{"approve"}, approval(plan, provisioning.ClassDeactivate, "3", "x")...),
		{"apply", "hash", plan.Hash}, {"plan", "connection", "other"}, {"run", "connection", "other"}, {"pause", "connection", "other", "reason", "x"},
	} {
		require.Equal(t, 404, h.post("eve", post[0], post[1:]...).StatusCode, "%s", post)
		require.Equal(t, 403, h.post("", post[0], post[1:]...).StatusCode, "%s", post)
	}
	require.Equal(t, active, h.active())

	// A connection that the host's function does not list cannot be reached,
	// either.
	h.access["ned"] = review.Access{Actor: "ned", Tenant: "acme", May: everything("", "").May, Connections: []string{"entra"}}
	for path := range pages {
		a := h.send("ned", "GET", path, nil)
		require.NotContains(t, a.text, "person0", path)
		if strings.Contains(path, "connection=okta") || strings.Contains(path, "hash=") {
			require.Equal(t, 404, a.StatusCode, path)
		}
	}
}

// A value that the host's function hides is on no page, in no file and in no
// log, and a search does not find it.
func TestHidden(t *testing.T) {
	h, plan := world(t)
	secret := []string{"person0", "Person0", "newcomer", "Newcomer", "Overlord", "Clerk", "@acme.com"}
	hiding := everything("mole", "acme")
	hiding.Hide = provisioning.PersonalMask()
	h.access["mole"] = hiding
	team, err := provisioning.Team(t.Context(), h.store, "acme")
	require.NoError(t, err)
	begin := []string{"plan?hash=" + plan.Hash}
	for _, m := range team {
		begin = append(begin, "person?who="+m.ID, "person?hash="+plan.Hash+"&who="+m.ID, "chart?at="+m.ID)
	}
	h.log.Reset()
	pages := h.visit("mole", begin...)
	require.Greater(t, len(pages), 60)
	for path, page := range pages {
		require.NotEqual(t, 500, page.StatusCode, path)
		for _, s := range secret {
			require.NotContains(t, page.text, s, path)
		}
	}
	require.Equal(t, 403, h.send("mole", "GET", "export.json?hash="+plan.Hash, nil).StatusCode)
	for _, who := range []string{"person05@acme.com", "Person05+Lee", "u-person05"} {
		require.Equal(t, 404, h.send("mole", "GET", "person?who="+who, nil).StatusCode, who)
		require.Contains(t, h.get("mole", "plan?hash="+plan.Hash+"&q="+who).words(), "Nothing in this plan is selected")
		require.Contains(t, h.get("mole", "chart?q="+who).words(), "Nobody is found")
	}
	whatIf := h.post("mole", "whatif", "connection", "okta", "now", "in force", "next", "pasted", "next_text",
		`{"format":1,"source":"okta","domains":{"primary":"acme.com"},"default":{"id":"default","name":"D","mode":"automatic","seats":["gold"]}}`)
	require.Contains(t, whatIf.words(), "would be decided differently")
	for _, s := range secret {
		require.NotContains(t, whatIf.text, s)
	}
	for _, s := range secret {
		require.NotContains(t, h.log.String(), s)
	}
	// Hiding one field removes its values, and nothing else.
	hiding.Hide = provisioning.Mask{provisioning.FieldTitle}
	h.access["mole"] = hiding
	for path, page := range h.visit("mole", begin...) {
		for _, s := range []string{"Overlord", "Clerk"} {
			require.NotContains(t, page.text, s, path)
		}
	}
	require.Contains(t, h.get("mole", "plan?hash="+plan.Hash).words(), "title (hidden) -> (hidden, new)")
}

// Every text from outside is shown as text, for any content.
func TestHostileDirectory(t *testing.T) {
	h := newHost(t)
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, "\u202eevil\u2066", strings.Repeat("x", 10000),
		"{{.Access}}", "line\nbreak\u2028", `' onmouseover='alert(1)`, `</title></svg><svg onload=alert(1)>`, "\x00\x1b[31m", `&lt;b&gt;`,
	}
	h.dirs[acme].set(func(d *directory) {
		group := sources.Group{ID: "g-sales", Name: hostile[0]}
		for i, text := range hostile {
			u := user(fmt.Sprintf("h%02d", i))
			u.GivenName, u.FamilyName, u.Title, u.Phone, u.State = text, text, text, text, text
			u.Attributes = map[string]sources.Values{"cost": {text}}
			u.Manager.Name = text
			d.users = append(d.users, u)
			group.Members = append(group.Members, u.ID)
			bad := user(fmt.Sprintf("b%02d", i))
			bad.ID, bad.Email = text, text
			d.users = append(d.users, bad)
		}
		d.groups = []sources.Group{group}
	})
	_, err := h.sync.Run(t.Context(), acme)
	require.NoError(t, err)
	h.dirs[acme].set(func(d *directory) {
		for i := range d.users {
			d.users[i].Title += " more"
			d.users[i].Status = []sources.Status{sources.StatusActive, sources.StatusActive, sources.StatusInactive}[i%3]
		}
		for i, text := range hostile { // the same for newcomers
			u := user(fmt.Sprintf("n%02d", i))
			u.GivenName, u.FamilyName = text, text
			d.users = append(d.users, u)
		}
	})
	plan := h.plan()
	pages := h.visit("olga", "plan?hash="+plan.Hash)
	for _, text := range hostile {
		for _, path := range []string{"plan?hash=" + plan.Hash + "&q=", "person?who=", "chart?q=", "plan?kind=x&hash=" + plan.Hash + "&reason="} {
			path += url.QueryEscape(text)
			if a := h.send("olga", "GET", path, nil); a.StatusCode != 400 {
				pages[path] = a
			}
		}
	}
	require.Greater(t, len(pages), 60)
	for path, page := range pages {
		require.NotEqual(t, 500, page.StatusCode, "%s: %s", path, page.text)
		switch {
		case strings.HasPrefix(path, "export.json") || strings.HasPrefix(path, "chart.dot") || strings.HasPrefix(path, "chart.mmd") || strings.HasPrefix(path, "style.css"):
			continue // a browser does not show it as a page
		case strings.HasPrefix(path, "export.csv"):
		default:
			require.NotContains(t, page.text, "<script", path)
			require.NotContains(t, page.text, "<img", path)
			require.NotContains(t, page.text, "<svg onload", path)
			require.NotRegexp(t, `href="javascript`, page.text, path)
			require.NotRegexp(t, `<[a-z]+ [^>"]*'? onmouseover`, page.text, path)
			require.Less(t, len(page.text), 300<<10, path)
		}
		for _, mark := range []string{"\u202e", "\u2066", "\u2028", "\x00", "\x1b"} {
			require.NotContains(t, page.text, mark, "%s: %q", path, mark)
		}
		require.NotContains(t, page.text, strings.Repeat("x", 5000), path)
	}
	require.Contains(t, pages["plan?hash="+plan.Hash].text, "&lt;script&gt;")
}

// A page of another origin cannot make a browser send a form, and no page loads
// other content or executes a script.
func TestHeaders(t *testing.T) {
	h, plan := world(t)
	active := h.active()
	form := url.Values{}
	pairs := approval(plan, provisioning.ClassDeactivate, "3", "x")
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	for _, from := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}} {
		for _, path := range []string{"approve", "apply", "plan", "run", "pause", "resume", "whatif"} {
			r := httptest.NewRequest("POST", "/admin/review/"+path, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("User", "olga")
			for name, value := range from {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.handler.ServeHTTP(w, r)
			require.Equal(t, 403, w.Code, "%s %v", path, from)
		}
	}
	require.Equal(t, active, h.active())
	for path, page := range h.visit("olga", "plan?hash="+plan.Hash) {
		policy := page.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", path)
		require.Contains(t, policy, "frame-ancestors 'none'", path)
		require.NotContains(t, policy, "unsafe", path)
		require.Equal(t, "nosniff", page.Header.Get("X-Content-Type-Options"), path)
		if !strings.HasPrefix(path, "export.") {
			require.NotRegexp(t, `<style|<script| style="| on[a-z]+="`, page.text, path)
		}
	}
	// A GET request changes nothing.
	for _, path := range []string{"apply", "run", "pause", "resume"} {
		require.NotEqual(t, http.StatusOK, h.send("olga", "GET", path+"?hash="+plan.Hash+"&connection=okta&reason=x", nil).StatusCode)
	}
	require.Equal(t, active, h.active())
	// A form that is too large is refused.
	require.Equal(t, 400, h.post("olga", "whatif", "next_text", strings.Repeat("x", 5<<20)).StatusCode)
}

// Actions that a user may not do are on no page, and requests for them are
// refused.
func TestAbilities(t *testing.T) {
	h, plan := world(t)
	pages := h.visit("reader", "plan?hash="+plan.Hash)
	var got []string
	for path := range pages {
		name, _, _ := strings.Cut(path, "?")
		if !slices.Contains(got, name) {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	require.Equal(t, []string{"", "chart", "outcome", "person", "plan", "style.css"}, got)
	for _, post := range [][]string{{"apply", "hash", plan.Hash}, {"plan"}, {"run"}, {"pause", "reason", "x"}, {"resume"}, {"whatif"}} {
		require.Equal(t, 403, h.post("reader", post[0], post[1:]...).StatusCode, "%s", post)
	}
	h.access["none"] = review.Access{Actor: "none", Tenant: "acme"}
	h.access["empty"] = review.Access{May: review.See}
	for _, who := range []string{"none", "empty"} {
		for path := range pages {
			if path != "style.css" {
				require.Equal(t, 403, h.send(who, "GET", path, nil).StatusCode)
			}
		}
	}
}
