package scim

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/usher-go/usher/internal/redact"
)

// A Client is an OAuth 2 client of the token endpoint, as the host stores it.
type Client struct {
	// SecretHashes are the HashToken of the present secrets: two during a
	// rotation. Make secrets with NewToken.
	SecretHashes []string
	Principal    Principal
}

// A Trust describes the workload identity assertions that are accepted for a
// principal (RFC 7523 section 2.2), such as an Entra application's. The typ of an
// assertion is JWT, JOSE or client-authentication+jwt, or absent: other types name
// tokens that the issuer makes for other uses (RFC 8725 sections 3.11 and 3.12).
type Trust struct {
	// Audience is the value that the assertion's aud must contain.
	Audience string
	// JWKSURL is the address of the issuer's keys (https). While it fails, keys
	// that are known are used for up to 24 hours; then the answer is 503.
	JWKSURL   string
	Principal Principal
}

// TokenConfig describes a token endpoint. Keys and one of Client and Trust
// are required.
type TokenConfig struct {
	redacted

	// Keys sign and check the access tokens; they are random and have at least
	// 32 bytes each. The first one signs and all of them check, so that a key
	// can be rotated.
	Keys [][]byte
	// Client finds a client by its id, for clients with a secret. It returns
	// ErrNotFound for an unknown one, which is answered with 401. Any other
	// error is answered with 503 and Retry-After. nil accepts no client.
	Client func(ctx context.Context, id string) (Client, error)
	// Trust finds the Trust of an assertion's issuer and subject, for clients
	// with a workload identity. Its errors have the meaning of those of Client.
	// nil accepts no assertion.
	Trust func(ctx context.Context, issuer, subject string) (Trust, error)
	// Lifetime is the lifetime of an access token; 0 means one hour. Providers
	// expect 60 minutes to 6 hours.
	Lifetime time.Duration
	// MaxAssertion is the longest time before its expiry at which an assertion
	// is accepted; 0 means DefaultMaxAssertion. An assertion with an ID (jti)
	// is accepted once in that time by this endpoint; if several processes
	// serve, once by each of them.
	MaxAssertion time.Duration
	// ReadTimeout is the time that a client has to send its request; 0 means
	// DefaultReadTimeout.
	ReadTimeout time.Duration
	// HTTPClient fetches keys, without following redirects; nil means a client
	// with a time-out of 10 seconds.
	HTTPClient *http.Client
	// Logger receives the reasons why clients are refused (level Info) and why
	// the endpoint cannot authenticate one at present (level Error), with the
	// errors of Client and Trust. nil means slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// redacted keeps the keys out of what prints, logs or encodes them.
type redacted = redact.Struct

// A TokenEndpoint is the OAuth 2 token endpoint for the client credentials
// grant (RFC 6749 section 4.4), with a client secret or with an assertion. It
// is also the Authenticator of the access tokens that it issues. Mount it
// outside of the SCIM handler. Access tokens are signed and not stored; they
// expire after their lifetime. An address that sends many wrong secrets is
// answered with 429, as for Config.Authenticate.
type TokenEndpoint struct {
	redacted

	cfg     TokenConfig
	signer  jose.Signer
	jwks    *keyCache
	brake   *brake
	replays replays
}

// DefaultMaxAssertion is the default of TokenConfig.MaxAssertion.
const DefaultMaxAssertion = 2 * time.Hour

const (
	assertionType  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	mediaForm      = "application/x-www-form-urlencoded"
	tokenAudience  = "usher-scim"
	maxTokenForm   = 64 << 10
	assertionSkew  = time.Minute
	minTokenKey    = 32
	accessTokenTyp = "at+jwt"
)

var (
	errBadClient  = errors.New("client authentication failed")
	errBadRequest = errors.New("malformed request")
)

// NewTokenEndpoint returns a token endpoint. It returns only errors about cfg.
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
	for _, d := range []struct {
		field  string
		value  *time.Duration
		preset time.Duration
	}{
		{"Lifetime", &cfg.Lifetime, time.Hour},
		{"MaxAssertion", &cfg.MaxAssertion, DefaultMaxAssertion},
		{"ReadTimeout", &cfg.ReadTimeout, DefaultReadTimeout},
	} {
		if *d.value < 0 {
			return nil, fmt.Errorf("scim: TokenConfig.%s is negative", d.field)
		}
		setDefault(d.value, d.preset)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
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
	return &TokenEndpoint{cfg: cfg, signer: signer, jwks: newKeyCache(cfg.HTTPClient, cfg.Now), brake: newBrake(cfg.Now)}, nil
}

// keyID returns a name for a key that reveals nothing of it.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("usher-scim key id:"), key...))
	return hex.EncodeToString(sum[:8])
}

type accessClaims struct {
	jwt.Claims
	Tenant     string `json:"tenant"`
	Connection string `json:"connection"`
	Kind       string `json:"kind,omitempty"`
	User       string `json:"user,omitempty"`
	Token      string `json:"token,omitempty"`
}

