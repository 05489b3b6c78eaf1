package provisioning

import (
	"cmp"
	"slices"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/sources"
)

// setSettings is the fifth stage: it decides who gets the seats of limited pools,
// and then everybody's assignment and settings.
func (ds *drafts) setSettings() {
	refused := ds.grantSeats()
	for _, d := range ds.list {
		ds.settle(d, refused[d.person])
	}
	for i := range ds.withheld {
		if d := ds.withheld[i].draft; d.joins() || d.recycled {
			ds.settle(d, nil)
		}
	}
}

// applies reports whether a person's settings are set from the assignment: always
// for a new person (R114, G3), and in automatic mode for everybody (R116, R120).
func applies(kind Kind, a *assignment.Assignment) bool {
	return kind == KindCreate || a.Mode == assignment.Automatic
}

// waitsForGroup reports whether a draft keeps all settings because groups may still
// arrive (S40): the default alone governs the person, who is brought into it now,
// or was and has no assignment since.
func (ds *drafts) waitsForGroup(d *draft) bool {
	recent := &ds.others.Recent
	if !recent.AwaitGroups || d.before == nil || int(d.position) != len(ds.r.rules.Assignments) ||
		!d.joins() && d.kind != KindReactivate && (d.before.AssignmentID != "" || slices.Contains(recent.Waited, d.before.ExternalID)) {
		return false
	}
	return slices.ContainsFunc(ds.r.rules.Assignments, func(a assignment.Assignment) bool { return len(a.Match.Groups) > 0 })
}

// A pool counts the seats of one limited kind.
type pool struct {
	left     int     // seats that can still be granted, including those that this plan gives back
	free     int     // those of them that nobody has
	releases []int32 // persons who give one back, ordered by ID
}

// A seatWish is what one person wants from the limited pools and does not have.
type seatWish struct {
	draft      *draft
	externalID string
	seats      []string
}

// grantSeats decides who gets the seats of limited pools (S20). Members who have a
// seat and should have it keep it. The seats of leavers are free again. The others
// get seats in the order of the assignments and then of the external IDs. While
// facts about anybody are missing, no seat is granted (S44). It returns the refused
// seats by person.
func (ds *drafts) grantSeats() map[int32][]refusedSeat {
	limits := ds.r.cfg.Seats.Pools
	if len(limits) == 0 {
		return nil
	}
	pools := make(map[string]*pool, len(limits))
	for seat, limit := range limits {
		taken := ds.others.Seats[seat]
		pools[seat] = &pool{left: limit - taken, free: limit - taken}
	}
	each := func(seats []string, do func(*pool)) {
		for _, seat := range seats {
			if p := pools[seat]; p != nil {
				do(p)
			}
		}
	}
	keeps := func(p *pool) { p.left-- }
	has := func(p *pool) { p.free-- }
	var wishes []seatWish
	for i := range ds.members {
		person, m := int32(i), &ds.members[i]
		have := m.heldSeats()
		keep := have
		if ds.holds.frozen[person] { // the held action may be approved at any time
			keep = set.Of(slices.Concat(have, ds.holds.seats[person]))
		}
		if at := ds.draftOf[person]; at != none {
			d := ds.list[at]
			want := ds.wantedSeats(d)
			switch {
			case ds.holds.claimed[person]: // whether the seats become free depends on an approval
				want = have
			case !d.after.Active:
				want = nil
			}
			released := set.Without(have, want)
			keep = set.Without(have, released)
			each(released, func(p *pool) { p.releases = append(p.releases, person) })
			if more := set.Without(want, have); len(more) > 0 {
				wishes = append(wishes, seatWish{d, d.user.ID, more})
			}
		}
		each(keep, keeps)
		each(have, has)
		each(set.Without(keep, have), has)
	}
	for i := range ds.newcomers {
		held := ds.holds.seats[int32(len(ds.members)+i)]
		each(held, keeps)
		each(held, has)
	}
	for _, d := range ds.list {
		if d.kind == KindCreate {
			wishes = append(wishes, seatWish{d, d.user.ID, ds.wantedSeats(d)})
		}
	}
	return ds.giveSeats(pools, wishes)
}

// giveSeats grants the wishes in their order, as far as the pools go.
func (ds *drafts) giveSeats(pools map[string]*pool, wishes []seatWish) map[int32][]refusedSeat {
	for _, p := range pools {
		slices.SortFunc(p.releases, func(a, b int32) int { return cmp.Compare(ds.members[a].ID, ds.members[b].ID) })
	}
	slices.SortFunc(wishes, func(a, b seatWish) int {
		return cmp.Or(cmp.Compare(a.draft.position, b.draft.position), cmp.Compare(a.externalID, b.externalID))
	})
	somebodyOpen := !ds.proves(sources.FactUsers) || slices.ContainsFunc(ds.governance.open, func(at int32) bool { return at != 0 })
	refused := make(map[int32][]refusedSeat)
	for _, w := range wishes {
		for _, seat := range w.seats {
			p := pools[seat]
			switch {
			case p == nil:
			case somebodyOpen:
				refused[w.draft.person] = append(refused[w.draft.person], refusedSeat{seat, because(CodeEvidence, "seat", seat, "missing", "who else has a claim to the seat")})
			case p.left <= 0:
				refused[w.draft.person] = append(refused[w.draft.person], refusedSeat{seat, because(CodeSeatExhausted, "seat", seat)})
			default:
				if p.left--; p.free > 0 {
					p.free--
				} else {
					w.draft.needs = append(w.draft.needs, p.releases[0])
					p.releases = p.releases[1:]
				}
			}
		}
	}
	return refused
}

