package provisioning

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/assignment"
)

// classes is a set of breaker classes.
type classes uint8

func (s classes) has(c Class) bool { return s&(1<<c) != 0 }

func (s classes) list() []Class {
	var list []Class
	for c := range classCount {
		if s.has(c) {
			list = append(list, c)
		}
	}
	return list
}

// changes returns the difference that a draft makes, in the order of the
// fields: those whose value changes or, if there is none, those that only get
// another owner.
func (d *draft) changes() []Change {
	before := d.before
	if before == nil {
		before = &Member{}
	}
	var values, owners []Change
	for f := range fieldCount {
		owner := d.after.Owners.Of(f)
		switch {
		case !sameField(before, &d.after, f):
			values = append(values, Change{Field: f, Old: fieldValue(before, f), New: fieldValue(&d.after, f), Owner: owner})
		case owner != before.Owners.Of(f):
			owners = append(owners, Change{Field: f, Old: fieldValue(before, f), New: fieldValue(&d.after, f), Owner: owner})
		}
	}
	if len(values) > 0 {
		return values
	}
	return owners
}

// sameField reports whether a and b have the same value in f.
func sameField(a, b *Member, f Field) bool {
	switch f {
	case FieldManaged:
		return a.Managed == b.Managed
	case FieldActive:
		return a.Active == b.Active
	case FieldOtherEmails:
		return slices.Equal(assignment.Set(a.OtherEmails), assignment.Set(b.OtherEmails))
	case FieldSeats:
		return slices.Equal(assignment.Set(a.Seats), assignment.Set(b.Seats))
	case FieldCapture:
		return slices.Equal(assignment.Set(a.Capture), assignment.Set(b.Capture))
	case FieldProfiles:
		return maps.Equal(a.Profiles, b.Profiles)
	case FieldExtra:
		return maps.Equal(a.Extra, b.Extra)
	}
	return *textField(a, f) == *textField(b, f)
}

// fieldValue returns a field as a Change shows it: nil for nothing.
func fieldValue(m *Member, f Field) any {
	switch f {
	case FieldManaged:
		return m.Managed
	case FieldActive:
		return m.Active
	case FieldOtherEmails:
		return setValue(m.OtherEmails)
	case FieldSeats:
		return setValue(m.Seats)
	case FieldCapture:
		return setValue(m.Capture)
	case FieldProfiles:
		if len(m.Profiles) > 0 {
			return maps.Clone(m.Profiles)
		}
		return nil
	case FieldExtra:
		if len(m.Extra) > 0 {
			return maps.Clone(m.Extra)
		}
		return nil
	}
	if text := *textField(m, f); text != "" {
		return text
	}
	return nil
}

func setValue(set []string) any {
	if len(set) == 0 {
		return nil
	}
	return slices.Clone(assignment.Set(set))
}

// classes returns the classes into which a draft falls (S14). They are about
// people who have something to lose, and so about members that were active; a
// create is a class of its own.
func (d *draft) classes() classes {
	if d.kind == KindCreate {
		return 1 << ClassCreate
	}
	if !d.before.Active || !d.before.Managed || d.before.Protected {
		return 0
	}
	if d.kind == KindDeactivate {
		return 1 << ClassDeactivate
	}
	var s classes
	before := d.before.Settings.Clone()
	before.Normalize()
	if before.Loses(&d.after.Settings) {
		s |= 1 << ClassDowngrade
	}
	if !sameAddress(d.before.Email, d.after.Email) {
		s |= 1 << ClassRewriteIdentity
	}
	if d.before.ManagerID != d.after.ManagerID {
		s |= 1 << ClassReparent
	}
	return s
}

// breakers counts each class, and returns those that trip and the persons who
// have to wait for them: those of the class, and whoever commits with them.
func (p *pass) breakers() (trips []Breaker, frozen map[int32]bool) {
	var counts [classCount]int
	for _, d := range p.drafts {
		for _, c := range d.classes().list() {
			counts[c]++
		}
	}
	population, empty := p.population()
	limits, minPopulation := p.cfg.Breakers.limits()
	var tripped classes
	for c := range classCount {
		b := Breaker{Class: c, Count: counts[c], Population: population, Limit: limits[c]}
		switch {
		case c == ClassDeactivate && counts[c] > 0 && empty:
			b.Reason = because(CodeSnapshotEmpty)
		case limits[c].trips(counts[c], population, minPopulation):
			b.Reason = because(Code(codeBreakerPrefix + c.String()))
		default:
			continue
		}
		tripped |= 1 << c
		trips = append(trips, b)
	}
	if tripped == 0 {
		return nil, nil
	}
	frozen = make(map[int32]bool)
	groups := p.groups()
	for _, d := range p.drafts {
		if d.classes()&tripped == 0 {
			continue
		}
		for _, person := range groups.of(d.person) {
			frozen[person] = true
		}
		if d.joins() {
			frozen[d.claim.person] = true // the newcomer who would become this member
		}
	}
	return trips, frozen
}

// population counts the managed active members of the connection, without the
// protected ones and those whom an option keeps (S14), and reports whether the
// snapshot is complete and has nobody in it though there are such members
// (S13).
func (p *pass) population() (n int, empty bool) {
	for i := range p.members {
		m := &p.members[i]
		if m.Active && !m.Protected && p.isLinked(m) && !p.optioned[int32(i)] {
			n++
		}
	}
	return n, n > 0 && len(p.users) == 0
}

