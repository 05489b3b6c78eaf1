// Package entra lists the users and groups of a tenant of Microsoft Entra ID over
// Microsoft Graph v1.0, and what changed in them since.
//
// It lists people as Entra spells them and leaves every decision to package
// provisioning. Entra's own provisioning pushes by SCIM in cycles of about 40
// minutes (rule R25), and reads direct members only; this package reads when the
// host wants to, for the first import, for comparing, and where SCIM cannot be
// had. A tenant for customers (External ID, B2C) has no deltas and cannot be
// read.
//
// # What is read
//
//	field of a user          from
//	ID                       id
//	UserName                 userPrincipalName
//	Status                   accountEnabled, and externalUserState of a guest
//	Email                    mail
//	OtherEmails              otherMails, and the smtp: aliases of proxyAddresses
//	GivenName, FamilyName    givenName, surname
//	Title                    jobTitle
//	Phone, MobilePhone       businessPhones, mobilePhone
//	TimeZone                 mailboxSettings.timeZone, with [Config.TimeZones]
//	Country, State           country, state
//	Locale                   preferredLanguage
//	Manager.ID               manager
//	Attributes               department, companyName (also as organization),
//	                         employeeId (also as employee_number),
//	                         employeeOrgData.division and .costCenter (also as
//	                         division and cost_center), employeeType, displayName,
//	                         officeLocation, city, usageLocation, userType,
//	                         mailNickname, otherMails, onPremisesSamAccountName,
//	                         onPremisesUserPrincipalName, extensionAttribute1 to
//	                         15, and whatever [Config.Properties] names
//
// Entra has no place for private_email, phone_extension, manager.email and
// manager.name. They are read from properties that [Config.Fields] names:
// extension attributes, directory extensions, otherMails. A zone is a Windows name
// mostly ("W. Europe Standard Time"), and is given as it stands.
//
// An account that is enabled is active, one that is not is inactive, and a guest
// who has not accepted the invitation is staged (S10). Of an object that the
// application may not read, Graph sends the ID alone: the user is listed with an
// unknown status, on which nothing is decided, and is not taken to be gone.
// Guests are left out, also of groups, unless [Config.Guests] asks for them.
//
// Without configured groups, all groups are listed with their direct members.
// With [Config.Groups], those alone are, with direct and indirect members; others
// are then not of this directory.
//
// # What it costs
//
// Of a delta, Graph decides what a page holds, and states no number; the figures
// are for 200 objects or 1,000 members to a page, as package fake has them. Other
// pages hold 999 rows, batches 20 requests. A list that expands managers has 100
// rows to a page at most, so a delta is the cheapest way to people with their
// managers. The members of all groups come by no other way in bulk.
//
//	200,000 users, 2,000 groups    requests
//	log in                         1, again every hour
//	Users                          1,000
//	Groups                         1,001 (201 of them for the IDs of users)
//	Groups, if configured          1 for each 10 groups, and 1 for each further
//	                               999 members of one
//	Changes from the beginning     1,800
//	Changes                        2, and 1 for each 20 changed users, 1 for
//	                               each 10 changed groups, 1 for each further
//	                               999 members of those
//	with TimeZones                 1 more for each 20 users listed
//	One                            2, with TimeZones 3
//	Check                          2, with TimeZones 3
//
// A request costs one resource unit, a member list two or four, of 8,000 in ten
// seconds (3,500 for a tenant of less than 50 users): the allowance does not bind
// who asks one request at a time. At two requests a second, a full reading takes
// 17 minutes, and with the zones of 200,000 mailboxes 80 minutes more. Outlook
// refuses a part of a batch that asks for too many mailboxes at a time; that part
// alone is asked for again.
//
// # Deltas
//
// The end of every round is marked by Graph, with a link to the next one; a round
// without it is an error. The source is prepared for what Microsoft says that a
// round may hold: empty pages, objects that come several times and in any order,
// a user or the members of a large group in parts on several pages, @removed in the
// first round, and in both senses: in the deleted items ("changed") and for good
// ("deleted"). Both mean that the object is not listed any more. So nothing is
// handed out before a round has ended and its parts are laid over one another in
// the order in which they came; until then users are held compressed, about 100
// bytes each. What a round tells to be removed, and then to be there, is read
// again: it may be a replay. A member who is not a listed user is none.
//
// A later round tells what changed of an object, and not the rest: the manager
// and the members who stayed are not in it. So what changed is read again, and
// what the delta says is laid over it, since it may be newer. Of a guest who becomes
// a member of the tenant, and of a user who is restored, the groups are read again,
// too. A changed zone of a mailbox is in no delta: it is read when the user changes
// in another way, or is read anew.
//
// A [sources.Cursor] is good for seven days, and for one configuration. Then, and
// where Graph has lost the state (410, syncStateNotFound), Changes yields
// ErrCursorExpired and [sources.Refresh] reads everything anew.
//
// # What the application needs
//
// The application permissions User.Read.All and GroupMember.Read.All, and
// MailboxSettings.Read for TimeZones; Member.Read.Hidden where groups hide their
// members, which is to be said in HiddenMembers.
//
// The package is built on the request adapter and the error model of Microsoft's
// SDK, msgraph-sdk-go, and links none of its models, which take 4.5 GB of memory to
// compile.
package entra

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

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	kind = sources.KindEntra

	defaultURL = "https://graph.microsoft.com"
)

