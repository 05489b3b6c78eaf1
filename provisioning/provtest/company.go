package provtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A generator makes companies with every kind of person that the rules know, in any
// mixture. rapid draws its options, which it can shrink; the people follow from the
// seed.
type generator struct {
	*rand.Rand
	cfg      provisioning.Config
	snapshot sources.Snapshot
	members  []provisioning.Member
	linked   []pair // positions of users and the members linked to them
	taken    map[string]bool
	changes  bool // people changed since the last run

	// The names that the config contains, and a few others.
	domains    []string // the primary one, then the others whose people may come in
	groups     []string
	attributes map[string][]string // values by name
	seats      []string
	capture    []string
	profiles   []map[string]string
	homes      []string
}

type pair struct{ user, member int }

// mostPeople is the largest size of a generated company.
const mostPeople = 200

// elsewhere is a domain that is not the company's.
const elsewhere = "elsewhere.example"

// Draw draws a company for a property test under a resolver's config: a directory
// with every kind of person that the rules know, with the groups, queries,
// attributes and domains that the config names, and a team that is empty, agrees
// with the directory, or is anything in between. Some facts may be missing from the
// snapshot. All lists are in random order.
func Draw(t *rapid.T, r *provisioning.Resolver) provisioning.Input {
	g := &generator{
		Rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7)), cfg: r.Config(),
		taken: make(map[string]bool), changes: rapid.Bool().Draw(t, "changes"),
	}
	g.readConfig()
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
	return shuffled(g.Rand, provisioning.Input{Tenant: tenant, Snapshot: &g.snapshot, Members: g.members})
}

// readConfig collects the names that the config contains.
func (g *generator) readConfig() {
	g.domains = slices.Concat([]string{g.cfg.Domains.Primary}, g.cfg.Domains.Company, g.cfg.Domains.Additional)
	g.attributes = make(map[string][]string)
	for _, name := range g.cfg.Attributes {
		g.attributes[name] = []string{"first", "second"}
	}
	assignments := g.cfg.Assignments
	if g.cfg.Default != nil {
		assignments = append(slices.Clone(assignments), *g.cfg.Default)
	}
	for _, a := range assignments {
		g.groups = append(g.groups, a.Match.Groups...)
		for name, values := range a.Match.Attributes {
			g.attributes[name] = append(g.attributes[name], values...)
		}
		g.seats, g.capture = append(g.seats, a.Seats...), append(g.capture, a.Capture...)
		if len(a.Profiles) > 0 {
			g.profiles = append(g.profiles, a.Profiles)
		}
		g.homes = append(g.homes, a.Home)
	}
	for name := range g.attributes {
		g.attributes[name] = append(set.Of(g.attributes[name]), "other")
	}
	g.groups = set.Of(append(g.groups, "unused"))
	g.seats = set.Of(append(g.seats, "coach"))
	g.capture = set.Of(append(g.capture, assignment.Recording))
	g.profiles = append(g.profiles, nil)
	g.homes = append(g.homes, "")
}

// one returns one of several values at random.
func one[T any](g *generator, values ...T) T { return values[g.IntN(len(values))] }

// often returns true n times out of a hundred.
func (g *generator) often(n int) bool { return g.IntN(100) < n }

// some returns about half of the values.
func (g *generator) some(values []string) []string {
	var some []string
	for _, value := range values {
		if g.often(50) {
			some = append(some, value)
		}
	}
	return some
}

// given returns settings that an assignment or a hand once gave.
func (g *generator) given() assignment.Settings {
	s := assignment.Settings{Seats: g.some(g.seats), Capture: g.some(g.capture), Profiles: maps.Clone(one(g, g.profiles...)), Home: one(g, g.homes...)}
	if g.often(20) {
		s.Extra = map[string]any{"limit": float64(g.IntN(2)), "export": g.often(50)}
	}
	return s
}

// move changes the domain of an address.
func (g *generator) move(address, domain string) string {
	local, _, _ := strings.Cut(address, "@")
	return local + "@" + domain
}

func (g *generator) directory(t *rapid.T) {
	s := &g.snapshot
	s.Format, s.Kind, s.Connection = sources.SnapshotFormat, g.cfg.Source, g.cfg.Connection
	s.Proven = sources.FactUsers | sources.FactGroups | sources.FactMemberships | sources.FactManagers
	if rapid.Bool().Draw(t, "unproven") {
		s.Proven &^= sources.Facts(rapid.IntRange(1, 15).Draw(t, "facts"))
	}
}

