package review_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/review"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

func TestNewNeedsAccess(t *testing.T) {
	for name, without := range map[string]func(*review.Config){
		"Access": func(c *review.Config) { c.Access = nil }, "Store": func(c *review.Config) { c.Store = nil },
		"Syncer": func(c *review.Config) { c.Syncer = nil }, "Setup": func(c *review.Config) { c.Setup = nil },
		"Connections": func(c *review.Config) { c.Connections = nil },
	} {
		cfg := newHost(t).cfg
		without(&cfg)
		handler, err := review.New(cfg)
		require.ErrorContains(t, err, "Config."+name)
		require.Nil(t, handler)
	}
}

// The plan page shows dangerous changes first and equal changes as one entry.
// Every view of it has a URL.
func TestPlanPage(t *testing.T) {
	h := newHost(t)
	h.hire(names(10)...)
	h.leave("person00", "person01", "person02")
	h.dirs[acme].set(func(d *directory) {
		for i := 3; i < 8; i++ {
			d.users[i].Title = "Manager"
		}
		d.users[8].Title = "Director"
		d.users = append(d.users, user("newcomer"))
	})
	page := h.post("olga", "plan", "connection", "okta")
	require.Equal(t, 200, page.StatusCode, page.text)
	words := page.words()
	require.Contains(t, words, "3 held 1 create 6 update 1 to look at 1 unchanged")
	require.Contains(t, words, "3 of 10 people, 30 %; limit 2 people. Waits for an approval of the class deactivate")
	require.Contains(t, words, "5 people: title Clerk -> Manager (person03@acme.com, person04@acme.com, …)")
	require.Contains(t, words, "person08@acme.com: title Clerk -> Director")
	require.Contains(t, words, "1 person stays unchanged")
	require.Contains(t, words, "Made")
	var order []int
	for _, section := range []string{`id="waits-deactivate"`, `id="comes"`, `id="changes"`} {
		order = append(order, strings.Index(page.text, section))
		require.Positive(t, order[len(order)-1], section)
	}
	require.IsIncreasing(t, order)

	hash := h.plan().Hash
	for query, want := range map[string][2]int{ // number of shown people, number of sections
		"&kind=create": {1, 1}, "&kind=update": {6, 1}, "&kind=deactivate": {3, 1}, "&field=title": {7, 2},
		"&q=person03": {1, 1}, "&reason=source.inactive": {3, 1}, "&assignment=sales": {9, 2}, "&assignment=default": {1, 1},
		"&kind=adopt": {0, 0}, "&section=changes": {6, 1}, "&q=PERSON03@acme.com&kind=update": {1, 1},
	} {
		page := h.get("olga", "plan?hash="+hash+query)
		people := 0
		parts := strings.Split(page.text, `<h2 id="`)
		for _, part := range parts[1:] {
			head, _, _ := strings.Cut(part, "</span></h2>")
			n, err := strconv.Atoi(strings.TrimSuffix(head[strings.LastIndex(head, "(")+1:], ")"))
			require.NoError(t, err)
			people += n
		}
		require.Equal(t, want, [2]int{people, len(parts) - 1}, "%s", query)
	}
	group := strings.Split(strings.Split(page.text, "group=")[1], `"`)[0]
	require.Contains(t, h.get("olga", "plan?hash="+hash+"&group="+strings.Split(group, "&")[0]).words(), "Back to the whole plan")
	require.Equal(t, 404, h.send("olga", "GET", "plan?hash="+hash+"&group=0123", nil).StatusCode)
	require.Equal(t, 404, h.send("olga", "GET", "plan?hash="+strings.Repeat("0", 64), nil).StatusCode)
	require.Equal(t, 404, h.send("olga", "GET", "plan", nil).StatusCode)
	require.Equal(t, 404, h.send("olga", "GET", "nothing", nil).StatusCode)
}

func class(plan *provisioning.Plan, c provisioning.Class) *provisioning.Breaker {
	for i := range plan.Breakers {
		if plan.Breakers[i].Class == c {
			return &plan.Breakers[i]
		}
	}
	return nil
}

