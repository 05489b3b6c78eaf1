// Package entra lists the users and groups of a tenant of Microsoft Entra ID over
// Microsoft Graph v1.0, and what changed in them since.
//
// It lists people as Entra spells them and leaves every decision to package
// provisioning. Entra's own provisioning pushes by SCIM in cycles of about 40
// minutes (rule R25) and reads direct members only. This package reads when the
// host wants to: for the first import, for comparison, and where SCIM is not
// available. A tenant for customers (External ID, B2C) has no deltas and cannot be
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
// manager.name. They are read from properties that [Config.Fields] names: extension
// attributes, directory extensions, otherMails. A zone is mostly a Windows name
// ("W. Europe Standard Time") and is not converted.
//
// An enabled account is active, a disabled one is inactive, and a guest who has not
// accepted the invitation is staged (S10). For an object that the application may
// not read, Graph sends only the ID: the user is listed with an unknown status, so
// nothing is decided and the user does not count as gone. Guests are left out, also
// of groups, unless [Config.Guests] is set.
//
// Without configured groups, all groups are listed with their direct members. With
// [Config.Groups], only those are listed, with direct and indirect members; other
// groups are then not part of this directory.
//
// # What it costs
//
// Graph decides how much a page of a delta holds and documents no number. The
// figures are for 200 objects or 1,000 members on a page, as in package fake. Other
// pages hold 999 rows, batches 20 requests. A list that expands managers has at
// most 100 rows on a page, so a delta is the cheapest way to get people with their
// managers. There is no other way to get the members of all groups in bulk.
//
//	200,000 users, 2,000 groups    requests
//	log in                         1, again every hour
//	Users                          1,000
//	Groups                         1,001 (201 of them for the IDs of users), and
//	                               1 for each 20 members who are no users any more
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
// A request costs one resource unit, and a member list two or four, of 8,000 in ten
// seconds (3,500 for a tenant of less than 50 users). A client that sends one
// request at a time does not reach that. At two requests a second, a full reading
// takes 17 minutes, and the zones of 200,000 mailboxes take 80 minutes more.
// Outlook refuses parts of a batch that asks for too many mailboxes at once; only
// those parts are asked for again.
//
// # Deltas
//
// Graph marks the end of every round with a link to the next one; a round without
// it is an error. According to Microsoft, a round may hold empty pages; objects
// that come several times and in any order; a user, or the members of a large
// group, in parts on several pages; and @removed, also in the first round, for
// objects in the deleted items ("changed") or deleted for good ("deleted"). Both
// mean that the object is no longer listed. So the source hands out nothing before
// the round has ended and its records are merged in their order. Until then it
// holds users compressed, with about 100 bytes each. Of an object, a member or a
// manager that a round reports both as present and as removed, the order of the
// records decides nothing: it is read again. Members who are not listed users are
// left out.
//
// A later round reports only what changed of an object, and not the manager and the
// members who stayed. So changed objects are read again, and what the delta reports
// is applied to them, since it may be newer. If a guest becomes a member of the
// tenant, or a user is restored, their groups are read again, too. No delta reports
// a changed zone of a mailbox: it is read when the user changes in another way, or
// in a full reading.
//
// A [sources.Cursor] is valid for seven days and for one configuration. After that,
// and if Graph has lost the state (410, syncStateNotFound), Changes yields
// ErrCursorExpired and [sources.Refresh] reads everything again.
//
// # What the application needs
//
// The application permissions User.Read.All and GroupMember.Read.All, and
// MailboxSettings.Read for TimeZones. If groups hide their members, it also needs
// Member.Read.Hidden, and [Config.HiddenMembers] has to be set.
//
// The package uses the request adapter and the error model of Microsoft's SDK,
// msgraph-sdk-go. It links none of the SDK's models, which take 4.5 GB of memory to
// compile.
package entra

