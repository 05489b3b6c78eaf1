package okta

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// The table of the package comment.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200,000 users")
	}
	cost := sourcetest.Measure(t, sourcetest.HTTPHarness{
		Provider: func(d *fake.Directory) http.Handler { return &fake.Okta{Directory: d, Token: token, PerMinute: -1} },
		New: func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
			return source(t, address, transport)
		},
	}, 200_000, 2_000)
	assert.Equal(t, map[string]int{
		"GET /api/v1/users": 1000, "GET /api/v1/groups": 2, "GET /api/v1/groups/{id}/users": 2199,
		"GET /api/v1/users/me": 2, "GET /api/v1/users/{id}/roles": 2,
	}, cost.Requests)
	assert.Less(t, cost.Beyond, uint64(64<<20))
}
