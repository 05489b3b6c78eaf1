package review

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// The numbers of groups and people that a page shows.
const (
	firstGroups   = 12  // of each section
	firstPeople   = 4   // of each group
	pageOfGroups  = 40  // of one section
	pageOfPeople  = 100 // of one group
	groupOfPeople = 8   // of each group, in one section
)

// planPage is the content of the page of a plan.
type planPage struct {
	*provisioning.Plan
	View       *view
	Sums       []sum
	Alerts     []alertPart
	Evidence   syncer.Evidence
	Made       *madePlan // nil: unknown
	Superseded bool
	Ordinary   int // number of actions that need no approval
	Filter     filter
	Filtered   bool
	Sections   []sectionPart
	Group      *groupPart
	Access     Access
}

type sum struct {
	N    int
	Word string
	Tone string // "good", "warn", "bad" or ""
}

// An alertPart is a class that holds people, with its count and its limit in
// percent of the population. 0 means unknown.
type alertPart struct {
	provisioning.Breaker
	Share, Limited float64
	MayAsk         bool // the viewer may approve it
}

func (q *request) alert(b *provisioning.Breaker) alertPart {
	part := alertPart{Breaker: *b, MayAsk: q.access.mayApprove(b.Class)}
	if b.Population < b.Count || b.Population == 0 || b.Class == provisioning.ClassIdentity {
		return part
	}
	part.Share = 100 * float64(b.Count) / float64(b.Population)
	var limits []float64
	if b.Limit.Percent != nil {
		limits = append(limits, *b.Limit.Percent)
	}
	if b.Limit.Count != nil {
		limits = append(limits, 100*float64(*b.Limit.Count)/float64(b.Population))
	}
	if len(limits) > 0 {
		part.Limited = min(slices.Max(limits), 99.5) // it trips if both are exceeded
	}
	return part
}

// A sectionPart is the part of a section that a page shows.
type sectionPart struct {
	*section
	Groups []groupPart
	Rest   int // number of groups that are not shown
	More   string
}

// A groupPart is the part of a group that a page shows.
type groupPart struct {
	What   string
	Number int
	Some   []*entry
	All    string // the URL of the list of all people in it
	Pages  pages
}

// A pages is the position of a page in a list.
type pages struct {
	From, To, Of   int
	Previous, Next string
}

// pageAt returns the range of a list of n that the page with the number shows.
func pageAt(n, size, number int, link func(int) string) (from, to int, p pages) {
	number = max(1, min(number, (n+size-1)/size))
	from = min((number-1)*size, n)
	to = min(from+size, n)
	p = pages{From: from + 1, To: to, Of: n}
	if number > 1 {
		p.Previous = link(number - 1)
	}
	if to < n {
		p.Next = link(number + 1)
	}
	return from, to, p
}

func (q *request) showPlan() error {
	v, err := q.plan()
	if err != nil {
		return err
	}
	form := q.r.URL.Query()
	data := planPage{
		Plan: v.plan, View: v, Access: q.access, Ordinary: len(v.plan.Actions), Sums: planSums(v.plan),
		Filter: filter{
			Kind: form.Get("kind"), Reason: form.Get("reason"), Assignment: form.Get("assignment"), Field: form.Get("field"),
			Text: strings.ToLower(typed(form.Get("q"))),
		},
	}
	data.Filtered = !data.Filter.empty()
	for i := range v.plan.Breakers {
		data.Alerts = append(data.Alerts, q.alert(&v.plan.Breakers[i]))
	}
	target := syncer.Target{Tenant: q.access.Tenant, Connection: v.plan.Connection}
	if data.Evidence, err = q.cfg.Syncer.Evidence(q.ctx, target, v.plan.Hash); err != nil {
		return err
	}
	if doc, err := q.load(target); err == nil {
		data.Made = doc.made(v.plan.Hash)
	}
	if data.Superseded, err = q.cfg.Store.Superseded(q.ctx, q.access.Tenant, v.plan.Hash); err != nil {
		return fmt.Errorf("plan: %w", err)
	}

	filterPairs := []string{
		"hash", v.plan.Hash, "kind", data.Filter.Kind, "reason", data.Filter.Reason, "assignment", data.Filter.Assignment,
		"field", data.Filter.Field, "q", data.Filter.Text,
	}
	link := func(pairs ...string) string { return query("plan", slices.Concat(filterPairs, pairs)...) }
	number, _ := strconv.Atoi(form.Get("page")) // anything but a number means the first page
	sections := v.selected(&data.Filter)
	if id := form.Get("group"); id != "" {
		g := findGroup(sections, id)
		if g == nil {
			return &failure{404, "There is no such group in this plan, for you and under this filter."}
		}
		from, to, p := pageAt(len(g.Of), pageOfPeople, number, func(n int) string { return link("group", id, "page", strconv.Itoa(n)) })
		data.Group = &groupPart{What: g.What, Number: len(g.Of), Some: g.Of[from:to], Pages: p, All: link()}
		return q.page.show("plan", data)
	}
	only := form.Get("section")
	for _, s := range sections {
		if only != "" && s.ID != only {
			continue
		}
		groups, people := firstGroups, firstPeople
		part := sectionPart{section: s}
		from, to := 0, min(groups, len(s.Groups))
		if only != "" {
			people = groupOfPeople
			var p pages
			from, to, p = pageAt(len(s.Groups), pageOfGroups, number, func(n int) string { return link("section", s.ID, "page", strconv.Itoa(n)) })
			part.More = p.Next
		} else {
			part.More = link("section", s.ID)
		}
		part.Rest = len(s.Groups) - to
		for _, g := range s.Groups[from:to] {
			part.Groups = append(part.Groups, groupPart{
				What: g.What, Number: len(g.Of), Some: g.Of[:min(people, len(g.Of))], All: link("group", g.ID),
			})
		}
		data.Sections = append(data.Sections, part)
	}
	return q.page.show("plan", data)
}

