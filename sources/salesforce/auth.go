package salesforce

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	defaultLogin = "https://login.salesforce.com"
	assertionFor = 3 * time.Minute // the longest that Salesforce accepts
)

// login logs in and keeps the session. A request has only a path; host and token of
// the session are added when it is sent, so that neither can be sent to another
// host. The token answer has no expires_in, so a session is used until it is
// refused.
type login struct{ *rest.Tokens }

// newLogin checks the login fields of cfg. The error joins all problems. speak
// configures the requests of the login.
func newLogin(cfg Config, speak rest.Config) (login, error) {
	base, err := rest.BaseURL("LoginURL", cmp.Or(cfg.LoginURL, defaultLogin))
	if err != nil {
		return login{}, err
	}
	cfg.Audience = cmp.Or(cfg.Audience, base.String())
	grant, err := newGrant(cfg, base)
	if cfg.ClientID == "" {
		err = errors.Join(rest.Wrong("ClientID", "required"), err)
	}
	if err != nil {
		return login{}, err
	}
	speak.Origin = base
	address := base.JoinPath("services/oauth2/token").String()
	return login{rest.LogIn(kind, speak, func(ctx context.Context) (*http.Request, error) {
		form, err := grant(time.Now())
		if err != nil {
			return nil, err
		}
		return rest.PostForm(ctx, address, form)
	}, func(resp *http.Response) (rest.Token, error) { return readToken(resp, base) })}, nil
}

// readToken reads the session from the answer of a login at an address.
func readToken(resp *http.Response, from *url.URL) (rest.Token, error) {
	var answer struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
	}
	if err := rest.Decode(resp, &answer); err != nil || answer.AccessToken == "" {
		return rest.Token{}, err
	}
	instance, err := rest.BaseURL("instance_url", answer.InstanceURL)
	if err != nil {
		return rest.Token{}, rest.Malformed("%s", err)
	}
	if instance.Scheme != "https" && !rest.Loopback(from) {
		return rest.Token{}, rest.Malformed("instance_url leads to this machine")
	}
	return rest.Token{Value: answer.AccessToken, Base: instance}, nil
}

// Renew implements rest.Auth: it replaces a session that Salesforce has ended.
func (l login) Renew(refused *http.Request, answer *rest.Error) (bool, error) {
	if !strings.Contains(string(answer.Body), "INVALID_SESSION_ID") {
		return false, nil
	}
	return l.Tokens.Renew(refused, answer)
}

// newGrant returns a function for the form of a token request, for the one way to
// log in that cfg chooses.
func newGrant(cfg Config, base *url.URL) (func(time.Time) (url.Values, error), error) {
	form := func(grantType string, pairs ...string) url.Values {
		v := url.Values{"grant_type": {grantType}}
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				v.Set(pairs[i], pairs[i+1])
			}
		}
		return v
	}
	switch {
	case len(cfg.PrivateKey) > 0 && (cfg.RefreshToken != "" || cfg.ClientSecret != ""):
		return nil, rest.Wrong("PrivateKey", "choose one way to log in; RefreshToken or ClientSecret is set as well")
	case len(cfg.PrivateKey) > 0:
		if cfg.Username == "" {
			return nil, rest.Wrong("Username", "required with PrivateKey")
		}
		key, err := rest.ParseKey(cfg.PrivateKey, "an RSA key in PKCS #1 or PKCS #8", rest.IsRSA)
		if err != nil {
			return nil, err
		}
		return func(now time.Time) (url.Values, error) {
			jwt, err := assertion(key, cfg.ClientID, cfg.Username, cfg.Audience, now)
			return form("urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", jwt), err
		}, nil
	case cfg.RefreshToken != "":
		return func(time.Time) (url.Values, error) {
			return form("refresh_token", "refresh_token", cfg.RefreshToken,
				"client_id", cfg.ClientID, "client_secret", cfg.ClientSecret), nil
		}, nil
	case cfg.ClientSecret != "":
		if host := base.Hostname(); host == "login.salesforce.com" || host == "test.salesforce.com" {
			return nil, rest.Wrong("LoginURL", "client credentials need the org's My Domain, such as https://acme.my.salesforce.com")
		}
		return func(time.Time) (url.Values, error) {
			return form("client_credentials", "client_id", cfg.ClientID, "client_secret", cfg.ClientSecret), nil
		}, nil
	}
	return nil, rest.Wrong("PrivateKey, RefreshToken, ClientSecret", "want one of them")
}

// assertion returns the JWT of a JWT bearer login (RFC 7523). Salesforce reads four
// claims.
func assertion(key crypto.Signer, issuer, subject, audience string, now time.Time) (string, error) {
	return rest.SignJWT(key, map[string]any{"typ": "JWT"}, map[string]any{
		"iss": issuer, "sub": subject, "aud": audience, "exp": now.Add(assertionFor).Unix(),
	})
}
