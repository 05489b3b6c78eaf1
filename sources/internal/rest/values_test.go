package rest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func TestText(t *testing.T) {
	for text, want := range map[string]Text{
		`{}`: {}, `{"x": null}`: {"", true}, `{"x": ""}`: {"", true}, `{"x": "a\u00e9"}`: {"aé", true},
		`{"x": 12345678901234567890}`: {"12345678901234567890", true}, `{"x": 1.50}`: {"1.50", true}, `{"x": false}`: {"false", true},
	} {
		var got struct{ X Text }
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		assert.Equal(t, want, got.X, text)
	}
	for _, text := range []string{`{"x": {}}`, `{"x": ["a"]}`} {
		require.Error(t, json.Unmarshal([]byte(text), &struct{ X Text }{}), text)
	}
}

func TestTexts(t *testing.T) {
	for text, want := range map[string]Texts{
		`{}`: {}, `{"x": null}`: {nil, true}, `{"x": []}`: {[]string{}, true}, `{"x": ["a", 7]}`: {[]string{"a", "7"}, true},
	} {
		var got struct{ X Texts }
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		assert.Equal(t, want, got.X, text)
	}
	for _, text := range []string{`{"x": {}}`, `{"x": "a"}`, `{"x": 1}`, `{"x": [null]}`, `{"x": [[]]}`, `{"x": ["a", ""]}`} {
		require.Error(t, json.Unmarshal([]byte(text), &struct{ X Texts }{}), text)
	}
}

// S34: every field of a user can be set by its name in JSON.
func TestSetField(t *testing.T) {
	names := []string{
		"user_name", "email", "private_email", "given_name", "family_name", "title", "phone", "mobile_phone",
		"phone_extension", "timezone", "country", "state", "locale",
	}
	for _, name := range names {
		var u sources.User
		require.True(t, SetField(&u, name, sources.Values{"", "x", "y"}), name)
		require.True(t, SetField(&u, name, sources.Values{""}), name)
		data, err := json.Marshal(u)
		require.NoError(t, err)
		assert.JSONEq(t, `{"id": "", "status": "unknown", "`+name+`": "x"}`, string(addStatus(t, data)), "an empty text clears nothing (S11)")
	}
	for _, key := range []string{"email", "id", "name"} {
		var u sources.User
		require.True(t, SetField(&u, "manager."+key, sources.Values{"x"}))
		data, err := json.Marshal(u.Manager)
		require.NoError(t, err)
		assert.JSONEq(t, `{"`+key+`": "x"}`, string(data))
	}
	for _, name := range []string{"department", "division", "cost_center", "employee_number", "organization"} { // S35
		var u sources.User
		require.True(t, SetField(&u, name, sources.Values{"x", ""}))
		assert.Equal(t, map[string]sources.Values{name: {"x"}}, u.Attributes)
	}
	for _, values := range []sources.Values{{"a@x.example, b@x.example;c@x.example"}, {"a@x.example", "b@x.example", "", "c@x.example"}} { // R66
		var u sources.User
		require.True(t, SetField(&u, "other_emails", values))
		assert.Equal(t, []string{"a@x.example", "b@x.example", "c@x.example"}, u.OtherEmails)
	}
	for _, name := range []string{"", "id", "status", "manager", "zone", "attributes", "Email"} {
		assert.False(t, SetField(&sources.User{}, name, sources.Values{"x"}), name)
	}
}

// addStatus adds the status, which JSON leaves out where it is unknown.
func addStatus(t *testing.T, data []byte) []byte {
	t.Helper()
	var fields map[string]any
	require.NoError(t, json.Unmarshal(data, &fields))
	fields["status"] = "unknown"
	data, err := json.Marshal(fields)
	require.NoError(t, err)
	return data
}

func TestSetAttribute(t *testing.T) {
	var u sources.User
	SetAttribute(&u, "none")
	SetAttribute(&u, "empty", "", "")
	assert.Nil(t, u.Attributes)
	given := []string{"a", "", "b"}
	SetAttribute(&u, "some", given...)
	given[0] = "changed"
	assert.Equal(t, map[string]sources.Values{"some": {"a", "b"}}, u.Attributes)
}

