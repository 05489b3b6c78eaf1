package review_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/review"
	"github.com/usher-go/usher/provisioning/syncer"
)

// A gatedStore blocks its writes until the test releases them.
type gatedStore struct {
	oldTeam
	gate chan struct{}
}

func (g *gatedStore) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	select {
	case <-g.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return g.oldTeam.Apply(ctx, tenant, actions)
}

// While an approval is applied, the page of its outcome shows the progress, in
// any replica, and updates itself until the end. The work continues if the
// request that started it ends.
func TestProgress(t *testing.T) {
	var gated *gatedStore
	h := newHost(t, func(c *review.Config) {
		gated = &gatedStore{oldTeam{Memory: c.Store.(*provisioning.Memory)}, make(chan struct{})}
		sync, err := syncer.New(syncer.Config{Store: gated, Setup: c.Setup, Logger: c.Logger})
		require.NoError(t, err)
		t.Cleanup(sync.Close)
		c.Syncer = sync
	})
	h.hire(names(10)...) // through the other syncer, which is not blocked
	h.leave(names(4)...)
	plan := h.plan()
	form := url.Values{}
	pairs := approval(plan, provisioning.ClassDeactivate, "4", "they left")
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest("POST", "/admin/review/approve", strings.NewReader(form.Encode()))
	ctx, cancel := context.WithCancel(t.Context())
	r = r.WithContext(ctx)
	r.Header.Set("User", "olga")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	cancel()
	require.Equal(t, http.StatusSeeOther, w.Code)

	server := httptest.NewServer(h.replica())
	defer server.Close()
	bounded, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	get, err := http.NewRequestWithContext(bounded, "GET", server.URL+"/admin/review/"+w.Header().Get("Location"), nil)
	require.NoError(t, err)
	get.Header.Set("User", "ned")
	resp, err := server.Client().Do(get)
	require.NoError(t, err)
	defer resp.Body.Close()
	var text strings.Builder
	buf := make([]byte, 4096)
	opened := false
	for {
		n, err := resp.Body.Read(buf)
		text.Write(buf[:n])
		if !opened && strings.Contains(text.String(), "0 of 4 are done.") {
			opened = true
			close(gated.gate)
		}
		if err != nil {
			break
		}
	}
	require.True(t, opened, "%s", text.String())
	require.Contains(t, text.String(), "It has ended.")
	require.Contains(t, h.get("ned", w.Header().Get("Location")).words(), "Done. 4 changes are done.")
	require.Equal(t, 6, h.active())
}
