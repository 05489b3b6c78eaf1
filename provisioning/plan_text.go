package provisioning

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/internal/text"
)

// String returns the plan as text for people: a line of sums, then one line for
// each person. The first character says: + comes in, ~ changes, - leaves, ! needs
// attention, . is left out. A line shows every value that its action grants or
// takes (L10). The codes of the reasons follow after #, without those of the
// ordinary case; Explain and the JSON have all of them.
func (p *Plan) String() string {
	var b strings.Builder
	_ = p.WriteText(&b) // writing to a Builder does not fail
	return b.String()
}

// WriteText writes the result of String. It holds one line in memory at a time.
func (p *Plan) WriteText(w io.Writer) error {
	out := bufio.NewWriterSize(w, 32<<10)
	out.WriteString(p.sums())
	width := p.columns()
	for row := range p.rows() {
		width.write(out, &row)
	}
	return out.Flush()
}

// A row is the line of one person: sigil, who, what, and the codes of the reasons.
type row [4]string

// rows yields the lines after the sums.
func (p *Plan) rows() iter.Seq[row] {
	return func(yield func(row) bool) {
		for i := range p.Actions {
			a := &p.Actions[i]
			if !yield(row{a.Kind.sigil(), text.Line(a.Who()), a.Describe(), codes(a.Reasons)}) {
				return
			}
		}
		for i := range p.Held {
			h := &p.Held[i]
			if !yield(row{"!", text.Line(h.Action.Who()), "held: " + h.Action.Describe(), codes(slices.Concat(h.Reasons, h.Action.Reasons))}) {
				return
			}
		}
		for i := range p.Findings {
			f := &p.Findings[i]
			if !yield(row{"!", text.Line(f.Who()), f.Reason.Text(), f.Reason.Code.line()}) {
				return
			}
		}
		for i := range p.Skipped {
			s := &p.Skipped[i]
			if !yield(row{".", text.Line(s.Who()), "skipped", codes(s.Reasons)}) {
				return
			}
		}
	}
}

// sums returns the first lines of the text: what the plan is for, how many of each
// kind, and the breakers.
func (p *Plan) sums() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan for %s", text.Line(p.Source))
	if p.Connection != p.Source {
		fmt.Fprintf(&b, " %s", text.Line(p.Connection))
	}
	if p.ConfigRevision != "" {
		fmt.Fprintf(&b, ", config %s", text.Line(p.ConfigRevision))
	}
	if p.About != nil {
		fmt.Fprintf(&b, ", about %d", len(p.About))
	}
	b.WriteString(":")
	separator := " "
	for _, kind := range []Kind{KindCreate, KindAdopt, KindClaim, KindRehire, KindReactivate, KindUpdate, KindDeactivate} {
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
	for i := range p.Breakers {
		b.WriteString(p.Breakers[i].line() + "\n")
	}
	return b.String()
}

// line describes how a class compares with its limit.
func (b *Breaker) line() string {
	if b.Class == ClassIdentity {
		return fmt.Sprintf("breaker identity: %d to be told apart from former members", b.Count)
	}
	return fmt.Sprintf("breaker %s: %s; %s", b.Class, b.people(), b.why())
}

// people says how many people wait, and how many were changed before.
func (b *Breaker) people() string {
	who := people(b.Count)
	switch {
	case b.Recent > 0:
		return fmt.Sprintf("%s beside %d done lately, with a team of %d before", who, b.Recent, b.Population)
	case b.Count > b.Population: // people who are not in the team, or not by its source
		return who
	case b.Class == ClassCreate || b.Class == ClassAdopt || b.Class == ClassReactivate:
		return fmt.Sprintf("%s to a team of %d", who, b.Population)
	}
	return fmt.Sprintf("%d of %s", b.Count, people(b.Population))
}

