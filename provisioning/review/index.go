package review

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"unicode"

	"github.com/usher-go/usher/internal/alike"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/provisioning"
)

// A view is a plan as a viewer may see it, grouped as on its pages.
type view struct {
	whole    *provisioning.Plan // the plan to apply; it is never shown
	plan     *provisioning.Plan // the plan without hidden fields
	sections []*section

	// The values by which the viewer can filter, each list sorted.
	Kinds, Reasons, Assignments, Fields []string
}

// A section is one list of a plan. The most dangerous section is first.
type section struct {
	ID, Title string
	Note      string
	Sigil     string
	// Breaker is the class that holds the people in the section; nil if none
	// does.
	Breaker *provisioning.Breaker
	Groups  []group
	People  int
}

// A group is the people to whom the same applies.
type group struct {
	ID   string
	What string
	Of   []*entry
}

// An entry is one person in one section.
type entry struct {
	Who     string
	ID      string               // ID in the team or in the directory; "" if it is too long for a URL
	action  *provisioning.Action // nil for a person who is left out or needs attention
	kind    string
	reasons [2][]provisioning.Reason
	search  string
}

// maxShown is the greatest length, in characters, of a directory's text at one
// place.
const maxShown = 120

// shown returns a text from outside in a form that fits in one line.
func shown(s string) string { return clip(text.Line(clip(s, 2*maxShown)), maxShown) }

// typed returns a text that the viewer typed or that a link contained, without
// unprintable characters.
func typed(s string) string {
	return clip(strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)), maxShown)
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}

func newView(plan *provisioning.Plan, mask provisioning.Mask) *view {
	p := mask.Plan(plan)
	v := &view{whole: plan, plan: p}
	kinds, reasons, assignments, fields := make(map[string]bool), make(map[string]bool), make(map[string]bool), make(map[string]bool)
	lists := make(map[string]*alike.Groups[*entry])
	var order []*section
	add := func(s section) {
		order = append(order, &s)
		lists[s.ID] = new(alike.Groups[*entry])
	}
	for i := range p.Breakers {
		b := &p.Breakers[i]
		add(section{ID: "waits-" + b.Class.String(), Title: "Waits: " + classWords(b.Class), Sigil: "!", Breaker: b, Note: verdict(b)})
	}
	add(section{ID: "waits", Title: "Waits for better evidence", Sigil: "!", Note: "No approval releases this: another snapshot, or other rules, do."})
	add(section{ID: "loses", Title: "Loses access, seats, profiles or capture", Sigil: "-"})
	add(section{ID: "comes", Title: "Comes in", Sigil: "+"})
	add(section{ID: "changes", Title: "Changes", Sigil: "~"})
	add(section{ID: "look", Title: "To look at", Sigil: "!"})
	add(section{ID: "left", Title: "Left out", Sigil: "."})

	enter := func(id, what string, e *entry) {
		for _, list := range e.reasons {
			for i := range list {
				reasons[string(list[i].Code)] = true
			}
		}
		kinds[e.kind] = true
		if e.action != nil {
			for i := range e.action.Changes {
				fields[string(e.action.Changes[i].Field)] = true
			}
			assignments[e.action.Member.AssignmentID] = true
		}
		lists[id].Add(clip(what, 4*maxShown), e)
	}
	entryOf := func(a *provisioning.Action, held []provisioning.Reason) *entry {
		m := &a.Member
		return &entry{
			Who: shown(a.Who()), ID: linked(m.ID), action: a, kind: a.Kind.String(), reasons: [2][]provisioning.Reason{held, a.Reasons},
			search: searchable(m.Email, m.Name(), m.ExternalID, m.ID),
		}
	}
	for i := range p.Held {
		h := &p.Held[i]
		e := entryOf(&h.Action, h.Reasons)
		what := alikeWithCause(&h.Action)
		if len(h.Classes) == 0 {
			enter("waits", what+cause(h.Reasons), e)
		}
		for _, class := range h.Classes {
			if id := "waits-" + class.String(); lists[id] != nil {
				enter(id, what, e)
			}
		}
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		id := "comes"
		switch {
		case a.TakesAccess():
			id = "loses"
		case a.Kind == provisioning.KindUpdate || a.Kind == provisioning.KindDeactivate:
			id = "changes"
		}
		enter(id, alikeWithCause(a), entryOf(a, nil))
	}
	for i := range p.Findings {
		f := &p.Findings[i]
		enter("look", f.Reason.Cause(), &entry{
			Who: shown(f.Who()), ID: linked(firstOf(f.MemberID, f.ExternalID)), kind: "finding", reasons: [2][]provisioning.Reason{{f.Reason}},
			search: searchable(f.Email, f.Name, f.ExternalID, f.MemberID),
		})
	}
	for i := range p.Skipped {
		s := &p.Skipped[i]
		enter("left", strings.TrimPrefix(cause(s.Reasons), ": "), &entry{
			Who: shown(firstOf(s.Who(), "somebody")), ID: linked(s.ExternalID), kind: "skipped", reasons: [2][]provisioning.Reason{s.Reasons},
			search: searchable(s.Email, s.Name, s.ExternalID),
		})
	}
	for _, s := range order {
		for _, g := range lists[s.ID].Sorted() {
			h := fnv.New64a()
			fmt.Fprint(h, s.ID, "\x00", g.What)
			s.Groups = append(s.Groups, group{ID: fmt.Sprintf("%016x", h.Sum64()), What: g.What, Of: g.Of})
			s.People += len(g.Of)
		}
		if s.People > 0 || s.Breaker != nil {
			v.sections = append(v.sections, s)
		}
	}
	for _, facet := range []struct {
		of   map[string]bool
		into *[]string
	}{{kinds, &v.Kinds}, {reasons, &v.Reasons}, {assignments, &v.Assignments}, {fields, &v.Fields}} {
		*facet.into = firstFacets(facet.of)
	}
	return v
}

