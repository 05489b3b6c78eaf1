package provisioning

import (
	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/sources"
)

// A pass is one complete decision over everybody. A run makes one, or several if
// a breaker trips: each with those frozen who have to wait.
type pass struct {
	*work
	*waiting

	claims  []claim
	claimOf map[int32]*claim
	joined  map[int32]bool // members whom a newcomer becomes

	draftOf  []int32 // by person: position in drafts, or none
	drafts   []*draft
	refused  map[int32][]string // by person: seats that the pool did not have
	withheld []heldDraft
	skips    []Skip
	findings []Finding
	spellings
}

// A draft is an action in the making: the member as it is and as it is to be.
// What changes is the difference, taken at the end; a draft without one comes
// to nothing.
type draft struct {
	person   int32
	kind     Kind
	before   *Member // nil for a create
	after    Member
	user     *sources.User
	position int32 // of the governing assignment
	claim    *claim
	reasons  []Reason
	emptied  FieldSet // fields that the source used to fill and leaves empty now
	given    FieldSet // fields that have the value already which the source gives
	effects  []Effect
}

type heldDraft struct {
	*draft
	reasons []Reason
}

func (w *work) decide(waiting *waiting) *pass {
	p := &pass{
		work: w, waiting: waiting,
		claimOf: make(map[int32]*claim), joined: make(map[int32]bool),
		draftOf: make([]int32, len(w.members)+len(w.newcomers)), spellings: make(spellings),
	}
	for i := range p.draftOf {
		p.draftOf[i] = none
	}
	p.collectClaims()
	p.resolveClaims()
	p.bringNewcomers()
	p.grantSeats()
	p.followMembers()
	for _, d := range p.drafts {
		p.applySettings(d)
	}
	p.placeInChart()
	return p
}

// collectClaims finds those who want an address they do not have.
func (p *pass) collectClaims() {
	for i := range p.members {
		if f := p.fates[i]; p.quiet[i] || f != fateFollow && f != fateReactivate {
			continue
		}
		if m, u := &p.members[i], &p.users[p.userOf[i]]; u.Email != m.Email {
			if address, converted, ok := p.wishedAddress(m, u); ok {
				p.claims = append(p.claims, claim{person: int32(i), address: address, converted: converted, from: none, joins: none, waits: p.frozen[int32(i)]})
			}
		}
	}
	for i, n := range p.newcomers {
		person := int32(len(p.members) + i)
		p.claims = append(p.claims, claim{
			person: person, address: n.address, converted: n.converted,
			from: none, joins: none, kind: KindCreate, waits: p.frozen[person],
		})
	}
	for i := range p.claims {
		p.claimOf[p.claims[i].person] = &p.claims[i]
	}
}

// wishedAddress returns the address that a linked member should get, if it is
// another than it has. Who is in stays in: the domain gate decides the form of
// a new address only (S7, S8), and an address that was converted once is not
// taken back as long as it would convert to the same.
func (p *pass) wishedAddress(m *Member, u *sources.User) (address string, converted, ok bool) {
	own, domain, valid := parseAddress(u.Email)
	if !valid || sameAddress(own, memberAddress(m.Email)) {
		return "", false, false
	}
	if p.domains[domain] {
		return own, false, true
	}
	turned := p.convert(own, domain)
	if p.cfg.Source == "salesforce" && sameAddress(turned, m.Email) {
		return "", false, false
	}
	if p.cfg.Domains.Convert {
		return turned, true, true
	}
	return own, false, true
}

// bringNewcomers makes drafts for those who come in, and skips the others.
func (p *pass) bringNewcomers() {
	for i, n := range p.newcomers {
		person := int32(len(p.members) + i)
		c := p.claimOf[person]
		if c.waits {
			continue
		}
		d := &draft{person: person, kind: c.kind, user: &p.users[n.user], position: n.position, claim: c}
		switch {
		case c.denied == CodeMatchRecycled:
			p.begin(d, c.joins)
			p.withheld = append(p.withheld, heldDraft{d, []Reason{because(CodeMatchRecycled, "former", fullName(d.before.GivenName, d.before.FamilyName))}})
			p.identity(d)
			continue
		case c.denied != "":
			p.skipDenied(n, c)
			continue
		case c.joins != none:
			d.person, p.joined[c.joins] = c.joins, true
			p.begin(d, c.joins)
		default:
			p.begin(d, none)
		}
		p.keep(d)
		p.identity(d)
	}
	p.nameNewMembers()
}

