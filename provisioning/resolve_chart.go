package provisioning

import (
	"slices"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/internal/blocks"
	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
)

// A chart is the sixth stage: it decides everybody's manager, over the whole team
// as it will be, so that a manager who comes in with the same plan is found (S23).
// It also decides which managers are notified about a newcomer.
type chart struct {
	*drafts
	people  []hierarchy.Person
	persons []int32 // by position in people: the person
	// together are sets of persons whose new edges close no cycle only if all of
	// them are set, or none (S24).
	together [][]int32
	// uncertain are members whose record a newcomer may get once the evidence is
	// complete, and with the record another manager.
	uncertain map[int32]bool
}

func newChart(ds *drafts) *chart {
	c := &chart{drafts: ds}
	if ds.r.cfg.Hierarchy.Ignore {
		c.tellIgnored()
		return c
	}
	c.listPeople()
	if !slices.ContainsFunc(c.people, func(p hierarchy.Person) bool { return p.Follow }) {
		return c
	}
	c.avoidCircles()
	built := c.build()
	for i := range c.people {
		if c.people[i].Follow {
			c.place(built, i)
		}
	}
	c.keepTogether(built)
	if ds.r.cfg.Managers.Notify {
		c.notifyManagers(built)
	}
	return c
}

// build builds the chart with the edges of a plan without approvals.
func (c *chart) build() *hierarchy.Chart {
	return c.buildOf(func() []hierarchy.Person { return c.people })
}

// buildOf builds the chart of the people that edges returns. A newcomer under a
// manual assignment follows the directory this once (R94). If such an edge would
// close a cycle, the newcomer gets no manager, also in the further passes: the next
// run does not ask about this newcomer again, so the others are placed in the same
// way as they will be then (L2).
func (c *chart) buildOf(edges func() []hierarchy.Person) *hierarchy.Chart {
	for {
		built, again := hierarchy.Build(edges()), false
		for i := range c.people {
			if c.people[i].Follow && built.Finding(i) == hierarchy.Cycle && !c.followsOn(c.persons[i]) {
				c.stay(i)
				again = true
			}
		}
		if !again {
			return built
		}
	}
}

// avoidCircles keeps the old edge of a person if the new one could close a cycle
// together with an edge that waits for an approval, or with an edge that missing
// evidence could bring (S44). So no later approval closes a cycle.
func (c *chart) avoidCircles() {
	if c.possible() != nil {
		built := c.buildOf(c.possible)
		for i := range c.people {
			if c.people[i].Follow && built.Finding(i) == hierarchy.Cycle {
				c.stay(i)
			}
		}
	}
	if c.lacksEvidence() {
		c.uncertain = c.mayBecome()
		for c.avoidUncertain(hierarchy.Build(c.people)) {
		}
	}
}

// possible returns the people with the edges that wait for an approval, or nil if
// none waits.
func (c *chart) possible() []hierarchy.Person {
	heldManager := make(map[string]string)
	for w := range c.holds.pending() {
		heldManager[w.action.Member.ID] = w.action.Member.ManagerID
	}
	if len(heldManager) == 0 {
		return nil
	}
	possible := slices.Clone(c.people)
	for i := range possible {
		p := &possible[i]
		p.Open = false
		if manager, held := heldManager[p.Key]; held {
			p.Current, p.Follow, p.Active = manager, false, true
		}
	}
	return possible
}

// avoidUncertain keeps the old edge of people who would come below somebody whose
// manager is uncertain: with complete evidence, both edges together may close a
// cycle. It reports whether it kept any.
func (c *chart) avoidUncertain(built *hierarchy.Chart) bool {
	const unknown, safe, unsafe = 0, 1, 2
	states := make([]uint8, len(c.people))
	for i := range c.people {
		if c.isUncertain(built, i) {
			states[i] = unsafe
		}
	}
	leads := func(i int) uint8 { // whether the chain from i upwards contains somebody uncertain
		var path []int
		state := uint8(safe)
		for at := i; at != hierarchy.None; at = built.Manager(at) {
			if states[at] != unknown {
				state = states[at]
				break
			}
			states[at] = safe // a cycle of current edges ends here
			path = append(path, at)
		}
		for _, at := range path {
			states[at] = state
		}
		return state
	}
	again := false
	for i := range c.people {
		if c.people[i].Follow && built.Changed(i) && leads(built.Manager(i)) == unsafe {
			c.people[i].Follow = false
			d := c.draft(c.persons[i])
			c.problem(d, because(CodeEvidence, "missing", "whether the manager comes below this person"))
			again = true
		}
	}
	return again
}

