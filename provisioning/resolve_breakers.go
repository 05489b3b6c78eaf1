package provisioning

import (
	"iter"
	"slices"

	"github.com/usher-go/usher/internal/address"
)

// holds are the people whom earlier passes of a run stopped because they have to
// wait. The zero holds are those of the first pass.
type holds struct {
	frozen  map[int32]bool     // persons for whom nothing is done for now
	claimed map[int32]bool     // leavers whose record a person with another name may get
	seats   map[int32][]string // by frozen person: the seats that they are to have
	tripped classes
	kept    map[Role]bool   // roles of which too few would be left (S43)
	counts  [classCount]int // number of frozen persons by class
	held    []heldAction
}

// A heldAction is the action with which a frozen person waits, and the classes of
// all actions that commit together with it.
type heldAction struct {
	action  Action
	draft   *draft
	classes classes
}

// classes is a set of breaker classes and of classKeep.
type classes uint16

// classKeep, among the classes of a waiting person, means that no approval releases
// them, because too few would be left with a role (S43).
const classKeep = classCount

func (s classes) has(c Class) bool { return s&(1<<c) != 0 }

func (s classes) list() []Class {
	var list []Class
	for c := Class(1); c < classCount; c++ {
		if s.has(c) {
			list = append(list, c)
		}
	}
	return list
}

// classes returns the classes of a draft (S14). The draft of a protected member has
// none, since it does not contain what a plan could take from the member (S16).
func (d *draft) classes() classes {
	var s classes
	if d.kind == KindCreate {
		return 1 << ClassCreate
	}
	if d.recycled {
		s |= 1 << ClassIdentity
	}
	before := d.before.Settings.Clone()
	before.Normalize()
	loses, gains := before.Loses(&d.after.Settings), d.after.Loses(&before)
	switch {
	case d.before.Protected:
		return s
	case d.kind == KindAdopt || d.kind == KindClaim:
		s |= 1 << ClassAdopt
		if d.before.Active && loses {
			s |= 1 << ClassDowngrade
		}
		return s
	case !d.before.Active:
		return s | 1<<ClassReactivate
	case d.kind == KindDeactivate:
		return s | 1<<ClassDeactivate
	}
	if loses {
		s |= 1 << ClassDowngrade
	}
	if gains {
		s |= 1 << ClassGrant
	}
	if !address.Same(d.before.Email, d.after.Email) {
		s |= 1 << ClassRewriteIdentity
	}
	if d.before.ManagerID != d.after.ManagerID {
		s |= 1 << ClassReparent
	}
	return s
}

// trip freezes the people of classes that are over their limits, and the people
// whose actions must commit with theirs. It reports whether it froze anybody new;
// then the others have to be decided again. It first freezes people who give
// something back that somebody else gets, so that nobody waits with a seat or a
// manager that only the approval of another class would release.
func (c *chart) trip() bool {
	h := c.holds
	counts := h.counts
	drafted := make([]classes, len(c.list))
	for i, d := range c.list {
		drafted[i] = d.classes()
		for _, class := range drafted[i].list() {
			counts[class]++
		}
	}
	for class := Class(1); class < classCount; class++ {
		if counts[class] == 0 { // earlier changes alone hold nothing
			continue
		}
		counts[class] += c.others.Recent.Done[class]
		if class == ClassDeactivate && c.deserted || slices.Contains(c.others.Recent.Tripped, class) || c.exceeds(class, counts[class]) {
			h.tripped |= 1 << class
		}
	}
	groups := c.groups()
	stop := func(is func(i int, d *draft) bool) bool {
		var stopped []*draft
		done := make(map[int32]bool) // groups that were handled, by representative
		for i, d := range c.list {
			if group := groups.root(d.person); drafted[i]&h.tripped != 0 && !done[group] && is(i, d) {
				done[group] = true
				stopped = append(stopped, c.freeze(groups.of(d.person))...)
			}
		}
		for _, d := range stopped {
			for _, class := range d.classes().list() {
				h.counts[class]++
			}
		}
		c.hold(stopped, groups)
		return len(stopped) > 0
	}
	if stop(func(_ int, d *draft) bool { return c.givesSeatBack(d) }) {
		return true
	}
	for class := Class(1); class < classCount; class++ {
		if stop(func(i int, _ *draft) bool { return h.tripped.has(class) && drafted[i].has(class) }) {
			return true
		}
	}
	return false
}

// limit returns the limit in force for a class (S14).
func (c *chart) limit(class Class) Limit {
	limits, minPopulation := c.r.cfg.Breakers.limits()
	return limits[class].at(c.population, minPopulation)
}

// exceeds reports whether so many people are over the limit of a class.
func (c *chart) exceeds(class Class, count int) bool {
	return c.limit(class).trips(count, c.population)
}

// givesSeatBack reports whether a draft gives back a seat of a limited pool.
func (c *chart) givesSeatBack(d *draft) bool {
	return slices.ContainsFunc(d.releasedSeats(), c.r.isLimited)
}

// freeze stops the drafts of the persons that are not stopped yet, and returns
// these drafts.
func (c *chart) freeze(persons []int32) []*draft {
	h := c.holds
	if h.frozen == nil {
		h.frozen, h.claimed, h.seats = make(map[int32]bool), make(map[int32]bool), make(map[int32][]string)
	}
	var stopped []*draft
	for _, person := range persons {
		at := c.draftOf[person]
		if at == none {
			continue
		}
		d := c.list[at]
		frozen := d.person
		if d.joins() {
			frozen = d.claim.person
			if leaves := d.recycled && c.fates[d.person] == fateLeave; leaves {
				h.claimed[d.person] = true
			} else if d.before != nil {
				h.frozen[d.person] = true
			}
		}
		if h.frozen[frozen] {
			continue
		}
		h.frozen[frozen] = true
		h.seats[frozen] = d.after.Seats
		if h.frozen[d.person] {
			h.seats[d.person] = d.after.Seats
		}
		stopped = append(stopped, d)
	}
	return stopped
}

