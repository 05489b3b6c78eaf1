package scimclient

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
)

func TestWaysToAuthenticate(t *testing.T) {
	var sent []string
	logins := 0
	server := resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/token" {
			logins++
			assert.Equal(t, "login.example", req.URL.Host)
			require.NoError(t, req.ParseForm())
			assert.Equal(t, url.Values{"grant_type": {"client_credentials"}, "scope": {"scim.read"}}, req.PostForm)
			id, secret, _ := req.BasicAuth()
			assert.Equal(t, "my%2Fid s%26cret", id+" "+secret)
			return respond(200, `{"access_token": "abcd", "expires_in": 3600, "token_type": "Bearer"}`), nil
		}
		sent = append(sent, req.Header.Get("Authorization"))
		assert.Equal(t, "application/scim+json, application/json", req.Header.Get("Accept"))
		return respond(200, `{"totalResults": 0}`), nil
	})
	for want, cfg := range map[string]Config{
		"Bearer xyz":         {Token: "xyz"},
		"Bearer fresh":       {TokenSource: func(context.Context) (string, error) { return "fresh", nil }},
		"Basic dXNlcjpwYXNz": {UserName: "user", Password: "pass"},
		"Bearer abcd":        {TokenURL: "https://login.example/token", ClientID: "my/id", ClientSecret: "s&cret", Scope: "scim.read"},
	} {
		sent = nil
		cfg.URL, cfg.Transport = "https://idp.example/scim", server
		src, err := New(cfg)
		require.NoError(t, err)
		require.NoError(t, src.Check(t.Context()))
		assert.Equal(t, []string{want, want, want}, sent)
	}
	assert.Equal(t, 1, logins)
}

func TestLoginsThatFail(t *testing.T) {
	refuse := func(status int, body string) http.RoundTripper {
		return resttest.RoundTripper(func(*http.Request) (*http.Response, error) { return respond(status, body), nil })
	}
	for name, c := range map[string]struct {
		cfg  Config
		want error
	}{
		"a refused client": {Config{TokenURL: "https://x.example/t", ClientID: "a", ClientSecret: "bbbb", Transport: refuse(400, `{"error": "invalid_client", "error_description": "no"}`)}, sources.ErrUnauthorized},
		"no token":         {Config{TokenURL: "https://x.example/t", ClientID: "a", ClientSecret: "bbbb", Transport: refuse(200, `{}`)}, sources.ErrMalformed},
		"a token source":   {Config{TokenSource: func(context.Context) (string, error) { return "", errors.New("no refresh token") }}, nil},
		"a refused token":  {Config{Token: "xyz1", Transport: refuse(401, `{}`)}, sources.ErrUnauthorized},
		"a wrong password": {Config{UserName: "a", Password: "bbbb", Transport: refuse(401, `{}`)}, sources.ErrUnauthorized},
	} {
		c.cfg.URL = "https://x.example"
		src, err := New(c.cfg)
		require.NoError(t, err, name)
		err = src.Check(t.Context())
		require.Error(t, err, name)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, name)
		}
	}
}
