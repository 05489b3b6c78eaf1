package okta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	// SeesByRoles: at the end of each listing the source asks for the admin roles
	// of the credential, and the listing fails where none of them shows everybody.
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

// public is what of a Config may be seen.
func (c Config) public() string { return kind + " " + c.Connection + " at " + c.URL }

// Format implements fmt.Formatter. No verb shows a secret.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.public()) }

// LogValue implements slog.LogValuer.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.public()) }

// MarshalJSON implements json.Marshaler.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.public()) }

// A Source reads one Okta org. It is safe for concurrent use.
type Source struct {
	connection string
	app        string
	sees       Sight
	api        *api
	records    records
	mark       string // of the Config, for cursors
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
	if cfg.Connection == "" {
		cfg.Connection = kind
	}
	problems := rest.CheckFields("Fields", cfg.Fields)
	base, err := rest.BaseURL("URL", cfg.URL)
	switch {
	case err != nil:
		problems = append(problems, err)
	case strings.HasSuffix(strings.SplitN(base.Hostname(), ".", 2)[0], "-admin"):
		problems = append(problems, errors.New("URL: want the org's address, which has no -admin"))
	}
	switch cfg.ManagerID {
	case ManagerByID, ManagerByEmail, ManagerByName, ManagerByLogin, ManagerByEmployeeNumber:
	default:
		problems = append(problems, fmt.Errorf("field ManagerID %.40q: want email, name, login, employee_number, or nothing for the ID", cfg.ManagerID))
	}
	switch cfg.Sees {
	case SeesByRoles, SeesAll, SeesPart:
	default:
		problems = append(problems, fmt.Errorf("field Sees %.40q: want all, part, or nothing to go by the roles", cfg.Sees))
	}
	key, err := checkCredential(cfg)
	if err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("okta: config: %w", errors.Join(problems...))
	}
	api, err := newAPI(cfg, base, key)
	if err != nil {
		return nil, fmt.Errorf("okta: %w", err)
	}
	return &Source{
		connection: cfg.Connection, app: cfg.AppID, sees: cfg.Sees, api: api, records: newRecords(cfg), mark: mark(cfg, base),
	}, nil
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info {
	lists := sources.FactAll
	if s.sees == SeesPart {
		lists = 0
	}
	return sources.Info{Kind: kind, Connection: s.connection, Lists: lists}
}

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
	lists := s.Info().Lists
	one, err := rest.One(kind, lists, id, func() (sources.User, error) { return s.user(ctx, id) })
	if err != nil || !one.Found {
		return one, err
	}
	if one.Groups, err = s.groupsOf(ctx, id); err != nil {
		return sources.One{}, rest.Wrap(kind, "read one", err)
	}
	one.Proven |= lists & sources.FactMemberships
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
