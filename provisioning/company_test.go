package provisioning_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A generator makes companies in which every kind of person the rules speak of
// occurs, in any mixture. Its knobs are drawn by rapid, which shrinks them; the
// people follow from the seed.
type generator struct {
	*rand.Rand
	cfg      provisioning.Config
	snapshot sources.Snapshot
	members  []provisioning.Member
	linked   []pair // positions of users and the members linked to them
	taken    map[string]bool
	changes  bool // people changed since the last run
}

type pair struct{ user, member int }

// mostPeople is how large a generated company gets.
const mostPeople = 200

// drawCompany draws a config that is valid, and a company under it.
func drawCompany(t *rapid.T) (provisioning.Config, provisioning.Input) {
	g := &generator{
		Rand:    rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7)),
		taken:   make(map[string]bool),
		changes: rapid.Bool().Draw(t, "changes"),
	}
	g.config(t)
	g.directory(t)
	n := rapid.IntRange(1, mostPeople).Draw(t, "people")
	strange := rapid.Bool().Draw(t, "strange")
	for i := range n {
		g.person(i, strange)
	}
	if strange {
		g.exchangeAddresses(rapid.IntRange(0, 6).Draw(t, "exchanges"))
		g.listTwice(rapid.IntRange(0, 3).Draw(t, "twice"))
	}
	g.managers()
	g.memberships()
	g.settings()
	in := provisioning.Input{Tenant: "t", Snapshot: &g.snapshot, Members: g.members}
	return g.cfg, shuffle(g.Rand, in)
}

// one returns one of several values.
func one[T any](g *generator, values ...T) T { return values[g.IntN(len(values))] }

// often is true n times of a hundred.
func (g *generator) often(n int) bool { return g.IntN(100) < n }

func (g *generator) some(names ...string) []string {
	var some []string
	for _, name := range names {
		if g.often(50) {
			some = append(some, name)
		}
	}
	return some
}

func (g *generator) config(t *rapid.T) {
	c := &g.cfg
	c.Source = rapid.SampledFrom([]string{"okta", "entra", "salesforce"}).Draw(t, "source")
	c.Connection = c.Source + "-1"
	c.Revision = "7"
	c.Domains.Primary = "acme.com"
	if g.often(50) {
		c.Domains.Company = provisioning.DomainList{"acme.co.uk"}
	}
	if c.Source == "salesforce" {
		c.Domains.Convert = rapid.Bool().Draw(t, "convert")
		if g.often(50) {
			c.Domains.Additional = provisioning.DomainList{"partner.example"}
		}
	}
	query := c.Source == "salesforce" && g.often(60)
	for i := range rapid.IntRange(0, 4).Draw(t, "assignments") {
		a := assignment.Assignment{ID: fmt.Sprintf("a%d", i), Name: fmt.Sprintf("Assignment %d", i), Settings: g.assigned()}
		a.Mode = one(g, assignment.Manual, assignment.Automatic)
		switch {
		case query:
			a.Match.Query = fmt.Sprintf("Department = 'D%d'", i)
		case g.often(20):
			a.Match.Attributes = map[string]sources.Values{"department": {"D1", "D2"}}
		case g.often(10):
			a.Match.All = true
		default:
			a.Match.Groups = []string{fmt.Sprintf("g%d", g.IntN(5)), fmt.Sprintf("g%d", 5+g.IntN(2))}
		}
		c.Assignments = append(c.Assignments, a)
	}
	if g.often(50) && !query {
		c.Default = &assignment.Assignment{ID: "rest", Mode: one(g, assignment.Manual, assignment.Automatic), Settings: g.assigned()}
	}
	c.Hierarchy.Ignore = g.often(15)
	c.KeepActive.Deactivated, c.KeepActive.Unmatched = g.often(10), g.often(10)
	c.Managers.Notify = g.often(80)
	c.Locale.TimeZone = "Europe/Paris"
	if g.often(50) {
		c.Attributes = map[string]string{"team": "department", "floor": "floor"}
	}
	if g.often(50) {
		c.Seats.Requires = map[string][]string{"capture.recording": {"core"}, "profile": {"plus"}}
	}
	if rapid.Bool().Draw(t, "pools") {
		c.Seats.Pools = map[string]int{"core": g.IntN(mostPeople / 4), "plus": g.IntN(10)}
	}
	if rapid.Bool().Draw(t, "keep") {
		for _, profile := range g.some("guest", "standard") {
			c.Keep = append(c.Keep, provisioning.Keep{Role: provisioning.Role{Workspace: "ws1", Profile: profile}, AtLeast: g.IntN(mostPeople / 10)})
		}
	}
	switch rapid.SampledFrom([]string{"default", "never", "tight"}).Draw(t, "breakers") {
	case "never":
		c.Breakers = noBreakers()
	case "tight":
		limit := func() *provisioning.Limit {
			if g.often(30) {
				return nil
			}
			n := g.IntN(4)
			return &provisioning.Limit{Count: &n}
		}
		zero := 0
		c.Breakers = provisioning.Breakers{Deactivate: limit(), Downgrade: limit(), RewriteIdentity: limit(), Reparent: limit(), Create: limit(), Adopt: limit(), Reactivate: limit(), Grant: limit(), MinPopulation: &zero}
	}
}

