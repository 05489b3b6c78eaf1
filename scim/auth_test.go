package scim_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

func withHeader(value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", value)
	return r
}

func TestBearerTokensRotate(t *testing.T) {
	first, firstHash := scim.NewToken()
	second, secondHash := scim.NewToken()
	expired, expiredHash := scim.NewToken()
	assert.NotEqual(t, first, second)
	assert.NotContains(t, firstHash, first)
	acme := scim.Principal{Tenant: "acme", Connection: "okta"}
	auth := scim.BearerTokens(scim.FixedTokens(
		scim.Token{Hash: firstHash, Principal: acme},
		scim.Token{Hash: strings.ToUpper(secondHash), Principal: acme, NotAfter: time.Now().Add(time.Hour)},
		scim.Token{Hash: expiredHash, Principal: acme, NotAfter: time.Now().Add(-time.Second)},
	))
	for good, name := range map[string]string{"Bearer " + first: firstHash[:8], "bearer " + second: secondHash[:8], "BEARER  " + first: firstHash[:8]} {
		p, err := auth(withHeader(good))
		assert.NoError(t, err)
		assert.Equal(t, scim.Principal{Tenant: "acme", Connection: "okta", Token: name}, p)
	}
	var refused *scim.RefusedError
	_, expiry := auth(withHeader("Bearer " + expired))
	require.ErrorAs(t, expiry, &refused)
	assert.Equal(t, scim.Directory{Tenant: "acme", Connection: "okta"}, refused.Directory)

	for _, bad := range []string{"", first, "Basic " + first, "Bearer", "Bearer ", "Bearer " + first + "x", "Bearer " + firstHash, "Bearer " + expired} {
		p, err := auth(withHeader(bad))
		if assert.Error(t, err, bad) {
			assert.NotContains(t, err.Error(), first)
		}
		assert.Zero(t, p)
	}
	down := scim.BearerTokens(func(context.Context, string) (scim.Token, error) {
		return scim.Token{}, errors.New("connection refused")
	})
	_, err := down(withHeader("Bearer " + first))
	assert.ErrorIs(t, err, scim.ErrUnavailable)
	p, err := scim.FirstOf(down, auth)(withHeader("Bearer " + first))
	assert.NoError(t, err)
	assert.Equal(t, firstHash[:8], p.Token)
	_, err = scim.FirstOf(down, auth)(withHeader("Bearer nobody"))
	assert.ErrorIs(t, err, scim.ErrUnavailable)
}

// A tokenServer is an endpoint under test, with its clock and its answers.
type tokenServer struct {
	*scim.TokenEndpoint
	now time.Time
}

func newTokenServer(t *testing.T, cfg scim.TokenConfig) *tokenServer {
	s := &tokenServer{now: time.Now()}
	if cfg.Keys == nil {
		cfg.Keys = [][]byte{[]byte(strings.Repeat("k", 32))}
	}
	cfg.Now = func() time.Time { return s.now }
	cfg.Logger = slog.New(slog.DiscardHandler)
	var err error
	s.TokenEndpoint, err = scim.NewTokenEndpoint(cfg)
	require.NoError(t, err)
	return s
}