// why says why the class waits: the limit, unless something else makes it wait.
func (b *Breaker) why() string {
	switch facts := b.Reason.Facts; {
	case b.Class == ClassIdentity:
		return "always held"
	case facts["snapshot"] != "":
		return "the snapshot has nobody in it"
	case facts["connection"] != "":
		return "the connection is given up"
	case facts["tripped"] != "":
		return b.Limit.String() + ", exceeded before"
	}
	return b.Limit.String()
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

// String says when the limit trips.
func (l Limit) String() string {
	var parts []string
	if l.Percent != nil {
		parts = append(parts, fmt.Sprintf("%g %%", *l.Percent))
	}
	if l.Count != nil {
		parts = append(parts, people(*l.Count))
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
	default:
		return "+"
	}
}

// Who names the person by the address; without one by the name, the ID in the
// directory, or the ID in the team. The text comes from the directory and may hold
// line breaks and characters that change the direction of a line.
func (a *Action) Who() string {
	return cmp.Or(a.Member.Email, a.Member.Name(), a.Member.ExternalID, a.Member.ID)
}

// Who names the person as Action.Who does. It returns "everybody" if the finding is
// about the whole plan.
func (f *Finding) Who() string {
	return cmp.Or(f.Email, f.Name, f.ExternalID, f.MemberID, "everybody")
}

// Who names the person as Action.Who does.
func (s *Skip) Who() string { return cmp.Or(s.Email, s.Name, s.ExternalID) }

// Describe describes an action on one line: every value that it grants or takes,
// and for existing members every other value that changes.
func (a *Action) Describe() string {
	head := a.Kind.String()
	switch a.Kind {
	case KindUpdate:
		head = ""
	case KindDeactivate:
	case KindCreate:
		head += " " + text.Line(a.Member.Name())
		fallthrough
	default:
		if a.Member.AssignmentID != "" {
			head += " in " + text.Line(a.Member.AssignmentID)
		}
	}
	parts := a.describeChanges()
	if a.Kind == KindCreate && a.Member.TimeZone != "" {
		parts = append(parts, text.Line(a.Member.TimeZone))
	}
	if head != "" {
		parts = slices.Insert(parts, 0, head)
	}
	return strings.Join(parts, ", ")
}

// describeChanges describes the changes field by field, without those that the kind
// of the action implies. Settings that a member had without access count as granted
// when the member gets access.
func (a *Action) describeChanges() []string {
	var parts []string
	returns := a.returns()
	for c := range a.changesWithKept() {
		at, inTable := fieldPositions[c.Field]
		switch {
		case a.Kind == KindCreate && inTable && !createFields.has(at), inTable && a.Kind.implied().has(at):
		case c.Field == FieldManager:
			parts = append(parts, a.describeManager(c))
		default:
			parts = append(parts, c.describe(returns))
		}
	}
	if len(parts) == 0 && a.Kind == KindUpdate {
		for _, c := range a.Changes {
			parts = append(parts, c.describeOwner())
		}
	}
	return parts
}

// returns reports whether a member without access gets access.
func (a *Action) returns() bool {
	return a.Kind != KindCreate && slices.ContainsFunc(a.Changes, func(c Change) bool { return c.Field == FieldActive && c.New == true })
}

// changesWithKept yields the changes of values in the order of the fields. For a
// member who returns, it also yields the settings that the member had and keeps.
func (a *Action) changesWithKept() iter.Seq[*Change] {
	return func(yield func(*Change) bool) {
		kept := fieldSet(0)
		if a.returns() {
			kept = settingFields
		}
		next := func(before fieldAt) bool { // yields the kept settings of the fields before this one
			for at := range kept.all() {
				if at >= before {
					break
				}
				kept &^= fields(at)
				value := fieldTable[at].value.get(&a.Member)
				if value != nil && !yield(&Change{Field: fieldTable[at].name, Old: value, New: value}) {
					return false
				}
			}
			return true
		}
		for i := range a.Changes {
			c := &a.Changes[i]
			if !c.IsValue() {
				continue
			}
			at, inTable := fieldPositions[c.Field]
			if !inTable {
				at = fieldCount
			}
			if !next(at) {
				return
			}
			if kept &^= fields(at); !yield(c) {
				return
			}
		}
		next(fieldCount)
	}
}

// createFields are shown with their names for a new member.
var createFields = settingFields | fields(atManager)

// implied returns the fields whose changes need no description, because the kind or
// the beginning of the line tells them.
func (k Kind) implied() fieldSet {
	switch k {
	case KindUpdate:
		return 0
	case KindDeactivate:
		return fields(atActive)
	case KindReactivate:
		return fields(atActive, atAssignment)
	default:
		return fields(atConnection, atExternalID, atManaged, atActive, atAssignment)
	}
}

// describe describes the change of one field. For a set it shows what is added and
// removed, and if kept also what stays.
func (c *Change) describe(kept bool) string {
	name := c.label()
	switch old, now := setOf(c.Old), setOf(c.New); {
	case c.Old == nil && c.New != nil, kept && !c.IsValue():
		return name + " " + showValue(c.New)
	case old != nil || now != nil:
		var parts []string
		if kept {
			for _, one := range set.Without(now, set.Without(now, old)) {
				parts = append(parts, text.Line(one))
			}
		}
		for _, added := range set.Without(now, old) {
			parts = append(parts, "+"+text.Line(added))
		}
		for _, taken := range set.Without(old, now) {
			parts = append(parts, "-"+text.Line(taken))
		}
		return name + " " + strings.Join(parts, " ")
	}
	return fmt.Sprintf("%s %s -> %s", name, showValue(c.Old), showValue(c.New))
}

// describeOwner describes a change of the owner alone.
func (c *Change) describeOwner() string {
	switch c.Owner {
	case OwnerSource:
		return c.label() + " follows the source now"
	case OwnerNobody:
		return c.label() + " no longer follows the source"
	default:
		return fmt.Sprintf("%s now owned by %s", c.label(), c.Owner)
	}
}

// label returns the name of the field; for an attribute, the name that the
// application gives it.
func (c *Change) label() string {
	return text.Line(strings.TrimPrefix(c.Field.String(), attributePrefix))
}

// setOf returns a value as a sorted set of names, also if it comes from JSON; nil
// if it is none.
func setOf(value any) []string {
	var m Member
	if fieldTable[atSeats].value.set(&m, value) {
		return m.Seats
	}
	return nil
}

// describeManager names the manager before and after.
func (a *Action) describeManager(c *Change) string {
	manager, former := showValue(c.New), showValue(c.Old)
	for _, r := range a.Reasons {
		if r.Code == CodeManagerSet {
			manager, former = text.Line(cmp.Or(r.Facts["manager"], manager)), text.Line(cmp.Or(r.Facts["former"], former))
		}
	}
	if c.Old == nil {
		return "under " + manager
	}
	return "manager " + former + " -> " + manager
}

// codes lists the codes of the reasons, each once. It leaves out those of the
// ordinary case, unless there are no others.
func codes(reasons []Reason) string {
	var words, ordinary []string
	for _, r := range reasons {
		word := r.Code.line()
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

// ordinary reports whether a reason only says that a value came from its usual
// place.
func (r Reason) ordinary() bool {
	switch r.Code {
	case CodeSourceValue, CodeAssignmentMatch, CodeManagerSet:
		return true
	}
	return strings.HasPrefix(string(r.Code), "tz.from_")
}

// columns are the widths of the columns. Skipped people have a second column of
// their own, because its texts are alike.
type columns struct{ who, what, skipped int }

// The largest widths of the columns. A longer cell moves the rest of its own row to
// the right, and not that of every row.
const whoBound, whatBound = 34, 72

// columns measures the rows.
func (p *Plan) columns() (c columns) {
	for row := range p.rows() {
		c.who = max(c.who, min(text.Columns(row[1]), whoBound))
		what := c.second(&row)
		*what = max(*what, min(text.Columns(row[2]), whatBound))
	}
	return c
}

func (c *columns) second(row *row) *int {
	if row[0] == "." {
		return &c.skipped
	}
	return &c.what
}

func (c *columns) write(out *bufio.Writer, row *row) {
	out.WriteString(row[0] + " " + row[1] + text.Pad(row[1], c.who) + "  " + row[2])
	if row[3] != "" {
		out.WriteString(text.Pad(row[2], *c.second(row)) + "  # " + row[3])
	}
	out.WriteString("\n")
}