// nameNewMembers gives the members to be created their IDs, which follow from
// connection and external ID. One that a member has already (somebody whose
// identity was bound anew since) is passed over for the next.
func (p *pass) nameNewMembers() {
	unnamed := make(map[string]*draft)
	for _, d := range p.drafts {
		if d.kind == KindCreate {
			unnamed[newMemberID(p.cfg.Connection, d.user.ID, 0)] = d
		}
	}
	for attempt := 1; len(unnamed) > 0; attempt++ {
		taken := make(map[string]*draft)
		for i := range p.members {
			if d := unnamed[p.members[i].ID]; d != nil {
				taken[newMemberID(p.cfg.Connection, d.user.ID, attempt)] = d
				delete(unnamed, p.members[i].ID)
			}
		}
		for id, d := range unnamed {
			d.after.ID = id
		}
		unnamed = taken
	}
}

// skipDenied skips a newcomer whose address could not be had.
func (p *pass) skipDenied(n newcomer, c *claim) {
	u := &p.users[n.user]
	p.skips = append(p.skips, Skip{
		ExternalID: u.ID, Email: trimmed(u.Email), Name: fullName(trimmed(u.GivenName), trimmed(u.FamilyName)),
		Reasons: []Reason{because(c.denied, "address", c.address)},
	})
}

// begin fills in the member from which the draft starts: an existing one, or a
// new one for none.
func (p *pass) begin(d *draft, member int32) {
	if member != none {
		d.before = &p.members[member]
		d.after = d.before.Clone()
		d.after.Settings.Normalize()
	}
	if d.kind == KindUpdate || d.kind == KindReactivate || d.kind == KindDeactivate {
		return
	}
	d.after.Connection, d.after.ExternalID, d.after.Managed, d.after.Active = p.cfg.Connection, d.user.ID, true, true
	switch d.kind {
	case KindCreate:
		d.because(because(CodeMatchNew))
	case KindAdopt:
		d.because(because(CodeMatchAdopt, "address", d.before.Email))
		if !d.before.Active {
			d.because(because(CodeSourceActive))
		}
	case KindRehire:
		d.because(because(CodeMatchRehire, "address", d.before.Email, "former_id", d.before.ExternalID))
	}
}

// keep enters a draft.
func (p *pass) keep(d *draft) {
	p.draftOf[d.person] = int32(len(p.drafts))
	p.drafts = append(p.drafts, d)
}

func (d *draft) because(r Reason) { d.reasons = append(d.reasons, r) }

// joins reports whether the draft brings somebody in, by whichever door.
func (d *draft) joins() bool { return d.kind >= KindRehire }

// followMembers makes drafts for the members for whom something changes.
func (p *pass) followMembers() {
	for i := range p.members {
		person := int32(i)
		if p.joined[person] {
			continue
		}
		switch p.fates[i] {
		case fateFollow:
			if p.frozen[person] || p.quiet[i] {
				continue
			}
			p.followMember(person, KindUpdate)
		case fateReactivate:
			if !p.frozen[person] {
				p.followMember(person, KindReactivate)
			}
		case fateLeave:
			if !p.frozen[person] {
				p.keep(p.deactivate(person))
			}
		case fateWithheld:
			causes := p.causes[person]
			p.withheld = append(p.withheld, heldDraft{p.deactivate(person), causes[len(causes)-1:]})
		}
	}
}

// deactivate drafts the loss of access: sign-in and capture go, and nothing
// else is touched (R13, R14, R18, S19).
func (p *pass) deactivate(person int32) *draft {
	d := &draft{person: person, kind: KindDeactivate, position: assignment.Unmatched}
	p.begin(d, person)
	d.reasons = append(d.reasons, p.causes[person]...)
	d.after.Active = false
	d.after.Owners = d.after.Owners.With(FieldActive, Nobody) // no hand did this
	if len(d.after.Capture) > 0 {
		d.after.Capture = nil
		d.because(because(CodeCaptureOff))
	}
	return d
}

func (p *pass) followMember(person int32, kind Kind) *draft {
	user := p.userOf[person]
	d := &draft{
		person: person, kind: kind, user: &p.users[user],
		position: p.governing[user], claim: p.claimOf[person],
	}
	p.begin(d, person)
	if kind == KindReactivate {
		d.after.Active = true
		d.because(because(CodeSourceActive))
	}
	p.keep(d)
	p.identity(d)
	return d
}
