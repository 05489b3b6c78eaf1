// Package salesforce lists the users and the public groups of a Salesforce org:
// live, over its REST API, with [New], or from a saved answer with [FromFile].
//
// Both list people as the org spells them and leave every decision to package
// provisioning: inactive users, users without names and users of other domains are
// listed like everybody else (rules R38 to R41). [Config.Scope] leaves out records
// that are not people.
//
// # What is read
//
// Id, Username, IsActive (the status), FirstName, LastName, Email, Title,
// Phone, MobilePhone, Extension, TimeZoneSidKey, LocaleSidKey (rules R56, R73),
// Country and State, ManagerId and Manager.Email, and as attributes UserType,
// Department, Division, CompanyName, EmployeeNumber, Cost_Center__c or
// CostCenter__c, Profile.Name, UserRole.Name, UserRole.DeveloperName and those of
// [Config.Attributes]. Fields that the org lacks are not asked for. Department,
// division, company, employee number and cost center are also given under the
// names that all sources share (sources.AttributeDepartment and so on, rule S35).
//
// User.Country is the code if it is one of ISO 3166-1, else the name; User.State
// is the name if there is one, since an org's codes of states are its own.
// Country, CountryCode, State and StateCode are attributes, too.
//
// # What the integration user needs
//
// An external client app (or a connected app) with the scope "api", and a user with read access to User, Group,
// GroupMember, UserRole and the objects that assignment filters query, such as
// PermissionSetAssignment. That user should see nothing else: its permissions also
// limit what an assignment filter can read. If the org hides users from one
// another, the user needs the permission View All Users: Salesforce lists only the
// visible users, as a complete answer, and hidden users would count as gone.
//
// # What it costs
//
// A page of Salesforce has 2,000 records.
//
//	200,000 users, 2,000 groups    requests
//	log in                         1, again when Salesforce ends the session
//	Users                          101: the fields of User, and 100 pages
//	Groups                         402: 400 pages of 800,000 memberships, and the
//	                               groups twice; roles and who has them as well,
//	                               if a group holds a role
//	Match                          1 for each 2,000 users that are selected
//	One                            2
//	Check                          5
//
// The limit is one for all clients of the org in 24 hours: 15,000 requests in a
// developer org, 100,000 plus 1,000 for each licence in an Enterprise org. Reading
// this org every hour takes 12,072 a day. [Config.MaxAPIUsage] leaves the rest to
// other clients.
//
// # Deltas
//
// There are none: no list of changes shows a user whom a change takes out of
// Config.Scope or of a filter, and reading everybody is cheap. sources.Refresh
// reads everything.
//
// # Latency
//
// A listing shows the org as it is now. The interval at which the host reads
// decides how old the team may be (rules R23, R24). REIMPORT (rule R28) is one more
// reading, at once.
package salesforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const kind = sources.KindSalesforce

// Config configures a Source. ClientID and the fields of one way to log in are
// required; everything else has a default. A Config that is printed, logged or
// encoded shows no secret.
//
// The fields that are set choose exactly one way to log in:
//
//   - JWT bearer: PrivateKey and Username. The app holds the certificate and
//     the user is pre-authorized for it.
//   - Refresh token: RefreshToken, and ClientSecret if the app requires it. The
//     app must not rotate refresh tokens.
//   - Client credentials: ClientSecret alone. LoginURL is the org's My Domain,
//     and the app names the user to run as.
type Config struct {
	redacted

	// Connection names this org among the tenant's connections. Defaults to
	// "salesforce".
	Connection string
	// LoginURL is the address of the login: "https://login.salesforce.com" (the
	// default), "https://test.salesforce.com" for a sandbox, or the org's My
	// Domain. It must be https, except for a loopback address in a test.
	LoginURL string
	// ClientID is the consumer key of the external client app (or of a connected app).
	ClientID     string
	ClientSecret string // the consumer secret
	RefreshToken string
	Username     string // the user whom the JWT bearer logs in
	PrivateKey   []byte // RSA key in PEM, PKCS #1 or PKCS #8
	// Audience is the audience of the JWT bearer. Defaults to LoginURL.
	Audience string
	// APIVersion defaults to "v64.0".
	APIVersion string
	// Scope is the SOQL condition for the users of this source. Defaults to
	// "UserType = 'Standard'", which leaves out portal users and automated
	// processes. A user who leaves the scope counts as gone from the directory. So
	// use Scope for what never changes about a person, and assignment filters for
	// the rest.
	Scope string
	// Attributes are further fields to read into User.Attributes, for assignments
	// to select by (rule R110): "Region__c", "Profile.UserLicense.Name". If the org
	// lacks one, the listing leaves it out with a warning in the log, and Check
	// fails.
	Attributes []string
	// NoGroups leaves groups out: none are listed and none are proven. It is for
	// orgs whose assignments select by filters alone. It saves requests, and access
	// to groups and roles is not needed.
	NoGroups bool
	// MaxAPIUsage is the share of the org's daily API requests, in percent, at
	// which reading stops with ErrRateLimited, so that the org's other integrations
	// keep working. Above it, each call makes only one request. Defaults to 90; 100
	// never stops.
	MaxAPIUsage int
	// MaxPageBytes is the largest answer that is read. Defaults to 64 MiB.
	MaxPageBytes int64
	// MaxWait is the longest pause that Salesforce may impose on a call. A call
	// that would have to wait longer fails with ErrRateLimited. Defaults to 1
	// minute.
	MaxWait time.Duration
	// Attempts is how often a request is sent before its failure is returned: after
	// a lost connection, a 429 or a 5xx, with growing pauses. Defaults to 4.
	Attempts int
	// Transport sends the requests. Defaults to http.DefaultTransport.
	Transport http.RoundTripper
	// Logger gets IDs and names of fields, and no personal data. Defaults to
	// discarding.
	Logger *slog.Logger
}

