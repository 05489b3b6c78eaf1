package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

var templates = template.Must(template.ParseFS(demo, "demo/*.html"))

// edits are the fields in the form. The Locks decide which of them may be
// edited.
var edits = []provisioning.Field{
	provisioning.FieldGivenName, provisioning.FieldFamilyName, provisioning.FieldTitle, provisioning.FieldPhone,
	provisioning.FieldTimeZone, provisioning.FieldHome,
}

// maxForm is the maximum size of a form, in bytes.
const maxForm = 1 << 20

// pages returns the application's pages, behind its sign-in and with protection
// against forged requests.
func (a *app) pages(review http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.page(a.home))
	mux.HandleFunc("GET /{tenant}/people", a.page(a.people))
	mux.HandleFunc("GET /{tenant}/people/{id}", a.page(a.person))
	mux.HandleFunc("POST /{tenant}/people/{id}", a.page(a.edit))
	mux.HandleFunc("GET /{tenant}/settings", a.page(a.settings))
	mux.HandleFunc("POST /{tenant}/settings", a.page(a.changeSettings))
	mux.HandleFunc("GET /{tenant}/plan", a.page(a.plan))
	mux.HandleFunc("POST /{tenant}/plan", a.page(a.approve))
	mux.HandleFunc("GET /{tenant}/signin", a.page(a.signIn))
	mux.Handle("/{tenant}/review/", review)
	guarded := a.asAdmin(http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, maxForm)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
		w.Header().Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

// A view is the content of a page: a template of the directory demo and its
// data.
type view struct {
	Page   string
	Tenant string
	Data   any
	Note   string // the result of a submitted form
	to     string // if set, the page redirects here
}

// page serves the view that show returns. An unknown customer or person gives
// 404.
func (a *app) page(show func(*http.Request, *customer) (view, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := a.customers[r.PathValue("tenant")]
		if c == nil && r.PathValue("tenant") != "" {
			http.NotFound(w, r)
			return
		}
		v, err := show(r, c)
		var body bytes.Buffer
		if err == nil && v.to == "" {
			v.Tenant = r.PathValue("tenant")
			err = templates.ExecuteTemplate(&body, v.Page+".html", v)
		}
		switch {
		case errors.Is(err, errNotFound):
			http.NotFound(w, r)
		case err != nil:
			a.cfg.logger.ErrorContext(r.Context(), "page", "path", r.URL.Path, "error", err)
			http.Error(w, "something failed; the log says what", http.StatusInternalServerError)
		case v.to != "":
			http.Redirect(w, r, v.to, http.StatusSeeOther)
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = body.WriteTo(w)
		}
	}
}

var errNotFound = errors.New("not found")

// home lists the customers and the states of their connections.
func (a *app) home(r *http.Request, _ *customer) (view, error) {
	type row struct {
		Tenant, Kind, Status, Advice string
		People                       int
	}
	var rows []row
	for _, c := range customers {
		health, err := a.sync.Health(r.Context(), c.target())
		if err != nil {
			return view{}, err
		}
		counts, err := a.team.Count(r.Context(), c.tenant, c.connection)
		if err != nil {
			return view{}, err
		}
		one := row{Tenant: c.tenant, Kind: c.kind, Status: string(health.Status), People: counts.Population}
		if len(health.Problems) > 0 {
			one.Advice = health.Problems[0].Advice
		}
		rows = append(rows, one)
	}
	return view{Page: "home", Data: rows}, nil
}

func (a *app) people(r *http.Request, c *customer) (view, error) {
	team, err := provisioning.Team(r.Context(), a.team, c.tenant)
	slices.SortFunc(team, func(x, y provisioning.Member) int { return strings.Compare(x.Email, y.Email) })
	return view{Page: "people", Data: team}, err
}

