package okta

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// service returns the Config of a service app.
func service(t testing.TB) Config {
	return Config{ClientID: clientID, PrivateKey: pemOf(t, ecKey), KeyID: "key-1", Sees: SeesAll}
}

func logins(requests []string) int {
	n := 0
	for _, request := range requests {
		if request == "POST "+tokenPath {
			n++
		}
	}
	return n
}

// private_key_jwt (RFC 7523): a token is kept, renewed before it ends, and renewed
// once if it is refused earlier.
func TestTokenIsKeptAndRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := acme()
		o.ClientKey, o.TokenLife = &ecKey.PublicKey, time.Hour
		src, requests := over(t, o, service(t), nil)
		for range 3 {
			require.NoError(t, src.Check(t.Context()))
		}
		assert.Equal(t, 1, logins(*requests))
		time.Sleep(time.Hour - 30*time.Second)
		require.NoError(t, src.Check(t.Context()))
		assert.Equal(t, 2, logins(*requests))
		o.RevokeTokens()
		require.NoError(t, src.Check(t.Context()))
		assert.Equal(t, 3, logins(*requests))
	})
}

// The token request has the form that Okta documents, with both kinds of keys.
func TestTokenRequest(t *testing.T) {
	for name, key := range map[string]any{"RS256": rsaKey, "ES256": ecKey} {
		cfg := service(t)
		cfg.PrivateKey = pemOf(t, key)
		cfg.URL, cfg.AppID, cfg.Sees = "http://127.0.0.1:1", appID, SeesByRoles
		var form url.Values
		cfg.Transport = resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			form, err = url.ParseQuery(string(body))
			require.NoError(t, err)
			return resttest.JSON(400, `{"error": "invalid_scope"}`), nil
		})
		err := configured(t, cfg).Check(t.Context())
		require.ErrorIs(t, err, sources.ErrForbidden)
		require.ErrorContains(t, err, "okta: log in: permission missing: POST /oauth2/v1/token: 400 Bad Request: invalid_scope")
		assert.Equal(t, "client_credentials", form.Get("grant_type"))
		assert.Equal(t, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", form.Get("client_assertion_type"))
		assert.Equal(t, "okta.users.read okta.groups.read okta.logs.read okta.apps.read okta.roles.read", form.Get("scope"))
		header, claims := jwt(t, form.Get("client_assertion"))
		assert.Equal(t, map[string]any{"typ": "JWT", "alg": name, "kid": "key-1"}, header)
		assert.Equal(t, clientID, claims["iss"])
		assert.Equal(t, clientID, claims["sub"])
		assert.Equal(t, "http://127.0.0.1:1/oauth2/v1/token", claims["aud"])
		assert.NotContains(t, claims, "jti", "a repeated request would be refused")
		assert.InDelta(t, time.Now().Add(5*time.Minute).Unix(), claims["exp"], 5)
	}
}

func jwt(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	for i, v := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, v))
	}
	return header, claims
}

// DPoP (RFC 9449): a proof and a nonce once Okta requires them; a new proof for
// each sent request; no query in the proof.
func TestDPoP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := acme()
		o.ClientKey, o.DPoP = &ecKey.PublicKey, true
		seen := make(map[string]bool)
		failed := false
		src, requests := over(t, o, service(t), func(n int, req *http.Request, resp *http.Response) {
			if n == 0 {
				assert.Empty(t, req.Header.Values("DPoP"))
				return
			}
			header, claims := jwt(t, req.Header.Get("DPoP"))
			assert.Equal(t, "dpop+jwt", header["typ"])
			assert.Equal(t, "http://127.0.0.1:1"+req.URL.Path, claims["htu"])
			assert.Equal(t, req.Method, claims["htm"])
			assert.False(t, seen[claims["jti"].(string)], "used before")
			seen[claims["jti"].(string)] = true
			if req.Method == http.MethodGet {
				assert.True(t, strings.HasPrefix(req.Header.Get("Authorization"), "DPoP "))
				assert.NotEmpty(t, claims["ath"])
				assert.NotContains(t, claims, "nonce", "that of the token endpoint is none of the API")
				if !failed { // the request is repeated, and its proof would be refused a second time
					failed = true
					answer(resp, 503, "{}")
				}
			}
		})
		_, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
		assert.Equal(t, 3, logins(*requests), "without a proof, without a nonce, with both")
		o.RevokeTokens()
		require.NoError(t, src.Check(t.Context()))
		assert.Equal(t, 4, logins(*requests), "the nonce is known now")
	})
}

