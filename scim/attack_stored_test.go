package scim_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// stored returns the attacks whose work is done by the store: many writes, many
// memberships, keys and bytes in one request. On a database each took from 0.4
// to 2 seconds or, if what it removes was large enough, any time, while the
// handler counted little.
func stored() []attack {
	const tooMuch = "too much work"
	bulk := func(n int, one func(i int, id string) string) func(testing.TB, http.Handler) (string, string) {
		return func(tb testing.TB, h http.Handler) (string, string) {
			ids := members(tb, h, n)
			return "/Bulk", operations(n, func(i int) string { return one(i, ids[i]) })
		}
	}
	// several makes n users with 1,000 addresses.
	several := func(n int, one func(path string) string) func(testing.TB, http.Handler) (string, string) {
		return func(tb testing.TB, h http.Handler) (string, string) {
			return "/Bulk", operations(n, func(i int) string { return one(postUser(tb, h, addresses(1_000, fmt.Sprint(i)))) })
		}
	}
	// groups makes n groups of the same members.
	groups := func(n, size int, one func(path string) string) func(testing.TB, http.Handler) (string, string) {
		return func(tb testing.TB, h http.Handler) (string, string) {
			ids := members(tb, h, size)
			return "/Bulk", operations(n, func(i int) string { return one(postGroup(tb, h, fmt.Sprint("g", i), ids)) })
		}
	}
	// large makes a group of n members, and further users.
	large := func(n, others int, body func(in, out []string) string) func(testing.TB, http.Handler) (string, string) {
		return func(tb testing.TB, h http.Handler) (string, string) {
			ids := members(tb, h, n+others)
			return postGroup(tb, h, "g", ids[:n]), body(ids[:n], ids[n:])
		}
	}
	return []attack{
		{"a bulk request of 1,000 new users", "POST", func(testing.TB, http.Handler) (string, string) {
			return "/Bulk", operations(1_000, func(i int) string { return post("/Users", fmt.Sprint(i), benchUser(i)) })
		}, []int{200}, ""},
		{"a bulk request of 1,000 patches", "POST", bulk(1_000, func(_ int, id string) string {
			return operation("PATCH", "/Users/"+id, ops(`{"op":"replace","path":"title","value":"T"}`))
		}), []int{200}, ""},
		{"a bulk request of 1,000 deletions", "POST", bulk(1_000, func(_ int, id string) string {
			return operation("DELETE", "/Users/"+id, "")
		}), []int{200}, ""},
		{"a bulk request of 1,000 memberships", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			group := postGroup(tb, h, "g", nil)
			return bulk(1_000, func(_ int, id string) string {
				return operation("PATCH", group, ops(`{"op":"add","path":"members","value":[`+values(id)+`]}`))
			})(tb, h)
		}, []int{200}, ""},
		{"a bulk request that replaces 1,000 addresses each time", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			path := postUser(tb, h, addresses(1_000, "old"))
			return "/Bulk", operations(36, func(i int) string { return operation("PUT", path, user("x", addresses(1_000, fmt.Sprint(i)))) })
		}, []int{200}, tooMuch},
		{"a bulk request that removes 1,000 addresses each time", "POST", several(40, func(path string) string {
			return operation("PATCH", path, ops(`{"op":"remove","path":"emails"}`))
		}), []int{200}, tooMuch},
		{"a bulk request that deletes users of 1,000 addresses", "POST", several(40, func(path string) string {
			return operation("DELETE", path, "")
		}), []int{200}, tooMuch},
		{"a bulk request of patches of a long text", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			path := postUser(tb, h, `"x":"`+strings.Repeat("abcd", 125_000)+`"`)
			return "/Bulk", operations(100, func(i int) string {
				return operation("PATCH", path, ops(fmt.Sprintf(`{"op":"replace","path":"title","value":"%d"}`, i)))
			})
		}, []int{200}, tooMuch},
		{"a bulk request that empties large groups", "POST", groups(20, 2_000, func(path string) string {
			return operation("PATCH", path, ops(`{"op":"remove","path":"members"}`))
		}), []int{200}, tooMuch},
		{"a bulk request that deletes large groups", "POST", groups(20, 2_000, func(path string) string {
			return operation("DELETE", path, "")
		}), []int{200}, tooMuch},
		{"a bulk request that deletes users of many groups", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			ids := members(tb, h, 50)
			for i := range 1_000 {
				postGroup(tb, h, fmt.Sprint("g", i), ids)
			}
			return "/Bulk", operations(len(ids), func(i int) string { return operation("DELETE", "/Users/"+ids[i], "") })
		}, []int{200}, tooMuch},
		{"a bulk request of patches of users of many groups", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			ids := members(tb, h, 200)
			for i := range 1_000 {
				postGroup(tb, h, fmt.Sprint("g", i), ids)
			}
			return "/Bulk", operations(len(ids)+1, func(i int) string {
				if i == 0 {
					return post("/Groups", "x", group("g"))
				}
				return operation("PATCH", "/Users/"+ids[i-1], ops(`{"op":"replace","path":"title","value":"T"}`))
			})
		}, []int{200}, tooMuch},
		{"new groups with the external id of many others", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			for i := range 5_000 {
				benchDo(tb, h, "POST", "/Groups", fmt.Sprintf(`{"displayName":"g%d","externalId":"x"}`, i), 201)
			}
			return "/Bulk", operations(1_000, func(i int) string {
				return post("/Groups", fmt.Sprint(i), fmt.Sprintf(`{"displayName":"h%d","externalId":"x"}`, i))
			})
		}, []int{200}, ""},
		{"the return of a user of many groups", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			w := benchDo(tb, h, "POST", "/Users", user("back", `"active":false`, `"displayName":"B"`), 201)
			for i := range 2_000 {
				postGroup(tb, h, fmt.Sprint("g", i), []string{path.Base(w.Header().Get("Location"))})
			}
			return "/Users", user("back", `"displayName":"B"`)
		}, []int{413}, tooMuch},
		{"40,000 members into a group", "PATCH", large(0, 40_000, func(_, out []string) string {
			return ops(`{"op":"add","path":"members","value":[` + values(out...) + `]}`)
		}), []int{413}, tooMuch},
		{"12,000 members into a group", "PATCH", large(0, 12_000, func(_, out []string) string {
			return ops(`{"op":"add","path":"members","value":[` + values(out...) + `]}`)
		}), []int{204}, ""},
		{"40,000 members out of a group", "PATCH", large(40_000, 0, func(in, _ []string) string {
			return ops(`{"op":"remove","path":"members","value":[` + values(in...) + `]}`)
		}), []int{413}, tooMuch},
		{"10,000 members for 10,000 others", "PUT", large(10_000, 10_000, func(_, out []string) string {
			return group("g", out...)
		}), []int{200}, ""},
		{"a filter over 20,000 members", "PATCH", large(20_000, 0, func(_, _ []string) string {
			return ops(`{"op":"remove","path":"members[display eq \"x\"]"}`)
		}), []int{204}, ""},
		{"a large group emptied", "PATCH", large(20_000, 0, func(_, _ []string) string {
			return ops(`{"op":"remove","path":"members"}`)
		}), []int{204}, ""},
		{"a large group deleted", "DELETE", large(20_000, 0, func(_, _ []string) string { return "" }), []int{204}, ""},
	}
}