func (s *tokenServer) ask(form url.Values, basic ...string) (int, map[string]any) {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(basic) == 2 {
		r.SetBasicAuth(url.QueryEscape(basic[0]), url.QueryEscape(basic[1]))
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var body map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return w.Code, body
}

// R144, G11: a custom source uses OAuth.
func TestClientCredentials(t *testing.T) {
	secret, hash := scim.NewToken()
	old, oldHash := scim.NewToken()
	want := scim.Principal{Tenant: "acme", Connection: "entra", Kind: "entra"}
	client := func(_ context.Context, id string) (scim.Client, error) {
		switch id {
		case "client:1":
			return scim.Client{SecretHashes: []string{hash, oldHash}, Principal: want}, nil
		case "down":
			return scim.Client{}, scim.ErrUnavailable
		}
		return scim.Client{}, scim.ErrNotFound
	}
	s := newTokenServer(t, scim.TokenConfig{Client: client})
	grant := url.Values{"grant_type": {"client_credentials"}}

	status, body := s.ask(grant, "client:1", secret)
	require.Equal(t, 200, status)
	assert.Equal(t, "Bearer", body["token_type"])
	assert.Equal(t, 3600.0, body["expires_in"])
	token := "Bearer " + body["access_token"].(string)
	p, err := s.Authenticate(withHeader(token))
	require.NoError(t, err)
	want.Token = "client:1"
	assert.Equal(t, want, p)

	status, _ = s.ask(url.Values{"grant_type": {"client_credentials"}, "client_id": {"client:1"}, "client_secret": {old}})
	assert.Equal(t, 200, status, "the secret that is being rotated out")

	for _, bad := range [][]string{{"client:1", "wrong"}, {"client:1", ""}, {"nobody", secret}, {"client:1", hash}} {
		status, body := s.ask(grant, bad...)
		assert.Equal(t, 401, status)
		assert.Equal(t, "invalid_client", body["error"])
	}
	status, _ = s.ask(grant, "down", secret)
	assert.Equal(t, 503, status)
	status, body = s.ask(url.Values{"grant_type": {"password"}}, "client:1", secret)
	assert.Equal(t, 400, status)
	assert.Equal(t, "unsupported_grant_type", body["error"])
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/token", nil))
	assert.Equal(t, 405, w.Code)

	// Keys rotate: tokens of the old key are valid while the key is listed.
	newKey, oldKey := []byte(strings.Repeat("n", 32)), []byte(strings.Repeat("k", 32))
	_, err = newTokenServer(t, scim.TokenConfig{Client: client, Keys: [][]byte{newKey, oldKey}}).Authenticate(withHeader(token))
	assert.NoError(t, err)
	_, err = newTokenServer(t, scim.TokenConfig{Client: client, Keys: [][]byte{newKey}}).Authenticate(withHeader(token))
	assert.Error(t, err)

	for _, forged := range []string{"Bearer x", "Bearer " + token[7:len(token)-2], "Bearer a.b.c", ""} {
		_, err := s.Authenticate(withHeader(forged))
		assert.Error(t, err, forged)
	}
	s.now = s.now.Add(time.Hour + time.Second)
	_, err = s.Authenticate(withHeader(token))
	assert.ErrorContains(t, err, "expired")
}

// Only ErrNotFound makes credentials invalid. Any other error of the host's lookup
// is an outage: it is answered with 503, logged as an error, and no wrong guess.
func TestFailedLookupsAreNoWrongGuesses(t *testing.T) {
	secret, hash := scim.NewToken()
	assertion := sign(t, jose.RS256, rsaKey(t), "k", jwt.Claims{Issuer: testIssuer, Subject: testSubject})
	byAssertion := assertionForm(assertion)
	bySecret := url.Values{"grant_type": {"client_credentials"}, "client_id": {"c"}, "client_secret": {secret}}
	for name, form := range map[string]url.Values{"Client": bySecret, "Trust": byAssertion} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			var failure error
			endpoint, err := scim.NewTokenEndpoint(scim.TokenConfig{
				Keys: [][]byte{make([]byte, 32)}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Client: func(context.Context, string) (scim.Client, error) {
					return scim.Client{SecretHashes: []string{hash}, Principal: scim.Principal{Tenant: "acme"}}, failure
				},
				Trust: func(context.Context, string, string) (scim.Trust, error) { return scim.Trust{}, failure },
			})
			require.NoError(t, err)
			ask := func(form url.Values) *httptest.ResponseRecorder {
				r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := httptest.NewRecorder()
				endpoint.ServeHTTP(w, r)
				return w
			}
			failure = errors.New("dial tcp 10.0.0.7: connection refused")
			for i := range 100 { // different credentials, which the brake would count
				form.Set("client_id", fmt.Sprint("c", i))
				w := ask(form)
				require.Equal(t, 503, w.Code)
				require.Equal(t, "30", w.Header().Get("Retry-After"))
				require.Contains(t, w.Body.String(), "temporarily_unavailable")
				require.NotContains(t, w.Body.String(), "10.0.0.7")
			}
			assert.Contains(t, log.String(), "level=ERROR")
			assert.Contains(t, log.String(), "connection refused")
			log.Reset()
			failure = fmt.Errorf("clients: %w", scim.ErrNotFound)
			w := ask(form)
			assert.Equal(t, 401, w.Code)
			assert.Contains(t, w.Body.String(), "invalid_client")
			assert.NotContains(t, log.String(), "level=ERROR")
			failure = nil
			assert.Equal(t, 200, ask(bySecret).Code)
		})
	}
}

func TestTokenConfigIsChecked(t *testing.T) {
	client := func(context.Context, string) (scim.Client, error) { return scim.Client{}, scim.ErrNotFound }
	key := make([]byte, 32)
	for want, cfg := range map[string]scim.TokenConfig{
		"Keys is empty":     {Client: client},
		"at least 32":       {Client: client, Keys: [][]byte{key, key[:31]}},
		"Client, Trust":     {Keys: [][]byte{key}},
		"Lifetime is negat": {Client: client, Keys: [][]byte{key}, Lifetime: -1},
	} {
		_, err := scim.NewTokenEndpoint(cfg)
		assert.ErrorContains(t, err, want)
	}
}

// An issuer publishes keys. A test can make it fail.
type issuer struct {
	server *httptest.Server
	key    *rsa.PrivateKey
	asked  atomic.Int32
	broken atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	i := &issuer{key: key}
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		if i.broken.Load() {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"},
		}})
	}))
	t.Cleanup(i.server.Close)
	return i
}

func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims jwt.Claims) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	require.NoError(t, err)
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return raw
}

