package okta

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/okta/okta-sdk-golang/v5/okta"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// acme returns an org with the company in it.
func acme() *fake.Okta {
	users, groups := company()
	d := fake.NewDirectory()
	d.PutUsers(users...)
	d.PutGroups(groups...)
	return org(d)
}

// through returns a source whose answers are changed by change, and its requests.
func through(t *testing.T, cfg Config, change func(n int, req *http.Request, resp *http.Response)) (*Source, *[]string) {
	t.Helper()
	return over(t, acme(), cfg, change)
}

func over(t *testing.T, o *fake.Okta, cfg Config, change func(n int, req *http.Request, resp *http.Response)) (*Source, *[]string) {
	t.Helper()
	requests := new([]string)
	cfg.URL, cfg.Transport = "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := fake.Transport(o).RoundTrip(req)
		if change != nil {
			change(len(*requests), req, resp)
		}
		*requests = append(*requests, req.Method+" "+req.URL.RequestURI())
		return resp, err
	})
	if cfg.ClientID == "" {
		cfg.Token = token
	}
	return configured(t, cfg), requests
}

func answer(resp *http.Response, status int, body string) {
	resp.StatusCode, resp.Body, resp.ContentLength = status, io.NopCloser(strings.NewReader(body)), int64(len(body))
}

// Requests ask for pages of Okta's largest size, by the cursor of the link next,
// with the same filter, and without unused data.
func TestRequests(t *testing.T) {
	src, requests := through(t, Config{}, func(_ int, req *http.Request, _ *http.Response) {
		assert.Equal(t, "SSWS "+token, req.Header.Get("Authorization"))
		assert.Equal(t, "usher (+https://github.com/usher-go/usher)", req.Header.Get("User-Agent"))
		omits := strings.Contains(req.Header.Get("Content-Type"), `okta-response="omitCredentials,`)
		assert.Equal(t, req.URL.Path == "/api/v1/users", omits, req.URL.Path)
		assert.Equal(t, "127.0.0.1:1", req.URL.Host)
		var header strings.Builder
		require.NoError(t, req.Header.Write(&header))
		assert.NotContains(t, header.String()+req.Host+req.URL.String(), "evil") // see TestNothingComesFromTheEnvironment
	})
	for range 2 { // the second time nothing comes from a cache
		_, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
	}
	const filter = "filter=lastUpdated+gt+%221970-01-01T00%3A00%3A00.000Z%22&limit=200"
	assert.Equal(t, []string{
		"GET /api/v1/users?" + filter,
		"GET /api/v1/users?after=00u1cagurdhtxqBdf4x1&" + filter,
		"GET /api/v1/users?after=00u1cagurdhtxqBdf4x3&" + filter,
		"GET /api/v1/users/me", "GET /api/v1/users/00uadmin00000000fake/roles",
		"GET /api/v1/groups?limit=1000",
		"GET /api/v1/groups/00g1emfcdsTvHqmuTjv0/users?limit=1000",
		"GET /api/v1/groups/00g1emfcdsTvHqmuTjv0/users?after=00u1cagurdhtxqBdf4x1&limit=1000",
		"GET /api/v1/groups/00g1emfcdsTvHqmuTjv0/users?after=00u1cagurdhtxqBdf4x3&limit=1000",
		"GET /api/v1/groups/00g1emfcdsTvHqmuTjv1/users?limit=1000",
		"GET /api/v1/groups?after=00g1emfcdsTvHqmuTjv1&limit=1000",
		"GET /api/v1/groups/00g1emfcdsTvHqmuTjv2/users?limit=1000",
		"GET /api/v1/users/me", "GET /api/v1/users/00uadmin00000000fake/roles",
	}, (*requests)[:14])
	assert.Equal(t, (*requests)[:14], (*requests)[14:])
}

// R53: one request for each 500 users of the app.
func TestRequestsOfAnApp(t *testing.T) {
	src, requests := through(t, Config{AppID: appID, Sees: SeesAll}, nil)
	for _, err := range src.Users(t.Context()) {
		require.NoError(t, err)
	}
	assert.Equal(t, []string{
		"GET /api/v1/apps/0oa1app00000000000x7/users?expand=user&limit=500",
		"GET /api/v1/apps/0oa1app00000000000x7/users?after=00u1cagurdhtxqBdf4x1&expand=user&limit=500",
		"GET /api/v1/apps/0oa1app00000000000x7/users?after=00u1cagurdhtxqBdf4x3&expand=user&limit=500",
	}, *requests)
	require.NoError(t, src.Check(t.Context()))

	src, _ = through(t, Config{AppID: "0oaother"}, nil)
	err := src.Check(t.Context())
	require.ErrorIs(t, err, sources.ErrNotFound)
	_, oneErr := src.One(t.Context(), "00u1cagurdhtxqBdf4x0")
	require.EqualError(t, oneErr, "okta: read one: not found: there is no app of the ID in Config.AppID", "which does not say that the user is gone")
	require.EqualError(t, err, "okta: check: not found: GET /api/v1/apps/0oaother/users: 404 Not Found: E0000007 Not found: Resource not found: 0oaother (AppInstance)")
}

