package scim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// An attack is a request that is designed to use much processor time. ready
// creates the resources that it needs.
type attack struct {
	name    string
	method  string
	ready   func(tb testing.TB, h http.Handler) (path, body string)
	status  []int  // the accepted statuses of the answer
	refused string // a part of the answer's text
}

func list(n int, one func(i int) string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(one(i))
	}
	return b.String()
}

func same(one string) func(int) string { return func(int) string { return one } }

func numbered(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

// postUser creates a user for an attack and returns its path.
func postUser(tb testing.TB, h http.Handler, more ...string) string {
	w := benchDo(tb, h, "POST", "/Users", user("victim"+fmt.Sprint(time.Now().UnixNano()), more...), 201)
	location, err := url.Parse(w.Header().Get("Location"))
	require.NoError(tb, err)
	return location.Path
}

func benchUsers(tb testing.TB, h http.Handler, n int) {
	for i := range n {
		benchDo(tb, h, "POST", "/Users", benchUser(i), 201)
	}
}

// attacks returns the attacks that once succeeded, and similar requests.
func attacks() []attack {
	wide := "{" + list(999, numbered(`"n%d":1`)) + "}"
	manyRoles := `"roles":[` + list(15_000, numbered(`{"value":"r%d"}`)) + `]`
	schemas := list(50_000, numbered(`"urn:%d"`))
	terms := func(term string) string { return strings.TrimSuffix(strings.Repeat(term+" or ", 270), " or ") }
	filter := func(term string) string { return fmt.Sprintf(`{"filter":%q}`, terms(term)) }
	fixed := func(path, body string) func(testing.TB, http.Handler) (string, string) {
		return func(testing.TB, http.Handler) (string, string) { return path, body }
	}
	patch := func(attributes, operations string) func(testing.TB, http.Handler) (string, string) {
		return func(tb testing.TB, h http.Handler) (string, string) {
			return postUser(tb, h, attributes), ops(operations)
		}
	}
	return slices.Concat(stored(), uncounted(), []attack{
		{"50,000 schemas", "POST", fixed("/Users", `{"schemas":["`+userURN+`",`+schemas+`],"userName":"x"}`), []int{400}, "more than 100"},
		{"a patch to 50,000 schemas", "PATCH", patch(`"title":"t"`, `{"op":"add","path":"schemas","value":[`+schemas+`]}`), []int{400}, "more than 100"},
		{"1 MiB of empty values", "POST", fixed("/Users", user("x", `"x":[`+list(340_000, same("{}"))+`]`)), []int{201}, ""},
		{"1 MiB of numbers", "POST", fixed("/Users", user("x", `"x":[`+list(200_000, same("1e-9"))+`]`)), []int{201}, ""},
		{"1 MiB of names", "POST", fixed("/Users", user("x", `"x":[`+list(100, same(wide))+`]`)), []int{201}, ""},
		{"2 MiB of a group's empty values", "POST", fixed("/Groups", `{"displayName":"g","x":[`+list(680_000, same("{}"))+`]}`), []int{201}, ""},
		{"2 MiB of members who are not there", "POST", fixed("/Groups", `{"displayName":"g","members":[`+list(180_000, numbered(`"%d"`))+`]}`), []int{413}, "too much work"},
		{"roles in texts in texts", "POST", fixed("/Users", user("x", `"roles":[`+list(25, same(strconv.Quote("["+list(16_000, same("1"))+"]")))+`]`)), []int{201, 413}, ""},
		{"a text that looks like JSON", "POST", fixed("/Users", user("x", `"roles":["`+strings.Repeat(`[`, 60_000)+`","{`+strings.Repeat(`\"a\":{`, 10_000)+`"]`)), []int{201}, ""},
		{"lists of large objects", "PATCH", func(tb testing.TB, h http.Handler) (string, string) {
			path := postUser(tb, h)
			object := func(i int) string { return fmt.Sprintf(`{"i":%d,"o":%s}`, i, wide) }
			benchDo(tb, h, "PATCH", path, ops(`{"op":"add","value":{"x":[`+list(100, object)+`]}}`), 200)
			return path, ops(list(4, same(`{"op":"add","path":"x","value":[`+list(25, func(i int) string { return object(-i) })+`]}`)))
		}, []int{200, 413}, ""},
		{"170,000 names to show", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			benchUsers(tb, h, 100)
			return "/Users/.search", `{"attributes":["` + strings.Repeat("title,", 170_000) + `"]}`
		}, []int{400}, "more than 1000"},
		{"a filter of 270 terms", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			benchUsers(tb, h, 5_000)
			return "/Users/.search", filter(`title co "x"`)
		}, []int{400}, "too much work"},
		{"a filter of 270 terms over one long list", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			postUser(tb, h, `"x":[`+list(200_000, same("0.5"))+`]`)
			return "/Users/.search", filter(`x eq 0.25`)
		}, []int{400}, "too much work"},
		{"a filter of 270 terms over values that are not there", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			postUser(tb, h, `"x":[`+list(200_000, same(`{}`))+`]`)
			return "/Users/.search", filter(`x[y eq 1]`)
		}, []int{400}, "too much work"},
		{"a filter of 270 terms over long texts", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			for range 4 {
				postUser(tb, h, `"title":"`+strings.Repeat("\u1e9e", 300_000)+`"`)
			}
			return "/Users/.search", filter(`title co "x"`)
		}, []int{400}, "too much work"},
		{"a filter of 270 terms over many members", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			benchDo(tb, h, "POST", "/Groups", group("g", members(tb, h, 2_000)...), 201)
			return "/Groups/.search", filter(`members[display co "x"]`)
		}, []int{400}, "too much work"},
		{"a bulk request of 1,000 heavy patches", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			path := postUser(tb, h, manyRoles)
			return "/Bulk", `{"Operations":[` + list(1000, func(i int) string {
				return fmt.Sprintf(`{"method":"PATCH","path":%q,"data":%s}`, path, ops(fmt.Sprintf(`{"op":"add","path":"roles","value":[{"value":"n%d"}]}`, i)))
			}) + `]}`
		}, []int{200}, "too much work"},
		{"1,000 patches of a long list", "PATCH",
			patch(manyRoles, list(1000, numbered(`{"op":"add","path":"roles","value":[{"value":"n%d","primary":true}]}`))), []int{413}, "too much work"},
		{"1,000 additions to a long list", "PATCH",
			patch(manyRoles, list(1000, numbered(`{"op":"add","path":"roles","value":[{"value":"n%d"}]}`))), []int{413}, "too much work"},
		{"1,000 removals from a long list", "PATCH",
			patch(manyRoles, list(1000, numbered(`{"op":"remove","path":"roles","value":[{"value":"n%d"}]}`))), []int{413}, "too much work"},
		{"1,000 patches of a large object", "PATCH",
			patch(`"a":{"b":`+wide+`,"c":[`+list(50, same(wide))+`]}`, list(1000, numbered(`{"op":"add","path":"a","value":{"x%d":1}}`))), []int{413}, "too much work"},
		{"1,000 filters over a long list", "PATCH",
			patch(manyRoles, list(1000, numbered(`{"op":"replace","path":"roles[display eq \"%d\"].display","value":"x"}`))), []int{413}, "too much work"},
		{"one large value for many elements", "PATCH",
			patch(`"y":[`+list(900, same(`{"k":1}`))+`]`, `{"op":"add","path":"y.x","value":[`+list(400_000, same("1"))+`]}`), []int{413}, "too much work"},
		{"drops from a large object", "PATCH",
			patch(`"a":`+wide, list(50, same(`{"op":"replace","path":"a","value":{`+list(999, numbered(`"n%d":null`))+`,"z":1}},{"op":"add","path":"a","value":`+wide+`}`))), []int{200, 413}, ""},
		{"a bulk request of references", "POST", fixed("/Bulk", `{"Operations":[`+list(400, func(i int) string {
			return fmt.Sprintf(`{"method":"POST","path":"/Groups","bulkId":"b%d","data":{"displayName":"g","members":[%s]}}`, i,
				list(100, func(j int) string { return fmt.Sprintf(`{"value":"bulkId:b%d"}`, (i+j)%400) }))
		})+`]}`), []int{200}, ""},
		{"parts of large records", "GET", func(tb testing.TB, h http.Handler) (string, string) {
			for range 15 {
				postUser(tb, h, `"x":[`+list(250_000, same("{}"))+`]`)
			}
			return "/Users?attributes=userName,x.y&count=1000", ""
		}, []int{200}, ""},
		{"patches of nobody", "PATCH", fixed("/Users/nobody", ops(list(1000, numbered(`{"op":"add","path":"title","value":"%d"}`)))), []int{404}, ""},
		{"sorting by numbers", "GET", func(tb testing.TB, h http.Handler) (string, string) {
			for i := range 10_000 {
				benchDo(tb, h, "POST", "/Users", user(fmt.Sprint("n", i), fmt.Sprintf(`"x":0.1%d`, i)), 201)
			}
			return "/Users?sortBy=x&startIndex=9000&count=1", ""
		}, []int{200}, ""},
	})
}