// held returns what the frozen persons wait with.
func (p *pass) held(frozen map[int32]bool, trips []Breaker) []Held {
	var tripped classes
	reasons := make(map[Class]Reason)
	for _, b := range trips {
		tripped |= 1 << b.Class
		reasons[b.Class] = b.Reason
	}
	groups := p.groups()
	var held []Held
	for _, d := range p.drafts {
		if !frozen[d.person] {
			continue
		}
		var mine classes
		for _, person := range groups.of(d.person) {
			if at := p.draftOf[person]; at != none {
				mine |= p.drafts[at].classes() & tripped
			}
		}
		h := Held{Action: d.action(), Classes: mine.list()}
		if len(h.Action.Changes) == 0 {
			continue
		}
		for _, c := range h.Classes {
			h.Reasons = append(h.Reasons, reasons[c])
		}
		held = append(held, h)
	}
	actions := make([]*Action, len(held))
	for i := range held {
		actions[i] = &held[i].Action
	}
	groups.mark(p, actions)
	return held
}

// action turns a draft into an action.
func (d *draft) action() Action {
	a := Action{Kind: d.kind, Changes: d.changes(), Effects: d.effects, Reasons: d.reasons, Member: d.after}
	if d.before != nil {
		a.Revision = d.before.Revision
	}
	var fields []string
	for _, c := range a.Changes {
		if sourceFields.Has(c.Field) && c.Owner == Source {
			fields = append(fields, c.Field.String())
		}
	}
	if len(fields) > 0 && (d.kind == KindUpdate || d.kind == KindReactivate) {
		a.Reasons = append(a.Reasons, because(CodeSourceValue, "fields", strings.Join(fields, ", ")))
	}
	a.Key = a.key()
	for i := range a.Effects {
		a.Effects[i].Key = a.Key
	}
	return a
}

// key derives the idempotency key: from who, from which state, and what.
func (a *Action) key() string {
	content, err := json.Marshal(struct {
		Kind     Kind
		Who      [3]string
		Revision Revision
		Changes  []Change
		Effects  []Effect
	}{a.Kind, [3]string{a.Member.Connection, a.Member.ExternalID, a.Member.ID}, a.Revision, a.Changes, a.Effects})
	if err != nil { // only a setting that Validate refuses cannot be written
		content = fmt.Appendf(nil, "%v", a)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// plan assembles the plan from what the pass decided and what waits.
func (p *pass) plan(trips []Breaker, waiting []Held) *Plan {
	plan := &Plan{
		Format: PlanFormat, Source: p.cfg.Source, Connection: p.cfg.Connection, ConfigRevision: p.cfg.Revision,
		Actions: []Action{}, Held: waiting, Breakers: trips,
		Skipped:  slices.Concat(p.work.skipped, p.skips),
		Findings: slices.Concat(p.work.findings, p.findings),
	}
	for _, d := range p.drafts {
		if a := d.action(); len(a.Changes) > 0 {
			plan.Actions = append(plan.Actions, a)
		}
	}
	for _, h := range p.withheld {
		if a := h.action(); len(a.Changes) > 0 {
			plan.Held = append(plan.Held, Held{Action: a, Reasons: h.reasons})
		}
	}
	actions := make([]*Action, len(plan.Actions))
	for i := range plan.Actions {
		actions[i] = &plan.Actions[i]
	}
	p.groups().mark(p, actions)
	plan.sort()
	plan.Unchanged = p.unchanged(plan)
	plan.seal()
	return plan
}

// unchanged counts the managed members of the connection that the plan leaves
// alone.
func (p *pass) unchanged(plan *Plan) int {
	n := 0
	for i := range p.members {
		if p.isLinked(&p.members[i]) {
			n++
		}
	}
	touched := make(map[string]bool)
	touch := func(a *Action) {
		if a.Kind != KindCreate && a.Kind != KindAdopt && !touched[a.Member.ID] {
			touched[a.Member.ID] = true
			n--
		}
	}
	for i := range plan.Actions {
		touch(&plan.Actions[i])
	}
	for i := range plan.Held {
		touch(&plan.Held[i].Action)
	}
	return n
}

// groups are the sets of persons whose actions must commit together: whoever
// takes an address, and who gives it up (S2).
type groups struct{ next map[int32]int32 } // a forest: towards the representative

func (p *pass) groups() groups {
	g := groups{next: make(map[int32]int32)}
	for i := range p.claims {
		if c := &p.claims[i]; c.denied == "" && c.from != none {
			g.join(c.person, c.from)
		}
	}
	return g
}

func (g groups) root(person int32) int32 {
	for {
		next, ok := g.next[person]
		if !ok || next == person {
			return person
		}
		person = next
	}
}

func (g groups) join(a, b int32) {
	a, b = g.root(a), g.root(b)
	g.next[a], g.next[b] = min(a, b), min(a, b)
}

// of returns everybody in the group of a person.
func (g groups) of(person int32) []int32 {
	root := g.root(person)
	if root == person && len(g.next) == 0 {
		return []int32{person}
	}
	members := []int32{person}
	for other := range g.next {
		if other != person && g.root(other) == root {
			members = append(members, other)
		}
	}
	return members
}

// mark writes the name of its group into each action that has one: the
// smallest key of the group.
func (g groups) mark(p *pass, actions []*Action) {
	byMember := make(map[string]*Action, len(actions))
	for _, a := range actions {
		byMember[a.Member.ID] = a
	}
	together := make(map[int32][]*Action)
	for person := range g.next {
		if at := p.draftOf[person]; at != none {
			if a := byMember[p.drafts[at].after.ID]; a != nil {
				together[g.root(person)] = append(together[g.root(person)], a)
			}
		}
	}
	for _, group := range together {
		if len(group) < 2 {
			continue
		}
		smallest := slices.MinFunc(group, func(a, b *Action) int { return cmp.Compare(a.Key, b.Key) }).Key
		for _, a := range group {
			a.With = smallest
		}
	}
}