// mayBecome returns the members whose record a newcomer may get once the evidence
// is complete, if the source names a manager for the newcomer.
func (c *chart) mayBecome() map[int32]bool {
	members := make(map[int32]bool)
	for i := range c.claims {
		claim := &c.claims[i]
		if n := c.newcomer(claim.person); n != nil && claim.holder != none && c.users[n.user].Manager != (sources.Manager{}) {
			members[claim.holder] = claim.denied == codeWaits || claim.denied == CodeAbsenceIncomplete || members[claim.holder]
		}
	}
	return members
}

// isUncertain reports whether more evidence could change a person's manager. It
// could for everybody whose action waits for an approval, since what is missing may
// decide the manager of that action.
func (c *chart) isUncertain(built *hierarchy.Chart, i int) bool {
	p, person := &c.people[i], c.persons[i]
	if c.uncertain[person] {
		return true
	}
	if p.Follow {
		switch built.Finding(i) {
		case hierarchy.ManagerOpen, hierarchy.AmbiguousEmail, hierarchy.AmbiguousID, hierarchy.AmbiguousName, hierarchy.Cycle:
			return true
		default:
			return false
		}
	}
	if p.Manager == nil || *p.Manager == (hierarchy.Keys{}) {
		return false
	}
	at := c.draftOf[person]
	return c.holds.frozen[person] || at == none && (c.isOpenPerson(person) || c.newcomer(person) != nil) || at != none && c.list[at].user != nil && c.follows(person, c.list[at].kind, c.list[at].position)
}

// stay keeps a person's edge and records the reason.
func (c *chart) stay(i int) {
	c.people[i].Follow = false
	d := c.draft(c.persons[i])
	c.problem(d, because(Code(hierarchy.Cycle.String()), c.managerFacts(d.user)...))
	if d.after.ManagerID == "" {
		d.because(because(CodeManualNeeded))
	}
}

// followsOn reports whether the edge of a person who follows the directory now will
// also do so in the next run.
func (c *chart) followsOn(person int32) bool {
	at := c.draftOf[person]
	return at == none || c.follows(person, KindUpdate, c.list[at].position)
}

// managerFacts returns the key that decides who the manager is (S22).
func (c *chart) managerFacts(u *sources.User) []string {
	m := &u.Manager
	email, id := text.Clean(m.Email) != "", text.Clean(m.ID) != ""
	switch {
	case email && (c.r.traits.managerByEmail || !id):
		return []string{"email", m.Email}
	case id:
		return []string{"id", m.ID}
	}
	return []string{"name", m.Name}
}

// listPeople lists the team as it will be, each person with the keys by which
// others may name them, and the newcomers who may come in later.
func (c *chart) listPeople() {
	c.people = make([]hierarchy.Person, len(c.members), len(c.members)+len(c.newcomers))
	c.persons = make([]int32, len(c.members), len(c.members)+len(c.newcomers))
	blocks.Each(len(c.members), func() func(start, end int) {
		return func(start, end int) {
			for i := start; i < end; i++ {
				c.people[i], c.persons[i] = c.person(int32(i), &c.members[i]), int32(i)
			}
		}
	})
	add := func(person int32, m *Member, open bool) {
		p := c.person(person, m)
		p.Open = p.Open || open
		c.people, c.persons = append(c.people, p), append(c.persons, person)
	}
	for _, d := range c.list {
		if d.kind == KindCreate {
			add(d.person, nil, false)
		}
	}
	if !c.undecided() {
		return
	}
	for i := range c.members { // a person with open evidence may get another name, and counts under both (S44)
		if m := &c.members[i]; c.isOpenPerson(int32(i)) {
			u := &c.users[c.userOf[i]]
			if given, family := text.Clean(u.GivenName), text.Clean(u.FamilyName); !name.Same(name.Full(given, family), m.Name()) {
				c.people = append(c.people, hierarchy.Person{Key: c.freeMemberID(u.ID), GivenName: given, FamilyName: family, Active: true, Open: true})
				c.persons = append(c.persons, int32(i))
			}
		}
	}
	for i := range c.newcomers {
		person := int32(len(c.members) + i)
		if denied := c.claimOf[person].denied; denied != "" && denied != CodeIneligibleDomain { // because of missing evidence, or because the claim waits
			n := &c.newcomers[i]
			u := &c.users[n.user]
			add(person, &Member{
				ID: c.freeMemberID(u.ID), Connection: c.r.cfg.Connection, ExternalID: u.ID, Managed: true, Active: true,
				Email: n.address, GivenName: text.Clean(u.GivenName), FamilyName: text.Clean(u.FamilyName),
			}, true)
		}
	}
}

