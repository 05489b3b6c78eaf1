package recording

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources/internal/rest"
	"github.com/usher-go/usher/sources/internal/resttest"
)

// answering gives every request the same answer.
func answering(status int, header http.Header, body string) http.RoundTripper {
	return resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	})
}

func send(t *testing.T, transport http.RoundTripper, method, address string, header http.Header, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// files returns the content of a recording by file name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		if !entry.IsDir() {
			data, err := os.ReadFile(filepath.Join(dir, path))
			require.NoError(t, err)
			all[path] = string(data)
		}
		return nil
	}))
	return all
}

// A replay gives what was recorded: the status, the saved headers, and the JSON
// unchanged, including a number that no float can hold and a repeated member.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	const body = `{"id": 12345678901234567890, "id": 2.50, "note": "a\u00e9 <b>", "list": [null, true, {"z": "", "a": "x"}]}`
	header := http.Header{
		"Content-Type": {"application/json"}, "Link": {`<https://acme.okta.com/api/v1/users?after=b>; rel="next"`, `<https://acme.okta.com/api/v1/users>; rel="self"`},
		"X-Rate-Limit-Limit": {"600"}, "X-Rate-Limit-Remaining": {"17"}, "Set-Cookie": {"sid=c4n4ry"}, "X-Okta-Request-Id": {"abc"},
	}
	recorder, err := New(dir, Config{Base: answering(200, header, body)})
	require.NoError(t, err)
	_, live, err := send(t, recorder, http.MethodGet, "https://acme.okta.com/api/v1/users?limit=2", nil, "")
	require.NoError(t, err)
	assert.Equal(t, body, live)
	assert.Contains(t, files(t, dir)["000001-get-api-v1-users.json"], `"X-Rate-Limit-Remaining"`)

	player, err := Open(os.DirFS(dir))
	require.NoError(t, err)
	resp, played, err := send(t, player, http.MethodGet, "https://acme.okta.com/api/v1/users?limit=2", nil, "")
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, compact(t, body), compact(t, played))
	delete(header, "Set-Cookie")
	delete(header, "X-Rate-Limit-Remaining") // is not waited for
	delete(header, "X-Okta-Request-Id")
	assert.Equal(t, header, resp.Header)

	_, _, err = send(t, player, http.MethodGet, "https://acme.okta.com/api/v1/groups", nil, "")
	require.EqualError(t, err, "recording: there is no answer to GET acme.okta.com/api/v1/groups")
	_, _, err = send(t, player, http.MethodGet, "https://evil.example/api/v1/users?limit=2", nil, "")
	require.ErrorContains(t, err, "there is no answer")
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	for _, r := range strings.ReplaceAll(text, `\u00e9`, "é") {
		if !strings.ContainsRune(" \n", r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Repeated requests get their answers in turn, and then from the first again.
func TestTurns(t *testing.T) {
	dir, n := t.TempDir(), 0
	recorder, err := New(dir, Config{Base: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		n++
		return answering(200, http.Header{}, fmt.Sprintf("%d", n)).RoundTrip(req)
	})})
	require.NoError(t, err)
	for range 12 {
		_, _, err := send(t, recorder, http.MethodPost, "https://x.example/$batch", nil, "{}")
		require.NoError(t, err)
	}
	player, err := Open(os.DirFS(dir))
	require.NoError(t, err)
	for i := range 15 {
		_, played, err := send(t, player, http.MethodPost, "https://x.example/$batch", nil, "{}")
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint(i%12+1), played)
	}
}