// maxFacets bounds the number of values that a filter offers.
const maxFacets = 200

func firstFacets(of map[string]bool) []string {
	values := make([]string, 0, len(of))
	for value := range of {
		if value != "" {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return values[:min(len(values), maxFacets)]
}

// alikeWithCause returns the effect of an action, for a deactivation with its
// cause.
func alikeWithCause(a *provisioning.Action) string {
	what := a.DescribeAlike()
	if a.Kind == provisioning.KindDeactivate {
		what += cause(a.Reasons)
	}
	return what
}

func cause(reasons []provisioning.Reason) string {
	if len(reasons) == 0 {
		return ""
	}
	return ": " + reasons[0].Cause()
}

// linked returns the ID if it fits into a URL, or else "".
func linked(id string) string {
	if len(id) > maxLinked {
		return ""
	}
	return id
}

// maxLinked bounds the length, in bytes, of IDs in URLs.
const maxLinked = 256

func searchable(texts ...string) string {
	return strings.ToLower(clip(strings.Join(texts, "\n"), 1000))
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// A filter selects entries. The zero value selects all.
type filter struct{ Kind, Reason, Assignment, Field, Text string }

func (f *filter) empty() bool { return *f == filter{} }

func (f *filter) selects(e *entry) bool {
	if f.Kind != "" && e.kind != f.Kind {
		return false
	}
	if f.Assignment != "" && (e.action == nil || e.action.Member.AssignmentID != f.Assignment) {
		return false
	}
	if f.Field != "" && (e.action == nil || !slices.ContainsFunc(e.action.Changes, func(c provisioning.Change) bool { return string(c.Field) == f.Field })) {
		return false
	}
	if f.Reason != "" {
		has := func(r provisioning.Reason) bool { return string(r.Code) == f.Reason }
		if !slices.ContainsFunc(e.reasons[0], has) && !slices.ContainsFunc(e.reasons[1], has) {
			return false
		}
	}
	return f.Text == "" || strings.Contains(e.search, f.Text)
}

// selected returns the sections, reduced to the entries that a filter selects.
func (v *view) selected(f *filter) []*section {
	if f.empty() {
		return v.sections
	}
	var sections []*section
	for _, s := range v.sections {
		left := *s
		left.Groups, left.People = nil, 0
		for _, g := range s.Groups {
			var of []*entry
			for _, e := range g.Of {
				if f.selects(e) {
					of = append(of, e)
				}
			}
			if len(of) > 0 {
				left.Groups = append(left.Groups, group{g.ID, g.What, of})
				left.People += len(of)
			}
		}
		if left.People > 0 {
			sections = append(sections, &left)
		}
	}
	for _, s := range sections {
		slices.SortStableFunc(s.Groups, func(a, b group) int { return len(b.Of) - len(a.Of) })
	}
	return sections
}

// classWords returns the effect of a class, in words.
func classWords(c provisioning.Class) string {
	switch c {
	case provisioning.ClassDeactivate:
		return "people would lose access"
	case provisioning.ClassDowngrade:
		return "people would lose a seat, a profile or capture"
	case provisioning.ClassRewriteIdentity:
		return "people would get another address"
	case provisioning.ClassReparent:
		return "people would get another manager"
	case provisioning.ClassAdopt:
		return "members made by hand would come under the directory"
	case provisioning.ClassCreate:
		return "people would come in"
	case provisioning.ClassReactivate:
		return "people would come back"
	case provisioning.ClassGrant:
		return "people would gain a seat, a profile or capture"
	case provisioning.ClassIdentity:
		return "former members to be told apart"
	}
	return c.String()
}

// verdict says in words how many people of a class wait, and why: the limit, unless
// something else makes them wait. The population is that at the beginning of the
// window, which may be less than the present one.
func verdict(b *provisioning.Breaker) string {
	line := count(b.Count, "person", "people")
	if b.Population >= b.Count {
		line = fmt.Sprintf("%s of %s people, %.3g %%", thousands(b.Count), thousands(b.Population), 100*float64(b.Count)/float64(b.Population))
	}
	if b.Recent > 0 {
		line += fmt.Sprintf(", beside %s done lately", thousands(b.Recent))
	}
	switch {
	case b.Class == provisioning.ClassIdentity:
		return line + "; always held"
	case len(b.Reason.Facts) > 0:
		return line + ". " + strings.TrimSuffix(b.Reason.Text(), ".")
	}
	return line + "; " + b.Limit.String()
}