// Authenticate is an Authenticator for the access tokens of the endpoint.
func (e *TokenEndpoint) Authenticate(r *http.Request) (Principal, error) {
	raw, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil || len(token.Headers) != 1 || token.Headers[0].ExtraHeaders[jose.HeaderType] != accessTokenTyp {
		return Principal{}, errUnknownToken // a token of another kind, such as an assertion, is not an access token
	}
	for _, key := range e.cfg.Keys {
		var claims accessClaims
		if keyID(key) != token.Headers[0].KeyID || token.Claims(key, &claims) != nil {
			continue
		}
		claims.IssuedAt = nil // another process, whose clock is ahead, may have issued it
		principal := Principal{Tenant: claims.Tenant, Connection: claims.Connection, Kind: claims.Kind, User: claims.User, Token: claims.Token}
		if claims.Expiry == nil || claims.ValidateWithLeeway(jwt.Expected{
			AnyAudience: jwt.Audience{tokenAudience}, Time: e.cfg.Now(),
		}, 0) != nil {
			return Principal{}, refusedOf(principal, "access token expired")
		}
		return principal, nil
	}
	return Principal{}, errUnknownToken
}

// ServeHTTP implements http.Handler: the token endpoint.
func (e *TokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		discardBody(w, r)
		w.Header().Set("Allow", http.MethodPost)
		writeTokenAnswer(w, http.StatusMethodNotAllowed, map[string]any{"error": "invalid_request"})
		return
	}
	if err := e.form(w, r); err != nil {
		writeTokenAnswer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		writeTokenAnswer(w, http.StatusBadRequest, map[string]any{"error": "unsupported_grant_type"})
		return
	}
	credential := e.brake.credential(strings.Join(r.Header.Values("Authorization"), ","), r.PostForm.Get("client_id"),
		r.PostForm.Get("client_secret"), r.PostForm.Get("client_assertion"))
	if wait := e.brake.wait(r, credential); wait > 0 {
		w.Header().Set("Retry-After", wholeSeconds(wait))
		writeTokenAnswer(w, http.StatusTooManyRequests, map[string]any{"error": "temporarily_unavailable"})
		return
	}
	principal, err := e.client(r)
	if err == nil && principal.Tenant == "" {
		err = fmt.Errorf("%w: the principal has no tenant", errBadClient)
	}
	switch {
	case errors.Is(err, ErrUnavailable):
		e.cfg.Logger.ErrorContext(r.Context(), "scim: client authentication unavailable", "error", err)
		w.Header().Set("Retry-After", "30")
		writeTokenAnswer(w, http.StatusServiceUnavailable, map[string]any{"error": "temporarily_unavailable"})
	case errors.Is(err, errBadRequest):
		e.refused(r, err)
		writeTokenAnswer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
	case err != nil:
		e.refused(r, err)
		e.brake.wrong(r, credential)
		w.Header().Set("WWW-Authenticate", `Basic realm="scim"`)
		writeTokenAnswer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
	default:
		e.brake.right(credential)
		token, err := e.issue(principal)
		if err != nil {
			e.cfg.Logger.ErrorContext(r.Context(), "scim: signing an access token", "error", err)
			writeTokenAnswer(w, http.StatusInternalServerError, map[string]any{"error": "server_error"})
			return
		}
		writeTokenAnswer(w, http.StatusOK, map[string]any{
			"access_token": token, "token_type": "Bearer", "expires_in": int(e.cfg.Lifetime / time.Second),
		})
	}
}

// refused logs why a client gets no token.
func (e *TokenEndpoint) refused(r *http.Request, err error) {
	e.cfg.Logger.InfoContext(r.Context(), "scim: no access token given", "error", err)
}

// form reads the body in bounded time. It refuses a body that is no form, which
// would stay unread, and a parameter that occurs twice (RFC 6749 section 3.2).
func (e *TokenEndpoint) form(w http.ResponseWriter, r *http.Request) error {
	if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(media), mediaForm) {
		discardBody(w, r)
		return errBadRequest
	}
	control := http.NewResponseController(w)
	// A server that cannot set deadlines (a recorder in a test) reads without
	// one.
	_ = control.SetReadDeadline(time.Now().Add(e.cfg.ReadTimeout))
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
	if err := r.ParseForm(); err != nil {
		_ = control.SetReadDeadline(time.Now()) // do not wait for more of the body
		w.Header().Set("Connection", "close")
		return err
	}
	_ = control.SetReadDeadline(time.Time{})
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return errBadRequest
		}
	}
	return nil
}

func writeTokenAnswer(w http.ResponseWriter, status int, answer map[string]any) {
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client may have disconnected
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
		Tenant: p.Tenant, Connection: p.Connection, Kind: p.Kind, User: p.User, Token: p.Token,
	}).Serialize()
}

