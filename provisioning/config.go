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

// ConfigFormat is the number in the field "format" of a config's JSON.
const ConfigFormat = 1

// Config holds the rules of one company for one connection. It is plain data,
// the same in Go and in JSON. The zero value of every option is the safe one:
// nothing is converted, nobody stays active, nobody is mailed, capture is off.
type Config struct {
	// Format is 1. In a Go literal it may be left out.
	Format int `json:"format"`
	// Revision names this state of the config; plans carry it, so that a plan
	// made under older rules can be told (R29).
	Revision string `json:"revision,omitempty"`
	// Source is the kind of the company's one directory: okta, entra (or
	// azuread), salesforce, onelogin, rippling, scim, or a word of the host's
	// own (R1, R2, S33). It is required.
	Source string `json:"source"`
	// Connection is one configured instance of the source. Empty: the same
	// word as Source.
	Connection string `json:"connection,omitempty"`
	// MigrateFrom is the connection from which this one takes over, such as the
	// former app instance of the same provider: its members are claimed by
	// address, and those who are not are listed (A22, R145 to R147). Empty: the
	// members of other connections are their own.
	MigrateFrom string `json:"migrate_from,omitempty"`

	Domains Domains `json:"domains"`

	// Assignments are in the order of the table, uppermost first.
	Assignments []assignment.Assignment `json:"assignments,omitempty"`
	// Default governs whoever matches no assignment. Nil: an assignment with
	// the ID "default" that gives nothing, automatically (R109). With
	// Salesforce queries there is none and this is ignored (S17).
	Default *assignment.Assignment `json:"default,omitempty"`
	// Basic is the track without assignments: everybody, or one query, and one
	// profile (R111, R112). It excludes Assignments and Default.
	Basic *Basic `json:"basic,omitempty"`

	// Attributes carries attributes of the directory into Member.Attributes:
	// the application's name and the directory's, {"cost_center": "costCenter"}
	// (S35).
	Attributes map[string]string `json:"attributes,omitempty"`

	Hierarchy  Hierarchy        `json:"hierarchy,omitzero"`
	KeepActive KeepActive       `json:"keep_active,omitzero"`
	Managers   Managers         `json:"managers,omitzero"`
	Locale     Locale           `json:"locale,omitzero"`
	Seats      assignment.Seats `json:"seats,omitzero"`
	Breakers   Breakers         `json:"breakers,omitzero"`

	// Keep names roles that may never run empty (S43).
	Keep []Keep `json:"keep,omitempty"`

	// Phones brings phone numbers into one form. Nil: an extension written
	// behind the number in one of the forms of R64 is split off, and the
	// number is kept as given. The package phone has a better one.
	Phones PhoneNormalizer `json:"-"`
}

// A PhoneNormalizer brings a phone number into one form. It must be pure and
// safe for concurrent use.
type PhoneNormalizer interface {
	NormalizePhone(Phone) NormalizedPhone
}

// A Phone is a number as a directory has it.
type Phone struct {
	Number string
	// Extension is that of a field of its own; it wins over one in the number
	// (R65).
	Extension string
	// Country is the person's, empty or as the directory spells it.
	Country string
}

// A NormalizedPhone is a number as members carry it.
type NormalizedPhone struct {
	Number, Extension string
	// Codes are the reasons to report, such as CodePhoneUnparsed.
	Codes []Code
}

// Domains says whose addresses are the company's (S7, S8).
type Domains struct {
	// Primary is the company's primary domain. It is required.
	Primary string `json:"primary"`
	// Company are further domains of the company itself.
	Company DomainList `json:"company,omitempty"`
	// Additional are domains of others from which new people are provisioned
	// all the same (R45). Salesforce only.
	Additional DomainList `json:"additional,omitempty"`
	// Convert gives a person of another domain the primary one (R44).
	// Salesforce only.
	Convert bool `json:"convert,omitempty"`
}

// A DomainList holds domains. In JSON it is an array, or one text with the
// domains separated by commas or newlines, as people type them (R46).
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

// ParseDomainList splits a text of domains at commas and newlines and drops
// what is blank (R46). It does not judge the domains; Config.Validate does.
func ParseDomainList(text string) DomainList {
	var list DomainList
	for domain := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if domain = strings.TrimSpace(domain); domain != "" {
			list = append(list, domain)
		}
	}
	return list
}

// Basic is the track of a company that has no assignments.
type Basic struct {
	// Query selects who is imported. Empty: everybody (R111).
	Query string `json:"query,omitempty"`
	// Profile is the one permission profile for all of them (R112).
	Profile string `json:"profile"`
	// Workspace is where the profile holds. Empty: "default".
	Workspace string          `json:"workspace,omitempty"`
	Mode      assignment.Mode `json:"mode"`
}

// Hierarchy says whether the org chart follows the source.
type Hierarchy struct {
	// Source may repeat Config.Source. The chart comes from the provisioning
	// source and no other, so another word here is an error (R3).
	Source string `json:"source,omitempty"`
	// Ignore leaves the chart alone: it stays as it is and nobody new is
	// placed in it (R85 to R91). For Salesforce; accepted elsewhere with a
	// warning.
	Ignore bool `json:"ignore,omitempty"`
}

// KeepActive leaves people active who should leave (R124 to R126). Neither
// option is recommended; each is reported for each person it keeps.
type KeepActive struct {
	// Deactivated keeps those whom the source deactivated.
	Deactivated bool `json:"deactivated,omitempty"`
	// Unmatched keeps those who match no filter any more or are not listed.
	Unmatched bool `json:"unmatched,omitempty"`
}

// Managers holds the options about direct managers.
type Managers struct {
	// Notify mails the direct manager of a person whom a plan creates, if the
	// manager has a recorded team (R128, R129, S27).
	Notify bool `json:"notify,omitempty"`
	// ToggleCapture lets direct managers turn capture on and off for their
	// reports under manual assignments (R131 to R134).
	ToggleCapture bool `json:"toggle_capture,omitempty"`
}

// Locale holds the company's defaults.
type Locale struct {
	// TimeZone is a TZ database name, used last (R79). Empty: none.
	TimeZone string `json:"timezone,omitempty"`
	// Locale is used for people without one. Empty: en-US (R69).
	Locale string `json:"locale,omitempty"`
}

// DefaultLocale is the locale of a person for whom nothing says another (R69).
const DefaultLocale = "en-US"

// ParseConfig reads the JSON form of a config. The error is a *ConfigError with
// everything that is wrong with it at once: syntax, unknown fields, and what
// Validate finds; warnings alone are no error.
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
		_ = json.Unmarshal(data, &cfg) // as much as can be read is judged as well
	}
	if cfg.Format == 0 && !slices.ContainsFunc(problems, func(p Problem) bool { return p.Path == "format" || p.Path == "" }) { // which only a Go literal may leave out
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

// A Problem is one thing that is wrong, or unwise, in a config.
type Problem = assignment.Problem

// A ConfigError holds everything that is wrong with a config.
type ConfigError struct {
	// Problems holds the errors, at least one, and the warnings.
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

// configError returns the problems as an error if one of them is an error.
func configError(problems []Problem) error {
	for _, p := range problems {
		if !p.Warning {
			return &ConfigError{Problems: problems}
		}
	}
	return nil
}

// clone returns a copy of c that shares no memory with it but the PhoneNormalizer.
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

// Validate returns everything that is wrong or unwise in c, errors and
// warnings, in the order of the fields.
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

// rules returns the assignments as they hold for the source: with the default
// where there is one (S17), and the basic track as the one assignment it is.
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
