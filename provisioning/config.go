package provisioning

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/internal/strictjson"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/timezone"
)

// ConfigFormat is the value of the field "format" in the JSON of a config.
const ConfigFormat = 1

// Config holds the rules of one company for one connection. It is plain data with
// the same fields in Go and in JSON. The zero value of each option is the safe one:
// nothing is converted, nobody is kept active, nobody gets a mail, capture is off.
type Config struct {
	// Format is 1. A Go literal may leave it out.
	Format int `json:"format"`
	// Revision names this version of the config. Plans carry it, so that a plan
	// made under older rules can be recognized (R29).
	Revision string `json:"revision,omitempty"`
	// Source is the kind of the company's one directory: okta, entra (or
	// azuread), salesforce, onelogin, rippling, scim, or a word of the host's
	// own (R1, R2, S33). It is required.
	Source string `json:"source"`
	// Connection names one configured instance of the source. Empty means the same
	// as Source.
	Connection string `json:"connection,omitempty"`
	// MigrateFrom is the connection that this one replaces, such as an earlier app
	// of the same provider. Its members are claimed by address; members who are not
	// claimed are listed (A22, R145 to R147). If it is empty, the members of other
	// connections are not touched.
	MigrateFrom string `json:"migrate_from,omitempty"`

	Domains Domains `json:"domains"`

	// Assignments are in the order of the table: the first that matches decides.
	Assignments []assignment.Assignment `json:"assignments,omitempty"`
	// Default governs everybody who matches no assignment. Nil means an assignment
	// with the ID "default" that gives nothing, in automatic mode (R109). With
	// Salesforce queries there is no default, and this field is ignored (S17).
	Default *assignment.Assignment `json:"default,omitempty"`
	// Basic is the track without assignments: everybody, or the people of one
	// query, get one profile (R111, R112). It excludes Assignments and Default.
	Basic *Basic `json:"basic,omitempty"`

	// Attributes names the attributes of the directory that members carry in
	// Member.Attributes. It maps the application's name to the directory's:
	// {"cost_center": "costCenter"} (S35).
	Attributes map[string]string `json:"attributes,omitempty"`

	Hierarchy  Hierarchy        `json:"hierarchy,omitzero"`
	KeepActive KeepActive       `json:"keep_active,omitzero"`
	Managers   Managers         `json:"managers,omitzero"`
	Locale     Locale           `json:"locale,omitzero"`
	Seats      assignment.Seats `json:"seats,omitzero"`
	Breakers   Breakers         `json:"breakers,omitzero"`

	// Keep lists roles that must always have enough members (S43).
	Keep []Keep `json:"keep,omitempty"`

	// Phones converts phone numbers into one form. If it is nil, an extension
	// behind the number, in one of the forms of R64, is split off, and the number
	// stays as given. Package phone has a more complete implementation.
	Phones PhoneNormalizer `json:"-"`
}

// A PhoneNormalizer converts a phone number into one form. It must be pure and safe
// for concurrent use.
type PhoneNormalizer interface {
	NormalizePhone(Phone) NormalizedPhone
}

// A Phone is a phone number as a directory has it.
type Phone struct {
	Number string
	// Extension is the value of a separate field. It takes precedence over an
	// extension inside Number (R65).
	Extension string
	// Country is the country of the person as the directory spells it. It may be
	// empty.
	Country string
}

// A NormalizedPhone is a phone number in the form that members carry.
type NormalizedPhone struct {
	Number, Extension string
	// Codes are the reasons to report, such as CodePhoneUnparsed.
	Codes []Code
}

// Domains says which addresses belong to the company (S7, S8).
type Domains struct {
	// Primary is the company's primary domain. It is required.
	Primary string `json:"primary"`
	// Company are further domains of the company itself.
	Company DomainList `json:"company,omitempty"`
	// Additional are domains of other companies whose people are provisioned, too
	// (R45). Salesforce only.
	Additional DomainList `json:"additional,omitempty"`
	// Convert replaces the domain of a person's address by the primary one if it is
	// another (R44). Salesforce only.
	Convert bool `json:"convert,omitempty"`
}

