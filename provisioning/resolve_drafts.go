package provisioning

import (
	"cmp"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
)

// drafts is the fourth stage: it makes a draft of an action for each person who may
// change. The later stages complete the drafts.
type drafts struct {
	*addresses
	reader   *reader
	list     []*draft
	draftOf  []int32                       // by person: position in list, or none
	joined   map[int32]bool                // members whom a newcomer becomes
	settings map[int32]assignment.Settings // by position: what settingsOf returns
	withheld []heldDraft                   // actions that no approval releases
	journal
}

// A draft is a member as it is and as it will be. The last stage turns the
// difference into an action; a draft without a difference becomes no action.
type draft struct {
	person   int32
	kind     Kind
	before   *Member // nil for a create
	after    Member
	user     *sources.User // nil for a leaver
	position int32         // of the governing assignment in the rules
	claim    *claim
	// recycled: the user has another name than the member, and may be another
	// person (S4).
	recycled bool
	// withheld: the draft is only shown; no approval releases it.
	withheld bool
	reasons  []Reason
	emptied  []string // fields that the source filled and leaves empty now
	given    []Field  // fields that already have the value of the source
	effects  []Effect
	needs    []int32 // persons who give back the seats that this draft gets (S28)
}

type heldDraft struct {
	*draft
	reasons []Reason
}

func newDrafts(as *addresses) *drafts {
	ds := &drafts{
		addresses: as, reader: newReader(as.r), joined: make(map[int32]bool), settings: make(map[int32]assignment.Settings),
		draftOf: make([]int32, len(as.members)+len(as.newcomers)),
	}
	for i := range ds.draftOf {
		ds.draftOf[i] = none
	}
	for i := range as.newcomers {
		ds.draftNewcomer(int32(len(as.members)+i), &as.newcomers[i])
	}
	for _, d := range ds.list {
		if d.kind == KindCreate {
			d.after.ID = ds.freeMemberID(d.user.ID)
		}
	}
	for i := range as.members {
		if !ds.joined[int32(i)] {
			ds.draftMember(int32(i))
		}
	}
	ds.tellUnclaimed()
	return ds
}

// draftNewcomer drafts how a newcomer comes in, or skips the newcomer.
func (ds *drafts) draftNewcomer(person int32, n *newcomer) {
	c := ds.claimOf[person]
	if n.open || c.denied == codeWaits {
		return
	}
	u := &ds.users[n.user]
	if c.denied != "" {
		ds.skip(u, because(c.denied, ds.claimFacts(c)...))
		return
	}
	d := &draft{person: person, kind: c.kind, user: u, position: n.position, claim: c}
	if c.joins == none {
		d.start(nil, ds.r)
		ds.keep(d)
		ds.setFields(d)
		return
	}
	m := &ds.members[c.joins]
	d.person, d.recycled = c.joins, (c.kind == KindRehire || c.kind == KindClaim || !m.Active) && !sameName(m, u)
	d.start(m, ds.r)
	if m.Protected { // no plan binds a protected member to an identity, whatever is approved (S16)
		ds.withhold(d, because(CodeProtected))
		return
	}
	ds.joined[c.joins] = true
	ds.keep(d)
	ds.setFields(d)
}

// draftMember drafts the change of a member.
func (ds *drafts) draftMember(person int32) {
	m := &ds.members[person]
	if ds.holds.frozen[person] {
		return
	}
	switch ds.fates[person] {
	case fateOutside, fateKeep:
	case fateFollow:
		if !ds.unchanged[person] {
			ds.followMember(person, KindUpdate)
		}
	case fateReactivate:
		ds.followMember(person, KindReactivate)
	case fateLeave:
		ds.keep(ds.deactivation(person, m))
	case fateWithheld:
		causes := ds.causes[person]
		ds.withheld = append(ds.withheld, heldDraft{ds.deactivation(person, m), causes[len(causes)-1:]})
	}
}

