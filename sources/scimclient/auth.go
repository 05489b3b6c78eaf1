package scimclient

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/usher-go/usher/sources/internal/rest"
)

const maxToken = 1 << 20 // bytes of a token answer

// newAuth returns the one way to authenticate that cfg chooses.
func newAuth(cfg Config, kind string) (rest.Auth, error) {
	var ways []rest.Auth
	if cfg.Token != "" {
		ways = append(ways, rest.Bearer(cfg.Token))
	}
	if cfg.TokenSource != nil {
		ways = append(ways, rest.NewTokens(kind, func(ctx context.Context) (rest.Token, error) {
			token, err := cfg.TokenSource(ctx)
			return rest.Token{Value: token}, err
		}))
	}
	if cfg.UserName != "" || cfg.Password != "" {
		if cfg.UserName == "" || cfg.Password == "" {
			return nil, errors.New("UserName, Password: want both")
		}
		ways = append(ways, basic{cfg.UserName, cfg.Password})
	}
	if cfg.TokenURL != "" || cfg.ClientID != "" || cfg.ClientSecret != "" {
		if cfg.ClientID == "" || cfg.ClientSecret == "" {
			return nil, errors.New("TokenURL, ClientID, ClientSecret: want all three")
		}
		at, err := rest.BaseURL("TokenURL", cfg.TokenURL)
		if err != nil {
			return nil, err
		}
		ways = append(ways, clientCredentials(cfg, kind, at))
	}
	if len(ways) != 1 {
		return nil, errors.New("want one way to authenticate: Token, TokenSource, UserName or TokenURL")
	}
	return ways[0], nil
}

// clientCredentials logs in with client credentials (RFC 6749, section 4.4).
func clientCredentials(cfg Config, kind string, at *url.URL) *rest.Tokens {
	transport := rest.New(rest.Config{
		Base: cfg.Transport, Origin: at, MaxBody: maxToken, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
		Explain: explain, Secrets: secrets(cfg), Logger: cfg.Logger,
	})
	form := url.Values{"grant_type": {"client_credentials"}}
	if cfg.Scope != "" {
		form.Set("scope", cfg.Scope)
	}
	return rest.NewTokens(kind, func(ctx context.Context) (rest.Token, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader(form.Encode()))
		if err != nil {
			return rest.Token{}, err
		}
		// Both halves are form-encoded first (section 2.3.1).
		req.SetBasicAuth(url.QueryEscape(cfg.ClientID), url.QueryEscape(cfg.ClientSecret))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header["Idempotency-Key"] = nil // asking twice gives two tokens, which hurts nobody
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return rest.Token{}, err
		}
		var answer struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int32  `json:"expires_in"` // seconds
		}
		if err := rest.Decode(resp, &answer); err != nil {
			return rest.Token{}, err
		}
		return rest.Token{Value: answer.AccessToken, Life: time.Duration(max(answer.ExpiresIn, 0)) * time.Second}, nil
	})
}

// secrets are what no error may show, whoever repeats it to us.
func secrets(cfg Config) []string { return []string{cfg.Token, cfg.Password, cfg.ClientSecret} }

// basic is HTTP Basic (RFC 7617).
type basic struct{ name, password string }

// Authorize implements rest.Auth.
func (b basic) Authorize(req *http.Request) error {
	req.SetBasicAuth(b.name, b.password)
	return nil
}

// Renew implements rest.Auth: there is no other password.
func (basic) Renew(*http.Request, *rest.Error) (bool, error) { return false, nil }
