package salesforce

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
)

func TestJWTBearer(t *testing.T) {
	key, err := fakeKey()
	require.NoError(t, err)
	for name, text := range map[string][]byte{
		"PKCS #8": fakeKeyPEM(t),
		"PKCS #1": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	} {
		t.Run(name, func(t *testing.T) {
			org := newFakeOrg(t)
			src, err := New(Config{
				LoginURL: org.url, ClientID: fakeClientID, Username: "sync@acme.com", PrivateKey: text,
				Audience: "https://login.salesforce.com",
			})
			require.NoError(t, err)
			require.NoError(t, src.Check(t.Context()))

			form, err := url.ParseQuery(org.forms[0])
			require.NoError(t, err)
			assert.Equal(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", form.Get("grant_type"))
			assert.Len(t, form, 2)

			parts := strings.Split(form.Get("assertion"), ".")
			require.Len(t, parts, 3)
			header, err := base64.RawURLEncoding.DecodeString(parts[0])
			require.NoError(t, err)
			assert.JSONEq(t, `{"alg":"RS256","typ":"JWT"}`, string(header))
			payload, err := base64.RawURLEncoding.DecodeString(parts[1])
			require.NoError(t, err)
			var claims struct {
				Iss, Sub, Aud string
				Exp           int64
			}
			require.NoError(t, json.Unmarshal(payload, &claims))
			assert.Equal(t, fakeClientID, claims.Iss)
			assert.Equal(t, "sync@acme.com", claims.Sub)
			assert.Equal(t, "https://login.salesforce.com", claims.Aud)
			signature, err := base64.RawURLEncoding.DecodeString(parts[2])
			require.NoError(t, err)
			digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
			require.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature))
		})
	}
}

func TestAssertionLivesThreeMinutes(t *testing.T) {
	key, err := fakeKey()
	require.NoError(t, err)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	jwt, err := assertion(key, "app", "user", "aud", now)
	require.NoError(t, err)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	require.NoError(t, err)
	assert.Contains(t, string(payload), fmt.Sprintf(`"exp":%d`, now.Add(3*time.Minute).Unix()))
}

func TestOtherGrants(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"client credentials": {
			Config{ClientSecret: fakeSecret},
			"client_id=" + fakeClientID + "&client_secret=" + fakeSecret + "&grant_type=client_credentials",
		},
		"refresh token of a public app": {
			Config{RefreshToken: "5Aep861fake"},
			"client_id=" + fakeClientID + "&grant_type=refresh_token&refresh_token=5Aep861fake",
		},
		"refresh token": {
			Config{RefreshToken: "5Aep861fake", ClientSecret: fakeSecret},
			"client_id=" + fakeClientID + "&client_secret=" + fakeSecret + "&grant_type=refresh_token&refresh_token=5Aep861fake",
		},
	} {
		t.Run(name, func(t *testing.T) {
			org := newFakeOrg(t)
			c.cfg.LoginURL, c.cfg.ClientID = org.url, fakeClientID
			src, err := New(c.cfg)
			require.NoError(t, err)
			require.NoError(t, src.Check(t.Context()))
			assert.Equal(t, []string{c.want}, org.forms)
		})
	}
}

func TestLoginConfig(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	require.NoError(t, err)
	ecPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for want, cfg := range map[string]Config{
		"ClientID: required": {ClientSecret: "x"},
		"PrivateKey, RefreshToken, ClientSecret: want one of them": {ClientID: "x"},
		"choose one way to log in":                                 {ClientID: "x", PrivateKey: fakeKeyPEM(t), Username: "u", ClientSecret: "x"},
		"Username: required with PrivateKey":                       {ClientID: "x", PrivateKey: fakeKeyPEM(t)},
		"PrivateKey: want PEM":                                     {ClientID: "x", Username: "u", PrivateKey: []byte("not a key, but s3cr3t")},
		"PrivateKey: want an RSA key":                              {ClientID: "x", Username: "u", PrivateKey: ecPEM},
		"LoginURL: client credentials need":                        {ClientID: "x", ClientSecret: "x"},
		"LoginURL: want an address":                                {ClientID: "x", RefreshToken: "x", LoginURL: "acme.my.salesforce.com"},
		"LoginURL: want https":                                     {ClientID: "x", RefreshToken: "x", LoginURL: "http://acme.my.salesforce.com"},
	} {
		_, err := New(cfg)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "s3cr3t")
	}
	_, err = New(Config{ClientID: "x", ClientSecret: "x", LoginURL: "https://acme.my.salesforce.com"})
	require.NoError(t, err)
}

