package scim

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// A Client is an OAuth 2 client of the token endpoint, as the host keeps it.
type Client struct {
	// SecretHashes are HashToken of the secrets that are valid at present:
	// two while one is being rotated. Make secrets with NewToken.
	SecretHashes []string
	Principal    Principal
}

// A Trust says whose workload identity assertions to accept for a principal
// (RFC 7523 section 2.2), such as an Entra application's.
type Trust struct {
	// Audience is what the assertion's aud must contain.
	Audience string
	// JWKSURL is where the issuer publishes its keys (https).
	JWKSURL   string
	Principal Principal
}

// TokenConfig describes a token endpoint. Keys and one of Client and Trust
// are required.
type TokenConfig struct {
	// Keys sign and check the access tokens: random, at least 32 bytes each.
	// The first one signs, all of them check, so that a key can be rotated.
	Keys [][]byte
	// Client finds a client by its id, for clients with a secret; ErrNotFound
	// for an unknown one. nil accepts none.
	Client func(ctx context.Context, id string) (Client, error)
	// Trust finds what is known of an assertion's issuer and subject, for
	// clients with a workload identity; ErrNotFound for unknown ones. nil
	// accepts none.
	Trust func(ctx context.Context, issuer, subject string) (Trust, error)
	// Lifetime of an access token; 0 is one hour. Providers want 60 minutes
	// to 6 hours.
	Lifetime time.Duration
	// HTTPClient fetches keys; nil is one with a time-out of 10 seconds.
	HTTPClient *http.Client
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A TokenEndpoint is the OAuth 2 token endpoint for the client credentials
// grant (RFC 6749 section 4.4), with a client secret or with an assertion, and
// the Authenticator of the access tokens it gives out. Mount it outside of the
// SCIM handler. Access tokens are signed and not stored; they end with their
// lifetime.
type TokenEndpoint struct {
	cfg    TokenConfig
	signer jose.Signer
	jwks   *keyCache
}

const (
	assertionType  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	tokenAudience  = "usher-scim"
	maxTokenForm   = 64 << 10
	assertionSkew  = time.Minute
	minTokenKey    = 32
	accessTokenTyp = "at+jwt"
)

var errBadClient = errors.New("client authentication failed")

// NewTokenEndpoint returns a token endpoint. The only errors are those of cfg.
func NewTokenEndpoint(cfg TokenConfig) (*TokenEndpoint, error) {
	if len(cfg.Keys) == 0 {
		return nil, errors.New("scim: TokenConfig.Keys is empty")
	}
	for i, key := range cfg.Keys {
		if len(key) < minTokenKey {
			return nil, fmt.Errorf("scim: TokenConfig.Keys[%d] has %d bytes: want at least %d", i, len(key), minTokenKey)
		}
	}
	if cfg.Client == nil && cfg.Trust == nil {
		return nil, errors.New("scim: TokenConfig: want Client, Trust or both")
	}
	if cfg.Lifetime < 0 {
		return nil, errors.New("scim: TokenConfig.Lifetime is negative")
	}
	setDefault(&cfg.Lifetime, time.Hour)
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: 10 * time.Second}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.HS256, Key: cfg.Keys[0]},
		(&jose.SignerOptions{}).WithType(accessTokenTyp).WithHeader("kid", keyID(cfg.Keys[0])),
	)
	if err != nil {
		return nil, fmt.Errorf("scim: TokenConfig.Keys[0]: %w", err)
	}
	return &TokenEndpoint{cfg: cfg, signer: signer, jwks: newKeyCache(cfg.HTTPClient, cfg.Now)}, nil
}

// keyID names a key without showing anything of it.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("usher-scim key id:"), key...))
	return hex.EncodeToString(sum[:8])
}

type accessClaims struct {
	jwt.Claims
	Tenant     string `json:"tenant"`
	Connection string `json:"connection"`
	User       string `json:"user,omitempty"`
}

// Authenticate is an Authenticator for the access tokens of the endpoint.
func (e *TokenEndpoint) Authenticate(r *http.Request) (Principal, error) {
	raw, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil || len(token.Headers) != 1 {
		return Principal{}, errUnknownToken
	}
	for _, key := range e.cfg.Keys {
		var claims accessClaims
		if keyID(key) != token.Headers[0].KeyID || token.Claims(key, &claims) != nil {
			continue
		}
		if claims.Expiry == nil || claims.ValidateWithLeeway(jwt.Expected{
			AnyAudience: jwt.Audience{tokenAudience}, Time: e.cfg.Now(),
		}, 0) != nil {
			return Principal{}, errors.New("access token expired")
		}
		return Principal{Tenant: claims.Tenant, Connection: claims.Connection, User: claims.User}, nil
	}
	return Principal{}, errUnknownToken
}