// S13, S39: the page says why so few people wait: others were changed lately, or it is
// not the limit that makes them wait.
func TestPlanPageSaysWhyAClassWaits(t *testing.T) {
	h := newHost(t)
	h.hire(names(10)...)
	h.leave("person00")
	_, err := h.sync.Run(t.Context(), acme)
	require.NoError(t, err)
	h.lately[provisioning.ClassDeactivate] = 1
	h.leave("person01", "person02")
	page := h.get("olga", "plan?hash="+h.plan().Hash)
	require.Contains(t, page.words(), "2 of 9 people, 22.2 %, beside 1 done lately; limit 2 people. Waits for")

	h.dirs[acme].set(func(d *directory) { d.users, d.groups = nil, nil })
	page = h.get("olga", "plan?hash="+h.plan().Hash)
	require.Contains(t, page.words(), "9 of 9 people, 100 %, beside 1 done lately. The snapshot has nobody in it, so this (deactivate) waits for an approval whatever the limit is. Waits for")
}

// approval returns the form values of an approval.
func approval(plan *provisioning.Plan, c provisioning.Class, number, reason string) []string {
	return []string{"hash", plan.Hash, "class", c.String(), "waits", class(plan, c).Hash, "number", number, "reason", reason}
}

// A held class is approved from start to finish: the admin types the number and
// a reason, and the page shows the outcome. An approval can be used once (S15).
func TestApprove(t *testing.T) { // S15
	h := newHost(t)
	h.hire(names(10)...)
	h.leave(names(4)...)
	plan := h.plan()
	require.Contains(t, h.get("olga", "plan?hash="+plan.Hash).text, "approve?class=deactivate")
	require.NotContains(t, h.get("reader", "plan?hash="+plan.Hash).text, "approve?class=deactivate")
	form := h.get("olga", "approve?hash="+plan.Hash+"&class=deactivate")
	require.Contains(t, form.words(), "deactivate: 4 of 10 people, 40 %; limit 2 people")

	for problem, pairs := range map[string][]string{
		"Type the number":      approval(plan, provisioning.ClassDeactivate, "3", "they left"),
		"A reason is required": approval(plan, provisioning.ClassDeactivate, "4", "  "),
		"Look at it again":     append(approval(plan, provisioning.ClassDeactivate, "4", "they left"), "waits", "0123"),
	} {
		page := h.post("olga", "approve", pairs...)
		require.Equal(t, 422, page.StatusCode)
		require.Contains(t, page.words(), problem)
		require.Equal(t, 10, h.active())
	}
	require.Equal(t, 403, h.post("reader", "approve", approval(plan, provisioning.ClassDeactivate, "4", "they left")...).StatusCode)
	require.Equal(t, 404, h.post("olga", "approve", "hash", plan.Hash, "class", "adopt", "reason", "x").StatusCode)

	page := h.post("olga", "approve", approval(plan, provisioning.ClassDeactivate, "4", "they left")...)
	require.Contains(t, page.words(), "Done. 4 changes are done.")
	require.Contains(t, page.words(), "Reason they left")
	require.Equal(t, 6, h.active())
	home := h.get("olga", "").words()
	require.Contains(t, home, "deactivate, 4 people olga they left done: 4 done")
	for record, err := range h.store.Audit(t.Context(), "acme") {
		require.NoError(t, err)
		if record.Kind == provisioning.KindDeactivate {
			require.Equal(t, "olga", record.Actor) // R4
		}
	}
	again := h.post("olga", "approve", approval(plan, provisioning.ClassDeactivate, "4", "they left")...)
	require.Contains(t, again.words(), "this approval was used before")
	require.NotContains(t, h.log.String(), "@acme.com")
}

// If the host requires it, two people must approve. Any replica knows of the
// first approval.
func TestSecondPerson(t *testing.T) {
	two, failed := map[string][]provisioning.Class{"acme": {provisioning.ClassDeactivate}}, error(nil)
	h := newHost(t, func(c *review.Config) {
		c.TwoPeople = func(_ context.Context, target syncer.Target) ([]provisioning.Class, error) {
			return two[target.Tenant], failed
		}
	})
	h.hire(names(10)...)
	h.leave(names(4)...)
	plan := h.plan()
	form := approval(plan, provisioning.ClassDeactivate, "4", "they left")
	require.Contains(t, h.post("olga", "approve", form...).words(), "It waits for a second person.")
	require.Equal(t, 10, h.active())
	h.handler = h.replica()
	own := h.post("olga", "approve", form...)
	require.Equal(t, 422, own.StatusCode)
	require.Contains(t, own.words(), "Somebody else has to confirm it")
	require.Equal(t, 10, h.active())
	require.Contains(t, h.get("ned", "approve?hash="+plan.Hash+"&class=deactivate").words(), "olga approved this")
	failed = errors.New("the settings are away")
	require.Equal(t, 500, h.post("ned", "approve", form...).StatusCode)
	require.Equal(t, 500, h.post("olga", "approve", form...).StatusCode)
	require.Equal(t, 10, h.active())
	failed = nil
	page := h.post("ned", "approve", form...)
	require.Contains(t, page.words(), "Confirmed by ned")
	require.Contains(t, page.words(), "Done. 4 changes are done.")
	require.Equal(t, 6, h.active())

	// This is a setting of the tenant, not of the application: if it is not
	// set, or no longer set, one person is enough.
	delete(two, "acme")
	two["rival"] = []provisioning.Class{provisioning.ClassDeactivate}
	h.leave("person05", "person06", "person07")
	plan = h.plan()
	page = h.post("olga", "approve", approval(plan, provisioning.ClassDeactivate, "3", "they left too")...)
	require.Contains(t, page.words(), "Done. 3 changes are done.")
	require.Equal(t, 3, h.active())
}