// planSums counts the changes in a plan. Losses of access and waiting changes
// are first.
func planSums(p *provisioning.Plan) []sum {
	var sums []sum
	add := func(n int, word, tone string) {
		if n > 0 {
			sums = append(sums, sum{n, word, tone})
		}
	}
	add(p.Count(provisioning.KindDeactivate), provisioning.KindDeactivate.String(), "bad")
	add(len(p.Held), "held", "warn")
	for _, kind := range []provisioning.Kind{
		provisioning.KindCreate, provisioning.KindAdopt, provisioning.KindClaim, provisioning.KindRehire, provisioning.KindReactivate,
	} {
		add(p.Count(kind), kind.String(), "good")
	}
	add(p.Count(provisioning.KindUpdate), provisioning.KindUpdate.String(), "")
	add(len(p.Findings), "to look at", "warn")
	add(len(p.Skipped), "left out", "")
	add(p.Unchanged, "unchanged", "")
	return sums
}

// proves describes the consequences of what a snapshot proves.
func proves(e *syncer.Evidence) string {
	if !e.Proven.Has(sources.FactUsers) {
		return "It was not read to its end, so nobody is taken to have left."
	}
	var lacks []string
	for _, word := range sources.FactAll.Words() {
		if !slices.Contains(e.Proven.Words(), word) {
			lacks = append(lacks, word)
		}
	}
	switch {
	case len(lacks) == 0:
		return "It was read whole: who is missing has left."
	case e.Groups == 0 && e.Proven.Has(sources.FactManagers): // the provider has no groups
		return "It was read whole, and has no groups: who is missing has left."
	}
	return "It proves who has left, but not its " + strings.Join(lacks, " and ") + ": what would follow from those stays as it is."
}

func findGroup(sections []*section, id string) *group {
	for _, s := range sections {
		for i := range s.Groups {
			if s.Groups[i].ID == id {
				return &s.Groups[i]
			}
		}
	}
	return nil
}

// Does returns the effect on one person, including personal values.
func (e *entry) Does() string {
	if e.action == nil {
		return e.Why()
	}
	return clip(cmp.Or(e.action.Describe(), "nothing"), 4*maxShown)
}

// Why returns the reasons as sentences.
func (e *entry) Why() string {
	var words []string
	for _, list := range e.reasons {
		for _, r := range list {
			if text := r.Text(); !slices.Contains(words, text) && len(words) < 6 {
				words = append(words, clip(text, 2*maxShown))
			}
		}
	}
	return strings.Join(words, " ")
}

func (q *request) makePlan() error {
	target, err := q.target()
	if err != nil {
		return err
	}
	plan, err := q.cfg.Syncer.Plan(q.ctx, target)
	if plan == nil {
		if err == nil {
			return invalid("There was nothing to plan.")
		}
		q.cfg.Logger.WarnContext(q.ctx, "review: plan failed", "tenant", target.Tenant, "connection", target.Connection, "actor", q.access.Actor, "error", q.hidden(err.Error()))
		return &failure{502, "The directory could not be planned: " + q.hidden(shownLong(err.Error()))}
	}
	if err := q.change(target, func(doc *document) error {
		doc.plan(plan, q.access.Actor)
		return nil
	}); err != nil {
		return err
	}
	return q.redirect(query("plan", "hash", plan.Hash))
}