// A refusedSeat is a seat that a person does not get, with the reason.
type refusedSeat struct {
	seat   string
	reason Reason
}

// wantedSeats returns the seats that a draft's person is to have, if the pools have
// them.
func (ds *drafts) wantedSeats(d *draft) []string {
	a := ds.r.rules.At(d.position)
	if a != nil && !ds.waitsForGroup(d) && applies(d.kind, a) && !protectedFrom(d.before, &a.Settings) {
		return a.Seats
	}
	return d.after.Seats
}

// settle sets the assignment and the settings of a draft.
func (ds *drafts) settle(d *draft, refused []refusedSeat) {
	a := ds.r.rules.At(d.position)
	if a == nil { // a leaver
		return
	}
	if ds.waitsForGroup(d) {
		if d.joins() || d.kind == KindReactivate {
			d.because(because(CodeWaitForGroup))
		}
		d.after.AssignmentID = ""
		ds.dropRefused(d, &d.after.Settings, refused)
		return
	}
	moved := d.after.AssignmentID != a.ID
	if moved || d.joins() || d.kind == KindReactivate {
		code := CodeAssignmentMatch
		if int(d.position) == len(ds.r.rules.Assignments) {
			code = CodeAssignmentElse
		}
		d.because(ds.reader.because(code, "assignment", cmp.Or(a.Name, a.ID)))
	}
	former := ds.r.rules.At(ds.r.rules.Position(d.after.AssignmentID))
	d.after.AssignmentID = a.ID
	if !applies(d.kind, a) {
		ds.keepSettings(d, a, moved, refused)
		return
	}
	want := ds.settingsOf(a, d.position)
	ds.dropRefused(d, &want, refused)
	if !d.withheld && protectedFrom(d.before, &a.Settings) {
		ds.withholdSettings(d, want)
		return
	}
	if d.after.Settings.Equal(&want) {
		return
	}
	for _, seat := range ds.r.cfg.Seats.Missing(&want) {
		ds.problem(d, because(Code(CodeFamilySeatMissing+seat)))
	}
	if d.before != nil {
		ds.explainSettings(d, &want, former)
	}
	d.setSettings(want, a.Mode)
}

// settingsOf returns the settings of the assignment at a position. People with the
// same settings share them; nothing is shared with the config.
func (ds *drafts) settingsOf(a *assignment.Assignment, position int32) assignment.Settings {
	settings, known := ds.settings[position]
	if !known {
		settings = a.Settings.Clone()
		ds.settings[position] = settings
	}
	return settings
}

// dropRefused removes the refused seats from the settings.
func (ds *drafts) dropRefused(d *draft, settings *assignment.Settings, refused []refusedSeat) {
	for _, r := range refused {
		ds.problem(d, r.reason)
		settings.Seats = set.Without(settings.Seats, []string{r.seat})
	}
}

// protectedFrom reports whether an active member keeps all settings because the
// host protects the member and the assignment would take some away (S16).
func protectedFrom(m *Member, want *assignment.Settings) bool {
	if m == nil || !m.Active || !m.Protected {
		return false
	}
	settings := m.Settings.Clone()
	settings.Normalize()
	return settings.Loses(want)
}

// setSettings sets the settings of a draft and their owner: in automatic mode the
// source, in manual mode nobody, so that anybody may edit them.
func (d *draft) setSettings(want assignment.Settings, mode assignment.Mode) {
	d.after.Settings = want
	owner := OwnerNobody
	if mode == assignment.Automatic {
		owner = OwnerSource
	}
	for f := range settingFields.all() {
		d.after.Owners = d.after.Owners.with(f, owner)
	}
}

// explainSettings adds the reasons why a member's settings change, and reports each
// hand edit that is lost (S18).
func (ds *drafts) explainSettings(d *draft, want *assignment.Settings, former *assignment.Assignment) {
	owners := d.before.Owners
	if owners != (Owners{}) && owners.source&settingFields == 0 || former != nil && former.Mode == assignment.Manual {
		d.because(because(CodeSwitched))
	} else {
		d.because(because(CodeFollows))
	}
	target := Member{Settings: *want}
	for f := range settingFields.all() {
		if spec := &fieldTable[f]; owners.at(f) == OwnerHand && !spec.value.equal(&d.after, &target) {
			d.because(because(CodeOverwrites, "field", spec.name.String()))
		}
	}
}

// keepSettings keeps the settings under a manual assignment, except for capture: it
// was switched off with the access, and stays off (S19).
func (ds *drafts) keepSettings(d *draft, a *assignment.Assignment, moved bool, refused []refusedSeat) {
	if moved || d.kind == KindAdopt || d.kind == KindClaim {
		d.because(ds.reader.because(CodeManualKeeps, "assignment", cmp.Or(a.Name, a.ID)))
	}
	ds.dropRefused(d, &d.after.Settings, refused)
	if !d.before.Active {
		d.after.Capture = nil
		ds.problem(d, because(CodeCaptureLeftOff))
	}
}

// withholdSettings keeps a protected member's settings and shows as held how they
// would have changed (S16).
func (ds *drafts) withholdSettings(d *draft, want assignment.Settings) {
	wish := &draft{person: d.person, kind: KindUpdate, before: d.before, after: d.before.Clone(), user: d.user, position: d.position}
	wish.setSettings(want, assignment.Automatic)
	wish.because(because(CodeFollows))
	ds.withhold(wish, because(CodeProtected))
}
