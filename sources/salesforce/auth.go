package salesforce

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	defaultLogin = "https://login.salesforce.com"
	assertionFor = 3 * time.Minute // the longest that Salesforce takes
	maxToken     = 1 << 20         // bytes of a token answer
)

// A session is what a login gives. Salesforce does not say when it ends: the
// token answer has no expires_in, so a session is used until it is refused.
type session struct {
	token    string
	instance *url.URL // where the org's API lives
}

// login keeps the session of a Source. It is a rest.Auth: requests carry a path
// only, and get host and token of the session when they are sent, so that
// neither can go to another host.
type login struct {
	http     *rest.Transport
	tokenURL *url.URL
	grant    func(now time.Time) (url.Values, error)

	// busy holds one value while somebody reads, opens or drops the session,
	// so that a hundred requests refused at once log in once. A channel, as
	// waiting for it obeys the context.
	busy    chan struct{}
	session *session
}

// newLogin reads the login fields of cfg and returns every problem.
func newLogin(cfg Config) (*login, error) {
	if cfg.LoginURL == "" {
		cfg.LoginURL = defaultLogin
	}
	base, err := rest.BaseURL("LoginURL", cfg.LoginURL)
	if err != nil {
		return nil, err
	}
	if cfg.Audience == "" {
		cfg.Audience = base.String()
	}
	grant, err := newGrant(cfg, base)
	if cfg.ClientID == "" {
		err = errors.Join(errors.New("ClientID: required"), err)
	}
	if err != nil {
		return nil, err
	}
	return &login{
		http: rest.New(rest.Config{
			Base: cfg.Transport, MaxBody: maxToken, Attempts: cfg.Attempts,
			Explain: explain, Secrets: secrets(cfg), Logger: cfg.Logger,
		}),
		tokenURL: base.JoinPath("services/oauth2/token"),
		grant:    grant,
		busy:     make(chan struct{}, 1),
	}, nil
}

// secrets are what no error may show, whoever repeats it to us.
func secrets(cfg Config) []string { return []string{cfg.ClientSecret, cfg.RefreshToken} }

// newGrant returns the form of a token request for the one way to log in that
// cfg chooses.
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
		return nil, errors.New("PrivateKey: choose one way to log in; RefreshToken or ClientSecret is set as well")
	case len(cfg.PrivateKey) > 0:
		if cfg.Username == "" {
			return nil, errors.New("with PrivateKey, Username is required")
		}
		key, err := parseKey(cfg.PrivateKey)
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
			return nil, errors.New("LoginURL: client credentials need the org's My Domain, such as https://acme.my.salesforce.com")
		}
		return func(time.Time) (url.Values, error) {
			return form("client_credentials", "client_id", cfg.ClientID, "client_secret", cfg.ClientSecret), nil
		}, nil
	}
	return nil, errors.New("PrivateKey, RefreshToken, ClientSecret: one of them is required")
}

// Authorize implements rest.Auth.
func (l *login) Authorize(req *http.Request) error {
	s, err := l.current(req.Context(), "")
	if err != nil {
		return err
	}
	req.URL = s.instance.ResolveReference(req.URL)
	req.Header.Set("Authorization", "Bearer "+s.token)
	return nil
}

// Renew implements rest.Auth: a session that Salesforce ended is replaced by a
// new one.
func (l *login) Renew(refused *http.Request, answer *rest.Error) (bool, error) {
	if !strings.Contains(string(answer.Body), "INVALID_SESSION_ID") {
		return false, nil
	}
	_, err := l.current(refused.Context(), strings.TrimPrefix(refused.Header.Get("Authorization"), "Bearer "))
	return err == nil, err
}

// current returns the session, after logging in if there is none or if the
// token of the present one is known to be refused.
func (l *login) current(ctx context.Context, refusedToken string) (*session, error) {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return nil, &sources.Error{Kind: kind, Op: "log in", Err: ctx.Err()}
	}
	if l.session != nil && l.session.token != refusedToken {
		return l.session, nil
	}
	s, err := l.open(ctx)
	if err != nil {
		return nil, rest.Wrap(kind, "log in", err)
	}
	l.session = s
	return s, nil
}

// open logs in.
func (l *login) open(ctx context.Context) (*session, error) {
	form, err := l.grant(time.Now())
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.tokenURL.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header["Idempotency-Key"] = nil // asking twice gives two sessions, which hurts nobody
	resp, err := l.http.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
	}
	if err := rest.Decode(resp, &answer); err != nil {
		return nil, err
	}
	if answer.AccessToken == "" {
		return nil, rest.Malformed("the token answer holds no access_token")
	}
	instance, err := rest.BaseURL("instance_url", answer.InstanceURL)
	if err != nil {
		return nil, rest.Malformed("%s", err)
	}
	if instance.Scheme != "https" && !rest.Loopback(l.tokenURL) {
		return nil, rest.Malformed("instance_url leads to this machine")
	}
	return &session{answer.AccessToken, instance}, nil
}

// parseKey reads an RSA key in PEM. Its errors say nothing of the key.
func parseKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("PrivateKey: want PEM, beginning with -----BEGIN PRIVATE KEY-----")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("PrivateKey: want an RSA key in PKCS #1 or PKCS #8, unencrypted, not a block of type %.40q", block.Type)
	}
	return key, nil
}

// assertion makes the JWT of a JWT bearer login (RFC 7523, signed with RS256 as
// of RFC 7518, section 3.3). Salesforce reads four claims.
func assertion(key *rsa.PrivateKey, issuer, subject, audience string, now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "sub": subject, "aud": audience, "exp": now.Add(assertionFor).Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign the assertion: %w", err)
	}
	return signed + "." + encode(signature), nil
}