// Salesforce does not say when a session ends, so its end is found out.
func TestSessionEnds(t *testing.T) {
	org := newFakeOrg(t)
	org.PageRows = 1
	src := org.source(nil)
	n := 0
	for _, err := range src.Users(t.Context()) {
		require.NoError(t, err)
		if n++; n == 2 {
			org.RevokeTokens()
		}
	}
	assert.Equal(t, 5, n, "the listing goes on where it was")
	assert.Equal(t, 2, org.logins)
}

func TestSessionThatNeverWorks(t *testing.T) {
	org := newFakeOrg(t)
	org.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/services/oauth2/token" {
			return false
		}
		sayError(w, 401, "INVALID_SESSION_ID", "Session expired or invalid")
		return true
	}
	_, err := read(org.source(nil).Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrUnauthorized)
	assert.Equal(t, 2, org.logins, "one login and one more, not one for each attempt")
}

// A 401 for another reason does not lead to a login.
func TestRefusedForAnotherReason(t *testing.T) {
	org := newFakeOrg(t)
	org.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/services/oauth2/token" {
			return false
		}
		sayError(w, 401, "INVALID_AUTH_HEADER", "no")
		return true
	}
	_, err := read(org.source(nil).Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrUnauthorized)
	assert.Equal(t, 1, org.logins)
}

// Concurrent requests whose session ended log in once.
func TestOneLoginForAll(t *testing.T) {
	org := newFakeOrg(t)
	src := org.source(nil)
	require.NoError(t, src.Check(t.Context()))
	org.RevokeTokens()
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			_, err := read(src.Match(t.Context(), "Id != null"))
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, 2, org.logins)
}

// A request that waits for the login of another one ends with its own context.
func TestWaitingForALoginObeysTheContext(t *testing.T) {
	org := newFakeOrg(t)
	started, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	src := org.source(func(cfg *Config) {
		cfg.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
			once.Do(func() { close(started) })
			<-release
			return http.DefaultTransport.RoundTrip(r)
		})
	})
	done := make(chan error)
	go func() { done <- second(read(src.Match(t.Context(), "Id != null"))) }()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := read(src.Match(ctx, "Id != null"))
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	require.NoError(t, <-done)
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLoginFailures(t *testing.T) {
	token := func(token, instance string) string {
		return fmt.Sprintf(`{"access_token":%q,"instance_url":%q,"token_type":"Bearer"}`, token, instance)
	}
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
		text   string
	}{
		"wrong secret": {400, `{"error":"invalid_client","error_description":"invalid client credentials"}`, sources.ErrUnauthorized,
			"salesforce: log in: credentials rejected: POST /services/oauth2/token: 400 Bad Request: invalid_client: invalid client credentials"},
		"not approved":           {400, `{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}`, sources.ErrUnauthorized, "hasn't approved"},
		"echoes the secret":      {400, `{"error":"invalid_client","error_description":"` + fakeSecret + ` is wrong"}`, sources.ErrUnauthorized, "[removed] is wrong"},
		"login page":             {200, `<html><body>Log in`, sources.ErrMalformed, ""},
		"empty":                  {200, ``, sources.ErrMalformed, "empty"},
		"no token":               {200, token("", "https://acme.my.salesforce.com"), sources.ErrMalformed, "no access_token"},
		"no instance":            {200, `{"access_token":"abcdefgh"}`, sources.ErrMalformed, "instance_url: want an address"},
		"instance without https": {200, token("abcdefgh", "http://acme.my.salesforce.com"), sources.ErrMalformed, "instance_url: want https"},
		"wrong address":          {404, `{}`, sources.ErrMalformed, "is the address right"},
	} {
		t.Run(name, func(t *testing.T) {
			org := newFakeOrg(t)
			org.fault = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
				return true
			}
			err := org.source(nil).Check(t.Context())
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, "salesforce: log in: ")
			require.ErrorContains(t, err, c.text)
			assert.NotContains(t, err.Error(), fakeSecret)
			assert.NotContains(t, err.Error(), "abcdefgh")
			assert.Equal(t, 1, org.requests)
		})
	}
}

