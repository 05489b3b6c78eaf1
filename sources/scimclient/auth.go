package scimclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/usher-go/usher/sources/internal/rest"
)

// newAuth returns the one way to authenticate that cfg chooses. speak configures
// the requests of a login.
func newAuth(cfg Config, kind string, speak rest.Config) (rest.Auth, error) {
	var ways []rest.Auth
	if cfg.Token != "" {
		ways = append(ways, rest.Bearer(cfg.Token))
	}
	if cfg.TokenSource != nil {
		ways = append(ways, rest.TokenSource(kind, cfg.TokenSource))
	}
	if cfg.UserName != "" || cfg.Password != "" {
		if cfg.UserName == "" || cfg.Password == "" {
			return nil, rest.Wrong("UserName, Password", "want both")
		}
		ways = append(ways, basic{cfg.UserName, cfg.Password})
	}
	if cfg.TokenURL != "" || cfg.ClientID != "" || cfg.ClientSecret != "" {
		if cfg.ClientID == "" || cfg.ClientSecret == "" {
			return nil, rest.Wrong("TokenURL, ClientID, ClientSecret", "want all three")
		}
		at, err := rest.BaseURL("TokenURL", cfg.TokenURL)
		if err != nil {
			return nil, err
		}
		speak.Origin = at
		ways = append(ways, clientCredentials(cfg, kind, speak))
	}
	if len(ways) != 1 {
		return nil, rest.Wrong("Token, TokenSource, UserName, TokenURL", "want one of them")
	}
	return ways[0], nil
}

// clientCredentials logs in with client credentials (RFC 6749, section 4.4).
func clientCredentials(cfg Config, kind string, speak rest.Config) rest.Auth {
	form := url.Values{"grant_type": {"client_credentials"}}
	if cfg.Scope != "" {
		form.Set("scope", cfg.Scope)
	}
	return rest.LogIn(kind, speak, func(ctx context.Context) (*http.Request, error) {
		req, err := rest.PostForm(ctx, cfg.TokenURL, form)
		if err == nil { // both are form-encoded first (section 2.3.1)
			req.SetBasicAuth(url.QueryEscape(cfg.ClientID), url.QueryEscape(cfg.ClientSecret))
		}
		return req, err
	}, rest.ReadToken)
}

// basic is HTTP Basic (RFC 7617).
type basic struct{ name, password string }

// Authorize implements rest.Auth.
func (b basic) Authorize(req *http.Request) error {
	req.SetBasicAuth(b.name, b.password)
	return nil
}

// Renew implements rest.Auth: there is no other password.
func (basic) Renew(*http.Request, *rest.Error) (bool, error) { return false, nil }
