package okta

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/okta/okta-sdk-golang/v5/okta"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// sdk is Okta's own client. It knows no org, no credential and no setting: each
// call has its api in its context (see dispatcher). So it serves every Source,
// and there is one for the process, since each one that is made starts a
// goroutine. Its configuration is written here field by field:
// okta.NewConfiguration would read ~/.okta/okta.yaml and OKTA_CLIENT_* into it.
// Its retries, its cache, its errors and its paging are not used: they loop,
// cut listings short and lose errors.
var sdk = okta.NewAPIClient(sdkConfiguration())

func sdkConfiguration() *okta.Configuration {
	cfg := &okta.Configuration{
		Servers:    okta.ServerConfigurations{{URL: "http://okta.invalid"}}, // dispatcher puts the org's address
		HTTPClient: &http.Client{Transport: dispatcher{}},
	}
	cfg.Okta.Client.AuthorizationMode = "Bearer" // and an empty token, which api.http replaces
	return cfg
}

// A call is one call of the SDK on its way through it.
type call struct {
	api *api
	// path is that of the request, and err what became of it. The SDK makes texts
	// of errors, and asks for ever after one that is io.EOF.
	path string
	err  error
}

type callKey struct{}

// dispatcher is the SDK's transport: it hands each request to the api of the call
// that it belongs to.
type dispatcher struct{}

func (dispatcher) RoundTrip(req *http.Request) (*http.Response, error) {
	c, ok := req.Context().Value(callKey{}).(*call)
	if !ok {
		return nil, errors.New("a request outside of a call")
	}
	sent := req.Clone(req.Context())
	u := *c.api.base
	u.Path, u.RawPath, u.RawQuery = u.Path+req.URL.Path, u.EscapedPath()+req.URL.EscapedPath(), req.URL.RawQuery
	sent.URL, sent.Host = &u, ""
	c.path = u.Path
	sent.Header.Del("User-Agent")
	if strings.HasSuffix(u.Path, usersPath) {
		// Leaves out what is not read, such as recovery questions, and is faster.
		sent.Header.Set("Content-Type", `application/json; okta-response="omitCredentials,omitCredentialsLinks,omitTransitioningToStatus"`)
	}
	resp, err := c.api.http.RoundTrip(sent)
	if err != nil {
		c.err = err
		return nil, opaque{err.Error()}
	}
	return resp, nil
}

// opaque is an error that hides its cause.
type opaque struct{ text string }

func (o opaque) Error() string { return o.text }

const (
	usersPath   = "/api/v1/users"
	maxProblem  = 200 // characters of what is wrong with an answer
	mostRowsAll = 200 // users of a page
)

// budget is how Okta states its rate limits: for each endpoint, of which a
// credential gets half by default. A tenth is left to the org's other clients.
var budget = rest.Budget{Limit: "X-Rate-Limit-Limit", Remaining: "X-Rate-Limit-Remaining", Reset: "X-Rate-Limit-Reset", Epoch: true, Keep: 10}

// api speaks to one org's API.
type api struct {
	http   *rest.Transport
	base   *url.URL
	client string // the ID of the service app, or "" with an API token
}

func newAPI(cfg Config, base *url.URL, key crypto.Signer) (*api, error) {
	auth, transport, err := newAuth(cfg, base, key)
	if err != nil {
		return nil, err
	}
	config := restConfig(cfg, base)
	config.Base, config.Auth = transport, auth
	return &api{base: base, http: rest.New(config), client: cfg.ClientID}, nil
}

// restConfig is what all transports of a Source share.
func restConfig(cfg Config, base *url.URL) rest.Config {
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = defaultMaxWait
	}
	return rest.Config{
		Base: cfg.Transport, Origin: base, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
		Limit: budget.Wait, Explain: explain, Secrets: []string{cfg.Token}, Logger: cfg.Logger,
	}
}

