package provisioning_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

func number(n int) *int          { return &n }
func percent(p float64) *float64 { return &p }
func paths(list []provisioning.Problem, warnings bool) []string {
	var paths []string
	for _, p := range list {
		if p.Warning == warnings {
			paths = append(paths, p.Path)
		}
	}
	return paths
}

// All problems of a config are reported at once, each with its path.
func TestConfigReportsAllProblems(t *testing.T) {
	cfg := provisioning.Config{
		Format: 2, Source: "",
		Domains: provisioning.Domains{Primary: "", Company: provisioning.DomainList{"a b", "acme.com", "ACME.com"}, Additional: provisioning.DomainList{"-x"}, Convert: true},
		Assignments: []assignment.Assignment{
			{ID: "a", Match: assignment.Match{Query: "Title != null"}},
			{ID: "a", Match: assignment.Match{All: true}, Settings: assignment.Settings{Seats: []string{""}}},
		},
		Default:    &assignment.Assignment{ID: "d", Match: assignment.Match{All: true}},
		Hierarchy:  provisioning.Hierarchy{Source: "okta", Ignore: true},
		KeepActive: provisioning.KeepActive{Unmatched: true},
		Locale:     provisioning.Locale{TimeZone: "-05:00", Locale: "?"},
		Seats:      assignment.Seats{Pools: map[string]int{"core": -1}},
		Breakers: provisioning.Breakers{
			Deactivate: &provisioning.Limit{Percent: percent(101)}, Downgrade: &provisioning.Limit{Count: number(-1)},
			Reparent: &provisioning.Limit{Percent: percent(math.NaN())}, RewriteIdentity: &provisioning.Limit{}, MinPopulation: number(-1),
		},
		Keep: []provisioning.Keep{
			{Role: provisioning.Role{Workspace: "ws1", Profile: "admin"}}, {AtLeast: -1}, {Role: provisioning.Role{Workspace: "ws1", Profile: "admin"}, AtLeast: 2},
		},
	}
	_, err := provisioning.New(cfg)
	var invalid *provisioning.ConfigError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, []string{
		"format", "source",
		"domains.primary", "domains.company[0]", "domains.additional[0]", "domains.additional", "domains.convert",
		"assignments[1].id", "assignments[1].seats[0]", "default.match", "seats.pools.core", "assignments[0].match.query",
		"hierarchy.source", "locale.timezone", "locale.locale",
		"breakers.deactivate.percent", "breakers.downgrade.count", "breakers.reparent.percent", "breakers.min_population",
		"keep[1].workspace", "keep[1].profile", "keep[1].at_least", "keep[2]",
	}, paths(invalid.Problems, false))
	assert.Equal(t, []string{"domains.company[2]", "hierarchy.ignore", "keep_active", "keep_active", "breakers.rewrite_identity"}, paths(invalid.Problems, true))
	for _, path := range paths(invalid.Problems, false) {
		require.Contains(t, err.Error(), "\n\t"+path+": ", "each on a line of its own")
	}
	require.NotContains(t, err.Error(), "hierarchy.ignore", "a warning is no error")
}

// R1, R2, C13: a config has one source, which must be known; Entra has two names.
func TestConfigSources(t *testing.T) {
	for source, want := range map[string]string{
		"okta": "okta", "entra": "entra", "azuread": "entra", "salesforce": "salesforce", "onelogin": "onelogin", "rippling": "rippling", "scim": "scim",
	} {
		r, err := provisioning.New(provisioning.Config{Source: source, Domains: provisioning.Domains{Primary: "acme.com"}})
		require.NoError(t, err, source)
		require.Equal(t, want, r.Config().Source)
		require.Equal(t, want, r.Config().Connection, "an empty connection is the source's word")
		require.Empty(t, r.Warnings())
	}
	r, err := provisioning.New(provisioning.Config{Source: "AzureAD", Domains: provisioning.Domains{Primary: "acme.com"}})
	require.NoError(t, err)
	require.Equal(t, "entra", r.Config().Source, "S33: words compare case-folded")
	_, err = provisioning.New(provisioning.Config{Domains: provisioning.Domains{Primary: "acme.com"}})
	require.ErrorContains(t, err, "source: is empty")
	for _, source := range []string{"workday", "oktaa"} { // S33: a host's own kind, or a spelling mistake
		r, err := provisioning.New(provisioning.Config{Source: source, Domains: provisioning.Domains{Primary: "acme.com"}})
		require.NoError(t, err)
		require.Equal(t, []string{"source"}, paths(r.Warnings(), true))
	}
}

// R3: seats from one source and the chart from another are refused.
func TestConfigChartIsTheSources(t *testing.T) {
	cfg := okta()
	cfg.Hierarchy.Source = "okta"
	resolver(t, cfg)
	cfg.Hierarchy.Source = "salesforce"
	_, err := provisioning.New(cfg)
	require.ErrorContains(t, err, `hierarchy.source: is "salesforce"; the org chart comes from the provisioning source, okta`)
	cfg.Source, cfg.Hierarchy.Source = "entra", "azuread"
	resolver(t, cfg)
}

