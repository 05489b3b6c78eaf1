package scimclient

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
)

func respond(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/scim+json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// A lying server has n users. answer makes the body of a page from the requested
// position and number.
type lying struct {
	n        int
	config   string // ServiceProviderConfig; "" is none
	requests []string
	answer   func(l *lying, start, count int, query url.Values) string
}

func (l *lying) RoundTrip(req *http.Request) (*http.Response, error) {
	l.requests = append(l.requests, req.URL.RequestURI())
	if strings.HasSuffix(req.URL.Path, "/ServiceProviderConfig") {
		if l.config == "" {
			return respond(404, `{"detail": "no such endpoint"}`), nil
		}
		return respond(200, l.config), nil
	}
	query := req.URL.Query()
	start, _ := strconv.Atoi(query.Get("startIndex"))
	count, _ := strconv.Atoi(query.Get("count"))
	if body := l.answer(l, max(start, 1), count, query); body != "" {
		return respond(200, body), nil
	}
	return respond(400, `{"scimType": "invalidValue", "detail": "startIndex is beyond the end", "status": "400"}`), nil
}

// rows returns the resources with numbers from from up to to-1, as far as they
// exist.
func (l *lying) rows(from, to int) string {
	var rows []string
	for i := max(from, 1); i < min(to, l.n+1); i++ {
		rows = append(rows, fmt.Sprintf(`{"id": "%d"}`, i))
	}
	return "[" + strings.Join(rows, ",") + "]"
}

// S12: whatever a server says about its pages, the listing is complete or fails.
func TestServersThatLie(t *testing.T) {
	honest := func(cap int) func(l *lying, start, count int, _ url.Values) string {
		return func(l *lying, start, count int, _ url.Values) string {
			return fmt.Sprintf(`{"totalResults": %d, "startIndex": %d, "itemsPerPage": %d, "Resources": %s}`, l.n, start, count, l.rows(start, start+min(count, cap)))
		}
	}
	const cursors = `{"pagination": {"cursor": true}}`
	for name, c := range map[string]struct {
		n      int
		config string
		paging Paging
		answer func(l *lying, start, count int, query url.Values) string
		want   string // in the error; "" is the truth
	}{
		"honest":                            {120, "", "", honest(100), ""},
		"nobody":                            {0, "", "", honest(100), ""},
		"one page exactly":                  {100, "", "", honest(100), ""},
		"a smaller page than asked for":     {120, "", "", honest(50), ""},
		"itemsPerPage repeats count":        {7, "", "", honest(3), ""},
		"no Resources where there are none": {0, "", "", func(*lying, int, int, url.Values) string { return `{"totalResults": 0}` }, ""},
		"numbers as texts": {3, "", "", func(l *lying, start, count int, _ url.Values) string {
			return fmt.Sprintf(`{"totalResults": "3", "Resources": %s}`, l.rows(start, start+count))
		}, ""},
		"no Resources behind the last": {3, "", "", func(l *lying, start, count int, _ url.Values) string {
			if start > l.n {
				return `{"totalResults": 3, "startIndex": 4}`
			}
			return fmt.Sprintf(`{"totalResults": 3, "Resources": %s}`, l.rows(start, start+count))
		}, ""},
		"an error behind the last": {3, "", "", func(l *lying, start, count int, q url.Values) string {
			if start > l.n {
				return ""
			}
			return honest(100)(l, start, count, q)
		}, ""},
		"an error in the middle": {120, "", "", func(l *lying, start, count int, q url.Values) string {
			if start > 1 {
				return ""
			}
			return honest(50)(l, start, count, q)
		}, "startIndex is beyond the end"},
		// AWS SSO in the past: fifty users whatever is requested, and totalResults
		// 50.
		"totalResults counts the page, startIndex is ignored": {120, "", "", func(l *lying, _, _ int, _ url.Values) string {
			return `{"totalResults": 50, "Resources": ` + l.rows(1, 51) + `}`
		}, "held only what came before"},
		"startIndex is ignored": {120, "", "", func(l *lying, _, _ int, _ url.Values) string {
			return `{"totalResults": 120, "Resources": ` + l.rows(1, 51) + `}`
		}, "50 of 120 came"},
		"totalResults counts the page": {120, "", "", func(l *lying, start, count int, _ url.Values) string {
			return fmt.Sprintf(`{"totalResults": %d, "Resources": %s}`, max(min(50, l.n+1-start), 0), l.rows(start, start+min(count, 50)))
		}, "120 of 50 came"},
		"totalResults is too large": {60, "", "", func(l *lying, start, count int, _ url.Values) string {
			return fmt.Sprintf(`{"totalResults": 80, "Resources": %s}`, l.rows(start, start+count))
		}, "60 of 80 came"},
		"startIndex counts from 0": {60, "", "", func(l *lying, start, count int, _ url.Values) string {
			return fmt.Sprintf(`{"totalResults": 60, "Resources": %s}`, l.rows(start+1, start+1+count))
		}, "59 of 60 came"},
		"startIndex counts pages": {120, "", "", func(l *lying, start, count int, _ url.Values) string {
			return fmt.Sprintf(`{"totalResults": 120, "Resources": %s}`, l.rows((start-1)*50+1, start*50+1))
		}, "50 of 120 came"},
		"the last page again and again": {120, "", "", func(l *lying, start, count int, _ url.Values) string {
			start = min(start, 71)
			return fmt.Sprintf(`{"totalResults": 200, "Resources": %s}`, l.rows(start, start+50))
		}, "held only what came before"},
		// As scimmy 1.3.5.
		"the page behind the last begins anew":        {120, "", "", anew(50), ""},
		"the page behind the only one begins anew":    {7, "", "", anew(50), ""},
		"the page behind the only person is the same": {1, "", "", anew(50), ""},
		"the page behind the last is the last": {120, "", "", func(l *lying, start, count int, _ url.Values) string {
			start = min(start, 71)
			return fmt.Sprintf(`{"totalResults": 120, "Resources": %s}`, l.rows(start, start+50))
		}, ""},
		"no totalResults": {3, "", "", func(l *lying, start, count int, _ url.Values) string {
			return `{"Resources": ` + l.rows(start, start+count) + `}`
		}, "without totalResults"},
		"totalResults is no number": {3, "", "", func(l *lying, start, count int, _ url.Values) string {
			return `{"totalResults": "many", "Resources": []}`
		}, "totalResults"},
		"totalResults is 0": {60, "", "", func(l *lying, start, count int, _ url.Values) string {
			return `{"totalResults": 0, "Resources": ` + l.rows(start, start+count) + `}`
		}, "60 of 0 came"},
		"totalResults grows behind what comes": {60, "", "", func(l *lying, start, count int, _ url.Values) string {
			return fmt.Sprintf(`{"totalResults": %d, "Resources": %s}`, 30+start, l.rows(start, min(start+30, 32)))
		}, "31 of 62 came"},
		"totalResults shrinks to what came": {60, "", "", func(l *lying, start, count int, _ url.Values) string {
			return fmt.Sprintf(`{"totalResults": %d, "Resources": %s}`, 61-start, l.rows(start, min(start+30, 31)))
		}, "30 of 60 came"},
		"a user twice, and one not": {60, "", "", func(l *lying, start, count int, _ url.Values) string {
			if start > 1 {
				start--
			}
			return fmt.Sprintf(`{"totalResults": 60, "Resources": %s}`, l.rows(start, min(start+30, 60)))
		}, "59 of 60 came"},
		"null in place of Resources": {60, "", "", func(*lying, int, int, url.Values) string {
			return `{"totalResults": 60, "Resources": null}`
		}, "0 of 60 came"},
		"null in place of a resource": {2, "", "", func(*lying, int, int, url.Values) string {
			return `{"totalResults": 2, "Resources": [{"id": "1"}, null]}`
		}, "cannot be read"},
		"one resource in place of a list": {1, "", "", func(*lying, int, int, url.Values) string {
			return `{"totalResults": 1, "Resources": {"id": "1"}}`
		}, "Resources"},
		"names in another letter case": {3, "", "", func(l *lying, start, count int, _ url.Values) string {
			return strings.ReplaceAll(fmt.Sprintf(`{"TOTALRESULTS": 3, "resources": %s}`, l.rows(start, start+count)), `"id"`, `"ID"`)
		}, ""},
		"users without end": {60, "", "", func(l *lying, start, count int, _ url.Values) string {
			l.n = start + count // whatever was said
			return `{"totalResults": 60, "Resources": ` + l.rows(start, start+count) + `}`
		}, "of 60 came"},
		"an empty page in the middle": {120, "", "", func(l *lying, start, count int, q url.Values) string {
			if start > 100 {
				return `{"totalResults": 120, "Resources": []}`
			}
			return honest(50)(l, start, count, q)
		}, "100 of 120 came"},

		"everything at once": {300, "", "", func(l *lying, _, _ int, _ url.Values) string {
			return `{"totalResults": 300, "Resources": ` + l.rows(1, 301) + `}`
		}, "set Config.Paging"},
		"everything at once, and trusted": {300, "", PageAll, func(l *lying, _, _ int, _ url.Values) string {
			return `{"totalResults": 300, "Resources": ` + l.rows(1, 301) + `}`
		}, ""},
		"not everything at once, and trusted": {300, "", PageAll, func(l *lying, _, _ int, _ url.Values) string {
			return `{"totalResults": 300, "Resources": ` + l.rows(1, 101) + `}`
		}, "100 of 300 came"},

		"by cursor":                          {120, cursors, "", byCursor(true), ""},
		"by cursor, without totalResults":    {120, cursors, "", byCursor(false), ""},
		"by cursor, though nobody offers it": {120, "", PageCursor, byCursor(false), ""},
		"cursors are offered and ignored":    {120, cursors, "", honest(50), ""},
		"cursors are wanted and ignored":     {120, "", PageCursor, honest(50), "50 of 120 came; if that stays so, set Config.Paging to index"},
		"cursors are offered and refused": {120, cursors, "", func(l *lying, start, count int, q url.Values) string {
			if q.Has("cursor") {
				return ""
			}
			return honest(50)(l, start, count, q)
		}, ""},
		"cursors are offered, refused, and wanted": {120, cursors, PageCursor, func(*lying, int, int, url.Values) string { return "" }, "beyond the end"},
		"cursors are refused in the middle": {120, cursors, "", func(l *lying, start, count int, q url.Values) string {
			if q.Get("cursor") != "" {
				return ""
			}
			return byCursor(true)(l, start, count, q)
		}, "beyond the end"},
		"by cursor, a user twice and one not": {120, cursors, "", func(l *lying, _, count int, q url.Values) string {
			if q.Get("cursor") == "" {
				return `{"totalResults": 120, "Resources": ` + l.rows(1, 71) + `, "nextCursor": "a"}`
			}
			return `{"totalResults": 120, "Resources": ` + l.rows(70, 120) + `}`
		}, "119 of 120 came"},
		"by cursor, totalResults only at first": {120, cursors, "", func(l *lying, _, count int, q url.Values) string {
			if q.Get("cursor") == "" {
				return `{"totalResults": 120, "Resources": ` + l.rows(1, 71) + `, "nextCursor": "a"}`
			}
			return `{"Resources": ` + l.rows(71, 101) + `}`
		}, "100 of 120 came"},
		"by cursor, an empty page in the middle": {120, cursors, "", func(l *lying, _, count int, q url.Values) string {
			switch q.Get("cursor") {
			case "":
				return `{"totalResults": 120, "Resources": ` + l.rows(1, 71) + `, "nextCursor": "a"}`
			case "a":
				return `{"totalResults": 120, "nextCursor": 2}`
			}
			return `{"totalResults": 120, "resources": ` + l.rows(71, 121) + `, "nextCursor": null}`
		}, ""},
		"cursors are offered, ignored, not chosen": {120, cursors, PageIndex, honest(50), ""},
		"cursors in a circle": {120, cursors, "", func(l *lying, _, _ int, _ url.Values) string {
			return `{"Resources": ` + l.rows(1, 3) + `, "nextCursor": "again"}`
		}, "read already"},
		"cursors without resources, for ever": {120, cursors, "", func(l *lying, _, _ int, q url.Values) string {
			return `{"totalResults": 120, "Resources": [], "nextCursor": "x` + q.Get("cursor") + `"}`
		}, "hold nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			server := &lying{n: c.n, config: c.config, answer: c.answer}
			src := source(t, "http://127.0.0.1:1/scim/v2/", server, func(cfg *Config) { cfg.Paging = c.paging })
			count := 0
			var failed error
			for u, err := range src.Users(t.Context()) {
				if failed = err; err == nil {
					count++
					assert.NotEmpty(t, u.ID)
				}
			}
			if c.want != "" {
				require.ErrorContains(t, failed, c.want)
				return
			}
			require.NoError(t, failed)
			assert.Equal(t, c.n, count)
			assert.True(t, strings.HasPrefix(server.requests[len(server.requests)-1], "/scim/v2/Users?"))
		})
	}
}

