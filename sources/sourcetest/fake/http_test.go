package fake

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// ask sends one request to a face and returns the answer and its body.
func ask(t *testing.T, face http.Handler, method, target, authorization, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:1"+target, strings.NewReader(body))
	require.NoError(t, err)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := Transport(face).RoundTrip(req)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.EqualValues(t, len(text), resp.ContentLength)
	return resp, string(text)
}

// rows returns the IDs of a list.
func rows(t *testing.T, body string) []string {
	t.Helper()
	var list []struct{ ID json.Number }
	require.NoError(t, json.Unmarshal([]byte(body), &list), body)
	ids := []string{}
	for _, row := range list {
		ids = append(ids, row.ID.String())
	}
	return ids
}

// A face gives the same answers through Transport as over a network.
func TestTransportIsLikeANetwork(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		w.Header().Set("X-Seen", r.Method+" "+r.URL.RequestURI()+" "+string(body)+" "+r.Header.Get("X-Sent"))
		if r.URL.Path != "/silent" {
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "short ")
			_, _ = io.WriteString(w, "and stout")
		}
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	for _, target := range []string{"/a%2Fb?q=x%20y", "/silent"} {
		var seen []string
		for _, transport := range []http.RoundTripper{Transport(handler), server.Client().Transport} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+target, strings.NewReader("hello"))
			require.NoError(t, err)
			req.Header.Set("X-Sent", "z")
			resp, err := transport.RoundTrip(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.NotEmpty(t, resp.Header.Get("Date"))
			seen = append(seen, resp.Status+" "+resp.Header.Get("X-Seen")+" "+string(body))
		}
		assert.Equal(t, seen[1], seen[0])
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	_, err = Transport(handler).RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
}

// A directory may change while faces serve it.
func TestConcurrentUse(t *testing.T) {
	d := NewDirectory()
	users, groups := Company(20, 3)
	account := &OneLogin{Directory: d, ClientID: "id", ClientSecret: "secret"}
	token := "Bearer " + login(t, account)
	var all sync.WaitGroup
	all.Go(func() {
		for range 20 {
			d.PutUsers(users...)
			d.PutGroups(groups...)
			d.RemoveUsers(users[3].ID)
			d.RemoveGroups(groups[1].ID)
		}
	})
	for range 4 {
		all.Go(func() {
			for range 20 {
				ask(t, account, http.MethodGet, "/api/2/users?fields=role_ids", token, "")
				ask(t, account, http.MethodGet, "/api/2/roles?fields=users", token, "")
				_ = d.Users()
			}
		})
	}
	all.Wait()
	assert.Len(t, d.Users(), 19)
	assert.Equal(t, sources.StatusActive, d.Users()[0].Status)
}
