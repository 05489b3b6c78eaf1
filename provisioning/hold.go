package provisioning

// classes is a set of breaker classes.
type classes uint8

func (s classes) has(c Class) bool { return s&(1<<c) != 0 }

func (s classes) list() []Class {
	var list []Class
	for c := range classCount {
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

// breakers counts each class, and returns those that trip and the persons who
// have to wait for them: those of the class, and whoever commits with them.
func (p *pass) breakers() (trips []Breaker, frozen map[int32]bool) {
	var counts [classCount]int
	for _, d := range p.drafts {
		for _, c := range d.classes().list() {
			counts[c]++
		}
	}
	population, empty := p.population()
	limits, minPopulation := p.cfg.Breakers.limits()
	var tripped classes
	for c := range classCount {
		b := Breaker{Class: c, Count: counts[c], Population: population, Limit: limits[c]}
		switch {
		case c == ClassDeactivate && counts[c] > 0 && empty:
			b.Reason = because(Code(codeBreakerPrefix+c.String()), "snapshot", "has nobody in it")
		case limits[c].trips(counts[c], population, minPopulation):
			b.Reason = because(Code(codeBreakerPrefix + c.String()))
		default:
			continue
		}
		tripped |= 1 << c
		trips = append(trips, b)
	}
	if tripped == 0 {
		return nil, nil
	}
	frozen = make(map[int32]bool)
	groups := p.groups()
	for _, d := range p.drafts {
		if d.classes()&tripped == 0 {
			continue
		}
		for _, person := range groups.of(d.person) {
			frozen[person] = true
		}
		if d.joins() {
			frozen[d.claim.person] = true // the newcomer who would become this member
		}
	}
	return trips, frozen
}

// population counts the managed active members of the connection, without the
// protected ones and those whom an option keeps (S14), and reports whether the
// snapshot is complete and has nobody in it though there are such members
// (S13).
func (p *pass) population() (n int, empty bool) {
	for i := range p.members {
		m := &p.members[i]
		if m.Active && !m.Protected && p.isLinked(m) && !p.optioned[int32(i)] {
			n++
		}
	}
	return n, n > 0 && len(p.users) == 0
}

// held returns what the frozen persons wait with.
func (p *pass) held(frozen map[int32]bool, trips []Breaker) []Held {
	var tripped classes
	reasons := make(map[Class]Reason)
	for _, b := range trips {
		tripped |= 1 << b.Class
		reasons[b.Class] = b.Reason
	}
	groups := p.groups()
	var held []Held
	for _, d := range p.drafts {
		if !frozen[d.person] {
			continue
		}
		var mine classes
		for _, person := range groups.of(d.person) {
			if at := p.draftOf[person]; at != none {
				mine |= p.drafts[at].classes() & tripped
			}
		}
		h := Held{Action: d.action(), Classes: mine.list()}
		if len(h.Action.Changes) == 0 {
			continue
		}
		for _, c := range h.Classes {
			h.Reasons = append(h.Reasons, reasons[c])
		}
		held = append(held, h)
	}
	actions := make([]*Action, len(held))
	for i := range held {
		actions[i] = &held[i].Action
	}
	groups.mark(p, actions)
	return held
}
