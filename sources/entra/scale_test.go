package entra

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// The table of the package comment.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200,000 users")
	}
	h := harness()
	h.Provider = func(d *fake.Directory) http.Handler {
		return &fake.Entra{Directory: d, ClientID: clientID, ClientSecret: secret, Units: -1}
	}
	cost := sourcetest.Measure(t, h, 200_000, 2_000)
	assert.Equal(t, map[string]int{
		"POST /acme/oauth2/v2.0/token": 1, "GET /v1.0/users/delta": 1000, "GET /v1.0/users": 201, "GET /v1.0/groups/delta": 800,
	}, cost.Requests)
	assert.Less(t, cost.Beyond, uint64(64<<20))
}

// The cost of a later round: changed users are read again, twenty in a batch, and
// changed groups, ten in a batch; nobody else is read.
func TestCostOfChanges(t *testing.T) {
	directory := fake.NewDirectory()
	users, groups := fake.Company(2_000, 50)
	directory.PutUsers(users...)
	directory.PutGroups(groups...)
	requests := map[string]int{}
	tenant := fake.Transport(&fake.Entra{Directory: directory, ClientID: clientID, ClientSecret: secret, Units: -1})
	cfg := config("http://127.0.0.1:1", resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		requests[req.Method+" "+req.URL.Path]++
		return tenant.RoundTrip(req)
	}))
	cfg.TimeZones = false
	src := source(t, cfg)
	known, at, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	require.Len(t, known.Users, 2_000)

	for i := range 45 {
		users[i].Title = "Changed"
	}
	directory.PutUsers(users[:45]...)
	for i := range 12 {
		groups[1+i].Name += " renamed"
	}
	directory.PutGroups(groups[1:13]...)
	clear(requests)
	known, _, err = sources.Refresh(t.Context(), src, known, at, sources.CollectConfig{})
	require.NoError(t, err)
	assert.Equal(t, "Changed", known.Users[44].Title)
	assert.Equal(t, map[string]int{"GET /v1.0/users/delta": 1, "GET /v1.0/groups/delta": 1, "POST /v1.0/$batch": 3 + 2}, requests)
}
