package rippling

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// answers gives one answer after another, and repeats the last.
func answers(requests *[]string, bodies ...string) http.RoundTripper {
	return resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		body := bodies[min(len(*requests), len(bodies)-1)]
		*requests = append(*requests, req.URL.String())
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}, "Rippling-Api-Version": {"2023-01-01"}},
			Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	})
}

func collect(t *testing.T, src sources.Source) ([]string, error) {
	t.Helper()
	var ids []string
	for u, err := range src.Users(t.Context()) {
		if err != nil {
			return ids, err
		}
		ids = append(ids, u.ID)
	}
	return ids, nil
}

// A link comes with or without the host, and leads to no other host.
func TestNextLink(t *testing.T) {
	for link, want := range map[string]string{
		"/workers?cursor=a%3D":                   "http://127.0.0.1:1/workers?cursor=a%3D",
		"http://127.0.0.1:1/workers/?cursor=a+b": "http://127.0.0.1:1/workers/?cursor=a+b",
		"?cursor=c":                              "http://127.0.0.1:1/workers?cursor=c",
		"https://evil.example/workers?cursor=a":  "",
		"//evil.example/workers?cursor=a":        "",
		"http://127.0.0.1:2/workers?cursor=a":    "",
		"http://user@127.0.0.1:1/workers":        "",
		"%zz":                                    "",
	} {
		var requests []string
		src := source(t, "http://127.0.0.1:1", answers(&requests,
			`{"results": [{"id": "1"}], "next_link": "`+link+`"}`, `{"results": [{"id": "1"}, {"id": "2"}], "next_link": ""}`))
		ids, err := collect(t, src)
		if want == "" {
			require.ErrorIs(t, err, sources.ErrMalformed, link)
			assert.Len(t, requests, 1)
			continue
		}
		require.NoError(t, err, link)
		assert.Equal(t, []string{"1", "2"}, ids, "a row that comes twice is listed once")
		assert.Equal(t, want, requests[1])
	}
}

func TestAnswersThatProveNothing(t *testing.T) {
	for _, body := range []string{`{}`, `{"results": null}`, `{"next_link": null}`, `[]`, `{"results": {}}`, `{"results": [{"id": "1"}], "next_link": {}}`, `{"data": []}`} {
		var requests []string
		_, err := collect(t, source(t, "http://127.0.0.1:1", answers(&requests, body)))
		require.ErrorIs(t, err, sources.ErrMalformed, body)
	}
	var requests []string
	ids, err := collect(t, source(t, "http://127.0.0.1:1", answers(&requests, `{"results": []}`)))
	require.NoError(t, err, "a company without workers")
	assert.Empty(t, ids)
	assert.Equal(t, []string{"http://127.0.0.1:1/workers?limit=100&expand=user,department,legal_entity,employment_type,level,teams,custom_fields"}, requests)
}

// S12: a link that leaves out what was asked for gives workers whose departments,
// teams and names are not known. They are not taken to have none.
func TestLinkWithoutExpand(t *testing.T) {
	users, groups := company()
	d := fake.NewDirectory()
	d.PutUsers(users[1:]...)
	d.PutUsers(users[0])
	d.PutGroups(groups...)
	company := fake.Transport(face(d))
	for _, expand := range []string{"", "user", "user,department,legal_entity,employment_type,level", "department,legal_entity,employment_type,level,teams,custom_fields"} {
		src := source(t, "http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			query := req.URL.Query()
			query.Set("expand", expand)
			req.URL.RawQuery = query.Encode()
			return company.RoundTrip(req)
		}))
		listed := make(map[string]sources.Status)
		for u, err := range src.Users(t.Context()) {
			require.NoError(t, err, expand)
			listed[u.ID] = u.Status
		}
		require.Equal(t, sources.StatusUnknown, listed[users[0].ID], expand)
		one, err := src.One(t.Context(), users[0].ID)
		require.NoError(t, err, expand)
		require.Equal(t, sources.StatusUnknown, one.User.Status, expand)
	}
}

// The version of the API is requested, and the version of the answer is logged.
func TestVersion(t *testing.T) {
	var log bytes.Buffer
	var requests []string
	var asked []string
	inner := answers(&requests, `{"results": []}`)
	src, err := New(Config{
		URL: "http://127.0.0.1:1", Token: token, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Transport: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			asked = append(asked, req.Header.Get("Rippling-Api-Version"))
			return inner.RoundTrip(req)
		}),
	})
	require.NoError(t, err)
	for range 3 {
		_, err = collect(t, src)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"2024-08-01", "2024-08-01", "2024-08-01"}, asked)
	assert.Equal(t, 1, strings.Count(log.String(), "\n"))
	assert.Contains(t, log.String(), "asked=2024-08-01 answered=2023-01-01")
}

// A redacted manager makes a listing and Check fail.
func TestRedactedManager(t *testing.T) {
	users, _ := company()
	d := fake.NewDirectory()
	d.PutUsers(users...)
	company := face(d).(*fake.Rippling)
	company.Redacted = []string{"manager_id", "department"}
	src := source(t, "http://127.0.0.1:1", fake.Transport(company))
	require.ErrorIs(t, src.Check(t.Context()), sources.ErrForbidden)
	ids, err := collect(t, src)
	require.ErrorContains(t, err, "may not see manager_id, department of workers")
	assert.Empty(t, ids)

	src, err = New(Config{URL: "http://127.0.0.1:1", Token: token, Transport: fake.Transport(company), NoManagers: true, Hidden: []string{"department"}})
	require.NoError(t, err)
	snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Len(t, snapshot.Users, len(users))
	assert.False(t, snapshot.Proven.Has(sources.FactManagers))
}

func TestExplain(t *testing.T) {
	for body, want := range map[string]string{
		`{"message": "a"}`: "a", `{"detail": "b"}`: "b", `{"error": "c"}`: "c", `{"error": {"message": "d"}}`: "d", `[]`: "", `x`: "",
	} {
		detail, reason := explain(400, []byte(body))
		assert.Equal(t, want, detail, body)
		require.NoError(t, reason)
	}
}
