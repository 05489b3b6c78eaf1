package scim_test

import (
	"bytes"
	"context"
	"crypto"
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
	"slices"
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

func repeated(text string, n int) []string { return slices.Repeat([]string{text}, n) }

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
		"one id, two keys":          {[]string{published(t, rsaKey(t).Public(), `,"kid":"k"`), rsa1(`,"kid":"k"`)}, 200},
		"one id, one key, twice":    {[]string{rsa1(`,"kid":"k"`), rsa1(`,"kid":"k","use":"sig"`)}, 200},
		"one id, many keys":         {append(repeated(published(t, rsaKey(t).Public(), `,"kid":"k"`), 99), rsa1(`,"kid":"k"`)), 401},
		"symmetric":                 {[]string{`{"kty":"oct","kid":"k","k":"AAAA"}`}, 401},
		"another id":                {[]string{rsa1(`,"kid":"other"`)}, 401},
		"no key":                    {nil, 401},
		"a private key, by mistake": {[]string{published(t, key, `,"kid":"k"`)}, 401},
		"101 keys":                  {repeated(rsa1(`,"kid":"k"`), 101), 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := trusting(t, keySetServer(t, c.keys...).URL)
			assert.Equal(t, c.status, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
		})
	}
}

// RFC 7518 section 3.4: each algorithm has its curve.
func TestCurvesAreForTheirAlgorithm(t *testing.T) {
	for curve, bits := range map[elliptic.Curve]int{elliptic.P256(): 256, elliptic.P384(): 384, elliptic.P521(): 512} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		s := trusting(t, keySetServer(t, published(t, key.Public(), `,"kid":"k"`)).URL)
		alg := jose.SignatureAlgorithm(fmt.Sprint("ES", bits))
		assert.Equal(t, 200, s.assert(sign(t, alg, key, "k", s.claims(time.Minute))), alg)
		for _, other := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512} {
			if other != alg {
				header := fmt.Sprintf(`{"alg":%q,"kid":"k"}`, other)
				assert.Equal(t, 401, s.assert(signed(t, key, header, s.claims(time.Minute))), "%s with the curve of %s", other, alg)
			}
		}
	}
}

