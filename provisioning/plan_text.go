package provisioning

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// String prints the plan for people: a line of sums, then one line a person,
// sigil first: + comes in, ~ changes, - leaves, ! needs somebody, . is left
// out. The reason codes stand behind #, without those of the ordinary case; all
// of them are in Explain and in the JSON.
func (p *Plan) String() string {
	t := table{}
	for i := range p.Actions {
		a := &p.Actions[i]
		t.row(a.Kind.sigil(), a.Member.Email, a.describe(), codes(a.Reasons))
	}
	for i := range p.Held {
		h := &p.Held[i]
		t.row("!", h.Action.Member.Email, "held: "+h.Action.describe(), codes(append(h.Reasons[:len(h.Reasons):len(h.Reasons)], h.Action.Reasons...)))
	}
	for i := range p.Findings {
		f := &p.Findings[i]
		t.row("!", f.who(), f.Reason.Text(), f.Reason.Code.text())
	}
	for i := range p.Skipped {
		s := &p.Skipped[i]
		t.row(".", cmp.Or(s.Email, s.Name, s.ExternalID), "skipped", codes(s.Reasons))
	}
	return p.summary() + t.String()
}

// summary is the head of the text: what the plan is for, and how much of what.
func (p *Plan) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan for %s", p.Source)
	if p.Connection != p.Source {
		fmt.Fprintf(&b, " %s", quoteUnprintable(p.Connection))
	}
	if p.ConfigRevision != "" {
		fmt.Fprintf(&b, ", config %s", quoteUnprintable(p.ConfigRevision))
	}
	b.WriteString(":")
	separator := " "
	for _, kind := range []Kind{KindCreate, KindAdopt, KindRehire, KindReactivate, KindUpdate, KindDeactivate} {
		if n := p.Count(kind); n > 0 {
			fmt.Fprintf(&b, "%s%d %s", separator, n, kind)
			separator = ", "
		}
	}
	if separator == " " {
		b.WriteString(" nothing to do")
	}
	for _, sum := range []struct {
		n    int
		word string
	}{{len(p.Held), "held"}, {len(p.Skipped), "skipped"}, {len(p.Findings), "to look at"}, {p.Unchanged, "unchanged"}} {
		if sum.n > 0 {
			fmt.Fprintf(&b, ", %d %s", sum.n, sum.word)
		}
	}
	b.WriteString("\n")
	for _, breaker := range p.Breakers {
		fmt.Fprintf(&b, "breaker %s: %d of %d people; %s\n", breaker.Class, breaker.Count, breaker.Population, breaker.Limit)
	}
	return b.String()
}

// String says when the limit trips.
func (l Limit) String() string {
	var parts []string
	if l.Percent != nil {
		parts = append(parts, fmt.Sprintf("%g %%", *l.Percent))
	}
	if l.Count != nil {
		parts = append(parts, fmt.Sprintf("%d people", *l.Count))
	}
	if len(parts) == 0 {
		return "no limit"
	}
	return "limit " + strings.Join(parts, " and ")
}

func (k Kind) sigil() string {
	switch k {
	case KindDeactivate:
		return "-"
	case KindUpdate:
		return "~"
	}
	return "+"
}

// describe says in a few words what an action does.
func (a *Action) describe() string {
	switch a.Kind {
	case KindDeactivate:
		return "deactivate"
	case KindUpdate:
		return strings.Join(a.describeChanges(), ", ")
	}
	m := &a.Member
	text := a.Kind.String()
	if m.AssignmentID != "" {
		text += " in " + quoteUnprintable(m.AssignmentID)
	}
	if len(m.Seats) > 0 {
		text += " with " + showValue(m.Seats)
	}
	if manager := a.manager(); manager != "" {
		text += ", under " + manager
	}
	if m.TimeZone != "" {
		text += ", " + quoteUnprintable(m.TimeZone)
	}
	return text
}

// manager returns the name of the manager under whom the action places the
// member, or "".
func (a *Action) manager() string {
	for _, r := range a.Reasons {
		if r.Code == CodeManagerSet {
			return quoteUnprintable(r.Facts["manager"])
		}
	}
	return ""
}

func (a *Action) describeChanges() []string {
	var parts []string
	for _, c := range a.Changes {
		switch old, now := showValue(c.Old), showValue(c.New); {
		case old == now:
			parts = append(parts, fmt.Sprintf("%s now owned by %s", c.Field, c.Owner))
		case c.Field == FieldManager:
			parts = append(parts, "manager "+cmp.Or(a.manager(), now))
		default:
			parts = append(parts, fmt.Sprintf("%s %s -> %s", c.Field, old, now))
		}
	}
	return parts
}

