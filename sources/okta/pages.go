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

// sdk is Okta's client. It has no org, credential or setting of its own: each call
// carries its api in its context (see dispatcher). One client serves every Source
// of the process, since each new one starts a goroutine. Its configuration is built
// field by field, because okta.NewConfiguration reads ~/.okta/okta.yaml and
// OKTA_CLIENT_*. Its retries, cache, errors and paging are not used: they loop, cut
// listings short and lose errors.
var sdk = okta.NewAPIClient(sdkConfiguration())

func sdkConfiguration() *okta.Configuration {
	cfg := &okta.Configuration{
		Servers:    okta.ServerConfigurations{{URL: "http://okta.invalid"}}, // dispatcher sets the org's address
		HTTPClient: &http.Client{Transport: dispatcher{}},
	}
	cfg.Okta.Client.AuthorizationMode = "Bearer" // with an empty token, which api.http replaces
	return cfg
}

// A call is one call of the SDK.
type call struct {
	api *api
	// path is the path of the request, and err its error. The SDK reduces errors to
	// texts, and repeats without end after an error that is io.EOF.
	path string
	err  error
}

type callKey struct{}

// dispatcher is the SDK's transport. It passes each request to the api of its call.
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
		// This leaves out what is not read, such as recovery questions, and is
		// faster.
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
	maxProblem  = 200 // characters of the description of a bad answer
	mostRowsAll = 200 // users on a page
)

// budget says how Okta states its rate limits: for each endpoint. A credential may
// use half of the limit by default. A tenth of it is left to the org's other
// clients.
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

// restConfig returns what all transports of a Source have in common.
func restConfig(cfg Config, base *url.URL) rest.Config {
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = defaultMaxWait
	}
	return rest.Config{
		Base: cfg.Transport, Origin: base, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
		Limit: budget.Wait, Explain: explain, Secrets: []string{cfg.Token}, Logger: cfg.Logger,
	}
}

// execute makes a call of the SDK and returns its result.
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
	// sizes are the numbers of rows that are asked for: first the most that Okta
	// gives, then fewer, for a page that takes Okta too long.
	sizes []int32
	ask   func(ctx context.Context, a *api, after string, limit int32) ([]R, *http.Response, error)
}

// called returns a list that is read by a call of the SDK.
func called[R any](sizes []int32, ask func(ctx context.Context, after string, limit int32) ([]R, *okta.APIResponse, error)) list[R] {
	return list[R]{sizes, func(ctx context.Context, a *api, after string, limit int32) ([]R, *http.Response, error) {
		return execute(ctx, a, func(ctx context.Context) ([]R, *okta.APIResponse, error) { return ask(ctx, after, limit) })
	}}
}

// listing reads a list to its end and emits the result of make for each record
// once. It returns the time by Okta's clock at the first page; zero if it is
// unknown.
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

// page reads one page; the first if after is empty.
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

// tooSlow reports whether an answer took Okta too long. Okta advises to ask for
// less in this case, and also after a 500, as it sends for members of large groups.
func tooSlow(err error) bool {
	failure, ok := errors.AsType[*rest.Error](err)
	return ok && (failure.Status == http.StatusGatewayTimeout || failure.Status == http.StatusInternalServerError)
}

// wantList refuses the answer null, which the SDK decodes as an empty list.
func wantList(resp *http.Response) error {
	var begin [64]byte
	n, _ := resp.Body.Read(begin[:]) // the body is in memory
	if !bytes.HasPrefix(bytes.TrimSpace(begin[:n]), []byte("[")) {
		return rest.Malformed("the answer to %s is not a list", resp.Request.URL.Path)
	}
	return nil
}

// next returns the cursor of the next page from the header Link, or "" on the last
// page. Every page of Okta has a link to itself. An answer without that link has
// lost its header, and perhaps the link to the next page.
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

// paged is a request of the SDK for a page.
type paged[Q any] interface {
	After(string) Q
	Limit(int32) Q
}

// from makes a request ask for the page after a cursor.
func from[Q paged[Q]](request Q, after string, limit int32) Q {
	if after != "" {
		request = request.After(after)
	}
	return request.Limit(limit)
}

// beginning is a time before any change in an org.
const beginning = "1970-01-01T00:00:00.000Z"

// usersSince lists the users who changed after a time. It uses the parameter
// filter, which is consistent, and not search, whose index lags. With either, Okta
// also lists deactivated users.
func usersSince(since string) list[okta.User] {
	return called([]int32{mostRowsAll, 50}, func(ctx context.Context, after string, limit int32) ([]okta.User, *okta.APIResponse, error) {
		return from(sdk.UserAPI.ListUsers(ctx).Filter(`lastUpdated gt "`+since+`"`), after, limit).Execute()
	})
}

// appUsers lists the users of an app, each together with the user of the org.
func appUsers(app string) list[okta.AppUser] {
	return called([]int32{500, 50}, func(ctx context.Context, after string, limit int32) ([]okta.AppUser, *okta.APIResponse, error) {
		return from(sdk.ApplicationUsersAPI.ListApplicationUsers(ctx, app).Expand("user"), after, limit).Execute()
	})
}

// groupsSince lists the groups that changed after a time, also if only their
// members did; all groups if since is empty.
func groupsSince(since string) list[okta.Group] {
	return called([]int32{1000, 200}, func(ctx context.Context, after string, limit int32) ([]okta.Group, *okta.APIResponse, error) {
		request := sdk.GroupAPI.ListGroups(ctx)
		if since != "" {
			request = request.Filter(fmt.Sprintf(`lastUpdated gt "%s" or lastMembershipUpdated gt "%[1]s"`, since))
		}
		return from(request, after, limit).Execute()
	})
}

// members lists the members of a group, of which it reads the ID only. It does not
// use the SDK, which would decode each member as a complete user and take most of
// the time of a listing.
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

// explain reads the body of a refused request, of the API or of the token endpoint.
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
