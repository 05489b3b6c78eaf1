package rippling

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	versionHeader = "Rippling-Api-Version"
	groupsQuery   = "limit=100" // the largest page of Rippling
)

// api sends requests to one company's API.
type api struct {
	http    *rest.Transport
	base    *url.URL
	version string
	log     *slog.Logger

	answered atomic.Pointer[string] // the version of the latest answer
}

func newAPI(cfg Config, base *url.URL) *api {
	return &api{
		base: base, version: cfg.Version, log: cfg.Logger,
		http: rest.New(rest.Config{
			Base: cfg.Transport, Auth: newAuth(cfg), Origin: base, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
			Explain: explain, Secrets: []string{cfg.Token}, Logger: cfg.Logger,
		}),
	}
}

// address returns the address of the first page of a list.
func (a *api) address(path, query string) string { return a.base.JoinPath(path).String() + "?" + query }

// listing reads a list to its end and emits the result of convert for each record
// once. If judge is not nil, it is called with the redacted fields of each page.
func listing[R, T any](ctx context.Context, a *api, first string, convert func(R) (rest.Row[T], error), judge func(meta) error, emit func(T) bool) error {
	return rest.FollowOnce(ctx, first, func(ctx context.Context, at string) (rest.Page[rest.Row[T]], error) {
		return page(ctx, a, at, convert, judge)
	}, emit)
}

// meta names the fields that the token may not see.
type meta struct {
	Redacted []struct {
		Name string `json:"name"`
	} `json:"redacted_fields"`
}

// page reads one page, by its address.
func page[R, T any](ctx context.Context, a *api, at string, convert func(R) (rest.Row[T], error), judge func(meta) error) (rest.Page[rest.Row[T]], error) {
	var p rest.Page[rest.Row[T]]
	resp, err := a.get(ctx, at)
	if err != nil {
		return p, err
	}
	var answer struct {
		Results  *[]R      `json:"results"`
		NextLink rest.Text `json:"next_link"`
		Meta     meta      `json:"__meta"`
	}
	if err := rest.Decode(resp, &answer); err != nil {
		return p, err
	}
	if answer.Results == nil {
		return p, rest.Malformed("an answer without results")
	}
	if judge != nil {
		if err := judge(answer.Meta); err != nil {
			return p, err
		}
	}
	if p.Rows, err = rest.Rows(*answer.Results, convert); err != nil {
		return p, err
	}
	if link := answer.NextLink.Value; link != "" { // the link may have the host or not
		next, err := rest.NextLink(resp.Request.URL, link)
		if err != nil {
			return p, rest.Malformed("next_link: %s", err)
		}
		p.Next = next.String()
	}
	return p, nil
}

// get sends a request for the configured version of the API. If an answer states
// another version, that is logged once.
func (a *api) get(ctx context.Context, at string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, rest.Malformed("the address of a page is not one")
	}
	req.Header.Set(versionHeader, a.version)
	resp, err := a.http.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	version := resp.Header.Get(versionHeader)
	if last := a.answered.Swap(&version); version != "" && version != a.version && (last == nil || *last != version) {
		a.log.WarnContext(ctx, "Rippling answers by another version of its API", "asked", a.version, "answered", version)
	}
	return resp, nil
}

// explain reads the body of a refused request.
func explain(_ int, body []byte) (string, error) {
	var answer struct {
		Message string `json:"message"`
		Detail  string `json:"detail"`
		Error   json.RawMessage
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", nil
	}
	var text string
	if json.Unmarshal(answer.Error, &text) != nil { // or an object
		var object struct{ Message string }
		_ = json.Unmarshal(answer.Error, &object)
		text = object.Message
	}
	return cmp.Or(answer.Message, answer.Detail, text), nil
}