// postGroup creates a group and returns its path.
func postGroup(tb testing.TB, h http.Handler, name string, ids []string) string {
	w := benchDo(tb, h, "POST", "/Groups", group(name), 201)
	path := "/Groups/" + path.Base(w.Header().Get("Location"))
	for some := range slices.Chunk(ids, 10_000) {
		benchDo(tb, h, "PATCH", path, ops(`{"op":"add","path":"members","value":[`+values(some...)+`]}`), 204)
	}
	return path
}

// values returns members with the ids.
func values(ids ...string) string {
	return list(len(ids), func(i int) string { return `{"value":"` + ids[i] + `"}` })
}

// addresses returns n addresses of a user.
func addresses(n int, domain string) string {
	return `"emails":[` + list(n, func(i int) string { return fmt.Sprintf(`{"value":"%d@%s"}`, i, domain) }) + `]`
}

// operations returns a bulk request.
func operations(n int, one func(i int) string) string { return `{"Operations":[` + list(n, one) + `]}` }

// operation returns one of its operations.
func operation(method, path, data string) string {
	if data == "" {
		return fmt.Sprintf(`{"method":%q,"path":%q}`, method, path)
	}
	return fmt.Sprintf(`{"method":%q,"path":%q,"data":%s}`, method, path, data)
}

