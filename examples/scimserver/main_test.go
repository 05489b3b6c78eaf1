package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sink is a writer that can be read while it is written to.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// serving runs the server and returns its address, its output, and a function
// that stops it cleanly.
func serving(t *testing.T, args ...string) (url string, out *sink, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	out = &sink{}
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{"-addr", "127.0.0.1:0", "-token", "secret-token"}, args...), out)
	}()
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+/scim/v2`)
	require.Eventually(t, func() bool { return address.MatchString(out.String()) }, 20*time.Second, 5*time.Millisecond)
	return address.FindString(out.String()), out, func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func ask(t *testing.T, method, url, token, body string) (int, string) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

const person = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"private@example.com"}`

func TestServes(t *testing.T) {
	url, out, stop := serving(t)
	assert.Contains(t, out.String(), "Tenant URL                "+url+"/?aadOptscim062020")
	status, text := ask(t, "POST", url+"/Users", "secret-token", person)
	assert.Equal(t, 201, status)
	assert.Contains(t, text, `"location":"`+url+`/Users/`)
	status, _ = ask(t, "GET", url+"/Users?filter=userName%20eq%20private@example.com", "secret-token", "")
	assert.Equal(t, 200, status)
	status, _ = ask(t, "GET", url+"/Users", "other", "")
	assert.Equal(t, 401, status)
	stop()
	assert.Regexp(t, `(?m)^\d\d:\d\d:\d\d POST   /scim/v2/Users 201 `, out.String())
	assert.Regexp(t, `(?m)^\d\d:\d\d:\d\d GET    /scim/v2/Users 200 `, out.String())
	assert.NotContains(t, out.String(), "private@")
	assert.NotContains(t, out.String(), "secret-token")
}

func TestKeepsTheDirectoryInAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "with space?.db")
	url, _, stop := serving(t, "-db", file)
	status, text := ask(t, "POST", url+"/Users", "secret-token", person)
	require.Equal(t, 201, status, text)
	stop()
	require.FileExists(t, file)
	url, _, stop = serving(t, "-db", file)
	defer stop()
	status, text = ask(t, "GET", url+"/Users?filter=userName%20eq%20private@example.com", "secret-token", "")
	assert.Equal(t, 200, status)
	assert.Contains(t, text, `"totalResults":1`)
}

func TestFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"-token is required": nil,
		"flag provided":      {"-no-such-flag"},
		"missing port":       {"-token", "t", "-addr", "nowhere"},
		"-db: ":              {"-token", "t", "-db", "/no/such/directory/x.db"},
	} {
		assert.ErrorContains(t, run(t.Context(), args, io.Discard), want)
	}
}