// The API may also require a nonce (RFC 9449, section 9): the request is repeated
// with it, without another login.
func TestDPoPNonceOfTheAPI(t *testing.T) {
	o := acme()
	o.ClientKey, o.DPoP = &ecKey.PublicKey, true
	nonces := 0
	src, requests := over(t, o, service(t), func(_ int, req *http.Request, resp *http.Response) {
		if req.Method != http.MethodGet {
			return
		}
		if _, claims := jwt(t, req.Header.Get("DPoP")); claims["nonce"] != fmt.Sprint("api-", nonces) || nonces == 0 {
			nonces++
			resp.Header.Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"`)
			resp.Header.Set("DPoP-Nonce", fmt.Sprint("api-", nonces))
			answer(resp, 401, `{"errorCode": "E0000011"}`)
		}
	})
	require.NoError(t, src.Check(t.Context()))
	assert.Equal(t, 1, nonces)
	assert.Equal(t, 3, logins(*requests))
}

// A refused client or proof is not tried again.
func TestRefusedCredentials(t *testing.T) {
	o := acme()
	o.ClientKey = &rsaKey.PublicKey
	src, requests := over(t, o, service(t), nil)
	err := src.Check(t.Context())
	require.ErrorIs(t, err, sources.ErrUnauthorized)
	require.EqualError(t, err, "okta: log in: credentials rejected: POST /oauth2/v1/token: 401 Unauthorized: invalid_client The client_assertion is invalid.")
	assert.Len(t, *requests, 1)

	o = acme()
	o.ClientKey, o.DPoP = &ecKey.PublicKey, true
	src, requests = over(t, o, service(t), func(_ int, _ *http.Request, resp *http.Response) {
		answer(resp, 400, `{"error": "invalid_dpop_proof", "error_description": "The DPoP proof JWT is not good."}`)
	})
	err = src.Check(t.Context())
	require.ErrorIs(t, err, sources.ErrUnauthorized)
	assert.Len(t, *requests, 2, "without a proof, and with one")

	o = acme()
	o.Token = "another"
	src, requests = over(t, o, Config{}, nil)
	err = src.Check(t.Context())
	require.EqualError(t, err, "okta: check: credentials rejected: GET /api/v1/users: 401 Unauthorized: E0000011 Invalid token provided")
	assert.Len(t, *requests, 1)
}

// If our clock is wrong, Okta's is used.
func TestClockOfTheAssertion(t *testing.T) {
	for _, dpop := range []bool{false, true} {
		for _, ahead := range []time.Duration{-25 * time.Hour, 25 * time.Hour} {
			o := acme()
			o.ClientKey, o.DPoP = &ecKey.PublicKey, dpop
			o.Directory.SetClock(func() time.Time { return time.Now().Add(ahead) })
			src, requests := over(t, o, service(t), nil)
			require.NoError(t, src.Check(t.Context()), ahead)
			assert.LessOrEqual(t, logins(*requests), 4)
		}
	}
}

// Concurrent requests that need a token log in once.
func TestConcurrentLogin(t *testing.T) {
	o := acme()
	o.ClientKey = &ecKey.PublicKey
	var mu sync.Mutex
	n := 0
	cfg := service(t)
	cfg.URL, cfg.Transport = "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			mu.Lock()
			n++
			mu.Unlock()
		}
		return fake.Transport(o).RoundTrip(req)
	})
	src := configured(t, cfg)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { assert.NoError(t, src.Check(t.Context())) })
	}
	all.Wait()
	assert.Equal(t, 1, n)
}

