// Package onelogin lists the users of a OneLogin account, and its roles as
// groups, over OneLogin's API version 2.
//
// It lists people as the account spells them and leaves every decision to
// package provisioning.
//
// # What is read
//
//	field of a user          from
//	ID                       id
//	UserName                 username
//	Status                   status and state (see below)
//	Email                    email
//	GivenName, FamilyName    firstname, lastname
//	Title, Phone             title, phone
//	Locale                   preferred_locale_code, else locale_code
//	Manager.ID               manager_user_id
//	Attributes               department, company (also as organization), group_id,
//	                         external_id, directory_id, samaccountname,
//	                         userprincipalname, distinguished_name, member_of,
//	                         manager_ad_id, status, state, and every custom
//	                         attribute as custom_attributes.<short name>
//
// OneLogin does not have the other fields of rules R57 and R62. They are read from
// the account's custom attributes with these names, if it has them: other_emails,
// private_email, mobile_phone, phone_extension, timezone, country, state,
// manager.email as manager_email, manager.name as manager_name, division,
// cost_center, employee_number. [Config.Fields] names other attributes.
//
// A user is active with status 1 (active), 3 (locked), 4 (password expired), 5
// (awaiting a new password) and 8 (security questions missing), since these people
// are still with the company; inactive with 2 (suspended); staged with 0
// (unactivated) and 7 (no password yet), by analogy with Okta (R51, S10). A state
// of 2 (rejected) or 3 (unlicensed) makes a user inactive. A state of 0
// (unapproved) makes an active user staged.
//
// # What it costs
//
// A page of OneLogin has 50 users or 650 roles. Only the list of roles has
// memberships in bulk.
//
//	200,000 users, 2,000 roles    requests
//	log in                        1, again every 10 hours
//	Users                         4,000
//	Groups                        8; 1 for up to 650 roles
//	One                           1
//	Check                         2
//
// The documented limit is 5,000 requests an hour for all clients of the account;
// newer documentation states it only for version 1 of the API. If OneLogin applies
// it, an account of this size can be read completely once an hour at most. At five
// requests a second, a reading takes 14 minutes.
//
// # What proves a listing complete
//
// OneLogin's cursor is an encoded page number. If a user is deleted on a page that
// was already read, the users behind move forward, and one of them is on no page
// that is read. So a listing counts as complete only if it has as many different
// users as OneLogin stated at its beginning. Otherwise it is read again, three
// times in all, and then fails. Roles have no time of creation, so a new role could
// be counted instead of a skipped one; therefore a list of several pages of roles
// is read twice.
//
// # Deltas
//
// There are none. updated_since selects users who changed, but does not show who
// was deleted or who was given a role or lost one, so a full reading would still be
// needed. sources.Refresh reads everything.
//
// # What the API credential needs
//
// An API credential with the scope Read Users. No cadence is stated for OneLogin
// (rule R27): a listing shows the account as it is now, and the interval at which
// the host reads decides how old the team may be.
package onelogin

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const kind = sources.KindOneLogin

// Config configures a Source. URL, ClientID and ClientSecret are required. A
// Config that is printed, logged or encoded shows no secret.
type Config struct {
	redacted

	// Connection names this account among the tenant's connections. Defaults
	// to "onelogin".
	Connection string
	// URL is the account's address, "https://acme.onelogin.com".
	URL string
	// ClientID and ClientSecret are an API credential.
	ClientID     string
	ClientSecret string
	// Fields maps fields of a user, by their names in the JSON of a snapshot, to
	// the custom attributes from which they are read: {"timezone": "tz",
	// "manager.email": "boss"}. The attributes of rule S35 are fields, too
	// ("cost_center"). If the attribute is empty, the field is read from its usual
	// place.
	Fields map[string]string
	// NoManagers leaves managers out: none are listed and none are proven. It is
	// for an account whose list of users does not have manager_user_id. Without
	// NoManagers that is an error, since nobody would seem to have a manager.
	NoManagers bool
	// MaxWait is the longest pause that OneLogin may impose on a call. A call that
	// would have to wait longer fails with ErrRateLimited. Defaults to 1 minute;
	// OneLogin renews a used-up allowance within an hour.
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

// A Source reads one OneLogin account. It is safe for concurrent use.
type Source struct {
	info    sources.Info
	api     *api
	records records
}

var (
	_ sources.OneReader = (*Source)(nil)
	_ sources.Checker   = (*Source)(nil)
)

// New returns a Source. It makes no request; see Check for that. The error
// names every field of cfg that is wrong.
func New(cfg Config) (*Source, error) {
	var problems rest.Problems
	base := problems.URL("URL", cfg.URL)
	problems.Require("ClientID", cfg.ClientID)
	problems.Require("ClientSecret", cfg.ClientSecret)
	problems.Fields("Fields", cfg.Fields)
	if err := problems.Err(kind); err != nil {
		return nil, err
	}
	return &Source{
		info:    sources.Info{Kind: kind, Connection: cmp.Or(cfg.Connection, kind), Lists: rest.Lists(cfg.NoManagers, false, false)},
		api:     newAPI(cfg, base),
		records: newRecords(cfg),
	}, nil
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info { return s.info }

// Users implements sources.Source.
func (s *Source) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return rest.List(kind, "list users", func(emit func(sources.User) bool) error {
		return listing(ctx, s.api, usersPath, userQuery(s.records.noManagers), s.records.user, emit)
	})
}

// Groups implements sources.Source: it yields the account's roles. OneLogin's own
// groups hold security policies, and a user is in at most one; they are given as
// the attribute group_id.
func (s *Source) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return rest.List(kind, "list groups", func(emit func(sources.Group) bool) error {
		var bare []sources.Group
		stopped := false
		err := listing(ctx, s.api, rolesPath, roleQuery, s.records.group, func(r roleGroup) bool {
			if !r.membersGiven {
				bare = append(bare, r.Group)
				return true
			}
			stopped = !emit(r.Group)
			return !stopped
		})
		if err != nil || stopped || len(bare) == 0 {
			return err
		}
		return s.membersByUser(ctx, bare, emit)
	})
}

// membersByUser adds the members to roles that were listed without them, from the
// roles of each user.
func (s *Source) membersByUser(ctx context.Context, roles []sources.Group, emit func(sources.Group) bool) error {
	members := make(map[string][]string)
	err := listing(ctx, s.api, usersPath, memberQuery, s.records.membership, func(m membership) bool {
		for _, role := range m.roles {
			members[role] = append(members[role], m.user)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, g := range roles {
		g.Members = members[g.ID]
		if !emit(g) {
			return nil
		}
	}
	return nil
}

// One implements sources.OneReader. It ignores queries, which OneLogin does not
// have, and leaves groups out, since OneLogin gives only their IDs.
func (s *Source) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	return rest.One(kind, s.info.Lists, id, func() (sources.User, error) {
		rec, err := one(ctx, s.api, id)
		if err != nil {
			return sources.User{}, err
		}
		row, err := s.records.user(rec)
		return row.Value, err
	})
}

// Check implements sources.Checker: it logs in and reads the first page of users
// and of roles.
func (s *Source) Check(ctx context.Context) error {
	_, err := page(ctx, s.api, usersPath, userQuery(s.records.noManagers), "", s.records.user)
	if err == nil {
		_, err = page(ctx, s.api, rolesPath, roleQuery, "", s.records.group)
	}
	return rest.Wrap(kind, "check", err)
}