// A stale approval does nothing, and the page shows the difference between what
// was approved and what waits now. An approval stays valid if the same changes
// still wait.
func TestStaleApproval(t *testing.T) { // S15, S45
	h := newHost(t)
	h.hire(names(10)...)
	h.leave(names(4)...)
	plan := h.plan()
	h.leave("person07")
	h.dirs[acme].set(func(d *directory) { d.users[0].Status = sources.StatusActive })
	h.plan() // a newer plan with other changes
	page := h.get("olga", "approve?hash="+plan.Hash+"&class=deactivate")
	require.Contains(t, page.words(), "A newer plan of this connection has taken this one's place.")
	void := h.post("olga", "approve", approval(plan, provisioning.ClassDeactivate, "4", "they left")...)
	require.Contains(t, void.words(), "Nothing was done.")
	require.Contains(t, void.words(), "Wait now, and were not in what was approved (1) person07@acme.com")
	require.Contains(t, void.words(), "Were approved, and wait no longer (1) person00@acme.com")
	require.Contains(t, void.words(), "Look at what waits now (4)")
	require.Equal(t, 10, h.active())

	again := h.plan()
	h.dirs[acme].set(func(d *directory) { d.users[9].Title = "Director" }) // a change that affects nothing that waits
	h.plan()
	held := h.post("olga", "approve", approval(again, provisioning.ClassDeactivate, "4", "they left")...)
	require.Contains(t, held.words(), "Done. 5 changes are done.")
	require.Equal(t, 6, h.active())
}

// Changes that need no approval can be applied without one.
func TestApplyOrdinary(t *testing.T) {
	h := newHost(t)
	h.hire(names(5)...)
	h.leave("person00")
	plan := h.plan()
	require.Equal(t, 403, h.post("reader", "apply", "hash", plan.Hash).StatusCode)
	require.Contains(t, h.post("olga", "apply", "hash", plan.Hash).words(), "Done. 1 change is done.")
	require.Equal(t, 4, h.active())
}

// The page of a person shows the reasons as steps, old and new values, the
// owner and the lock of each field, and the history.
func TestPersonPage(t *testing.T) {
	h := newHost(t)
	h.hire("ana", "bo")
	h.dirs[acme].set(func(d *directory) { d.users[0].Title = "Queen" })
	plan := h.plan()
	page := h.get("olga", "person?hash="+plan.Hash+"&who=ana@acme.com")
	words := page.words()
	require.Contains(t, words, "The plan: done: title Clerk -> Queen")
	require.Contains(t, words, "title Clerk Queen source")
	require.Contains(t, words, "fields: The source has another value.")
	require.Contains(t, words, "title Clerk source locked: The source owns this field.")
	require.Contains(t, words, "seats core source locked: The assignment is automatic, so its settings are not edited by hand.")
	require.Contains(t, words, "create by")
	for _, who := range []string{"Bo+Lee", "u-bo", "bo@acme.com", "BO@ACME.COM"} {
		require.Contains(t, h.get("olga", "person?who="+who).words(), "email bo@acme.com", who)
	}
	require.Contains(t, h.get("olga", "person?hash="+plan.Hash+"&who=bo@acme.com").words(), "The plan does not mention this person")
	require.Contains(t, h.get("reader", "person?who=u-bo").words(), "You may not see it.")
	require.Equal(t, 404, h.send("olga", "GET", "person?who=nobody", nil).StatusCode)
}