// showValue prints a value of a Change, whether it comes from a resolver or
// was read from JSON.
func showValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		return quoteUnprintable(v)
	case []string, []any:
		return quoteUnprintable(strings.Join(texts(v), "+"))
	}
	return quoteUnprintable(strings.TrimPrefix(fmt.Sprint(v), "map"))
}

func (f *Finding) who() string {
	return cmp.Or(f.Email, f.Name, f.ExternalID, f.MemberID, "everybody")
}

// codes lists the codes of reasons, each once, without those of the ordinary
// case unless there are no others.
func codes(reasons []Reason) string {
	var words, ordinary []string
	for _, r := range reasons {
		word := r.Code.text()
		switch {
		case slices.Contains(words, word) || slices.Contains(ordinary, word):
		case r.ordinary():
			ordinary = append(ordinary, word)
		default:
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		words = ordinary
	}
	return strings.Join(words, ", ")
}

// ordinary reports whether a reason only says that a value came from where
// values come from.
func (r Reason) ordinary() bool {
	switch r.Code {
	case CodeSourceValue, CodeAssignmentMatch, CodeManagerSet:
		return true
	}
	return strings.HasPrefix(string(r.Code), "tz.from_")
}

// A table aligns the columns of a plan.
type table struct{ rows [][4]string }

func (t *table) row(sigil, who, what, why string) {
	t.rows = append(t.rows, [4]string{sigil, quoteUnprintable(who), what, why})
}

// String prints the rows. A cell past its column's bound pushes the rest to
// the right rather than every row of the table.
func (t *table) String() string {
	const whoBound, whatBound = 34, 72
	who, what := 0, make(map[bool]int) // who is skipped has a second column apart: it always says the same
	for _, row := range t.rows {
		who = max(who, min(utf8.RuneCountInString(row[1]), whoBound))
		what[row[0] == "."] = max(what[row[0] == "."], min(utf8.RuneCountInString(row[2]), whatBound))
	}
	var b strings.Builder
	for _, row := range t.rows {
		b.WriteString(row[0] + " " + row[1] + pad(row[1], who) + "  " + row[2])
		if row[3] != "" {
			b.WriteString(pad(row[2], what[row[0] == "."]) + "  # " + row[3])
		}
		b.WriteString("\n")
	}
	return b.String()
}

func pad(text string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// Explain tells one person's story in this plan: everything it does, holds,
// skips or found about them, each with the sentence behind the code. The
// person is named by email, by ID in the directory, by member ID, or by full
// name; letters' case does not matter.
func (p *Plan) Explain(who string) string {
	who = trimmed(who)
	is := func(names ...string) bool {
		for _, name := range names {
			if name != "" && strings.EqualFold(name, who) {
				return true
			}
		}
		return false
	}
	isMember := func(m *Member) bool {
		return is(m.Email, m.ExternalID, m.ID, fullName(m.GivenName, m.FamilyName))
	}
	var b strings.Builder
	var told []string
	explain := func(head string, reasons []Reason) {
		b.WriteString(quoteUnprintable(head) + "\n")
		for _, r := range reasons {
			fmt.Fprintf(&b, "    %s  [%s]\n", r.Text(), r.Code.text())
			told = append(told, r.String())
		}
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		if isMember(&a.Member) {
			explain(a.Kind.sigil()+" "+a.Member.Email+": "+a.describe(), a.Reasons)
			for _, e := range a.Effects {
				fmt.Fprintf(&b, "    then: %s %s\n", e.Kind, quoteUnprintable(e.To))
			}
		}
	}
	for i := range p.Held {
		h := &p.Held[i]
		if isMember(&h.Action.Member) {
			explain("! "+h.Action.Member.Email+": held: "+h.Action.describe(), append(h.Reasons[:len(h.Reasons):len(h.Reasons)], h.Action.Reasons...))
		}
	}
	for i := range p.Skipped {
		s := &p.Skipped[i]
		if is(s.Email, s.ExternalID, s.Name) {
			explain(". "+cmp.Or(s.Email, s.Name, s.ExternalID)+": skipped", s.Reasons)
		}
	}
	for i := range p.Findings {
		f := &p.Findings[i]
		if is(f.Email, f.ExternalID, f.MemberID, f.Name) && !slices.Contains(told, f.Reason.String()) {
			explain("! "+f.who()+": to be looked at", []Reason{f.Reason})
		}
	}
	if b.Len() == 0 {
		return fmt.Sprintf("%s: nothing to do, and nothing to tell\n", quoteUnprintable(who))
	}
	return b.String()
}