// signed signs claims by the rules of JWS (RFC 7515 section 5.1), with any header:
// with an RSA key as RS256 does, and with a curve as the header's algorithm does,
// although the curve may not be the algorithm's.
func signed(t *testing.T, key crypto.Signer, header string, claims any) string {
	t.Helper()
	text, ok := claims.(string)
	if !ok {
		encoded, err := json.Marshal(claims)
		require.NoError(t, err)
		text = string(encoded)
	}
	in := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(text))
	hash, size := crypto.SHA256, 0
	for alg, sizes := range map[string][2]int{"ES256": {int(crypto.SHA256), 32}, "ES384": {int(crypto.SHA384), 48}, "ES512": {int(crypto.SHA512), 66}} {
		if strings.Contains(header, alg) {
			hash, size = crypto.Hash(sizes[0]), sizes[1]
		}
	}
	h := hash.New()
	h.Write([]byte(in))
	var signature []byte
	var err error
	if curve, ok := key.(*ecdsa.PrivateKey); ok {
		r, s, failed := ecdsa.Sign(rand.Reader, curve, h.Sum(nil))
		err = failed
		if r.BitLen() <= 8*size && s.BitLen() <= 8*size {
			signature = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
	} else {
		signature, err = key.Sign(rand.Reader, h.Sum(nil), hash)
	}
	require.NoError(t, err)
	return in + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Assertions with the right signature, in forms that an issuer or an attacker may
// give them (RFC 7515 sections 4 and 7, RFC 7519 section 4, RFC 8725 section 3).
func TestAssertionsAreReadStrictly(t *testing.T) {
	key := rsaKey(t)
	s := trusting(t, keySetServer(t, published(t, key.Public(), `,"kid":"k"`)).URL)
	at := func(name string, seconds int64) string { return fmt.Sprintf(`,%q:%d`, name, s.now.Unix()+seconds) }
	names := fmt.Sprintf(`"iss":%q,"sub":%q`, testIssuer, testSubject)
	audience := fmt.Sprintf(`,"aud":%q`, testAudience)
	soon := at("exp", 300)
	for name, c := range map[string]struct {
		header, claims string // in addition to the alg and the key, and to iss and sub
		status         int
	}{
		"plain":                     {"", audience + soon, 200},
		"typ JWT":                   {`,"typ":"JWT"`, audience + soon, 200},
		"typ jwt":                   {`,"typ":"jwt"`, audience + soon, 200},
		"typ JOSE":                  {`,"typ":"JOSE"`, audience + soon, 200}, // of a JWT-SVID
		"typ of an assertion":       {`,"typ":"client-authentication+jwt"`, audience + soon, 200},
		"typ of an access token":    {`,"typ":"at+jwt"`, audience + soon, 401},
		"its long form":             {`,"typ":"application/AT+JWT"`, audience + soon, 401},
		"typ of a logout":           {`,"typ":"logout+jwt"`, audience + soon, 401},
		"typ that is no text":       {`,"typ":7`, audience + soon, 401},
		"an unknown crit":           {`,"crit":["x"],"x":1`, audience + soon, 401},
		"an unencoded payload":      {`,"crit":["b64"],"b64":false`, audience + soon, 401},
		"a second alg":              {`,"alg":"none"`, audience + soon, 401},
		"a key of its own":          {`,"jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}`, audience + soon, 200}, // not used
		"the audience in a list":    {"", fmt.Sprintf(`,"aud":["x",%q]`, testAudience) + soon, 200},
		"no audience":               {"", soon, 401},
		"an empty list":             {"", `,"aud":[]` + soon, 401},
		"the audience with a slash": {"", fmt.Sprintf(`,"aud":%q`, testAudience+"/") + soon, 401},
		"the audience in capitals":  {"", fmt.Sprintf(`,"aud":%q`, strings.ToUpper(testAudience)) + soon, 401},
		"the issuer twice":          {"", fmt.Sprintf(`,"iss":%q`, testIssuer) + audience + soon, 401},
		"no expiry":                 {"", audience, 401},
		"expiry null":               {"", audience + `,"exp":null`, 401},
		"expiry as a text":          {"", audience + `,"exp":"99999999999"`, 401},
		"expiry 1e300":              {"", audience + `,"exp":1e300`, 401},
		"expiry 1e400":              {"", audience + `,"exp":1e400`, 401},
		"expiry 1<<63-1":            {"", audience + `,"exp":9223372036854775807`, 401},
		"expired within the skew":   {"", audience + at("exp", -59), 200},
		"expired":                   {"", audience + at("exp", -62), 401},
		"nearly valid":              {"", audience + soon + at("nbf", 58), 200},
		"not yet valid":             {"", audience + soon + at("nbf", 62), 401},
		"issued in the future":      {"", audience + soon + at("iat", 62), 401},
		"an ID that is no text":     {"", audience + soon + `,"jti":7`, 401},
	} {
		assert.Equal(t, c.status, s.assert(signed(t, key, `{"alg":"RS256","kid":"k"`+c.header+`}`, "{"+names+c.claims+"}")), name)
	}
	claims := "{" + names + audience + soon + "}"
	for header, status := range map[string]int{
		`{"alg":"RS256"}`: 200, `{"alg":"rs256","kid":"k"}`: 401, `{"alg":"None","kid":"k"}`: 401, `{"alg":"RS256","kid":7}`: 401, `{"kid":"k"}`: 401,
	} {
		assert.Equal(t, status, s.assert(signed(t, key, header, claims)), header)
	}
	for _, payload := range []string{`[]`, `null`, claims + "x", claims + claims} {
		assert.Equal(t, 401, s.assert(signed(t, key, `{"alg":"RS256","kid":"k"}`, payload)), payload)
	}
}

// RFC 7517 section 4.5: keys need no ids. A rotation takes effect within a minute
// with ids, without them, and if the new key has the id of the old one.
func TestRotation(t *testing.T) {
	for name, ids := range map[string][2]string{"ids": {"a", "b"}, "none": {"", ""}, "the same": {"a", "a"}} {
		t.Run(name, func(t *testing.T) {
			old, next := rsaKey(t), rsaKey(t)
			var now atomic.Pointer[string]
			publish := func(keys ...string) {
				text := `{"keys":[` + strings.Join(keys, ",") + `]}`
				now.Store(&text)
			}
			asked := atomic.Int32{}
			idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				fmt.Fprint(w, *now.Load())
			}))
			defer idp.Close()
			s := trusting(t, idp.URL)
			member := func(id string) string {
				if id == "" {
					return ""
				}
				return fmt.Sprintf(`,"kid":%q`, id)
			}
			ask := func(key *rsa.PrivateKey, id string) int {
				return s.assert(signed(t, key, `{"alg":"RS256"`+member(id)+`}`, s.claims(time.Minute)))
			}
			publish(published(t, old.Public(), member(ids[0])))
			assert.Equal(t, 200, ask(old, ids[0]))
			publish(published(t, old.Public(), member(ids[0])), published(t, next.Public(), member(ids[1])))
			s.now = s.now.Add(time.Minute)
			assert.Equal(t, 200, ask(old, ids[0]))
			assert.Equal(t, 200, ask(next, ids[1]))
			publish(published(t, next.Public(), member(ids[1])))
			s.now = s.now.Add(time.Hour)
			assert.Equal(t, 200, ask(next, ids[1]))
			require.Eventually(t, func() bool { return asked.Load() == 3 }, time.Minute, time.Millisecond)
			assert.Eventually(t, func() bool { return ask(old, ids[0]) == 401 }, time.Minute, 5*time.Millisecond)
			before := asked.Load()
			for range 20 {
				assert.Equal(t, 401, ask(rsaKey(t), ids[1]), "forged")
			}
			assert.LessOrEqual(t, asked.Load()-before, int32(1))
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

// Keys of up to an hour stay in use while they are fetched again, however long this
// takes.
func TestKnownKeysServeWhileTheyAreFetched(t *testing.T) {
	key := rsaKey(t)
	idp := newSlowIssuer(t, published(t, key.Public(), `,"kid":"k"`))
	s := trusting(t, idp.URL)
	idp.let <- struct{}{}
	require.Equal(t, 200, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
	s.now = s.now.Add(59 * time.Minute)
	for range 3 {
		require.Equal(t, 200, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
	}
	assert.Eventually(t, func() bool { return idp.asked.Load() == 2 }, time.Minute, time.Millisecond, "one fetch for all")
}

// A key that its issuer has withdrawn is refused after an hour without requests. If
// the issuer fails, known keys are in use for a day.
func TestWithdrawnKeysExpire(t *testing.T) {
	old, next := rsaKey(t), rsaKey(t)
	key := atomic.Pointer[rsa.PrivateKey]{} // the one published; nil while the issuer fails
	key.Store(old)
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if k := key.Load(); k != nil {
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.Public()}}})
			return
		}
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	defer idp.Close()
	s := trusting(t, idp.URL)
	ask := func(key *rsa.PrivateKey) int { return s.assert(sign(t, jose.RS256, key, "", s.claims(time.Minute))) }
	require.Equal(t, 200, ask(old))
	key.Store(next)
	s.now = s.now.Add(time.Hour)
	assert.Equal(t, 401, ask(old), "the first request after an hour")
	assert.Equal(t, 200, ask(next))

	key.Store(nil)
	for _, c := range []struct {
		after  time.Duration
		status int
	}{{time.Hour, 200}, {22 * time.Hour, 200}, {time.Hour, 200}, {time.Second, 503}, {2 * time.Minute, 503}, {300 * 24 * time.Hour, 503}} {
		s.now = s.now.Add(c.after)
		assert.Equal(t, c.status, ask(next), c.after)
	}
	key.Store(next)
	s.now = s.now.Add(time.Minute)
	assert.Equal(t, 200, ask(next))
}

// A request whose client disconnects does not wait for the fetch of old keys.
func TestTheWaitForOldKeysEndsWithTheRequest(t *testing.T) {
	key := rsaKey(t)
	idp := newSlowIssuer(t, published(t, key.Public(), `,"kid":"k"`))
	s := trusting(t, idp.URL)
	idp.let <- struct{}{}
	require.Equal(t, 200, s.assert(sign(t, jose.RS256, key, "k", s.claims(time.Minute))))
	s.now = s.now.Add(time.Hour)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	form := assertionForm(sign(t, jose.RS256, key, "k", s.claims(time.Minute)))
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	assert.Equal(t, 503, w.Code)
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
	for _, v := range []any{cfg, &cfg, endpoint, []any{cfg, endpoint}, struct{ Field scim.TokenConfig }{cfg}} {
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
