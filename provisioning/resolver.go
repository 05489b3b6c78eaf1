package provisioning

import (
	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/sources"
)

// A Resolver decides, under one config, what has to change. It is pure: it
// does no I/O, reads no clock, logs nothing, and changes none of its input. It
// is safe for concurrent use.
type Resolver struct {
	cfg      Config
	rules    assignment.Rules
	domains  map[string]bool // those whose addresses are kept as they are
	primary  string
	missing  [][]string // seats that each assignment's settings lack, by position
	problems []Problem
}

// New returns a resolver for the config. The only error is an invalid config:
// a *ConfigError with everything that is wrong with it.
func New(cfg Config) (*Resolver, error) {
	problems := cfg.Validate()
	if err := configError(problems); err != nil {
		return nil, err
	}
	cfg.Source = sourceKind(cfg.Source)
	if cfg.Connection == "" {
		cfg.Connection = cfg.Source
	}
	if cfg.Locale.Locale == "" {
		cfg.Locale.Locale = DefaultLocale
	}
	r := &Resolver{cfg: cfg, rules: cfg.rules(), domains: make(map[string]bool), problems: problems}
	r.primary, _ = parseDomain(cfg.Domains.Primary)
	r.domains[r.primary] = true
	for _, list := range []DomainList{cfg.Domains.Company, cfg.Domains.Additional} {
		for _, text := range list {
			domain, _ := parseDomain(text)
			r.domains[domain] = true
		}
	}
	for position := range int32(len(r.rules.Assignments) + 1) {
		var missing []string
		if a := r.rules.At(position); a != nil {
			missing = cfg.Seats.Missing(&a.Settings)
		}
		r.missing = append(r.missing, missing)
	}
	return r, nil
}

// Config returns the config in force, with its defaults filled in.
func (r *Resolver) Config() Config { return r.cfg }

// Warnings returns what is unwise in the config.
func (r *Resolver) Warnings() []Problem { return r.problems }

// Queries returns the queries whose answers a snapshot has to carry; pass them
// to sources.Collect.
func (r *Resolver) Queries() []string { return r.rules.Queries() }

// isLinked reports whether m is a managed member of the config's connection.
func (r *Resolver) isLinked(m *Member) bool {
	return m.Managed && m.ExternalID != "" && m.Connection == r.cfg.Connection
}

// Input is what a decision is made from.
type Input struct {
	// Snapshot is the directory. Its Proven facts say what absence means; nil
	// is an empty snapshot that proves nothing.
	Snapshot *sources.Snapshot
	// Members is the whole team: hand-made members, and those of other
	// connections, included.
	Members []Member
}

// Resolve returns the plan. Problems with people are findings in it, never
// errors. The order of users, groups and members does not matter, and the same
// input gives the same bytes (L1).
func (r *Resolver) Resolve(in Input) *Plan {
	w := newWork(r, in)
	if w.foreign() {
		return w.emptyPlan()
	}
	w.survey()
	return w.decideAround().plan()
}

// decideAround makes passes until nobody more has to wait: whoever waits for
// an approval keeps address, seats and manager for now, so that the others
// have to be decided again around them.
func (w *work) decideAround() *pass {
	p := w.decide(new(waiting))
	for p.trip() {
		p = w.decide(p.waiting)
	}
	return p
}
