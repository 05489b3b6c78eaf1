package scim_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// A deletingStore deletes a user when the records of a page are read.
type deletingStore struct {
	scim.Memory
	delete string // the user's ID
	reads  int    // statements that read records by their IDs
}

func (s *deletingStore) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	if len(q.Any) > 0 {
		s.reads++
		if s.delete != "" {
			_, err := s.Apply(ctx, dir, scim.Write{Op: scim.Delete, Ref: scim.Ref{Type: scim.TypeUser, ID: s.delete}})
			s.delete = ""
			if err != nil {
				return scim.Page{}, err
			}
		}
	}
	return s.Memory.List(ctx, dir, q)
}

// A scan reads the records of a page again. One that was deleted since is left
// out, and the next page begins where this one ends (RFC 9865 section 2).
func TestADeletionDuringAScan(t *testing.T) {
	for name, query := range map[string]string{"filter": "filter=" + url.QueryEscape(`userName co "user"`), "order": "sortBy=userName"} {
		for gone := range 4 {
			t.Run(fmt.Sprint(name, gone), func(t *testing.T) {
				store := &deletingStore{}
				server := mount(t, scim.Config{Store: store})
				var ids []string
				for i := range 10 {
					ids = append(ids, send(t, server, testToken, "POST", "/Users", user(fmt.Sprint("user", i))).id())
				}
				store.delete = ids[gone]
				var seen []any
				for cursor, pages := "", 1; ; pages++ {
					a := send(t, server, testToken, "GET", "/Users?count=3&"+query+"&cursor="+url.QueryEscape(cursor), "")
					require.Equal(t, 200, a.status, a.text)
					assert.Equal(t, float64(len(a.resources())), a.body["itemsPerPage"])
					for _, r := range a.resources() {
						seen = append(seen, r["userName"])
					}
					next, more := a.body["nextCursor"].(string)
					if !more {
						break
					}
					cursor = next
					require.Less(t, pages, 10)
				}
				want := []any{}
				for i := range ids {
					if i != gone { // the fourth user is the one beyond the first page
						want = append(want, fmt.Sprint("user", i))
					}
				}
				assert.Equal(t, want, seen)
			})
		}
	}
}

// A page of scanned records is read in few statements, with their groups.
func TestAScanReadsItsPageAtOnce(t *testing.T) {
	store := &deletingStore{}
	server := mount(t, scim.Config{Store: store})
	var members []string
	for i := range 300 {
		members = append(members, send(t, server, testToken, "POST", "/Users", user(fmt.Sprint("user", i))).id())
	}
	require.Equal(t, 201, send(t, server, testToken, "POST", "/Groups", group("g", members...)).status)
	store.reads = 0
	a := send(t, server, testToken, "GET", "/Users?sortBy=userName&count=300", "")
	require.Len(t, a.resources(), 300, "%.300s", a.text)
	assert.LessOrEqual(t, store.reads, 10)
	for i, r := range a.resources() {
		assert.Contains(t, fmt.Sprint(r["groups"]), "display:g", i)
		if i > 0 {
			assert.Less(t, a.resources()[i-1]["userName"], r["userName"])
		}
	}
	a = send(t, server, testToken, "POST", "/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"sortBy":"meta.resourceType","count":400}`)
	require.Len(t, a.resources(), 301, "%.300s", a.text)
	assert.True(t, strings.HasPrefix(fmt.Sprint(a.resources()[0]["displayName"]), "g"), "types are ordered by their names")
}

// A queryStore records the queries.
type queryStore struct {
	scim.Memory
	queries []scim.Query
}

func (s *queryStore) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	s.queries = append(s.queries, q)
	return s.Memory.List(ctx, dir, q)
}

// However small the first documents of a scan are, the next may be large: a batch
// of documents stays small, and one of other fields does not. The versions of a bulk
// request are read without documents.
func TestBatches(t *testing.T) {
	store := &queryStore{}
	for i := range 5_000 {
		put(t, store, scim.Write{Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: fmt.Sprint("u", i)}, Doc: []byte(`{"userName":"u"}`)})
	}
	server := mount(t, scim.Config{Store: store})
	for filter, want := range map[string]int{`userName co "x"`: 500, `meta.created gt "2050-01-01T00:00:00Z"`: 2_000} {
		store.queries = nil
		require.Equal(t, 200, send(t, server, testToken, "GET", "/Users?filter="+url.QueryEscape(filter), "").status)
		most := 0
		for _, q := range store.queries {
			most = max(most, q.Limit)
		}
		assert.Equal(t, want, most, filter)
	}
	store.queries = nil
	results := bulkOn(t, scim.Config{Store: store}, 0, post("/Users", "a", user("ana")), post("/Groups", "g", group("g", "bulkId:a")))
	require.Equal(t, []string{"201", "201"}, statuses(results))
	read := 0
	for _, q := range store.queries {
		if len(q.Any) > 0 {
			assert.True(t, q.NoDoc)
			read++
		}
	}
	assert.Equal(t, 2, read)
}