// Failures are replayed: no answer, a cut-off body, a page that is not JSON.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		base resttest.RoundTripper
		body string
		text string
	}{
		"no answer": {func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, "", "connection refused"},
		"a cut body": {func(req *http.Request) (*http.Response, error) {
			resp, err := answering(200, http.Header{}, "").RoundTrip(req)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"id":`), failing{io.ErrUnexpectedEOF}))
			return resp, err
		}, `{"id":`, "unexpected EOF"},
		"a page": {func(req *http.Request) (*http.Response, error) {
			return answering(502, http.Header{"Content-Type": {"text/html"}}, "<html>\xff bad gateway").RoundTrip(req)
		}, "<html>� bad gateway", ""},
		"nothing": {func(req *http.Request) (*http.Response, error) {
			return answering(200, http.Header{}, "").RoundTrip(req)
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			recorder, err := New(dir, Config{Base: c.base})
			require.NoError(t, err)
			_, _, failed := send(t, recorder, http.MethodGet, "https://x.example/", nil, "")
			player, err := Open(os.DirFS(dir))
			require.NoError(t, err)
			_, played, again := send(t, player, http.MethodGet, "https://x.example/", nil, "")
			assert.Equal(t, c.body, played)
			if c.text == "" {
				require.NoError(t, failed)
				require.NoError(t, again)
				return
			}
			require.ErrorContains(t, failed, c.text)
			require.ErrorContains(t, again, c.text)
		})
	}
}

// No file contains any of the credentials.
func TestNoCredentialIsSaved(t *testing.T) {
	const given, sent, password, issued, refresh, cookie, key = "c4n4ry/given+&é", "c4n4ry-sent-token", "c4n4ry-password", "c4n4ry-issued", "c4n4ry-refresh", "c4n4ry-cookie", "c4n4ry-api-key"
	jwt := "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"c4n4ry"}`)) + ".c2lnbmF0dXJl"
	dir := t.TempDir()
	bodies := map[string]string{
		"/token": `{"access_token": "` + issued + `", "refresh_token":"` + refresh + `", "signature"` + strings.Repeat(" ", 100) + `: "c4n4ry-signature", "token_type": "Bearer"}`,
		"/echo":  `{"error": "the token ` + issued + ` and ` + sent + ` of ` + password + ` with ` + cookie + `", "x": ["` + url.QueryEscape(given) + `", {"` + issued + `": "` + jwt + `"}], "sid": "c4n4ry-sid"}`,
		"/html":  `<a href="/x?access_token=` + sent + `&password=c4n4ry-form">` + refresh + ` 00D000000000001!AQ4c4n4ry</a>`,
	}
	recorder, err := New(dir, Config{Secrets: []string{given, ""}, Base: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/fails" {
			return nil, fmt.Errorf("cannot send %s with %s", req.URL, req.Header.Get("Authorization"))
		}
		return answering(200, http.Header{
			"Content-Type": {"application/json"}, "Set-Cookie": {"sid=" + cookie}, "Www-Authenticate": {"c4n4ry"}, "Link": {"<https://x.example/next?sid=c4n4ry-link&after=1>"},
		}, bodies[req.URL.Path]).RoundTrip(req)
	})})
	require.NoError(t, err)
	for _, path := range []string{"/token", "/echo", "/html", "/fails?access_token=" + sent, "/echo?password=" + password + "&q=" + url.QueryEscape(given)} {
		for _, header := range []http.Header{
			{"Authorization": {"SSWS " + sent}, "Cookie": {"a=" + cookie + "; b=" + cookie + "2"}, "X-Api-Key": {key}},
			{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("client:"+password))}},
			{"Authorization": {"Bearer " + issued}, "Dpop": {jwt}},
		} {
			_, _, _ = send(t, recorder, http.MethodPost, "https://x.example"+path, header, "client_secret="+url.QueryEscape(given))
		}
	}
	all := files(t, dir)
	assert.Len(t, all, 15)
	for name, text := range all {
		for _, canary := range []string{"c4n4ry", "c4n4", url.QueryEscape(given), base64.StdEncoding.EncodeToString([]byte("client:" + password)), "eyJhbGciOiJSUzI1NiJ9"} {
			assert.NotContains(t, text, canary, name)
			assert.NotContains(t, name, canary)
		}
		var saved exchange
		require.NoError(t, json.Unmarshal([]byte(text), &saved))
	}
	shown := resttest.Shown(t, recorder) + resttest.Shown(t, Config{Secrets: []string{given}})
	assert.NotContains(t, shown, "c4n4ry")
	assert.NotContains(t, shown, hex.EncodeToString([]byte("c4n4ry")))

	// A replay logs in with the text that replaces the token.
	player, err := Open(os.DirFS(dir))
	require.NoError(t, err)
	_, played, err := send(t, player, http.MethodPost, "https://x.example/token", nil, "")
	require.NoError(t, err)
	assert.JSONEq(t, `{"access_token": "removed", "refresh_token": "removed", "signature": "removed", "token_type": "Bearer"}`, played)
	_, _, err = send(t, player, http.MethodPost, "https://x.example/echo?password=another&q=[removed]", nil, "")
	require.NoError(t, err, "a link that was scrubbed leads to the answer that was scrubbed")
}