// members creates n users and returns their ids.
func members(tb testing.TB, h http.Handler, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		w := benchDo(tb, h, "POST", "/Users", benchUser(i), 201)
		ids[i] = path.Base(w.Header().Get("Location"))
	}
	return ids
}

func quiet(tb testing.TB, cfg scim.Config) http.Handler {
	if cfg.Store == nil {
		cfg.Store = &scim.Memory{}
	}
	cfg.Authenticate, cfg.Logger = authenticate, slog.New(slog.DiscardHandler)
	h, err := scim.NewHandler(cfg)
	require.NoError(tb, err)
	return h
}

func ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// BenchmarkAttack measures each attack on each store: the CPU time of this
// process and, for a PostgreSQL on this machine, of its server.
func BenchmarkAttack(b *testing.B) {
	for _, kind := range storeKinds {
		for _, a := range attacks() {
			b.Run(kind+"/"+a.name, func(b *testing.B) {
				var used, server time.Duration
				for b.Loop() {
					b.StopTimer()
					store := stores[kind](b)
					h := quiet(b, scim.Config{Store: store})
					path, body := a.ready(b, h)
					runtime.GC()
					began, serverBegan := cpu(b), serverCPU(b, store)
					b.StartTimer()
					w := ask(h, a.method, path, body)
					b.StopTimer()
					used += cpu(b) - began
					server += serverCPU(b, store) - serverBegan
					assert.Contains(b, a.status, w.Code, "%.200s", w.Body)
					b.StartTimer()
				}
				b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "cpu-ms/op")
				if kind == "postgres" {
					b.ReportMetric(float64(server.Microseconds())/1000/float64(b.N), "server-cpu-ms/op")
				}
			})
		}
	}
}

