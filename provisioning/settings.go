package provisioning

import (
	"cmp"
	"slices"

	"github.com/usher-go/usher/assignment"
)

// applies reports whether a person's settings are to be what the assignment
// says: always for somebody new (R114, G3), and under automatic mode for
// everybody (R116, R120).
func applies(kind Kind, a *assignment.Assignment) bool {
	return kind == KindCreate || a.Mode == assignment.Automatic
}

// seatWish is what one person wants of the limited pools.
type seatWish struct {
	person, position int32
	externalID       string
	want, have       []string
}

// grantSeats decides who gets the seats of limited pools (S20): whoever has a
// seat and still should keeps it, leavers' seats are free again, and the rest
// goes in the order of the assignments and then of the external IDs.
func (p *pass) grantSeats() {
	pool := p.cfg.Seats.NewPool()
	if !pool.Limited() {
		return
	}
	p.refused = make(map[int32][]string)
	var wishes []seatWish
	wish := func(person int32, m *Member, kind Kind, position int32, externalID string) {
		var have []string
		if m != nil && m.Active {
			have = assignment.Set(m.Seats)
		}
		want := have
		if a := p.rules.At(position); a != nil && applies(kind, a) && !p.withholds(m, a) {
			want = a.Seats
		} else if m != nil {
			want = assignment.Set(m.Seats)
		}
		var kept []string
		for _, seat := range want {
			if _, held := slices.BinarySearch(have, seat); held {
				kept = append(kept, seat)
			}
		}
		pool.Hold(kept)
		if len(kept) < len(want) {
			wishes = append(wishes, seatWish{person, position, externalID, want, have})
		}
	}
	for i := range p.members {
		person, m := int32(i), &p.members[i]
		switch {
		case p.joined[person]:
		case p.frozen[person]:
			pool.Hold(p.reserved(person, m))
		case p.fates[i] != fateFollow && p.fates[i] != fateReactivate:
			if m.Active && p.fates[i] != fateLeave {
				pool.Hold(assignment.Set(m.Seats))
			}
		case p.fates[i] == fateReactivate:
			wish(person, m, KindReactivate, p.governing[p.userOf[i]], m.ExternalID)
		default:
			wish(person, m, KindUpdate, p.governing[p.userOf[i]], m.ExternalID)
		}
	}
	for i := range p.newcomers {
		pool.Hold(p.seats[int32(len(p.members)+i)])
	}
	for _, d := range p.drafts {
		wish(d.person, d.before, d.kind, d.position, d.user.ID)
	}
	slices.SortFunc(wishes, func(a, b seatWish) int {
		return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(a.externalID, b.externalID))
	})
	for _, w := range wishes {
		if _, refused := pool.Grant(w.want, w.have); refused != nil {
			p.refused[w.person] = refused
		}
	}
}

// reserved returns the seats of a member who waits for an approval: those the
// member has, and those it would give.
func (p *pass) reserved(person int32, m *Member) []string {
	if !m.Active {
		return p.seats[person]
	}
	return assignment.Set(slices.Concat(m.Seats, p.seats[person]))
}

// applySettings sets a draft's assignment and settings.
func (p *pass) applySettings(d *draft) {
	a := p.rules.At(d.position)
	if a == nil { // a leaver, or somebody whose assignment is kept unseen
		p.dropRefused(d, &d.after.Settings)
		return
	}
	moved := d.after.AssignmentID != a.ID
	if moved || d.joins() || d.kind == KindReactivate {
		code := CodeAssignmentMatch
		if int(d.position) == len(p.rules.Assignments) {
			code = CodeAssignmentElse
		}
		d.because(because(code, "assignment", cmp.Or(a.Name, a.ID)))
		if !p.evidence.Complete() && d.joins() {
			d.because(because(CodeGroupsIncomplete))
		}
	}
	former := p.rules.At(p.rules.Position(d.after.AssignmentID))
	d.after.AssignmentID = a.ID
	if !applies(d.kind, a) {
		p.keepSettings(d, a, moved)
		return
	}
	want := a.Settings.Clone()
	p.dropRefused(d, &want)
	if p.withholds(d.before, a) {
		if d.before.Protected {
			p.withholdSettings(d, want)
		} else {
			d.because(because(CodeGroupsIncomplete))
		}
		return
	}
	for _, seat := range p.cfg.Seats.Missing(&want) {
		p.problem(d, because(Code(codeSeatMissing+seat)))
	}
	if d.after.Settings.Equal(&want) {
		return
	}
	if d.before != nil {
		p.tellOverwrites(d, &want, former)
	}
	d.setSettings(want, a.Mode)
}

// dropRefused takes out of settings the seats that the pool did not have.
func (p *pass) dropRefused(d *draft, settings *assignment.Settings) {
	for _, seat := range p.refused[d.person] {
		p.problem(d, because(CodeSeatExhausted, "seat", seat))
		settings.Seats = slices.DeleteFunc(settings.Seats, func(s string) bool { return s == seat })
	}
}

// withholds reports whether an active member keeps all settings although the
// assignment would take some away: because the host protects the member (S16),
// or because the assignment was decided on half an answer (L3).
func (p *pass) withholds(m *Member, a *assignment.Assignment) bool {
	if m == nil || !m.Active || !m.Protected && p.evidence.Complete() {
		return false
	}
	settings := m.Settings.Clone()
	settings.Normalize()
	return settings.Loses(&a.Settings)
}

// setSettings gives a draft its settings, and says whose they are: under
// automatic mode the source's, under manual mode anybody's to edit.
func (d *draft) setSettings(want assignment.Settings, mode assignment.Mode) {
	d.after.Settings = want
	owner := Nobody
	if mode == assignment.Automatic {
		owner = Source
	}
	for f := range settingFields.All() {
		d.after.Owners = d.after.Owners.With(f, owner)
	}
}

// tellOverwrites gives the reasons for which a member's settings change, and
// names each hand edit that is lost (S18).
func (p *pass) tellOverwrites(d *draft, want *assignment.Settings, former *assignment.Assignment) {
	owners := d.before.Owners
	if owners != (Owners{}) && owners.source&settingFields == 0 || former != nil && former.Mode == assignment.Manual {
		d.because(because(CodeSwitched))
	} else {
		d.because(because(CodeFollows))
	}
	target := Member{Settings: *want}
	for f := range settingFields.All() {
		if owners.Of(f) == Hand && !sameField(&d.after, &target, f) {
			d.because(because(CodeOverwrites, "field", f.String()))
		}
	}
}

// keepSettings leaves settings as they are under a manual assignment. Capture
// is the exception: it was turned off with the access, and stays off (S19).
func (p *pass) keepSettings(d *draft, a *assignment.Assignment, moved bool) {
	if moved || d.kind == KindAdopt {
		d.because(because(CodeManualKeeps, "assignment", cmp.Or(a.Name, a.ID)))
	}
	p.dropRefused(d, &d.after.Settings)
	if !d.before.Active {
		d.after.Capture = nil
		p.problem(d, because(CodeCaptureLeftOff))
	}
}

// withholdSettings keeps a protected member's settings and shows, as held,
// what would have become of them (S16).
func (p *pass) withholdSettings(d *draft, want assignment.Settings) {
	wish := &draft{person: d.person, kind: KindUpdate, before: d.before, after: d.before.Clone(), user: d.user, position: d.position}
	wish.setSettings(want, assignment.Automatic)
	wish.because(because(CodeFollows))
	p.withheld = append(p.withheld, heldDraft{wish, []Reason{because(CodeProtected)}})
}
