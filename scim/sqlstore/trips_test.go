package sqlstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
	"github.com/usher-go/usher/sources"
)

// A countedConn counts round trips: how often its user writes again after a
// read.
type countedConn struct {
	net.Conn
	trips   *atomic.Int64
	writing atomic.Bool
}

func (c *countedConn) Write(b []byte) (int, error) {
	if !c.writing.Swap(true) {
		c.trips.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.writing.Store(false)
	}
	return n, err
}

// A tripClient sends requests to a handler over a store.
type tripClient struct {
	t       *testing.T
	handler http.Handler
	trips   *atomic.Int64
}

// do sends a request. It returns the id in the answer and the number of round
// trips.
func (c *tripClient) do(method, path, body string, want int) (id string, trips int64) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	before := c.trips.Load()
	c.handler.ServeHTTP(w, r)
	trips = c.trips.Load() - before
	require.Equal(c.t, want, w.Code, "%s %s: %s", method, path, w.Body)
	var answer struct{ ID string }
	if w.Body.Len() > 0 {
		require.NoError(c.t, json.Unmarshal(w.Body.Bytes(), &answer))
	}
	return answer.ID, trips
}

// A request needs few round trips to PostgreSQL: a write at most three, or two
// if the record is read once; a GET one; a filter by a key at most two.
func TestRoundTrips(t *testing.T) {
	p := schemaPlace(t, pgtest.Start(t))
	config, err := pgx.ParseConfig(p.dsn)
	require.NoError(t, err)
	var trips atomic.Int64
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &countedConn{Conn: conn, trips: &trips}, err
	}
	db := stdlib.OpenDB(*config, stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }))
	defer db.Close()
	db.SetMaxOpenConns(1)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: p.dialect})
	require.NoError(t, err)
	handler, err := scim.NewHandler(scim.Config{
		Store:        store,
		Authenticate: func(*http.Request) (scim.Principal, error) { return scim.Principal{Tenant: "acme"}, nil },
		Logger:       slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	c := &tripClient{t, handler, &trips}

	const most = 3
	for round := range 2 { // the first round prepares the statements
		measured := func(what string, most int64) func(id string, trips int64) string {
			return func(id string, trips int64) string {
				if round > 0 {
					t.Logf("%s: %d", what, trips)
					assert.LessOrEqual(t, trips, most, what)
					assert.Positive(t, trips, what)
				}
				return id
			}
		}
		user := func(n int, more string) string {
			return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"u%d-%d","externalId":"x%d-%d","active":true%s}`, round, n, round, n, more)
		}
		group := func(name string, members ...string) string {
			var list []string
			for _, id := range members {
				list = append(list, `{"value":"`+id+`"}`)
			}
			return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"%s%d","externalId":"%s%d","members":[%s]}`,
				name, round, name, round, strings.Join(list, ","))
		}
		patch := func(operations string) string {
			return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
		}
		one := measured("create a user", most)(c.do("POST", "/Users", user(1, ""), 201))
		two := measured("create another", most)(c.do("POST", "/Users", user(2, `,"emails":[{"value":"a@example.com"}]`), 201))
		measured("create one that exists", most)(c.do("POST", "/Users", user(1, ""), 409))
		g := measured("create a group", most)(c.do("POST", "/Groups", group("g", one), 201))
		measured("patch a user", 2)(c.do("PATCH", "/Users/"+one, patch(`{"op":"replace","value":{"title":"Rep"}}`), 200))
		measured("patch nothing", 2)(c.do("PATCH", "/Users/"+one, patch(`{"op":"replace","value":{"title":"Rep"}}`), 200))
		measured("put a user", 2)(c.do("PUT", "/Users/"+one, user(1, `,"title":"Boss"`), 200))
		measured("add a member", most)(c.do("PATCH", "/Groups/"+g, patch(`{"op":"add","path":"members","value":[{"value":"`+two+`"}]}`), 204))
		measured("add a member again", most)(c.do("PATCH", "/Groups/"+g, patch(`{"op":"add","path":"members","value":[{"value":"`+two+`"}]}`), 204))
		measured("remove a member", most)(c.do("PATCH", "/Groups/"+g, patch(`{"op":"remove","path":"members[value eq \"`+one+`\"]"}`), 204))
		measured("put a group", most)(c.do("PUT", "/Groups/"+g, group("g", one, two), 200))
		before := trips.Load()
		found, _, err := scim.AsSource(store, "acme", "").FindUsers(t.Context(), []sources.UserKey{
			{By: sources.UserByID, Value: one}, {By: sources.UserByEmail, Value: "a@example.com"}, {By: sources.UserByManagerID, Value: two},
		}, nil, 10)
		require.NoError(t, err)
		require.Len(t, found, 2+round) // another user of the first round has the same address
		measured("find by keys", 2)("", trips.Load()-before)
		measured("get", 1)(c.do("GET", "/Users/"+one, "", 200))
		measured("get a group", 1)(c.do("GET", "/Groups/"+g, "", 200))
		for name, filter := range map[string]string{
			"userName": fmt.Sprintf(`userName eq "u%d-1"`, round), "externalId": fmt.Sprintf(`externalId eq "x%d-1"`, round),
			"email": `emails.value eq "a@example.com"`, "id": `id eq "` + one + `"`, "group": `groups.value eq "` + g + `"`,
		} {
			measured("filter by "+name, 2)(c.do("GET", "/Users?filter="+url.QueryEscape(filter), "", 200))
		}
		measured("a page", 2)(c.do("GET", "/Users?count=1", "", 200))
		measured("groups of a member", 2)(c.do("GET", "/Groups?excludedAttributes=members&filter="+url.QueryEscape(`members.value eq "`+one+`"`), "", 200))
		measured("deactivate", 2)(c.do("PATCH", "/Users/"+one, patch(`{"op":"replace","value":{"active":false}}`), 200))
		measured("delete a user", most)(c.do("DELETE", "/Users/"+one, "", 204))
		measured("delete a group", most)(c.do("DELETE", "/Groups/"+g, "", 204))
	}
}
