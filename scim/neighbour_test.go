package scim_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// A wire is a client that needs little CPU time: it sends prepared bytes over
// one connection and discards the body of the answer.
type wire struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

// message returns the bytes of a request.
func message(method, path, token, body string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: example.com\r\n", method, path)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return []byte(b.String())
}

// do sends a message and returns the status of the answer, or 0 if there is
// none.
func (w *wire) do(message []byte) int {
	if w.conn == nil {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			return 0
		}
		w.conn, w.in = conn, bufio.NewReaderSize(conn, 32<<10)
	}
	_, _ = w.conn.Write(message) // a server that refuses the body may answer before it was sent
	resp, err := http.ReadResponse(w.in, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err != nil || resp.Close {
		w.close()
	}
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// A crowd is a set of requests that many clients of a tenant send in parallel.
// ready creates the resources that they need and returns a function for the
// n-th message.
type crowd struct {
	name  string
	ready func(tb testing.TB, h http.Handler) func(n int64) []byte
}

// crowds returns the attacks, and requests of which one alone is harmless.
func crowds() []crowd {
	var out []crowd
	for _, a := range attacks() {
		out = append(out, crowd{a.name, func(tb testing.TB, h http.Handler) func(int64) []byte {
			path, body := a.ready(tb, h)
			message := message(a.method, path, testToken, body)
			return func(int64) []byte { return message }
		}})
	}
	same := func(name, method, path, token, body string) {
		message := message(method, path, token, body)
		out = append(out, crowd{name, func(testing.TB, http.Handler) func(int64) []byte {
			return func(int64) []byte { return message }
		}})
	}
	filled := func(name string, users int, method, path, body string) {
		message := message(method, path, testToken, body)
		out = append(out, crowd{name, func(tb testing.TB, h http.Handler) func(int64) []byte {
			benchUsers(tb, h, users)
			return func(int64) []byte { return message }
		}})
	}
	numbered := func(name string, message func(n int64) []byte) {
		out = append(out, crowd{name, func(testing.TB, http.Handler) func(int64) []byte { return message }})
	}
	text := strings.Repeat("a", 1_000_000)
	same("no token", "GET", "/Users", "", "")
	same("no token and a large body", "POST", "/Users", "", `{"a":"`+text+`"}`)
	numbered("guesses", func(n int64) []byte { return message("GET", "/Users", fmt.Sprint("guess", n), "") })
	same("bodies that are too large", "POST", "/Users", testToken, `{"a":"`+text+text+text+`"}`)
	same("1 MB of text", "POST", "/Users", testToken, user("x", `"title":"`+text+`"`))
	same("1 MB of broken JSON", "POST", "/Users", testToken, `{"title":"`+text+`",`)
	same("names in the URL of a discovery", "GET", "/Schemas?attributes="+strings.Repeat("a,", 4000), testToken, "")
	same("discovery", "GET", "/Schemas", testToken, "")
	filled("one user", 1, "GET", `/Users?filter=userName+eq+"user0@example.com"`, "")
	filled("pages of 1,000", 1_000, "GET", "/Users?count=1000", "")
	filled("parts of pages of 1,000", 1_000, "GET", "/Users?count=1000&attributes=userName,emails", "")
	filled("filters over 2,000", 2_000, "GET", "/Users?filter="+url.QueryEscape(`title co "x" or name.familyName ew "y"`), "")
	filled("sorted by a name", 2_000, "GET", "/Users?sortBy=name.familyName&count=1", "")
	filled("a search of all that is there", 2_000, "POST", "/.search", `{"filter":"meta.created gt \"2001-01-01T00:00:00Z\" and id pr","sortBy":"meta.lastModified","count":1}`)
	numbered("new users", func(n int64) []byte { return message("POST", "/Users", testToken, user(fmt.Sprint("new", n))) })
	numbered("large new users", func(n int64) []byte {
		return message("POST", "/Users", testToken, user(fmt.Sprint("new", n), `"x":[`+strings.Repeat("{},", 10_000)+`1]`))
	})
	bulk := message("POST", "/Bulk", testToken, `{"Operations":[`+list(100, func(i int) string {
		return post("/Users", fmt.Sprint(i), user(fmt.Sprintf("b00000000-%d", i)))
	})+`]}`)
	numbered("bulk requests of 100 new users", func(n int64) []byte {
		return bytes.ReplaceAll(bulk, []byte("b00000000-"), fmt.Appendf(nil, "b%08d-", n))
	})
	out = append(out, crowd{"puts of a large user", func(tb testing.TB, h http.Handler) func(int64) []byte {
		path := postUser(tb, h)
		messages := make([][]byte, 4)
		for i := range messages {
			messages[i] = message("PUT", path, testToken, user("put", `"x":[`+list(50_000, func(int) string { return fmt.Sprintf(`{"i":%d}`, i) })+`]`))
		}
		return func(n int64) []byte { return messages[n%4] }
	}}, crowd{"patches of one user", func(tb testing.TB, h http.Handler) func(int64) []byte {
		path := postUser(tb, h)
		return func(n int64) []byte {
			return message("PATCH", path, testToken, ops(fmt.Sprintf(`{"op":"replace","path":"title","value":"%d"}`, n)))
		}
	}}, crowd{"whole groups of 2,000", func(tb testing.TB, h http.Handler) func(int64) []byte {
		ids := members(tb, h, 2_000)
		benchDo(tb, h, "POST", "/Groups", group("g", ids...), 201)
		message := message("GET", "/Groups", testToken, "")
		return func(int64) []byte { return message }
	}}, crowd{"2,000 members out and in", func(tb testing.TB, h http.Handler) func(int64) []byte {
		ids := members(tb, h, 2_000)
		w := benchDo(tb, h, "POST", "/Groups", group("g"), 201)
		at, err := url.Parse(w.Header().Get("Location"))
		require.NoError(tb, err)
		all := list(len(ids), func(i int) string { return fmt.Sprintf(`{"value":%q}`, ids[i]) })
		in := message("PATCH", at.Path, testToken, ops(`{"op":"replace","path":"members","value":[`+all+`]}`))
		none := message("PATCH", at.Path, testToken, ops(`{"op":"replace","path":"members","value":[]}`))
		return func(n int64) []byte { return [][]byte{in, none}[n%2] }
	}}, crowd{"bulk requests of 100 changes", func(tb testing.TB, h http.Handler) func(int64) []byte {
		ids := members(tb, h, 100)
		changes := message("POST", "/Bulk", testToken, operations(len(ids), func(i int) string {
			return operation("PATCH", "/Users/"+ids[i], ops(`{"op":"replace","path":"title","value":"t00000000"}`))
		}))
		return func(n int64) []byte {
			return bytes.ReplaceAll(changes, []byte("t00000000"), fmt.Appendf(nil, "t%08d", n))
		}
	}}, crowd{"new groups of 2,000", func(tb testing.TB, h http.Handler) func(int64) []byte {
		message := message("POST", "/Groups", testToken, group("g", members(tb, h, 2_000)...))
		return func(int64) []byte { return message }
	}}, crowd{"1,000 addresses out and in", func(tb testing.TB, h http.Handler) func(int64) []byte {
		path := postUser(tb, h)
		in := message("PUT", path, testToken, user("a", addresses(1_000, "example.com")))
		none := message("PUT", path, testToken, user("a"))
		return func(n int64) []byte { return [][]byte{in, none}[n%2] }
	}})
	return out
}

// BenchmarkNeighbour measures how 16 attackers of another tenant slow down the
// requests of a tenant. It reports the ratio of the medians with and without
// attackers, for a look-up by userName and for a PATCH. An iteration is one of
// each beside the attackers, so -benchtime 200x limits the whole benchmark.
func BenchmarkNeighbour(b *testing.B) {
	for _, kind := range storeKinds {
		for _, c := range crowds() {
			b.Run(kind+"/"+c.name, func(b *testing.B) {
				h, err := scim.NewHandler(scim.Config{Store: stores[kind](b), Authenticate: refuseGuesses, Logger: slog.New(slog.DiscardHandler)})
				require.NoError(b, err)
				server := httptest.NewServer(h)
				defer server.Close()
				addr := server.Listener.Addr().String()
				next := c.ready(b, h)

				client := &wire{addr: addr}
				defer client.close()
				require.Equal(b, 201, client.do(message("POST", "/Users", neighbour, user("n"))))
				look := message("GET", `/Users?filter=userName+eq+"n"`, neighbour, "")
				id := neighbourID(b, h)
				turn := 0
				times := func() (read, write time.Duration) {
					turn++
					time.Sleep(time.Millisecond) // several attacks run before and during the measurement
					change := message("PATCH", "/Users/"+id, neighbour, ops(fmt.Sprintf(`{"op":"replace","path":"title","value":"%d"}`, turn)))
					began := time.Now()
					require.Equal(b, 200, client.do(look))
					read = time.Since(began)
					began = time.Now()
					require.Equal(b, 200, client.do(change))
					return read, time.Since(began)
				}
				var alone, beside sample
				for range 200 {
					alone.add(times())
				}
				var attackers sync.WaitGroup
				var sent, answered atomic.Int64
				ctx, stop := context.WithCancel(b.Context())
				for range 16 {
					attackers.Go(func() {
						attacker := &wire{addr: addr}
						defer attacker.close()
						for ctx.Err() == nil {
							if attacker.do(next(sent.Add(1))) != 0 {
								answered.Add(1)
							}
						}
					})
				}
				time.Sleep(20 * time.Millisecond)
				began, before := time.Now(), answered.Load()
				for b.Loop() {
					beside.add(times())
				}
				b.ReportMetric(float64(answered.Load()-before)/time.Since(began).Seconds(), "attacks/s")
				stop()
				attackers.Wait()
				read, write := alone.medians()
				readBeside, writeBeside := beside.medians()
				b.ReportMetric(float64(readBeside)/float64(read), "read-ratio")
				b.ReportMetric(float64(writeBeside)/float64(write), "write-ratio")
				b.ReportMetric(float64(readBeside.Microseconds()), "µs-read")
				b.ReportMetric(float64(writeBeside.Microseconds()), "µs-write")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

const neighbour = "neighbour"

// refuseGuesses is authenticate for a server that accepts only known tokens.
func refuseGuesses(r *http.Request) (scim.Principal, error) {
	if strings.Contains(r.Header.Get("Authorization"), "guess") {
		return scim.Principal{}, scim.ErrNotFound
	}
	return authenticate(r)
}

// neighbourID returns the id of the only user of the neighbour.
func neighbourID(tb testing.TB, h http.Handler) string {
	r := httptest.NewRequest("GET", "/Users", nil)
	r.Header.Set("Authorization", "Bearer "+neighbour)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	_, rest, ok := strings.Cut(w.Body.String(), `"id":"`)
	require.True(tb, ok, w.Body.String())
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// A sample holds the durations of reads and of writes.
type sample struct{ reads, writes []time.Duration }

func (s *sample) add(read, write time.Duration) {
	s.reads, s.writes = append(s.reads, read), append(s.writes, write)
}

func (s *sample) medians() (read, write time.Duration) {
	slices.Sort(s.reads)
	slices.Sort(s.writes)
	return s.reads[len(s.reads)/2], s.writes[len(s.writes)/2]
}
