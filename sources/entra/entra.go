package entra

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
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

// public is what of a Config may be seen.
func (c Config) public() string { return kind + " " + c.Connection + " at " + c.URL }

// Format implements fmt.Formatter. No verb shows a secret.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.public()) }

// LogValue implements slog.LogValuer.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.public()) }

// MarshalJSON implements json.Marshaler.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.public()) }

// A Source reads one tenant's directory. It is safe for concurrent use.
type Source struct {
	connection string
	api        *api
	records    *records
	groups     []string // the IDs of the configured ones
	zones      bool
	config     string
}

var (
	_ sources.DeltaSource = (*Source)(nil)
	_ sources.OneReader   = (*Source)(nil)
	_ sources.Checker     = (*Source)(nil)
)

// New returns a Source. It makes no request; see Check for that. The error
// names every field of cfg that is wrong.
func New(cfg Config) (*Source, error) {
	if cfg.Connection == "" {
		cfg.Connection = kind
	}
	if cfg.URL == "" {
		cfg.URL = defaultURL
	}
	problems := append(rest.CheckFields("Fields", cfg.Fields), checkProperties(cfg)...)
	base, err := rest.BaseURL("URL", cfg.URL)
	if err != nil {
		problems = append(problems, err)
	}
	if cfg.Credential == nil {
		problems = append(problems, errors.New("Credential: required"))
	}
	for i, id := range cfg.Groups {
		if !objectID.MatchString(id) {
			problems = append(problems, fmt.Errorf("Groups[%d] %.80q: want the object ID of a group", i, id))
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("entra: config: %w", errors.Join(problems...))
	}
	if cfg.Scope == "" {
		cfg.Scope = scopeOf(base)
	}
	api, err := newAPI(cfg, base)
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	r := newRecords(cfg)
	return &Source{
		connection: cfg.Connection, api: api, records: r, groups: distinct(cfg.Groups), zones: cfg.TimeZones, config: configOf(cfg, r),
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
			problems = append(problems, fmt.Errorf("%s %.80q: want the name of a property of a user", option, name))
		}
	}
	for i, name := range cfg.Properties {
		check(fmt.Sprintf("Properties[%d]", i), name)
	}
	for field, name := range cfg.Fields {
		if strings.TrimSpace(name) != "" { // else CheckFields says so
			check(fmt.Sprintf("Fields[%q]", field), name)
		}
	}
	for i, name := range cfg.Hidden {
		if !slices.Contains(asked, name) {
			problems = append(problems, fmt.Errorf("Hidden[%d] %.80q: want one of %s", i, name, strings.Join(asked, ", ")))
		}
	}
	return problems
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info {
	return sources.Info{Kind: kind, Connection: s.connection, Lists: sources.FactAll}
}

// Users implements sources.Source: it reads a round of the delta of users from
// the beginning, whose end Graph itself marks.
func (s *Source) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return rest.List(kind, "list users", func(emit func(sources.User) bool) error {
		listed := make(map[string]bool)
		_, err := s.users(ctx, "", newRoster(), func(u *sources.User, _ string) bool {
			if u == nil || listed[u.ID] { // left while this was read, or is repeated
				return true
			}
			listed[u.ID] = true
			return emit(*u)
		})
		return err
	})
}

// Groups implements sources.Source. It reads the configured groups one by one, or
// a round of the delta of all groups. Beside that it reads the IDs of all users,
// since the delta lists members who are guests or were removed, too.
func (s *Source) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return rest.List(kind, "list groups", func(emit func(sources.Group) bool) error {
		if len(s.groups) > 0 {
			return s.configured(ctx, func(g *sources.Group, _ string) bool { return g == nil || emit(*g) })
		}
		everybody := newRoster()
		_, err := s.api.pages(ctx, s.api.address("/users", "$select=id,userType&$top="+mostRows), false, func(page []record) (bool, error) {
			for _, rec := range page {
				id, err := rec.id()
				if err != nil {
					return false, err
				}
				if out, err := s.records.leftOut(rec); err != nil {
					return false, err
				} else if !out {
					everybody.add(id)
				}
			}
			return true, nil
		})
		if err == nil {
			_, err = s.deltaGroups(ctx, "", everybody, func(g *sources.Group, _ string) bool { return g == nil || emit(*g) })
		}
		return err
	})
}

// configured reads the configured groups. One that there is not is handed out as
// removed.
func (s *Source) configured(ctx context.Context, take func(g *sources.Group, removed string) bool) error {
	return s.readGroups(ctx, s.groups, "transitiveMembers", func(id string, g *sources.Group) (bool, error) {
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
		everybody := newRoster()
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
			err = s.configured(ctx, take)
		} else {
			next.Groups, err = s.deltaGroups(ctx, at.Groups, everybody, take)
		}
		if err == nil && !stopped {
			emit(sources.Change{Next: sources.Cursor(next.String())})
		}
		return err
	})
}

// One implements sources.OneReader. Graph has no queries.
func (s *Source) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	guest := false
	one, err := rest.One(kind, s.Info().Lists, id, func() (sources.User, error) {
		var rec record
		if err := s.api.get(ctx, s.api.address(s.userPath(id), ""), &rec); err != nil {
			return sources.User{}, err
		}
		u, err := s.records.user(rec)
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
	if one.Groups, err = s.groupsOf(ctx, id); err != nil {
		return sources.One{}, rest.Wrap(kind, "read one", err)
	}
	one.Proven |= sources.FactMemberships
	return one, nil
}

// groupsOf returns the groups that a listing would have a user in.
func (s *Source) groupsOf(ctx context.Context, id string) (groups []sources.Group, err error) {
	relation := "memberOf"
	if len(s.groups) > 0 {
		relation = "transitiveMemberOf"
	}
	first := s.api.address("/users/"+url.PathEscape(id)+"/"+relation, "$select=id,displayName&$top="+mostRows)
	_, err = s.api.pages(ctx, first, false, func(page []record) (bool, error) {
		for _, rec := range page {
			g := sources.Group{}
			if g.ID, err = rec.id(); err != nil {
				return false, err
			}
			if g.Name, err = rec.text("displayName"); err != nil {
				return false, err
			}
			same := func(group string) bool { return strings.EqualFold(group, g.ID) }
			if rec.kind() == groupLink && (len(s.groups) == 0 || slices.ContainsFunc(s.groups, same)) && !slices.ContainsFunc(groups, func(have sources.Group) bool { return have.ID == g.ID }) {
				groups = append(groups, g)
			}
		}
		return true, nil
	})
	return groups, err
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