// execute makes a call of the SDK and returns what it made of the answer.
func execute[T any](ctx context.Context, a *api, do func(context.Context) (T, *okta.APIResponse, error)) (T, *http.Response, error) {
	var none T
	c := &call{api: a}
	value, answer, err := do(context.WithValue(ctx, callKey{}, c))
	switch {
	case c.err != nil:
		return none, nil, c.err
	case err == nil && (answer == nil || answer.Response == nil):
		err = errors.New("no answer")
	}
	if err != nil {
		return none, nil, &rest.Error{Method: http.MethodGet, Path: c.path, Reason: sources.ErrMalformed, Detail: excerpt(err.Error())}
	}
	return value, answer.Response, nil
}

func excerpt(text string) string {
	if runes := []rune(text); len(runes) > maxProblem {
		return string(runes[:maxProblem]) + "…"
	}
	return text
}

// A list is one of Okta's lists.
type list[R any] struct {
	// sizes are how many rows of a page are asked for: the most that Okta gives,
	// and fewer, for a page that Okta does not get ready in time.
	sizes []int32
	ask   func(ctx context.Context, a *api, after string, limit int32) ([]R, *http.Response, error)
}

// called is a list that a call of the SDK asks for.
func called[R any](sizes []int32, ask func(ctx context.Context, after string, limit int32) ([]R, *okta.APIResponse, error)) list[R] {
	return list[R]{sizes, func(ctx context.Context, a *api, after string, limit int32) ([]R, *http.Response, error) {
		return execute(ctx, a, func(ctx context.Context) ([]R, *okta.APIResponse, error) { return ask(ctx, after, limit) })
	}}
}

// listing reads a list to its end and hands out once what make makes of each
// record. It returns Okta's clock when the first page was answered; zero if that
// is not known.
func listing[R, T any](ctx context.Context, a *api, l list[R], make func(R) (rest.Row[T], error), emit func(T) bool) (began time.Time, err error) {
	err = rest.FollowOnce(ctx, "", func(ctx context.Context, after string) (rest.Page[rest.Row[T]], error) {
		p, err := page(ctx, a, l, after, make)
		if after == "" {
			began = p.At
		}
		return p, err
	}, emit)
	return began, err
}

// page reads one page: the first where after is empty.
func page[R, T any](ctx context.Context, a *api, l list[R], after string, make func(R) (rest.Row[T], error)) (rest.Page[rest.Row[T]], error) {
	var p rest.Page[rest.Row[T]]
	var rows []R
	var resp *http.Response
	var err error
	for _, size := range l.sizes {
		rows, resp, err = l.ask(ctx, a, after, size)
		if !tooSlow(err) {
			break
		}
	}
	if err == nil {
		err = wantList(resp)
	}
	if err != nil {
		return p, err
	}
	if p.Rows, err = rest.Rows(rows, make); err != nil {
		return p, err
	}
	p.At = rest.Date(resp.Header)
	p.Next, err = next(resp)
	return p, err
}

// tooSlow reports whether Okta did not get an answer ready in time. Its advice is to
// ask for less then, and also after a 500, by which members of large groups fail.
func tooSlow(err error) bool {
	failure, ok := errors.AsType[*rest.Error](err)
	return ok && (failure.Status == http.StatusGatewayTimeout || failure.Status == http.StatusInternalServerError)
}

// wantList refuses the answer null, of which the SDK makes an empty list.
func wantList(resp *http.Response) error {
	var begin [64]byte
	n, _ := resp.Body.Read(begin[:]) // of what is in memory
	if !bytes.HasPrefix(bytes.TrimSpace(begin[:n]), []byte("[")) {
		return rest.Malformed("the answer to %s is not a list", resp.Request.URL.Path)
	}
	return nil
}

// next reads from the header Link how to ask for the next page; "" on the last.
// Okta links every page to itself, so an answer without that link has lost its
// header on the way, and perhaps the link to the next page with it.
func next(resp *http.Response) (string, error) {
	links, err := rest.Links(resp.Header)
	if err != nil {
		return "", rest.Malformed("%s: %s", resp.Request.URL.Path, err)
	}
	for _, rel := range []string{"self", "next"} {
		target, err := rest.LinkTo(links, rel)
		if err != nil {
			return "", rest.Malformed("%s: %s", resp.Request.URL.Path, err)
		}
		if target == "" && rel == "self" {
			return "", rest.Malformed("the answer to %s has no header Link, which would say whether there is more", resp.Request.URL.Path)
		}
		if target == "" {
			return "", nil
		}
		u, err := rest.NextLink(resp.Request.URL, target)
		if err != nil {
			return "", rest.Malformed("%s: %s", resp.Request.URL.Path, err)
		}
		if u.Path != resp.Request.URL.Path {
			return "", rest.Malformed("the link %s of %s leads to another list", rel, resp.Request.URL.Path)
		}
		if after := u.Query().Get("after"); rel == "next" {
			if after == "" {
				return "", rest.Malformed("the link next of %s does not say after what", resp.Request.URL.Path)
			}
			return after, nil
		}
	}
	return "", nil
}