func (a *app) member(ctx context.Context, tenant, id string) (provisioning.Member, error) {
	found, err := a.team.FindMembers(ctx, tenant, []provisioning.MemberKey{{By: provisioning.MemberByID, Value: id}}, 1)
	switch {
	case err != nil:
		return provisioning.Member{}, err
	case len(found) == 0:
		return provisioning.Member{}, errNotFound
	}
	return found[0], nil
}

func (a *app) locks(ctx context.Context, c *customer) (provisioning.Locks, error) {
	rules, _, err := a.rules(ctx, c)
	if err != nil {
		return provisioning.Locks{}, err
	}
	resolver, err := provisioning.New(rules)
	if err != nil {
		return provisioning.Locks{}, err
	}
	return resolver.Locks(), nil
}

// person shows the edit form. A field that the directory owns is disabled, with
// the reason.
func (a *app) person(r *http.Request, c *customer) (view, error) {
	m, err := a.member(r.Context(), c.tenant, r.PathValue("id"))
	if err != nil {
		return view{}, err
	}
	return a.form(r.Context(), c, m, "")
}

func (a *app) form(ctx context.Context, c *customer, m provisioning.Member, note string) (view, error) {
	locks, err := a.locks(ctx, c)
	if err != nil {
		return view{}, err
	}
	type field struct {
		Name, Value, Why string
		Locked           bool
	}
	var fields []field
	for _, f := range edits {
		lock := locks.Field(m, f)
		fields = append(fields, field{Name: f.String(), Value: textOf(&m, f), Locked: lock.Locked, Why: lock.Reason.Text()})
	}
	return view{Page: "person", Note: note, Data: map[string]any{"Member": &m, "Fields": fields}}, nil
}

// textOf returns the text of a field in the form.
func textOf(m *provisioning.Member, f provisioning.Field) string {
	for _, c := range provisioning.Difference(&provisioning.Member{}, m) {
		if value, ok := c.New.(string); ok && c.Field == f {
			return value
		}
	}
	return ""
}

// edit saves one field as a manual change. It holds the lock of the tenant, so
// that no plan is applied between the check and the write (S28).
func (a *app) edit(r *http.Request, c *customer) (view, error) {
	ctx := r.Context()
	unlock, err := a.team.Lock(ctx, c.tenant)
	if err != nil {
		return view{}, err
	}
	defer unlock()
	m, err := a.member(ctx, c.tenant, r.PathValue("id"))
	if err != nil {
		return view{}, err
	}
	locks, err := a.locks(ctx, c)
	if err != nil {
		return view{}, err
	}
	f := provisioning.Field(r.PostFormValue("field"))
	if !slices.Contains(edits, f) {
		return a.form(ctx, c, m, "no such field")
	}
	edited, err := locks.Edit(m, f, strings.TrimSpace(r.PostFormValue("value")))
	if err != nil {
		return a.form(ctx, c, m, err.Error())
	}
	if _, err := a.team.Put(ctx, c.tenant, edited); err != nil {
		return a.form(ctx, c, m, err.Error())
	}
	return view{to: "/" + c.tenant + "/people/" + m.ID}, nil
}

func (a *app) settings(r *http.Request, c *customer) (view, error) {
	_, text, err := a.rules(r.Context(), c)
	return view{Page: "settings", Data: text}, err
}

// changeSettings tries rules, and shows the people whose decisions would
// differ, or saves them. Saved rules apply at once (R29).
func (a *app) changeSettings(r *http.Request, c *customer) (view, error) {
	ctx, text := r.Context(), r.PostFormValue("rules")
	v := view{Page: "settings", Data: text}
	next, err := provisioning.ParseConfig([]byte(text))
	if err == nil && (next.Source != c.kind || next.Connection != c.connection) {
		err = fmt.Errorf("source and connection: want %s and %s", c.kind, c.connection)
	}
	if err != nil {
		v.Note = err.Error()
		return v, nil
	}
	if r.PostFormValue("do") == "save" {
		if err := a.saveRules(ctx, c.tenant, text); err != nil {
			return v, err
		}
		report, err := a.sync.Run(ctx, c.target())
		v.Note = "saved"
		if err != nil {
			v.Note += ", and decided later: " + err.Error()
		} else if report.Plan != nil {
			v.Note += "\n" + report.Plan.Summary()
		}
		return v, nil
	}
	setup, err := a.setup(ctx, c.target())
	if err != nil {
		return v, err
	}
	in, err := a.input(ctx, c, setup.Source, setup.Rules, next)
	if err != nil {
		return v, err
	}
	diff, err := provisioning.WhatIf(in, setup.Rules, next)
	if err == nil {
		v.Note = diff.Summary()
	}
	return v, err
}

