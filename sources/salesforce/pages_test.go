package salesforce

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// pages answers the first query with the given pages, one for each request, and
// everything before it as the org does.
func pages(bodies ...string) func(int, http.ResponseWriter, *http.Request) bool {
	at := 0
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, fakeAPI+"/query") || at >= len(bodies) {
			return false
		}
		_, _ = io.WriteString(w, bodies[at])
		at++
		return true
	}
}

func userJSON(n int) string {
	return fmt.Sprintf(`{"attributes":{"type":"User"},"Id":"00500000000000%dAAA","IsActive":true}`, n)
}

// S12: a listing that does not prove its end is an error, whatever is wrong
// with it.
func TestIncompleteListings(t *testing.T) {
	next := `"nextRecordsUrl":"/services/data/v64.0/query/01g-1",`
	for name, c := range map[string]struct {
		pages []string
		want  error
		text  string
	}{
		"not done, no next":       {[]string{`{"totalSize":2,"done":false,"records":[` + userJSON(1) + `]}`}, sources.ErrMalformed, "no nextRecordsUrl"},
		"fewer than said":         {[]string{`{"totalSize":2,"done":true,"records":[` + userJSON(1) + `]}`}, sources.ErrMalformed, "1 records of 2"},
		"more than said":          {[]string{`{"totalSize":1,"done":true,"records":[` + userJSON(1) + `,` + userJSON(2) + `]}`}, sources.ErrMalformed, "2 records of 1"},
		"no totalSize":            {[]string{`{"done":true,"records":[]}`}, sources.ErrMalformed, "without totalSize and done"},
		"no done":                 {[]string{`{"totalSize":1,"records":[` + userJSON(1) + `]}`}, sources.ErrMalformed, "without totalSize and done"},
		"null done":               {[]string{`{"totalSize":1,"done":null,"records":[` + userJSON(1) + `]}`}, sources.ErrMalformed, "without totalSize and done"},
		"null records":            {[]string{`{"totalSize":0,"done":true,"records":null}`}, sources.ErrMalformed, "want [ in the answer"},
		"records of another use":  {[]string{`{"totalSize":1,"done":true,"records":[7]}`}, sources.ErrMalformed, "want records, which are objects, not 7"},
		"done as a text":          {[]string{`{"totalSize":1,"done":"true","records":[]}`}, sources.ErrMalformed, "cannot unmarshal string"},
		"cut in a record":         {[]string{`{"totalSize":1,"done":true,"records":[{"Id":"0`}, sources.ErrMalformed, "ends in the middle"},
		"an array":                {[]string{`[]`}, sources.ErrMalformed, "want { in the answer"},
		"an HTML page":            {[]string{`<html>`}, sources.ErrMalformed, "invalid character"},
		"a record without Id":     {[]string{`{"totalSize":1,"done":true,"records":[{"Email":"x@acme.com"}]}`}, sources.ErrMalformed, "a record without Id"},
		"a record that is null":   {[]string{`{"totalSize":1,"done":true,"records":[null]}`}, sources.ErrMalformed, "want records, which are objects, not null"},
		"an Id of something else": {[]string{`{"totalSize":1,"done":true,"records":[{"Id":"00Q000000000001AAA"}]}`}, sources.ErrMalformed, "00Q000000000001AAA, which is none of User"},
		"an Id of no form":        {[]string{`{"totalSize":1,"done":true,"records":[{"Id":"00u1abcd"}]}`}, sources.ErrMalformed, "which is none of Salesforce"},
		"a group":                 {[]string{`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Group"},"Id":"00G"}]}`}, sources.ErrMalformed, `a record of "Group", want User`},
		"another host":            {[]string{`{"totalSize":2,"done":false,"nextRecordsUrl":"https://evil.example/services/data/x","records":[` + userJSON(1) + `]}`}, sources.ErrMalformed, `another host, "evil.example"`},
		"another place":           {[]string{`{"totalSize":2,"done":false,"nextRecordsUrl":"/secur/logout","records":[` + userJSON(1) + `]}`}, sources.ErrMalformed, "leads out of /services/data"},
		"the same page again": {[]string{
			`{"totalSize":5,"done":false,` + next + `"records":[` + userJSON(1) + `]}`,
			`{"totalSize":5,"done":false,` + next + `"records":[` + userJSON(2) + `]}`,
		}, sources.ErrMalformed, "leads to a page that was read already"},
		"a record of the page before, in the place of another": {[]string{
			`{"totalSize":3,"done":false,` + next + `"records":[` + userJSON(1) + `,` + userJSON(2) + `]}`,
			`{"totalSize":3,"done":true,"records":[` + userJSON(2) + `]}`,
		}, sources.ErrMalformed, `the record "005000000000002AAA" is on two pages`},
		"another total": {[]string{
			`{"totalSize":5,"done":false,` + next + `"records":[` + userJSON(1) + `]}`,
			`{"totalSize":6,"done":true,"records":[]}`,
		}, sources.ErrMalformed, "changed from 5 to 6"},
		"the locator is gone": {[]string{`{"totalSize":5,"done":false,` + next + `"records":[` + userJSON(1) + `]}`}, sources.ErrCursorExpired, "start it again"},
		"a total that is lower on the way": {[]string{
			`{"totalSize":1,"done":false,` + next + `"records":[` + userJSON(1) + `]}`,
			`{"totalSize":1,"done":true,"records":[` + userJSON(2) + `]}`,
		}, sources.ErrMalformed, "2 records of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			org := newFakeOrg(t)
			org.fault = pages(c.pages...)
			_, err := read(org.source(nil).Users(t.Context()))
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			var known *sources.Error
			require.ErrorAs(t, err, &known)
			assert.Equal(t, "salesforce", known.Kind)
			assert.Equal(t, "list users", known.Op)
			assert.ErrorIs(t, known.Reason, c.want)

			snapshot, err := sources.Collect(t.Context(), withFault(t, c.pages...), sources.CollectConfig{})
			require.Error(t, err)
			assert.False(t, snapshot.Proven.Has(sources.FactUsers))
		})
	}
}

