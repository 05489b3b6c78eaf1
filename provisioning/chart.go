package provisioning

import (
	"maps"
	"slices"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/internal/blocks"
	"github.com/usher-go/usher/sources"
)

// placeInChart sets everybody's manager, in a second pass over the whole team
// as it is to be, so that a manager who comes in with the same plan is found
// (S23), and finds the managers who are to be told about a newcomer.
func (p *pass) placeInChart() {
	people, persons := p.people()
	if p.cfg.Hierarchy.Ignore {
		p.tellIgnored()
		return
	}
	if !slices.ContainsFunc(people, func(q hierarchy.Person) bool { return q.Follow }) {
		return
	}
	p.stepAside(people, persons)
	chart := p.buildChart(people, persons)
	for i := range people {
		if people[i].Follow {
			p.place(chart, people, persons[i], i)
		}
	}
	if p.cfg.Managers.Notify {
		p.notifyManagers(chart, people, persons)
	}
}

// buildChart builds the chart. A newcomer under a manual assignment follows the
// directory this once (R94). One whose edge would close a cycle stays without a
// manager from then on, so that the others are placed as they will be on the
// next run, which does not ask about the newcomer again (L2).
func (p *pass) buildChart(people []hierarchy.Person, persons []int32) *hierarchy.Chart {
	for {
		chart, again := hierarchy.Build(people), false
		for i := range people {
			if people[i].Follow && chart.Finding(i) == hierarchy.Cycle && !p.followsOn(persons[i]) {
				people[i].Follow, again = false, true
				p.tellCycle(persons[i])
			}
		}
		if !again {
			return chart
		}
	}
}