import (
	"cmp"
	"context"
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
	// certificate, a workload or managed identity) or any other. It decides which
	// tenant is read.
	Credential azcore.TokenCredential
	// URL is the address of Microsoft Graph. Defaults to
	// "https://graph.microsoft.com". The US government has
	// "https://graph.microsoft.us" and "https://dod-graph.microsoft.us", China has
	// "https://microsoftgraph.chinacloudapi.cn". The credential must be of the same
	// cloud. No request is sent to another host, also if a link of an answer leads
	// there.
	URL string
	// Scope is the scope of the tokens. Defaults to URL with "/.default".
	Scope string
	// Groups are the IDs of the groups to list, with their direct and indirect
	// members. If there are none, all groups are listed, with their direct
	// members.
	Groups []string
	// Guests also lists guests: people of other directories who were invited.
	Guests bool
	// HiddenMembers says that the application has the permission
	// Member.Read.Hidden. Without it, Graph lists a group that hides its members
	// (visibility HiddenMembership) with some members or none. A listing that meets
	// such a group fails at its end, so that no membership counts as known. One
	// does not notice such groups.
	HiddenMembers bool
	// TimeZones reads the time zone of each mailbox. It needs a request to Outlook
	// for each user, and the permission MailboxSettings.Read.
	TimeZones bool
	// Fields maps fields of a user, by their names in the JSON of a snapshot, to
	// the properties from which they are read: {"phone_extension":
	// "extensionAttribute3", "private_email": "otherMails"}. Any property of a user
	// may be named, such as a directory extension. If the property is empty, the
	// field is read from its usual place.
	Fields map[string]string
	// Properties are further properties of a user to read. They become attributes
	// of the same name. A dot leads into an object ("employeeOrgData.division").
	Properties []string
	// Hidden are properties that must not be read, such as "employeeOrgData".
	Hidden []string
	// MaxWait is the longest pause that Graph may impose on a call. A call that
	// would have to wait longer fails with ErrRateLimited. Defaults to 1 minute.
	MaxWait time.Duration
	// Attempts is how often a request is sent before its failure is returned: after
	// a lost connection, a 429 or a 5xx, with growing pauses. Defaults to 4.
	Attempts int
	// Transport sends the requests to Graph; the credential has a transport of its
	// own. Defaults to http.DefaultTransport.
	Transport http.RoundTripper
	// Logger gets a line for each repeated request, without personal data.
	// Defaults to discarding.
	Logger *slog.Logger
}

// redacted keeps the secrets of a Config out of what prints it.
type redacted = rest.Redacted

// A Source reads one tenant's directory. It is safe for concurrent use.
type Source struct {
	info    sources.Info
	api     *api
	records *records
	groups  []string // the IDs of the configured groups
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
		problems.Add(rest.Wrong("Credential", "required"))
	}
	problems.Fields("Fields", cfg.Fields)
	problems.Add(checkProperties(cfg)...)
	groups := make([]string, len(cfg.Groups))
	for i, id := range cfg.Groups {
		groups[i] = strings.ToLower(id) // Graph writes IDs in lower case
		if !objectID.MatchString(id) {
			problems.Add(rest.Wrong(fmt.Sprintf("Groups[%d]", i), "want the object ID of a group, not %.80q", id))
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

// checkProperties returns what is wrong with the names of properties.
func checkProperties(cfg Config) (problems []error) {
	check := func(option, name string) {
		if !propertyName.MatchString(name) {
			problems = append(problems, rest.Wrong(option, "want the name of a property of a user, not %.80q", name))
		}
	}
	for i, name := range cfg.Properties {
		check(fmt.Sprintf("Properties[%d]", i), name)
	}
	for field, name := range cfg.Fields {
		if strings.TrimSpace(name) != "" { // Problems.Fields reports an empty name
			check(fmt.Sprintf("Fields[%q]", field), name)
		}
	}
	for i, name := range cfg.Hidden {
		if !slices.Contains(asked, name) {
			problems = append(problems, rest.Wrong(fmt.Sprintf("Hidden[%d]", i), "want one of %s, not %.80q", strings.Join(asked, ", "), name))
		}
	}
	return problems
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info { return s.info }

// Users implements sources.Source. It reads a round of the delta of users from the
// beginning. Graph itself marks the end of a round; no user is yielded before it.
func (s *Source) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return rest.List(kind, "list users", func(emit func(sources.User) bool) error {
		_, err := s.users(ctx, "", newRoster(rest.NewIDs(absentWidth)), func(u *sources.User, _ string) bool { return emit(*u) })
		return err
	})
}

// Groups implements sources.Source. It reads the configured groups one by one, or a
// round of the delta of all groups. In the latter case it also reads the IDs of all
// users, since the delta lists guests and removed users as members.
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
				} else if out {
					everybody.leave(id)
				} else {
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

// configured reads the configured groups. A group that does not exist is handed out
// as removed.
func (s *Source) configured(ctx context.Context, everybody *roster, take func(g *sources.Group, removed string) bool) error {
	return s.readGroups(ctx, s.groups, "transitiveMembers", everybody, func(id string, g *sources.Group) (bool, error) {
		if g == nil {
			return take(nil, id), nil
		}
		return take(g, ""), nil
	})
}

// Changes implements sources.DeltaSource. Configured groups have no delta, and are
// read completely in every round.
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

// One implements sources.OneReader. It ignores queries: Graph has none.
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
	if one.User.UserName == "" { // the application may not read the user, so nothing is known
		one.Proven &^= sources.FactManagers
	}
	if one.Groups, err = s.groupsOf(ctx, id); err != nil {
		return sources.One{}, rest.Wrap(kind, "read one", err)
	}
	one.Proven |= sources.FactMemberships
	return one, nil
}

// Check implements sources.Checker: it logs in and reads one user, one group and,
// if time zones are configured, one mailbox.
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
	case rest.IsMissing(err): // the user has no mailbox
		return nil
	case err == nil && !zone.Value.Given:
		return rest.Malformed("mailboxSettings/timeZone: want a value")
	default:
		return err
	}
}
