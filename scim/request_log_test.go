package scim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/internal/clienttest"
)

// remember returns a log over a store of its own, and a function that waits
// until everything is written, closes the log, and returns the history of a
// directory.
func remember(t *testing.T, cfg scim.RequestLogConfig) (*scim.RequestLog, func(scim.Directory) scim.RequestHistory) {
	t.Helper()
	if cfg.Store == nil {
		cfg.Store = &scim.Memory{}
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	log, err := scim.NewRequestLog(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	return log, func(dir scim.Directory) scim.RequestHistory {
		t.Helper()
		require.NoError(t, log.Close())
		h, err := cfg.Store.Requests(t.Context(), dir, 10_000)
		require.NoError(t, err)
		return h
	}
}

var t1 = scim.Directory{Tenant: "t1", Connection: "c1"}

// The log has each request of the providers' clients, without any value that
// they sent.
func TestRequestsOfClients(t *testing.T) {
	files, err := filepath.Glob("scimtest/testdata/clients/*.txtar")
	require.NoError(t, err)
	personal := regexp.MustCompile(`"([^"]*@[^"]*)"|"(?:givenName|familyName|displayName|externalId|title|formatted|phoneNumbers|display)": ?"([^"]{3,})"`)
	values := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			store := &scim.Memory{}
			log, read := remember(t, scim.RequestLogConfig{Store: store})
			answers := 0
			handler, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: authenticate, Requests: log, Logger: slog.New(slog.DiscardHandler),
				UserExtension: "urn:ietf:params:scim:schemas:extension:Gong:2.0:User"})
			require.NoError(t, err)
			server := httptest.NewServer(scim.Mount("/scim/v2", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answers++
				handler.ServeHTTP(w, r)
			}), nil))
			defer server.Close()
			clienttest.Run(t, clienttest.Target{Base: server.URL + "/scim/v2", Token: testToken, Client: server.Client()}, string(text))
			history := read(t1)
			refused, err := store.Requests(t.Context(), scim.Directory{}, 1) // from steps without a token
			require.NoError(t, err)
			require.Equal(t, answers, len(history.Requests)+int(refused.Refused.N))
			require.Len(t, history.Tokens, 1)
			require.Equal(t, len(history.Requests), int(history.Tokens[0].N))
			require.Equal(t, history.Requests[0].Status, history.Tokens[0].Did.Status)
			all, err := json.Marshal(history)
			require.NoError(t, err)
			found := personal.FindAllStringSubmatch(string(text), -1)
			values += len(found)
			for _, m := range found {
				if value := m[1] + m[2]; strings.Contains(string(all), value) {
					t.Errorf("%q is remembered", value)
				}
			}
			for _, r := range history.Requests {
				assert.NotZero(t, r.Status)
				assert.NotEqual(t, "other", r.Method)
				assert.Positive(t, r.Took)
				if r.Status == 201 || r.Method == "PATCH" && r.Status < 300 || r.Method == "DELETE" && r.Status == 204 {
					assert.NotEmpty(t, r.ID, "%+v", r)
				}
			}
		})
	}
	require.Greater(t, values, 50)
}