// The default budget is large enough for the greatest number of ordinary
// operations (RFC 7644 section 3.7.4), and for a group of 10,000 members in
// their full form.
func TestWorkBudgetFitsOrdinaryWrites(t *testing.T) {
	h := quiet(t, scim.Config{})
	ids := members(t, h, scim.DefaultMaxOperations)
	group := postGroup(t, h, "g", nil)
	for name, one := range map[string]func(i int) string{
		"create": func(i int) string { return post("/Users", fmt.Sprint(i), benchUser(len(ids)+i)) },
		"put":    func(i int) string { return operation("PUT", "/Users/"+ids[i], benchUser(i)) },
		"patch": func(i int) string {
			return operation("PATCH", "/Users/"+ids[i], ops(`{"op":"replace","path":"active","value":false}`))
		},
		"join": func(i int) string {
			return operation("PATCH", group, ops(`{"op":"add","path":"members","value":[`+values(ids[i])+`]}`))
		},
		"leave": func(i int) string {
			return operation("PATCH", group, ops(fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, ids[i])))
		},
	} {
		w := ask(h, "POST", "/Bulk", operations(len(ids), one))
		require.Equal(t, 200, w.Code, name)
		assert.NotContains(t, w.Body.String(), `"response"`, name)
	}
	w := ask(h, "POST", "/Bulk", operations(len(ids), func(i int) string { return operation("DELETE", "/Users/"+ids[i], "") }))
	assert.Equal(t, len(ids), strings.Count(w.Body.String(), `"status":"204"`))

	h = quiet(t, scim.Config{})
	ids, group = members(t, h, 10_000), postGroup(t, h, "g", nil)
	full := func(ids []string) string {
		return `{"displayName":"g","members":[` + list(len(ids), func(i int) string {
			return fmt.Sprintf(`{"value":"%s","$ref":"https://app.example.com/scim/v2/Users/%[1]s","display":"Member %d","type":"User"}`, ids[i], i)
		}) + `]}`
	}
	assert.Equal(t, 200, ask(h, "PUT", group, full(ids)).Code)
	assert.Equal(t, 200, ask(h, "PUT", group, full(ids[:9_000])).Code)
}

// A readStore counts the records that are read one by one.
type readStore struct {
	scim.Store
	gets int
}

func (s *readStore) Get(ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
	s.gets++
	return s.Store.Get(ctx, dir, ref, links)
}

// The operations of a bulk request that has used up its work read nothing.
func TestBulkWithoutWorkLeftReadsNothing(t *testing.T) {
	store := &readStore{Store: &scim.Memory{}}
	id := members(t, quiet(t, scim.Config{Store: store}), 1)[0]
	store.gets = 0
	w := ask(quiet(t, scim.Config{Store: store, MaxWork: 5_000}), "POST", "/Bulk", operations(100, func(i int) string {
		return operation("PATCH", "/Users/"+id, ops(fmt.Sprintf(`{"op":"replace","path":"title","value":"t%d"}`, i)))
	}))
	assert.Equal(t, 200, w.Code)
	done := strings.Count(w.Body.String(), `"status":"200"`)
	assert.Positive(t, done)
	assert.Greater(t, strings.Count(w.Body.String(), `"status":"413"`), 50)
	assert.LessOrEqual(t, store.gets, 2*(done+1))
}

// A client that sends all members with each change can change a group that is
// larger than what one request may add.
func TestWorkBudgetCountsMembersThatStayOnce(t *testing.T) {
	const n = 20_000
	store := &scim.Memory{}
	bigGroups(t, store, 1, n)
	h := quiet(t, scim.Config{Store: store})
	put := func(from, to int) int {
		return ask(h, "PUT", "/Groups/g0", `{"displayName":"renamed","members":[`+
			list(to-from, func(i int) string { return fmt.Sprintf(`"00000000-0000-4000-8000-%012d"`, from+i) })+`]}`).Code
	}
	assert.Equal(t, 200, put(0, n))
	assert.Equal(t, 200, put(10, n))
	assert.Equal(t, 200, put(0, n))
	assert.Equal(t, 204, ask(h, "DELETE", "/Groups/g0", "").Code)
	bigGroups(t, store, 1, 0)
	assert.Equal(t, 413, put(0, n), "all are new")
	assert.Equal(t, 200, put(0, n/2))
	assert.Equal(t, 200, put(0, n*3/4), "a third of them is new")
	assert.Equal(t, 200, put(0, n), "a quarter of them is new")
}

