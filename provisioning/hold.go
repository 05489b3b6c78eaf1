package provisioning

import (
	"slices"

	"github.com/usher-go/usher/sources"
)

// classes is a set of breaker classes.
type classes uint8

func (s classes) has(c Class) bool { return s&(1<<c) != 0 }

func (s classes) list() []Class {
	var list []Class
	for c := ClassDeactivate; c < classCount; c++ {
		if s.has(c) {
			list = append(list, c)
		}
	}
	return list
}

// classes returns the classes into which a draft falls (S14). They are about
// people who have something to lose, and so about members that were active; a
// create is a class of its own.
func (d *draft) classes() classes {
	if d.kind == KindCreate {
		return 1 << ClassCreate
	}
	if !d.before.Active || !d.before.Managed || d.before.Protected {
		return 0
	}
	if d.kind == KindDeactivate {
		return 1 << ClassDeactivate
	}
	var s classes
	before := d.before.Settings.Clone()
	before.Normalize()
	if before.Loses(&d.after.Settings) {
		s |= 1 << ClassDowngrade
	}
	if !sameAddress(d.before.Email, d.after.Email) {
		s |= 1 << ClassRewriteIdentity
	}
	if d.before.ManagerID != d.after.ManagerID {
		s |= 1 << ClassReparent
	}
	return s
}

// waiting is what earlier passes of a run found to wait for an approval. The
// zero waiting is that of the first pass.
type waiting struct {
	frozen  map[int32]bool     // persons about whom nothing is done now
	seats   map[int32][]string // by frozen person: the seats they are to have
	tripped classes
	counts  [classCount]int // frozen persons, by class
	held    []waitingAction
}

// A waitingAction is what a frozen person waits with, and the classes of all
// actions that commit together with it.
type waitingAction struct {
	action  Action
	classes classes
}

// trip freezes everybody of the first class that is past its limit, and
// whoever commits with them. It reports whether that is anybody more than
// before: then the others have to be decided again around them. The classes
// that take away come first, so that nobody waits with a seat or a manager that
// only the approval of another class would set free.
func (p *pass) trip() bool {
	counts := p.counts
	for _, d := range p.drafts {
		for _, c := range d.classes().list() {
			counts[c]++
		}
	}
	limits, minPopulation := p.cfg.Breakers.limits()
	for c := ClassDeactivate; c < classCount; c++ {
		if c == ClassDeactivate && counts[c] > 0 && p.deserted || limits[c].trips(counts[c], p.population, minPopulation) {
			p.tripped |= 1 << c
		}
		if p.tripped.has(c) && p.freeze(c) {
			return true
		}
	}
	return false
}

// freeze lets everybody of a class wait, and whoever commits with them. It
// reports whether there is anybody.
func (p *pass) freeze(c Class) bool {
	var stopped []*draft
	groups := p.groups()
	for _, d := range p.drafts {
		if !d.classes().has(c) {
			continue
		}
		for _, person := range groups.of(d.person) {
			if at := p.draftOf[person]; at != none && !p.frozen[person] {
				stopped = append(stopped, p.drafts[at])
				p.stop(p.drafts[at])
			}
		}
	}
	held := make([]waitingAction, len(stopped))
	actions := make([]*Action, len(stopped))
	for i, d := range stopped {
		held[i].action = d.action()
		for _, person := range groups.of(d.person) {
			if at := p.draftOf[person]; at != none {
				held[i].classes |= p.drafts[at].classes()
			}
		}
		actions[i] = &held[i].action
	}
	groups.mark(p, actions)
	p.held = append(p.held, held...)
	return len(stopped) > 0
}

// stop freezes a draft's person, and the newcomer who would become that person.
func (p *pass) stop(d *draft) {
	if p.frozen == nil {
		p.frozen, p.seats = make(map[int32]bool), make(map[int32][]string)
	}
	p.frozen[d.person], p.seats[d.person] = true, d.after.Seats
	if d.joins() {
		p.frozen[d.claim.person] = true
	}
	for _, c := range d.classes().list() {
		p.counts[c]++
	}
}

// waits returns the actions that wait for an approval, each with its classes.
func (p *pass) waits() []Held {
	p.needManagers()
	var held []Held
	for _, w := range p.held {
		h := Held{Action: w.action, Classes: (w.classes & p.tripped).list()}
		for _, c := range h.Classes {
			h.Reasons = append(h.Reasons, p.reasonOf(c))
		}
		held = append(held, h)
	}
	return held
}

// needManagers lets whoever is to come under a newcomer who waits need the
// same approvals, and whoever commits with them: nobody is put under a manager
// who has not come in.
func (p *pass) needManagers() {
	created, together := make(map[string]classes), make(map[string]classes)
	for again := true; again; {
		again = false
		for i := range p.held {
			w := &p.held[i]
			needed := w.classes | created[w.action.Member.ManagerID] | together[w.action.With]
			again = again || needed != w.classes
			w.classes = needed
			if w.action.Kind == KindCreate && created[w.action.Member.ID] != needed {
				created[w.action.Member.ID], again = needed, true
			}
			if w.action.With != "" && together[w.action.With] != needed {
				together[w.action.With], again = needed, true
			}
		}
	}
}

// breakers returns the classes that tripped.
func (p *pass) breakers() []Breaker {
	var trips []Breaker
	limits, _ := p.cfg.Breakers.limits()
	for _, c := range p.tripped.list() {
		trips = append(trips, Breaker{Class: c, Count: p.counts[c], Population: p.population, Limit: limits[c], Reason: p.reasonOf(c)})
	}
	return trips
}

// reasonOf says why a class waits: too many people, or nobody in the snapshot
// (S13).
func (p *pass) reasonOf(c Class) Reason {
	code := Code(codeBreakerPrefix + c.String())
	if c == ClassDeactivate && p.deserted {
		return because(code, "snapshot", "has nobody in it")
	}
	return because(code)
}

// count counts the managed active members of the connection, without the
// protected ones and those whom an option keeps (S14), and sees whether the
// snapshot has nobody in it though there are such members (S13).
func (w *work) count() {
	for i := range w.members {
		m := &w.members[i]
		if m.Active && !m.Protected && w.isLinked(m) && !w.optioned[int32(i)] {
			w.population++
		}
	}
	w.deserted = w.population > 0 && !slices.ContainsFunc(w.users, func(u sources.User) bool { return u.ID != "" })
}
