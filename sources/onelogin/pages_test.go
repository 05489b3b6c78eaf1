package onelogin

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// through returns a source whose answers are changed by change.
func through(t *testing.T, change func(n int, req *http.Request, resp *http.Response)) (*Source, *fake.Directory, *[]string) {
	t.Helper()
	a, _, _ := account(t, nil)
	requests := new([]string)
	return source(t, "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := fake.Transport(a).RoundTrip(req)
		if req.Method == http.MethodGet {
			change(len(*requests), req, resp)
			*requests = append(*requests, req.URL.RequestURI())
		}
		return resp, err
	})), a.Directory, requests
}

// A cursor is sent without a limit, and unescaped.
func TestCursorGoesAlone(t *testing.T) {
	src, _, requests := through(t, func(int, *http.Request, *http.Response) {})
	_, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.NoError(t, err)
	require.Len(t, *requests, 3+2*2, "roles say nothing of when they were made, and are read twice")
	assert.Contains(t, (*requests)[0], "&limit=50")
	assert.Contains(t, (*requests)[1], "&cursor=bGltaXQ9MiZzb3J0PWlkJnBhZ2U9MiZzb3J0X2RpcmVjdGlvbj1hc2M%3D")
	assert.NotContains(t, (*requests)[1], "limit=")
	assert.True(t, strings.HasPrefix((*requests)[1], "/api/2/users?fields=id,username,"))
	assert.Contains(t, (*requests)[3], "/api/2/roles?fields=id,name,users&limit=650")
}

func TestTotalCountIsRequired(t *testing.T) {
	for _, total := range []string{"", "many", "-1"} {
		src, _, _ := through(t, func(_ int, _ *http.Request, resp *http.Response) { resp.Header.Set("Total-Count", total) })
		_, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.ErrorIs(t, err, sources.ErrMalformed)
		require.ErrorContains(t, err, "Total-Count")
	}
}

// S12: a page number that skips a user is noticed, and the listing is read again.
func TestDeletionDuringTheListing(t *testing.T) {
	var d *fake.Directory
	src, d, requests := through(t, func(n int, _ *http.Request, _ *http.Response) {
		if n == 0 {
			time.Sleep(1100 * time.Millisecond) // clocks are stated in seconds
			d.RemoveUsers("132422371")
			d.PutUsers(sources.User{ID: "132422399", Email: "zoe@acme.com"}) // the number of users is the same again
		}
	})
	var ids []string
	for u, err := range src.Users(t.Context()) {
		require.NoError(t, err)
		ids = append(ids, u.ID)
	}
	assert.Equal(t, []string{"132422371", "132422372", "132422374", "132422375", "132422399", "132422373"}, ids,
		"the one who was skipped comes in the second reading, nobody twice")
	assert.Len(t, *requests, 6)
}

// A listing that is never complete ends in an error.
func TestListingThatAlwaysChanges(t *testing.T) {
	src, _, requests := through(t, func(_ int, _ *http.Request, resp *http.Response) { resp.Header.Set("Total-Count", "6") })
	_, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.ErrorIs(t, err, sources.ErrUnavailable)
	require.ErrorContains(t, err, "5 of 6 came, read 3 times")
	assert.Len(t, *requests, 9+6)
}

