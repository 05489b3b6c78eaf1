// Package okta lists the users and groups of an Okta org, or the users of one app
// in it, with Okta's own SDK.
//
// It lists people as the org spells them and leaves every decision to package
// provisioning.
//
// # What is read
//
//	field of a user          from the profile attribute
//	UserName                 login
//	Email                    email
//	OtherEmails              secondEmail
//	PrivateEmail             privateEmail
//	GivenName, FamilyName    firstName, lastName
//	Title                    title
//	Phone, MobilePhone       primaryPhone, mobilePhone
//	PhoneExtension           primaryPhoneExt
//	TimeZone                 timezone
//	Country                  countryCode, else country
//	State                    state, else stateOrProvince
//	Locale                   locale, else preferredLanguage
//	Manager.Email            managerEmail
//	Manager.ID               managerId (see ManagerKey)
//	Manager.Name             managerFullName, else manager
//	Attributes               every other attribute under Okta's name; department,
//	                         division, costCenter, employeeNumber and
//	                         organization also under the names of rule S35;
//	                         status; and with Config.AppID every attribute of the
//	                         profile in the app as app.<name>
//
// [Config.Fields] names other attributes. With [Config.AppID], a field is read from
// the user's profile in the app, and from the user's own profile if the former has
// no value. Some orgs keep private addresses in secondEmail; then Fields has to map
// private_email to it.
//
// A user is active with status ACTIVE, RECOVERY, PASSWORD_EXPIRED and LOCKED_OUT;
// inactive with SUSPENDED and DEPROVISIONED; staged with STAGED and PROVISIONED
// (S10, R51). Any other word is an unknown status, on which nothing is decided.
//
// # What it costs
//
// A page of Okta has 200 users, 500 users of an app, or 1,000 members of a group.
// Okta lists the members of one group at a time, so a reading takes at least one
// request for each group. A round of changes reads the members of the groups that
// changed.
//
//	200,000 users, 2,000 groups    requests
//	log in as a service app        1, or 3 with DPoP; again every hour
//	Users                          1,000; of an app 400; and 1,000 where managers
//	                               are named by login or employee number
//	Groups                         2,201: 2, and 2,199 for 800,000 memberships
//	admin roles                    2 at the end of each of the others, as a service
//	                               app 1; none if Config.Sees is set
//	Changes                        2 and 1 for each 200 users and 1,000 groups that
//	                               changed, and the members of those groups; with
//	                               an app or with keys of managers, all of Users
//	One                            2, and 1 to find a manager by key
//	Check                          2
//
// Okta allows about 600 requests a minute for users and 500 for groups, depending
// on the org's plan, and by default a credential may use half of that. So a full
// reading of such an org takes about 4 minutes for the users and 9 for the groups.
// The answers state what is left; the source waits when a tenth remains.
//
// # Changes
//
// A cursor is a time by Okta's clock. A round reads the users and groups that
// changed since 10 minutes before it, with Okta's parameter filter, which is
// consistent. It reads the members of groups whose lastMembershipUpdated or
// lastUpdated changed. Deleted objects are in no list, so they come from the System
// Log, and so do users who were taken off the app. Okta does not promise a complete
// log: make a full reading now and then. A cursor that is older than 80 days, or of
// another Config, has expired.
//
// # What proves a listing complete
//
// The last page is the one without a link next, provided that it has the link to
// itself that every page of Okta has. A token shows only what its owner may see. So
// unless [Config.Sees] says otherwise, each listing and each One ends with a check
// of the credential's admin roles, and fails if none of them shows everybody.
//
// # What the credential needs
//
// An API token of a Read-Only Administrator; or a service app with that role and
// the scopes okta.users.read, okta.groups.read, okta.logs.read (for Changes),
// okta.apps.read (for an app) and okta.roles.read (unless Sees is set). If the
// credential may not read admin roles, each listing fails at its end, and the host
// has to set Sees. Changes in Okta show at once (R22).
package okta

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const kind = sources.KindOkta

// A ManagerKey says what the attribute that names a user's manager holds. Okta
// leaves that to the org: the attribute is free text.
type ManagerKey string

// The keys. The zero value is ManagerByID.
const (
	ManagerByID    ManagerKey = ""      // the manager's Okta ID
	ManagerByEmail ManagerKey = "email" // the manager's address
	ManagerByName  ManagerKey = "name"  // the manager's full name, given name first
	// ManagerByLogin and ManagerByEmployeeNumber name the manager by login or by
	// employee number. To resolve them, every listing reads all users twice, and a
	// round of changes reads them all.
	ManagerByLogin          ManagerKey = "login"
	ManagerByEmployeeNumber ManagerKey = "employee_number"
)

// Sight says how much of the org a credential sees.
type Sight string

// The sights. The zero value is SeesByRoles.
const (
	// SeesByRoles: at the end of each listing, and of each One, the source reads
	// the admin roles of the credential, and fails if none of them shows everybody.
	SeesByRoles Sight = ""
	// SeesAll: the host knows that the credential sees every user and every group,
	// for instance by a custom role.
	SeesAll Sight = "all"
	// SeesPart: the credential sees only some users or groups, so a listing proves
	// nothing.
	SeesPart Sight = "part"
)

