// Package rippling lists the workers of a company in Rippling, and its
// supergroups as groups, over Rippling's REST API.
//
// It lists people as Rippling spells them and leaves every decision to package
// provisioning. Rippling pushes changes at once (rule R22): if minutes matter, let
// it push by SCIM. Use this package for the first import, for comparison, and where
// SCIM is not available.
//
// # What is read
//
// A worker is one engagement of a person with the company. It is listed as a user
// under the worker's ID, which managers and groups refer to. A person who comes
// back after having left is a new worker.
//
//	field of a user          from the worker, and from the worker's user
//	ID                       id
//	UserName                 user.username
//	Status                   status and user.active (see below)
//	Email                    work_email, else the work address of user.emails
//	OtherEmails              the other work addresses of user.emails
//	PrivateEmail             personal_email, else the home address of user.emails
//	GivenName, FamilyName    user.name.given_name, user.name.family_name
//	Title                    title
//	Phone, MobilePhone       user.phone_numbers of type WORK, of type MOBILE
//	TimeZone, Locale         user.timezone, user.locale
//	Country, State           country, and the region of the work address
//	Manager.ID               manager_id
//	Attributes               department, legal_entity (also as organization),
//	                         number (also as employee_number), employment_type,
//	                         level, teams, user_id, status, start_date, end_date,
//	                         work_location_id, preferred_given_name,
//	                         preferred_family_name, preferred_language, and every
//	                         custom field as custom_fields.<name>
//
// Rippling does not have phone_extension, manager.email, manager.name, division and
// cost_center. They are read from custom fields of these names (manager_email,
// manager_name), if there are any. [Config.Fields] names other fields. The source
// does not ask for Rippling's sensitive fields (pay, date of birth, race and
// others), and keeps none that an answer holds.
//
// A worker with status ACTIVE is active, unless the worker's user is not;
// TERMINATED is inactive; INIT, HIRED and ACCEPTED are staged, since these people
// have not begun. Any other status is unknown, and nothing is decided on it. A
// worker without a status has the status of the user.
//
// # Fields that the token may not see
//
// If the token lacks the permission for a field, Rippling leaves the field out of
// its answers and names it in redacted_fields. An empty field never clears a value
// (rule S11), so a redacted name, address or number does no harm, and is logged.
// But a redacted manager or attribute would mean that nobody has a manager or is in
// a department. It makes the listing fail with an error that matches ErrForbidden,
// until the token gets the permission, or [Config.Hidden] or [Config.NoManagers]
// says that the field is not read. A worker of whom an answer has only the ID of a
// department, because a link to the next page left out the query for its name or
// because the department was deleted, has an unknown state, which changes nothing.
//
// # What it costs
//
// A page of Rippling has 100 rows. It lists the members of one group at a time.
//
//	200,000 workers, 2,000 groups    requests
//	Users                            2,000
//	Groups                           20, and for each group one for each 100
//	                                 members: 8,229 with one group of everybody
//	                                 and 300 members in each of the others
//	One                              1
//	Check                            2
//
// The limits are not documented; a refused request says how long to wait. Pages of
// workers have been seen to take 1.5 seconds each; then Users takes 50 minutes, and
// Groups takes hours. Set [Config.NoGroups] if assignments select by attributes
// alone.
//
// # Deltas
//
// There are none. No filter by the time of a change is documented, undocumented
// filters are ignored without an error, and nothing tells who left a group.
// sources.Refresh reads everything.
//
// # What the token needs
//
// The scopes workers.read, users.read, departments.read and companies.read, and
// supergroups.read for groups. A token expires if it is not used for 30 days. An
// application for several companies must use OAuth: set [Config.TokenSource].
package rippling

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	kind = sources.KindRippling

	defaultURL     = "https://rest.ripplingapis.com"
	defaultVersion = "2024-08-01"
)

