package entra

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// An answer without an end mark is not the end; a link leads to this API only.
func TestAnswersThatProveNothing(t *testing.T) {
	for _, body := range []string{
		`{}`, `[]`, `{"value": null}`, `{"value": null, ` + usersEnd, `{` + usersEnd, `{"value": []}`, `{"value": {}}`, `{"value": [], "@odata.nextLink": ""}`, `{"value": [7], ` + usersEnd,
		`{"value": [{}], ` + usersEnd, `{"value": [], "@odata.nextLink": "` + host + `/v1.0/users/delta?$skiptoken=1", ` + usersEnd,
		`{"value": [], "@odata.nextLink": "https://evil.example/v1.0/users/delta?$skiptoken=1"}`,
		`{"value": [], "@odata.nextLink": "http://user@127.0.0.1:1/v1.0/users/delta"}`,
		`{"value": [], "@odata.nextLink": "%zz"}`, `{"value": [], "@odata.nextLink": {}}`,
		`{"value": [], "@odata.deltaLink": "https://evil.example/v1.0/users/delta?$deltatoken=1"}`,
	} {
		src, s := scripted(t, Config{}, map[string]string{"/users/delta": body})
		users := 0
		var failed error
		for _, err := range src.Users(t.Context()) {
			if failed = err; err == nil {
				users++
			}
		}
		require.ErrorIs(t, failed, sources.ErrMalformed, body)
		assert.Zero(t, users)
		assert.Len(t, s.requests, 1)
	}
	// A list ends as lists do.
	src, _ := scripted(t, Config{}, map[string]string{"/users": `{"value": [], ` + usersEnd})
	for _, err := range src.Groups(t.Context()) {
		require.ErrorIs(t, err, sources.ErrMalformed)
	}
}

// A tenant may have no people and no groups.
func TestEmptyTenant(t *testing.T) {
	src, _ := scripted(t, Config{}, map[string]string{"/users/delta": `{"value": [], ` + usersEnd, "/users": `{"value": []}`, "/groups/delta": groupsEnd})
	snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Empty(t, snapshot.Users)
	assert.Equal(t, sources.FactAll, snapshot.Proven)
}

// An incomplete batch is an error. For a refused request of a batch, its reason
// counts.
func TestBatches(t *testing.T) {
	ask := func(answer string) error {
		src := source(t, Config{URL: host, Credential: fixed("t"), Attempts: 1, TimeZones: true, Transport: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			body := `{"value": [` + user("a", "") + `], ` + usersEnd
			if req.Method == http.MethodPost {
				body = answer
			}
			return resttest.JSON(200, body), nil
		})})
		for _, err := range src.Users(t.Context()) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	for answer, want := range map[string]error{
		`{"responses": [{"id": "0", "status": 200, "body": {"value": "UTC"}}]}`:                                          nil,
		`{"responses": [{"id": "0", "status": 404, "body": {"error": {"code": "MailboxNotEnabledForRESTAPI"}}}]}`:        nil,
		`{"responses": [{"id": "0", "status": 403, "body": {"error": {"code": "ErrorAccessDenied"}}}]}`:                  nil,
		`{"responses": [{"id": "0", "status": 401, "body": {}}]}`:                                                        sources.ErrUnauthorized,
		`{"responses": [{"id": "0", "status": 429, "headers": {"Retry-After": 3}, "body": {}}]}`:                         sources.ErrRateLimited,
		`{"responses": [{"id": "0", "status": 503, "headers": {"Retry-After": "3"}, "body": {"error": {"code": "x"}}}]}`: sources.ErrUnavailable,
		`{"responses": []}`: sources.ErrMalformed,
		`{}`:                sources.ErrMalformed,
		`{"responses": [{"id": "0", "status": 200}]}`:                                                                                sources.ErrMalformed,
		`{"responses": [{"id": "1", "status": 200}]}`:                                                                                sources.ErrMalformed,
		`{"responses": [{"id": "-1", "status": 200}]}`:                                                                               sources.ErrMalformed,
		`{"responses": [{"id": "0", "status": "ok"}]}`:                                                                               sources.ErrMalformed,
		`{"responses": [{"id": "0", "status": 0}]}`:                                                                                  sources.ErrMalformed,
		`{"responses": [{"id": "0", "status": 302, "headers": {"Location": "https://evil.example/"}, "body": {}}]}`:                  sources.ErrMalformed,
		`{"responses": [{"id": "0", "status": 200, "body": {"value": {}}}]}`:                                                         sources.ErrMalformed,
		`{"responses": [{"id": "0", "status": 200, "body": {}}]}`:                                                                    sources.ErrMalformed,
		`{"responses": [{"id": "0", "status": 200, "body": {"value": null}}, {"id": "0", "status": 200, "body": {"value": "UTC"}}]}`: nil,
	} {
		err := ask(answer)
		if want == nil {
			require.NoError(t, err, answer)
			continue
		}
		require.ErrorIs(t, err, want, answer)
	}
}