// S12: behind each of these answers there could be more.
func TestAnswersThatProveNothing(t *testing.T) {
	const self = `<http://127.0.0.1:1/api/v1/users?limit=200>; rel="self"`
	for name, c := range map[string]struct {
		link []string
		body string
		want string
	}{
		"no Link":         {nil, `[]`, "the answer to /api/v1/users has no header Link"},
		"no self":         {[]string{`</api/v1/users?after=x>; rel="next"`}, `[]`, "has no header Link"},
		"broken Link":     {[]string{self + `, </api/v1/users?after=x; rel="next"`}, `[]`, "not of the form of RFC 8288"},
		"no cursor":       {[]string{self, `<http://127.0.0.1:1/api/v1/users?limit=200>; rel="next"`}, `[]`, "does not say after what"},
		"two next":        {[]string{self, `</api/v1/users?after=x>; rel=next, </api/v1/users?after=y>; rel=next`}, `[]`, "two links of the relation next"},
		"another list":    {[]string{self, `<http://127.0.0.1:1/api/v1/groups?after=x>; rel="next"`}, `[]`, "leads to another list"},
		"another host":    {[]string{self, `<https://evil.example/api/v1/users?after=x>; rel="next"`}, `[]`, `leads to another host, "evil.example"`},
		"another scheme":  {[]string{self, `<https://127.0.0.1:1/api/v1/users?after=x>; rel="next"`}, `[]`, "leads to another host"},
		"null":            {[]string{self}, ` null`, "the answer to /api/v1/users is not a list"},
		"an object":       {[]string{self}, `{}`, "json: cannot unmarshal object"},
		"null in it":      {[]string{self}, `[null]`, "a user without id"},
		"a field's shape": {[]string{self}, `[{"id": "1", "status": 7}]`, "json: cannot unmarshal number"},
		"a time":          {[]string{self}, `[{"id": "1", "created": "soon"}]`, "parsing time"},
	} {
		src, _ := through(t, Config{}, func(n int, _ *http.Request, resp *http.Response) {
			if n == 0 {
				resp.Header["Link"] = c.link
				answer(resp, 200, c.body)
			}
		})
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.ErrorIs(t, err, sources.ErrMalformed, name)
		require.ErrorContains(t, err, c.want, name)
		assert.False(t, snapshot.Proven.Has(sources.FactUsers), name)
	}
}

// Answers on which the SDK loops, or which it takes for the end.
func TestDefectsOfTheSDK(t *testing.T) {
	for name, break_ := range map[string]func(*http.Request) (*http.Response, error){
		"EOF": func(*http.Request) (*http.Response, error) { return nil, io.EOF },
		"empty 503": func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		},
		"empty 429": func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 429, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			src := source(t, "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
				asked++
				return break_(req)
			}))
			began := time.Now()
			_, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
			require.Error(t, err, name)
			require.NotErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.Equal(t, 8, asked, "%s: four times for users, four for groups", name)
			assert.Less(t, time.Since(began), time.Minute)

			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = src.Check(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
		})
	}
}

// A page that takes Okta too long is asked for in smaller parts.
func TestTooSlow(t *testing.T) {
	for status, body := range map[int]string{504: "<html>504 Gateway Time-out</html>", 500: `{"errorCode": "E0000009", "errorSummary": "Internal Server Error"}`} {
		synctest.Test(t, func(t *testing.T) {
			src, requests := through(t, Config{Attempts: 2, Sees: SeesAll}, func(_ int, req *http.Request, resp *http.Response) {
				if req.URL.Query().Get("limit") == "1000" {
					resp.Header.Set("Content-Type", "text/html")
					answer(resp, status, body)
				}
			})
			_, want := company()
			var got []sources.Group
			for g, err := range src.Groups(t.Context()) {
				require.NoError(t, err)
				got = append(got, g)
			}
			assert.Equal(t, want, got)
			assert.Equal(t, []string{"GET /api/v1/groups?limit=1000", "GET /api/v1/groups?limit=1000", "GET /api/v1/groups?limit=200"}, (*requests)[:3])
		})
	}
}