// noBreakers are limits that never trip.
func noBreakers() provisioning.Breakers {
	return provisioning.Breakers{Deactivate: new(provisioning.Limit), Downgrade: new(provisioning.Limit),
		RewriteIdentity: new(provisioning.Limit), Reparent: new(provisioning.Limit), Create: new(provisioning.Limit),
		Adopt: new(provisioning.Limit), Reactivate: new(provisioning.Limit), Grant: new(provisioning.Limit)}
}

// assigned are settings as an assignment gives them.
func (g *generator) assigned() assignment.Settings {
	s := assignment.Settings{Seats: g.some("coach", "core", "plus"), Capture: g.some("email-import", "recording")}
	if g.often(60) {
		s.Profiles = map[string]string{"ws1": one(g, "guest", "standard")}
		s.Home = "ws1"
	}
	if g.often(20) {
		s.Extra = map[string]any{"limit": float64(g.IntN(2)), "export": g.often(50)}
	}
	return s
}

func (g *generator) directory(t *rapid.T) {
	s := &g.snapshot
	s.Format, s.Kind, s.Connection = sources.SnapshotFormat, g.cfg.Source, g.cfg.Connection
	s.Proven = sources.FactUsers | sources.FactGroups | sources.FactMemberships | sources.FactManagers
	if rapid.Bool().Draw(t, "unproven") {
		s.Proven &^= sources.Facts(rapid.IntRange(1, 15).Draw(t, "facts"))
	}
}

// address makes an address nobody has.
func (g *generator) address(domain string) string {
	for {
		address := fmt.Sprintf("p%d@%s", g.IntN(10*mostPeople), domain)
		if !g.taken[address] {
			g.taken[address] = true
			return address
		}
	}
}

// user makes a user as a directory lists them.
func (g *generator) user(i int) sources.User {
	u := sources.User{
		ID: fmt.Sprintf("u%d", i), Status: sources.StatusActive, Email: g.address("acme.com"),
		GivenName: one(g, "Ana", "Bo", "Carl"), FamilyName: one(g, "Li", "Young", "O’Hara"),
		Title: one(g, "", "Engineer"), Phone: one(g, "", "(212) 575-1994 ext 3437", "540.946.4600 Ext. 143"), PhoneExtension: one(g, "", "", "99"),
		MobilePhone: one(g, "", "+1 212 555 0100"), TimeZone: one(g, "", "America/New_York", "-05:00", "Nowhere"),
		Country: one(g, "", "France", "US", "XX"), State: one(g, "", "NY"), Locale: one(g, "", "en-US", "de_DE", "?"),
		PrivateEmail: one(g, "", "me@home.example"),
	}
	if g.often(20) {
		u.OtherEmails = []string{"z@acme.com", "a@acme.com"}
	}
	if g.often(50) {
		u.Attributes = map[string]sources.Values{"department": {one(g, "D1", "D3")}}
	}
	return u
}

// memberOf makes the member that u became when it came in.
func (g *generator) memberOf(u sources.User, i int) provisioning.Member {
	m := provisioning.Member{
		ID: fmt.Sprintf("m%d", i), Connection: g.cfg.Connection, ExternalID: u.ID, Managed: true, Active: true,
		Email: u.Email, GivenName: u.GivenName, FamilyName: u.FamilyName, Title: u.Title, Locale: "en-US",
		MobilePhone: u.MobilePhone, PrivateEmail: u.PrivateEmail, TimeZone: "Europe/Paris", Revision: "1",
	}
	if g.often(50) {
		for _, f := range []provisioning.Field{provisioning.FieldEmail, provisioning.FieldGivenName, provisioning.FieldTitle,
			provisioning.FieldTimeZone, provisioning.FieldManager, provisioning.FieldPhone, provisioning.FieldSeats, provisioning.FieldCapture} {
			m.Owners = m.Owners.With(f, one(g, provisioning.OwnerSource, provisioning.OwnerHand, provisioning.OwnerNobody))
		}
	}
	if g.often(30) {
		m.Attributes = map[string]string{"team": one(g, "D1", "D2"), "old": "kept"}
		m.Owners = m.Owners.With(provisioning.Attribute("team"), one(g, provisioning.OwnerSource, provisioning.OwnerHand, provisioning.OwnerNobody))
		m.Owners = m.Owners.With(provisioning.Attribute("old"), one(g, provisioning.OwnerSource, provisioning.OwnerNobody))
	}
	m.Protected = g.often(4)
	return m
}