// Nothing that is stored is too large to be deleted, or to be taken from all
// members, by a request of its own or by an operation of a bulk request that
// does not follow much other work.
func TestWorkBudgetNeverKeepsAccess(t *testing.T) {
	for i, request := range []struct{ method, body string }{
		{"DELETE", ""},
		{"PATCH", ops(`{"op":"remove","path":"members"}`)},
		{"PATCH", ops(`{"op":"replace","path":"members","value":[]}`)},
		{"PUT", group("g")},
	} {
		store := &scim.Memory{}
		h, small := quiet(t, scim.Config{Store: store}), quiet(t, scim.Config{Store: store, MaxWork: 200})
		ids := members(t, h, 500)
		one, two, three := postGroup(t, h, "1", ids), postGroup(t, h, "2", ids), postGroup(t, h, "3", ids)
		assert.Less(t, ask(small, request.method, one, request.body).Code, 300, "%d", i)
		w := ask(small, "POST", "/Bulk", `{"Operations":[`+operation(request.method, two, request.body)+`,`+operation(request.method, three, request.body)+`]}`)
		require.Equal(t, 200, w.Code, "%d: %s", i, w.Body)
		assert.Contains(t, w.Body.String(), `"status":"20`, "%d: the first", i)
		assert.Contains(t, w.Body.String(), `"status":"413"`, "%d: the second", i)
		assert.Equal(t, []int{0, 0, 500}, []int{
			strings.Count(ask(h, "GET", one, "").Body.String(), "$ref"),
			strings.Count(ask(h, "GET", two, "").Body.String(), "$ref"),
			strings.Count(ask(h, "GET", three, "").Body.String(), "$ref"),
		}, "%d", i)
	}
}

// Who returns after leaving many groups can do so in several attempts.
func TestReturnFromManyGroupsProceeds(t *testing.T) {
	h := quiet(t, scim.Config{MaxWork: 20_000})
	w := ask(h, "POST", "/Users", user("back", `"active":false`, `"displayName":"B"`))
	for i := range 15 {
		postGroup(t, h, fmt.Sprint("g", i), []string{path.Base(w.Header().Get("Location"))})
	}
	var statuses []int
	for range 4 {
		w := ask(h, "POST", "/Users", user("back", `"displayName":"B"`))
		if statuses = append(statuses, w.Code); w.Code == 201 {
			assert.NotContains(t, ask(h, "GET", "/Groups", "").Body.String(), "$ref")
			break
		}
	}
	assert.Equal(t, []int{413, 413, 201}, statuses)
}

// A linkCounter counts the readings of a record with its links, and the links
// that were listed.
type linkCounter struct {
	scim.Store
	read, listed int
}

func (s *linkCounter) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	page, err := s.Store.List(ctx, dir, q)
	for _, rec := range page.Records {
		s.listed += len(rec.Links)
	}
	return page, err
}

func (s *linkCounter) Get(ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
	if links {
		s.read++
	}
	return s.Store.Get(ctx, dir, ref, links)
}

// A listing that ends after its first large group reads few members beyond it,
// and few groups at once after many small ones.
func TestListingReadsFewMembersBeyondItsPage(t *testing.T) {
	store := &linkCounter{Store: &scim.Memory{}}
	h := quiet(t, scim.Config{Store: store, MaxAnswer: 300_000})
	ids := members(t, h, 20_000)
	for i := range 5 {
		postGroup(t, h, fmt.Sprint("large", i), ids)
	}
	store.listed = 0
	w := ask(h, "GET", "/Groups", "")
	assert.True(t, strings.HasSuffix(w.Body.String(), `"itemsPerPage":1}`))
	assert.LessOrEqual(t, store.listed, 3*len(ids))

	ids = ids[:2_000]
	for i := range 50 {
		postGroup(t, h, fmt.Sprint("small", i), nil)
	}
	for i := range 20 {
		postGroup(t, h, fmt.Sprint("late", i), ids)
	}
	store.listed = 0
	w = ask(h, "GET", "/Groups?startIndex=6&count=1000", "")
	assert.True(t, strings.HasSuffix(w.Body.String(), `"itemsPerPage":50}`))
	assert.LessOrEqual(t, store.listed, 8*len(ids))
}

// An answer that does not show the members of a group does not read them.
func TestConditionalGetReadsNoMembers(t *testing.T) {
	store := &linkCounter{Store: &scim.Memory{}}
	h := quiet(t, scim.Config{Store: store})
	group := postGroup(t, h, "g", members(t, h, 3))
	tag := ask(h, "GET", group, "").Header().Get("Etag")
	store.read = 0
	conditional := func(name, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", group, nil)
		r.Header.Set("Authorization", "Bearer "+testToken)
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	assert.Equal(t, 304, conditional("If-None-Match", tag).Code)
	assert.Equal(t, 304, conditional("If-Modified-Since", time.Now().UTC().Format(http.TimeFormat)).Code)
	assert.Equal(t, 412, conditional("If-Match", `W/"1"`).Code)
	assert.Zero(t, store.read)
	w := conditional("If-Match", tag)
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, 3, strings.Count(w.Body.String(), "$ref"))
	assert.Equal(t, 1, store.read)
}
