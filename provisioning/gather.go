package provisioning

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
)

// A Lookup says where Gather reads the part of the world that a decision needs.
type Lookup struct {
	Tenant string
	// Team finds members, Directory finds users.
	Team      Finder
	Directory sources.UserFinder
	// Rivals are the people whom earlier decisions left as rivals (Plan.Rivals).
	// Nil means that they are unknown: then a change of somebody who is in neither
	// directory nor team needs a whole run.
	Rivals []Rival
	// Recent becomes Facts.Recent.
	Recent Recent
}

// gatherLimit is the largest number of users, and of members, in a part.
const gatherLimit = 2000

// Gather collects what a decision about some people needs. about has the external
// IDs of the people who changed. The result is also about the people whom the
// changes affect, which Gather adds to Input.About: those who have or want the same
// addresses; those who name them as their manager, if they come, leave, or change
// an address or name; those who cannot be placed in the chart until they are; and
// their rivals, from Lookup.Rivals. Everybody else in the result is context. If the
// rest of the team agrees with its directory, Resolve decides about the result in
// the same way as about everybody (L6).
//
// The error matches ErrNeedsWholeRun in these cases:
//
//   - The part would be too large.
//   - The config has options that need everybody: domains.convert, keep_active; pools
//     that are full while somebody gives a seat back; keep, if somebody gets such a role
//     or the part is about somebody who has it, unless nobody else has it.
//   - None of the people is in the directory, and the directory does not tell whether it
//     is empty, which a sources.Source does.
//   - One of them is in neither directory nor team, and the rivals are unknown.
func (r *Resolver) Gather(ctx context.Context, from Lookup, about ...string) (Input, error) {
	if r.cfg.Domains.Convert || r.cfg.KeepActive != (KeepActive{}) {
		return Input{}, fmt.Errorf("provisioning: gather: %w", ErrNeedsWholeRun)
	}
	g := gatherer{
		Resolver: r, ctx: ctx, from: from, about: make(map[string]bool), bearing: make(map[string]bool),
		users: make(map[string]*sources.One), members: make(map[string]*Member), linked: make(map[string]*Member),
		askedUsers: make(map[sources.UserKey]bool), askedMembers: make(map[MemberKey]bool),
		proven: sources.FactUsers | sources.FactMemberships | sources.FactManagers,
	}
	for _, id := range about {
		g.about[id] = true
	}
	in, err := g.gather()
	if err != nil {
		return Input{}, fmt.Errorf("provisioning: gather: %w", err)
	}
	return in, nil
}

type gatherer struct {
	*Resolver
	ctx  context.Context
	from Lookup

	about   map[string]bool // external IDs
	bearing map[string]bool // those of them who come, leave, or change an address or name
	users   map[string]*sources.One
	members map[string]*Member // by ID
	linked  map[string]*Member // by external ID
	proven  sources.Facts

	askedUsers   map[sources.UserKey]bool
	askedMembers map[MemberKey]bool
	wantUsers    []sources.UserKey
	wantMembers  []MemberKey
	wantOne      []MemberKey // one member with such a key is enough, if recording needs no seat
}

// gather looks up keys until no new ones are wanted.
func (g *gatherer) gather() (Input, error) {
	for {
		for again := true; again; {
			known := len(g.about)
			for _, id := range slices.Sorted(maps.Keys(g.about)) {
				g.expand(id)
			}
			g.climb()
			g.concernRivals()
			var err error
			if again, err = g.ask(); err != nil {
				return Input{}, err
			}
			again = again || len(g.about) > known
		}
		some, err := g.hasUsers()
		if err != nil {
			return Input{}, err
		}
		if !some { // it matters whether the directory is empty (S13)
			return Input{}, ErrNeedsWholeRun
		}
		for id := range g.about { // an unknown person may have had the address that others want
			if g.from.Rivals == nil && g.users[id] == nil && g.linked[id] == nil {
				return Input{}, ErrNeedsWholeRun
			}
		}
		in, err := g.input()
		if err != nil {
			return Input{}, err
		}
		settled, err := g.judge(in)
		if err != nil {
			return Input{}, err
		}
		if settled && !g.concernAll(in) {
			return in, nil
		}
	}
}

// hasUsers reports whether the directory is known to have any user.
func (g *gatherer) hasUsers() (bool, error) {
	if len(g.users) > 0 {
		return true, nil
	}
	directory, ok := g.from.Directory.(sources.Source)
	if !ok {
		return false, nil
	}
	for _, err := range directory.Users(g.ctx) {
		return err == nil, err
	}
	return false, g.ctx.Err()
}