// hold records the actions with which the stopped people wait.
func (c *chart) hold(stopped []*draft, groups groups) {
	held := make([]heldAction, len(stopped))
	actions := make([]*Action, len(stopped))
	shared := make(map[int32]classes) // by representative of the group: the classes of all its actions
	for i, d := range stopped {
		group := groups.root(d.person)
		if _, known := shared[group]; !known {
			for _, person := range groups.of(d.person) {
				if at := c.draftOf[person]; at != none {
					shared[group] |= c.list[at].classes()
				}
			}
		}
		held[i] = heldAction{action: c.action(d), draft: d, classes: shared[group]}
		actions[i] = &held[i].action
	}
	groups.mark(c, actions)
	c.holds.held = append(c.holds.held, held...)
}

// pending yields the actions that wait for an approval.
func (h *holds) pending() iter.Seq[*heldAction] {
	return func(yield func(*heldAction) bool) {
		for i := range h.held {
			if w := &h.held[i]; !w.classes.has(classKeep) && !yield(w) {
				return
			}
		}
	}
}

// isPending reports whether any action waits for an approval.
func (h *holds) isPending() bool {
	for range h.pending() {
		return true
	}
	return false
}

// waits returns the actions that wait for an approval, with their classes.
func (c *chart) waits() []Held {
	h := c.holds
	h.shareClasses()
	var held []Held
	for _, w := range h.held {
		if w.classes.has(classKeep) {
			reasons := c.keptRoles(w.draft)
			if reasons == nil {
				reasons = []Reason{because(CodeKeepLast, "depends_on", "somebody who has to keep a role")}
			}
			held = append(held, Held{Action: w.action, Reasons: reasons})
			continue
		}
		one := Held{Action: w.action, Classes: (w.classes & h.tripped).list()}
		for _, class := range one.Classes {
			if class == ClassIdentity && w.draft.recycled {
				one.Reasons = append(one.Reasons, because(CodeMatchRecycled, "former", w.draft.before.Name()))
			}
			one.Reasons = append(one.Reasons, c.reasonOf(class))
		}
		held = append(held, one)
	}
	return held
}

// shareClasses adds classes to waiting people: a person who is to come under a
// newcomer who waits, or to get a seat that a waiting person gives back, needs the
// same approvals, and so do the people who commit with them.
func (h *holds) shareClasses() {
	under, together, on := make(map[string][]int), make(map[string][]int), make(map[int32][]int) // positions in h.held
	for i := range h.held {
		w := &h.held[i]
		if w.action.Member.ManagerID != "" {
			under[w.action.Member.ManagerID] = append(under[w.action.Member.ManagerID], i)
		}
		if w.action.With != "" {
			together[w.action.With] = append(together[w.action.With], i)
		}
		for _, person := range w.draft.needs {
			on[person] = append(on[person], i)
		}
	}
	for class := Class(1); class <= classKeep; class++ {
		if !h.tripped.has(class) {
			continue
		}
		var queue []int
		add := func(some []int) {
			for _, i := range some {
				if !h.held[i].classes.has(class) {
					h.held[i].classes |= 1 << class
					queue = append(queue, i)
				}
			}
		}
		for i := range h.held {
			if h.held[i].classes.has(class) {
				queue = append(queue, i)
			}
		}
		shared := make(map[string]bool)
		for len(queue) > 0 {
			w := &h.held[queue[len(queue)-1]]
			queue = queue[:len(queue)-1]
			add(on[w.draft.person])
			if w.action.Kind == KindCreate {
				add(under[w.action.Member.ID])
			}
			if !shared[w.action.With] {
				shared[w.action.With] = true
				add(together[w.action.With])
			}
		}
	}
}

// breakers returns the classes that tripped, each with the hash of what it holds.
func (c *chart) breakers(plan *Plan) []Breaker {
	var trips []Breaker
	for _, class := range c.holds.tripped.list() {
		waiting := 0 // without people whom no approval releases (S16, S43)
		for i := range plan.Held {
			if h := &plan.Held[i]; slices.Contains(h.Classes, class) && slices.Contains(h.Action.Classes, class) {
				waiting++
			}
		}
		if waiting > 0 {
			trips = append(trips, Breaker{
				Class: class, Count: waiting, Recent: c.others.Recent.Done[class], Population: c.population, Limit: c.limit(class),
				Reason: c.reasonOf(class), Hash: plan.classHash(class),
			})
		}
	}
	return trips
}

// reasonOf says why a class waits: too many people, now or in an earlier decision
// (S39), an empty snapshot (S13), or a connection that is given up (A22).
func (c *chart) reasonOf(class Class) Reason {
	code := Code(CodeFamilyBreaker + class.String())
	switch {
	case class == ClassDeactivate && c.r.retires:
		return because(code, "connection", "is given up")
	case class == ClassDeactivate && c.deserted:
		return because(code, "snapshot", "has nobody in it")
	}
	if !c.exceeds(class, c.holds.counts[class]+c.others.Recent.Done[class]) {
		return because(code, "tripped", "before")
	}
	return because(code)
}