// A DomainList holds domains. In JSON it is an array, or a single text in which
// commas or newlines separate the domains (R46).
type DomainList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *DomainList) UnmarshalJSON(data []byte) error {
	var texts []string
	if len(data) > 0 && data[0] == '"' {
		texts = make([]string, 1)
		if err := json.Unmarshal(data, &texts[0]); err != nil {
			return err
		}
	} else if err := json.Unmarshal(data, &texts); err != nil {
		return fmt.Errorf("want an array of domains, or one text with commas or newlines between them")
	}
	*l = ParseDomainList(strings.Join(texts, "\n"))
	return nil
}

// ParseDomainList splits a text at commas and newlines and drops blank parts (R46).
// It does not check the domains; Config.Validate does.
func ParseDomainList(text string) DomainList {
	var list DomainList
	for domain := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if domain = strings.TrimSpace(domain); domain != "" {
			list = append(list, domain)
		}
	}
	return list
}

// Basic is the config of a company without assignments.
type Basic struct {
	// Query selects the people who are imported. Empty means everybody (R111).
	Query string `json:"query,omitempty"`
	// Profile is the permission profile that all of them get (R112).
	Profile string `json:"profile"`
	// Workspace is the workspace of the profile. Empty means "default".
	Workspace string          `json:"workspace,omitempty"`
	Mode      assignment.Mode `json:"mode"`
}

// Hierarchy says whether the org chart follows the source.
type Hierarchy struct {
	// Source may repeat Config.Source. Any other word is an error, since the chart
	// always comes from the provisioning source (R3).
	Source string `json:"source,omitempty"`
	// Ignore keeps the chart as it is: no edge changes, and nobody new gets a
	// manager (R85 to R91). For Salesforce; accepted elsewhere with a warning.
	Ignore bool `json:"ignore,omitempty"`
}

// KeepActive keeps people active who would otherwise be deactivated (R124 to R126).
// Neither option is recommended. The plan reports each person who is kept.
type KeepActive struct {
	// Deactivated keeps people whom the source deactivated.
	Deactivated bool `json:"deactivated,omitempty"`
	// Unmatched keeps people who no longer match any filter or are no longer
	// listed.
	Unmatched bool `json:"unmatched,omitempty"`
}

// Managers has the options about direct managers.
type Managers struct {
	// Notify sends a mail to the direct manager of each person whom a plan creates,
	// if the manager has a recorded team (R128, R129, S27).
	Notify bool `json:"notify,omitempty"`
	// ToggleCapture lets direct managers switch capture on and off for reports who
	// have a manual assignment (R131 to R134).
	ToggleCapture bool `json:"toggle_capture,omitempty"`
}

// Locale has the company's defaults.
type Locale struct {
	// TimeZone is a TZ database name, used if nothing else says the zone (R79).
	// Empty means none.
	TimeZone string `json:"timezone,omitempty"`
	// Locale is used for people without one. Empty means en-US (R69).
	Locale string `json:"locale,omitempty"`
}

// DefaultLocale is used if neither the directory nor the config states a locale
// (R69).
const DefaultLocale = "en-US"

// ParseConfig parses the JSON form of a config. The error is a *ConfigError with
// all problems at once: syntax, unknown fields, and what Validate finds. Warnings
// alone are no error.
func ParseConfig(data []byte) (Config, error) {
	var cfg Config
	var problems []Problem
	err := strictjson.Decode(data, &cfg)
	if err != nil {
		var findings strictjson.Errors
		if !errors.As(err, &findings) {
			return Config{}, fmt.Errorf("provisioning: config: %w", err)
		}
		for _, f := range findings {
			problems = append(problems, Problem{Path: f.Path, Message: f.Message})
		}
		cfg = Config{}
		if !json.Valid(data) {
			return Config{}, &ConfigError{Problems: problems}
		}
		_ = json.Unmarshal(data, &cfg) // Validate also checks the fields that could be decoded
	}
	if cfg.Format == 0 && !slices.ContainsFunc(problems, func(p Problem) bool { return p.Path == "format" || p.Path == "" }) { // only a Go literal may leave format out
		problems = append(problems, Problem{Path: "format", Message: fmt.Sprintf("is %d; want %d", cfg.Format, ConfigFormat)})
	}
	for _, p := range cfg.Validate() {
		if !slices.ContainsFunc(problems, func(q Problem) bool {
			return q.Path == "" || p.Path == q.Path || strings.HasPrefix(p.Path, q.Path+".") || strings.HasPrefix(p.Path, q.Path+"[")
		}) {
			problems = append(problems, p)
		}
	}
	if err := configError(problems); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// A Problem is an error or a warning about a config.
type Problem = assignment.Problem

// A ConfigError holds the problems of a config.
type ConfigError struct {
	// Problems holds the errors, of which there is at least one, and the warnings.
	Problems []Problem
}

// Error lists the errors, one a line.
func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString("provisioning: invalid config")
	for _, p := range e.Problems {
		if !p.Warning {
			b.WriteString("\n\t" + strings.TrimPrefix(p.String(), ": "))
		}
	}
	return b.String()
}