// undecided reports whether missing evidence or an approval could bring somebody in
// or change somebody.
func (c *chart) undecided() bool {
	return c.lacksEvidence() || c.holds.isPending()
}

// lacksEvidence reports whether more evidence could bring somebody in or remove
// somebody.
func (c *chart) lacksEvidence() bool { return c.governance.open != nil || !c.proves(sources.FactUsers) }

// person returns a person of the team for package hierarchy. It is m if there is no
// draft.
func (c *chart) person(person int32, m *Member) hierarchy.Person {
	user := c.userOfPerson(person)
	position, kind, follows, unchanged := unmatched, KindUpdate, false, false
	if at := c.draftOf[person]; at != none {
		d := c.list[at]
		m, user, position, kind, follows = &d.after, d.user, d.position, d.kind, d.user != nil
	} else if c.newcomer(person) == nil && c.unchanged[person] {
		position, follows, unchanged = c.governing[c.userOf[person]], true, true
	}
	p := hierarchy.Person{
		Key: m.ID, Current: m.ManagerID, Email: m.Email, Active: m.Active,
		GivenName: m.GivenName, FamilyName: m.FamilyName, IDFirst: !c.r.traits.managerByEmail,
		Open: c.mayLeave(person),
	}
	if !m.Active && (c.holds.frozen[person] || c.isOpenPerson(person)) { // a member who may come back already counts as a namesake
		p.Active, p.Open = true, true
	}
	if c.r.isLinked(m) {
		p.ID = m.ExternalID
	}
	if user == nil || c.newcomer(person) == nil && c.userOf[person] != none && c.inconsistent[c.userOf[person]] { // only the ID is certain (S5)
		return p
	}
	if !unchanged && user.Email != m.Email {
		p.Alias = user.Email
	}
	p.Manager = (*hierarchy.Keys)(&user.Manager)
	p.Follow = follows && c.follows(person, kind, position)
	return p
}

// mayLeave reports whether missing evidence could remove a member from the team
// (S44).
func (c *chart) mayLeave(person int32) bool {
	if c.newcomer(person) != nil || c.unchanged[person] {
		return false
	}
	return c.isOpenPerson(person) || c.fates[person] == fateWithheld && !c.members[person].Protected
}

// follows reports whether the edge of a person follows the directory: in automatic
// mode everybody's, and in either mode a newcomer's (R90 to R94).
func (c *chart) follows(person int32, kind Kind, position int32) bool {
	if c.holds.frozen[person] {
		return false
	}
	a := c.r.rules.At(position)
	return a != nil && (kind == KindCreate || a.Mode == assignment.Automatic)
}

