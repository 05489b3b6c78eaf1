package scim_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

func dial(t *testing.T, server *httptest.Server) net.Conn {
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

// If a client declares a body and does not send it, the handler answers and
// closes the connection long before the read timeout, for every method. It
// waits for a body only if it needs it, and then for the read timeout.
func TestUnsentBodiesHoldNoConnection(t *testing.T) {
	tokens, err := scim.NewTokenEndpoint(scim.TokenConfig{
		Keys:        [][]byte{make([]byte, 32)},
		Client:      func(context.Context, string) (scim.Client, error) { return scim.Client{}, scim.ErrNotFound },
		ReadTimeout: 500 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	endpoint := httptest.NewServer(tokens)
	t.Cleanup(endpoint.Close)
	long := mount(t, scim.Config{ReadTimeout: time.Hour}) // longer than the deadline of dial
	short := mount(t, scim.Config{ReadTimeout: 500 * time.Millisecond})
	id := create(t, long, "/Users", user("one")).id()
	bearer := "Authorization: Bearer " + testToken + "\r\n"

	type request struct {
		server               *httptest.Server
		method, path, header string
		status               int
	}
	var requests []request
	for _, length := range []string{"Content-Length: 100\r\n", "Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 100\r\nExpect: 100-continue\r\n"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "GET", "HEAD", "DELETE", "OPTIONS"} {
			requests = append(requests, request{long, method, "/scim/v2/Users", length, 401})
		}
		requests = append(requests,
			request{long, "GET", "/scim/v2/Users", length + bearer, 200},
			request{long, "HEAD", "/scim/v2/Users", length + bearer, 200},
			request{long, "GET", "/scim/v2/nothing", length + bearer, 404},
			request{long, "POST", "/scim/v2/Users", length + bearer + "Content-Type: text/plain\r\n", 415},
			request{endpoint, "GET", "/token", length, 405},
			request{endpoint, "HEAD", "/token", length, 405},
			request{endpoint, "POST", "/token", length, 400}, // no form
			request{endpoint, "POST", "/token", length + "Content-Type: multipart/form-data; boundary=x\r\n", 400},
			request{endpoint, "POST", "/token", length + "Content-Type: text/plain; charset\r\n", 400},
			request{long, "GET", "/elsewhere", length, 404},
			request{long, "POST", "/scim/v2x", length + bearer, 404},
			request{long, "CONNECT", "x:1", length, 404},
		)
	}
	requests = append(requests,
		request{long, "DELETE", "/scim/v2/Users/" + id, "Content-Length: 100\r\n" + bearer, 204},
		request{short, "POST", "/scim/v2/Users", "Content-Length: 100\r\n" + bearer, 408},
		request{short, "POST", "/scim/v2/Bulk", "Transfer-Encoding: chunked\r\n" + bearer, 408},
		request{endpoint, "POST", "/token", "Content-Length: 100\r\nContent-Type: application/x-www-form-urlencoded\r\n", 400},
	)
	var all sync.WaitGroup
	for _, r := range requests {
		conn := dial(t, r.server)
		all.Go(func() { // in parallel, because each of them waits
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", r.method, r.path, r.header)
			reply, err := io.ReadAll(conn)
			assert.NoError(t, err, "%+v: %s", r, reply)
			assert.Contains(t, strings.SplitN(string(reply), "\r\n", 2)[0], fmt.Sprintf(" %d ", r.status), "%+v", r)
		})
	}
	all.Wait()
}

// A body that arrives but is not needed does not close the connection.
func TestUnwantedBodiesKeepTheConnection(t *testing.T) {
	server := mount(t, scim.Config{})
	conn := dial(t, server)
	reader := bufio.NewReader(conn)
	for _, token := range []string{"", "Authorization: Bearer " + testToken + "\r\n"} {
		for _, method := range []string{"GET", "DELETE", "POST"} {
			fmt.Fprintf(conn, "%s /scim/v2/Users/none HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n%s\r\n{}", method, token)
			resp, err := http.ReadResponse(reader, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			assert.False(t, resp.Close, method)
		}
	}
}

// A slowStore delays every page of a listing except the first.
type slowStore struct {
	scim.Store
	pages int
	err   error
}

func (s *slowStore) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	if s.pages++; s.pages > 1 {
		time.Sleep(1500 * time.Millisecond)
	}
	s.err = ctx.Err()
	return s.Store.List(ctx, dir, q)
}

// The deadline for a body that is not needed does not end an answer that takes
// longer.
func TestUnwantedBodyDoesNotEndASlowAnswer(t *testing.T) {
	store := &slowStore{Store: &scim.Memory{}}
	bigGroups(t, store, 6, 2_000)
	server := mount(t, scim.Config{Store: store})
	a := send(t, server, testToken, "GET", "/Groups", "{}")
	assert.Equal(t, 200, a.status)
	assert.Len(t, a.resources(), 6)
	assert.Greater(t, store.pages, 1)
	assert.NoError(t, store.err)
}

// bigGroups fills a store with groups that all have the same members.
func bigGroups(tb testing.TB, store scim.Store, groups, members int) {
	change := &scim.MemberChange{}
	for i := range members {
		ref := scim.Ref{Type: scim.TypeUser, ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i)}
		put(tb, store, scim.Write{Op: scim.Create, Ref: ref, Doc: []byte(`{"schemas":["` + userURN + `"],"userName":"u"}`)})
		change.Add = append(change.Add, scim.Link{Ref: ref, Display: "Member"})
	}
	for i := range groups {
		put(tb, store, scim.Write{
			Op: scim.Create, Ref: scim.Ref{Type: scim.TypeGroup, ID: fmt.Sprint("g", i)},
			Doc: []byte(`{"schemas":["` + groupURN + `"],"displayName":"g"}`), Members: change,
		})
	}
}

// A pieces is a writer that records the sizes of the pieces of an answer.
type pieces struct {
	*httptest.ResponseRecorder
	largest int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.ResponseRecorder.Write(b)
}

// RFC 7644 section 3.4.2.4: a page may hold fewer resources than requested.
// RFC 7643 section 7 offers no way to return a part of an attribute's values,
// so a group is served with all its members, as a stream.
func TestPagesAreBounded(t *testing.T) {
	const groups, members = 5, 5_000
	store := &scim.Memory{}
	bigGroups(t, store, groups, members)
	h := quiet(t, scim.Config{Store: store, MaxAnswer: 500_000})
	get := func(target string) (answer, int) {
		w := &pieces{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Authorization", "Bearer "+testToken)
		h.ServeHTTP(w, r)
		a := answer{status: w.Code, header: w.Header(), text: w.Body.String()}
		require.NoError(t, jsonInto(w.Body.Bytes(), &a.body))
		return a, w.largest
	}
	var seen []any
	pages := 0
	for start := 1; start <= groups; pages++ {
		a, largest := get(fmt.Sprintf("/Groups?startIndex=%d", start))
		assert.Equal(t, float64(groups), a.body["totalResults"])
		assert.Less(t, largest, 1<<20, "it is written as a stream")
		assert.Less(t, len(a.text), 1_200_000)
		for _, r := range a.resources() {
			assert.Len(t, r["members"], members)
			seen = append(seen, r["id"])
		}
		require.Equal(t, float64(len(a.resources())), a.body["itemsPerPage"])
		require.NotEmpty(t, a.resources())
		start += len(a.resources())
	}
	assert.Equal(t, []any{"g0", "g1", "g2", "g3", "g4"}, seen)
	assert.Equal(t, groups, pages)

	for _, query := range []string{"", "&sortBy=displayName", "&filter=displayName+co+%22g%22"} {
		seen = nil
		for cursor, more := "", true; more; {
			a, _ := get("/Groups?cursor=" + cursor + query)
			for _, r := range a.resources() {
				seen = append(seen, r["id"])
			}
			cursor, more = a.body["nextCursor"].(string)
		}
		assert.Equal(t, []any{"g0", "g1", "g2", "g3", "g4"}, seen, query)
	}

	a, _ := get("/Groups?excludedAttributes=members")
	assert.Len(t, a.resources(), groups)
	a, _ = get("/Groups?attributes=members.value")
	assert.Len(t, a.resources()[0]["members"], members)
	a, largest := get("/Groups/g0")
	assert.Len(t, a.body["members"], members)
	assert.Less(t, largest, 1<<20)
}

// An answer that cannot be completed is cut off without a proper end, so that
// no client takes the part for the whole.
func TestBrokenStreamsAreSeen(t *testing.T) {
	store := &breakingStore{Store: &scim.Memory{}}
	bigGroups(t, store, 12, 5_000)
	server := mount(t, scim.Config{Store: store})
	req, err := http.NewRequest("GET", server.URL+"/scim/v2/Groups", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+testToken)
	resp, err := server.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 200, resp.StatusCode)
	_, err = io.Copy(io.Discard, resp.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// A breakingStore fails at the second page of a listing.
type breakingStore struct {
	scim.Store
	asked int
}

func (s *breakingStore) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	if s.asked++; s.asked == 2 {
		return scim.Page{}, errors.New("the database is away")
	}
	return s.Store.List(ctx, dir, q)
}

// The handler gives up on a client that does not read the answer.
func TestSlowReadersAreGivenUp(t *testing.T) {
	store := &scim.Memory{}
	bigGroups(t, store, 1, 100_000)
	h := quiet(t, scim.Config{Store: store, WriteTimeout: 200 * time.Millisecond})
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		close(done)
	}))
	defer server.Close()
	conn := dial(t, server)
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
	fmt.Fprintf(conn, "GET /Groups/g0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", testToken)
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the handler still writes")
	}
}