// redacted keeps the secrets of a Config out of what prints it.
type redacted = rest.Redacted

// A Source reads one Salesforce org. It is safe for concurrent use.
type Source struct {
	info       sources.Info
	api        *api
	scope      soql.Condition
	attributes []string
	decoder    decoder
}

var (
	_ sources.Matcher   = (*Source)(nil)
	_ sources.OneReader = (*Source)(nil)
	_ sources.Checker   = (*Source)(nil)
)

var (
	versionForm = regexp.MustCompile(`^v[0-9]{2,3}\.0$`)
	fieldForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*){0,5}$`)
)

// New returns a Source. It makes no request; see Check for that. The error
// names every field of cfg that is wrong.
func New(cfg Config) (*Source, error) {
	cfg.APIVersion, cfg.MaxAPIUsage = cmp.Or(cfg.APIVersion, "v64.0"), cmp.Or(cfg.MaxAPIUsage, 90)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var problems rest.Problems
	if !versionForm.MatchString(cfg.APIVersion) {
		problems.Add(rest.Wrong("APIVersion", "want a form such as v64.0, not %.20q", cfg.APIVersion))
	}
	if cfg.MaxAPIUsage < 1 || cfg.MaxAPIUsage > 100 {
		problems.Add(rest.Wrong("MaxAPIUsage", "want a percentage from 1 to 100, not %d", cfg.MaxAPIUsage))
	}
	for i, name := range cfg.Attributes {
		if !fieldForm.MatchString(name) {
			problems.Add(rest.Wrong(fmt.Sprintf("Attributes[%d]", i), "want the name of a field, such as Region__c or Profile.Name, not %.80q", name))
		}
	}
	scope, err := parseScope(cfg.Scope)
	problems.Add(err)
	speak := rest.Config{
		Base: cfg.Transport, MaxBody: cfg.MaxPageBytes, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
		Explain: explain, Secrets: []string{cfg.ClientSecret, cfg.RefreshToken}, Logger: cfg.Logger,
	}
	speak.Auth, err = newLogin(cfg, speak)
	problems.Add(err)
	if err := problems.Err(kind); err != nil {
		return nil, err
	}
	return &Source{
		info:       sources.Info{Kind: kind, Connection: cmp.Or(cfg.Connection, kind), Lists: rest.Lists(false, cfg.NoGroups, false)},
		api:        &api{http: rest.New(speak), data: "/services/data/" + cfg.APIVersion, maxUsage: cfg.MaxAPIUsage},
		scope:      scope,
		attributes: slices.Clone(cfg.Attributes),
		decoder:    decoder{cfg.Logger},
	}, nil
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info { return s.info }

// Users implements sources.Source. The org is asked first which fields it has,
// so that one it lacks does not fail the listing; it must have, and show to the
// integration user, those without which a person cannot be judged.
func (s *Source) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return s.users(ctx, "list users", s.scope)
}

// One implements sources.OneReader. A user outside of Config.Scope is not
// found. Groups and answers to queries are left to the listings of
// sources.ReadOne: an org's groups hold roles and territories, which no single
// request resolves.
func (s *Source) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	const op = "read one"
	if !idForm.MatchString(id) {
		// No record has such an ID, and Salesforce answers with a malformed
		// query rather than with nothing.
		return sources.One{Proven: sources.FactUsers}, nil
	}
	for u, err := range s.users(ctx, op, soql.All(soql.Equal("Id", soql.LongID(id)), s.scope)) {
		if err != nil {
			return sources.One{}, err
		}
		return sources.One{Found: true, User: u, Proven: sources.FactUsers | sources.FactManagers}, nil
	}
	return sources.One{Proven: sources.FactUsers}, nil
}

// users lists the users that a condition selects.
func (s *Source) users(ctx context.Context, op string, where soql.Condition) iter.Seq2[sources.User, error] {
	return rest.List(kind, op, func(emit func(sources.User) bool) error {
		fields, missing, err := s.fields(ctx)
		if err == nil {
			err = s.api.polite()
		}
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			s.decoder.log.WarnContext(ctx, "the org lacks attributes that are configured", "fields", missing)
		}
		return s.eachUser(ctx, fields, where, func(rec *record, id string) bool { return emit(s.decoder.user(rec, id)) })
	})
}

// eachUser reads fields of the users that a condition selects, and passes each
// record with its ID to do, until do returns false.
func (s *Source) eachUser(ctx context.Context, fields []string, where soql.Condition, do func(rec *record, id string) bool) error {
	err := s.api.each(ctx, "SELECT "+strings.Join(fields, ", ")+" FROM User WHERE "+where.String(), func(rec *record) error {
		id, err := rec.idOf("User")
		if err == nil && !do(rec, id) {
			err = errStop
		}
		return err
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// Match implements sources.Matcher. The filter is a SOQL condition, such as
// "Department = 'Sales'" (rule R98); see ValidateFilter for what it may hold.
// Users outside of Config.Scope are never selected: filter and scope are the AND
// terms of one condition, in which Salesforce takes semi-joins of both.
func (s *Source) Match(ctx context.Context, filter string) iter.Seq2[string, error] {
	const op = "match"
	return rest.List(kind, op, func(emit func(string) bool) error {
		condition, err := soql.Parse(filter)
		if err == nil && condition.Joins()+s.scope.Joins() > soql.MaxJoins {
			err = &soql.Error{Position: 1, Reason: "with those of Config.Scope, more than two semi-joins in one query"}
		}
		if err != nil {
			return badFilter(op, err)
		}
		return s.eachUser(ctx, []string{"Id"}, soql.All(condition, s.scope), func(_ *record, id string) bool { return emit(id) })
	})
}

// Check implements sources.Checker: it logs in, asks for the fields of users,
// and reads one record of everything that a sync reads. A configured attribute
// that the org lacks is an error that matches ErrBadQuery.
func (s *Source) Check(ctx context.Context) error {
	const op = "check"
	_, missing, err := s.fields(ctx)
	if err != nil {
		return rest.Wrap(kind, op, err)
	}
	if len(missing) > 0 {
		return &sources.Error{
			Kind: kind, Op: op, Reason: sources.ErrBadQuery,
			Err: fmt.Errorf("the org has no such fields, or hides them: %s", strings.Join(missing, ", ")),
		}
	}
	queries := []string{"SELECT Id FROM User WHERE " + s.scope.String() + " LIMIT 1"}
	if s.info.Lists.Has(sources.FactGroups) {
		queries = append(queries, "SELECT Id FROM Group LIMIT 1", "SELECT Id FROM GroupMember LIMIT 1", "SELECT Id FROM UserRole LIMIT 1")
	}
	for _, query := range queries {
		if err := s.api.each(ctx, query, func(*record) error { return nil }); err != nil {
			return rest.Wrap(kind, op, err)
		}
	}
	return nil
}

// The fields without which a listing would be misread as a change: nobody has
// a name, nobody has a manager.
var requiredFields = []string{"Id", "Username", "Email", "FirstName", "LastName", "IsActive", "ManagerId"}

// The fields that are read where the org has them.
var optionalFields = []string{
	"Title", "Phone", "MobilePhone", "Extension", "TimeZoneSidKey", "LocaleSidKey",
	"Country", "CountryCode", "State", "StateCode", "Manager.Email",
	"UserType", "Department", "Division", "CompanyName", "EmployeeNumber",
	"Profile.Name", "UserRole.Name", "UserRole.DeveloperName",
	"Cost_Center__c", "CostCenter__c",
}

// fields asks the org which fields users have, and returns those to select and
// the configured attributes that are missing.
func (s *Source) fields(ctx context.Context) (fields, missing []string, err error) {
	has, err := s.api.describeUser(ctx)
	if err != nil {
		return nil, nil, err
	}
	var hidden []string
	selected := map[string]bool{}
	take := func(field string) bool {
		name, ok := has(field)
		if ok && !selected[strings.ToLower(name)] {
			selected[strings.ToLower(name)] = true
			fields = append(fields, name)
		}
		return ok
	}
	for _, field := range requiredFields {
		if !take(field) {
			hidden = append(hidden, field)
		}
	}
	if len(hidden) > 0 {
		return nil, nil, &sources.Error{
			Kind: kind, Op: "describe User", Reason: sources.ErrForbidden,
			Err: fmt.Errorf("the integration user may not see the fields %s of User; give it read access", strings.Join(hidden, ", ")),
		}
	}
	for _, field := range optionalFields {
		take(field)
	}
	for _, field := range s.attributes {
		if !take(field) {
			missing = append(missing, field)
		}
	}
	return fields, missing, nil
}