// address returns an address that nobody has.
func (g *generator) address(domain string) string {
	for {
		address := fmt.Sprintf("p%d@%s", g.IntN(10*mostPeople), domain)
		if !g.taken[address] {
			g.taken[address] = true
			return address
		}
	}
}

// user returns a user as a directory lists them.
func (g *generator) user(i int) sources.User {
	u := sources.User{
		ID: fmt.Sprintf("u%d", i), Status: sources.StatusActive, Email: g.address(g.domains[0]),
		GivenName: one(g, "Ana", "Bo", "Carl"), FamilyName: one(g, "Li", "Young", "O’Hara"),
		Title: one(g, "", "Engineer"), Phone: one(g, "", "(212) 575-1994 ext 3437", "540.946.4600 Ext. 143"), PhoneExtension: one(g, "", "", "99"),
		MobilePhone: one(g, "", "+1 212 555 0100"), TimeZone: one(g, "", "America/New_York", "-05:00", "Nowhere"),
		Country: one(g, "", "France", "US", "XX"), State: one(g, "", "NY"), Locale: one(g, "", "en-US", "de_DE", "?"),
		PrivateEmail: one(g, "", "me@home.example"),
	}
	if g.often(20) {
		u.OtherEmails = []string{"z@" + g.domains[0], "a@" + g.domains[0]}
	}
	for _, name := range slices.Sorted(maps.Keys(g.attributes)) {
		if g.often(50) {
			if u.Attributes == nil {
				u.Attributes = make(map[string]sources.Values)
			}
			u.Attributes[name] = sources.Values{one(g, g.attributes[name]...)}
		}
	}
	return u
}

// memberOf returns the member that u became when it came in.
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
		m.Attributes = map[string]string{"old": "kept"}
		m.Owners = m.Owners.With(provisioning.Attribute("old"), one(g, provisioning.OwnerSource, provisioning.OwnerNobody))
		for _, name := range slices.Sorted(maps.Keys(g.cfg.Attributes)) {
			m.Attributes[name] = one(g, append(g.attributes[g.cfg.Attributes[name]], "D2")...)
			m.Owners = m.Owners.With(provisioning.Attribute(name), one(g, provisioning.OwnerSource, provisioning.OwnerHand, provisioning.OwnerNobody))
		}
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
			u.Email = g.address(one(g, g.domains[0], elsewhere, strings.ToUpper(one(g, g.domains...))))
		}
		if strange && g.often(5) {
			u.Email = one(g, "", "no address", "two@@"+g.domains[0])
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
		u.Email = one(g, u.Email, u.Email, g.move(u.Email, elsewhere), g.move(u.Email, one(g, g.domains...)))
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
			u.Email = one(g, u.Email, strings.ToUpper(u.Email), g.move(u.Email, elsewhere))
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

// list adds a user and the linked member, if there is one.
func (g *generator) list(u sources.User, m *provisioning.Member) {
	g.snapshot.Users = append(g.snapshot.Users, u)
	if m != nil {
		g.members = append(g.members, *m)
		g.linked = append(g.linked, pair{len(g.snapshot.Users) - 1, len(g.members) - 1})
	}
}

// exchangeAddresses makes people exchange their addresses in the directory: two
// swap, or several pass them on, where the last one may keep the address.
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
				u.Email = g.move(u.Email, elsewhere)
			}
			g.list(u, nil)
		}
	}
}

// listTwice lists some people twice, with the same or different values.
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

// managers gives people managers: in the directory by any key, and in the team,
// where there may already be cycles.
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
			users[i].Manager.Email = one(g, "nobody@"+g.domains[0], boss.Email)
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
	for _, id := range g.groups {
		group := sources.Group{ID: id, Name: "Group " + id}
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

// settings gives members the settings of their assignment, or others.
func (g *generator) settings() {
	for i := range g.members {
		m := &g.members[i]
		m.Settings = g.given()
		if len(g.cfg.Assignments) > 0 && g.often(80) {
			a := g.cfg.Assignments[g.IntN(len(g.cfg.Assignments))]
			m.AssignmentID, m.Settings = a.ID, a.Settings.Clone()
		}
		if !m.Active {
			m.Capture = nil
		}
	}
}

// shuffled returns a copy with the lists whose order has no meaning in another
// order.
func shuffled(random *rand.Rand, in provisioning.Input) provisioning.Input {
	in.Snapshot, in.Members = in.Snapshot.Clone(), slices.Clone(in.Members)
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
