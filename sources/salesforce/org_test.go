package salesforce

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func TestRefusals(t *testing.T) {
	for code, c := range map[string]struct {
		status int
		want   error
	}{
		"REQUEST_LIMIT_EXCEEDED": {403, sources.ErrRateLimited},
		"API_DISABLED_FOR_ORG":   {403, sources.ErrForbidden},
		"INVALID_TYPE":           {400, sources.ErrBadQuery},
		"MALFORMED_QUERY":        {400, sources.ErrBadQuery},
		"SOMETHING_NEW":          {403, sources.ErrForbidden},
		"NOT_FOUND":              {404, sources.ErrMalformed}, // never: this user does not exist
	} {
		org := newFakeOrg(t)
		org.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Path, fakeAPI+"/query") {
				return false
			}
			sayError(w, c.status, code, "as the guide says")
			return true
		}
		src := org.source(nil)
		for _, err := range []error{
			second(read(src.Users(t.Context()))),
			second(read(src.Match(t.Context(), "Id != null"))),
			second(read(src.Groups(t.Context()))),
			second(src.One(t.Context(), "005000000000001AAA")),
			src.Check(t.Context()),
		} {
			require.ErrorIs(t, err, c.want, code)
			require.ErrorContains(t, err, code+": as the guide says")
			require.NotErrorIs(t, err, sources.ErrNotFound)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// The allowance is shared with the org's other integrations.
func TestStopsPolitely(t *testing.T) {
	org := newFakeOrg(t)
	org.usage = "api-usage=13500/15000; per-app-api-usage=17/250(appName=usher)"
	src := org.source(nil)
	_, err := read(src.Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrRateLimited)
	assert.Contains(t, err.Error(), "90 %")
	assert.Equal(t, 2, org.requests, "login and description")

	ids, err := read(src.Match(t.Context(), "Department = 'Sales'"))
	require.NoError(t, err, "what one request answers is answered")
	assert.Len(t, ids, 2)
	_, err = read(src.Match(t.Context(), "Id != null"))
	require.ErrorIs(t, err, sources.ErrRateLimited)
	_, err = read(src.Groups(t.Context()))
	require.ErrorIs(t, err, sources.ErrRateLimited)

	org.usage = "api-usage=13499/15000"
	_, err = read(src.Users(t.Context()))
	require.NoError(t, err, "the usage has gone down again")

	org.usage = "api-usage=20000/15000"
	_, err = read(org.source(func(cfg *Config) { cfg.MaxAPIUsage = 100 }).Users(t.Context()))
	require.NoError(t, err)
}

func TestUsage(t *testing.T) {
	for header, want := range map[string]int64{
		"api-usage=150/15000": 1, "api-usage=14999/15000": 99, "per-app-api-usage=17/250(appName=x);api-usage=15000/15000": 100,
		"": -1, "per-app-api-usage=17/250": -1, "api-usage=5/0": -1, "api-usage=x/5": -1, "api-usage=1": -1,
	} {
		got, ok := usage(http.Header{"Sforce-Limit-Info": {header}})
		assert.Equal(t, want >= 0, ok, header)
		if ok {
			assert.Equal(t, want, got, header)
		}
	}
}