func (ds *drafts) followMember(person int32, kind Kind) *draft {
	m, user := &ds.members[person], ds.userOf[person]
	d := &draft{
		person: person, kind: kind, user: &ds.users[user],
		position: ds.governing[user], claim: ds.claimOf[person],
	}
	d.recycled = kind == KindReactivate && !sameName(m, d.user)
	d.start(m, ds.r)
	if d.recycled && m.Protected {
		ds.withhold(d, because(CodeProtected))
		return d
	}
	ds.keep(d)
	ds.setFields(d)
	if m.Protected && d.claim != nil { // the address stays, and the rest of the draft continues (S16)
		wish := &draft{person: person, kind: KindUpdate, user: d.user, position: d.position}
		wish.start(m, ds.r)
		wish.after.Email = d.claim.address
		wish.because(because(CodeSourceValue, "fields", FieldEmail.String()))
		ds.withhold(wish, because(CodeProtected))
	}
	return d
}

// deactivation drafts the loss of access: sign-in and capture end, and nothing else
// changes (R13, R14, R18, S19).
func (ds *drafts) deactivation(person int32, m *Member) *draft {
	d := &draft{person: person, kind: KindDeactivate, position: unmatched}
	d.start(m, ds.r)
	d.reasons = append(d.reasons, ds.causes[person]...)
	d.after.Active = false
	d.after.Owners = d.after.Owners.with(atActive, OwnerNobody) // the field was not set by a hand
	if len(d.after.Capture) > 0 {
		d.after.Capture = nil
		d.because(because(CodeCaptureOff))
	}
	return d
}

// start copies the member from which the draft starts, nil for a new one, and sets
// the identity.
func (d *draft) start(m *Member, r *Resolver) {
	if d.before = m; m != nil {
		d.after = m.Clone()
		d.after.Settings.Normalize()
	}
	if d.kind == KindReactivate {
		d.after.Active = true
		d.because(because(CodeSourceActive))
		if d.recycled {
			d.because(because(CodeMatchRecycled, "former", m.Name()))
		}
	}
	if !d.joins() {
		return
	}
	d.after.Connection, d.after.ExternalID, d.after.Managed, d.after.Active = r.cfg.Connection, d.user.ID, true, true
	switch {
	case d.kind == KindCreate:
		d.because(because(CodeMatchNew))
	case d.recycled:
		d.because(because(CodeMatchRecycled, "former", m.Name(), "address", m.Email, "former_id", m.ExternalID))
	case d.kind == KindAdopt:
		d.because(because(CodeMatchAdopt, "address", m.Email))
		if !m.Active {
			d.because(because(CodeSourceActive))
		}
	case d.kind == KindClaim:
		d.because(because(CodeMatchMigrate, "address", m.Email, "former_connection", m.Connection, "former_id", m.ExternalID))
		if !m.Active {
			d.because(because(CodeSourceActive))
		}
	default:
		d.because(because(CodeMatchRehire, "address", m.Email, "former_id", m.ExternalID))
	}
}

// keep adds a draft.
func (ds *drafts) keep(d *draft) {
	ds.draftOf[d.person] = int32(len(ds.list))
	ds.list = append(ds.list, d)
}

// withhold shows what would have been done, without a class: no approval releases
// it.
func (ds *drafts) withhold(d *draft, reasons ...Reason) {
	d.withheld = true
	ds.withheld = append(ds.withheld, heldDraft{d, reasons})
}

// draft returns the draft of a person. It makes one for a member that had none.
func (ds *drafts) draft(person int32) *draft {
	if at := ds.draftOf[person]; at != none {
		return ds.list[at]
	}
	d := &draft{person: person, kind: KindUpdate, user: ds.userOfPerson(person), position: ds.governing[ds.userOf[person]]}
	d.start(&ds.members[person], ds.r)
	ds.keep(d)
	return d
}

func (d *draft) because(r Reason) { d.reasons = append(d.reasons, r) }

// joins reports whether the draft brings a person in: created, adopted, claimed or
// rehired.
func (d *draft) joins() bool { return d.kind >= KindRehire }

// problem records what somebody should know as a finding, and as a reason of the
// action if the draft becomes one.
func (ds *drafts) problem(d *draft, r Reason) {
	d.because(r)
	f := Finding{ExternalID: d.user.ID, MemberID: d.after.ID, Email: d.after.Email, Name: d.after.Name(), Reason: r}
	if d.before == nil {
		f.Email = cmp.Or(f.Email, text.Clean(d.user.Email))
	}
	ds.findings = append(ds.findings, f)
}
