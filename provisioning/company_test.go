package provisioning_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/provtest"
	"github.com/usher-go/usher/sources"
)

// drawCompany draws a valid config, and a company for it.
func drawCompany(t *rapid.T) (provisioning.Config, provisioning.Input) {
	g := &rules{Rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "rules"), 7))}
	g.draw(t)
	r, err := provisioning.New(g.cfg)
	require.NoError(t, err)
	in := provtest.Draw(t, r)
	if g.often(15) { // the company gave up the domain that most people have (S7)
		g.cfg.Domains.Primary = "new.example"
	}
	return g.cfg, in
}

// rules is a config that is being drawn. rapid draws its options, which it can
// shrink; the rest follows from the seed.
type rules struct {
	*rand.Rand
	cfg provisioning.Config
}

// one returns one of several values at random.
func one[T any](g *rules, values ...T) T { return values[g.IntN(len(values))] }

// often returns true n times out of a hundred.
func (g *rules) often(n int) bool { return g.IntN(100) < n }

func (g *rules) some(names ...string) []string {
	var some []string
	for _, name := range names {
		if g.often(50) {
			some = append(some, name)
		}
	}
	return some
}

// draw draws the config.
func (g *rules) draw(t *rapid.T) {
	c := &g.cfg
	c.Source = rapid.SampledFrom([]string{"okta", "entra", "salesforce"}).Draw(t, "source")
	c.Connection = c.Source + "-1"
	c.Revision = "7"
	c.Domains.Primary = "acme.com"
	if g.often(50) {
		c.Domains.Company = provisioning.DomainList{"acme.co.uk"}
	}
	if c.Source == "salesforce" {
		c.Domains.Convert = rapid.Bool().Draw(t, "convert")
		if g.often(50) {
			c.Domains.Additional = provisioning.DomainList{"partner.example"}
		}
	}
	query := c.Source == "salesforce" && g.often(60)
	for i := range rapid.IntRange(0, 4).Draw(t, "assignments") {
		a := assignment.Assignment{ID: fmt.Sprintf("a%d", i), Name: fmt.Sprintf("Assignment %d", i), Settings: g.assigned()}
		a.Mode = one(g, assignment.Manual, assignment.Automatic)
		switch {
		case query:
			a.Match.Query = fmt.Sprintf("Department = 'D%d'", i)
		case g.often(20):
			a.Match.Attributes = map[string]sources.Values{"department": {"D1", "D2"}}
		case g.often(10):
			a.Match.All = true
		default:
			a.Match.Groups = []string{fmt.Sprintf("g%d", g.IntN(5)), fmt.Sprintf("g%d", 5+g.IntN(2))}
		}
		c.Assignments = append(c.Assignments, a)
	}
	if g.often(50) && !query {
		c.Default = &assignment.Assignment{ID: "rest", Mode: one(g, assignment.Manual, assignment.Automatic), Settings: g.assigned()}
	}
	c.Hierarchy.Ignore = g.often(15)
	c.KeepActive.Deactivated, c.KeepActive.Unmatched = g.often(10), g.often(10)
	c.Managers.Notify = g.often(80)
	c.Locale.TimeZone = "Europe/Paris"
	if g.often(50) {
		c.Attributes = map[string]string{"team": "department", "floor": "floor"}
	}
	if g.often(50) {
		c.Seats.Requires = map[string][]string{"capture.recording": {"core"}, "profile": {"plus"}}
	}
	if rapid.Bool().Draw(t, "pools") {
		c.Seats.Pools = map[string]int{"core": g.IntN(50), "plus": g.IntN(10)}
	}
	if rapid.Bool().Draw(t, "migrates") {
		c.MigrateFrom = "other"
	}
	if rapid.Bool().Draw(t, "keep") {
		for _, profile := range g.some("guest", "standard") {
			c.Keep = append(c.Keep, provisioning.Keep{Role: provisioning.Role{Workspace: "ws1", Profile: profile}, AtLeast: g.IntN(20)})
		}
	}
	switch rapid.SampledFrom([]string{"default", "never", "tight"}).Draw(t, "breakers") {
	case "never":
		c.Breakers = noBreakers()
	case "tight":
		limit := func() *provisioning.Limit {
			if g.often(30) {
				return nil
			}
			n := g.IntN(4)
			return &provisioning.Limit{Count: &n}
		}
		zero := 0
		c.Breakers = provisioning.Breakers{Deactivate: limit(), Downgrade: limit(), RewriteIdentity: limit(), Reparent: limit(), Create: limit(), Adopt: limit(), Reactivate: limit(), Grant: limit(), MinPopulation: &zero}
	}
}

// noBreakers are limits that never trip.
func noBreakers() provisioning.Breakers {
	return provisioning.Breakers{Deactivate: new(provisioning.Limit), Downgrade: new(provisioning.Limit),
		RewriteIdentity: new(provisioning.Limit), Reparent: new(provisioning.Limit), Create: new(provisioning.Limit),
		Adopt: new(provisioning.Limit), Reactivate: new(provisioning.Limit), Grant: new(provisioning.Limit)}
}

// assigned returns settings as an assignment gives them.
func (g *rules) assigned() assignment.Settings {
	s := assignment.Settings{Seats: g.some("coach", "core", "plus"), Capture: g.some("email-import", "recording")}
	if g.often(60) {
		s.Profiles = map[string]string{"ws1": one(g, "guest", "standard")}
		s.Home = "ws1"
	}
	if g.often(20) {
		s.Extra = map[string]any{"limit": float64(g.IntN(2)), "export": g.often(50)}
	}
	return s
}