// Config configures a Source. Credential is required. A Config that is printed,
// logged or encoded shows no secret.
type Config struct {
	redacted

	// Connection names this tenant among the connections. Defaults to "entra".
	Connection string
	// Credential gives the tokens: one of azidentity (a client secret, a
	// certificate, a workload or managed identity) or any other. It decides
	// which tenant is read.
	Credential azcore.TokenCredential
	// URL is the address of Microsoft Graph. Defaults to
	// "https://graph.microsoft.com"; "https://graph.microsoft.us" and
	// "https://dod-graph.microsoft.us" are those of the US government,
	// "https://microsoftgraph.chinacloudapi.cn" that of China. The credential
	// is to be of the same cloud. No request goes to another host, wherever a
	// link of an answer leads.
	URL string
	// Scope is what tokens are asked for. Defaults to URL with "/.default".
	Scope string
	// Groups are the IDs of the groups to list, with their direct and indirect
	// members. If there are none, all groups are listed, with their direct
	// members.
	Groups []string
	// Guests lists guests as well: people of other directories who were invited.
	Guests bool
	// HiddenMembers says that the application has the permission
	// Member.Read.Hidden. Without it, Graph lists a group that hides its members
	// (visibility HiddenMembership) as if it had none, or fewer: a listing that
	// meets such a group fails at its end, so that no membership counts as known.
	// One user's groups do not show that there are such groups.
	HiddenMembers bool
	// TimeZones reads the time zone of each mailbox, which takes a request to
	// Outlook for each user and the permission MailboxSettings.Read.
	TimeZones bool
	// Fields names the attribute that a field of a user is read from, by the
	// field's name in the JSON of a snapshot: {"phone_extension":
	// "extensionAttribute3", "private_email": "otherMails"}. It may be any
	// property of a user, such as a directory extension. Where the attribute is
	// empty, the field is read from its usual place.
	Fields map[string]string
	// Properties are further properties of a user to read; they become
	// attributes of the same name. A dot leads into an object
	// ("employeeOrgData.division").
	Properties []string
	// Hidden are properties that are not to be asked for, such as
	// "employeeOrgData".
	Hidden []string
	// MaxWait is the longest pause that Graph may impose on a call; a call that
	// would have to wait longer fails with ErrRateLimited. Defaults to 1 minute.
	MaxWait time.Duration
	// Attempts is how often a request is sent before its failure counts: after
	// a lost connection, a 429 or a 5xx, with growing pauses. Defaults to 4.
	Attempts int
	// Transport sends the requests to Graph; the credential has one of its own.
	// Defaults to http.DefaultTransport.
	Transport http.RoundTripper
	// Logger gets a line for each repeated request, without personal data.
	// Defaults to discarding.
	Logger *slog.Logger
}

// redacted keeps secrets out of a Config that is printed.
type redacted = rest.Redacted

// A Source reads one tenant's directory. It is safe for concurrent use.
type Source struct {
	info    sources.Info
	api     *api
	records *records
	groups  []string // the IDs of the configured ones
	zones   bool
	hidden  bool // the application sees hidden members
	config  string
}

