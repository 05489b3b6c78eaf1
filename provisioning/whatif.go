package provisioning

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/alike"
	"github.com/usher-go/usher/internal/text"
)

// A Diff compares two configs: it is the difference between the team after the plan
// under the present config and the team after the plan under the next config.
type Diff struct {
	// Now and Next are the plans under the two configs.
	Now  *Plan `json:"now"`
	Next *Plan `json:"next"`
	// Shifts are the members who differ, ordered by assignment now, assignment
	// next, and address.
	Shifts []Shift `json:"shifts"`
}

// A Shift is one member who differs under the next config. Held actions count as
// done, since an approval would release them.
type Shift struct {
	MemberID   string       `json:"member_id"`
	ExternalID string       `json:"external_id,omitempty"`
	Email      string       `json:"email,omitempty"`
	Name       string       `json:"name,omitempty"`
	Outcome    ShiftOutcome `json:"outcome"`
	// Now and Next are the IDs of the governing assignments; "" is none.
	Now  string `json:"now,omitempty"`
	Next string `json:"next,omitempty"`
	// Changes lead from the member under the present config (Old) to the member
	// under the next config (New).
	Changes []Change `json:"changes"`
	// Waits are the classes whose breakers would hold the member's action under the
	// next config.
	Waits []Class `json:"waits,omitempty"`
	// Reasons are those of the plan under the next config if it mentions the
	// member, and otherwise those of the plan under the present config.
	Reasons []Reason `json:"reasons,omitempty"`
}

// A ShiftOutcome says how a member differs under the next config.
type ShiftOutcome string

// The outcomes of a shift.
const (
	ShiftComesIn  ShiftOutcome = "comes in"  // has access under the next config only
	ShiftStaysOut ShiftOutcome = "stays out" // would get access now, and gets none under the next config
	ShiftLeaves   ShiftOutcome = "leaves"    // has access and loses it under the next config only
	ShiftChanges  ShiftOutcome = "changes"   // has access under both configs, or under neither
)

// WhatIf decides about the same input under two configs and returns the difference.
// It changes nothing. The snapshot should answer the queries of both configs
// (Resolver.Queries); people who depend on a missing answer are left as they are
// (S44). The error says which config is invalid.
func WhatIf(in Input, now, next Config) (*Diff, error) {
	var plans [2]*Plan
	for i, cfg := range []Config{now, next} {
		r, err := New(cfg)
		if err != nil {
			return nil, fmt.Errorf("provisioning: what if: the config %s: %w", []string{"of now", "to try"}[i], err)
		}
		plans[i] = r.Resolve(in)
	}
	return differ(in.Members, plans[0], plans[1]), nil
}

// differ compares the teams after two plans. Members whom neither plan mentions do
// not differ.
func differ(team []Member, now, next *Plan) *Diff {
	type pair struct{ before, now, next *Member }
	pairs := make(map[string]*pair)
	of := func(id string) *pair {
		if pairs[id] == nil {
			pairs[id] = new(pair)
		}
		return pairs[id]
	}
	for a := range now.released() {
		of(a.Member.ID).now = &a.Member
	}
	for a := range next.released() {
		of(a.Member.ID).next = &a.Member
	}
	for i := range team {
		if p := pairs[team[i].ID]; p != nil {
			p.before = &team[i]
			p.now, p.next = cmp.Or(p.now, p.before), cmp.Or(p.next, p.before)
		}
	}
	d := &Diff{Now: now, Next: next, Shifts: []Shift{}}
	told := [...]map[string]told{now.told(), next.told()}
	for id, p := range pairs {
		from, to := cmp.Or(p.now, new(Member)), cmp.Or(p.next, new(Member))
		changes := Difference(from, to)
		if !slices.ContainsFunc(changes, func(c Change) bool { return c.IsValue() }) {
			continue
		}
		shown := cmp.Or(p.next, p.now)
		s := Shift{
			MemberID: id, ExternalID: shown.ExternalID, Email: shown.Email, Name: shown.Name(),
			Now: from.AssignmentID, Next: to.AssignmentID, Changes: changes, Waits: told[1][id].waits,
			Reasons: told[1][id].reasons,
		}
		if s.Reasons == nil {
			s.Reasons = told[1][s.ExternalID].reasons // of somebody skipped
		}
		if s.Reasons == nil {
			s.Reasons = told[0][id].reasons
		}
		switch {
		case !from.Active && to.Active:
			s.Outcome = ShiftComesIn
		case from.Active && !to.Active && (p.before == nil || !p.before.Active):
			s.Outcome = ShiftStaysOut
		case from.Active && !to.Active:
			s.Outcome = ShiftLeaves
		default:
			s.Outcome = ShiftChanges
		}
		d.Shifts = append(d.Shifts, s)
	}
	slices.SortFunc(d.Shifts, func(a, b Shift) int {
		return cmp.Or(cmp.Compare(a.Now, b.Now), cmp.Compare(a.Next, b.Next), cmp.Compare(a.Email, b.Email), cmp.Compare(a.MemberID, b.MemberID))
	})
	return d
}