// Refused requests of a batch wait as long as Outlook asks, and are sent again
// together with other waiting requests; answered ones are not. Here Outlook serves
// eight at a time.
func TestPartsOfABatchAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := fake.NewDirectory()
		d.SetClock(time.Now)
		users, _ := fake.Company(50, 0)
		for i := range users {
			users[i].TimeZone = "Tokyo Standard Time"
		}
		d.PutUsers(users...)
		tenant := &fake.Entra{Directory: d, ClientID: clientID, ClientSecret: secret, Concurrent: 8}
		var sizes []int
		transport := fake.Transport(tenant)
		src := source(t, config(host, resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost && req.Body != nil && strings.HasSuffix(req.URL.Path, "$batch") {
				body, err := io.ReadAll(req.Body)
				require.NoError(t, err)
				var batch struct{ Requests []any }
				require.NoError(t, json.Unmarshal(body, &batch))
				sizes = append(sizes, len(batch.Requests))
				req.Body = io.NopCloser(strings.NewReader(string(body)))
			}
			return transport.RoundTrip(req)
		})))
		began := time.Now()
		count := 0
		for u, err := range src.Users(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, "Tokyo Standard Time", u.TimeZone, "as Windows names it; package timezone knows it")
			count++
		}
		assert.Equal(t, 50, count)
		assert.Equal(t, []int{20, 20, 20, 20, 18, 10, 2}, sizes)
		assert.Equal(t, 6*time.Second, time.Since(began), "a second for each batch that was refused in part")
	})
}

// Not found, forbidden, and refused requests.
func TestExplain(t *testing.T) {
	body := func(code string) string { return `{"error": {"code": "` + code + `", "message": "m"}}` }
	for _, c := range []struct {
		status int
		body   string
		detail string
		reason error
	}{
		{404, body("Request_ResourceNotFound"), "Request_ResourceNotFound: m", nil},
		{403, body("Authorization_RequestDenied"), "Authorization_RequestDenied: m", nil},
		{410, body("resyncRequired"), "resyncRequired: m", sources.ErrCursorExpired},
		{410, `{}`, "", sources.ErrCursorExpired},
		{400, body("SyncStateNotFound"), "SyncStateNotFound: m", sources.ErrCursorExpired},
		{404, body("syncStateNotFound"), "syncStateNotFound: m", sources.ErrCursorExpired},
		{400, body("syncStateInvalid"), "syncStateInvalid: m", sources.ErrCursorExpired},
		{503, body("syncStateNotFound"), "syncStateNotFound: m", nil},
		{400, body("Directory_ExpiredPageToken"), "Directory_ExpiredPageToken: m", sources.ErrUnavailable},
		{400, body("BadRequest"), "BadRequest: m", sources.ErrBadQuery},
		{400, `{"error": {"message": "m"}}`, "m", sources.ErrBadQuery},
		{400, `{"error": "invalid_client"}`, "", sources.ErrBadQuery},
		{500, `[]`, "", nil}, {500, `null`, "", nil}, {500, `no JSON`, "", nil}, {500, ``, "", nil},
		{500, `{"error": {"code": 7}}`, "", nil},
	} {
		detail, reason := explain(c.status, []byte(c.body))
		assert.Equal(t, c.detail, detail, c.body)
		assert.Equal(t, c.reason, reason, c.body)
	}
}