// paged is a request of the SDK that asks for a page.
type paged[Q any] interface {
	After(string) Q
	Limit(int32) Q
}

// from asks for the page after a cursor.
func from[Q paged[Q]](request Q, after string, limit int32) Q {
	if after != "" {
		request = request.After(after)
	}
	return request.Limit(limit)
}

// beginning is before anything in an org was changed.
const beginning = "1970-01-01T00:00:00.000Z"

// usersSince lists the users who were changed after a time. The parameter filter
// is consistent, where search goes by an index that lags; and with either, Okta
// lists deactivated users, too.
func usersSince(since string) list[okta.User] {
	return called([]int32{mostRowsAll, 50}, func(ctx context.Context, after string, limit int32) ([]okta.User, *okta.APIResponse, error) {
		return from(sdk.UserAPI.ListUsers(ctx).Filter(`lastUpdated gt "`+since+`"`), after, limit).Execute()
	})
}

// appUsers lists the users of an app, each with the user.
func appUsers(app string) list[okta.AppUser] {
	return called([]int32{500, 50}, func(ctx context.Context, after string, limit int32) ([]okta.AppUser, *okta.APIResponse, error) {
		return from(sdk.ApplicationUsersAPI.ListApplicationUsers(ctx, app).Expand("user"), after, limit).Execute()
	})
}

// groupsSince lists the groups of which something was changed after a time, be it
// their members only; all where since is empty.
func groupsSince(since string) list[okta.Group] {
	return called([]int32{1000, 200}, func(ctx context.Context, after string, limit int32) ([]okta.Group, *okta.APIResponse, error) {
		request := sdk.GroupAPI.ListGroups(ctx)
		if since != "" {
			request = request.Filter(fmt.Sprintf(`lastUpdated gt "%s" or lastMembershipUpdated gt "%[1]s"`, since))
		}
		return from(request, after, limit).Execute()
	})
}

// members lists the members of a group. Of each, the ID alone is read, and not by
// the SDK, which makes a whole user of each: that took more time than all else.
func members(group string) list[memberID] {
	return list[memberID]{[]int32{1000, 200}, func(ctx context.Context, a *api, after string, limit int32) (ids []memberID, resp *http.Response, err error) {
		query := url.Values{"limit": {strconv.Itoa(int(limit))}}
		if after != "" {
			query.Set("after", after)
		}
		resp, err = a.http.Read(ctx, a.base.JoinPath("/api/v1/groups", url.PathEscape(group), "users").String()+"?"+query.Encode(), &ids)
		return ids, resp, err
	}}
}

func groupsOf(user string) list[okta.Group] {
	return called([]int32{200}, func(ctx context.Context, after string, limit int32) ([]okta.Group, *okta.APIResponse, error) {
		return from(sdk.UserAPI.ListUserGroups(ctx, user), after, limit).Execute()
	})
}

// explain reads the body of a refused request, of the API or of the token
// endpoint.
func explain(_ int, body []byte) (string, error) {
	var answer struct {
		Code        string `json:"errorCode"`
		Summary     string `json:"errorSummary"`
		OAuth       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", nil
	}
	var reason error
	switch answer.OAuth {
	case "invalid_scope", "consent_required", "access_denied", "unauthorized_client":
		reason = sources.ErrForbidden
	case "invalid_client", "invalid_dpop_proof":
		reason = sources.ErrUnauthorized
	}
	return strings.TrimSpace(cmp.Or(answer.Code, answer.OAuth) + " " + cmp.Or(answer.Summary, answer.Description)), reason
}