// No value that a client sends is logged, for any place, any type and any
// answer. The parts of an answer that quote a value are not logged, either.
func TestRequestsHoldNoValues(t *testing.T) {
	log, read := remember(t, scim.RequestLogConfig{})
	server := mount(t, scim.Config{Requests: log})
	id := create(t, server, "/Users", user("one")).id()
	group := create(t, server, "/Groups", `{"schemas":["`+groupURN+`"],"displayName":"g"}`).id()
	const secret = "Jane.Marker"
	requests := 2
	for _, mark := range []string{secret, secret + "@acme.example", `a"` + secret + `\"b`, secret + strings.Repeat("x", 300), "\u202e" + secret, "''" + secret} {
		text, err := json.Marshal(mark)
		require.NoError(t, err)
		q, path := string(text), "/"+strings.NewReplacer("%", "%25", `"`, "%22", `\`, "%5C", "\u202e", "%E2%80%AE").Replace(mark)
		inPatch, err := json.Marshal(mark + `[` + mark + ` eq ` + q + `]`)
		require.NoError(t, err)
		operation := func(op string) string {
			return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + op + `]}`
		}
		filter := func(f string) string {
			return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":` + f + `}`
		}
		asFilter := func(f string) string {
			text, err := json.Marshal(f)
			require.NoError(t, err)
			return filter(string(text))
		}
		for _, r := range [][3]string{
			{"GET", path, ""}, {"GET", "/Users" + path, ""}, {"PUT", "/Users" + path, user(secret)}, {"DELETE", "/Users" + path, ""},
			{"PATCH", "/Users" + path, operation(`{"op":"add","path":"title","value":` + q + `}`)}, {"GET", "/Schemas" + path, ""},
			{"POST", "/Users", user(secret, `"title":`+q, `"active":`+q)}, {"POST", "/Users", user(secret)}, {"POST", "/Users", user(secret)},
			{"POST", "/Users", `{` + q + `:` + q + `,` + q + `:1}`}, {"POST", "/Users", q}, {"POST", "/Users", `{"schemas":` + q + `}`},
			{"POST", "/Users", user("x", `"emails":[{"value":`+q+`,"primary":`+q+`}]`)}, {"POST", "/Users", user("x", `"roles":[{"display":`+q+`}]`)},
			{"POST", "/Users", user("x", `"timezone":{`+q+`:1}`)}, {"POST", "/Users", `{"schemas":["` + userURN + `"],"userName":` + q + `}`},
			{"POST", "/Users/.search", asFilter("userName eq " + q)}, {"POST", "/Users/.search", asFilter(mark + " eq " + q)},
			{"POST", "/Users/.search", asFilter("emails[value sw " + q + " and " + mark + " pr]")}, {"POST", "/Users/.search", asFilter("title " + mark + " 1")},
			{"POST", "/Users/.search", asFilter("not (active eq " + q + ") or (name.familyName co " + q + " and password eq " + q + ")")},
			{"POST", "/Users/.search", `{"filter":"title pr","sortBy":` + q + `}`}, {"POST", "/Users/.search", `{"attributes":[` + q + `],"count":` + q + `}`},
			{"POST", "/.search", asFilter("meta.lastModified gt " + q)}, {"POST", "/.search", asFilter("externalId gt 5 and " + mark + ".sub eq true")},
			{"PATCH", "/Users/" + id, operation(`{"op":` + q + `,"path":"title","value":"x"}`)},
			{"PATCH", "/Users/" + id, operation(`{"op":"add","path":` + q + `,"value":{` + q + `:` + q + `}}`)},
			{"PATCH", "/Users/" + id, operation(`{"op":"add","path":` + string(inPatch) + `,"value":"x"}`)},
			{"PATCH", "/Users/" + id, operation(`{"op":"remove","path":"emails[value eq \"` + secret + `\"]"}`)},
			{"PATCH", "/Users/" + id, operation(`{"op":"replace","path":"id","value":` + q + `}`)},
			{"PATCH", "/Users/" + id, operation(`{"op":"replace","path":"titl","value":` + q + `}`)},
			{"PATCH", "/Groups/" + group, operation(`{"op":"add","path":"members","value":[{"value":` + q + `}]}`)},
			{"PATCH", "/Groups/" + group, operation(`{"op":"remove","path":"members[value eq \"` + secret + `\"].display"}`)},
			{"POST", "/Groups", `{"schemas":["` + groupURN + `"],"displayName":` + q + `,"members":[{"value":` + q + `}]}`},
			{"POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
				{"method":` + q + `,"path":` + q + `},{"method":"PUT","path":"/Users/bulkId:` + secret + `","data":{}},
				{"method":"POST","path":"/Users","bulkId":` + q + `,"data":{"userName":` + q + `,"manager":"bulkId:` + secret + `"}},
				{"method":"DELETE","path":"/Users/` + secret + `"}]}`},
			{"POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PUT","path":"/Users/bulkId:` + secret + `","data":{}}]}`},
			{"POST", "/Bulk", `{"Operations":[{"method":"POST","path":` + q + `,"bulkId":"a","data":{}}]}`},
			{"POST", "/Bulk", `{"Operations":[{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"u","manager":"bulkId:` + secret + `"}}]}`},
		} {
			send(t, server, testToken, r[0], r[1], r[2])
			requests++
		}
		send(t, server, testToken, "MARKER", "/Users", "")
		send(t, server, testToken, "GET", "/Users?"+secret+"="+secret+"&count="+secret+"&attributes="+secret, "")
		send(t, server, testToken, "GET", "/Users?filter=userName+eq+%22"+secret+"%22", "", "If-None-Match", secret)
		send(t, server, testToken, "PUT", "/Users/"+id, user("one"), "If-Match", secret, "Content-Type", secret)
		requests += 4
	}
	history := read(t1)
	require.Equal(t, requests, len(history.Requests)+int(history.Dropped.N))
	filters, details := 0, 0
	for _, r := range history.Requests {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		if lower := strings.ToLower(string(text)); strings.Contains(lower, "marker") || strings.Contains(lower, "xxxx") {
			t.Errorf("%s", text)
		}
		if r.Filter != "" {
			filters++
		}
		if r.Detail != "" {
			details++
			assert.GreaterOrEqual(t, r.Status, 200)
		}
		if r.ID != "" {
			assert.Len(t, r.ID, 36)
		}
	}
	assert.Greater(t, filters, 15)
	assert.Greater(t, details, 100)
}