func TestBudget(t *testing.T) {
	seconds := Budget{Limit: "L", Remaining: "R", Reset: "S"}
	keeping := Budget{Limit: "L", Remaining: "R", Reset: "S", Keep: 10}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	epoch := Budget{Limit: "L", Remaining: "R", Reset: "S", Epoch: true}
	at := strconv.FormatInt(now.Add(40*time.Second).Unix(), 10)
	for name, c := range map[string]struct {
		budget                  Budget
		status                  int
		limit, remaining, reset string
		date                    time.Time
		want                    time.Duration
	}{
		"enough left":              {seconds, 200, "100", "1", "30", now, 0},
		"used up":                  {seconds, 200, "100", "0", "30", now, 30 * time.Second},
		"refused":                  {seconds, 429, "100", "7", "30", now, 30 * time.Second},
		"refused, the rest unsaid": {seconds, 429, "", "", "30", now, 30 * time.Second},
		"nothing said":             {seconds, 429, "", "", "", now, 0},
		"nonsense":                 {seconds, 429, "", "", "soon", now, 0},
		"negative":                 {seconds, 429, "", "", "-5", now, 0},
		"far":                      {seconds, 429, "", "", "9223372036854775807", now, 365 * 24 * time.Hour},
		"no remaining":             {seconds, 200, "100", "", "30", now, 0},
		"a share kept":             {keeping, 200, "100", "10", "30", now, 30 * time.Second},
		"above the share":          {keeping, 200, "100", "11", "30", now, 0},
		"a share of an odd limit":  {keeping, 200, "75", "7", "30", now, 30 * time.Second},
		"no limit, nothing kept":   {keeping, 200, "", "1", "30", now, 0},
		"epoch":                    {epoch, 429, "100", "0", at, now, 40 * time.Second},
		"epoch, gone by":           {epoch, 429, "100", "0", at, now.Add(time.Hour), 0},
		"epoch, another clock":     {epoch, 429, "100", "0", at, now.Add(-time.Minute), 100 * time.Second},
	} {
		header := http.Header{"L": {c.limit}, "R": {c.remaining}, "S": {c.reset}, "Date": {c.date.Format(http.TimeFormat)}}
		assert.Equal(t, c.want, c.budget.Wait(c.status, header), name)
	}
	soon := strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10)
	assert.InDelta(t, 60, epoch.Wait(429, http.Header{"S": {soon}}).Seconds(), 5, "without a Date by our own clock")
}

// No request goes to another host, wherever a link leads.
func TestOrigin(t *testing.T) {
	origin, err := url.Parse("https://api.example")
	require.NoError(t, err)
	var count atomic.Int32
	auth := &keyAuth{}
	tr := New(Config{Base: inOrder(&count, say(200, `{}`)), Origin: origin, Auth: auth})
	for _, address := range []string{"https://evil.example/x", "http://api.example/x", "https://api.example:8443/x", "https://api.example.evil.example/x"} {
		_, err := tr.Get(t.Context(), address)
		require.ErrorIs(t, err, sources.ErrMalformed)
		require.ErrorContains(t, err, "another host")
	}
	assert.Zero(t, count.Load())
	_, err = tr.Get(t.Context(), "https://API.example/x")
	require.NoError(t, err)
}

func TestBodyIsClosed(t *testing.T) {
	closed := 0
	for _, status := range []int{200, 404} {
		tr := New(Config{Base: baseFunc(func(*http.Request) (*http.Response, error) {
			resp := answer(status, `{}`)
			resp.Body = closing{resp.Body, &closed}
			return resp, nil
		})})
		resp, err := tr.Get(t.Context(), "https://api.example/x")
		assert.Equal(t, status == 200, err == nil)
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
	}
	assert.Equal(t, 2, closed)
}

type closing struct {
	io.ReadCloser
	closed *int
}

func (c closing) Close() error {
	*c.closed++
	return c.ReadCloser.Close()
}