var (
	_ sources.DeltaSource = (*Source)(nil)
	_ sources.OneReader   = (*Source)(nil)
	_ sources.Checker     = (*Source)(nil)
)

// New returns a Source. It makes no request; see Check for that. The error
// names every field of cfg that is wrong.
func New(cfg Config) (*Source, error) {
	cfg.URL = cmp.Or(cfg.URL, defaultURL)
	var problems rest.Problems
	base := problems.URL("URL", cfg.URL)
	if cfg.Credential == nil {
		problems.Add(errors.New("field Credential: required"))
	}
	problems.Fields("Fields", cfg.Fields)
	problems.Add(checkProperties(cfg)...)
	groups := make([]string, len(cfg.Groups))
	for i, id := range cfg.Groups {
		groups[i] = strings.ToLower(id) // as Graph writes it
		if !objectID.MatchString(id) {
			problems.Add(fmt.Errorf("field Groups[%d] %.80q: want the object ID of a group", i, id))
		}
	}
	if err := problems.Err(kind); err != nil {
		return nil, err
	}
	cfg.Groups, cfg.Scope = distinct(groups), cmp.Or(cfg.Scope, scopeOf(base))
	api, err := newAPI(cfg, base)
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	r := newRecords(cfg)
	return &Source{
		info: sources.Info{Kind: kind, Connection: cmp.Or(cfg.Connection, kind), Lists: sources.FactAll},
		api:  api, records: r, groups: cfg.Groups, zones: cfg.TimeZones, hidden: cfg.HiddenMembers, config: configOf(cfg, r),
	}, nil
}