// The what-if page shows the people who would change, in groups. For a bad
// config, it lists all errors at once.
func TestWhatIfPage(t *testing.T) { // R108
	h := newHost(t, func(c *review.Config) {
		c.Rules = nil
	})
	h.hire("ana", "bo", "cy")
	h.dirs[acme].set(func(d *directory) {
		d.groups = append(d.groups, sources.Group{ID: "g-vip", Members: []string{"u-ana", "u-bo"}})
	})
	form := h.get("olga", "whatif")
	require.Contains(t, form.words(), `"revision": "7"`)
	next := `{"format":1,"source":"okta","domains":{"primary":"acme.com"},"attributes":{"cost":"cost"},"assignments":[
		{"id":"vip","name":"VIP","match":{"groups":["g-vip"]},"mode":"automatic","seats":["core","gold"]},
		{"id":"sales","name":"Sales","match":{"groups":["g-sales"]},"mode":"automatic","seats":["core"]}]}`
	page := h.post("olga", "whatif", "connection", "okta", "now", "in force", "next", "pasted", "next_text", next)
	require.Equal(t, 200, page.StatusCode)
	require.Contains(t, page.words(), "2 people would be decided differently")
	require.Contains(t, page.words(), "sales → vip (2)")
	require.Contains(t, page.words(), "2 people: seats +gold")
	bad := h.post("olga", "whatif", "connection", "okta", "now", "in force", "next", "pasted", "next_text", `{"format":1,"source":"okta","nonsense":1,"domains":{"primary":"*"}}`)
	require.Equal(t, 422, bad.StatusCode)
	require.Contains(t, bad.words(), "nonsense")
	require.Contains(t, bad.words(), "domains.primary")
	other := h.post("olga", "whatif", "connection", "okta", "now", "in force", "next", "pasted", "next_text", `{"format":1,"source":"entra","domains":{"primary":"acme.com"}}`)
	require.Equal(t, 422, other.StatusCode)
	require.Equal(t, 403, h.send("reader", "GET", "whatif", nil).StatusCode)
}

func TestChartPage(t *testing.T) {
	h := newHost(t)
	h.hire("ana", "bo", "cy", "di", "eli")
	h.dirs[acme].set(func(d *directory) {
		for i := 1; i < 5; i++ {
			d.users[i].Manager.Email = d.users[i-1].Email
		}
	})
	_, err := h.sync.Run(t.Context(), acme)
	require.NoError(t, err)
	page := h.get("olga", "chart")
	require.Equal(t, 3, strings.Count(page.text, `<text class="person`))
	require.Contains(t, page.text, "Cy Lee<tspan class=\"fold\" fill=\"#4b5563\"> (+2)")
	found := h.get("olga", "chart?q=eli")
	require.Contains(t, found.words(), "Found Eli Lee")

	h.dirs[acme].set(func(d *directory) { d.users[4].Manager.Email = "ana@acme.com" })
	plan := h.plan()
	require.Contains(t, h.get("olga", "chart?hash="+plan.Hash).text, `class="edge changed"`)
	require.Contains(t, h.get("olga", "chart?hash="+plan.Hash).words(), "of whom 1 get another manager")
	require.NotContains(t, h.get("olga", "chart?hash="+plan.Hash+"&when=before").text, `class="edge changed"`)
	for path, want := range map[string]string{"chart.svg": "<svg", "chart.dot": "digraph", "chart.mmd": "flowchart"} {
		file := h.get("olga", path+"?connection=okta")
		require.Contains(t, file.text, want)
		require.Contains(t, file.text, "Eli Lee")
		require.Contains(t, file.Header.Get("Content-Disposition"), "attachment")
		require.Equal(t, 403, h.send("reader", "GET", path, nil).StatusCode)
	}
}

func TestExports(t *testing.T) {
	h := newHost(t)
	h.hire(names(3)...)
	h.dirs[acme].set(func(d *directory) {
		d.users[0].Title, d.users[0].MobilePhone, d.users[0].PrivateEmail = "=1+1", "+1 212 555 0101", "p0@home.example"
		d.users = append(d.users, user("newcomer"))
	})
	plan := h.plan()
	file := h.get("olga", "export.html?hash="+plan.Hash)
	require.Contains(t, file.words(), "newcomer@acme.com")
	for _, private := range []string{"555 0101", "p0@home.example"} {
		require.NotContains(t, file.text, private)
	}
	require.NotContains(t, file.text, "href=") // the file refers to nothing else
	require.NotContains(t, file.text, "src=")
	read, err := provisioning.ReadPlan([]byte(h.get("olga", "export.json?hash="+plan.Hash).text))
	require.NoError(t, err)
	require.Equal(t, plan.Hash, read.Hash)
	csv := h.get("olga", "export.csv?hash="+plan.Hash).text
	require.Contains(t, csv, "comes,newcomer@acme.com,")
	require.NotRegexp(t, `(?m)(^|,)[=+@-]`, csv)
	require.Equal(t, 403, h.send("reader", "GET", "export.csv?hash="+plan.Hash, nil).StatusCode)
}

