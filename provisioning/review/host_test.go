package review_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/review"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// A directory is a source whose users a test sets.
type directory struct {
	connection string
	mu         sync.Mutex
	users      []sources.User
	groups     []sources.Group
}

func (d *directory) Info() sources.Info {
	return sources.Info{Kind: "okta", Connection: d.connection, Lists: sources.FactUsers | sources.FactGroups | sources.FactMemberships | sources.FactManagers}
}

func (d *directory) Users(context.Context) iter.Seq2[sources.User, error] {
	d.mu.Lock()
	users := slices.Clone(d.users)
	d.mu.Unlock()
	return func(yield func(sources.User, error) bool) {
		for _, u := range users {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (d *directory) Groups(context.Context) iter.Seq2[sources.Group, error] {
	d.mu.Lock()
	groups := slices.Clone(d.groups)
	d.mu.Unlock()
	return func(yield func(sources.Group, error) bool) {
		for _, g := range groups {
			if !yield(g, nil) {
				return
			}
		}
	}
}

func (d *directory) set(do func(d *directory)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do(d)
}

// An oldTeam is a store whose members joined before the window of the breakers. Only
// the given counts were done in it.
type oldTeam struct {
	*provisioning.Memory
	lately map[provisioning.Class]int
}

func (o oldTeam) Window(context.Context, string, string, time.Duration) (provisioning.Window, error) {
	return provisioning.Window{Done: o.lately}, nil
}

// A host has the parts of a program around the pages: two tenants, each with a
// directory, a team and a syncer, and a sign-in by a header.
type host struct {
	t       testing.TB
	store   *provisioning.Memory
	sync    *syncer.Syncer
	dirs    map[syncer.Target]*directory
	rules   func(syncer.Target) provisioning.Config
	access  map[string]review.Access // keyed by the value of the header User
	handler http.Handler
	cfg     review.Config
	lately  map[provisioning.Class]int // see oldTeam
	log     *strings.Builder
}

var acme = syncer.Target{Tenant: "acme", Connection: "okta"}
var rival = syncer.Target{Tenant: "rival", Connection: "okta"}

// everything returns the access of a user who may do everything.
func everything(actor, tenant string) review.Access {
	a := review.Access{Actor: actor, Tenant: tenant, May: review.See | review.History | review.Export | review.Plan | review.Operate}
	for c := provisioning.ClassDeactivate; c <= provisioning.ClassIdentity; c++ {
		a.Approve = append(a.Approve, c)
	}
	return a
}

// rulesOf returns rules that let two people leave and hold the third.
func rulesOf(target syncer.Target) provisioning.Config {
	two, none := 2, 0
	return provisioning.Config{
		Source: "okta", Connection: target.Connection, Domains: provisioning.Domains{Primary: target.Tenant + ".com"}, Revision: "7",
		Assignments: []assignment.Assignment{{
			ID: "sales", Name: "Sales", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g-sales"}},
			Settings: assignment.Settings{Seats: []string{"core"}},
		}},
		Attributes: map[string]string{"cost": "cost"},
		Breakers:   provisioning.Breakers{Deactivate: &provisioning.Limit{Count: &two}, Reparent: new(provisioning.Limit), MinPopulation: &none},
	}
}

func newHost(t testing.TB, change ...func(*review.Config)) *host {
	h := &host{t: t, store: new(provisioning.Memory), dirs: make(map[syncer.Target]*directory), rules: rulesOf, log: new(strings.Builder), lately: make(map[provisioning.Class]int)}
	for _, target := range []syncer.Target{acme, rival} {
		h.dirs[target] = &directory{connection: target.Connection}
	}
	h.access = map[string]review.Access{
		"olga": everything("olga", "acme"), "ned": everything("ned", "acme"), "eve": everything("eve", "rival"),
		"reader": {Actor: "reader", Tenant: "acme", May: review.See},
	}
	setup := func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
		return syncer.Setup{Rules: h.rules(target), Source: h.dirs[target]}, nil
	}
	logger := slog.New(slog.NewTextHandler(h.log, nil))
	sync, err := syncer.New(syncer.Config{Store: oldTeam{h.store, h.lately}, Setup: setup, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(sync.Close)
	h.sync = sync
	h.cfg = review.Config{
		Store: h.store, Syncer: sync, Setup: setup, Logger: logger,
		Connections: func(_ context.Context, tenant string) ([]string, error) {
			if tenant == "acme" || tenant == "rival" {
				return []string{"okta"}, nil
			}
			return nil, nil
		},
		Access: func(r *http.Request) (review.Access, error) {
			if access, ok := h.access[r.Header.Get("User")]; ok {
				return access, nil
			}
			return review.Access{}, errors.New("nobody is signed in")
		},
	}
	for _, do := range change {
		do(&h.cfg)
	}
	h.handler = h.replica()
	return h
}

// replica returns the handler of another process of the host.
func (h *host) replica() http.Handler {
	pages, err := review.New(h.cfg)
	require.NoError(h.t, err)
	mux := http.NewServeMux()
	mux.Handle("/admin/review/", http.StripPrefix("/admin/review", pages))
	return mux
}

// user returns a user of the tenant acme.
func user(name string) sources.User {
	return sources.User{
		ID: "u-" + name, Status: sources.StatusActive, Email: name + "@acme.com", GivenName: strings.ToUpper(name[:1]) + name[1:],
		FamilyName: "Lee", Title: "Clerk",
	}
}

// hire adds people to acme, in the group sales, and applies the plan.
func (h *host) hire(names ...string) {
	h.dirs[acme].set(func(d *directory) {
		if len(d.groups) == 0 {
			d.groups = []sources.Group{{ID: "g-sales"}}
		}
		for _, name := range names {
			d.users = append(d.users, user(name))
			d.groups[0].Members = append(d.groups[0].Members, "u-"+name)
		}
	})
	_, err := h.sync.Run(h.t.Context(), acme)
	require.NoError(h.t, err)
}

// leave deactivates people at the source.
func (h *host) leave(names ...string) {
	h.dirs[acme].set(func(d *directory) {
		for i := range d.users {
			if slices.Contains(names, strings.TrimPrefix(d.users[i].ID, "u-")) {
				d.users[i].Status = sources.StatusInactive
			}
		}
	})
}

func (h *host) plan() *provisioning.Plan {
	h.t.Helper()
	plan, err := h.sync.Plan(h.t.Context(), acme)
	require.NoError(h.t, err)
	return plan
}

type answer struct {
	*http.Response
	text string
}

var (
	inlineTags = regexp.MustCompile(`</?(?:bdi|strong|span|code)\b[^>]*>`)
	otherTags  = regexp.MustCompile(`<[^>]*>`)
)

// words returns the text of the page without markup.
func (a answer) words() string {
	return strings.Join(strings.Fields(html.UnescapeString(otherTags.ReplaceAllString(inlineTags.ReplaceAllString(a.text, ""), " "))), " ")
}

func (h *host) send(user, method, path string, form url.Values) answer {
	h.t.Helper()
	return sendTo(h.handler, user, method, path, form)
}

func sendTo(handler http.Handler, user, method, path string, form url.Values) answer {
	r := httptest.NewRequest(method, "/admin/review/"+path, strings.NewReader(form.Encode()))
	r.Header.Set("User", user)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(struct{ http.ResponseWriter }{w}, r) // this writer cannot flush, so the status is that of the whole answer
	return answer{w.Result(), w.Body.String()}
}

func (h *host) get(user, path string) answer {
	h.t.Helper()
	a := h.send(user, "GET", path, nil)
	require.Equal(h.t, 200, a.StatusCode, "%s: %s", path, a.text)
	return a
}

// post sends a form, follows the redirect, and returns the page.
func (h *host) post(user, path string, pairs ...string) answer {
	h.t.Helper()
	form := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	a := h.send(user, "POST", path, form)
	if a.StatusCode == http.StatusSeeOther {
		to := a.Header.Get("Location")
		require.NotEqual(h.t, "/", to[:1], "%s is not relative", to)
		return h.get(user, strings.TrimPrefix(to, "./"))
	}
	return a
}

func (h *host) active() int {
	n := 0
	team, err := provisioning.Team(h.t.Context(), h.store, "acme")
	require.NoError(h.t, err)
	for i := range team {
		if team[i].Active {
			n++
		}
	}
	return n
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("person%02d", i)
	}
	return all
}