// stepAside leaves those where they are whose new edge would close a circle
// with the edges that wait for an approval, so that it does not matter whether
// that is given.
func (p *pass) stepAside(people []hierarchy.Person, persons []int32) {
	if len(p.held) == 0 {
		return
	}
	wanted := make(map[string]string, len(p.held))
	for i := range p.held {
		wanted[p.held[i].action.Member.ID] = p.held[i].action.Member.ManagerID
	}
	approved := slices.Clone(people)
	for i := range approved {
		if manager, waits := wanted[approved[i].Key]; waits {
			approved[i].Current = manager
			delete(wanted, approved[i].Key)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) { // those who wait to come in
		approved = append(approved, hierarchy.Person{Key: id, Current: wanted[id]})
	}
	chart := hierarchy.Build(approved)
	for i := range people {
		if people[i].Follow && chart.Finding(i) == hierarchy.Cycle {
			people[i].Follow = false
			p.tellCycle(persons[i])
		}
	}
}

// tellCycle says of a person that the edge is left as it is.
func (p *pass) tellCycle(person int32) {
	d := p.draft(person)
	p.problem(d, because(Code(hierarchy.Cycle.String()), managerFacts(d.user)...))
	if d.after.ManagerID == "" {
		d.because(because(CodeManualNeeded))
	}
}

// followsOn reports whether the edge of a person who follows the directory now
// will do so on the next run.
func (p *pass) followsOn(person int32) bool {
	at := p.draftOf[person]
	return at == none || p.follows(person, KindUpdate, p.drafts[at].position)
}

// managerFacts returns the key that decides who the manager is (S22).
func managerFacts(u *sources.User) []string {
	switch m := &u.Manager; {
	case trimmed(m.Email) != "":
		return []string{"email", m.Email}
	case trimmed(m.ID) != "":
		return []string{"id", m.ID}
	default:
		return []string{"name", m.Name}
	}
}

// people returns the team as it is to be, each with the keys by which others
// may name them, and the person behind each.
func (p *pass) people() (people []hierarchy.Person, persons []int32) {
	creates := 0
	for _, d := range p.drafts {
		if d.kind == KindCreate {
			creates++
		}
	}
	people = make([]hierarchy.Person, len(p.members), len(p.members)+creates)
	persons = make([]int32, len(p.members), len(p.members)+creates)
	blocks.Each(len(p.members), func() func(start, end int) {
		return func(start, end int) {
			for i := start; i < end; i++ {
				people[i], persons[i] = p.chartPerson(int32(i), &p.members[i]), int32(i)
			}
		}
	})
	for _, d := range p.drafts {
		if d.kind == KindCreate {
			people = append(people, p.chartPerson(d.person, nil))
			persons = append(persons, d.person)
		}
	}
	return people, persons
}

func (p *pass) chartPerson(person int32, m *Member) hierarchy.Person {
	user := p.userOfPerson(person)
	position, kind, follows := int32(assignment.Unmatched), KindUpdate, false
	if at := p.draftOf[person]; at != none {
		d := p.drafts[at]
		m, user, position, kind, follows = &d.after, d.user, d.position, d.kind, d.user != nil
	} else if p.fates[person] == fateFollow {
		position, follows = p.governing[p.userOf[person]], true
	}
	q := hierarchy.Person{
		Key: m.ID, Current: m.ManagerID, Email: m.Email, Active: m.Active,
		GivenName: m.GivenName, FamilyName: m.FamilyName,
	}
	if m.Managed && m.Connection == p.cfg.Connection {
		q.ID = m.ExternalID
	}
	if user == nil || int(person) < len(p.members) && p.mixed[p.userOf[person]] { // of whom only the ID is certain (S5)
		return q
	}
	if quiet := int(person) < len(p.members) && p.quiet[person]; !quiet && user.Email != m.Email {
		q.Alias = user.Email
	}
	q.Manager = (*hierarchy.Keys)(&user.Manager)
	q.Follow = follows && p.follows(person, kind, position)
	return q
}

// follows says whose edge follows the directory: everybody's under automatic
// mode, and a newcomer's under either (R90 to R94).
func (p *pass) follows(person int32, kind Kind, position int32) bool {
	if p.frozen[person] {
		return false
	}
	a := p.rules.At(position)
	return a != nil && (kind == KindCreate || a.Mode == assignment.Automatic)
}

// place sets one person's manager as the chart came out.
func (p *pass) place(chart *hierarchy.Chart, people []hierarchy.Person, person int32, i int) {
	finding := chart.Finding(i)
	unnamed := finding == hierarchy.NoManagerKey
	if !chart.Changed(i) && (finding == hierarchy.NoFinding || unnamed && p.unnamedIsOld(person)) {
		return
	}
	d := p.draft(person)
	if chart.Changed(i) {
		manager := people[chart.Manager(i)]
		d.overwrite(FieldManager, d.after.ManagerID != "")
		d.after.ManagerID = manager.Key
		d.because(because(CodeManagerSet, "manager", fullName(manager.GivenName, manager.FamilyName)))
	}
	if finding == hierarchy.NoFinding {
		return
	}
	switch {
	case unnamed && !p.snapshot.Proven.Has(sources.FactManagers):
		p.problem(d, because(CodeManagerUnproven))
	case unnamed && d.after.Owners.Of(FieldManager) == Source:
		d.after.Owners = d.after.Owners.With(FieldManager, Nobody)
		p.problem(d, because(CodeEmptyNotValue, "fields", FieldManager.String()))
	default:
		p.problem(d, because(Code(finding.String()), managerFacts(d.user)...))
	}
	if d.after.ManagerID == "" {
		d.because(because(CodeManualNeeded))
	}
}

// unnamedIsOld reports whether a person for whom the source names no manager
// is in already and never had one from it: told once, at the beginning.
func (p *pass) unnamedIsOld(person int32) bool {
	if at := p.draftOf[person]; at != none && p.drafts[at].joins() {
		return false
	}
	return int(person) < len(p.members) && p.members[person].Owners.Of(FieldManager) != Source
}

// draft returns a person's draft; a member that had nothing to change so far
// gets one.
func (p *pass) draft(person int32) *draft {
	if at := p.draftOf[person]; at != none {
		return p.drafts[at]
	}
	d := &draft{
		person: person, kind: KindUpdate, user: p.userOfPerson(person),
		position: p.governing[p.userOf[person]],
	}
	p.begin(d, person)
	p.keep(d)
	return d
}

// tellIgnored says of each newcomer that nobody placed them (R88).
func (p *pass) tellIgnored() {
	for _, d := range p.drafts {
		if d.joins() && d.after.ManagerID == "" {
			d.because(because(CodeIgnored))
			d.because(because(CodeManualNeeded))
		}
	}
}

// notifyManagers adds the mail to the direct manager of each newcomer, if the
// manager has at least one active report with recording on (R128, R129, S27).
func (p *pass) notifyManagers(chart *hierarchy.Chart, people []hierarchy.Person, persons []int32) {
	if !slices.ContainsFunc(p.drafts, func(d *draft) bool { return d.kind == KindCreate }) {
		return
	}
	recorded := make(map[int]bool)
	for i := range people {
		m := p.afterwards(persons[i])
		if manager := chart.Manager(i); manager != hierarchy.None && m.Active && slices.Contains(m.Capture, assignment.Recording) {
			recorded[manager] = true
		}
	}
	for i := range people {
		at := p.draftOf[persons[i]]
		if at == none || p.drafts[at].kind != KindCreate {
			continue
		}
		if manager := chart.Manager(i); manager != hierarchy.None && recorded[manager] {
			d := p.drafts[at]
			d.effects = append(d.effects, Effect{Kind: NotifyManager, To: people[manager].Key, About: d.after.ID})
		}
	}
}

// afterwards returns a person as this pass leaves them.
func (p *pass) afterwards(person int32) *Member {
	if at := p.draftOf[person]; at != none {
		return &p.drafts[at].after
	}
	return &p.members[person]
}
