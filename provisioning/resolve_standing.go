package provisioning

import (
	"slices"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
)

// A standing is the second stage: it decides whose access begins, continues or
// ends.
type standing struct {
	*survey
	fates     []fate // by member
	unchanged []bool // by member: the plan will not mention the member
	causes    map[int32][]Reason
	optioned  map[int32]bool // members who stay active only because of an option
	newcomers []newcomer
	// openAddresses are the keys of addresses that people have or may get for whom
	// facts are missing.
	openAddresses map[string]bool
	journal

	population int  // the base of the breakers' percentages
	deserted   bool // the snapshot is empty, and the team is not
}

// A fate says what happens with a member's access.
type fate uint8

const (
	fateOutside    fate = iota // not of this connection, or inactive and staying so
	fateFollow                 // active: follows directory and assignment
	fateKeep                   // active: nothing is changed
	fateReactivate             // inactive: comes back
	fateLeave                  // to be deactivated
	fateWithheld               // would be deactivated, but that is not proven or not allowed
)

// A newcomer is an eligible user without a linked member.
type newcomer struct {
	user      int32
	position  int32 // of the governing assignment
	address   string
	converted bool
	// outside: the domain is none of those whose people may come in. The newcomer
	// can only become a member who is in already (S7).
	outside bool
	// open: facts about the newcomer are missing. Nothing is done for them, but
	// they count as rivals, as namesakes and in cycles (S44).
	open bool
}

func newStanding(s *survey, shortcut bool) *standing {
	st := &standing{survey: s, causes: make(map[int32][]Reason), optioned: make(map[int32]bool), openAddresses: make(map[string]bool)}
	st.fates = make([]fate, len(s.members))
	st.unchanged = make([]bool, len(s.members))
	if shortcut {
		st.markUnchanged()
	}
	for i := range s.members {
		m := &s.members[i]
		switch {
		case st.unchanged[i]:
			st.fates[i] = fateFollow
		case !s.r.isLinked(m):
		case !s.concerns(m.ExternalID):
			st.fates[i] = asIs(m)
		default:
			st.fates[i] = st.judgeMember(int32(i))
		}
	}
	for i := range s.users {
		if s.memberOf[i] == none && !s.repeated[int32(i)] && s.concerns(s.users[i].ID) {
			st.judgeNewcomer(int32(i))
		}
	}
	st.withholdReturns()
	st.count()
	return st
}

// judgeMember decides what happens with a linked member's access, and records why.
func (st *standing) judgeMember(i int32) fate {
	m, user := &st.members[i], st.userOf[i]
	if user == none {
		switch listed := st.byID.find(m.ExternalID); {
		case listed == none:
		case st.memberOf[listed] != none:
			st.findMember(m, because(CodeDuplicateLink, "member", st.members[st.memberOf[listed]].ID))
			return asIs(m)
		default: // the user is listed, so not absent
			st.findMember(m, because(CodeMalformedID))
			return asIs(m)
		}
		if st.r.retires {
			return st.leave(i, false, because(CodeRetired))
		}
		return st.leave(i, st.r.cfg.KeepActive.Unmatched, because(CodeScopeAbsent))
	}
	u := &st.users[user]
	if st.inconsistent[user] {
		st.skipUnnamed(u, because(CodeInconsistentUser))
		return fateKeep
	}
	unmatchedForSure := st.governing[user] == unmatched && !st.isOpen(user)
	switch u.Status {
	case sources.StatusInactive:
		if st.r.cfg.KeepActive.Deactivated && unmatchedForSure {
			return st.leave(i, st.r.cfg.KeepActive.Unmatched, because(CodeScopeUnmatched)) // the option that covers the other cause has no effect here (A7)
		}
		return st.leave(i, st.r.cfg.KeepActive.Deactivated, because(CodeSourceInactive))
	case sources.StatusStaged:
		st.findMember(m, because(CodeSourceStaged))
		return asIs(m)
	case sources.StatusActive:
	default:
		st.findMember(m, because(CodeSourceStatus))
		return asIs(m)
	}
	switch {
	case st.isOpen(user):
		st.findMember(m, st.evidenceOf(user))
		if own, domain, ok := address.Parse(u.Email); ok {
			st.openAddresses[address.Key(own)] = true
			st.openAddresses[address.Key(st.r.convert(own, domain))] = true
		}
		return asIs(m)
	case unmatchedForSure:
		return st.leave(i, st.r.cfg.KeepActive.Unmatched, because(CodeScopeUnmatched))
	case m.Active:
		return fateFollow
	case m.Owners.at(atActive) == OwnerHand:
		st.findMember(m, because(CodeRemovedByHand))
		return fateOutside
	}
	return fateReactivate
}

// asIs returns the fate of a member for whom nothing is decided.
func asIs(m *Member) fate {
	if m.Active {
		return fateKeep
	}
	return fateOutside
}