// S8, R44, R45, R85, R124: some options exist for Salesforce only; two others give
// a warning for other sources. R125: keep_active always gives a warning.
func TestConfigOptionsOfSalesforce(t *testing.T) {
	cfg := provisioning.Config{Source: "salesforce", Domains: provisioning.Domains{Primary: "acme.com", Additional: provisioning.DomainList{"partner.example"}, Convert: true},
		Assignments: []assignment.Assignment{{ID: "a", Match: assignment.Match{Query: "Title != null"}}},
		Hierarchy:   provisioning.Hierarchy{Ignore: true}}
	require.Empty(t, resolver(t, cfg).Warnings())
	cfg.KeepActive.Deactivated = true
	require.Equal(t, []string{"keep_active"}, paths(resolver(t, cfg).Warnings(), true))
	cfg.Source = "okta"
	require.Equal(t, []string{"domains.additional", "domains.convert", "assignments[0].match.query"}, paths(cfg.Validate(), false))
	require.Equal(t, []string{"hierarchy.ignore", "keep_active", "keep_active"}, paths(cfg.Validate(), true))
}

// R123: the zero value of every advanced option means off, and a config with only
// the required fields is valid and has no warning.
func TestConfigZeroIsSafe(t *testing.T) {
	cfg := resolver(t, okta()).Config()
	require.Equal(t, provisioning.KeepActive{}, cfg.KeepActive)
	require.Equal(t, provisioning.Hierarchy{}, cfg.Hierarchy)
	require.Equal(t, provisioning.Managers{}, cfg.Managers)
	require.False(t, cfg.Domains.Convert)
	require.Equal(t, provisioning.DefaultLocale, cfg.Locale.Locale) // R69
}

// R69: the company's locale is carried in the one spelling, too.
func TestConfigLocaleHasOneSpelling(t *testing.T) {
	cfg := okta()
	cfg.Locale.Locale = "fr_fr"
	r := resolver(t, cfg)
	require.Equal(t, "fr-FR", r.Config().Locale.Locale)
	plan := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: allProven(activeUser("u1", "ana@acme.com"))})
	require.Equal(t, "fr-FR", plan.Actions[0].Member.Locale)
}

// R111, R112, R113: the basic track excludes assignments.
func TestConfigBasicTrack(t *testing.T) {
	cfg := okta()
	cfg.Basic = &provisioning.Basic{Profile: "rep"}
	require.Empty(t, cfg.Validate())
	cfg.Basic.Query = "Title != null"
	require.Equal(t, []string{"basic.query"}, paths(cfg.Validate(), false))
	cfg.Source, cfg.Basic.Profile, cfg.Default = "salesforce", "", &assignment.Assignment{ID: "d"}
	require.Subset(t, paths(cfg.Validate(), false), []string{"basic", "basic.profile"})
	cfg.Default, cfg.Basic.Profile = nil, "rep"
	require.Equal(t, []string{"Title != null"}, resolver(t, cfg).Queries())
}

// A default beside Salesforce queries is never used, which gives a warning (S17).
func TestConfigUnusedDefault(t *testing.T) {
	cfg := provisioning.Config{Source: "salesforce", Domains: provisioning.Domains{Primary: "acme.com"}, Default: &assignment.Assignment{ID: "d"},
		Assignments: []assignment.Assignment{{ID: "a", Match: assignment.Match{Query: "Title != null"}}}}
	require.Equal(t, []string{"default"}, paths(resolver(t, cfg).Warnings(), true))
}

// R46, C8: one domain per line, or separated by commas, or both.
func TestParseDomainList(t *testing.T) {
	want := provisioning.DomainList{"a.example", "b.example"}
	for _, text := range []string{"a.example\nb.example", "a.example,b.example", " a.example ,\n\n b.example,\r\n", "a.example\r\nb.example", ",a.example,,b.example,"} {
		require.Equal(t, want, provisioning.ParseDomainList(text), "%q", text)
	}
	require.Empty(t, provisioning.ParseDomainList(" ,\n\r\n, "))
	require.Equal(t, provisioning.DomainList{"a.example b.example"}, provisioning.ParseDomainList("a.example b.example"), "a space separates nothing; the config refuses it")

	var list provisioning.DomainList
	for _, text := range []string{`"a.example, b.example"`, `["a.example", "b.example"]`, `["a.example,b.example"]`} {
		require.NoError(t, json.Unmarshal([]byte(text), &list), text)
		require.Equal(t, want, list, text)
	}
	require.Error(t, json.Unmarshal([]byte(`7`), &list))
}

