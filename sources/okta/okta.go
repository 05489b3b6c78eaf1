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
// [Config.Fields] names others. With [Config.AppID], a field is read from the
// profile that the user has in the app, and from the user's own where that has
// nothing. Some orgs keep private addresses in secondEmail, which then is to be
// named there as private_email.
//
// A user is active with status ACTIVE, RECOVERY, PASSWORD_EXPIRED and LOCKED_OUT;
// inactive with SUSPENDED and DEPROVISIONED; staged with STAGED and PROVISIONED
// (S10, R51). Any other word is unknown, which decides nothing.
//
// # What it costs
//
// Okta gives 200 users to a page, 500 users of an app and 1,000 members of a
// group. It lists members for one group at a time only, so that a reading takes at
// least one request for each group; a round of changes reads the members of the
// groups that changed.
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
// Okta allows about 600 requests a minute for users and 500 for groups, by the
// org's plan, and a credential may use half of that by default. So a full reading
// of such an org takes about 4 minutes for the users and 9 for the groups. The
// answers state what is left; the source waits when that comes down to a tenth.
//
// # Changes
//
// A cursor is a time by Okta's clock. A round reads who and what was changed since
// 10 minutes before it, with Okta's consistent parameter filter; members are read
// of groups whose lastMembershipUpdated or lastUpdated moved. Who was deleted is
// in no list, so that comes of the System Log, and so does who was taken off the
// app. Okta promises no log without gaps: take a full reading now and then. A
// cursor that is older than 80 days, or of another Config, has expired.
//
// # What proves a listing complete
//
// The page without a link next is the last, if it has the link to itself that
// every page of Okta has. And a token shows only what its owner may see: unless
// [Config.Sees] says otherwise, each listing, and the reading of one user, ends
// with a look at the admin roles of the credential, and fails where none of them
// shows everybody.
//
// # What the credential needs
//
// An API token of a Read-Only Administrator; or a service app with that role and
// the scopes okta.users.read, okta.groups.read, okta.logs.read (for Changes),
// okta.apps.read (for an app) and okta.roles.read (unless Sees is set). Who may not
// read admin roles is refused at the end of each listing, and the host has to say
// in Sees what the credential sees. Changes in Okta show at once (R22).
package okta

import (
	"cmp"
	"context"
	"errors"
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
	// ManagerByLogin and ManagerByEmployeeNumber name the manager by the login or
	// by the employee number. To know whom that is, every listing reads all users
	// twice, and a round of changes reads them all.
	ManagerByLogin          ManagerKey = "login"
	ManagerByEmployeeNumber ManagerKey = "employee_number"
)

// Sight says how much of the org a credential sees.
type Sight string

// The sights. The zero value is SeesByRoles.
const (
	// SeesByRoles: at the end of each listing, and of the reading of one user, the
	// source asks for the admin roles of the credential, and fails where none of
	// them shows everybody.
	SeesByRoles Sight = ""
	// SeesAll: the host knows that the credential sees every user and every
	// group, for instance by a custom role.
	SeesAll Sight = "all"
	// SeesPart: the credential sees some users or groups only, so that nothing is
	// proven by a listing.
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
	// ClientID and PrivateKey are those of a service app that logs in with
	// private_key_jwt. PrivateKey is PEM: an RSA key, or an ECDSA key of the
	// curve P-256. Where the app demands DPoP (RFC 9449), its tokens are bound to
	// a key that the source makes.
	ClientID   string
	PrivateKey []byte
	// KeyID is the ID that Okta shows for the public key. Needed if the app has
	// several.
	KeyID string
	// Scopes are asked for at the login. Defaults to what the source needs by
	// the rest of the Config.
	Scopes []string
	// AppID limits the users to those who are assigned to an app, directly or by
	// a group (R53), and reads the profile that they have in it. Empty reads
	// every user of the org.
	AppID string
	// Fields names the profile attribute that a field of a user is read from, by
	// the field's name in the JSON of a snapshot: {"timezone": "tz",
	// "manager.email": "boss"}. The attributes of rule S35 are fields, too
	// ("cost_center"). An attribute that is named here is read for no other field
	// by default.
	Fields map[string]string
	// ManagerID says what the attribute for manager.id holds.
	ManagerID ManagerKey
	// Sees says how much of the org the credential sees.
	Sees Sight
	// MaxWait is the longest pause that Okta may impose on a call; a call that
	// would have to wait longer fails with ErrRateLimited. Defaults to 90
	// seconds; a used-up allowance comes back within a minute.
	MaxWait time.Duration
	// Attempts is how often a request is sent before its failure counts: after
	// a lost connection, a 429 or a 5xx, with growing pauses. Defaults to 4.
	Attempts int
	// Transport sends the requests. Defaults to http.DefaultTransport.
	Transport http.RoundTripper
	// Logger gets a line for each repeated request, without personal data.
	// Defaults to discarding.
	Logger *slog.Logger
}

// redacted keeps secrets out of a Config that is printed.
type redacted = rest.Redacted

// A Source reads one Okta org. It is safe for concurrent use.
type Source struct {
	info    sources.Info
	app     string
	sees    Sight
	api     *api
	records records
	mark    string // of the Config, for cursors
}

var (
	_ sources.DeltaSource = (*Source)(nil)
	_ sources.OneReader   = (*Source)(nil)
	_ sources.Checker     = (*Source)(nil)
)

// New returns a Source. It makes no request; see Check for that. The error
// names every field of cfg that is wrong. Nothing is read from the environment
// or from files of Okta's SDK.
func New(cfg Config) (*Source, error) {
	var problems rest.Problems
	base := problems.URL("URL", cfg.URL)
	if base != nil && strings.HasSuffix(strings.SplitN(base.Hostname(), ".", 2)[0], "-admin") {
		problems.Add(errors.New("URL: want the org's address, which has no -admin"))
	}
	problems.Fields("Fields", cfg.Fields)
	switch cfg.ManagerID {
	case ManagerByID, ManagerByEmail, ManagerByName, ManagerByLogin, ManagerByEmployeeNumber:
	default:
		problems.Add(fmt.Errorf("field ManagerID %.40q: want email, name, login, employee_number, or nothing for the ID", cfg.ManagerID))
	}
	lists := sources.FactAll
	switch cfg.Sees {
	case SeesByRoles, SeesAll:
	case SeesPart:
		lists = 0
	default:
		problems.Add(fmt.Errorf("field Sees %.40q: want all, part, or nothing to go by the roles", cfg.Sees))
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

// One implements sources.OneReader, with the user's groups. Okta's users answer
// no queries.
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
// of groups, and the roles of the credential where a listing would.
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