// A filter is logged with its attributes and operators, and with "…" for its
// values.
func TestRequestFilters(t *testing.T) {
	log, read := remember(t, scim.RequestLogConfig{})
	server := mount(t, scim.Config{Requests: log})
	want := [][2]string{
		{`userName eq "ana"`, `userName eq "…"`}, {`USERNAME EQ "ana" and active eq true`, `userName eq "…" and active eq true`},
		{`emails[type eq "work" and value co "@a"] or not (title pr)`, `emails[type eq "…" and value co "…"] or not (title pr)`},
		{`(name.familyName sw "L" or externalId eq "1") and title ne null`, `(name.familyName sw "…" or externalId eq "…") and title ne "…"`},
		{`favourite eq "x"`, `… eq "…"`}, {`manager.value eq "m"`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "…"`},
	}
	for _, w := range want {
		require.Equal(t, 200, send(t, server, testToken, "GET", "/Users?filter="+strings.ReplaceAll(strings.ReplaceAll(w[0], " ", "%20"), `"`, "%22"), "").status)
	}
	long := "title pr" + strings.Repeat(" or title pr", 100)
	require.Equal(t, 200, send(t, server, testToken, "POST", "/Users/.search", `{"filter":"`+long+`"}`).status)
	requests := read(t1).Requests
	slices.Reverse(requests)
	for i, w := range want {
		assert.Equal(t, w[1], requests[i].Filter)
	}
	assert.Less(t, len(requests[len(want)].Filter), 400)
}

// Requests without valid credentials are counted, for any sender and any
// number. Requests with a known token are counted in the directory of the
// token.
func TestRefusedRequests(t *testing.T) {
	good, goodHash := scim.NewToken()
	old, oldHash := scim.NewToken()
	acme := scim.Principal{Tenant: "acme", Connection: "okta", Token: "tok-1"}
	log, read := remember(t, scim.RequestLogConfig{})
	server := mount(t, scim.Config{Requests: log, Authenticate: scim.FirstOf(scim.BearerTokens(scim.FixedTokens(
		scim.Token{Hash: goodHash, Principal: acme}, scim.Token{Hash: oldHash, Principal: acme, NotAfter: time.Now().Add(-time.Hour)})))})
	require.Equal(t, 200, send(t, server, good, "GET", "/Users", "").status)
	for i := range 200 {
		status := send(t, server, fmt.Sprint("guess", i), "GET", "/Users", "").status
		require.Contains(t, []int{401, 429}, status)
	}
	history := read(scim.Directory{Tenant: "acme", Connection: "okta"})
	require.Len(t, history.Requests, 1)
	require.Equal(t, "tok-1", history.Requests[0].Token)
	require.Zero(t, history.Refused.N)

	log2, read2 := remember(t, scim.RequestLogConfig{})
	server = mount(t, scim.Config{Requests: log2, Authenticate: scim.BearerTokens(scim.FixedTokens(
		scim.Token{Hash: goodHash, Principal: acme}, scim.Token{Hash: oldHash, Principal: acme, NotAfter: time.Now().Add(-time.Hour)}))})
	for range 3 {
		require.Equal(t, 401, send(t, server, old, "GET", "/Users", "").status)
	}
	require.Equal(t, 401, send(t, server, "", "GET", "/Users", "").status)
	history = read2(scim.Directory{Tenant: "acme", Connection: "okta"})
	require.Empty(t, history.Requests)
	require.EqualValues(t, 3, history.Refused.N)
	require.WithinDuration(t, time.Now(), history.Refused.Last, time.Minute)
}

// Refused requests that belong to no directory are counted separately, and a flood
// of them is one entry.
func TestRefusedFlood(t *testing.T) {
	store := &scim.Memory{}
	log, read := remember(t, scim.RequestLogConfig{Store: store})
	server := mount(t, scim.Config{Requests: log, Authenticate: func(*http.Request) (scim.Principal, error) { return scim.Principal{}, scim.ErrNotFound }})
	for i := range 1000 {
		send(t, server, fmt.Sprint("guess", i), "GET", "/Users", "")
	}
	history := read(scim.Directory{})
	require.EqualValues(t, 1000, history.Refused.N)
	require.Empty(t, history.Requests)
	require.Empty(t, history.Tokens)
}

// A slowLog accepts nothing until it is released, or while it is set to fail.
type slowLog struct {
	scim.Memory
	open chan struct{}
	err  error
}

func (s *slowLog) AddRequests(ctx context.Context, batches []scim.RequestBatch, limits scim.RequestLimits) error {
	select {
	case <-s.open:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.err != nil {
		return s.err
	}
	return s.Memory.AddRequests(ctx, batches, limits)
}

// No request waits for a slow store. Entries beyond the limit are dropped and
// counted, only for the directory that sends too many.
func TestSlowRequestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowLog{open: make(chan struct{})}
		log, read := remember(t, scim.RequestLogConfig{Store: store, Every: time.Millisecond})
		h := quiet(t, scim.Config{Requests: log})
		ask := func(token string) {
			r := httptest.NewRequest("GET", "/Users?count=0", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, 200, w.Code)
		}
		ask(testToken)
		time.Sleep(time.Second) // the store has the first entry and blocks
		began := time.Now()
		for range 1200 {
			ask(testToken)
		}
		ask("quiet")
		require.Zero(t, time.Since(began))
		close(store.open)
		history := read(t1)
		require.NotZero(t, history.Dropped.N)
		require.EqualValues(t, 1201, len(history.Requests)+int(history.Dropped.N))
		require.EqualValues(t, 1201, history.Tokens[0].N)
		other, err := store.Requests(t.Context(), scim.Directory{Tenant: "quiet", Connection: "c1"}, 10)
		require.NoError(t, err)
		require.Len(t, other.Requests, 1)
		require.Zero(t, other.Dropped.N)
	})
}

