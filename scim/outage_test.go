package scim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// An ailing store fails with err: every read, and every write after the first
// writes.
type ailing struct {
	scim.Memory
	err    error
	writes int // number of writes that still succeed
}

func (s *ailing) Apply(ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	if s.writes--; s.writes < 0 {
		return scim.Record{}, s.err
	}
	return s.Memory.Apply(ctx, dir, w)
}

func (s *ailing) Get(ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
	return scim.Record{}, s.err
}

// During an outage the answer is 503 with Retry-After, and the host is
// notified.
func TestOutage(t *testing.T) {
	down := errors.New("dial tcp 10.0.0.7: connection refused")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"with a hint":      {&scim.UnavailableError{RetryAfter: 6500 * time.Millisecond, Err: down}, "7"},
		"without one":      {&scim.UnavailableError{Err: down}, "1"},
		"the sentinel":     {fmt.Errorf("%w: %w", scim.ErrUnavailable, down), "1"},
		"no outage at all": {down, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			handler, err := scim.NewHandler(scim.Config{
				Store: &ailing{err: c.err}, Authenticate: authenticate, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			require.NoError(t, err)
			for _, r := range [][3]string{
				{"POST", "/Users", user("a@example.com", `"active":true`)}, {"GET", "/Users/1", ""}, {"PUT", "/Users/1", user("a@example.com", `"active":true`)},
				{"DELETE", "/Users/1", ""},
			} {
				log.Reset()
				w := ask(handler, r[0], r[1], r[2])
				want := http.StatusServiceUnavailable
				if c.want == "" {
					want = http.StatusInternalServerError
				}
				assert.Equal(t, want, w.Code, "%s: %s", r[0], w.Body)
				assert.Equal(t, c.want, w.Header().Get("Retry-After"))
				assert.NotContains(t, w.Body.String(), "10.0.0.7")
				assert.Contains(t, log.String(), "connection refused")
			}
		})
	}
}

// A bulk request ends at an outage, because the remaining operations would only
// wait. If no operation was done, the whole request gets the outage as its
// answer, so that the client repeats it.
func TestOutageInBulk(t *testing.T) {
	var operations []string
	for i := range 3 {
		operations = append(operations, fmt.Sprintf(`{"method":"POST","path":"/Users","bulkId":"%d","data":%s}`, i, user(fmt.Sprintf("u%d@example.com", i), `"active":true`)))
	}
	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[` + strings.Join(operations, ",") + `]}`
	for writes, want := range [][]string{nil, {"201", "503"}, {"201", "201", "503"}, {"201", "201", "201"}} {
		store := &ailing{err: &scim.UnavailableError{RetryAfter: 5 * time.Second, Err: errors.New("down")}, writes: writes}
		handler, err := scim.NewHandler(scim.Config{Store: store, Authenticate: authenticate, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		w := ask(handler, "POST", "/Bulk", body)
		if want == nil {
			assert.Equal(t, http.StatusServiceUnavailable, w.Code)
			assert.Equal(t, "5", w.Header().Get("Retry-After"))
			continue
		}
		assert.Equal(t, http.StatusOK, w.Code)
		var answer struct{ Operations []struct{ Status string } }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		var got []string
		for _, op := range answer.Operations {
			got = append(got, op.Status)
		}
		assert.Equal(t, want, got)
	}
}
