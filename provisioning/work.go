package provisioning

import (
	"reflect"
	"slices"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/blocks"
	"github.com/usher-go/usher/sources"
)

// none is the position of nobody.
const none int32 = -1

// keepPosition is the position of an assignment that is to be kept as it is
// though it is not in the config, or cannot be known.
const keepPosition int32 = -2

// work is what one run knows before it decides anything: who is who, and what
// the directory says about each member. It is filled in by survey, and
// is not changed afterwards.
//
// A person is a position: that of a member, or, behind the last member, that
// of a newcomer.
type work struct {
	*Resolver
	snapshot *sources.Snapshot
	users    []sources.User
	members  []Member

	byID      *idTable
	userOf    []int32 // by member: the linked user, or none
	memberOf  []int32 // by user: the linked member, or none
	double    map[int32]bool
	mixed     map[int32]bool // users listed twice and differently
	evidence  assignment.Evidence
	governing []int32 // by user: position in the rules
	fates     []fate  // by member
	quiet     []bool  // by member: nothing changes and nothing is to be told
	causes    map[int32][]Reason
	optioned  map[int32]bool // members who stay active only because an option says so
	newcomers []newcomer
	undecided map[string]bool // addresses of those who match nothing, as far as is known

	population int  // of whom the breakers take their percentages
	deserted   bool // the snapshot has nobody in it, and the team has
	skipped    []Skip
	findings   []Finding
}

// A fate is what is to become of a member's access.
type fate uint8

const (
	fateOutside    fate = iota // not this connection's, or inactive and to stay so
	fateFollow                 // active and governed: follows directory and assignment
	fateKeep                   // active, and left entirely as it is
	fateReactivate             // inactive, and back
	fateLeave                  // to be deactivated
	fateWithheld               // would be deactivated, if it were proved or allowed
)

// A newcomer is an eligible user to whom no member is linked.
type newcomer struct {
	user      int32
	position  int32 // of the governing assignment
	address   string
	converted bool
}

func newWork(r *Resolver, in Input) *work {
	w := &work{Resolver: r, snapshot: in.Snapshot, members: in.Members, causes: make(map[int32][]Reason), undecided: make(map[string]bool), optioned: make(map[int32]bool)}
	if w.snapshot == nil {
		w.snapshot = &sources.Snapshot{}
	}
	w.users = w.snapshot.Users
	return w
}

// foreign reports whether the snapshot is of another directory than the
// config's, on which nothing may be decided.
func (w *work) foreign() bool {
	kind, connection := sourceKind(w.snapshot.Kind), w.snapshot.Connection
	if (kind == "" || kind == w.cfg.Source) && (connection == "" || connection == w.cfg.Connection) {
		return false
	}
	w.findings = append(w.findings, Finding{Reason: because(CodeOtherConnection,
		"config", w.cfg.Source+" "+w.cfg.Connection, "snapshot", kind+" "+connection)})
	return true
}

// survey finds out all that a pass may build on.
func (w *work) survey() {
	w.index()
	w.link()
	w.judge()
	w.count()
}

// index enters the users by ID and sets aside those listed twice (S5).
func (w *work) index() {
	w.byID = newIDTable(len(w.users), func(i int32) string { return w.users[i].ID })
	for i := range w.users {
		first, added := w.byID.add(int32(i))
		if added {
			continue
		}
		if w.double == nil {
			w.double, w.mixed = make(map[int32]bool), make(map[int32]bool)
		}
		w.double[int32(i)] = true
		if !sameUser(w.users[first], w.users[i]) {
			w.mixed[first] = true
		}
	}
}