// A workLog keeps the log entries of the handler about the work of each
// request.
type workLog struct {
	slog.Handler
	units []int64
}

func (l *workLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *workLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "work" {
			l.units = append(l.units, a.Value.Int64())
		}
		return true
	})
	return nil
}

func (l *workLog) last() int64 { return l.units[len(l.units)-1] }

// Each attack is answered, and its counted work is within the budget. The bound
// on processor time shows that the counted work matches the real work. The
// attacks once took far more time. The bound is twenty times what the slowest
// attack takes under the race detector.
func TestAttacksAreBounded(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			log := &workLog{Handler: slog.DiscardHandler}
			h, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: authenticate, Logger: slog.New(log)})
			require.NoError(t, err)
			path, body := a.ready(t, h)
			began := cpu(t)
			w := ask(h, a.method, path, body)
			used := cpu(t) - began
			assert.Contains(t, a.status, w.Code, "%.300s", w.Body)
			assert.LessOrEqual(t, log.last(), int64(scim.DefaultMaxWork+1<<20/16), "the body's text is counted beside the budget")
			assert.Less(t, used, time.Minute)
			if a.refused != "" {
				assert.Contains(t, w.Body.String(), a.refused)
			}

			neighbour := ask(h, "GET", `/Users?filter=userName+eq+"nobody"`, "")
			assert.Equal(t, 200, neighbour.Code)
			assert.Less(t, log.last(), int64(100))
		})
	}
}

