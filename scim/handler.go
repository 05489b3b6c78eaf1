package scim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/elimity-com/scim/schema"
)

// The limits that apply where Config has zero.
const (
	DefaultPageSize      = 100 // the number that Okta requests per page
	DefaultMaxPageSize   = 1000
	DefaultMaxBody       = 1 << 20
	DefaultMaxGroupBody  = 2 << 20 // 10,000 members with display, $ref and type
	DefaultMaxOperations = 1000
	DefaultMaxFilter     = 8 << 10
	DefaultReadTimeout   = 30 * time.Second
	DefaultWriteTimeout  = 30 * time.Second
	DefaultMaxAnswer     = 32 << 20
	DefaultMaxWork       = 2_000_000
)

// Config describes a handler. Store and Authenticate are required; the zero
// value of everything else is a safe default.
type Config struct {
	// Store keeps the resources.
	Store Store
	// Authenticate returns the principal of a request. It runs before any other
	// check. An error that matches ErrUnavailable is answered with 503. Any
	// other error, and a principal without a tenant, is answered with 401; the
	// error's text is logged and not sent. A request with two Authorization
	// headers is answered with 401 without a call. See BearerTokens, and
	// RefusedError, which makes Requests count a refusal.
	//
	// An address that sends many different wrong values of the Authorization
	// header (50, and then more than one a second) is answered with 429
	// instead. The address is that of Request.RemoteAddr; for IPv6 it is the
	// /64 network. Behind a proxy, set RemoteAddr to the client's address
	// before the handler gets the request. A value that was accepted before is
	// never refused for this reason.
	Authenticate Authenticator

	// BaseURL is the absolute URL under which clients reach the handler, such
	// as "https://app.example.com/scim/v2". If it is empty, scheme, host and
	// prefix are taken from each request, which is right unless a proxy
	// rewrites them.
	BaseURL string

	// UserExtension is the URN of the user extension; empty means
	// DefaultUserExtension.
	UserExtension string
	// UserExtensions and GroupExtensions declare more extensions. Attributes of
	// undeclared schemas are stored and served as they were sent.
	//
	// The characteristics of RFC 7643 section 7 are enforced: type, required
	// (also of sub-attributes), mutability, returned, caseExact and uniqueness.
	// A unique value occurs once among the resources of a type in a directory;
	// "global" means the same as "server". A resource has at most 100 unique
	// values of at most MaxKeyBytes each.
	//
	// A characteristic that is declared later holds for a resource from the next
	// change of the value on. A stored value that does not comply stays, so that
	// the resource can still be changed and deactivated. The store knows a value
	// of an attribute that was declared as unique later from the resource's next
	// change on.
	UserExtensions  []schema.Schema
	GroupExtensions []schema.Schema
	// Types are resource types besides users and groups.
	Types []ResourceType

	// PublicDiscovery allows reading /ServiceProviderConfig, /ResourceTypes and
	// /Schemas without credentials, as RFC 7643 section 5 requires for the
	// authentication schemes. They contain no data of a tenant.
	PublicDiscovery bool

	// PageSize and MaxPageSize bound the resources of a listing's page. MaxBody
	// bounds the bytes of a request, and MaxGroupBody those of a request to a
	// group, which lists members. MaxOperations bounds the operations of a
	// PATCH or a bulk request. MaxFilter bounds the bytes of a URL's query, a
	// filter or a path. ReadTimeout bounds the time in which a client sends the
	// body of its request. 0 means the default of the same name; for
	// MaxGroupBody it means MaxBody if that is greater.
	PageSize      int
	MaxPageSize   int
	MaxBody       int64
	MaxGroupBody  int64
	MaxOperations int
	MaxFilter     int
	ReadTimeout   time.Duration
	// WriteTimeout is the time that a client has to read each MiB of an answer;
	// 0 means DefaultWriteTimeout. If the answers that clients of a tenant have
	// not read yet take 64 MiB, requests of the tenant that read much wait for
	// up to 10 seconds, and are then answered with 503. Writes do not wait.
	WriteTimeout time.Duration
	// MaxAnswer bounds the bytes of a listing's page. A page ends before the
	// resource that would exceed the bound, but has at least one resource. A
	// resource is always served whole, and a large one as a stream. 0 means
	// DefaultMaxAnswer.
	MaxAnswer int64
	// MaxWork bounds the work of one request, in units of about 100
	// nanoseconds: the fields, values, filter terms and records that the
	// handler looks at, and what a database does to write. A bulk request
	// counts with all its operations. A query that needs more is refused with
	// 400 tooMany, operations with 413. A filter that no key of the store can
	// answer takes about 17 units for each record of the directory; a member
	// that is added takes 150, one that is removed 90, and a write itself 1,500.
	// No request is refused for its last write itself or for members that it
	// removes without naming them, so anything can be deleted. 0 means
	// DefaultMaxWork.
	MaxWork int
	// RateLimit is the number of operations per second that each tenant may
	// make, with bursts of the same size. A request counts as one operation, a
	// bulk request as the number of its operations. Further requests are
	// answered with 429. 0 means no limit. Less than 50 is refused, because
	// providers expect 25.
	RateLimit int

	// OmitPagination omits the attribute of RFC 9865 from
	// ServiceProviderConfig, for clients that refuse unknown attributes.
	// Cursors still work.
	OmitPagination bool
	// SkipUnknownMembers omits the members that are not in the directory from a
	// change and makes the rest of the change. By default the whole change is
	// refused, because a client that gets a success believes that they are
	// members.
	SkipUnknownMembers bool

	// OnChange is called after a change is committed and before it is answered,
	// so it should return quickly. Its context outlives the request. If a call
	// is lost, the change is not: [AsSource] lists every change again.
	OnChange func(context.Context, Event)
	// Requests records the last requests of each directory, for admins. nil
	// records none.
	Requests *RequestLog
	// Logger receives the failures of the store and of Authenticate, refused
	// credentials, and at level debug the work of each request. nil means
	// slog.Default. Personal data and credentials are not logged.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A Principal is the identity that a request is made for. Tenant and Connection
// name its directory. It cannot access anything outside of that directory.
type Principal struct {
	Tenant     string // required
	Connection string
	// Kind is the kind of provider that pushes, if the host knows it: a value
	// of sources.KindOf, such as sources.KindOkta (rule S33). It decides when a
	// POST restores a deactivated user (S6). Empty means sources.KindSCIM.
	// Give AsSource the same kind.
	Kind string
	// Token identifies the credential in Config.Requests by an ID that the host
	// chose; it is never the credential itself. At most 60 characters of it are
	// stored. BearerTokens and TokenEndpoint set it if it is empty.
	Token string
	// User is the ID of the user that /Me means. It is empty for a provider's
	// client; /Me is then answered with 501.
	User string
}

// An Event reports that a record of a directory changed. A deletion is one
// event, which includes the end of the user's memberships of groups.
type Event struct {
	Directory Directory
	Ref       Ref
	Version   int64 // the record's sequence number; 0 if it was deleted
	Deleted   bool
}

type handler struct {
	cfg       Config
	types     []*resourceType
	discovery discovery
	limiter   *limiter
	gate      *gate
	pace      *pace
	brake     *brake
	contested lanes[recordKey] // records that several requests change at the same time
}

// NewHandler returns a handler of the SCIM endpoints with the root "/": mount
// it with Mount or with http.StripPrefix. It returns only errors about cfg. The
// handler is safe for concurrent use.
func NewHandler(cfg Config) (http.Handler, error) {
	if cfg.Store == nil {
		return nil, errors.New("scim: Config.Store is nil")
	}
	if cfg.Authenticate == nil {
		return nil, errors.New("scim: Config.Authenticate is nil: say who may use the handler")
	}
	if u, err := url.Parse(cfg.BaseURL); err != nil || cfg.BaseURL != "" && (u.Host == "" || u.RawQuery != "") {
		return nil, fmt.Errorf("scim: Config.BaseURL %q: want an absolute URL", cfg.BaseURL)
	}
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	if cfg.RateLimit != 0 && cfg.RateLimit < 50 {
		return nil, fmt.Errorf("scim: Config.RateLimit %d: want 0 or at least 50 requests a second", cfg.RateLimit)
	}
	for _, limit := range []int64{
		int64(cfg.PageSize), int64(cfg.MaxPageSize), cfg.MaxBody, cfg.MaxGroupBody, int64(cfg.MaxOperations), int64(cfg.MaxFilter),
		int64(cfg.ReadTimeout), int64(cfg.WriteTimeout), cfg.MaxAnswer, int64(cfg.MaxWork),
	} {
		if limit < 0 {
			return nil, errors.New("scim: Config: a limit is negative")
		}
	}
	setDefault(&cfg.MaxPageSize, DefaultMaxPageSize)
	setDefault(&cfg.PageSize, min(DefaultPageSize, cfg.MaxPageSize))
	setDefault(&cfg.MaxBody, DefaultMaxBody)
	setDefault(&cfg.MaxGroupBody, max(DefaultMaxGroupBody, cfg.MaxBody))
	setDefault(&cfg.MaxOperations, DefaultMaxOperations)
	setDefault(&cfg.MaxFilter, DefaultMaxFilter)
	setDefault(&cfg.ReadTimeout, DefaultReadTimeout)
	setDefault(&cfg.WriteTimeout, DefaultWriteTimeout)
	setDefault(&cfg.MaxAnswer, DefaultMaxAnswer)
	setDefault(&cfg.MaxWork, DefaultMaxWork)
	if cfg.PageSize > cfg.MaxPageSize {
		return nil, fmt.Errorf("scim: Config.PageSize %d is greater than MaxPageSize %d", cfg.PageSize, cfg.MaxPageSize)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	types, err := compileTypes(cfg)
	if err != nil {
		return nil, fmt.Errorf("scim: %w", err)
	}
	h := &handler{cfg: cfg, types: types, gate: newGate(max(1, runtime.GOMAXPROCS(0)/2)), pace: newPace(), brake: newBrake(cfg.Now)}
	if h.discovery, err = newDiscovery(cfg, types); err != nil {
		return nil, fmt.Errorf("scim: %w", err)
	}
	if cfg.RateLimit > 0 {
		h.limiter = newLimiter(cfg.RateLimit, cfg.Now)
	}
	return h, nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// An exchange is one request and its answer.
type exchange struct {
	*handler
	w         http.ResponseWriter
	r         *http.Request
	ctx       context.Context
	principal Principal
	dir       Directory
	base      string // absolute URL of the handler, without a trailing slash
	aliased   string // absolute URL of the user that /Me means, in a request to it
	work      *work
	bodySeen  bool      // reading the body was at least attempted
	sight     *sighting // collects the request's record; nil if there is no log
	unread    int       // records that could not be read
	// membersRead reports that a PATCH of this request has read a group's
	// members.
	membersRead bool
	inBulk      bool     // the request is a bulk request
	sent        []string // attributes that a PATCH has set; see projection.sent
	party       party
	paced       int      // units of work that the pace has counted for operations
	traffic     int      // bytes read from the client and written to it
	stored      int      // bytes of documents written to the store, plus storedRecord for each write
	values      []string // of the answer's headers; see setHeader

	room struct { // memory that nearly every exchange needs, in one allocation
		work     work
		values   [7]string
		segments [2]string
	}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{handler: h, w: w, r: r, ctx: r.Context()}
	x.values = x.room.values[:0]
	if h.cfg.Requests != nil {
		x.sight = &sighting{RequestRecord: RequestRecord{At: h.cfg.Now().UTC(), Method: "other"}, began: time.Now()}
	}
	defer x.finish()
	if err := x.serve(); err != nil {
		x.refuse(err)
	}
}

// finish ends an exchange and records it. At level debug it logs the work of
// the request, which helps to choose Config.MaxWork.
func (x *exchange) finish() {
	x.pause()
	x.work.hold(0)
	if x.sight != nil {
		x.note()
	}
	cost := time.Duration(x.traffic)*trafficCost + time.Duration(x.stored)*storedCost
	if x.work != nil { // the gate bounds more work
		cost += time.Duration(min(x.work.done-x.paced, pacedWork)) * workCost
	}
	if cost > requestCost/8 { // requestCost includes smaller costs
		x.pace.charge(x.party, cost)
	}
	if x.work != nil && x.cfg.Logger.Enabled(x.ctx, slog.LevelDebug) {
		x.cfg.Logger.DebugContext(x.ctx, "scim: request", "tenant", x.dir.Tenant, "connection", x.dir.Connection,
			"method", x.r.Method, "work", x.work.done)
	}
}

// pause releases the gate while the exchange waits for its client, the store or
// the host.
func (x *exchange) pause() { x.work.pause() }

func (x *exchange) serve() error {
	if x.public() {
		x.party = unknown(x.r)
	} else if err := x.authenticate(); err != nil {
		x.party = unknown(x.r)
		_ = x.pace.refuse(x.r, x.party) // a client that has left needs no answer
		return err
	}
	if err := x.pace.enter(x.r, x.party); err != nil {
		return err
	}
	if x.limiter != nil && x.principal.Tenant != "" {
		if wait := x.limiter.take(x.principal.Tenant); wait > 0 {
			return x.tooManyRequests(wait)
		}
	}
	x.room.work = work{ctx: x.ctx, gate: x.gate, tenant: x.principal.Tenant, left: x.cfg.MaxWork}
	x.work = &x.room.work
	if most := x.cfg.MaxFilter; len(x.r.URL.RawQuery) > most || len(x.r.URL.Path) > DefaultMaxFilter {
		if values, _ := x.urlValues(); len(values.Get("filter")) > most {
			return badFilter("the filter is longer than %d bytes", most)
		}
		return fail(http.StatusRequestURITooLong, "", "the URL is too long; use POST with /.search")
	}
	x.base = x.baseURL()
	segments, err := x.segments()
	if err != nil {
		return err
	}
	return x.route(segments)
}

// public reports whether the request needs no credentials.
func (x *exchange) public() bool {
	if !x.cfg.PublicDiscovery || !x.reads() || len(x.r.URL.Path) > DefaultMaxFilter {
		return false
	}
	segments, err := x.segments()
	return err == nil && isDiscovery(segments)
}

// authenticate sets the principal of the request.
func (x *exchange) authenticate() error {
	credential := x.brake.credential(x.r.Header.Values("Authorization")...)
	if wait := x.brake.wait(x.r, credential); wait > 0 {
		x.refused(nil)
		return x.tooManyRequests(wait)
	}
	var principal Principal
	err := errTwoCredentials
	if len(x.r.Header.Values("Authorization")) < 2 {
		principal, err = x.cfg.Authenticate(x.r)
	}
	switch {
	case errors.Is(err, ErrUnavailable):
		x.cfg.Logger.ErrorContext(x.ctx, "scim: authentication unavailable", "error", err)
		x.w.Header().Set("Retry-After", "30")
		return fail(http.StatusServiceUnavailable, "", "authentication is unavailable at present; try again")
	case err != nil || principal.Tenant == "":
		x.brake.wrong(x.r, credential)
		x.refused(err)
		x.cfg.Logger.InfoContext(x.ctx, "scim: request not authenticated", "error", err)
		challenge := `Bearer realm="scim"`
		if x.r.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"` // RFC 6750 section 3.1
		}
		x.w.Header().Set("WWW-Authenticate", challenge)
		return fail(http.StatusUnauthorized, "", "the request has no valid credentials; want \"Authorization: Bearer\" and a token")
	}
	x.brake.right(credential)
	x.principal = principal
	x.dir = Directory{Tenant: principal.Tenant, Connection: principal.Connection}
	x.party.tenant = principal.Tenant
	return nil
}

func (x *exchange) tooManyRequests(wait time.Duration) error {
	x.w.Header().Set("Retry-After", wholeSeconds(wait))
	return fail(http.StatusTooManyRequests, "", "too many requests; wait as Retry-After says")
}

// isDiscovery reports whether a path belongs to a discovery endpoint.
func isDiscovery(segments []string) bool {
	if len(segments) == 0 {
		return false
	}
	switch fold(segments[0]) {
	case "serviceproviderconfig", "resourcetypes", "schemas":
		return true
	}
	return false
}

// baseURL returns the URL under which clients reach the handler. The request
// line still has the prefix that http.StripPrefix removed from the path.
func (x *exchange) baseURL() string {
	if x.cfg.BaseURL != "" {
		return x.cfg.BaseURL
	}
	scheme := "http://"
	if x.r.TLS != nil {
		scheme = "https://"
	}
	prefix, _, _ := strings.Cut(x.r.RequestURI, "?")
	if !strings.HasPrefix(prefix, "/") { // the request line has the absolute form
		if u, err := url.Parse(prefix); err == nil {
			prefix = u.EscapedPath()
		}
	}
	prefix, stripped := strings.CutSuffix(prefix, x.r.URL.EscapedPath())
	if !stripped { // the path was rewritten; only BaseURL could name the prefix
		prefix = ""
	}
	return scheme + x.r.Host + strings.TrimRight(prefix, "/")
}

// segments splits the path. An escaped slash stays part of an id. Additional
// slashes, which follow a base URL that ends with one, are ignored.
func (x *exchange) segments() ([]string, error) {
	segments := x.room.segments[:0]
	for s := range strings.SplitSeq(x.r.URL.EscapedPath(), "/") {
		if s == "" {
			continue
		}
		s, err := url.PathUnescape(s)
		if err != nil || strings.ContainsRune(s, 0) {
			return nil, notFound("there is no such endpoint")
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// typeAt returns the type served at an endpoint; name is without the slash.
func (h *handler) typeAt(name string) *resourceType {
	for _, rt := range h.types {
		if sameName(rt.endpoint[1:], name) {
			return rt
		}
	}
	return nil
}

// typeOf returns the type with that name.
func (h *handler) typeOf(name string) *resourceType {
	for _, rt := range h.types {
		if rt.name == name {
			return rt
		}
	}
	return nil
}

func (x *exchange) route(segments []string) error {
	name := ""
	if len(segments) > 0 {
		name = fold(segments[0])
	}
	rt := x.typeAt(name)
	x.sight.endpoint(x, rt, name, segments)
	switch {
	case len(segments) == 0, name == ".search" && len(segments) == 1:
		return x.collection(x.types, name == ".search", nil)
	case rt != nil && len(segments) == 1:
		return x.collection([]*resourceType{rt}, false, rt)
	case rt != nil && len(segments) == 2 && segments[1] == ".search":
		return x.collection([]*resourceType{rt}, true, rt)
	case rt != nil && len(segments) == 2:
		return x.one(rt, segments[1])
	case name == "me" && len(segments) == 1:
		if x.principal.User == "" {
			return fail(http.StatusNotImplemented, "", "/Me: these credentials are no user's")
		}
		// RFC 7644 section 3.11: "In any response, the HTTP "Location" header MUST
		// be the permanent location of the aliased resource".
		x.aliased = x.location(Ref{x.types[0].name, x.principal.User})
		return x.one(x.types[0], x.principal.User)
	case name == "bulk" && len(segments) == 1:
		if x.r.Method != http.MethodPost {
			return x.methodNotAllowed(http.MethodPost)
		}
		return x.bulk()
	case isDiscovery(segments):
		if !x.reads() {
			return x.methodNotAllowed(http.MethodGet, http.MethodHead)
		}
		return x.discover(name, segments[1:])
	}
	return notFound("there is no such endpoint")
}

// collection serves an endpoint of many resources. create is the type of the
// resource that a POST creates; it is nil at the root and for /.search.
func (x *exchange) collection(types []*resourceType, search bool, create *resourceType) error {
	switch {
	case search && x.r.Method == http.MethodPost:
		body, err := x.body(nil)
		if err != nil {
			return err
		}
		q, err := x.searchRequest(body)
		if err != nil {
			return err
		}
		return x.list(types, q)
	case search:
		return x.methodNotAllowed(http.MethodPost)
	case x.reads():
		q, err := x.urlQuery()
		if err != nil {
			return err
		}
		return x.list(types, q)
	case x.r.Method == http.MethodPost && create != nil:
		return x.post(create)
	case create == nil:
		return x.methodNotAllowed(http.MethodGet, http.MethodHead)
	}
	return x.methodNotAllowed(http.MethodGet, http.MethodHead, http.MethodPost)
}

// one serves the endpoint of one resource.
func (x *exchange) one(rt *resourceType, id string) error {
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		return x.get(rt, id)
	case http.MethodPut:
		return x.put(rt, id)
	case http.MethodPatch:
		return x.patchOne(rt, id)
	case http.MethodDelete:
		return x.delete(rt, id)
	}
	return x.methodNotAllowed(http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete)
}

func (x *exchange) methodNotAllowed(allowed ...string) error {
	x.w.Header().Set("Allow", strings.Join(allowed, ", "))
	return fail(http.StatusMethodNotAllowed, "", "the endpoint does not take %q", clip(x.r.Method))
}