// The source waits for the next minute when a tenth of the allowance is left, so
// that it is not refused.
func TestAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := acme()
		o.PerMinute = 4
		src, requests := over(t, o, Config{Sees: SeesAll}, func(_ int, _ *http.Request, resp *http.Response) {
			assert.Equal(t, 200, resp.StatusCode)
			assert.Equal(t, "4", resp.Header.Get("X-Rate-Limit-Limit"))
		})
		began := time.Now()
		_, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
		assert.Len(t, *requests, 10)
		assert.InDelta(t, 61, time.Since(began).Seconds(), 2, "groups take seven requests")

		// Another client has used up the allowance; Okta says until when.
		src, _ = over(t, o, Config{Sees: SeesAll, MaxWait: time.Second}, nil)
		for range 8 {
			err = src.Check(t.Context())
		}
		require.ErrorIs(t, err, sources.ErrRateLimited)
		var failure *sources.Error
		require.ErrorAs(t, err, &failure)
		assert.InDelta(t, 60, failure.RetryAfter.Seconds(), 2)
		require.ErrorContains(t, err, "E0000047 API call exceeded rate limit")
	})
}

// An org with a path in its address, and an ID that must be escaped.
func TestAddresses(t *testing.T) {
	var paths []string
	src := configured(t, Config{URL: "http://127.0.0.1:1/proxy/okta/", Token: token, Transport: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		paths = append(paths, req.URL.EscapedPath())
		return fake.Transport(http.StripPrefix("/proxy/okta", acme())).RoundTrip(req)
	})})
	one, err := src.One(t.Context(), "a/b c")
	require.NoError(t, err)
	assert.Equal(t, sources.One{Proven: sources.FactUsers}, one)
	assert.Equal(t, []string{"/proxy/okta/api/v1/users/a%2Fb%20c", "/proxy/okta/api/v1/users/me", "/proxy/okta/api/v1/users/00uadmin00000000fake/roles"}, paths)
}

// Okta also finds users by login; a request by ID must not be answered with another
// user.
func TestOneByLogin(t *testing.T) {
	src, _ := through(t, Config{}, nil)
	_, err := src.One(t.Context(), "ada@acme.com")
	require.ErrorIs(t, err, sources.ErrMalformed)
	one, err := src.One(t.Context(), "00u1cagurdhtxqBdf4x3")
	require.NoError(t, err)
	assert.Equal(t, sources.FactUsers|sources.FactMemberships|sources.FactManagers, one.Proven)
	assert.Len(t, one.Groups, 2)
}

// A role that does not show everybody proves nothing (S12), and the error says what
// to do.
func TestSight(t *testing.T) {
	check := func(roles []string, cfg Config, want string) {
		t.Helper()
		o := acme()
		o.Roles = roles
		src, _ := over(t, o, cfg, nil)
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		assert.Len(t, snapshot.Users, 5)
		if want == "" {
			require.NoError(t, err)
			require.NoError(t, src.Check(t.Context()))
			assert.Equal(t, src.Info().Lists, snapshot.Proven)
			return
		}
		require.ErrorIs(t, err, sources.ErrForbidden)
		require.ErrorContains(t, err, want)
		assert.Zero(t, snapshot.Proven)
		require.ErrorContains(t, src.Check(t.Context()), want)
		for _, id := range []string{"00u1cagurdhtxqBdf4x3", "00u9"} { // that it is not shown does not say that there is none
			one, err := src.One(t.Context(), id)
			require.ErrorContains(t, err, want)
			assert.Zero(t, one)
		}
	}
	check([]string{"SUPER_ADMIN"}, Config{}, "")
	check([]string{"USER_ADMIN", "ORG_ADMIN"}, Config{}, "")
	check([]string{"USER_ADMIN", "CUSTOM"}, Config{}, "by its admin roles (USER_ADMIN, CUSTOM)")
	check([]string{}, Config{}, "by its admin roles ()")
	check([]string{"USER_ADMIN"}, Config{Sees: SeesPart}, "")
	check([]string{"CUSTOM"}, Config{Sees: SeesAll}, "")

	service := Config{ClientID: clientID, PrivateKey: pemOf(t, rsaKey)}
	check(nil, service, "")
	check([]string{"HELP_DESK_ADMIN"}, service, "by its admin roles (HELP_DESK_ADMIN)")
	service.Scopes = []string{"okta.users.read", "okta.groups.read"}
	check(nil, service, "the admin roles of the credential cannot be read")
	service.Sees = SeesAll
	check(nil, service, "")
}