// 410 means that a cursor has expired, whatever the body says.
func TestGone(t *testing.T) {
	for _, body := range []string{"410 {}", "410 no JSON", `410 {"error": {"code": "x"}}`, `400 {"error": {"code": "syncStateNotFound", "message": "m"}}`} {
		src, _ := scripted(t, Config{}, map[string]string{"/users/delta?$deltatoken=u": body})
		lines, err := told(t, src, at(src))
		require.ErrorIs(t, err, sources.ErrCursorExpired, body)
		require.Empty(t, lines)
		src, _ = scripted(t, Config{}, map[string]string{"/users/delta?$deltatoken=u": `{"value": [], ` + usersEnd, "/groups/delta?$deltatoken=g": body})
		_, err = told(t, src, at(src))
		require.ErrorIs(t, err, sources.ErrCursorExpired, body)
	}
}

func TestPace(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0.5": 0, "0.8": 0, "0.9": time.Second, "1.8": 10 * time.Second, "9": 10 * time.Second, "NaN": 0, "much": 0, "-1": 0,
	} {
		assert.InDelta(t, want, pace(200, http.Header{"X-Ms-Throttle-Limit-Percentage": {value}}), float64(time.Millisecond), value)
	}
	assert.Zero(t, pace(429, http.Header{"X-Ms-Throttle-Limit-Percentage": {"1.2"}}))
}

// The tenant's allowance is respected: the source pauses before it is used up, and
// as long as a refusal asks.
func TestAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := fake.NewDirectory()
		d.SetClock(time.Now)
		users, groups := fake.Company(400, 20)
		d.PutUsers(users...)
		d.PutGroups(groups...)
		refused := 0
		transport := fake.Transport(&fake.Entra{Directory: d, ClientID: clientID, ClientSecret: secret, DeltaRows: 2, Units: 60})
		cfg := config(host, resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := transport.RoundTrip(req)
			if err == nil && resp.StatusCode == http.StatusTooManyRequests {
				refused++
			}
			return resp, err
		}))
		cfg.TimeZones = false
		snapshot, err := sources.Collect(t.Context(), source(t, cfg), sources.CollectConfig{})
		require.NoError(t, err)
		assert.Len(t, snapshot.Users, 400)
		assert.LessOrEqual(t, refused, 4)
	})
}

// Check finds missing permissions.
func TestCheckFindsWhatIsMissing(t *testing.T) {
	d := fake.NewDirectory()
	users, _ := company()
	d.PutUsers(users...)
	tenant := face(d)
	src := source(t, config(host, fake.Transport(tenant)))
	require.NoError(t, src.Check(t.Context()))
	tenant.NoMailboxes = true
	require.ErrorIs(t, src.Check(t.Context()), sources.ErrForbidden)
	tenant.NoMailboxes, tenant.Limited = false, []string{id(1)}
	require.ErrorIs(t, src.Check(t.Context()), sources.ErrForbidden)
	require.ErrorContains(t, src.Check(t.Context()), "User.Read.All")

	// S12: a listing has these users, with an unknown status.
	for u, err := range src.Users(t.Context()) {
		require.NoError(t, err)
		if u.ID == id(1) {
			u.TimeZone = ""
			assert.Equal(t, sources.User{ID: id(1)}, u)
		}
	}
	one, err := src.One(t.Context(), id(1))
	require.NoError(t, err)
	assert.True(t, one.Found)
	assert.Equal(t, sources.StatusUnknown, one.User.Status)
	assert.False(t, one.Proven.Has(sources.FactManagers), "of which nothing is known")

	src = source(t, Config{URL: host, Transport: fake.Transport(tenant), Credential: &login{address: host, transport: fake.Transport(tenant)}, Properties: []string{"noSuchThing"}})
	_, err = sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.ErrorIs(t, err, sources.ErrBadQuery)
	require.ErrorContains(t, err, "Could not find a property named 'noSuchThing'")
}