func withFault(t *testing.T, bodies ...string) *Source {
	org := newFakeOrg(t)
	org.fault = pages(bodies...)
	return org.source(nil)
}

// A server that goes on for ever with empty pages does not keep us for ever.
func TestEndlessEmptyPages(t *testing.T) {
	org := newFakeOrg(t)
	n := 0
	org.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, fakeAPI+"/query") {
			return false
		}
		n++
		say(w, map[string]any{"totalSize": 3, "done": false, "records": []any{}, "nextRecordsUrl": fmt.Sprintf("%s/query/01g-%d", fakeAPI, n)})
		return true
	}
	_, err := read(org.source(nil).Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrMalformed)
	assert.Contains(t, err.Error(), "5 pages for 3 records")
	assert.Equal(t, 5, n)
}

func TestAnswerTooLarge(t *testing.T) {
	org := newFakeOrg(t)
	org.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, fakeAPI+"/query") {
			return false
		}
		_, _ = io.WriteString(w, `{"totalSize":1,"done":true,"records":[{"Id":"`)
		for range 1000 {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return true // the source has hung up
			}
		}
		return true
	}
	src := org.source(func(cfg *Config) { cfg.MaxPageBytes = 1 << 20 })
	_, err := read(src.Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrTooLarge)
}

func TestCancelledWhilePaging(t *testing.T) {
	org := newFakeOrg(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range org.source(nil).Users(ctx) {
		n++
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		cancel()
	}
	assert.Equal(t, 3, n, "the two of the page, and the error")
}

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

// A version of the API that is retired, or that the org does not have yet.
func TestAPIVersions(t *testing.T) {
	for version, status := range map[string]string{"v30.0": "410 Gone: UNSUPPORTED_API_VERSION", "v67.0": "404 Not Found: NOT_FOUND"} {
		err := newFakeOrg(t).source(func(cfg *Config) { cfg.APIVersion = version }).Check(t.Context())
		require.ErrorIs(t, err, sources.ErrMalformed)
		require.ErrorContains(t, err, status)
		require.ErrorContains(t, err, "and the API version one that the org has?")
	}
	for _, version := range []string{"v31.0", "v66.0"} {
		require.NoError(t, newFakeOrg(t).source(func(cfg *Config) { cfg.APIVersion = version }).Check(t.Context()))
	}
}

func second[T any](_ T, err error) error { return err }

// The allowance is shared with the org's other integrations.
func TestStopsPolitely(t *testing.T) {
	org := newFakeOrg(t)
	org.Others = 13499
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

	org.Others = 1
	_, err = read(src.Users(t.Context()))
	require.NoError(t, err, "the usage has gone down again")

	org.Others = 14500
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