// A token answer of a real org must not direct requests to this machine.
func TestInstanceURLOnThisMachine(t *testing.T) {
	src, err := New(Config{
		ClientID: "x", RefreshToken: "y", LoginURL: "https://acme.my.salesforce.com",
		Transport: transportFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(`{"access_token":"abcdefgh","instance_url":"http://127.0.0.1:9"}`)),
			}, nil
		}),
	})
	require.NoError(t, err)
	require.ErrorContains(t, src.Check(t.Context()), "instance_url leads to this machine")
}

// A config shows no secret, however it is printed, logged or stored, alone or
// inside of another value.
func TestConfigHidesItsSecrets(t *testing.T) {
	const secret = "s3cret&+/"
	cfg := Config{
		Connection: "sf", ClientID: "3MVG9fake", Username: "bot@acme.com", LoginURL: "https://u:" + url.QueryEscape(secret) + "@acme.example/x?t=" + url.QueryEscape(secret),
		ClientSecret: secret, RefreshToken: secret, PrivateKey: []byte(secret), Attributes: []string{"Region__c"},
		Transport: http.DefaultTransport, Logger: slog.Default(),
	}
	shown := strings.ToLower(resttest.Shown(t, cfg))
	for _, form := range []string{secret, url.QueryEscape(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%d", []byte(secret)), "s3cret"} {
		require.NotContains(t, shown, strings.ToLower(form))
	}
}

// A server that repeats the request, encoded as a form, gets no secret into an
// error.
func TestEchoedSecrets(t *testing.T) {
	const secret = "p+ss w/rd&=é"
	org := newFakeOrg(t)
	org.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"of the form %s"}`, body)
		return true
	}
	err := org.source(func(cfg *Config) { cfg.ClientSecret = secret }).Check(t.Context())
	require.ErrorContains(t, err, "invalid_client")
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
		require.NotContains(t, err.Error(), form)
	}
}

// A secret is shown in nothing that is logged, returned or listed, although the org
// repeats the requests: neither the credential of any login nor the session.
func TestSecretsAreNotShown(t *testing.T) {
	const secret, refresh = "c4n4ry+cl/ent&secret", "c4n4ry-refresh-token"
	key := fakeKeyPEM(t)
	for name, cfg := range map[string]Config{
		"client credentials": {ClientSecret: secret},
		"refresh token":      {ClientSecret: secret, RefreshToken: refresh},
		"JWT bearer":         {Username: "sync@acme.com", PrivateKey: key},
	} {
		t.Run(name, func(t *testing.T) {
			var shown strings.Builder
			org := newFakeOrg(t)
			org.ClientSecret, org.RefreshToken = secret, refresh
			org.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n%3 != 2 {
					return false
				}
				body, _ := io.ReadAll(r.Body)
				sayError(w, http.StatusBadRequest, "ECHO", fmt.Sprintf("%s %s of %s", r.Header.Get("Authorization"), body, cfg.ClientSecret))
				return true
			}
			cfg.LoginURL, cfg.ClientID = org.url, fakeClientID
			cfg.Logger = slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug}))
			for range 3 {
				src, err := New(cfg)
				require.NoError(t, err)
				fmt.Fprintln(&shown, src.Check(t.Context()))
				snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{Queries: []string{"Title = 'CEO'"}})
				fmt.Fprintln(&shown, err)
				require.NoError(t, json.NewEncoder(&shown).Encode(snapshot))
				org.RevokeTokens()
			}
			assert.Contains(t, shown.String(), "ECHO: ")
			require.NotEmpty(t, org.tokens)
			jwts := 0
			for _, canary := range append(org.tokens, "c4n4ry", url.QueryEscape(secret), strings.Split(string(key), "\n")[1]) {
				assert.NotContains(t, shown.String(), canary)
			}
			for _, form := range org.forms {
				if values, err := url.ParseQuery(form); assert.NoError(t, err) && values.Get("assertion") != "" {
					jwts++
					assert.NotContains(t, shown.String(), values.Get("assertion"))
				}
			}
			assert.Equal(t, name == "JWT bearer", jwts > 0)
		})
	}
}
