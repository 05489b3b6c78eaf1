package rest

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/usher-go/usher/sources"
)

// A Token is the result of a login.
type Token struct {
	Value string
	// Type is the scheme of the Authorization header; "" stands for "Bearer".
	Type string
	// Life is how long the token is valid. 0 means unknown: the token is used until
	// it is refused.
	Life time.Duration
	// Base, if set, is the address of the API that the token is for. Requests are
	// resolved against it, so a request may have a path only.
	Base *url.URL
}

// Tokens is an Auth that puts an access token on every request. It logs in before
// the first request, shortly before the token ends, and when the provider refuses
// the token. If several requests need a new token at the same time, only one of
// them logs in.
type Tokens struct {
	kind    string
	fetch   func(context.Context) (Token, error)
	busy    chan struct{} // holds one value during a login
	current atomic.Pointer[issued]
}

// NewTokens returns a Tokens without a token. fetch logs in; kind names the
// provider in errors.
func NewTokens(kind string, fetch func(context.Context) (Token, error)) *Tokens {
	return &Tokens{kind: kind, fetch: fetch, busy: make(chan struct{}, 1)}
}

// TokenSource returns a Tokens that gets its token from a function of the host.
// Such a token is used until it is refused.
func TokenSource(kind string, source func(context.Context) (string, error)) *Tokens {
	return NewTokens(kind, func(ctx context.Context) (Token, error) {
		token, err := source(ctx)
		return Token{Value: token}, err
	})
}

// maxToken is the largest answer of a token endpoint, in bytes.
const maxToken = 1 << 20

// LogIn returns a Tokens that logs in over HTTP, through a Transport with cfg, but
// without its Auth. request makes the request of one login. It may be repeated
// after a failure: a second token does no harm. read reads the answer.
func LogIn(kind string, cfg Config, request func(context.Context) (*http.Request, error), read func(*http.Response) (Token, error)) *Tokens {
	cfg.Auth, cfg.MaxBody = nil, maxToken
	transport := New(cfg)
	return NewTokens(kind, func(ctx context.Context) (Token, error) {
		req, err := request(ctx)
		if err != nil {
			return Token{}, err
		}
		req.Header["Idempotency-Key"] = nil
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return Token{}, err
		}
		return read(resp)
	})
}

// PostForm returns a request that posts a form.
func PostForm(ctx context.Context, address string, form url.Values) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, err
}

// A TokenAnswer is the answer of a token endpoint (RFC 6749, section 5.1).
type TokenAnswer struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int32  `json:"expires_in"` // seconds
}

// Token returns the token of the answer. Its scheme is Bearer, whatever token_type
// says.
func (a TokenAnswer) Token() Token {
	return Token{Value: a.AccessToken, Life: time.Duration(max(a.ExpiresIn, 0)) * time.Second}
}

// ReadToken reads the answer of a token endpoint.
func ReadToken(resp *http.Response) (Token, error) {
	var answer TokenAnswer
	err := Decode(resp, &answer)
	return answer.Token(), err
}

type issued struct {
	header string
	base   *url.URL
	until  time.Time // zero: use it until it is refused
}

// renewBefore is how long before its end a token is replaced. It allows for the
// duration of a request and for a difference of the clocks.
const renewBefore = time.Minute

func (t *issued) good(refused string) bool {
	return t != nil && t.header != refused && (t.until.IsZero() || time.Now().Before(t.until))
}

// Authorize implements Auth.
func (t *Tokens) Authorize(req *http.Request) error {
	token, err := t.get(req.Context(), "")
	if err != nil {
		return err
	}
	if token.base != nil {
		req.URL = token.base.ResolveReference(req.URL)
	}
	req.Header.Set("Authorization", token.header)
	return nil
}

// Renew implements Auth.
func (t *Tokens) Renew(refused *http.Request, _ *Error) (bool, error) {
	_, err := t.get(refused.Context(), refused.Header.Get("Authorization"))
	return err == nil, err
}

// get returns a valid token other than the refused one, and logs in if there is
// none.
func (t *Tokens) get(ctx context.Context, refused string) (*issued, error) {
	if token := t.current.Load(); token.good(refused) {
		return token, nil
	}
	const op = "log in"
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	case <-ctx.Done():
		return nil, &sources.Error{Kind: t.kind, Op: op, Err: ctx.Err()}
	}
	if token := t.current.Load(); token.good(refused) {
		return token, nil // another goroutine logged in meanwhile
	}
	asked := time.Now()
	fresh, err := t.fetch(ctx)
	if err == nil && fresh.Value == "" {
		err = Malformed("the login gave no access_token")
	}
	if err != nil {
		return nil, Wrap(t.kind, op, err)
	}
	if fresh.Type == "" {
		fresh.Type = "Bearer"
	}
	token := &issued{header: fresh.Type + " " + fresh.Value, base: fresh.Base}
	if fresh.Life > 0 {
		token.until = asked.Add(fresh.Life - min(renewBefore, fresh.Life/2))
	}
	t.current.Store(token)
	return token, nil
}

// Bearer is an Auth with a token that never changes.
type Bearer string

// Authorize implements Auth.
func (b Bearer) Authorize(req *http.Request) error {
	req.Header.Set("Authorization", "Bearer "+string(b))
	return nil
}

// Renew implements Auth: there is no other token.
func (Bearer) Renew(*http.Request, *Error) (bool, error) { return false, nil }