// The SDK can read its configuration from the environment and from files. Nothing
// of these gets into a request.
func TestNothingComesFromTheEnvironment(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, ".okta"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".okta", "okta.yaml"), []byte("okta:\n  client:\n    token: evil\n    orgUrl: https://evil.example\n"), 0o600))
	t.Setenv("HOME", home)
	for name, value := range map[string]string{
		"ORGURL": "https://evil.example", "TOKEN": "evil", "AUTHORIZATIONMODE": "SSWS", "CLIENTID": "evil", "SCOPES": "evil", "PRIVATEKEY": "evil",
		"PROXY_HOST": "evil.example", "PROXY_PORT": "1", "CACHE_ENABLED": "true", "REQUEST_TIMEOUT": "1", "RATE_LIMIT_MAX_RETRIES": "7",
	} {
		t.Setenv("OKTA_CLIENT_"+name, value)
	}
	leaks, err := okta.NewConfiguration()
	require.NoError(t, err)
	require.Equal(t, "evil", leaks.Okta.Client.Token, "this is what would leak")

	self, err := os.Executable()
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), self, "-test.run=^TestRequests$", "-test.v").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "--- PASS: TestRequests")
}

// Okta's errors, and those of its token endpoint.
func TestExplain(t *testing.T) {
	for body, want := range map[string]string{
		`{"errorCode": "E0000011", "errorSummary": "Invalid token provided", "errorCauses": []}`: "E0000011 Invalid token provided",
		`{"error": "invalid_client", "error_description": "The client is unknown."}`:             "invalid_client The client is unknown.",
		`{"errorCauses": []}`: "", `[]`: "", `no JSON`: "",
	} {
		detail, _ := explain(400, []byte(body))
		assert.Equal(t, want, detail)
	}
	for code, want := range map[string]error{
		"invalid_scope": sources.ErrForbidden, "consent_required": sources.ErrForbidden, "access_denied": sources.ErrForbidden,
		"invalid_client": sources.ErrUnauthorized, "invalid_dpop_proof": sources.ErrUnauthorized, "server_error": nil,
	} {
		_, reason := explain(400, []byte(`{"error": "`+code+`"}`))
		assert.Equal(t, want, reason, code)
	}
}

// Any header gives an error, the end, or a cursor of this list.
func FuzzNext(f *testing.F) {
	f.Add(`<http://127.0.0.1:1/api/v1/users?limit=2>; rel="self", </api/v1/users?after=x>; rel=next`)
	f.Add(`<http://127.0.0.1:1/api/v1/users>; rel="self"`)
	f.Add(`</api/v1/users>; rel="self next"`)
	f.Add(`<//evil.example/api/v1/users?after=x>; rel="self next"`)
	f.Fuzz(func(t *testing.T, link string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/api/v1/users?limit=2", nil)
		require.NoError(t, err)
		after, err := next(&http.Response{Header: http.Header{"Link": {link}}, Request: req})
		if err != nil {
			require.ErrorIs(t, err, sources.ErrMalformed)
			require.Empty(t, after)
			return
		}
		require.Contains(t, strings.ToLower(link), "self")
		if after != "" {
			require.Contains(t, strings.ToLower(link), "next")
		}
	})
}

// S12: a group whose members are not found is left out only if the group is not
// found either.
func TestMembersAreNotFound(t *testing.T) {
	const missing = `{"errorCode": "E0000007", "errorSummary": "Not found"}`
	gone := "/api/v1/groups/00g1emfcdsTvHqmuTjv1"
	for _, removed := range []bool{false, true} {
		src, requests := through(t, Config{Sees: SeesAll}, func(_ int, req *http.Request, resp *http.Response) {
			if req.URL.Path == gone+"/users" || removed && req.URL.Path == gone {
				answer(resp, http.StatusNotFound, missing)
			}
		})
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		assert.Contains(t, *requests, "GET "+gone)
		if !removed {
			require.ErrorIs(t, err, sources.ErrUnavailable)
			require.ErrorContains(t, err, "is there, and its members are not found")
			assert.False(t, snapshot.Proven.Has(sources.FactGroups))
			continue
		}
		require.NoError(t, err)
		assert.True(t, snapshot.Proven.Has(sources.FactAll))
		for _, g := range snapshot.Groups {
			assert.NotEqual(t, "00g1emfcdsTvHqmuTjv1", g.ID)
		}
		assert.NotEmpty(t, snapshot.Groups)
	}
}