// person adds one person of a random kind.
func (g *generator) person(i int, strange bool) {
	u := g.user(i)
	m := g.memberOf(u, i)
	switch kind := g.IntN(100); {
	case kind < 40 || !strange && kind < 60: // in, and listed
		if g.changes && g.often(20) {
			u.Title, u.GivenName = "Director", one(g, "Zoe", "", " ")
		}
		if g.changes && g.often(10) {
			u.Email = g.address(one(g, "acme.com", "elsewhere.example", "ACME.co.uk"))
		}
		if strange && g.often(5) {
			u.Email = one(g, "", "no address", "two@@acme.com")
		}
		if strange && g.often(10) {
			u.Status = one(g, sources.StatusInactive, sources.StatusStaged, sources.StatusUnknown)
		}
		if g.often(10) { // out already
			m.Active = false
			m.Owners = m.Owners.With(provisioning.FieldActive, one(g, provisioning.OwnerNobody, provisioning.OwnerHand))
		}
		g.list(u, &m)
	case kind < 65: // new
		u.Email = one(g, u.Email, u.Email, strings.Replace(u.Email, "acme.com", "elsewhere.example", 1), strings.Replace(u.Email, "acme.com", "partner.example", 1))
		if strange && g.often(30) {
			u.Status = one(g, sources.StatusInactive, sources.StatusStaged, sources.StatusUnknown)
		}
		if strange && g.often(10) {
			u.GivenName = " \u00a0"
		}
		g.list(u, nil)
	case kind < 75: // in, and not listed
		if g.changes {
			m.Active = g.often(70)
			g.members = append(g.members, m)
		}
	case kind < 85: // made by hand, or of another connection
		m.Managed, m.Connection, m.ExternalID, m.Owners = false, "", "", provisioning.Owners{}
		if g.often(20) {
			m.Managed, m.Connection, m.ExternalID = true, "other", u.ID
		}
		m.Active = g.often(80)
		g.members = append(g.members, m)
		if g.often(50) { // and the directory brings the address
			u.Email = one(g, u.Email, strings.ToUpper(u.Email), strings.Replace(u.Email, "acme.com", "elsewhere.example", 1))
			g.list(u, nil)
		}
	default: // came back, or somebody else has the address now
		former := m
		former.ExternalID, former.Active = fmt.Sprintf("old%d", i), g.often(30)
		if g.often(30) {
			former.FamilyName = "Former"
		}
		g.members = append(g.members, former)
		g.list(u, nil)
		if strange && g.often(20) {
			old := g.user(i)
			old.ID = former.ExternalID
			g.list(old, nil)
		}
		if strange && g.often(20) { // two new people with one address
			double := u
			double.ID = fmt.Sprintf("double%d", i)
			g.list(double, nil)
		}
	}
}

// list enters a user and, if there is one, the linked member.
func (g *generator) list(u sources.User, m *provisioning.Member) {
	g.snapshot.Users = append(g.snapshot.Users, u)
	if m != nil {
		g.members = append(g.members, *m)
		g.linked = append(g.linked, pair{len(g.snapshot.Users) - 1, len(g.members) - 1})
	}
}

// exchangeAddresses lets people take each other's addresses in the directory:
// two swap, or several move up a chain, at whose end somebody may stay.
func (g *generator) exchangeAddresses(n int) {
	for range n {
		length := 2 + g.IntN(3)
		if len(g.linked) < length {
			return
		}
		var chain []pair
		for _, at := range g.Perm(len(g.linked))[:length] {
			chain = append(chain, g.linked[at])
		}
		for k := range chain {
			next := chain[(k+1)%len(chain)]
			if k == len(chain)-1 && g.often(60) {
				break
			}
			g.snapshot.Users[chain[k].user].Email = g.members[next.member].Email
		}
		if g.often(30) { // somebody new takes one of them
			u := g.user(len(g.snapshot.Users) + 1000)
			u.Email = g.members[chain[0].member].Email
			if g.often(30) { // or would, by conversion
				u.Email = strings.Replace(u.Email, "acme.com", "elsewhere.example", 1)
			}
			g.list(u, nil)
		}
	}
}