// client authenticates the client by an assertion, or by a secret in the header
// or the form. It accepts only one of these ways per request (RFC 6749 section
// 2.3).
func (e *TokenEndpoint) client(r *http.Request) (Principal, error) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	assertion, kind := r.PostForm.Get("client_assertion"), r.PostForm.Get("client_assertion_type")
	methods := max(0, len(r.Header.Values("Authorization"))-1)
	for _, used := range []bool{r.Header.Get("Authorization") != "", secret != "", assertion != "" || kind != ""} {
		if used {
			methods++
		}
	}
	if methods > 1 {
		return Principal{}, fmt.Errorf("%w: more than one client authentication method", errBadRequest)
	}
	if assertion != "" {
		if e.cfg.Trust == nil || kind != assertionType {
			return Principal{}, errBadClient
		}
		return e.assertion(r.Context(), assertion)
	}
	if user, password, ok := r.BasicAuth(); ok { // form-encoded (RFC 6749 section 2.3.1)
		name, errID := url.QueryUnescape(user)
		word, errSecret := url.QueryUnescape(password)
		if errID != nil || errSecret != nil || id != "" && id != name {
			return Principal{}, errBadClient
		}
		id, secret = name, word
	}
	if e.cfg.Client == nil || id == "" || secret == "" {
		return Principal{}, errBadClient
	}
	client, err := e.cfg.Client(r.Context(), id)
	if err != nil {
		return Principal{}, lookupFailed(err)
	}
	hash := []byte(HashToken(secret))
	for _, known := range client.SecretHashes {
		if subtle.ConstantTimeCompare(hash, []byte(strings.ToLower(known))) == 1 {
			return withToken(client.Principal, id), nil
		}
	}
	return Principal{}, errBadClient
}

// lookupFailed returns the error for an error of TokenConfig.Client or
// TokenConfig.Trust. Only ErrNotFound makes the credentials invalid: a provider
// whose credentials are invalid stops, which an outage must not cause.
func lookupFailed(err error) error {
	if errors.Is(err, ErrNotFound) {
		return errBadClient
	}
	return fmt.Errorf("%w: looking up the client: %w", ErrUnavailable, err)
}

// assertion checks the signature of a workload identity assertion with the
// issuer's keys, and compares its issuer, subject, audience and times with the
// Trust.
func (e *TokenEndpoint) assertion(ctx context.Context, raw string) (Principal, error) {
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	})
	if err != nil || len(token.Headers) != 1 || !isAssertionType(token.Headers[0].ExtraHeaders[jose.HeaderType]) {
		return Principal{}, errBadClient
	}
	var unverified jwt.Claims // used only to choose the keys
	if err := token.UnsafeClaimsWithoutVerification(&unverified); err != nil || unverified.Issuer == "" || unverified.Subject == "" {
		return Principal{}, errBadClient
	}
	trust, err := e.cfg.Trust(ctx, unverified.Issuer, unverified.Subject)
	if err != nil {
		return Principal{}, lookupFailed(err)
	}
	if trust.Audience == "" || trust.JWKSURL == "" {
		return Principal{}, errBadClient
	}
	var claims jwt.Claims
	if err := e.jwks.verify(ctx, trust.JWKSURL, token.Headers[0].KeyID, token.Headers[0].Algorithm, func(key jose.JSONWebKey) error {
		return token.Claims(key, &claims)
	}); err != nil {
		return Principal{}, err
	}
	if claims.Expiry == nil {
		return Principal{}, errBadClient
	}
	now := e.cfg.Now()
	if err := claims.ValidateWithLeeway(jwt.Expected{
		Issuer: unverified.Issuer, Subject: unverified.Subject, AnyAudience: jwt.Audience{trust.Audience}, Time: now,
	}, assertionSkew); err != nil {
		return Principal{}, fmt.Errorf("%w: %w", errBadClient, err)
	}
	until := claims.Expiry.Time()
	if until.After(now.Add(e.cfg.MaxAssertion + assertionSkew)) {
		return Principal{}, fmt.Errorf("%w: the assertion expires more than %s from now", errBadClient, e.cfg.MaxAssertion)
	}
	if claims.ID != "" {
		client := [2]string{claims.Issuer, claims.Subject}
		if err := e.replays.use(client, claims.ID, now, until.Add(assertionSkew)); err != nil {
			return Principal{}, err
		}
	}
	return withToken(trust.Principal, claims.Subject), nil
}

// isAssertionType reports whether the typ of a signed token allows that it is an
// assertion. An issuer gives its other tokens, such as access tokens (at+jwt), to
// parties that must not be able to use them as assertions (RFC 8725 sections 3.11
// and 3.12). A JWT-SVID of SPIFFE has the typ JWT or JOSE, or none.
func isAssertionType(typ any) bool {
	if typ == nil {
		return true
	}
	text, _ := typ.(string)
	switch strings.TrimPrefix(strings.ToLower(text), "application/") {
	case "jwt", "jose", "client-authentication+jwt":
		return true
	}
	return false
}

// withToken returns the principal with a name for its credential: if it has
// none, the ID of the client.
func withToken(p Principal, id string) Principal {
	if p.Token == "" {
		p.Token = credentialName(id)
	}
	return p
}