// What OneLogin's headers state and what comes: the truth, or an error (S12).
func TestHeadersThatLie(t *testing.T) {
	cursor := func(page string) string {
		return base64.StdEncoding.EncodeToString([]byte("limit=2&sort=id&page=" + page + "&sort_direction=asc"))
	}
	page := func(req *http.Request) string { // the number of the page that was asked for
		text, _ := base64.StdEncoding.DecodeString(req.URL.Query().Get("cursor"))
		query, _ := url.ParseQuery(string(text))
		return cmp.Or(query.Get("page"), "1")
	}
	for name, c := range map[string]struct {
		change func(page string, h http.Header)
		fails  string
	}{
		"a cursor on the last page, and behind it": {func(page string, h http.Header) {
			n, _ := strconv.Atoi(page)
			h.Set("After-Cursor", cursor(strconv.Itoa(n+1)))
		}, ""},
		"no cursor on the first page":    {func(_ string, h http.Header) { h.Del("After-Cursor") }, "2 of 5 came"},
		"the cursor of the same page":    {func(page string, h http.Header) { h.Set("After-Cursor", cursor(page)) }, "page"},
		"the cursor of the first page":   {func(_ string, h http.Header) { h.Set("After-Cursor", cursor("1")) }, "page"},
		"the total counts the page":      {func(_ string, h http.Header) { h.Set("Total-Count", h.Get("Page-Items")) }, "of 2 came"},
		"the total is 0":                 {func(_ string, h http.Header) { h.Set("Total-Count", "0") }, "of 0 came"},
		"the total is too small":         {func(_ string, h http.Header) { h.Set("Total-Count", "4") }, "5 of 4 came"},
		"the total is too large":         {func(_ string, h http.Header) { h.Set("Total-Count", "6") }, "5 of 6 came"},
		"the total is only at the start": {func(page string, h http.Header) { h.Set("Total-Count", map[string]string{"1": "5"}[page]) }, "Total-Count"},
		"the total grows behind what comes": {func(page string, h http.Header) {
			if page == "3" {
				h.Set("Total-Count", "7")
			}
		}, "5 of 7 came"},
		"the total shrinks": {func(page string, h http.Header) {
			if page == "3" {
				h.Set("Total-Count", "1")
			}
		}, ""},
		"a cursor that is none": {func(_ string, h http.Header) { h.Set("After-Cursor", "%zz") }, "Invalid pagination cursor"},
	} {
		t.Run(name, func(t *testing.T) {
			src, _, _ := through(t, func(_ int, req *http.Request, resp *http.Response) { c.change(page(req), resp.Header) })
			count := 0
			var failed error
			for _, err := range src.Users(t.Context()) {
				if failed = err; err == nil {
					count++
				}
			}
			if c.fails != "" {
				require.ErrorContains(t, failed, c.fails)
				return
			}
			require.NoError(t, failed)
			assert.Equal(t, 5, count)
		})
	}
}

// null is no list of members.
func TestRolesWithNullForUsers(t *testing.T) {
	_, want := company()
	src, _, _ := through(t, func(_ int, req *http.Request, resp *http.Response) {
		if req.URL.Path == rolesPath {
			rewrite(t, resp, func(row map[string]any) { row["users"] = nil })
		}
	})
	var groups []sources.Group
	for g, err := range src.Groups(t.Context()) {
		require.NoError(t, err)
		groups = append(groups, g)
	}
	assert.Equal(t, want, groups)
}

// If the list of roles has no members, they are read from the users.
func TestRolesWithoutUsers(t *testing.T) {
	drop := func(field string) func(int, *http.Request, *http.Response) {
		return func(_ int, req *http.Request, resp *http.Response) {
			if field == "users" && req.URL.Path != rolesPath {
				return
			}
			rewrite(t, resp, func(row map[string]any) { delete(row, field); delete(row, "users") })
		}
	}
	_, want := company()
	src, _, requests := through(t, drop("users"))
	var groups []sources.Group
	for g, err := range src.Groups(t.Context()) {
		require.NoError(t, err)
		groups = append(groups, g)
	}
	assert.Equal(t, want, groups)
	assert.Len(t, *requests, 2*2+3)
	for range src.Groups(t.Context()) {
		break
	}

	src, _, _ = through(t, drop("role_ids"))
	for _, err := range src.Groups(t.Context()) {
		require.ErrorIs(t, err, sources.ErrMalformed, "an empty membership is not invented")
	}
}

// rewrite changes the rows of an answer.
func rewrite(t *testing.T, resp *http.Response, change func(map[string]any)) {
	t.Helper()
	var rows []map[string]any
	decoder := json.NewDecoder(resp.Body)
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&rows))
	for _, row := range rows {
		change(row)
	}
	body, err := json.Marshal(rows)
	require.NoError(t, err)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

// OneLogin has three forms of error answers.
func TestExplain(t *testing.T) {
	for body, want := range map[string]string{
		`{"message": "Unauthorized", "statusCode": 401, "name": "UnauthorizedError"}`:             "Unauthorized",
		`{"status": 400, "error": "BadRequestError", "description": "Invalid pagination cursor"}`: "Invalid pagination cursor",
		`{"status": {"error": true, "code": 401, "message": "Authentication Failure"}}`:           "Authentication Failure",
		`[]`: "", `no JSON`: "",
	} {
		detail, reason := explain(400, []byte(body))
		assert.Equal(t, want, detail)
		require.NoError(t, reason)
	}
}

// A used-up allowance says when it is renewed: in seconds from now.
func TestAllowance(t *testing.T) {
	_, src, _ := account(t, func(a *fake.OneLogin) { a.PerHour = 3 })
	_, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.ErrorIs(t, err, sources.ErrRateLimited)
	var failure *sources.Error
	require.ErrorAs(t, err, &failure)
	assert.InDelta(t, 3600, failure.RetryAfter.Seconds(), 5)
}