// The default budget is large enough to filter 100,000 users, and to sort them.
func TestWorkBudgetFitsALargeDirectory(t *testing.T) {
	store := &scim.Memory{}
	for i := range 100_000 {
		put(t, store, scim.Write{Op: scim.Create, Ref: userRef(fmt.Sprint(i)), Doc: []byte(benchUser(i))})
	}
	h := quiet(t, scim.Config{Store: store})
	for query, total := range map[string]int{
		"filter=" + url.QueryEscape(`name.familyName ew "N77777"`): 1, "filter=" + url.QueryEscape(`title co "x"`): 0, "sortBy=title": 100_000,
		"filter=" + url.QueryEscape(`title eq "Rep" and active eq true`) + "&sortBy=displayName&startIndex=500": 100_000,
	} {
		w := ask(h, "GET", "/Users?"+query, "")
		require.Equal(t, 200, w.Code, "%s: %.300s", query, w.Body)
		assert.Contains(t, w.Body.String(), fmt.Sprintf(`"totalResults":%d`, total), query)
	}
}

// The config sets the budget, and it holds for a whole request.
func TestWorkBudget(t *testing.T) {
	h := quiet(t, scim.Config{MaxWork: 3_000})
	for i := range 50 {
		require.Equal(t, 201, ask(h, "POST", "/Users", user(fmt.Sprint("u", i), `"title":"T"`)).Code)
	}
	filter := "/Users?filter=" + url.QueryEscape(`title eq "t"`)
	require.Equal(t, 200, ask(h, "GET", filter, "").Code, "50 records")
	terms := strings.TrimSuffix(strings.Repeat(`title eq "x" or `, 40), " or ")
	w := ask(h, "GET", "/Users?filter="+url.QueryEscape(terms), "")
	assert.Equal(t, 400, w.Code)
	assert.Contains(t, w.Body.String(), `"tooMany"`)
	require.Equal(t, 200, ask(h, "GET", "/Users?count=50", "").Code, "a plain listing is not refused")
	require.Equal(t, 200, ask(h, "GET", `/Users?filter=userName+eq+"u7"`, "").Code)

	// In a bulk request, the operations after the budget is used up fail, each
	// with 413.
	w = ask(h, "POST", "/Bulk", `{"Operations":[`+list(300, func(i int) string { return post("/Users", fmt.Sprint(i), user(fmt.Sprint("b", i))) })+`]}`)
	require.Equal(t, 200, w.Code)
	assert.Contains(t, w.Body.String(), `"status":"201"`)
	assert.Contains(t, w.Body.String(), `"status":"413"`)
	made := strings.Count(w.Body.String(), `"status":"201"`)
	assert.Less(t, made, 300)
	w = ask(h, "GET", "/Users?count=0", "")
	assert.Contains(t, w.Body.String(), fmt.Sprintf(`"totalResults":%d`, 50+made), "what was refused was not done")

	// A page of parts ends when the budget is used up, and the next page
	// continues there.
	var seen []string
	for start := 1; start <= 50+made; {
		var page struct {
			ItemsPerPage int
			Resources    []struct{ UserName string }
		}
		w := ask(h, "GET", fmt.Sprintf("/Users?attributes=userName&count=1000&startIndex=%d", start), "")
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
		require.NotZero(t, page.ItemsPerPage)
		start += page.ItemsPerPage
		for _, r := range page.Resources {
			seen = append(seen, r.UserName)
		}
	}
	assert.Len(t, seen, 50+made)
}

// A leavingStore ends the context of the request when the handler reads a
// second page.
type leavingStore struct {
	scim.Store
	leave func()
	asked int
}

func (s *leavingStore) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	if s.asked++; s.asked == 2 {
		s.leave()
	}
	return s.Store.List(context.WithoutCancel(ctx), dir, q)
}

