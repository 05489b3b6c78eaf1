package provisioning

import (
	"maps"
	"slices"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/sources"
)

// A Resolver decides, under one config, what has to change. It is pure: it
// does no I/O, reads no clock, logs nothing, and changes none of its input. It
// is safe for concurrent use.
type Resolver struct {
	cfg        Config
	traits     traits
	rules      assignment.Rules
	domains    map[string]bool // those whose addresses are kept as they are
	primary    string
	attributes []string // names of cfg.Attributes, sorted
	problems   []Problem
	retires    bool // nobody of the connection stays; see Retire
}

// New returns a resolver for the config. The only error is an invalid config:
// a *ConfigError with everything that is wrong with it.
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
	if cfg.Locale.Locale == "" {
		cfg.Locale.Locale = DefaultLocale
	}
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

// Queries returns the queries whose answers a snapshot has to carry; pass them
// to sources.Collect.
func (r *Resolver) Queries() []string { return r.rules.Queries() }

// isLinked reports whether m is a managed member of the config's connection.
func (r *Resolver) isLinked(m *Member) bool {
	return m.Managed && m.ExternalID != "" && m.Connection == r.cfg.Connection
}

// Input is what a decision is made from.
type Input struct {
	// Tenant is the host's customer. The plan names it, and is applied to no
	// other.
	Tenant string
	// Snapshot is the directory. Its Proven facts say what absence means; nil
	// is an empty snapshot that proves nothing.
	Snapshot *sources.Snapshot
	// Members is the whole team: hand-made members, and those of other
	// connections, included.
	Members []Member
	// About holds the external IDs of the people to decide about. Nil:
	// everybody. With About, Snapshot and Members are a part of the world, as
	// Resolver.Gather collects it: the others in them are context, which holds
	// addresses, seats and places in the chart and is not changed.
	About []string
	// Facts are about those who are in neither Snapshot nor Members. Nil:
	// there are none.
	Facts *Facts
}

// Facts are about the people of a tenant who are not in an Input.
type Facts struct {
	// Population is how many managed active members of the connection there
	// are, without the protected ones (S14).
	Population int
	// Seats counts, by seat, the active members who hold it.
	Seats map[string]int
	// Roles counts the active members who have each role (S43).
	Roles map[Role]int
	// Users is true if the directory has users.
	Users bool
	// Recent is what was done in the window over which breakers count, and what
	// is pending since.
	Recent Recent
}

// Resolve returns the plan. Problems with people are findings in it, never
// errors. The order of users, groups and members does not matter, and the same
// input gives the same bytes (L1).
func (r *Resolver) Resolve(in Input) *Plan { return r.resolve(in, true) }

// resolve goes through the stages in their order. Whoever waits for an approval
// keeps address, seats and manager for now, so that the others are decided
// again around them, until no further breaker trips.
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