// Entries that a store refuses are dropped, and counted when the store works
// again.
func TestFailingRequestStore(t *testing.T) {
	store := &slowLog{open: make(chan struct{}), err: errors.New("full")}
	close(store.open)
	log, err := scim.NewRequestLog(scim.RequestLogConfig{Store: store, Every: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	server := mount(t, scim.Config{Requests: log})
	for range 5 {
		require.Equal(t, 200, send(t, server, testToken, "GET", "/Users?count=0", "").status)
	}
	require.ErrorContains(t, log.Close(), "full")
	require.NoError(t, log.Close())
	require.Equal(t, 200, send(t, server, testToken, "GET", "/Users?count=0", "").status) // and the request is not logged

	for _, cfg := range []scim.RequestLogConfig{{}, {Store: store, Keep: -1}, {Store: store, KeepFor: -1}, {Store: store, Every: -1}} {
		_, err := scim.NewRequestLog(cfg)
		require.Error(t, err)
	}
}

// Entries that were pending when the store failed are counted as dropped in the
// next write.
func TestRequestStoreComesBack(t *testing.T) {
	store := &flakyStore{fails: 1}
	log, read := remember(t, scim.RequestLogConfig{Store: store, Every: time.Millisecond})
	server := mount(t, scim.Config{Requests: log})
	require.Equal(t, 200, send(t, server, testToken, "GET", "/Users?count=0", "").status)
	require.Eventually(t, func() bool {
		h, err := store.Requests(t.Context(), t1, 10)
		return err == nil && h.Dropped.N == 1
	}, time.Minute, time.Millisecond)
	require.Equal(t, 200, send(t, server, testToken, "GET", "/Users?count=1", "").status)
	history := read(t1)
	require.Len(t, history.Requests, 1)
	require.EqualValues(t, 2, history.Tokens[0].N)
	require.EqualValues(t, 1, history.Dropped.N)
}

type flakyStore struct {
	scim.Memory
	fails int // used only by the goroutine of run
}

func (s *flakyStore) AddRequests(ctx context.Context, batches []scim.RequestBatch, limits scim.RequestLimits) error {
	if s.fails > 0 {
		s.fails--
		return errors.New("away")
	}
	return s.Memory.AddRequests(ctx, batches, limits)
}

// BenchmarkRequestLog compares a handler with a request log and one without.
func BenchmarkRequestLog(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprintf("log=%t", on), func(b *testing.B) {
			cfg := scim.Config{Store: &scim.Memory{}, Authenticate: authenticate, Logger: slog.New(slog.DiscardHandler)}
			if on {
				log, err := scim.NewRequestLog(scim.RequestLogConfig{Store: &scim.Memory{}, Logger: cfg.Logger})
				require.NoError(b, err)
				defer log.Close()
				cfg.Requests = log
			}
			h, err := scim.NewHandler(cfg)
			require.NoError(b, err)
			var made struct{ ID string }
			require.NoError(b, json.Unmarshal(benchDo(b, h, "POST", "/Users", benchUser(1), 201).Body.Bytes(), &made))
			b.ReportAllocs()
			for b.Loop() {
				benchDo(b, h, "GET", "/Users/"+made.ID, "", 200)
			}
		})
	}
}
