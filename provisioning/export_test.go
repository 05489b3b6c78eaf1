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
	w.count()
	clear(w.quiet)
	return w.decideAround().plan()
}