var (
	objectID     = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	propertyName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)?$`)
)

// checkProperties reports what is wrong with the names of properties.
func checkProperties(cfg Config) (problems []error) {
	check := func(option, name string) {
		if !propertyName.MatchString(name) {
			problems = append(problems, fmt.Errorf("field %s %.80q: want the name of a property of a user", option, name))
		}
	}
	for i, name := range cfg.Properties {
		check(fmt.Sprintf("Properties[%d]", i), name)
	}
	for field, name := range cfg.Fields {
		if strings.TrimSpace(name) != "" { // else Problems.Fields says so
			check(fmt.Sprintf("Fields[%q]", field), name)
		}
	}
	for i, name := range cfg.Hidden {
		if !slices.Contains(asked, name) {
			problems = append(problems, fmt.Errorf("field Hidden[%d] %.80q: want one of %s", i, name, strings.Join(asked, ", ")))
		}
	}
	return problems
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info { return s.info }

// Users implements sources.Source: it reads a round of the delta of users from
// the beginning, whose end Graph itself marks, and hands out nobody before.
func (s *Source) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return rest.List(kind, "list users", func(emit func(sources.User) bool) error {
		_, err := s.users(ctx, "", newRoster(rest.NewIDs(absentWidth)), func(u *sources.User, _ string) bool { return emit(*u) })
		return err
	})
}

// Groups implements sources.Source. It reads the configured groups one by one, or
// a round of the delta of all groups. Beside that it reads the IDs of all users,
// since the delta lists members who are guests or were removed, too.
func (s *Source) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return rest.List(kind, "list groups", func(emit func(sources.Group) bool) error {
		everybody := newRoster(rest.NewIDs(absentWidth))
		stopped := false
		take := func(g *sources.Group, _ string) bool {
			stopped = g != nil && !emit(*g)
			return !stopped
		}
		if len(s.groups) > 0 {
			if err := s.configured(ctx, everybody, take); err != nil || stopped {
				return err
			}
			return everybody.allShown()
		}
		_, err := s.api.pages(ctx, s.api.address("/users", "$select=id,userType&$top="+mostRows), false, func(page []record) (bool, error) {
			for _, rec := range page {
				id, err := rec.id()
				if err != nil {
					return false, err
				}
				if out, err := s.records.leftOut(rec); err != nil {
					return false, err
				} else if !out {
					everybody.list(id)
				}
			}
			return true, nil
		})
		if err == nil {
			_, err = s.deltaGroups(ctx, "", everybody, take)
		}
		if err != nil || stopped {
			return err
		}
		return everybody.allShown()
	})
}

// configured reads the configured groups. One that there is not is handed out as
// removed.
func (s *Source) configured(ctx context.Context, everybody *roster, take func(g *sources.Group, removed string) bool) error {
	return s.readGroups(ctx, s.groups, "transitiveMembers", everybody, func(id string, g *sources.Group) (bool, error) {
		if g == nil {
			return take(nil, id), nil
		}
		return take(g, ""), nil
	})
}

// Changes implements sources.DeltaSource. Configured groups have no delta, and
// are read whole in every round.
func (s *Source) Changes(ctx context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	return rest.List(kind, "list changes", func(emit func(sources.Change) bool) error {
		at, err := s.cursor(after)
		if err != nil {
			return err
		}
		stopped := false
		everybody := newRoster(at.absent)
		next := cursor{Config: s.config}
		next.Users, err = s.users(ctx, at.Users, everybody, func(u *sources.User, removed string) bool {
			stopped = !emit(sources.Change{User: u, UserRemoved: removed})
			return !stopped
		})
		if err != nil || stopped {
			return err
		}
		take := func(g *sources.Group, removed string) bool {
			stopped = !emit(sources.Change{Group: g, GroupRemoved: removed})
			return !stopped
		}
		if len(s.groups) > 0 {
			err = s.configured(ctx, everybody, take)
		} else {
			next.Groups, err = s.deltaGroups(ctx, at.Groups, everybody, take)
			next.Absent = everybody.absent.String()
		}
		if err != nil || stopped {
			return err
		}
		if err := everybody.allShown(); err != nil {
			return err
		}
		emit(sources.Change{Next: sources.Cursor(next.String())})
		return nil
	})
}

// One implements sources.OneReader. Graph has no queries.
func (s *Source) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	guest := false
	one, err := rest.One(kind, s.info.Lists, id, func() (sources.User, error) {
		var rec record
		if err := s.api.get(ctx, s.api.address(s.userPath(id), ""), &rec); err != nil {
			return sources.User{}, err
		}
		manager, err := rec.manager()
		if err != nil {
			return sources.User{}, err
		}
		u, err := s.records.user(rec, manager)
		if err != nil || u.ID != id {
			return u, err
		}
		if guest, err = s.records.leftOut(rec); err != nil || guest {
			return u, err
		}
		read, err := s.details(ctx, nil, []string{id})
		if u.TimeZone == "" {
			u.TimeZone = read.zones[id]
		}
		return u, err
	})
	if err != nil || !one.Found {
		return one, err
	}
	if guest {
		return sources.One{Proven: one.Proven & sources.FactUsers}, nil
	}
	if one.User.UserName == "" { // of an object that may not be read nothing is known
		one.Proven &^= sources.FactManagers
	}
	if one.Groups, err = s.groupsOf(ctx, id); err != nil {
		return sources.One{}, rest.Wrap(kind, "read one", err)
	}
	one.Proven |= sources.FactMemberships
	return one, nil
}

// Check implements sources.Checker: it logs in and reads one user, one group, and
// one mailbox's time zone if the configuration wants those.
func (s *Source) Check(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return rest.Wrap(kind, "check", err)
	}
	return nil
}

func (s *Source) check(ctx context.Context) error {
	var users, groups page
	if err := s.api.get(ctx, s.api.address("/users", "$select=id,userType,accountEnabled,userPrincipalName&$top=1"), &users); err != nil {
		return err
	}
	if err := s.api.get(ctx, s.api.address("/groups", "$select=id,displayName&$top=1"), &groups); err != nil {
		return err
	}
	if users.Value == nil || groups.Value == nil {
		return rest.Malformed("an answer without value")
	}
	for _, rec := range *users.Value {
		if name, err := rec.text("userPrincipalName"); err != nil || name == "" {
			return cmp.Or(err, error(&rest.Error{Reason: sources.ErrForbidden, Detail: "the application sees the IDs of users alone; it needs User.Read.All"}))
		}
	}
	if !s.zones || len(*users.Value) == 0 {
		return nil
	}
	id, err := (*users.Value)[0].id()
	if err != nil {
		return err
	}
	var zone zoneAnswer
	switch err := s.api.get(ctx, s.api.address(zonePath(id), ""), &zone); {
	case rest.IsMissing(err): // has no mailbox
		return nil
	case err == nil && !zone.Value.Given:
		return rest.Malformed("mailboxSettings/timeZone: want a value")
	default:
		return err
	}
}
