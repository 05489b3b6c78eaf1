package entra

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A token is used until shortly before its end. If Graph refuses it and requires
// claims, one login gets a token with these for all refused requests.
func TestTokenIsKeptAndRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := fake.NewDirectory()
		d.SetClock(time.Now)
		users, _ := company()
		d.PutUsers(users...)
		tenant := face(d)
		tenant.TokenLife = time.Hour
		cfg := config(host, fake.Transport(tenant))
		credential := cfg.Credential.(*login)
		src := source(t, cfg)
		for range 3 {
			require.NoError(t, src.Check(t.Context()))
		}
		require.Len(t, credential.asked, 1)
		assert.Equal(t, policy.TokenRequestOptions{Scopes: []string{host + "/.default"}, EnableCAE: true}, credential.asked[0])

		time.Sleep(time.Hour - 30*time.Second)
		require.NoError(t, src.Check(t.Context()))
		require.Len(t, credential.asked, 2)

		tenant.RevokeTokens()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { assert.NoError(t, src.Check(t.Context())) })
		}
		all.Wait()
		require.Len(t, credential.asked, 3, "one login for all who were refused")
		assert.Regexp(t, `^\{"access_token":\{"nbf":\{"essential":true,"value":"[0-9]+"\}\}\}$`, credential.asked[2].Claims)
	})
}

func TestClaimsOf(t *testing.T) {
	claims := `{"access_token":{"nbf":{"value":"1?>"}}}`
	for challenge, want := range map[string]string{
		`Bearer realm="", error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte(claims)) + `"`: claims,
		`Bearer claims="` + base64.RawURLEncoding.EncodeToString([]byte(claims)) + `", realm=""`:                           claims,
		`Bearer realm=""`:    "",
		`Bearer claims="*"`:  "",
		`Bearer claims="a"`:  "",
		``:                   "",
		`Bearer claims=none`: "",
	} {
		assert.Equal(t, want, claimsOf(challenge), challenge)
	}
}

// Any challenge gives claims or none.
func FuzzClaims(f *testing.F) {
	f.Add(`Bearer claims="e30="`)
	f.Fuzz(func(_ *testing.T, challenge string) { claimsOf(challenge) })
}

// final is an error like azidentity's.
type final struct{ text string }

func (f final) Error() string { return f.text }
func (final) NonRetriable()   {}

type failing struct{ err error }

func (f failing) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, f.err
}

// The error for a missing token is short, since the text of a credential's error
// may hold anything.
func TestCredentialsThatFail(t *testing.T) {
	for _, c := range []struct {
		err  error
		want error
		text string
	}{
		{final{"POST /token\nRESPONSE 401: 401 Unauthorized\nAADSTS7000215: Invalid client secret " + secret}, sources.ErrUnauthorized,
			"entra: log in: credentials rejected: the credential gave no token (AADSTS7000215)"},
		{final{"POST /token\nRESPONSE 503: 503 Service Unavailable"}, sources.ErrUnavailable, "entra: log in: provider unavailable: the credential gave no token"},
		{errors.New("dial tcp: no route, with " + secret), sources.ErrUnavailable, "entra: log in: provider unavailable: the credential gave no token"},
	} {
		cfg := config(host, fake.Transport(face(fake.NewDirectory())))
		cfg.Credential = failing{c.err}
		err := source(t, cfg).Check(t.Context())
		require.ErrorIs(t, err, c.want)
		require.ErrorIs(t, err, c.err, "the host can look at the cause")
		assert.EqualError(t, err, c.text)
	}
	cfg := config(host, fake.Transport(face(fake.NewDirectory())))
	cfg.Credential = fixed("")
	require.ErrorContains(t, source(t, cfg).Check(t.Context()), "gave no access_token")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, source(t, cfg).Check(ctx), context.Canceled)
}

// A credential that returns an expired token is asked for every request, and
// Graph's answer decides.
func TestTokenThatHasEnded(t *testing.T) {
	cfg := config(host, fake.Transport(face(fake.NewDirectory())))
	cfg.Credential = ended{}
	require.ErrorIs(t, source(t, cfg).Check(t.Context()), sources.ErrUnauthorized)
}

type ended struct{}

func (ended) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "old", ExpiresOn: time.Now().Add(-time.Hour)}, nil
}

// Microsoft's own credential logs in to the tenant of package fake over a network.
// Its error shows no secret.
func TestAzidentity(t *testing.T) {
	d := fake.NewDirectory()
	users, groups := company()
	d.PutUsers(users...)
	d.PutGroups(groups...)
	tenant := face(d)
	server := httptest.NewTLSServer(tenant)
	defer server.Close()
	with := func(secret string) *Source {
		credential, err := azidentity.NewClientSecretCredential("acme", clientID, secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: azcore.ClientOptions{
				Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: server.URL}, Transport: server.Client(),
				Retry: policy.RetryOptions{MaxRetries: -1},
			},
			DisableInstanceDiscovery: true,
		})
		require.NoError(t, err)
		cfg := config(server.URL, server.Client().Transport)
		cfg.Credential = credential
		return source(t, cfg)
	}
	src := with(secret)
	snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Len(t, snapshot.Users, len(users))
	tenant.RevokeTokens()
	require.NoError(t, src.Check(t.Context()), "the cache of the credential is passed by")

	err = with("c4n4ry-wrong").Check(t.Context())
	require.ErrorIs(t, err, sources.ErrUnauthorized)
	assert.EqualError(t, err, "entra: log in: credentials rejected: the credential gave no token (AADSTS7000215)")
}

// Microsoft's clouds: each has its own host and scope, and no request leaves it.
func TestClouds(t *testing.T) {
	for url, scope := range map[string]string{
		"":                                "https://graph.microsoft.com/.default",
		"https://graph.microsoft.us":      "https://graph.microsoft.us/.default",
		"https://dod-graph.microsoft.us/": "https://dod-graph.microsoft.us/.default",
		"https://microsoftgraph.chinacloudapi.cn": "https://microsoftgraph.chinacloudapi.cn/.default",
	} {
		credential := &asking{}
		var asked []string
		src := source(t, Config{URL: url, Credential: credential, Attempts: 1, Transport: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			asked = append(asked, req.URL.Scheme+"://"+req.URL.Host)
			return nil, errors.New("no network")
		})})
		require.Error(t, src.Check(t.Context()))
		assert.Equal(t, []string{scope}, credential.scopes)
		assert.Equal(t, []string{scope[:len(scope)-len("/.default")]}, asked)
	}
	credential := &asking{}
	require.Error(t, source(t, Config{URL: host, Scope: "api://proxy/.default", Credential: credential, Attempts: 1}).Check(t.Context()))
	assert.Equal(t, []string{"api://proxy/.default"}, credential.scopes)
}

type asking struct{ scopes []string }

func (a *asking) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	a.scopes = append(a.scopes, options.Scopes...)
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}