func (g *gatherer) wantUser(by sources.UserKeyKind, value string) {
	if key := sources.NewUserKey(by, value); key.Value != "" && !g.askedUsers[key] {
		g.askedUsers[key] = true
		g.wantUsers = append(g.wantUsers, key)
	}
}

func (g *gatherer) wantMember(key MemberKey) {
	if key.Value != "" && !g.askedMembers[key] {
		g.askedMembers[key] = true
		if key.By == MemberByRecordedBy {
			g.wantOne = append(g.wantOne, key)
		} else {
			g.wantMembers = append(g.wantMembers, key)
		}
	}
}

func (g *gatherer) externalID(id string) MemberKey {
	return MemberKey{MemberByExternalID, g.cfg.Connection, id}
}

// ask looks up the keys that were not looked up yet, and reports whether there were
// any.
func (g *gatherer) ask() (bool, error) {
	users, members, single := g.wantUsers, g.wantMembers, g.wantOne
	g.wantUsers, g.wantMembers, g.wantOne = nil, nil, nil
	if len(users) > 0 {
		found, proven, err := g.from.Directory.FindUsers(g.ctx, users, g.Queries(), gatherLimit)
		if err != nil {
			return false, err
		}
		g.proven &= proven | ^sources.FactUsers
		for i := range found {
			one := &found[i]
			if known := g.users[one.User.ID]; known != nil && !sameUser(known.User, one.User) { // the user is listed twice, or changes while being read
				return false, ErrNeedsWholeRun
			}
			g.proven &= one.Proven | ^(sources.FactMemberships | sources.FactManagers)
			g.users[one.User.ID] = one
		}
	}
	if len(members) > 0 {
		found, err := g.from.Team.FindMembers(g.ctx, g.from.Tenant, members, gatherLimit)
		if err != nil {
			return false, err
		}
		g.add(found)
	}
	enough := 1
	if len(g.recordingSeats()) > 0 {
		enough = gatherLimit
	}
	for _, key := range single {
		found, err := g.from.Team.FindMembers(g.ctx, g.from.Tenant, []MemberKey{key}, enough)
		if err != nil {
			return false, err
		}
		g.add(found)
	}
	if len(g.users) >= gatherLimit || len(g.members) >= gatherLimit {
		return false, ErrNeedsWholeRun
	}
	return len(users)+len(members)+len(single) > 0, nil
}

func (g *gatherer) add(members []Member) {
	for i := range members {
		m := &members[i]
		if g.members[m.ID] = m; g.isLinked(m) {
			g.linked[m.ExternalID] = m
		}
	}
}

// expand wants the keys that the decision about one person needs, and adds the
// people whom it affects.
func (g *gatherer) expand(id string) {
	g.wantUser(sources.UserByID, id)
	g.wantMember(g.externalID(id))
	one, m := g.users[id], g.linked[id]
	if one == nil && m == nil {
		return
	}
	var u sources.User
	if one != nil {
		u = one.User
	}
	if m == nil {
		g.wantFreeID(id)
	}
	emails := []string{u.Email}
	if m != nil {
		emails = append(emails, m.Email)
	}
	for _, email := range emails {
		g.wantMember(emailMemberKey(email))
		g.wantUser(sources.UserByEmail, email)
		g.concernAddress(email)
	}
	if m == nil || one == nil || !m.Active || u.Status != sources.StatusActive || !address.Same(u.Email, m.Email) || !sameName(m, &u) {
		g.bearing[id] = true
	}
	g.concernReports(id, &u, m)
	g.wantManager(&u, m == nil)
}

// wantFreeID looks up whether the ID that a new member would get is free.
func (g *gatherer) wantFreeID(externalID string) {
	for attempt := 0; ; attempt++ {
		id := newMemberID(g.cfg.Connection, externalID, attempt)
		g.wantMember(MemberKey{By: MemberByID, Value: id})
		if g.members[id] == nil {
			return
		}
	}
}

// concernAddress adds the people who have or want an address.
func (g *gatherer) concernAddress(email string) {
	for id, one := range g.users {
		if email != "" && address.Same(one.User.Email, email) {
			g.about[id] = true
		}
	}
	for id, m := range g.linked {
		if email != "" && address.Same(m.Email, email) {
			g.about[id] = true
		}
	}
}

