package onelogin

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// account returns a made-up account and a source that reads it, with the number
// of logins.
func account(t *testing.T, change func(*fake.OneLogin)) (*fake.OneLogin, *Source, *atomic.Int32) {
	t.Helper()
	users, groups := company()
	d := fake.NewDirectory()
	d.PutUsers(users...)
	d.PutGroups(groups...)
	a := face(d).(*fake.OneLogin)
	if change != nil {
		change(a)
	}
	logins := new(atomic.Int32)
	return a, source(t, "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			logins.Add(1)
		}
		return fake.Transport(a).RoundTrip(req)
	})), logins
}

func TestTokenIsKeptAndRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, src, logins := account(t, nil)
		for range 3 {
			require.NoError(t, src.Check(t.Context()))
		}
		assert.EqualValues(t, 1, logins.Load())

		time.Sleep(10*time.Hour - 30*time.Second) // before it ends, not after
		require.NoError(t, src.Check(t.Context()))
		assert.EqualValues(t, 2, logins.Load())

		a.RevokeTokens()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { assert.NoError(t, src.Check(t.Context())) })
		}
		all.Wait()
		assert.EqualValues(t, 3, logins.Load(), "one login for all who were refused")
	})
}

// A credential that is refused is not tried again and again.
func TestRefusedCredential(t *testing.T) {
	_, src, logins := account(t, func(a *fake.OneLogin) { a.ClientSecret = "another" })
	err := src.Check(t.Context())
	require.ErrorIs(t, err, sources.ErrUnauthorized)
	assert.EqualError(t, err, "onelogin: log in: credentials rejected: POST /auth/oauth2/v2/token: 401 Unauthorized: Authentication Failure")
	assert.EqualValues(t, 1, logins.Load())
}

func TestTokenAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		`{"access_token": "abcd", "expires_in": 36000, "token_type": "bearer"}`:              "Bearer abcd",
		`{"status": {"code": 200}, "data": [{"access_token": "efgh", "expires_in": 36000}]}`: "Bearer efgh",
		`{"access_token": "ijkl"}`: "Bearer ijkl",
	} {
		cfg := Config{ClientID: clientID, ClientSecret: secret, Transport: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			id, password, ok := req.BasicAuth()
			assert.True(t, ok && id == clientID && password == secret)
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			assert.JSONEq(t, `{"grant_type": "client_credentials"}`, string(body))
			return resttest.JSON(200, answer), nil
		})}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/x", nil)
		require.NoError(t, err)
		base := *req.URL
		base.Path = ""
		require.NoError(t, newAuth(cfg, &base, rest.Config{Base: cfg.Transport}).Authorize(req))
		assert.Equal(t, want, req.Header.Get("Authorization"))
	}
}
