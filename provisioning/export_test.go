package provisioning

// ResolveWithoutShortcut resolves as Resolve does, but decides about everybody
// in full, also about those of whom a glance says that nothing changes.
func (r *Resolver) ResolveWithoutShortcut(in Input) *Plan {
	w := newWork(r, in)
	if w.foreign() {
		return w.emptyPlan()
	}
	w.index()
	w.link()
	w.judge()
	clear(w.quiet)
	p := w.decide(new(waiting))
	for p.trip() {
		p = w.decide(p.waiting)
	}
	return p.plan()
}