// Config configures a Source. Token or TokenSource is required. A Config that is
// printed, logged or encoded shows no secret.
type Config struct {
	redacted

	// Connection names this company among the tenant's connections. Defaults
	// to "rippling".
	Connection string
	// URL defaults to "https://rest.ripplingapis.com"; the sandbox is
	// "https://rest.ripplingsandboxapis.com".
	URL string
	// Token is an API token.
	Token string
	// TokenSource returns the access token of an OAuth application. It is called
	// before the first request and after a token was refused, by one goroutine at a
	// time.
	TokenSource func(context.Context) (string, error)
	// Version is the version of the API. Defaults to "2024-08-01", for which this
	// package is written.
	Version string
	// Fields maps fields of a user, by their names in the JSON of a snapshot, to
	// the attributes from which they are read: {"given_name":
	// "preferred_given_name", "cost_center": "custom_fields.Cost Center"}. The
	// attributes of rule S35 are fields, too. If the attribute is empty, the field
	// is read from its usual place.
	Fields map[string]string
	// Hidden names fields of a worker that the token may not see and that must not
	// be read: "department", "legal_entity", "employment_type", "level", "teams",
	// "number", "custom_fields".
	Hidden []string
	// NoManagers leaves managers out: none are listed and none are proven.
	NoManagers bool
	// NoGroups leaves groups out: none are listed and none are proven.
	NoGroups bool
	// MaxWait is the longest pause that Rippling may impose on a call. A call that
	// would have to wait longer fails with ErrRateLimited. Defaults to 1 minute.
	MaxWait time.Duration
	// Attempts is how often a request is sent before its failure is returned: after
	// a lost connection, a 429 or a 5xx, with growing pauses. Defaults to 4.
	Attempts int
	// Transport sends the requests. Defaults to http.DefaultTransport.
	Transport http.RoundTripper
	// Logger gets names of fields and numbers, and no personal data. Defaults to
	// discarding.
	Logger *slog.Logger
}

// redacted keeps the secrets of a Config out of what prints it.
type redacted = rest.Redacted

// A Source reads one company. It is safe for concurrent use.
type Source struct {
	info    sources.Info
	api     *api
	records *records
}

var (
	_ sources.OneReader = (*Source)(nil)
	_ sources.Checker   = (*Source)(nil)
)

// New returns a Source. It makes no request; see Check for that. The error
// names every field of cfg that is wrong.
func New(cfg Config) (*Source, error) {
	cfg.URL, cfg.Version = cmp.Or(cfg.URL, defaultURL), cmp.Or(cfg.Version, defaultVersion)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var problems rest.Problems
	base := problems.URL("URL", cfg.URL)
	problems.Fields("Fields", cfg.Fields)
	if (cfg.Token == "") == (cfg.TokenSource == nil) {
		problems.Add(rest.Wrong("Token, TokenSource", "want one of them"))
	}
	if _, err := time.Parse(time.DateOnly, cfg.Version); err != nil {
		problems.Add(rest.Wrong("Version", "want a date such as %s, not %.20q", defaultVersion, cfg.Version))
	}
	problems.Add(checkHidden(cfg.Hidden)...)
	if err := problems.Err(kind); err != nil {
		return nil, err
	}
	return &Source{
		info:    sources.Info{Kind: kind, Connection: cmp.Or(cfg.Connection, kind), Lists: rest.Lists(cfg.NoManagers, cfg.NoGroups, false)},
		api:     newAPI(cfg, base),
		records: newRecords(cfg),
	}, nil
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info { return s.info }

// Users implements sources.Source: it yields every worker, including those who have
// left.
func (s *Source) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return rest.List(kind, "list users", func(emit func(sources.User) bool) error {
		convert, judge := s.records.reader()
		return listing(ctx, s.api, s.api.address("workers", s.records.workersQuery("limit=100&")), convert, judge, emit)
	})
}

// Groups implements sources.Source: it yields the company's supergroups with their
// workers.
func (s *Source) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return rest.List(kind, "list groups", func(emit func(sources.Group) bool) error {
		if !s.info.Lists.Has(sources.FactGroups) {
			return nil
		}
		var failed error
		err := listing(ctx, s.api, s.api.address("supergroups", groupsQuery), group, nil, func(g sources.Group) bool {
			failed = listing(ctx, s.api, s.api.address("supergroups/"+g.ID+"/members", groupsQuery), member, nil, func(id string) bool {
				g.Members = append(g.Members, id)
				return true
			})
			return failed == nil && emit(g)
		})
		if failed != nil {
			return failed
		}
		return err
	})
}

// One implements sources.OneReader. It ignores queries, which Rippling does not
// have, and leaves groups out, since Rippling does not list those of a worker.
func (s *Source) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	return rest.One(kind, s.info.Lists, id, func() (sources.User, error) {
		resp, err := s.api.get(ctx, s.api.address("workers/"+url.PathEscape(id), s.records.workersQuery("")))
		if err != nil {
			return sources.User{}, err
		}
		var rec worker
		if err := rest.Decode(resp, &rec); err != nil {
			return sources.User{}, err
		}
		convert, _ := s.records.reader()
		row, err := convert(rec)
		return row.Value, err
	})
}

// Check implements sources.Checker: it reads the first page of workers and, if
// groups are read, of supergroups.
func (s *Source) Check(ctx context.Context) error {
	convert, judge := s.records.reader()
	_, err := page(ctx, s.api, s.api.address("workers", s.records.workersQuery("limit=100&")), convert, judge)
	if err == nil && s.info.Lists.Has(sources.FactGroups) {
		_, err = page(ctx, s.api, s.api.address("supergroups", groupsQuery), group, nil)
	}
	return rest.Wrap(kind, "check", err)
}
