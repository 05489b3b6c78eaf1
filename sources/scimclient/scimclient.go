// Package scimclient lists the users and groups of any SCIM 2.0 server (RFC
// 7643, RFC 7644) as a source.
//
// It lists people as the server spells them and leaves every decision to package
// provisioning. It reads the same of a user as package scim reads of a pushed user,
// so that both ways give the same person (rule S33): the core schema, the
// enterprise extension, the user extension, and further attributes under their own
// names; those of extensions have the URN before the name.
//
// # What proves a listing complete
//
// If the server's ServiceProviderConfig offers cursors (RFC 9865), pages are read
// by cursor, and the page without a nextCursor is the last. If the first page shows
// that the server has no cursors, pages are read by position.
//
// Otherwise pages are positions. Servers make mistakes in everything that describes
// the position of a page: a totalResults that counts the page, an itemsPerPage that
// repeats the request, a startIndex that is ignored. So none of these is trusted
// alone. The next page begins behind the resources that came. The end is a page
// without resources; or a page that begins anew, if the server is known to use
// startIndex. At the end, as many different resources must have come as
// totalResults stated at the beginning, and at least as many as it states at the end.
// If there are fewer, because somebody was removed in the meantime or because of a
// mistake of the server, the listing is read again, three times in all, and then
// fails. A resource that was created
// during the listing does not count in place of a skipped one; so if the server
// leaves out meta.created or the header Date, a listing of several pages is read
// twice. Use [PageAll] for a server that always answers with everything.
//
// # Members
//
// A group that is listed without members is read by itself; if it has none there
// either, it is empty. An empty list of members counts as one only if some group is
// listed with a member, since there are servers that list every group as empty.
// Members of nested groups are included, also of those that the list does not have.
// AWS IAM Identity Center gives no members at all: set [Config.NoMembers].
//
// What a member is, is read from its type or its $ref. If it has neither, and is the
// ID of a group, then it is that group, unless there is a user with this ID, too:
// that is an error.
//
// # What it costs
//
//	200,000 users, 2,000 groups    requests, with 100 resources to a page
//	ServiceProviderConfig          1 for each listing
//	Users                          2,001; twice that without meta.created or Date;
//	                               2,000 by cursor
//	Groups                         21 or twice that, 20 by cursor, and one for each
//	                               group that is listed without members
//	One                            1
//	Check                          3
//
// Each server has its own limits. A refused request says how long to wait.
//
// # Deltas
//
// There are none. A server may offer a filter by meta.lastModified, but that does
// not show who was deleted. sources.Refresh reads everything.
package scimclient

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// A Paging is the way in which a server pages long lists.
type Paging string

// The ways. The zero value is PageAuto.
const (
	PageAuto   Paging = ""       // by cursor if the server offers it, otherwise by position
	PageIndex  Paging = "index"  // by startIndex and count
	PageCursor Paging = "cursor" // by cursor (RFC 9865)
	// PageAll sends one request and expects all resources in its answer. It is for
	// servers without pages, whose totalResults is the number of resources in the
	// answer.
	PageAll Paging = "all"
)

