package scim_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

const testIssuer, testSubject, testAudience = "https://login.example.com/v2.0", "app", "api://usher"

// trusting returns an endpoint that trusts testSubject by the keys at address.
func trusting(t *testing.T, address string) *tokenServer {
	return newTokenServer(t, scim.TokenConfig{Trust: func(_ context.Context, issuer, subject string) (scim.Trust, error) {
		if issuer != testIssuer || subject != testSubject {
			return scim.Trust{}, scim.ErrNotFound
		}
		return scim.Trust{Audience: testAudience, JWKSURL: address, Principal: scim.Principal{Tenant: "acme"}}, nil
	}})
}

func (s *tokenServer) claims(life time.Duration) jwt.Claims {
	return jwt.Claims{
		Issuer: testIssuer, Subject: testSubject, Audience: jwt.Audience{testAudience}, Expiry: jwt.NewNumericDate(s.now.Add(life)),
	}
}

func assertionForm(assertion string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

func (s *tokenServer) assert(assertion string) int {
	status, _ := s.ask(assertionForm(assertion))
	return status
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

// keySetServer publishes the given keys, which are JSON.
func keySetServer(t *testing.T, keys ...string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(keys, ","))
	}))
	t.Cleanup(server.Close)
	return server
}

// published returns a public key as JSON, with additional members.
func published(t *testing.T, key any, more string) string {
	text, err := json.Marshal(jose.JSONWebKey{Key: key})
	require.NoError(t, err)
	return strings.TrimSuffix(string(text), "}") + more + "}"
}