// A groupReads counts the reads of a group with its members.
type groupReads struct {
	scim.Store
	reads atomic.Int32
}

func (s *groupReads) Get(ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
	if links && ref.Type == scim.TypeGroup {
		s.reads.Add(1)
	}
	return s.Store.Get(ctx, dir, ref, links)
}

func (s *groupReads) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	if q.Links && q.Type == scim.TypeGroup {
		s.reads.Add(1)
	}
	return s.Store.List(ctx, dir, q)
}

// Clients that do not read large answers hold a bounded amount of memory: further
// requests of their tenant for large records wait, and are served when the clients
// read. Small requests, writes and other tenants do not wait.
func TestSlowReadersHoldBoundedMemory(t *testing.T) {
	const members, clients = 100_000, 12
	store := &groupReads{Store: &scim.Memory{}}
	bigGroups(t, store, 1, members)
	server := mount(t, scim.Config{Store: store})
	var conns []net.Conn
	for i := range clients {
		conn := dial(t, server)
		path := [...]string{"/Groups/g0", "/Groups", "/Groups?sortBy=displayName"}[i%3]
		fmt.Fprintf(conn, "GET /scim/v2%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", path, testToken)
		conns = append(conns, conn)
	}
	require.Eventually(t, func() bool { return store.reads.Load() >= 4 }, time.Minute, time.Millisecond)
	assert.Never(t, func() bool { return store.reads.Load() > 4 }, time.Second, 10*time.Millisecond, "4 of them hold 64 MiB")
	assert.Equal(t, 200, send(t, server, testToken, "GET", "/Users?count=1", "").status)
	assert.Equal(t, 404, send(t, server, "another", "GET", "/Groups/g0", "").status)
	created := send(t, server, testToken, "POST", "/Groups", group("new", "00000000-0000-4000-8000-000000000001"))
	assert.Equal(t, 201, created.status, "it is read after it is committed")
	reads := store.reads.Load() - 4 // of these requests
	var leaving []string
	for i := range 100 {
		leaving = append(leaving, fmt.Sprintf(`{"value":"00000000-0000-4000-8000-%012d"}`, i))
	}
	assert.Equal(t, 204, send(t, server, testToken, "PATCH", "/Groups/"+created.id(),
		`{"Operations":[{"op":"remove","path":"members","value":[`+strings.Join(leaving, ",")+`]}]}`).status)
	assert.Equal(t, 204, send(t, server, testToken, "DELETE", "/Groups/"+created.id(), "").status)

	var all sync.WaitGroup
	for _, conn := range conns {
		all.Go(func() {
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if assert.NoError(t, err) {
				n, err := io.Copy(io.Discard, resp.Body)
				assert.NoError(t, err)
				assert.Equal(t, 200, resp.StatusCode)
				assert.Greater(t, n, int64(members*100))
			}
		})
	}
	all.Wait()
	assert.Equal(t, int32(clients+clients/3), store.reads.Load()-reads, "a listing looks for a second group")
}