// plan shows what would be done now, and what waits for approval.
func (a *app) plan(r *http.Request, c *customer) (view, error) {
	plan, err := a.sync.Plan(r.Context(), c.target())
	return view{Page: "plan", Data: plan}, err
}

// approve applies the plan that was shown, including the approved class. The
// approval names the changes that it releases: if the waiting changes differ
// now, nothing is done (S15).
func (a *app) approve(r *http.Request, c *customer) (view, error) {
	ctx := r.Context()
	plan, err := a.team.Plan(ctx, c.tenant, r.PostFormValue("plan"))
	if errors.Is(err, provisioning.ErrNoPlan) {
		return view{}, errNotFound
	} else if err != nil {
		return view{}, err
	}
	var approvals []provisioning.Approval
	var class provisioning.Class
	if word := r.PostFormValue("class"); word != "" {
		if err := class.UnmarshalText([]byte(word)); err != nil {
			return view{}, errNotFound
		}
		approvals = append(approvals, provisioning.Approval{Class: class, Hash: r.PostFormValue("hash")})
	}
	report, err := a.sync.Apply(ctx, c.target(), plan, approvals...)
	v := view{Page: "plan", Data: report.Plan, Note: report.Outcome.String()}
	if err != nil {
		v.Note = err.Error()
	}
	return v, nil
}

// input reads the directory and the team for a decision that is only shown. The
// snapshot has the data for the queries of all given rules.
func (a *app) input(ctx context.Context, c *customer, source sources.Source, rules ...provisioning.Config) (provisioning.Input, error) {
	var queries []string
	for _, cfg := range rules {
		r, err := provisioning.New(cfg)
		if err != nil {
			return provisioning.Input{}, err
		}
		queries = append(queries, r.Queries()...)
	}
	slices.Sort(queries)
	snapshot, err := sources.Collect(ctx, source, sources.CollectConfig{Queries: slices.Compact(queries)})
	if err != nil {
		return provisioning.Input{}, err
	}
	team, err := provisioning.Team(ctx, a.team, c.tenant)
	return provisioning.Input{Tenant: c.tenant, Snapshot: snapshot, Members: team}, err
}

// signIn answers the question of the application's sign-in after the single
// sign-on has confirmed an address (S42): which member it is, or why the person
// may not sign in. Whether a change waits for approval is taken from the last
// plan.
func (a *app) signIn(r *http.Request, c *customer) (view, error) {
	ctx, email := r.Context(), r.URL.Query().Get("email")
	v := view{Page: "signin", Data: email}
	if email == "" {
		return v, nil
	}
	who := provisioning.SignIn{Tenant: c.tenant, Connection: c.connection, Email: email}
	health, err := a.sync.Health(ctx, c.target())
	if err != nil {
		return v, err
	}
	if health.LastPlan != "" {
		if who.Pending, err = a.team.Plan(ctx, c.tenant, health.LastPlan); err != nil && !errors.Is(err, provisioning.ErrNoPlan) {
			return v, err
		}
	}
	access, err := provisioning.MaySignIn(ctx, a.team, who)
	if err != nil {
		return v, err
	}
	if v.Note = access.Reason.Text(); access.Granted {
		v.Note = "comes in as " + access.Member.Name()
	}
	return v, nil
}