// leave decides about a member who should leave: kept by an option, held because it
// is not proven or the host protects the member, or deactivated.
func (st *standing) leave(i int32, keepActive bool, cause Reason) fate {
	m := &st.members[i]
	switch {
	case !m.Active:
		return fateOutside
	case keepActive:
		st.optioned[i] = true
		st.findMember(m, because(CodeKeepActive, "cause", string(cause.Code)))
		return fateKeep
	case cause.Code == CodeScopeAbsent && !st.proves(sources.FactUsers):
		st.causes[i] = []Reason{because(CodeAbsenceIncomplete)}
		return fateWithheld
	case m.Protected:
		st.causes[i] = []Reason{cause, because(CodeProtected)}
		return fateWithheld
	}
	st.causes[i] = []Reason{cause}
	return fateLeave
}

// judgeNewcomer decides whether a user without a linked member may come in.
func (st *standing) judgeNewcomer(user int32) {
	u := &st.users[user]
	switch {
	case u.ID == "":
		st.skip(u, because(CodeMissingID))
		return
	case !text.Storable(u.ID):
		st.skip(u, because(CodeMalformedID))
		return
	case st.inconsistent[user]:
		st.skipUnnamed(u, because(CodeInconsistentUser))
		return
	}
	switch u.Status {
	case sources.StatusActive:
	case sources.StatusInactive:
		st.skip(u, because(CodeIneligibleInactive))
		return
	case sources.StatusStaged:
		st.skip(u, because(CodeSourceStaged))
		return
	default:
		st.skip(u, because(CodeSourceStatus))
		return
	}
	n := newcomer{user: user, position: st.governing[user], open: st.isOpen(user)}
	if n.position == unmatched && !n.open {
		st.skip(u, because(CodeScopeUnmatched))
		return
	}
	var reasons []Reason
	if text.Clean(u.GivenName) == "" || text.Clean(u.FamilyName) == "" {
		reasons = append(reasons, because(CodeIneligibleName))
	}
	own, domain, ok := address.Parse(u.Email)
	switch {
	case !ok:
		reasons = append(reasons, because(CodeIneligibleEmail))
	case st.r.domains[domain]:
		n.address = own
	case st.r.cfg.Domains.Convert:
		n.address, n.converted = st.r.convert(own, domain), true
	default:
		n.address, n.outside = own, true
	}
	eligible := len(reasons) == 0
	if n.outside && (!eligible || n.open) { // otherwise it depends on who has the address
		reasons = append(reasons, because(CodeIneligibleDomain, "domain", domain))
	}
	if n.open {
		reasons = append(reasons, st.evidenceOf(user))
		if n.address != "" {
			st.openAddresses[address.Key(n.address)] = true
		}
	}
	if len(reasons) > 0 {
		st.skip(u, reasons...)
	}
	if eligible {
		st.newcomers = append(st.newcomers, n)
	}
}

// convert gives an address the company's primary domain (R44).
func (r *Resolver) convert(own, domain string) string {
	return own[:len(own)-len(domain)] + r.primary
}

// withholdReturns holds the deactivation of members whose address somebody with
// missing facts has: with all facts, a newcomer with that address may be the same
// person under a new ID (S4, L3).
func (st *standing) withholdReturns() {
	if len(st.openAddresses) == 0 {
		return
	}
	for i := range st.members {
		if st.fates[i] == fateLeave && st.openAddresses[address.Key(st.members[i].Email)] {
			st.fates[i] = fateWithheld
			st.causes[int32(i)] = append(st.causes[int32(i)], because(CodeEvidence, "missing", "whether somebody with this address comes in"))
		}
	}
}

// userOfPerson returns the user of a linked member or a newcomer, or nil.
func (st *standing) userOfPerson(person int32) *sources.User {
	if n := int(person) - len(st.members); n >= 0 {
		return &st.users[st.newcomers[n].user]
	}
	if user := st.userOf[person]; user != none {
		return &st.users[user]
	}
	return nil
}

// newcomer returns the newcomer that a person is, or nil for a member.
func (st *standing) newcomer(person int32) *newcomer {
	if n := int(person) - len(st.members); n >= 0 {
		return &st.newcomers[n]
	}
	return nil
}

// isOpenPerson reports whether facts about a person are missing (S44).
func (st *standing) isOpenPerson(person int32) bool {
	if st.open == nil {
		return false
	}
	if n := st.newcomer(person); n != nil {
		return n.open
	}
	user := st.userOf[person]
	return user != none && st.isOpen(user) && st.concerns(st.users[user].ID)
}

// sameName reports whether a user has the name of a member (S4, S36). An unknown
// name counts as the same.
func sameName(m *Member, u *sources.User) bool {
	same := func(a, b string) bool { return a == "" || b == "" || name.Same(a, b) }
	return same(m.GivenName, text.Clean(u.GivenName)) && same(m.FamilyName, text.Clean(u.FamilyName))
}

// count counts the managed active members that the connection had at the beginning
// of the window, without protected members and without those whom an option keeps
// active (S14, S39). It also notes whether the snapshot is empty although there are
// such members (S13).
func (st *standing) count() {
	st.population = st.others.Population
	for i := range st.members {
		m := &st.members[i]
		if m.Active && !m.Protected && st.r.isLinked(m) && !st.optioned[int32(i)] {
			st.population++
		}
	}
	st.population = max(0, st.population-st.others.Recent.Grown)
	st.deserted = st.population > 0 && !st.others.Users && !slices.ContainsFunc(st.users, func(u sources.User) bool { return u.ID != "" })
}