// Config configures a Source. URL and one credential are required: Token, or
// ClientID with PrivateKey. A Config that is printed, logged or encoded shows no
// secret.
type Config struct {
	redacted

	// Connection names this org among the tenant's connections. Defaults to
	// "okta".
	Connection string
	// URL is the org's address, "https://acme.okta.com".
	URL string
	// Token is an API token (SSWS).
	Token string
	// ClientID and PrivateKey belong to a service app that logs in with
	// private_key_jwt. PrivateKey is PEM: an RSA key, or an ECDSA key of the curve
	// P-256. If the app requires DPoP (RFC 9449), the source binds its tokens to a
	// key that it generates.
	ClientID   string
	PrivateKey []byte
	// KeyID is the ID that Okta shows for the public key. It is needed if the app
	// has several.
	KeyID string
	// Scopes are requested at the login. Defaults to what the source needs under
	// this Config.
	Scopes []string
	// AppID limits the users to those who are assigned to an app, directly or by a
	// group (R53), and reads their profile in the app. If it is empty, every user
	// of the org is read.
	AppID string
	// Fields maps fields of a user, by their names in the JSON of a snapshot, to
	// the profile attributes from which they are read: {"timezone": "tz",
	// "manager.email": "boss"}. The attributes of rule S35 are fields, too
	// ("cost_center"). An attribute that is named here is not read for any other
	// field by default.
	Fields map[string]string
	// ManagerID says what the attribute for manager.id holds.
	ManagerID ManagerKey
	// Sees says how much of the org the credential sees.
	Sees Sight
	// MaxWait is the longest pause that Okta may impose on a call. A call that
	// would have to wait longer fails with ErrRateLimited. Defaults to 90 seconds;
	// Okta renews a used-up allowance within a minute.
	MaxWait time.Duration
	// Attempts is how often a request is sent before its failure is returned: after
	// a lost connection, a 429 or a 5xx, with growing pauses. Defaults to 4.
	Attempts int
	// Transport sends the requests. Defaults to http.DefaultTransport.
	Transport http.RoundTripper
	// Logger gets a line for each repeated request, without personal data.
	// Defaults to discarding.
	Logger *slog.Logger
}

// redacted keeps the secrets of a Config out of what prints it.
type redacted = rest.Redacted

// A Source reads one Okta org. It is safe for concurrent use.
type Source struct {
	info    sources.Info
	app     string
	sees    Sight
	api     *api
	records records
	mark    string // identifies the Config, for cursors
}

var (
	_ sources.DeltaSource = (*Source)(nil)
	_ sources.OneReader   = (*Source)(nil)
	_ sources.Checker     = (*Source)(nil)
)

// New returns a Source. It makes no request; see Check for that. The error names
// every field of cfg that is wrong. New does not read the environment or the files
// of Okta's SDK.
func New(cfg Config) (*Source, error) {
	var problems rest.Problems
	base := problems.URL("URL", cfg.URL)
	if base != nil && strings.HasSuffix(strings.SplitN(base.Hostname(), ".", 2)[0], "-admin") {
		problems.Add(rest.Wrong("URL", "want the org's address, which has no -admin"))
	}
	problems.Fields("Fields", cfg.Fields)
	switch cfg.ManagerID {
	case ManagerByID, ManagerByEmail, ManagerByName, ManagerByLogin, ManagerByEmployeeNumber:
	default:
		problems.Add(rest.Wrong("ManagerID", "want email, name, login, employee_number, or nothing for the ID, not %.40q", cfg.ManagerID))
	}
	lists := sources.FactAll
	switch cfg.Sees {
	case SeesByRoles, SeesAll:
	case SeesPart:
		lists = 0
	default:
		problems.Add(rest.Wrong("Sees", "want all, part, or nothing to go by the roles, not %.40q", cfg.Sees))
	}
	key, err := checkCredential(cfg)
	problems.Add(err)
	if err := problems.Err(kind); err != nil {
		return nil, err
	}
	api, err := newAPI(cfg, base, key)
	if err != nil {
		return nil, fmt.Errorf("okta: %w", err)
	}
	return &Source{
		info: sources.Info{Kind: kind, Connection: cmp.Or(cfg.Connection, kind), Lists: lists},
		app:  cfg.AppID, sees: cfg.Sees, api: api, records: newRecords(cfg), mark: mark(cfg, base),
	}, nil
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info { return s.info }

// Users implements sources.Source.
func (s *Source) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return rest.List(kind, "list users", func(emit func(sources.User) bool) error {
		return whole(ctx, s, emit, func(emit func(sources.User) bool) error {
			_, err := s.users(ctx, beginning, emit)
			return err
		})
	})
}

// Groups implements sources.Source.
func (s *Source) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return rest.List(kind, "list groups", func(emit func(sources.Group) bool) error {
		return whole(ctx, s, emit, func(emit func(sources.Group) bool) error { return s.groups(ctx, "", emit) })
	})
}

// One implements sources.OneReader and returns the user's groups. It ignores
// queries: Okta has none for users.
func (s *Source) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	one, err := rest.One(kind, s.info.Lists, id, func() (sources.User, error) { return s.user(ctx, id) })
	if err != nil {
		return one, err
	}
	if one.Found {
		one.Groups, err = s.groupsOf(ctx, id)
		one.Proven |= s.info.Lists & sources.FactMemberships
	}
	if err == nil {
		err = s.proven(ctx)
	}
	if err != nil {
		return sources.One{}, rest.Wrap(kind, "read one", err)
	}
	return one, nil
}

// Check implements sources.Checker: it logs in, reads the first page of users and
// of groups, and checks the roles of the credential as a listing does.
func (s *Source) Check(ctx context.Context) error {
	err := s.firstUsers(ctx)
	if err == nil {
		_, err = page(ctx, s.api, groupsSince(""), "", s.records.group)
	}
	if err == nil {
		err = s.proven(ctx)
	}
	if err != nil {
		return rest.Wrap(kind, "check", err)
	}
	return nil
}
