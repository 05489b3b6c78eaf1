package okta

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	tokenPath      = "/oauth2/v1/token"
	maxToken       = 1 << 20 // bytes of a token answer
	assertionFor   = 5 * time.Minute
	defaultMaxWait = 90 * time.Second
	mostSkew       = time.Minute // a smaller difference of the clocks does not matter
)

// checkCredential checks the credential of a Config and returns its private key, or
// nil for an API token. Its errors show no secret.
func checkCredential(cfg Config) (crypto.Signer, error) {
	service := cfg.ClientID != "" || len(cfg.PrivateKey) > 0 || cfg.KeyID != "" || len(cfg.Scopes) > 0
	switch {
	case cfg.Token != "" && service:
		return nil, rest.Wrong("Token", "choose one credential; ClientID, PrivateKey, KeyID or Scopes is set as well")
	case strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, rest.Wrong("Token", "want the token alone, without spaces")
	case cfg.Token != "":
		return nil, nil
	case cfg.ClientID == "" || len(cfg.PrivateKey) == 0:
		return nil, rest.Wrong("Token, ClientID", "want one credential: Token, or ClientID with PrivateKey")
	}
	return rest.ParseKey(cfg.PrivateKey, "an RSA key, or an ECDSA key of the curve P-256", func(key crypto.Signer) bool { return rest.IsRSA(key) || rest.IsP256(key) })
}

// apiToken is the Auth of an API token.
type apiToken string

// Authorize implements rest.Auth.
func (t apiToken) Authorize(req *http.Request) error {
	req.Header.Set("Authorization", "SSWS "+string(t))
	return nil
}

// Renew implements rest.Auth: there is no other token.
func (apiToken) Renew(*http.Request, *rest.Error) (bool, error) { return false, nil }

// newAuth returns the Auth for requests, and the transport that sends them.
func newAuth(cfg Config, base *url.URL, key crypto.Signer) (rest.Auth, http.RoundTripper, error) {
	if key == nil {
		return apiToken(cfg.Token), cfg.Transport, nil
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key for DPoP: %w", err)
	}
	p := &prover{base: cfg.Transport, key: own}
	if p.base == nil {
		p.base = http.DefaultTransport
	}
	l := &login{cfg: cfg, address: base.JoinPath(tokenPath).String(), key: key, prover: p}
	config := restConfig(cfg, base)
	config.Base, config.MaxBody = p, maxToken
	l.http = rest.New(config)
	return rest.NewTokens(kind, l.fetch), p, nil
}

// login logs in as a service app.
type login struct {
	cfg     Config
	address string
	key     crypto.Signer
	http    *rest.Transport
	prover  *prover
}

// fetch gets a token. Okta answers with an error if it requires a DPoP proof, or a
// nonce in it, or if our clock is wrong; fetch then asks again.
func (l *login) fetch(ctx context.Context) (rest.Token, error) {
	for try := 0; ; try++ {
		skew := l.prover.skew.Load()
		token, err := l.ask(ctx)
		failure, ok := errors.AsType[*rest.Error](err)
		if !ok || try == 3 {
			return token, err
		}
		var answer struct{ Error string }
		_ = json.Unmarshal(failure.Body, &answer) // a body that is not JSON has no code
		again := answer.Error == "use_dpop_nonce"
		if again || answer.Error == "invalid_dpop_proof" {
			again = !l.prover.on.Swap(true) || again
		}
		if moved := time.Duration(l.prover.skew.Load() - skew).Abs(); !again && moved < mostSkew {
			return token, err
		}
	}
}