// Each request has another DPoP proof. A Recorder that kept them would search for
// more and more secrets in every text.
func TestProofsAreNotKept(t *testing.T) {
	dir := t.TempDir()
	var proof string
	recorder, err := New(dir, Config{Base: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		return answering(200, http.Header{}, `{"error": "the proof `+proof+` was used"}`).RoundTrip(req)
	})})
	require.NoError(t, err)
	for i := range 20 {
		proof = "eyJ0eXAiOiJkcG9wK2p3dCJ9." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"jti":"%d"}`, i)) + ".c2lnbmF0dXJl"
		_, _, err := send(t, recorder, http.MethodGet, "https://x.example/a", http.Header{"Authorization": {"DPoP c4n4ry-token"}, "Dpop": {proof}}, "")
		require.NoError(t, err)
	}
	assert.Len(t, recorder.learned, 1, "the token")
	for name, text := range files(t, dir) {
		assert.NotContains(t, text, "eyJ", name)
		assert.NotContains(t, text, "c2lnbmF0dXJl", name)
	}
	_, _, err = send(t, recorder, http.MethodGet, "https://x.example/a", http.Header{"Dpop": {"c4n4ry proof of another form"}}, "")
	require.NoError(t, err)
	assert.Len(t, recorder.learned, 2)
}

// A listing whose members have the names of secrets has their values removed, and
// these are not searched for elsewhere: so the cost of a recording grows with its
// length only, and an ordinary word that was the value of "sid" stays in other
// places.
func TestListingsOfSecretNames(t *testing.T) {
	row := func(i int) string { return fmt.Sprintf(`{"id": %d, "name": "sales", "sid": "S-1-5-21-%012d"}`, i, i) }
	var body string
	recorder, err := New(t.TempDir(), Config{Secrets: []string{"abc", "c4n4ry-given"}, Base: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		return answering(200, http.Header{"Content-Type": {"application/json"}}, body).RoundTrip(req)
	})})
	require.NoError(t, err)
	ask := func(answer string) string {
		body = answer
		_, _, err := send(t, recorder, http.MethodGet, "https://x.example/list", http.Header{"Authorization": {"Bearer c4n4ry-sent"}}, "")
		require.NoError(t, err)
		last, err := os.ReadFile(filepath.Join(recorder.dir, fmt.Sprintf("%06d-get-list.json", recorder.asked)))
		require.NoError(t, err)
		return string(last)
	}
	rows := make([]string, 500)
	for i := range rows {
		rows[i] = row(i)
	}
	text := ask("[" + strings.Join(rows, ",") + "]")
	assert.Equal(t, 500, strings.Count(text, `"sid": "removed"`))
	assert.Len(t, recorder.learned, 1, "what was sent")
	for i := range 300 { // one to an answer
		ask(row(i))
	}
	assert.Len(t, recorder.learned, mostLearned)

	text = ask(`{"sid": "sales", "password": "abc", "name": "sales in abc", "token": "c4n4ry-given and S-1-5-21-000000000299"}`)
	assert.Contains(t, text, `"sid": "removed"`)
	assert.Contains(t, text, `"password": "removed"`)
	assert.Contains(t, text, `"name": "sales in abc"`)
	assert.Contains(t, text, `"token": "[removed] and [removed]"`)
	assert.NotContains(t, ask(`{"error": "c4n4ry-given"}`), "c4n4ry-given", "what was given is not forgotten")
}

// A replay does not wait, whatever the provider made the recording wait for: a
// used-up allowance, refusals with and without a time, lost connections.
func TestReplayDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		answers := []http.RoundTripper{
			answering(429, http.Header{"Retry-After": {"50"}}, `{}`), answering(429, nil, ""), answering(503, http.Header{"Content-Type": {"application/json"}}, `{}`),
			resttest.RoundTripper(func(*http.Request) (*http.Response, error) { return nil, io.EOF }),
			answering(200, http.Header{
				"Content-Type": {"application/json"}, "X-Rate-Limit-Limit": {"600"}, "X-Rate-Limit-Remaining": {"0"},
				"X-Rate-Limit-Reset": {strconv.FormatInt(time.Now().Add(50*time.Second).Unix(), 10)},
			}, `{"responses": [{"id": "1", "status": 429, "headers": {"retry-after": "50", "x": "50"}, "body": {"Retry-After": 50}}]}`),
		}
		read := func(base http.RoundTripper) (waited time.Duration, body string) {
			began := time.Now()
			transport := rest.New(rest.Config{
				Base: base, Attempts: 6, Limit: rest.Budget{Limit: "X-Rate-Limit-Limit", Remaining: "X-Rate-Limit-Remaining", Reset: "X-Rate-Limit-Reset", Epoch: true}.Wait,
			})
			for range 2 {
				resp, err := transport.Get(t.Context(), "https://x.example/list")
				require.NoError(t, err)
				data, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				body = string(data)
			}
			return time.Since(began), body
		}
		n := 0
		recorder, err := New(dir, Config{Base: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
			n++
			return answers[(n-1)%len(answers)].RoundTrip(req)
		})})
		require.NoError(t, err)
		waited, _ := read(recorder)
		assert.Greater(t, waited, 100*time.Second)

		player, err := Open(os.DirFS(dir))
		require.NoError(t, err)
		waited, body := read(player)
		assert.Zero(t, waited)
		assert.JSONEq(t, `{"responses": [{"id": "1", "status": 429, "headers": {"retry-after": "0", "x": "50"}, "body": {"Retry-After": 50}}]}`, body)
	})
}

// A cancelled request leaves no file.
func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	recorder, err := New(dir, Config{Base: resttest.RoundTripper(func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, context.Canceled
	})})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://x.example/", nil)
	require.NoError(t, err)
	_, err = recorder.RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, files(t, dir))
}

func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	recorder, err := New(dir, Config{Base: answering(200, http.Header{}, `{"access_token": "abcd"}`)})
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, _, err := send(t, recorder, http.MethodGet, fmt.Sprintf("https://x.example/%d", i), http.Header{"Authorization": {fmt.Sprintf("Bearer token-%d", i)}}, "")
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Len(t, files(t, dir), 8)
	player, err := Open(os.DirFS(dir))
	require.NoError(t, err)
	for i := range 8 {
		all.Go(func() {
			_, _, err := send(t, player, http.MethodGet, fmt.Sprintf("https://x.example/%d", i), nil, "")
			assert.NoError(t, err)
		})
	}
	all.Wait()
}

func TestNotARecording(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
	_, err := New(dir, Config{})
	require.ErrorContains(t, err, "holds files already")
	_, err = New(filepath.Join(dir, "x"), Config{})
	require.Error(t, err)
	for text, want := range map[string]string{"": "there are no files", "{": "000001-get.json: ", `{"status": 200}`: "request.method: required"} {
		files := fstest.MapFS{}
		if text != "" {
			files["000001-get.json"] = &fstest.MapFile{Data: []byte(text)}
		}
		_, err := Open(files)
		require.ErrorContains(t, err, want)
	}
}