// RFC 7517 sections 4 and 5: keys of unknown kinds are ignored, and use,
// key_ops and alg limit what a key is used for.
func TestPublishedKeysAreForWhatTheySay(t *testing.T) {
	key := rsaKey(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rsa1 := func(more string) string { return published(t, key.Public(), more) }
	for name, c := range map[string]struct {
		keys   []string
		status int
	}{
		"plain":                     {[]string{rsa1(`,"kid":"k"`)}, 200},
		"beside unknown kinds":      {[]string{`{"kty":"AKP","kid":"pq","alg":"ML-DSA-44","pub":"x"}`, `{"kty":7}`, `7`, `{"kty":"EC","crv":"P-0","kid":"c"}`, rsa1(`,"kid":"k"`)}, 200},
		"for signing RS256":         {[]string{rsa1(`,"kid":"k","use":"sig","alg":"RS256","key_ops":["verify"]`)}, 200},
		"for encryption":            {[]string{rsa1(`,"kid":"k","use":"enc"`)}, 401},
		"for another operation":     {[]string{rsa1(`,"kid":"k","key_ops":["encrypt","wrapKey"]`)}, 401},
		"for another algorithm":     {[]string{rsa1(`,"kid":"k","alg":"RS512"`)}, 401},
		"for RSA-OAEP":              {[]string{rsa1(`,"kid":"k","alg":"RSA-OAEP"`)}, 401},
		"one id, two kinds":         {[]string{published(t, curve.Public(), `,"kid":"k","alg":"ES256"`), rsa1(`,"kid":"k","alg":"RS256"`)}, 200},
		"one id, two keys":          {[]string{rsa1(`,"kid":"k"`), published(t, rsaKey(t).Public(), `,"kid":"k"`)}, 401},
		"symmetric":                 {[]string{`{"kty":"oct","kid":"k","k":"AAAA"}`}, 401},
		"another id":                {[]string{rsa1(`,"kid":"other"`)}, 401},
		"no key":                    {nil, 401},
		"a private key, by mistake": {[]string{published(t, key, `,"kid":"k"`)}, 401},
		"101 keys":                  {strings.Split(strings.TrimSuffix(strings.Repeat(rsa1(`,"kid":"k"`)+";", 101), ";"), ";"), 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := trusting(t, keySetServer(t, c.keys...).URL)
			assert.Equal(t, c.status, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
		})
	}
}

// The keys of an issuer are fetched over https from the configured address
// only. Redirects are not followed.
func TestKeysAreFetchedFromTheirAddressOnly(t *testing.T) {
	key := rsaKey(t)
	good := keySetServer(t, published(t, key.Public(), `,"kid":"k"`))
	var asked atomic.Int32
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, good.URL, http.StatusFound)
	}))
	defer redirect.Close()
	s := trusting(t, redirect.URL)
	assert.Equal(t, 503, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
	assert.Equal(t, int32(1), asked.Load())

	huge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}%s`, published(t, key.Public(), `,"kid":"k"`), strings.Repeat(" ", 2<<20))
	}))
	defer huge.Close()
	for _, address := range []string{huge.URL, "http://keys.example.com/", "file:///etc/passwd", "ftp://127.0.0.1/", "://"} {
		s := trusting(t, address)
		assert.Equal(t, 503, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))), address)
	}
}

// A slowIssuer answers when the test allows it.
type slowIssuer struct {
	*httptest.Server
	asked atomic.Int32
	let   chan struct{}
}

func newSlowIssuer(t *testing.T, keys ...string) *slowIssuer {
	i := &slowIssuer{let: make(chan struct{}, 100)}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		select {
		case <-i.let:
			fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(keys, ","))
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		close(i.let)
		i.Close()
	})
	return i
}

// Known keys stay in use while they are fetched again, however long this takes.
func TestKnownKeysServeWhileTheyAreFetched(t *testing.T) {
	key := rsaKey(t)
	idp := newSlowIssuer(t, published(t, key.Public(), `,"kid":"k"`))
	s := trusting(t, idp.URL)
	idp.let <- struct{}{}
	require.Equal(t, 200, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
	s.now = s.now.Add(2 * time.Hour)
	for range 3 {
		require.Equal(t, 200, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
	}
	assert.Eventually(t, func() bool { return idp.asked.Load() == 2 }, time.Minute, time.Millisecond, "one fetch for all")
}

// A fetch does not depend on the request that started it: if the client of that
// request disconnects, the fetch continues for the others. A forged key id does
// not delay a request with a valid one.
func TestKeysAreFetchedForNobody(t *testing.T) {
	key := rsaKey(t)
	idp := newSlowIssuer(t, published(t, key.Public(), `,"kid":"k"`))
	s := trusting(t, idp.URL)
	assertion := sign(t, jose.RS256, key, "k", s.claims(time.Minute))

	ctx, leave := context.WithCancel(t.Context())
	left := make(chan int)
	go func() {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/token", strings.NewReader(assertionForm(assertion).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		left <- w.Code
	}()
	require.Eventually(t, func() bool { return idp.asked.Load() == 1 }, time.Minute, time.Millisecond)
	leave()
	require.Equal(t, 503, <-left, "the one who left is answered at once")

	var others sync.WaitGroup
	for range 5 {
		others.Go(func() { assert.Equal(t, 200, s.assert(assertion)) })
	}
	idp.let <- struct{}{}
	others.Wait()
	assert.Equal(t, int32(1), idp.asked.Load())

	s.now = s.now.Add(2 * time.Minute)
	forged := make(chan int)
	go func() { forged <- s.assert(sign(t, jose.RS256, key, "forged", s.claims(time.Minute))) }()
	require.Eventually(t, func() bool { return idp.asked.Load() == 2 }, time.Minute, time.Millisecond)
	assert.Equal(t, 200, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
	idp.let <- struct{}{}
	assert.Equal(t, 401, <-forged)
}

// RFC 7523 section 3: an assertion is valid for a limited time. An assertion
// with an ID is valid once.
func TestAssertionsAreBounded(t *testing.T) {
	key := rsaKey(t)
	s := trusting(t, keySetServer(t, published(t, key.Public(), `,"kid":"k"`)).URL)
	for life, status := range map[time.Duration]int{
		time.Minute: 200, 2 * time.Hour: 200, 2*time.Hour + 2*time.Minute: 401, 24 * 365 * time.Hour: 401, -2 * time.Minute: 401,
	} {
		assert.Equal(t, status, s.assert(sign(t, jose.RS256, key, "k", s.claims(life))), life)
	}
	with := func(id, subject string) string {
		c := s.claims(5 * time.Minute)
		c.ID, c.Subject = id, subject
		return sign(t, jose.RS256, key, "k", c)
	}
	one := with("one", testSubject)
	assert.Equal(t, 200, s.assert(one))
	assert.Equal(t, 401, s.assert(one), "again")
	assert.Equal(t, 401, s.assert(with("one", testSubject)), "another with its ID")
	assert.Equal(t, 200, s.assert(with("two", testSubject)))
	plain := sign(t, jose.RS256, key, "k", s.claims(time.Minute))
	assert.Equal(t, 200, s.assert(plain))
	assert.Equal(t, 200, s.assert(plain), "without an ID there is nothing to remember")
	s.now = s.now.Add(7 * time.Minute)
	assert.Equal(t, 401, s.assert(one), "expired")
	assert.Equal(t, 200, s.assert(with("one", testSubject)), "the ID is free again")
	for i := range 999 {
		require.Equal(t, 200, s.assert(with(fmt.Sprint("n", i), testSubject)))
	}
	assert.Equal(t, 503, s.assert(with("too many", testSubject)), "what is remembered is bounded")
}

// RFC 9068 section 2.1: an access token has its type. An assertion, or another
// token that a key of the endpoint has signed, is not an access token.
func TestAccessTokensHaveTheirType(t *testing.T) {
	secret := []byte(strings.Repeat("k", 32))
	token, hash := scim.NewToken()
	s := newTokenServer(t, scim.TokenConfig{Keys: [][]byte{secret}, Client: func(context.Context, string) (scim.Client, error) {
		return scim.Client{SecretHashes: []string{hash}, Principal: scim.Principal{Tenant: "acme"}}, nil
	}})
	status, body := s.ask(url.Values{"grant_type": {"client_credentials"}}, "c", token)
	require.Equal(t, 200, status)
	good := body["access_token"].(string)
	_, err := s.Authenticate(withHeader("Bearer " + good))
	require.NoError(t, err)

	parsed, err := jwt.ParseSigned(good, []jose.SignatureAlgorithm{jose.HS256})
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, parsed.Claims(secret, &claims))
	for _, typ := range []string{"", "JWT", "at+jwt"} {
		options := (&jose.SignerOptions{}).WithHeader("kid", parsed.Headers[0].KeyID)
		if typ != "" {
			options = options.WithType(jose.ContentType(typ))
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, options)
		require.NoError(t, err)
		raw, err := jwt.Signed(signer).Claims(claims).Serialize()
		require.NoError(t, err)
		_, err = s.Authenticate(withHeader("Bearer " + raw))
		assert.Equal(t, typ == "at+jwt", err == nil, typ)
	}
}

// RFC 6749 section 2.3: a request has one authentication method. Section 3.2:
// no parameter occurs twice.
func TestOneClientAuthenticationMethod(t *testing.T) {
	secret, hash := scim.NewToken()
	s := newTokenServer(t, scim.TokenConfig{
		Client: func(context.Context, string) (scim.Client, error) {
			return scim.Client{SecretHashes: []string{hash}, Principal: scim.Principal{Tenant: "acme"}}, nil
		},
		Trust: func(context.Context, string, string) (scim.Trust, error) { return scim.Trust{}, scim.ErrNotFound },
	})
	form := func(pairs ...string) url.Values {
		v := url.Values{"grant_type": {"client_credentials"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v
	}
	basic := []string{"c", secret}
	for name, c := range map[string]struct {
		form   url.Values
		basic  []string
		status int
		err    string
	}{
		"header":                      {form(), basic, 200, ""},
		"form":                        {form("client_id", "c", "client_secret", secret), nil, 200, ""},
		"header, and its id":          {form("client_id", "c"), basic, 200, ""},
		"header, and another id":      {form("client_id", "d"), basic, 401, "invalid_client"},
		"header and form":             {form("client_id", "c", "client_secret", secret), basic, 400, "invalid_request"},
		"header and assertion":        {form("client_assertion", "x"), basic, 400, "invalid_request"},
		"header and its type alone":   {form("client_assertion_type", "x"), basic, 400, "invalid_request"},
		"form and assertion":          {form("client_id", "c", "client_secret", secret, "client_assertion", "x"), nil, 400, "invalid_request"},
		"a secret twice":              {form("client_id", "c", "client_secret", secret, "client_secret", "x"), nil, 400, "invalid_request"},
		"a grant type twice":          {form("grant_type", "client_credentials"), basic, 400, "invalid_request"},
		"an assertion without a type": {form("client_assertion", "x"), nil, 401, "invalid_client"},
	} {
		status, body := s.ask(c.form, c.basic...)
		assert.Equal(t, c.status, status, name)
		if c.err != "" {
			assert.Equal(t, c.err, body["error"], name)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/token?client_id=c&client_secret="+secret, strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	assert.Equal(t, 401, w.Code, "a secret in the URL is none (RFC 6749 section 2.3.1)")
	r = httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form("client_id", "c", "client_secret", secret).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer x")
	w = httptest.NewRecorder()
	s.ServeHTTP(w, r)
	assert.Equal(t, 400, w.Code)
}

// The keys of an endpoint are in no print, log or JSON of it or of its
// configuration.
func TestTokenKeysAreNotShown(t *testing.T) {
	key := []byte("s3cret-s3cret-s3cret-s3cret-s3cret")
	cfg := scim.TokenConfig{Keys: [][]byte{key}, Client: func(context.Context, string) (scim.Client, error) { return scim.Client{}, nil }}
	endpoint, err := scim.NewTokenEndpoint(cfg)
	require.NoError(t, err)
	var shown bytes.Buffer
	for _, v := range []any{cfg, &cfg, endpoint, *endpoint, []any{cfg, endpoint}, struct{ Field scim.TokenConfig }{cfg}} { //nolint:govet // the copy is only printed
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&shown, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("m", "v", v)
		require.NoError(t, json.NewEncoder(&shown).Encode(v))
	}
	for _, form := range []string{"s3cret", "115 51 99", "0x73, 0x33", "733363", base64.StdEncoding.EncodeToString(key)[:12]} {
		assert.NotContains(t, strings.ToLower(shown.String()), strings.ToLower(form))
	}
}