// ask sends one token request.
func (l *login) ask(ctx context.Context) (rest.Token, error) {
	assertion, err := l.assertion()
	if err != nil {
		return rest.Token{}, err
	}
	req, err := rest.PostForm(ctx, l.address, url.Values{
		"grant_type": {"client_credentials"}, "scope": {strings.Join(l.scopes(), " ")},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	})
	if err != nil {
		return rest.Token{}, err
	}
	req.Header["Idempotency-Key"] = nil // marks the request as repeatable: a second token does no harm
	resp, err := l.http.RoundTrip(req)
	if err != nil {
		return rest.Token{}, err
	}
	var answer struct {
		rest.TokenAnswer
		Type string `json:"token_type"`
	}
	if err := rest.Decode(resp, &answer); err != nil {
		return rest.Token{}, err
	}
	token := answer.Token()
	if strings.EqualFold(answer.Type, "DPoP") {
		token.Type = "DPoP"
	}
	return token, nil
}

// scopes returns the scopes that the Config needs.
func (l *login) scopes() []string {
	if len(l.cfg.Scopes) > 0 {
		return l.cfg.Scopes
	}
	scopes := []string{"okta.users.read", "okta.groups.read", "okta.logs.read"}
	if l.cfg.AppID != "" {
		scopes = append(scopes, "okta.apps.read")
	}
	if l.cfg.Sees == SeesByRoles {
		scopes = append(scopes, "okta.roles.read")
	}
	return scopes
}

// assertion returns the JWT that authenticates the service app (RFC 7523). It has
// no jti: Okta would accept a jti only once, also if the request is repeated.
func (l *login) assertion() (string, error) {
	now := l.prover.now()
	header := map[string]any{"typ": "JWT"}
	if l.cfg.KeyID != "" {
		header["kid"] = l.cfg.KeyID
	}
	return rest.SignJWT(l.key, header, map[string]any{
		"iss": l.cfg.ClientID, "sub": l.cfg.ClientID, "aud": l.address, "iat": now.Unix(), "exp": now.Add(assertionFor).Unix(),
	})
}

// A prover is a transport that adds a DPoP proof (RFC 9449) to each request, a new
// one each time it is sent, once Okta has required one. It takes from the answers
// the nonces for the proofs, and the difference between Okta's clock and ours.
type prover struct {
	base http.RoundTripper
	key  *ecdsa.PrivateKey
	on   atomic.Bool
	skew atomic.Int64 // nanoseconds by which Okta's clock is ahead
	// The token endpoint and the API have separate nonces (RFC 9449, section 9).
	tokenNonce, apiNonce atomic.Pointer[string]
}

func (p *prover) now() time.Time { return time.Now().Add(time.Duration(p.skew.Load())) }

// RoundTrip implements http.RoundTripper.
func (p *prover) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.send(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || req.Body != nil && req.Body != http.NoBody ||
		!strings.Contains(resp.Header.Get("WWW-Authenticate"), "use_dpop_nonce") {
		return resp, err
	}
	_ = resp.Body.Close() // the request is sent again with the nonce
	return p.send(req)
}

func (p *prover) send(req *http.Request) (*http.Response, error) {
	nonce := &p.apiNonce
	if strings.HasSuffix(req.URL.Path, tokenPath) {
		nonce = &p.tokenNonce
	}
	if p.on.Load() {
		proof, err := p.proof(req, nonce.Load())
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Header.Set("DPoP", proof)
	}
	resp, err := p.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if fresh := resp.Header.Get("DPoP-Nonce"); fresh != "" {
		nonce.Store(&fresh)
	}
	if at := rest.Date(resp.Header); !at.IsZero() {
		p.skew.Store(int64(time.Until(at)))
	}
	return resp, nil
}

// proof returns the proof for one request (RFC 9449, section 4.2).
func (p *prover) proof(req *http.Request, nonce *string) (string, error) {
	point, err := p.key.PublicKey.Bytes()
	if err != nil {
		return "", fmt.Errorf("make a proof: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	header := map[string]any{
		"typ": "dpop+jwt", "jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])},
	}
	claims := map[string]any{
		"htm": req.Method, "htu": (&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}).String(),
		"iat": p.now().Unix(), "jti": rand.Text(),
	}
	if nonce != nil {
		claims["nonce"] = *nonce
	}
	if _, token, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = encode(sum[:])
	}
	return rest.SignJWT(p.key, header, claims)
}