// sameUser reports whether two listings of a user say the same; empty and
// absent are the same.
func sameUser(a, b sources.User) bool {
	for _, u := range []*sources.User{&a, &b} {
		if len(u.OtherEmails) == 0 {
			u.OtherEmails = nil
		}
		if len(u.Attributes) == 0 {
			u.Attributes = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// link finds the user of each member of the connection (S1). Of two members
// that claim one user, the one with the smaller ID is linked.
func (w *work) link() {
	w.userOf = make([]int32, len(w.members))
	w.memberOf = make([]int32, len(w.users))
	for i := range w.memberOf {
		w.memberOf[i] = none
	}
	blocks.Each(len(w.members), func() func(start, end int) {
		return func(start, end int) {
			some := w.members[start:end]
			w.byID.findAll(len(some), func(k int) string { return some[k].ExternalID }, w.userOf[start:end])
		}
	})
	for i, user := range w.userOf {
		if user == none {
			continue
		}
		if !w.isLinked(&w.members[i]) {
			w.userOf[i] = none
			continue
		}
		if other := w.memberOf[user]; other != none {
			if w.members[other].ID < w.members[i].ID {
				w.userOf[i] = none
				continue
			}
			w.userOf[other] = none
		}
		w.memberOf[user] = int32(i)
	}
}

// judge says what is to become of everybody's access.
func (w *work) judge() {
	w.evidence = w.rules.Evidence(w.snapshot)
	for _, group := range w.evidence.UnknownGroups {
		w.findings = append(w.findings, Finding{Reason: because(CodeUnknownGroup, "group", group)})
	}
	if !w.evidence.Complete() {
		w.findings = append(w.findings, Finding{Reason: because(CodeGroupsIncomplete)})
	}
	w.governing = w.rules.Govern(w.snapshot, func(ids []string, into []int32) {
		w.byID.findAll(len(ids), func(k int) string { return ids[k] }, into)
	})
	w.fates = make([]fate, len(w.members))
	w.quiet = make([]bool, len(w.members))
	if !w.evidence.Complete() {
		w.keepAssignments()
	}
	w.hush()
	for i := range w.members {
		switch {
		case w.quiet[i]:
			w.fates[i] = fateFollow
		case w.isLinked(&w.members[i]):
			w.fates[i] = w.judgeMember(int32(i))
		}
	}
	for i := range w.users {
		if w.memberOf[i] == none && !w.double[int32(i)] {
			w.judgeNewcomer(int32(i))
		}
	}
	if len(w.undecided) > 0 {
		w.keepUndecided()
	}
}

// keepAssignments lets everybody who is in be governed by the assignment that
// does so now (S12).
func (w *work) keepAssignments() {
	for i, user := range w.userOf {
		if user == none {
			continue
		}
		w.governing[user] = w.rules.Position(w.members[i].AssignmentID)
		if w.governing[user] == assignment.Unmatched {
			w.governing[user] = keepPosition
		}
	}
}

// keepUndecided holds back the deactivation of members who are not listed any
// more, but whose address somebody has who would come in and might be the same
// person, if all queries had been answered (L3).
func (w *work) keepUndecided() {
	for i := range w.members {
		cause := w.causes[int32(i)]
		if w.fates[i] == fateLeave && cause[0].Code == CodeScopeAbsent && w.undecided[addressKey(w.members[i].Email)] {
			w.fates[i] = fateWithheld
			w.causes[int32(i)] = append(cause, because(CodeGroupsIncomplete))
		}
	}
}

// judgeMember says what is to become of a linked member's access, and why.
func (w *work) judgeMember(i int32) fate {
	m, user := &w.members[i], w.userOf[i]
	if user == none {
		if first := w.byID.find(m.ExternalID); first != none {
			w.find(i, because(CodeDuplicateLink, "member", w.members[w.memberOf[first]].ID))
			return fateKeep
		}
		return w.leave(i, w.cfg.KeepActive.Unmatched, because(CodeScopeAbsent))
	}
	if w.mixed[user] {
		w.skip(user, because(CodeInconsistentUser))
		return fateKeep
	}
	switch w.users[user].Status {
	case sources.StatusInactive:
		if w.cfg.KeepActive.Deactivated && w.evidence.Complete() && w.governing[user] == assignment.Unmatched {
			return w.leave(i, w.cfg.KeepActive.Unmatched, because(CodeScopeUnmatched)) // the other cause is not suppressed (A7)
		}
		return w.leave(i, w.cfg.KeepActive.Deactivated, because(CodeSourceInactive))
	case sources.StatusStaged:
		w.find(i, because(CodeSourceStaged))
		return w.asIs(m)
	case sources.StatusActive:
	default:
		w.find(i, because(CodeSourceStatus))
		return w.asIs(m)
	}
	if w.governing[user] == assignment.Unmatched {
		return w.leave(i, w.cfg.KeepActive.Unmatched, because(CodeScopeUnmatched))
	}
	switch {
	case m.Active:
		return fateFollow
	case m.Owners.Of(FieldActive) == Hand:
		w.find(i, because(CodeRemovedByHand))
		return fateOutside
	}
	return fateReactivate
}

func (w *work) asIs(m *Member) fate {
	if m.Active {
		return fateKeep
	}
	return fateOutside
}

// leave decides about a member who should leave: kept by an option, held for
// want of proof or because the host protects it, or deactivated.
func (w *work) leave(i int32, keepActive bool, cause Reason) fate {
	m := &w.members[i]
	switch {
	case !m.Active:
		return fateOutside
	case keepActive:
		w.optioned[i] = true
		w.find(i, because(CodeKeepActive, "cause", string(cause.Code)))
		return fateKeep
	case cause.Code == CodeScopeAbsent && !w.snapshot.Proven.Has(sources.FactUsers):
		w.causes[i] = []Reason{because(CodeAbsenceIncomplete)}
		return fateWithheld
	case m.Protected:
		w.causes[i] = []Reason{cause, because(CodeProtected)}
		return fateWithheld
	}
	w.causes[i] = []Reason{cause}
	return fateLeave
}

// judgeNewcomer says whether a user to whom no member is linked may come in.
func (w *work) judgeNewcomer(user int32) {
	u := &w.users[user]
	if u.ID == "" {
		w.skip(user, because(CodeMissingID))
		return
	}
	if w.mixed[user] {
		w.skip(user, because(CodeInconsistentUser))
		return
	}
	switch u.Status {
	case sources.StatusInactive:
		w.skip(user, because(CodeIneligibleInactive))
		return
	case sources.StatusStaged:
		w.skip(user, because(CodeSourceStaged))
		return
	case sources.StatusActive:
	default:
		w.skip(user, because(CodeSourceStatus))
		return
	}
	position := w.governing[user]
	if position == assignment.Unmatched {
		reasons := []Reason{because(CodeScopeUnmatched)}
		if !w.evidence.Complete() {
			reasons = append(reasons, because(CodeGroupsIncomplete))
			if address, _, ok := parseAddress(u.Email); ok {
				w.undecided[addressKey(address)] = true
			}
		}
		w.skip(user, reasons...)
		return
	}
	var reasons []Reason
	if trimmed(u.GivenName) == "" || trimmed(u.FamilyName) == "" {
		reasons = append(reasons, because(CodeIneligibleName))
	}
	n := newcomer{user: user, position: position}
	address, domain, ok := parseAddress(u.Email)
	switch {
	case !ok:
		reasons = append(reasons, because(CodeIneligibleEmail))
	case w.domains[domain]:
		n.address = address
	case w.cfg.Domains.Convert:
		n.address, n.converted = w.convert(address, domain), true
	default:
		reasons = append(reasons, because(CodeIneligibleDomain, "domain", domain))
	}
	if len(reasons) > 0 {
		w.skip(user, reasons...)
		return
	}
	w.newcomers = append(w.newcomers, n)
}

// convert gives an address the company's primary domain (R44).
func (w *work) convert(address, domain string) string {
	return address[:len(address)-len(domain)] + w.primary
}

// find records a finding about a member.
func (w *work) find(member int32, reason Reason) {
	w.findings = append(w.findings, aboutMember(&w.members[member], reason))
}

func aboutMember(m *Member, reason Reason) Finding {
	return Finding{ExternalID: m.ExternalID, MemberID: m.ID, Email: m.Email, Name: fullName(m.GivenName, m.FamilyName), Reason: reason}
}

// skip records that nothing is done about a user. Of a user who is listed
// twice and differently only the ID is told, since nothing else is certain.
func (w *work) skip(user int32, reasons ...Reason) {
	s := Skip{ExternalID: w.users[user].ID, Reasons: reasons}
	if !w.mixed[user] {
		s.Email = trimmed(w.users[user].Email)
		s.Name = fullName(trimmed(w.users[user].GivenName), trimmed(w.users[user].FamilyName))
	}
	w.skipped = append(w.skipped, s)
}

// userOfPerson returns the user of a linked member or a newcomer, or nil.
func (w *work) userOfPerson(person int32) *sources.User {
	if n := int(person) - len(w.members); n >= 0 {
		return &w.users[w.newcomers[n].user]
	}
	if user := w.userOf[person]; user != none {
		return &w.users[user]
	}
	return nil
}

// emptyPlan returns a plan that does nothing but tell the findings.
func (w *work) emptyPlan() *Plan {
	p := &Plan{
		Format: PlanFormat, Source: w.cfg.Source, Connection: w.cfg.Connection, ConfigRevision: w.cfg.Revision,
		Actions: []Action{}, Findings: slices.Clone(w.findings), Skipped: slices.Clone(w.skipped),
	}
	p.seal()
	return p
}