// released yields the actions of a plan, and the held actions that an approval
// would release. If a deactivation and an action of a held class are about one
// member, it yields the latter.
func (p *Plan) released() iter.Seq[*Action] {
	return func(yield func(*Action) bool) {
		for i := range p.Actions {
			if !yield(&p.Actions[i]) {
				return
			}
		}
		for i := range p.Held {
			if h := &p.Held[i]; len(h.Classes) > 0 && !yield(&h.Action) {
				return
			}
		}
	}
}

// told is what a plan says about one person.
type told struct {
	reasons []Reason
	waits   []Class
}

// told returns what the plan says about each member whom it mentions, by member ID,
// and about each person whom it skips, by external ID.
func (p *Plan) told() map[string]told {
	says := make(map[string]told)
	for i := range p.Skipped {
		says[p.Skipped[i].ExternalID] = told{reasons: p.Skipped[i].Reasons}
	}
	for i := range p.Held {
		h := &p.Held[i]
		says[h.Action.Member.ID] = told{slices.Concat(h.Reasons, h.Action.Reasons), h.Classes}
	}
	for i := range p.Actions {
		says[p.Actions[i].Member.ID] = told{reasons: p.Actions[i].Reasons}
	}
	return says
}

// Count returns the number of people with the outcome.
func (d *Diff) Count(outcome ShiftOutcome) int {
	n := 0
	for i := range d.Shifts {
		if d.Shifts[i].Outcome == outcome {
			n++
		}
	}
	return n
}

// String returns the difference as text for people: a line of sums, and for each
// pair of assignments now and next a line for every person, with the first
// character of a plan's line. A line ends with the classes whose breakers would
// hold the person.
func (d *Diff) String() string { return d.text(false) }

// Summary is String with one line for equal changes, which names two of the people.
func (d *Diff) Summary() string { return d.text(true) }

func (d *Diff) text(grouping bool) string {
	var b strings.Builder
	b.WriteString(d.sums() + "\n")
	for rest := d.Shifts; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Now == rest[0].Now && rest[n].Next == rest[0].Next {
			n++
		}
		fmt.Fprintf(&b, "%s (%d):\n", rest[0].move(), n)
		if grouping {
			for _, outcome := range []ShiftOutcome{ShiftLeaves, ShiftStaysOut, ShiftComesIn, ShiftChanges} {
				var same alike.Groups[string]
				for i := range rest[:n] {
					if s := &rest[i]; s.Outcome == outcome {
						same.Add(s.Describe(), s.Who())
					}
				}
				for _, line := range grouped(outcome.sigil(), &same) {
					b.WriteString(line.text + "\n")
				}
			}
		} else {
			for i := range rest[:n] {
				fmt.Fprintf(&b, "  %s %s  %s\n", rest[i].Outcome.sigil(), text.Line(rest[i].Who()), rest[i].Describe())
			}
		}
		rest = rest[n:]
	}
	return b.String()
}

func (d *Diff) sums() string {
	if len(d.Shifts) == 0 {
		return "what if: nobody would be decided differently"
	}
	line := fmt.Sprintf("what if: %d would be decided differently", len(d.Shifts))
	separator := ": "
	for _, outcome := range []ShiftOutcome{ShiftLeaves, ShiftStaysOut, ShiftComesIn, ShiftChanges} {
		if n := d.Count(outcome); n > 0 {
			line += fmt.Sprintf("%s%d %s", separator, n, outcome)
			separator = ", "
		}
	}
	return line
}

func (o ShiftOutcome) sigil() string {
	switch o {
	case ShiftComesIn:
		return "+"
	case ShiftChanges:
		return "~"
	default:
		return "-"
	}
}

// Who names the person as Action.Who does.
func (s *Shift) Who() string { return cmp.Or(s.Email, s.Name, s.ExternalID, s.MemberID) }

// move describes from which assignment to which the person moves.
func (s *Shift) move() string {
	from, to := cmp.Or(text.Line(s.Now), "no assignment"), cmp.Or(text.Line(s.Next), "no assignment")
	if from == to {
		return "in " + from
	}
	return from + " -> " + to
}

// Describe describes the difference on one line, as a plan describes a change, and
// the classes that would hold it. It leaves out the assignments, which are Now and
// Next.
func (s *Shift) Describe() string {
	var parts []string
	if s.Outcome != ShiftChanges {
		parts = append(parts, string(s.Outcome))
	}
	if s.Outcome == ShiftChanges || s.Outcome == ShiftComesIn {
		for i := range s.Changes {
			c := &s.Changes[i]
			at, inTable := fieldPositions[c.Field]
			personal := s.Outcome == ShiftComesIn && (!inTable || !createFields.has(at) || c.Field == FieldManager)
			switch {
			case !c.IsValue() || c.Field == FieldAssignment || personal:
			case c.Field == FieldManager:
				a := Action{Reasons: s.Reasons}
				parts = append(parts, a.describeManager(c))
			default:
				parts = append(parts, c.describe(false))
			}
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "moves")
	}
	if len(s.Waits) > 0 {
		words := make([]string, len(s.Waits))
		for i, class := range s.Waits {
			words[i] = class.String()
		}
		parts = append(parts, "waits for an approval of "+strings.Join(words, " and "))
	}
	return strings.Join(parts, ", ")
}