// concernReports adds the people who name a person as their manager, by a key that
// the person has or had: all of them if the person comes, leaves or changes a key,
// and otherwise only those who are not placed because of a cycle.
func (g *gatherer) concernReports(id string, u *sources.User, m *Member) {
	keys := []sources.UserKey{
		sources.NewUserKey(sources.UserByManagerID, id), sources.NewUserKey(sources.UserByManagerEmail, u.Email),
		sources.NewUserKey(sources.UserByManagerName, name.Full(text.Clean(u.GivenName), text.Clean(u.FamilyName))),
	}
	if m != nil {
		keys = append(keys, sources.NewUserKey(sources.UserByManagerEmail, m.Email), sources.NewUserKey(sources.UserByManagerName, m.Name()))
		g.wantMember(nameMemberKey(m.GivenName, m.FamilyName))
	}
	g.wantMember(nameMemberKey(u.GivenName, u.FamilyName))
	for _, key := range keys {
		g.wantUser(key.By, key.Value)
	}
	for report, one := range g.users {
		if slices.ContainsFunc(sources.UserKeys(&one.User), func(key sources.UserKey) bool { return slices.Contains(keys, key) }) {
			g.wantMember(g.externalID(report))
			if g.bearing[id] || !g.isPlaced(report) {
				g.about[report] = true
			}
		}
	}
}

// wantManager wants everybody whom a person's manager keys may name. For a new
// person it also wants one report of the manager whose recording is on (R129).
func (g *gatherer) wantManager(u *sources.User, isNew bool) {
	keys := []MemberKey{emailMemberKey(u.Manager.Email), g.externalID(text.Clean(u.Manager.ID)), nameMemberKey(u.Manager.Name)}
	for _, key := range keys {
		g.wantMember(key)
	}
	g.wantUser(sources.UserByEmail, u.Manager.Email) // the manager may have another address in the team
	for id, one := range g.users {
		if u.Manager.Email != "" && address.Same(one.User.Email, u.Manager.Email) {
			g.wantMember(g.externalID(id))
			keys = append(keys, g.externalID(id))
		}
	}
	if !isNew || !g.cfg.Managers.Notify {
		return
	}
	for _, m := range g.members {
		if slices.ContainsFunc(m.Keys(), func(key MemberKey) bool { return slices.Contains(keys, key) }) {
			g.wantMember(MemberKey{By: MemberByRecordedBy, Value: m.ID})
		}
	}
}

// climb wants the managers above everybody collected, to detect cycles. Of the
// people above those in question, and above the managers these name, it adds those
// whom the directory places elsewhere: a cycle keeps them where they are, and a
// change that opens the cycle moves them, too.
func (g *gatherer) climb() {
	for _, m := range g.members {
		g.wantMember(MemberKey{By: MemberByID, Value: m.ManagerID})
	}
	above := make(map[string]bool) // IDs of members that were visited
	for _, id := range slices.Sorted(maps.Keys(g.about)) {
		g.climbFrom(g.linked[id], above)
		if one := g.users[id]; one != nil {
			for _, m := range g.members {
				if g.names(&one.User.Manager, m) {
					g.climbFrom(m, above)
				}
			}
		}
	}
}

func (g *gatherer) climbFrom(m *Member, above map[string]bool) {
	for ; m != nil && !above[m.ID]; m = g.members[m.ManagerID] {
		above[m.ID] = true
		if !g.isLinked(m) {
			continue
		}
		g.wantUser(sources.UserByID, m.ExternalID)
		if !g.isPlaced(m.ExternalID) {
			g.about[m.ExternalID] = true
		}
	}
}

// isPlaced reports whether a member is under the manager that one of the
// directory's keys names, as far as that was looked up.
func (g *gatherer) isPlaced(externalID string) bool {
	one, m := g.users[externalID], g.linked[externalID]
	if one == nil || m == nil || one.User.Manager == (sources.Manager{}) {
		return true
	}
	if m.ManagerID == "" {
		return false
	}
	g.wantMember(MemberKey{By: MemberByID, Value: m.ManagerID})
	manager := g.members[m.ManagerID]
	return manager == nil || g.names(&one.User.Manager, manager)
}

// names reports whether one of the keys names a member.
func (g *gatherer) names(keys *sources.Manager, m *Member) bool {
	if g.isLinked(m) {
		if m.ExternalID == text.Clean(keys.ID) {
			return true
		}
		if one := g.users[m.ExternalID]; one != nil && keys.Email != "" && address.Same(one.User.Email, keys.Email) {
			return true
		}
	}
	return keys.Email != "" && address.Same(m.Email, keys.Email) || keys.Name != "" && name.Same(m.Name(), keys.Name)
}