// Work stops when the client disconnects.
func TestWorkStopsWithItsClient(t *testing.T) {
	store := &leavingStore{Store: &scim.Memory{}}
	h := quiet(t, scim.Config{Store: store})
	for i := range 5_000 {
		require.Equal(t, 201, ask(h, "POST", "/Users", user(fmt.Sprint("u", i))).Code)
	}
	for _, target := range []string{"/Users?filter=" + url.QueryEscape(`title co "x"`), "/Users?sortBy=title"} {
		ctx, cancel := context.WithCancel(t.Context())
		store.leave, store.asked = cancel, 0
		r := httptest.NewRequestWithContext(ctx, "GET", target, nil)
		r.Header.Set("Authorization", "Bearer "+testToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, 503, w.Code, target)
		assert.LessOrEqual(t, store.asked, 3, "of 11 pages")
	}

	// This also holds between the operations of one PATCH: a context can end at
	// any of them.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	id := strings.TrimPrefix(ask(h, "POST", "/Users", user("p")).Header().Get("Location"), "http://example.com")
	r := httptest.NewRequestWithContext(ctx, "PATCH", id, strings.NewReader(ops(list(900, numbered(`{"op":"add","path":"roles","value":[{"value":"%d"}]}`)))))
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.NotEqual(t, 200, w.Code)
}

// A stuckStore blocks in a write until the test releases it.
type stuckStore struct {
	scim.Store
	stuck, let chan struct{}
}

func (s *stuckStore) Apply(ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	s.stuck <- struct{}{}
	<-s.let
	return s.Store.Apply(ctx, dir, w)
}

// A long request that waits for a write of the store blocks no other request,
// not even one of the same tenant.
func TestWaitingForAWriteHoldsNoTurn(t *testing.T) {
	store := &stuckStore{Store: &scim.Memory{}, stuck: make(chan struct{}), let: make(chan struct{})}
	for i := range 2_000 {
		put(t, store.Store, scim.Write{Op: scim.Create, Ref: userRef(fmt.Sprint(i)), Doc: []byte(benchUser(i))})
	}
	h := quiet(t, scim.Config{Store: store})
	made := make(chan int)
	go func() { made <- ask(h, "POST", "/Users", user("x", `"x":[`+list(100_000, same("{}"))+`]`)).Code }()
	<-store.stuck
	found := make(chan int)
	go func() { found <- ask(h, "GET", "/Users?filter="+url.QueryEscape(`title co "x"`), "").Code }()
	select {
	case status := <-found:
		assert.Equal(t, 200, status)
	case <-time.After(time.Minute):
		t.Error("the query waits for the write")
	}
	close(store.let)
	assert.Equal(t, 201, <-made)
}

// A write of many members is long work inside the store. While it waits there,
// it blocks no request of another tenant, whether long or short, and no short
// request of its own tenant. It blocks a long request of its own tenant.
func TestAWriteOfManyMembersHoldsItsTenantsTurn(t *testing.T) {
	store := &stuckStore{Store: &scim.Memory{}, stuck: make(chan struct{}), let: make(chan struct{})}
	var ids []string
	for i := range 500 {
		ids = append(ids, fmt.Sprint(i))
		put(t, store.Store, scim.Write{Op: scim.Create, Ref: userRef(ids[i]), Doc: []byte(benchUser(i))})
	}
	h := quiet(t, scim.Config{Store: store})
	made := make(chan int)
	go func() { made <- ask(h, "POST", "/Groups", group("g", ids...)).Code }()
	<-store.stuck
	long := "/Users?filter=" + url.QueryEscape(`title co "x"`)
	r := httptest.NewRequest("GET", long, nil)
	r.Header.Set("Authorization", "Bearer "+neighbour)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, 200, w.Code, "another tenant's")
	assert.Equal(t, 200, ask(h, "GET", "/Users/7", "").Code, "a short one")
	found := make(chan int, 1)
	go func() { found <- ask(h, "GET", long, "").Code }()
	time.Sleep(100 * time.Millisecond)
	assert.Empty(t, found, "two long requests of a tenant at once")
	close(store.let)
	assert.Equal(t, 201, <-made)
	assert.Equal(t, 200, <-found)
}