// ServeHTTP implements http.Handler: the token endpoint.
func (e *TokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeTokenAnswer(w, http.StatusMethodNotAllowed, map[string]any{"error": "invalid_request"})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
	if err := r.ParseForm(); err != nil {
		writeTokenAnswer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		writeTokenAnswer(w, http.StatusBadRequest, map[string]any{"error": "unsupported_grant_type"})
		return
	}
	principal, err := e.client(r)
	switch {
	case errors.Is(err, ErrUnavailable):
		w.Header().Set("Retry-After", "30")
		writeTokenAnswer(w, http.StatusServiceUnavailable, map[string]any{"error": "temporarily_unavailable"})
	case err != nil || principal.Tenant == "":
		w.Header().Set("WWW-Authenticate", `Basic realm="scim"`)
		writeTokenAnswer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
	default:
		token, err := e.issue(principal)
		if err != nil {
			writeTokenAnswer(w, http.StatusInternalServerError, map[string]any{"error": "server_error"})
			return
		}
		writeTokenAnswer(w, http.StatusOK, map[string]any{
			"access_token": token, "token_type": "Bearer", "expires_in": int(e.cfg.Lifetime / time.Second),
		})
	}
}

func writeTokenAnswer(w http.ResponseWriter, status int, answer map[string]any) {
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

func (e *TokenEndpoint) issue(p Principal) (string, error) {
	now := e.cfg.Now()
	return jwt.Signed(e.signer).Claims(accessClaims{
		Claims: jwt.Claims{
			Audience: jwt.Audience{tokenAudience},
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(e.cfg.Lifetime)),
			ID:       newID(),
		},
		Tenant: p.Tenant, Connection: p.Connection, User: p.User,
	}).Serialize()
}

// client authenticates the client: by assertion, or by secret in the header
// or the form.
func (e *TokenEndpoint) client(r *http.Request) (Principal, error) {
	if assertion := r.PostForm.Get("client_assertion"); assertion != "" {
		if e.cfg.Trust == nil || r.PostForm.Get("client_assertion_type") != assertionType {
			return Principal{}, errBadClient
		}
		return e.assertion(r.Context(), assertion)
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok { // form-encoded (RFC 6749 section 2.3.1)
		var errID, errSecret error
		id, errID = url.QueryUnescape(user)
		secret, errSecret = url.QueryUnescape(password)
		if errID != nil || errSecret != nil {
			return Principal{}, errBadClient
		}
	}
	if e.cfg.Client == nil || id == "" || secret == "" {
		return Principal{}, errBadClient
	}
	client, err := e.cfg.Client(r.Context(), id)
	if errors.Is(err, ErrUnavailable) {
		return Principal{}, err
	}
	if err != nil {
		return Principal{}, errBadClient
	}
	hash := []byte(HashToken(secret))
	for _, known := range client.SecretHashes {
		if subtle.ConstantTimeCompare(hash, []byte(strings.ToLower(known))) == 1 {
			return client.Principal, nil
		}
	}
	return Principal{}, errBadClient
}

// assertion checks a workload identity assertion against the issuer's keys,
// and its issuer, subject, audience and times against what is trusted.
func (e *TokenEndpoint) assertion(ctx context.Context, raw string) (Principal, error) {
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	})
	if err != nil || len(token.Headers) != 1 {
		return Principal{}, errBadClient
	}
	var unverified jwt.Claims // used only to find out whom to ask
	if err := token.UnsafeClaimsWithoutVerification(&unverified); err != nil || unverified.Issuer == "" || unverified.Subject == "" {
		return Principal{}, errBadClient
	}
	trust, err := e.cfg.Trust(ctx, unverified.Issuer, unverified.Subject)
	if errors.Is(err, ErrUnavailable) {
		return Principal{}, err
	}
	if err != nil || trust.Audience == "" || trust.JWKSURL == "" {
		return Principal{}, errBadClient
	}
	key, err := e.jwks.key(ctx, trust.JWKSURL, token.Headers[0].KeyID)
	if err != nil {
		return Principal{}, err
	}
	var claims jwt.Claims
	if err := token.Claims(key, &claims); err != nil || claims.Expiry == nil {
		return Principal{}, errBadClient
	}
	if err := claims.ValidateWithLeeway(jwt.Expected{
		Issuer: unverified.Issuer, Subject: unverified.Subject, AnyAudience: jwt.Audience{trust.Audience}, Time: e.cfg.Now(),
	}, assertionSkew); err != nil {
		return Principal{}, errBadClient
	}
	return trust.Principal, nil
}