// Config configures a Source. URL and one way to authenticate are required: a
// Token, a TokenSource, a UserName with Password, or a TokenURL with ClientID and
// ClientSecret. A Config that is printed, logged or encoded shows no secret.
type Config struct {
	redacted

	// Kind is the kind of directory, a word of sources.KindOf. It decides which
	// rules apply (rule S33). Defaults to "scim".
	Kind string
	// Connection names this server among the tenant's connections. Defaults to
	// the kind.
	Connection string
	// URL is the base of the server's SCIM API, "https://idp.example/scim/v2".
	URL string

	// Token is a bearer token that does not expire.
	Token string
	// TokenSource returns a bearer token. It is called before the first request and
	// after a token was refused, by one goroutine at a time.
	TokenSource func(context.Context) (string, error)
	// UserName and Password are for HTTP Basic.
	UserName, Password string
	// TokenURL, ClientID, ClientSecret and Scope are for OAuth 2 client
	// credentials. Scope may be empty.
	TokenURL               string
	ClientID, ClientSecret string
	Scope                  string

	// UserExtension is the URN of the extension with the attributes that the core
	// and enterprise schemas do not have: country, stateOrProvince, managerEmail,
	// managerFullName, privateEmail, secondaryEmails, primaryPhoneExt. If it is
	// empty, they are read from any extension that has them.
	UserExtension string
	// Fields maps fields of a user, by their names in the JSON of a snapshot, to
	// the attributes from which they are read: {"timezone": "zoneinfo",
	// "cost_center": "urn:example:User:cc"}. The attributes of rule S35 are fields,
	// too. If the attribute is empty, the field is read from its usual place.
	Fields map[string]string
	// Paging is how the server gives long lists.
	Paging Paging
	// PageSize is the number of resources that are asked for in one request.
	// Defaults to 100.
	PageSize int
	// NoGroups leaves groups out: none are listed and none are proven.
	NoGroups bool
	// NoMembers lists groups without members, and proves no memberships.
	NoMembers bool

	// MaxPageBytes is the largest answer that is read. Defaults to 64 MiB. If a
	// page of groups is larger, fewer groups are asked for.
	MaxPageBytes int64
	// MaxWait is the longest pause that the server may impose on a call. A call
	// that would have to wait longer fails with ErrRateLimited. Defaults to 1
	// minute.
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

// A Source reads one SCIM server. It is safe for concurrent use.
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
	kind, _ := sources.KindOf(cmp.Or(cfg.Kind, sources.KindSCIM))
	cfg.PageSize = cmp.Or(cfg.PageSize, 100)
	var problems rest.Problems
	base := problems.URL("URL", cfg.URL)
	problems.Fields("Fields", cfg.Fields)
	if cfg.PageSize < 1 {
		problems.Add(rest.Wrong("PageSize", "want a number of resources, not %d", cfg.PageSize))
	}
	switch cfg.Paging {
	case PageAuto, PageIndex, PageCursor, PageAll:
	default:
		problems.Add(rest.Wrong("Paging", "want index, cursor, all or nothing, not %.40q", string(cfg.Paging)))
	}
	reader, err := scim.NewUserReader(scim.SourceConfig{Kind: kind.Word, UserExtension: cfg.UserExtension})
	problems.Add(err)
	speak := rest.Config{
		Base: cfg.Transport, Origin: base, MaxBody: cfg.MaxPageBytes, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
		Explain: explain, Secrets: []string{cfg.Token, cfg.Password, cfg.ClientSecret}, Logger: cfg.Logger,
	}
	speak.Auth, err = newAuth(cfg, kind.Word, speak)
	problems.Add(err)
	if err := problems.Err("scimclient"); err != nil {
		return nil, err
	}
	return &Source{
		info: sources.Info{
			Kind: kind.Word, Connection: cmp.Or(cfg.Connection, kind.Word), Lists: rest.Lists(false, cfg.NoGroups, cfg.NoMembers),
		},
		api:     &api{http: rest.New(speak), base: base, paging: cfg.Paging, size: cfg.PageSize},
		records: &records{reader, cfg.Fields},
	}, nil
}

// Info implements sources.Source.
func (s *Source) Info() sources.Info { return s.info }

// Users implements sources.Source.
func (s *Source) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return rest.List(s.info.Kind, "list users", func(emit func(sources.User) bool) error {
		return listing(ctx, s.api, "Users", s.records.user, emit)
	})
}

// Groups implements sources.Source. It yields the first group after it has read all
// groups, since groups may contain others.
func (s *Source) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return rest.List(s.info.Kind, "list groups", func(emit func(sources.Group) bool) error {
		if !s.info.Lists.Has(sources.FactGroups) {
			return nil
		}
		members := s.info.Lists.Has(sources.FactMemberships)
		all, err := s.readGroups(ctx, members)
		if err != nil {
			return err
		}
		for _, g := range all.order {
			group := sources.Group{ID: g.id, Name: g.name}
			if members {
				group.Members = all.users(g)
			}
			if !emit(group) {
				return nil
			}
		}
		return nil
	})
}

// One implements sources.OneReader. It ignores queries, which SCIM does not have,
// and leaves groups out, since those that a server names in a user may not be all.
func (s *Source) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	return rest.One(s.info.Kind, s.info.Lists, id, func() (sources.User, error) {
		resource, err := one[json.RawMessage](ctx, s.api, "Users", id)
		if err != nil {
			return sources.User{}, err
		}
		row, err := s.records.user(resource)
		return row.Value, err
	})
}

// Check implements sources.Checker: it asks how the server pages, and reads the
// first page of users and, if groups are read, of groups.
func (s *Source) Check(ctx context.Context) error {
	paging, err := s.api.choose(ctx)
	if err == nil {
		err = first(ctx, s.api, "Users", paging, s.records.user)
	}
	if err == nil && s.info.Lists.Has(sources.FactGroups) {
		err = noGroups(first(ctx, s.api, "Groups", paging, readGroup))
	}
	return rest.Wrap(s.info.Kind, "check", err)
}