// WriteHTML makes the same file without a server. The plan may be unsaved. The
// file is redacted and escaped, and has the same bytes each time.
func TestWriteHTML(t *testing.T) {
	hostile := `<script>alert(1)</script>`
	r, err := provisioning.New(rulesOf(acme))
	require.NoError(t, err)
	u := user("ana")
	u.Title, u.MobilePhone, u.PrivateEmail = hostile, "+1 212 555 0101", "ana@home.example"
	plan := r.Resolve(provisioning.Input{Tenant: "acme", Snapshot: &sources.Snapshot{
		Format: 1, Kind: "okta", Connection: "okta", Proven: sources.FactAll, Users: []sources.User{u},
		Groups: []sources.Group{{ID: "g-sales", Members: []string{u.ID}}},
	}})
	write := func(cfg review.HTMLConfig) string {
		var b strings.Builder
		require.NoError(t, review.WriteHTML(&b, plan, cfg))
		return b.String()
	}
	file := write(review.HTMLConfig{})
	require.Contains(t, file, plan.Hash)
	require.Contains(t, file, "ana@acme.com")
	require.NotContains(t, file, "555 0101")
	require.NotContains(t, file, "ana@home.example")
	require.NotContains(t, file, "<script")
	require.NotContains(t, file, "this file was made")
	require.Equal(t, file, write(review.HTMLConfig{}))
	require.True(t, strings.HasSuffix(file, "</html>\n"))
	masked := write(review.HTMLConfig{Hide: provisioning.PersonalMask(), Made: time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC), By: hostile})
	require.NotContains(t, masked, "ana@acme.com")
	require.Contains(t, masked, "this file was made 2026-11-26 03:00 UTC for &lt;script&gt;")

	// A failed write is reported early, because the file is streamed.
	full := &fullDisk{room: 50_000}
	require.ErrorIs(t, review.WriteHTML(full, bigPlan(t, newHost(t), 5_000), review.HTMLConfig{}), errFull)
	require.Less(t, full.most, 64<<10)
}

var errFull = errors.New("the disk is full")

// A fullDisk accepts a limited number of bytes, and records the size of the
// largest write.
type fullDisk struct{ room, most int }

func (f *fullDisk) Write(b []byte) (int, error) {
	f.most = max(f.most, len(b))
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestRunsPage(t *testing.T) {
	h := newHost(t)
	h.hire(names(10)...)
	h.leave(names(4)...)
	require.Contains(t, h.post("olga", "run", "connection", "okta").words(), "Plan for okta")
	home := h.get("olga", "").words()
	require.Contains(t, home, "okta: held")
	require.Contains(t, home, "breaker.deactivate")
	require.Contains(t, home, "4 people are not decided to the end")
	require.Contains(t, home, "its plan")
	require.Contains(t, h.post("olga", "pause", "connection", "okta", "reason", "a migration").words(), "connection.paused since")
	require.Contains(t, h.get("olga", "").text, `action="resume"`)
	require.NotContains(t, h.post("olga", "resume", "connection", "okta").words(), "connection.paused")
	require.Equal(t, 403, h.post("reader", "pause", "connection", "okta", "reason", "x").StatusCode)
	h.access["ned"] = review.Access{Actor: "ned", Tenant: "acme", May: review.See, Connections: []string{"other"}}
	require.Contains(t, h.get("ned", "").words(), "There is no connection that you may see.")
}

// A slowStore delays the answer about a plan.
type slowStore struct {
	*provisioning.Memory
	takes time.Duration
}

func (s *slowStore) Plan(ctx context.Context, tenant, hash string) (*provisioning.Plan, error) {
	time.Sleep(s.takes)
	return s.Memory.Plan(ctx, tenant, hash)
}

// The beginning of a page is sent before a slow store answers, always with the
// status 200. If the writer cannot flush, an early beginning has no use, and
// the status is that of the answer.
func TestFirstByteIsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, func(c *review.Config) { c.Store = &slowStore{c.Store.(*provisioning.Memory), time.Second} })
		path := "plan?hash=" + strings.Repeat("1", 64)
		early := ask(t, h.handler, path)
		require.Less(t, early.first, time.Second)
		require.Equal(t, 404, h.send("olga", "GET", path, nil).StatusCode)
	})
}
