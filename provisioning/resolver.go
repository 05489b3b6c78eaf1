package provisioning

import (
	"cmp"
	"maps"
	"slices"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/sources"
)

// A Resolver decides what has to change under one config. It is pure: it does no
// I/O, reads no clock, logs nothing, and does not change its input. It is safe for
// concurrent use.
type Resolver struct {
	cfg        Config
	traits     traits
	rules      assignment.Rules
	domains    map[string]bool // domains whose addresses are kept as they are
	primary    string
	attributes []string // names of cfg.Attributes, sorted
	problems   []Problem
	retires    bool // the connection is given up; see Retire
}

// New returns a resolver for the config. The error is a *ConfigError with all
// problems of an invalid config.
func New(cfg Config) (*Resolver, error) {
	problems := cfg.Validate()
	if err := configError(problems); err != nil {
		return nil, err
	}
	cfg = cfg.clone()
	kind, _ := sources.KindOf(cfg.Source)
	cfg.Source = kind.Word
	if cfg.Connection == "" {
		cfg.Connection = cfg.Source
	}
	cfg.Locale.Locale = cmp.Or(newReader(nil).spelling(cfg.Locale.Locale), DefaultLocale)
	r := &Resolver{
		cfg: cfg, traits: traitsOf(cfg.Source), rules: cfg.rules(), domains: make(map[string]bool), problems: problems,
		attributes: slices.Sorted(maps.Keys(cfg.Attributes)),
	}
	r.primary, _ = address.Domain(cfg.Domains.Primary)
	r.domains[r.primary] = true
	for _, list := range []DomainList{cfg.Domains.Company, cfg.Domains.Additional} {
		for _, name := range list {
			domain, _ := address.Domain(name)
			r.domains[domain] = true
		}
	}
	return r, nil
}

// Config returns the config in force, with its defaults filled in.
func (r *Resolver) Config() Config { return r.cfg.clone() }

// Warnings returns what is unwise in the config.
func (r *Resolver) Warnings() []Problem { return slices.Clone(r.problems) }

// Queries returns the queries that a snapshot has to answer. Pass them to
// sources.Collect.
func (r *Resolver) Queries() []string { return r.rules.Queries() }

// isLimited reports whether a seat is of a limited pool (S20).
func (r *Resolver) isLimited(seat string) bool {
	_, limited := r.cfg.Seats.Pools[seat]
	return limited
}

// isLinked reports whether m is a managed member of the config's connection.
func (r *Resolver) isLinked(m *Member) bool {
	return m.Managed && m.ExternalID != "" && m.Connection == r.cfg.Connection
}

// Input is the input of a decision.
type Input struct {
	// Tenant is the tenant of the host. The plan carries it and cannot be applied
	// to another.
	Tenant string
	// Snapshot is the directory. Its Proven facts say what an absence means. Nil
	// means an empty snapshot that proves nothing.
	Snapshot *sources.Snapshot
	// Members is the whole team, including hand-made members and members of other
	// connections.
	Members []Member
	// About has the external IDs of the people to decide about. Nil means
	// everybody. If it is set, Snapshot and Members are a part of the world that
	// Resolver.Gather collected: the others in them are context. Their addresses,
	// seats and places in the chart count, and they are not changed.
	About []string
	// Facts are about the people who are in neither Snapshot nor Members. Nil means
	// that there are no others.
	Facts *Facts
}

// Facts are about the people of a tenant who are not in an Input.
type Facts struct {
	// Population is the number of managed active members of the connection, without
	// the protected ones (S14).
	Population int
	// Seats counts for each seat the active members who hold it.
	Seats map[string]int
	// Roles counts the active members who have each role (S43).
	Roles map[Role]int
	// Users says that the directory has other users.
	Users bool
	// Recent is what was done in the window over which breakers count, and what
	// waits since then.
	Recent Recent
}

// Resolve returns the plan. Problems with people are findings in the plan, never
// errors. The result does not depend on the order of users, groups and members, and
// equal inputs give equal bytes (L1).
func (r *Resolver) Resolve(in Input) *Plan { return r.resolve(in, true) }

// resolve runs the stages in their order. People who wait for an approval keep
// their address, seats and manager for now; so the others are decided again without
// them, until no further breaker trips.
func (r *Resolver) resolve(in Input, shortcut bool) *Plan {
	survey := newSurvey(r, in)
	if survey.otherDirectory() {
		return survey.emptyPlan()
	}
	survey.look()
	standing := newStanding(survey, shortcut)
	for holds := new(holds); ; {
		drafts := newDrafts(newAddresses(standing, holds))
		drafts.setSettings()
		chart := newChart(drafts)
		if !chart.keep() && !chart.trip() {
			return chart.plan()
		}
	}
}