// anew pages by position, and begins anew behind the end.
func anew(cap int) func(l *lying, start, count int, _ url.Values) string {
	return func(l *lying, start, count int, _ url.Values) string {
		if start > l.n {
			start = 1
		}
		return fmt.Sprintf(`{"totalResults": %d, "Resources": %s}`, l.n, l.rows(start, start+min(count, cap)))
	}
}

// byCursor pages by cursor, with or without totalResults.
func byCursor(total bool) func(l *lying, start, count int, query url.Values) string {
	return func(l *lying, _, count int, query url.Values) string {
		from, _ := strconv.Atoi(query.Get("cursor"))
		next := ""
		if from+count < l.n {
			next = fmt.Sprintf(`, "nextCursor": "%d"`, from+count)
		}
		if total {
			next += fmt.Sprintf(`, "totalResults": %d`, l.n)
		}
		return fmt.Sprintf(`{"Resources": %s%s}`, l.rows(from+1, from+1+count), next)
	}
}

// The server's abilities are requested. Not stating them is no error; failing to
// answer is.
func TestServiceProviderConfig(t *testing.T) {
	for status, want := range map[int]error{404: nil, 403: nil, 405: nil, 501: nil, 401: sources.ErrUnauthorized, 400: nil} {
		src := source(t, "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			if req.URL.Path == "/ServiceProviderConfig" {
				return respond(status, `{}`), nil
			}
			return respond(200, `{"totalResults": 0}`), nil
		}), func(cfg *Config) { cfg.Attempts = 1 })
		err := src.Check(t.Context())
		switch {
		case status == 400:
			require.Error(t, err)
		case want != nil:
			require.ErrorIs(t, err, want)
		default:
			require.NoError(t, err, status)
		}
	}
}