// RFC 7523 section 3: the requirements for an assertion.
func TestWorkloadIdentity(t *testing.T) {
	idp := newIssuer(t)
	const iss, sub, aud = "https://login.example.com/tenant/v2.0", "app-object-id", "api://usher"
	want := scim.Principal{Tenant: "acme", Connection: "entra", Kind: "entra"}
	s := newTokenServer(t, scim.TokenConfig{Trust: func(_ context.Context, issuer, subject string) (scim.Trust, error) {
		if issuer != iss || subject != sub {
			return scim.Trust{}, scim.ErrNotFound
		}
		return scim.Trust{Audience: aud, JWKSURL: idp.server.URL, Principal: want}, nil
	}})
	claims := func(change func(*jwt.Claims)) jwt.Claims {
		c := jwt.Claims{
			Issuer: iss, Subject: sub, Audience: jwt.Audience{aud},
			Expiry: jwt.NewNumericDate(s.now.Add(5 * time.Minute)), NotBefore: jwt.NewNumericDate(s.now.Add(-time.Minute)),
		}
		change(&c)
		return c
	}
	ask := func(assertion string) (int, map[string]any) {
		return s.ask(url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		})
	}
	good := sign(t, jose.RS256, idp.key, "k1", claims(func(*jwt.Claims) {}))
	status, body := ask(good)
	require.Equal(t, 200, status)
	p, err := s.Authenticate(withHeader("Bearer " + body["access_token"].(string)))
	require.NoError(t, err)
	named := want
	named.Token = sub
	assert.Equal(t, named, p)

	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := json.Marshal(jose.JSONWebKey{Key: idp.key.Public()})
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"another key":                sign(t, jose.RS256, stranger, "k1", claims(func(*jwt.Claims) {})),
		"another kind of it":         sign(t, jose.ES256, curve, "k1", claims(func(*jwt.Claims) {})),
		"the public key as a secret": sign(t, jose.HS256, public, "k1", claims(func(*jwt.Claims) {})),
		"issuer":                     sign(t, jose.RS256, idp.key, "k1", claims(func(c *jwt.Claims) { c.Issuer = "https://evil" })),
		"subject":                    sign(t, jose.RS256, idp.key, "k1", claims(func(c *jwt.Claims) { c.Subject = "other" })),
		"audience":                   sign(t, jose.RS256, idp.key, "k1", claims(func(c *jwt.Claims) { c.Audience = jwt.Audience{"other"} })),
		"expired":                    sign(t, jose.RS256, idp.key, "k1", claims(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(s.now.Add(-5 * time.Minute)) })),
		"never expires":              sign(t, jose.RS256, idp.key, "k1", claims(func(c *jwt.Claims) { c.Expiry = nil })),
		"not yet":                    sign(t, jose.RS256, idp.key, "k1", claims(func(c *jwt.Claims) { c.NotBefore = jwt.NewNumericDate(s.now.Add(time.Hour)) })),
		"no signature":               "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".",
		"nonsense":                   "x",
	} {
		status, body := ask(bad)
		assert.Equal(t, 401, status, name)
		assert.Equal(t, "invalid_client", body["error"], name)
	}
	status, _ = s.ask(url.Values{"grant_type": {"client_credentials"}, "client_assertion": {good}, "client_assertion_type": {"other"}})
	assert.Equal(t, 401, status)

	// Forged key ids do not cause repeated requests to the issuer.
	before := idp.asked.Load()
	for i := range 20 {
		status, _ := ask(sign(t, jose.RS256, idp.key, fmt.Sprint("forged", i), claims(func(*jwt.Claims) {})))
		assert.Equal(t, 401, status)
	}
	assert.LessOrEqual(t, idp.asked.Load()-before, int32(1))

	// A known key stays valid while its issuer is unavailable.
	idp.broken.Store(true)
	s.now = s.now.Add(2 * time.Hour)
	status, _ = ask(sign(t, jose.RS256, idp.key, "k1", claims(func(*jwt.Claims) {})))
	assert.Equal(t, 200, status)
	s.now = s.now.Add(2 * time.Minute)
	status, _ = ask(sign(t, jose.RS256, idp.key, "k2", claims(func(*jwt.Claims) {})))
	assert.Equal(t, 503, status)
	status, _ = ask(sign(t, jose.RS256, stranger, "k1", claims(func(*jwt.Claims) {})))
	assert.Equal(t, 401, status, "a known key refuses a forgery during the outage too")
}

func TestAuthenticatorsFitTheHandler(t *testing.T) {
	token, hash := scim.NewToken()
	server := mount(t, scim.Config{Authenticate: scim.BearerTokens(scim.FixedTokens(scim.Token{Hash: hash, Principal: scim.Principal{Tenant: "t"}}))})
	assert.Equal(t, 200, send(t, server, token, "GET", "/Users", "").status)
	assert.Equal(t, 401, send(t, server, "no", "GET", "/Users", "").status)
}