// input returns the part that was collected.
func (g *gatherer) input() (Input, error) {
	counts, err := g.from.Team.Count(g.ctx, g.from.Tenant, g.cfg.Connection)
	if err != nil {
		return Input{}, err
	}
	in := Input{
		Tenant: g.from.Tenant, About: slices.Sorted(maps.Keys(g.about)),
		Facts: &Facts{Population: counts.Population, Seats: maps.Clone(counts.Seats), Roles: maps.Clone(counts.Roles), Users: true, Recent: g.from.Recent},
	}
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		in.Members = append(in.Members, *m)
		counted := m.Counted(g.cfg.Connection)
		in.Facts.Population -= counted.Population
		for seat, n := range counted.Seats {
			in.Facts.Seats[seat] -= n
		}
		for role, n := range counted.Roles {
			in.Facts.Roles[role] -= n
		}
	}
	in.Snapshot = g.snapshot()
	return in, nil
}

// snapshot returns the users, groups and answers of the part. A group that an
// assignment selects by has those members that are in the part.
func (g *gatherer) snapshot() *sources.Snapshot {
	s := &sources.Snapshot{Format: sources.SnapshotFormat, Kind: g.cfg.Source, Connection: g.cfg.Connection, Proven: g.proven}
	if g.proven.Has(sources.FactMemberships) {
		s.Proven |= sources.FactGroups
	}
	members := make(map[string][]string)
	for i := range g.rules.Assignments {
		for _, group := range g.rules.Assignments[i].Match.Groups {
			members[group] = nil
		}
	}
	answers := make(map[string][]string)
	for _, query := range g.Queries() {
		answers[query] = []string{}
	}
	for _, id := range slices.Sorted(maps.Keys(g.users)) {
		one := g.users[id]
		s.Users = append(s.Users, one.User)
		for _, group := range one.Groups {
			if _, selects := members[group.ID]; selects {
				members[group.ID] = append(members[group.ID], id)
			}
		}
		for query, ids := range answers {
			if selected, answered := one.Matches[query]; !answered {
				delete(answers, query)
			} else if selected {
				answers[query] = append(ids, id)
			}
		}
	}
	for _, group := range slices.Sorted(maps.Keys(members)) {
		s.Groups = append(s.Groups, sources.Group{ID: group, Members: members[group]})
	}
	s.Matches = answers
	return s
}

// judge resolves the part and adds people whom the result affects: the reports of
// people whose access ends because no assignment matches them any more. It reports
// whether it added nobody. It returns ErrNeedsWholeRun if a full pool gets a seat
// back, or if somebody gets a role that must keep enough members, since people
// outside the part may wait for that.
func (g *gatherer) judge(in Input) (settled bool, err error) {
	if g.bearsKept(in) {
		return false, ErrNeedsWholeRun
	}
	survey := newSurvey(g.Resolver, in)
	survey.look()
	standing := newStanding(survey, true)
	settled = true
	for i := range standing.members {
		m := &standing.members[i]
		if f := standing.fates[i]; (f == fateLeave || f == fateWithheld) && !g.bearing[m.ExternalID] {
			g.bearing[m.ExternalID], settled = true, false
		}
	}
	if len(g.cfg.Seats.Pools)+len(g.cfg.Keep) == 0 || !settled {
		return settled, nil
	}
	drafts := newDrafts(newAddresses(standing, new(holds)))
	drafts.setSettings()
	for _, d := range drafts.list {
		for i := range g.cfg.Keep { // others may be allowed to lose the role now (S43)
			if k := &g.cfg.Keep[i]; k.has(&d.after) && (d.before == nil || !k.has(d.before)) {
				return false, ErrNeedsWholeRun
			}
		}
		for _, seat := range d.releasedSeats() {
			if g.isLimited(seat) && survey.held(seat) >= g.cfg.Seats.Pools[seat] {
				return false, ErrNeedsWholeRun
			}
		}
		if g.concernSeats(d.gainedSeats()) {
			settled = false
		}
	}
	return settled, nil
}

// held counts the active members who hold a seat, including those who are not in
// the input.
func (s *survey) held(seat string) int {
	n := s.others.Seats[seat]
	for i := range s.members {
		n += s.members[i].Counted("").Seats[seat]
	}
	return n
}