// If a page of groups is too large, fewer groups are requested.
func TestLargeGroups(t *testing.T) {
	member := `{"value": "` + strings.Repeat("x", 90) + `"}`
	var counts []string
	src := source(t, "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		query := req.URL.Query()
		start, _ := strconv.Atoi(query.Get("startIndex"))
		count, _ := strconv.Atoi(query.Get("count"))
		counts = append(counts, query.Get("count"))
		var rows []string
		for i := start; i < min(start+count, 11); i++ {
			rows = append(rows, fmt.Sprintf(`{"id": "g%d", "members": [%s]}`, i, strings.TrimSuffix(strings.Repeat(member+",", 10), ",")))
		}
		return respond(200, fmt.Sprintf(`{"totalResults": 10, "Resources": [%s]}`, strings.Join(rows, ","))), nil
	}), func(cfg *Config) { cfg.MaxPageBytes, cfg.Paging = 3000, PageIndex })
	n := 0
	for g, err := range src.Groups(t.Context()) {
		require.NoError(t, err)
		assert.Len(t, g.Members, 1)
		n++
	}
	assert.Equal(t, 10, n)
	assert.Equal(t, []string{"100", "25", "6", "1", "1"}, counts[:5])
}

func TestExplain(t *testing.T) {
	for body, want := range map[string]string{
		`{"detail": "a"}`: "a", `{"scimType": "invalidFilter", "detail": "b"}`: "invalidFilter: b", `{"error": "invalid_scope", "error_description": "c"}`: "invalid_scope: c",
		`{"detail": 7, "error": "x"}`: "", `[]`: "", `x`: "",
	} {
		detail, reason := explain(400, []byte(body))
		assert.Equal(t, want, detail, body)
		require.NoError(t, reason)
	}
	_, reason := explain(400, []byte(`{"scimType": "expiredCursor"}`))
	require.ErrorIs(t, reason, sources.ErrUnavailable)
	_, reason = explain(400, []byte(`{"error": "invalid_client"}`))
	require.ErrorIs(t, reason, sources.ErrUnauthorized)
}
