package onelogin

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
		Provider: func(d *fake.Directory) http.Handler {
			return &fake.OneLogin{Directory: d, ClientID: clientID, ClientSecret: secret}
		},
		New: func(t testing.TB, address string, transport http.RoundTripper) sources.Source {
			return source(t, address, transport)
		},
	}, 200_000, 2_000)
	assert.Equal(t, map[string]int{"POST /auth/oauth2/v2/token": 1, "GET /api/2/users": 4000, "GET /api/2/roles": 8}, cost.Requests)
	assert.Less(t, cost.Beyond, uint64(64<<20))
}