// place sets one person's manager from the chart.
func (c *chart) place(built *hierarchy.Chart, i int) {
	person, finding := c.persons[i], built.Finding(i)
	unnamed := finding == hierarchy.NoManagerKey
	if !built.Changed(i) && (finding == hierarchy.NoFinding || unnamed && c.unnamedIsOld(person)) {
		return
	}
	d := c.draft(person)
	if built.Changed(i) {
		manager := c.people[built.Manager(i)]
		d.overwrite(FieldManager, d.after.ManagerID != "")
		d.after.ManagerID = manager.Key
		d.because(c.reader.because(CodeManagerSet, "manager", nameOf(&manager), "former", c.nameOfMember(d.before)))
	}
	switch {
	case finding == hierarchy.NoFinding:
		return
	case unnamed && !c.proves(sources.FactManagers):
		c.problem(d, because(CodeManagerUnproven))
	case unnamed && d.after.Owners.at(atManager) == OwnerSource:
		d.after.Owners = d.after.Owners.with(atManager, OwnerNobody)
		c.problem(d, because(CodeEmptyNotValue, "fields", FieldManager.String()))
	case finding == hierarchy.ManagerOpen:
		c.problem(d, because(CodeEvidence, "missing", "whether the manager comes in or stays"))
	case finding == hierarchy.KeysDiffer:
		m := &d.user.Manager
		c.problem(d, because(Code(finding.String()), "email", m.Email, "id", m.ID, "name", m.Name))
	default:
		c.problem(d, because(Code(finding.String()), c.managerFacts(d.user)...))
	}
	if d.after.ManagerID == "" {
		d.because(because(CodeManualNeeded))
	}
}

func nameOf(p *hierarchy.Person) string {
	m := Member{GivenName: p.GivenName, FamilyName: p.FamilyName}
	return m.Name()
}

// unnamedIsOld reports whether a person for whom the source names no manager is a
// member already and never had a manager from it. That is reported only once, at
// the beginning.
func (c *chart) unnamedIsOld(person int32) bool {
	if at := c.draftOf[person]; at != none && c.list[at].joins() {
		return false
	}
	return int(person) < len(c.members) && c.members[person].Owners.at(atManager) != OwnerSource
}

// tellIgnored reports each newcomer who got no manager because the chart is ignored
// (R88).
func (c *chart) tellIgnored() {
	for _, d := range c.list {
		if d.joins() && d.after.ManagerID == "" {
			d.because(because(CodeIgnored))
			d.because(because(CodeManualNeeded))
		}
	}
}

// keepTogether finds the sets of persons whose edges must be set together: among
// the edges of this plan, and among those together with the edges that wait for an
// approval.
func (c *chart) keepTogether(built *hierarchy.Chart) {
	for _, group := range built.Together() {
		c.together = append(c.together, c.personsOf(group))
	}
	if possible := c.possible(); possible != nil {
		for _, group := range hierarchy.Build(possible).Together() {
			c.together = append(c.together, c.personsOf(group))
		}
	}
}

func (c *chart) personsOf(group []int) []int32 {
	persons := make([]int32, len(group))
	for k, i := range group {
		persons[k] = c.persons[i]
	}
	return persons
}

// recordingSeats are the seats without which recording has no effect (R104).
func (r *Resolver) recordingSeats() []string {
	return r.cfg.Seats.Requires["capture."+assignment.Recording]
}

// isRecorded reports whether a member is active and recorded: recording is on, and
// no seat is missing for it.
func (r *Resolver) isRecorded(m *Member) bool {
	if !m.Active || !slices.Contains(m.Capture, assignment.Recording) {
		return false
	}
	return !slices.ContainsFunc(r.recordingSeats(), func(seat string) bool { return !slices.Contains(m.Seats, seat) })
}

// notifyManagers adds a mail to the direct manager of each newcomer, if the manager
// had a recorded report before this plan (R128, R129, S27).
func (c *chart) notifyManagers(built *hierarchy.Chart) {
	if !slices.ContainsFunc(c.list, func(d *draft) bool { return d.kind == KindCreate }) {
		return
	}
	recorded := make(map[string]bool)
	for i := range c.members {
		if m := &c.members[i]; m.ManagerID != "" && c.r.isRecorded(m) {
			recorded[m.ManagerID] = true
		}
	}
	for i := range c.people {
		at := c.draftOf[c.persons[i]]
		if at == none || c.list[at].kind != KindCreate {
			continue
		}
		if manager := built.Manager(i); manager != hierarchy.None && recorded[c.people[manager].Key] {
			d := c.list[at]
			d.effects = append(d.effects, Effect{Kind: NotifyManager, To: c.people[manager].Key, About: d.after.ID})
		}
	}
}