// listTwice lists people twice: the same or, sometimes, differently.
func (g *generator) listTwice(n int) {
	for range n {
		if len(g.snapshot.Users) == 0 {
			return
		}
		u := g.snapshot.Users[g.IntN(len(g.snapshot.Users))].Clone()
		if g.often(50) {
			u.Title = "Somebody else"
		}
		g.snapshot.Users = append(g.snapshot.Users, u)
	}
}

// managers gives people managers, in the directory by any key and in the team,
// where there may be circles already.
func (g *generator) managers() {
	users := g.snapshot.Users
	for i := range users {
		boss := users[g.IntN(len(users))]
		if g.often(70) {
			boss = users[g.IntN(1+len(users)/10)]
		}
		switch g.IntN(5) {
		case 0:
			users[i].Manager.Email = boss.Email
		case 1:
			users[i].Manager.ID = boss.ID
		case 2:
			users[i].Manager.Name = boss.GivenName + " " + boss.FamilyName
		case 3:
			users[i].Manager.Email = one(g, "nobody@acme.com", boss.Email)
			users[i].Manager.ID = boss.ID
		}
	}
	for i := range g.members {
		if g.often(40) {
			g.members[i].ManagerID = g.members[g.IntN(len(g.members))].ID
		}
	}
}

func (g *generator) memberships() {
	s := &g.snapshot
	for k := range 6 {
		group := sources.Group{ID: fmt.Sprintf("g%d", k), Name: fmt.Sprintf("Group %d", k)}
		for i := range s.Users {
			if g.often(30) {
				group.Members = append(group.Members, s.Users[i].ID)
			}
		}
		if g.often(30) {
			group.Members = append(group.Members, "gone")
		}
		if g.often(90) {
			s.Groups = append(s.Groups, group)
		}
	}
	for _, a := range g.cfg.Assignments {
		if a.Match.Query == "" {
			continue
		}
		answer := []string{}
		for i := range s.Users {
			if g.often(60) {
				answer = append(answer, s.Users[i].ID)
			}
		}
		if s.Matches == nil {
			s.Matches = make(map[string][]string)
		}
		if s.Proven.Has(sources.FactGroups) || g.often(50) {
			s.Matches[a.Match.Query] = answer
		}
	}
}

// settings gives members what their assignment gives, or something else.
func (g *generator) settings() {
	for i := range g.members {
		m := &g.members[i]
		m.Settings = g.assigned()
		if len(g.cfg.Assignments) > 0 && g.often(80) {
			a := g.cfg.Assignments[g.IntN(len(g.cfg.Assignments))]
			m.AssignmentID, m.Settings = a.ID, a.Settings.Clone()
		}
		if !m.Active {
			m.Capture = nil
		}
	}
}

// cloneInput returns a copy that shares no memory with in.
func cloneInput(in provisioning.Input) provisioning.Input {
	s := *in.Snapshot
	s.Users, s.Groups = slices.Clone(s.Users), slices.Clone(s.Groups)
	for i := range s.Users {
		s.Users[i] = s.Users[i].Clone()
	}
	for i := range s.Groups {
		s.Groups[i].Members = slices.Clone(s.Groups[i].Members)
	}
	if s.Matches != nil {
		matches := make(map[string][]string, len(s.Matches))
		for query, ids := range s.Matches {
			matches[query] = slices.Clone(ids)
		}
		s.Matches = matches
	}
	members := slices.Clone(in.Members)
	for i := range members {
		members[i] = members[i].Clone()
	}
	return provisioning.Input{Tenant: "t", Snapshot: &s, Members: members}
}

// shuffle returns a copy in which every list whose order means nothing is in
// another order.
func shuffle(random *rand.Rand, in provisioning.Input) provisioning.Input {
	in = cloneInput(in)
	mix := func(n int, swap func(i, j int)) { random.Shuffle(n, swap) }
	s := in.Snapshot
	mix(len(s.Users), func(i, j int) { s.Users[i], s.Users[j] = s.Users[j], s.Users[i] })
	mix(len(s.Groups), func(i, j int) { s.Groups[i], s.Groups[j] = s.Groups[j], s.Groups[i] })
	for k := range s.Groups {
		ids := s.Groups[k].Members
		mix(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	}
	for _, ids := range s.Matches {
		mix(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	}
	mix(len(in.Members), func(i, j int) { in.Members[i], in.Members[j] = in.Members[j], in.Members[i] })
	return in
}