// Any body of a refused request is read without a panic.
func FuzzExplain(f *testing.F) {
	f.Add(410, []byte(`{"error": {"code": "resyncRequired", "message": "m", "innerError": {"date": "2026-01-01T00:00:00", "request-id": "x"}}}`))
	f.Add(400, []byte(`{"error": {"code": "X", "details": [{"code": "a"}, 7, null], "innerError": {"innerError": {"code": "y"}}}}`))
	f.Add(400, []byte(`{"error": {"": {}}, "": null}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		detail, _ := explain(status, body)
		if detail != "" {
			require.True(t, json.Valid(body))
		}
	})
}

// With any answer to a batch, each request has its own answer or the batch is an
// error.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"responses": [{"id": "1", "status": 200, "body": {"value": "UTC"}}, {"id": "0", "status": 404, "headers": {"A": "b"}, "body": {}}]}`))
	f.Add([]byte(`{"responses": [{"id": "0", "status": 200, "body": null}, null]}`))
	f.Add([]byte(`{"responses": [{"id": "0", "status": 200, "body": null}, {"id": "1", "status": 200}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		src := source(t, Config{URL: host, Credential: fixed("t"), Attempts: 1, Transport: resttest.RoundTripper(func(*http.Request) (*http.Response, error) {
			return resttest.JSON(200, string(body)), nil
		})})
		outcomes, err := src.api.batch(t.Context(), []string{"/a", "/b"})
		if err != nil {
			return
		}
		require.Len(t, outcomes, 2)
		for _, o := range outcomes {
			require.True(t, o.failure != nil || isGiven(o.body))
		}
	})
}

// An answer that begins well and ends with an error is not the end of a list,
// wherever a list is read.
func TestListBreaksOff(t *testing.T) {
	const broken = `"error": {"code": "InternalServerError", "message": "later"}`
	read := func(cfg Config, answers map[string]string) error {
		src, _ := scripted(t, cfg, answers)
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		assert.False(t, snapshot.Proven.Has(sources.FactAll))
		return err
	}
	whole := map[string]string{
		"/users/delta": `{"value": [` + user("a", "") + `], ` + usersEnd, "/users": `{"value": [{"id": "a"}]}`, "/groups/delta": groupsEnd,
		"/groups/g": `{"id": "g", "displayName": "Sales"}`, "/groups/g/members": `{"value": []}`, "/groups/g/transitiveMembers": `{"value": []}`,
	}
	for _, path := range []string{"/users/delta", "/users", "/groups/delta", "/groups/g/transitiveMembers"} {
		cfg := Config{}
		if strings.HasPrefix(path, "/groups/g") {
			cfg.Groups = []string{"g"}
		}
		answers := maps.Clone(whole)
		answers[path] = strings.TrimSuffix(answers[path], "}") + ", " + broken + "}"
		err := read(cfg, answers)
		require.ErrorIs(t, err, sources.ErrMalformed, path)
		require.ErrorContains(t, err, "breaks off with an error", path)
	}
}

// A list or a delta that repeats itself without end, with new links each time,
// gives an error.
func TestEndlessList(t *testing.T) {
	for _, of := range []string{"/users/delta", "/users", "/groups/delta"} {
		n := 0
		src := source(t, Config{URL: host, Credential: fixed("t"), Attempts: 1, Transport: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			body := `{"value": [], ` + usersEnd
			switch strings.TrimPrefix(req.URL.Path, "/v1.0") {
			case of:
				n++
				body = fmt.Sprintf(`{"value": [{"id": "a", "displayName": "%d", "members@delta": [{"id": "b"}]}], "@odata.nextLink": "%s/v1.0%s?$skiptoken=%d"}`, n, host, of, n)
			case "/users":
				body = `{"value": []}`
			}
			return resttest.JSON(200, body), nil
		})})
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.ErrorIs(t, err, sources.ErrMalformed, of)
		require.ErrorContains(t, err, "pages in a row tell nothing new", of)
		assert.False(t, snapshot.Proven.Has(sources.FactAll))
		assert.Equal(t, mostRepeated+2, n, of)
	}
}