func TestParseConfig(t *testing.T) {
	cfg, err := provisioning.ParseConfig([]byte(`{"format": 1, "revision": "7", "source": "okta", "domains": {"primary": "acme.com"}}`))
	require.NoError(t, err)
	require.Equal(t, "7", cfg.Revision)
	for text, want := range map[string]string{
		`{"source": "okta", "domains": {"primary": "acme.com"}}`:                                           "format: is 0; want 1",
		`{"format": 3, "source": "", "domains": {"primary": "acme.com"}}`:                                  "source: is",
		`{"format": 1, "source": "okta", "domains": {"primary": "acme.com"}, "breaker": {}}`:               "breaker",
		`{"format": 1, "source": "okta", "domains": {"primary": "acme.com", "convertt": true}}`:            "domains.convertt",
		`{"format": 1, "source": "okta", "domains": {"primary": "acme.com"}} {}`:                           "",
		`{"format": 1, "source": "okta", "domains": {"primary": "acme.com"}, "default": {"mode": "auto"}}`: "default.mode",
		``: "", `null`: "", `[]`: "",
	} {
		_, err := provisioning.ParseConfig([]byte(text))
		require.Error(t, err, text)
		require.Contains(t, err.Error(), want)
	}
	_, err = provisioning.ParseConfig([]byte(`{"format": 3, "source": "", "domains": {"primary": ""}}`))
	require.Equal(t, 1, strings.Count(err.Error(), "format:"), "one finding for one fault:\n%s", err)
}

// A config has the same content in Go and in JSON.
func TestConfigJSONRoundTrip(t *testing.T) {
	cfg := provisioning.Config{Format: 1, Revision: "7", Source: "salesforce", Connection: "sf",
		Domains:     provisioning.Domains{Primary: "acme.com", Company: provisioning.DomainList{"acme.co.uk"}, Additional: provisioning.DomainList{"partner.example"}, Convert: true},
		Assignments: []assignment.Assignment{{ID: "a", Name: "A", Mode: assignment.Automatic, Match: assignment.Match{Query: "Title != null", Attributes: map[string]sources.Values{"x": {"1", "2"}}}, Settings: assignment.Settings{Seats: []string{"core"}, Extra: map[string]any{"limit": 1.5}}}},
		Breakers:    provisioning.Breakers{Create: &provisioning.Limit{Count: number(5)}, MinPopulation: number(0)},
		Managers:    provisioning.Managers{Notify: true, ToggleCapture: true},
		Keep:        []provisioning.Keep{{Role: provisioning.Role{Workspace: "ws1", Profile: "admin"}, AtLeast: 2}}}
	data, err := json.Marshal(cfg)
	require.NoError(t, err)
	read, err := provisioning.ParseConfig(data)
	require.NoError(t, err)
	require.Equal(t, cfg, read)
}

// An accepted config has a usable primary domain and unique IDs of assignments, and
// New accepts it.
func FuzzParseConfig(f *testing.F) {
	for _, seed := range []string{
		`{"format": 1, "source": "okta", "domains": {"primary": "acme.com"}}`,
		`{"format": 1, "source": "salesforce", "connection": "sf", "domains": {"primary": "acme.com", "additional": "a.example,\nb.example", "convert": true},
		  "assignments": [{"id": "a", "match": {"query": "Q"}, "mode": "automatic", "seats": ["core"], "extra": {"x": 1}}], "seats": {"requires": {"home": ["core"]}, "pools": {"core": 1}}}`,
		`{"format": 1, "source": "entra", "domains": {"primary": "bücher.example"}, "basic": {"profile": "rep", "mode": "manual"}, "breakers": {"deactivate": {"percent": 20, "count": 10}}}`,
		`{"format": 1, "source": "okta", "domains": {"primary": "acme.com"}, "assignments": [{"id": "a"}, {"id": "a"}], "locale": {"timezone": "x"}}`,
		`{"format": 1, "source": "okta", "domains": {"primary": "acme.com"}, "keep": [{"workspace": "ws1", "profile": "admin", "at_least": 1}]}`,
		`{"format": 1e0}`, `{}`, `nul`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := provisioning.ParseConfig(data)
		if err != nil {
			var invalid *provisioning.ConfigError
			if errors.As(err, &invalid) {
				require.NotEmpty(t, paths(invalid.Problems, false))
			}
			return
		}
		r := resolver(t, cfg)
		ids := make(map[string]bool)
		for _, a := range cfg.Assignments {
			require.NotEmpty(t, a.ID)
			require.False(t, ids[a.ID])
			ids[a.ID] = true
		}
		plan := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: &sources.Snapshot{Users: []sources.User{activeUser("u1", "ana@acme.com")}}})
		again, err := provisioning.ReadPlan([]byte(planJSON(t, plan)))
		require.NoError(t, err)
		require.Equal(t, plan.Hash, again.Hash)
		_ = plan.String()
	})
}