// configError returns a *ConfigError if one of the problems is an error, and nil
// otherwise.
func configError(problems []Problem) error {
	for _, p := range problems {
		if !p.Warning {
			return &ConfigError{Problems: problems}
		}
	}
	return nil
}

// clone returns a copy of c that shares only the PhoneNormalizer with it.
func (c *Config) clone() Config {
	d := *c
	d.Domains.Company, d.Domains.Additional = slices.Clone(c.Domains.Company), slices.Clone(c.Domains.Additional)
	d.Assignments = slices.Clone(c.Assignments)
	for i := range d.Assignments {
		d.Assignments[i] = d.Assignments[i].Clone()
	}
	if c.Default != nil {
		fallback := c.Default.Clone()
		d.Default = &fallback
	}
	if c.Basic != nil {
		basic := *c.Basic
		d.Basic = &basic
	}
	d.Attributes = maps.Clone(c.Attributes)
	d.Seats = c.Seats.Clone()
	d.Breakers = c.Breakers.clone()
	d.Keep = slices.Clone(c.Keep)
	return d
}

// Validate returns all errors and warnings about c, in the order of the fields.
func (c *Config) Validate() []Problem {
	v := validation{cfg: c, traits: traitsOf(c.Source)}
	kind, _ := sources.KindOf(c.Source)
	v.kind = kind.Word
	v.source()
	v.migration()
	v.domains()
	v.assignments()
	v.attributes()
	v.options()
	v.locale()
	v.breakers()
	v.keep()
	for path := range text.Unstorable(c) {
		v.fail(strings.TrimPrefix(path, "."), "has a NUL or is not UTF-8, which no database keeps; want plain text")
	}
	return v.problems
}

type validation struct {
	cfg      *Config
	kind     string
	traits   traits
	problems []Problem
}

func (v *validation) fail(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *validation) warn(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Warning: true})
}

func (v *validation) source() {
	if v.cfg.Format != 0 && v.cfg.Format != ConfigFormat {
		v.fail("format", "is %d; want %d", v.cfg.Format, ConfigFormat)
	}
	var words []string
	for _, kind := range sources.Kinds() {
		words = append(words, kind.Word)
	}
	switch _, known := sources.KindOf(v.cfg.Source); {
	case v.kind == "":
		v.fail("source", "is empty; want one of %s, or a word of your own", strings.Join(words, ", "))
	case !known:
		v.warn("source", "%q is none of %s, so it is taken for a kind of your own, without the locks that a known kind adds", v.cfg.Source, strings.Join(words, ", "))
	}
}

func (v *validation) domains() {
	seen := make(map[string]string)
	check := func(path, text string) {
		domain, ok := address.Domain(text)
		switch other, twice := seen[domain]; {
		case !ok:
			v.fail(path, "%q is not a domain; want one such as example.com", text)
		case twice:
			v.warn(path, "%q stands in %s as well", text, other)
		default:
			seen[domain] = path
		}
	}
	d := &v.cfg.Domains
	check("domains.primary", d.Primary)
	for i, domain := range d.Company {
		check(fmt.Sprintf("domains.company[%d]", i), domain)
	}
	for i, domain := range d.Additional {
		check(fmt.Sprintf("domains.additional[%d]", i), domain)
	}
	if v.traits.domainOptions {
		return
	}
	if len(d.Additional) > 0 {
		v.fail("domains.additional", "exists for salesforce only, and the source is %s", v.kind)
	}
	if d.Convert {
		v.fail("domains.convert", "exists for salesforce only, and the source is %s", v.kind)
	}
}

