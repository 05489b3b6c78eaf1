package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
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

func TestServes(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &sink{}
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", "127.0.0.1:0", "-token", "secret-token"}, out) }()

	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+/scim/v2`)
	require.Eventually(t, func() bool { return address.MatchString(out.String()) }, 10*time.Second, 5*time.Millisecond)
	url := address.FindString(out.String())
	assert.Contains(t, out.String(), "Tenant URL                "+url+"/?aadOptscim062020")

	ask := func(method, path, token, body string) (int, string) {
		req, err := http.NewRequest(method, url+path, strings.NewReader(body))
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
	status, text := ask("POST", "/Users", "secret-token", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"private@example.com"}`)
	assert.Equal(t, 201, status)
	assert.Contains(t, text, `"location":"`+url+`/Users/`)
	status, _ = ask("GET", "/Users?filter=userName%20eq%20private@example.com", "secret-token", "")
	assert.Equal(t, 200, status)
	status, _ = ask("GET", "/Users", "other", "")
	assert.Equal(t, 401, status)

	stop()
	require.NoError(t, <-done)
	assert.Regexp(t, `(?m)^\d\d:\d\d:\d\d POST   /scim/v2/Users 201 `, out.String())
	assert.Regexp(t, `(?m)^\d\d:\d\d:\d\d GET    /scim/v2/Users 200 `, out.String())
	assert.NotContains(t, out.String(), "private@")
	assert.NotContains(t, out.String(), "secret-token")
}

func TestFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"-token is required": nil,
		"flag provided":      {"-no-such-flag"},
		"missing port":       {"-token", "t", "-addr", "nowhere"},
	} {
		assert.ErrorContains(t, run(t.Context(), args, io.Discard), want)
	}
}