func TestNewNamesEveryProblem(t *testing.T) {
	_, err := New(Config{URL: "http://acme.okta.com", ManagerID: "boss", Sees: "much", Fields: map[string]string{"zone": "tz", "country": " "}})
	for _, want := range []string{
		"okta: config: ", "URL: want https", "Token, ClientID: want one credential: Token, or ClientID with PrivateKey", `ManagerID: want email, name, login, employee_number, or nothing for the ID, not "boss"`, `Sees: want all, part, or nothing to go by the roles, not "much"`,
		`Fields["zone"]: want the name of a user's field`, `Fields["country"]: want the name of an attribute`,
	} {
		require.ErrorContains(t, err, want)
	}
	const canary = "c4n4ry"
	for want, cfg := range map[string]Config{
		"URL: want the org's address, which has no -admin": {URL: "https://acme-admin.okta.com", Token: canary},
		"choose one credential":                            {Token: canary, ClientID: "x"},
		"Token: want the token alone":                      {Token: "SSWS " + canary},
		"want one credential":                              {ClientID: "x"},
		"PrivateKey: want PEM":                             {ClientID: "x", PrivateKey: []byte(canary)},
		`not a block of type "CERTIFICATE"`:                {ClientID: "x", PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(canary)})},
	} {
		if cfg.URL == "" {
			cfg.URL = "https://acme.okta.com"
		}
		_, err := New(cfg)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), canary)
	}
}

// A secret is shown in nothing that is printed, logged, encoded or returned.
func TestSecretsAreNotShown(t *testing.T) {
	var shown bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug}))
	key := pemOf(t, ecKey)
	block, _ := pem.Decode(key)
	scalar, err := ecKey.Bytes()
	require.NoError(t, err)
	canaries := []string{
		token, hex.EncodeToString([]byte(token)), base64.StdEncoding.EncodeToString([]byte(token)),
		strings.TrimSpace(strings.Split(string(key), "\n")[1]), hex.EncodeToString(block.Bytes), fmt.Sprintf("%d", block.Bytes[:16])[1:40], hex.EncodeToString(scalar),
	}
	for _, cfg := range []Config{{Token: token}, {ClientID: clientID, PrivateKey: key}} {
		o := acme()
		o.ClientKey, o.DPoP = &ecKey.PublicKey, true
		cfg.URL, cfg.Logger = "http://127.0.0.1:1", log
		var broken bool
		cfg.Transport = resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			for _, name := range []string{"Authorization", "DPoP"} {
				if _, value, _ := strings.Cut(" "+req.Header.Get(name), " "); value != "" {
					canaries = append(canaries, strings.TrimPrefix(strings.TrimPrefix(value, "SSWS "), "DPoP "))
				}
			}
			var sent []byte
			if req.Body != nil {
				sent, _ = io.ReadAll(req.Body)
				if form, err := url.ParseQuery(string(sent)); err == nil {
					canaries = append(canaries, form.Get("client_assertion"))
				}
				req = req.Clone(req.Context())
				req.Body = io.NopCloser(bytes.NewReader(sent))
			}
			if broken { // repeats whatever it got, as careless servers do
				echo, _ := json.Marshal(map[string]any{"errorCode": "E1", "errorSummary": fmt.Sprint(req.Header, req.URL, string(sent))})
				return resttest.JSON(500, string(echo)), nil
			}
			return fake.Transport(o).RoundTrip(req)
		})
		cfg.Attempts = 2
		src, err := New(cfg)
		require.NoError(t, err)
		for range 3 {
			snapshot, cursor, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
			fmt.Fprintln(&shown, err, cursor)
			require.NoError(t, json.NewEncoder(&shown).Encode(snapshot))
			o.RevokeTokens()
			if err != nil {
				broken = true
			}
		}
		broken = true
		again, err := New(cfg)
		require.NoError(t, err)
		fmt.Fprintln(&shown, again.Check(t.Context()))
		shown.WriteString(resttest.Shown(t, cfg) + resttest.Shown(t, src))
	}
	assert.Contains(t, shown.String(), "repeat a request")
	for _, canary := range canaries {
		if len(canary) > 8 {
			assert.False(t, strings.Contains(shown.String(), canary), "%.60s", canary)
		}
	}
}