func (v *validation) assignments() {
	c := v.cfg
	if b := c.Basic; b != nil {
		if len(c.Assignments) > 0 || c.Default != nil {
			v.fail("basic", "is the track without assignments; want either basic or assignments and default")
		}
		if b.Profile == "" {
			v.fail("basic.profile", "is empty; want the permission profile for everybody")
		}
	}
	rules := c.rules()
	if c.Basic == nil {
		v.problems = append(v.problems, rules.Validate(c.Seats)...)
	}
	for i := range rules.Assignments {
		query := rules.Assignments[i].Match.Query
		if query == "" {
			continue
		}
		path := fmt.Sprintf("assignments[%d].match.query", i)
		if c.Basic != nil {
			path = "basic.query"
		}
		if !v.traits.queries {
			v.fail(path, "selects by a query, which source %s does not have; want groups or attributes", v.kind)
		} else if _, err := soql.Parse(query); err != nil {
			v.fail(path, "%v", err)
		}
	}
	if c.Default != nil && rules.Default == nil {
		v.warn("default", "is not used: with salesforce queries, who matches none of them is out of scope")
	}
}

func (v *validation) attributes() {
	for _, name := range slices.Sorted(maps.Keys(v.cfg.Attributes)) {
		if strings.TrimSpace(name) != name || name == "" || v.cfg.Attributes[name] == "" {
			v.fail("attributes."+name, "want the application's name of an attribute, and the directory's")
		}
	}
}

func (v *validation) options() {
	c := v.cfg
	if h := c.Hierarchy.Source; h != "" && !sources.SameKind(h, v.kind) {
		v.fail("hierarchy.source", "is %q; the org chart comes from the provisioning source, %s", h, v.kind)
	}
	if c.Hierarchy.Ignore && !v.traits.domainOptions {
		v.warn("hierarchy.ignore", "is meant for salesforce")
	}
	if (c.KeepActive != KeepActive{}) {
		v.warn("keep_active", "leaves access to people who should have none; not recommended")
		if !v.traits.domainOptions {
			v.warn("keep_active", "is meant for salesforce")
		}
	}
}

func (v *validation) locale() {
	l := v.cfg.Locale
	if l.TimeZone != "" {
		if got := timezone.Resolve(timezone.Hints{Default: l.TimeZone}); got.Zone == "" {
			v.fail("locale.timezone", "%q is not a TZ database name; want one such as Europe/Paris", l.TimeZone)
		}
	}
	if l.Locale != "" {
		if _, ok := timezone.ParseLocale(l.Locale); !ok {
			v.fail("locale.locale", "%q is not a locale; want one such as en-US", l.Locale)
		}
	}
}

// rules returns the assignments for the source, together with the default if there
// is one (S17). The basic track becomes a single assignment.
func (c *Config) rules() assignment.Rules {
	if b := c.Basic; b != nil {
		workspace := b.Workspace
		if workspace == "" {
			workspace = "default"
		}
		only := assignment.Assignment{ID: "basic", Name: "Everybody", Mode: b.Mode}
		only.Profiles = map[string]string{workspace: b.Profile}
		only.Match.Query = b.Query
		only.Match.All = b.Query == ""
		return assignment.Rules{Assignments: []assignment.Assignment{only}}
	}
	rules := assignment.Rules{Assignments: make([]assignment.Assignment, len(c.Assignments))}
	for i, a := range c.Assignments {
		a.Settings = a.Settings.Clone()
		a.Normalize()
		rules.Assignments[i] = a
	}
	if traitsOf(c.Source).queries && len(rules.Queries()) > 0 {
		return rules
	}
	fallback := assignment.Assignment{ID: "default", Name: "Default", Mode: assignment.Automatic}
	if c.Default != nil {
		fallback = *c.Default
		fallback.Settings = fallback.Settings.Clone()
		fallback.Normalize()
	}
	rules.Default = &fallback
	return rules
}
