package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/internal/elimitytest"
)

// benchPeers returns the peers of the benchmarks: this handler over Memory, and
// the server of elimity-com/scim over a store with an index for the user name.
// Compare them in one run: go test -run '^$' -bench Handler ./scim. Over
// loopback, and with scimmy: make bench-peers.
func benchPeers(tb testing.TB) map[string]http.Handler {
	ours, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: authenticate, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(tb, err)
	theirs, err := elimitytest.NewServer()
	require.NoError(tb, err)
	return map[string]http.Handler{"usher": ours, "elimity": theirs}
}

func benchUser(i int) string {
	return user(fmt.Sprintf("user%d@example.com", i), fmt.Sprintf(`"externalId":"ext%d","active":true,"displayName":"User %d","title":"Rep","locale":"en-US",
		"name":{"givenName":"User","familyName":"N%d"},"emails":[{"value":"user%d@example.com","type":"work","primary":true}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales","employeeNumber":"%d"}`, i, i, i, i, i))
}

func benchDo(tb testing.TB, h http.Handler, method, path, body string, want int) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != want {
		tb.Fatalf("%s %s: status %d: %s", method, path, w.Code, w.Body)
	}
	return w
}

func BenchmarkHandler(b *testing.B) {
	const seeded = 10_000
	for _, peer := range []string{"usher", "elimity"} {
		b.Run("create/"+peer, func(b *testing.B) {
			h := benchPeers(b)[peer]
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				benchDo(b, h, "POST", "/Users", benchUser(i), 201)
			}
		})
		h := benchPeers(b)[peer]
		ids := make([]string, seeded)
		for i := range ids {
			var made struct{ ID string }
			require.NoError(b, json.Unmarshal(benchDo(b, h, "POST", "/Users", benchUser(i), 201).Body.Bytes(), &made))
			ids[i] = made.ID
		}
		for name, request := range map[string]func(i int) (method, path, body string){
			"get": func(i int) (string, string, string) { return "GET", "/Users/" + ids[i%seeded], "" },
			"filter": func(i int) (string, string, string) {
				return "GET", "/Users?filter=" + url.QueryEscape(fmt.Sprintf(`userName eq "user%d@example.com"`, i%seeded)), ""
			},
			"patch": func(i int) (string, string, string) {
				return "PATCH", "/Users/" + ids[i%seeded], ops(fmt.Sprintf(`{"op":"replace","value":{"active":%t}}`, i/seeded%2 == 1))
			},
			"list": func(int) (string, string, string) { return "GET", "/Users?startIndex=5000&count=100", "" },
		} {
			b.Run(name+"/"+peer, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					method, path, body := request(i)
					benchDo(b, h, method, path, body, 200)
				}
			})
		}
	}
}

// BenchmarkGet measures GET of one user over loopback. It alternates with a
// bare net/http handler that sends the same headers and has the body ready, and
// with elimity's server; all check the same token. The budget is at least 0.85
// of the floor's rate and at least all of elimity's rate: floor/usher and
// elimity/usher. Both are ratios of CPU time, which other work on the machine
// disturbs least. The client is a bare connection. The bytes of an answer are
// those on the wire.
func BenchmarkGet(b *testing.B) {
	const block = 500 // requests
	principal := scim.Principal{Tenant: "t1", Connection: "c1"}
	tokens := scim.BearerTokens(scim.FixedTokens(scim.Token{Hash: scim.HashToken(testToken), Principal: principal}))
	authenticated := func(handler http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, err := tokens(r); err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			handler(w, r)
		}
	}
	ours, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: tokens, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	theirs, err := elimitytest.NewServer()
	require.NoError(b, err)
	path := func(handler http.Handler) string {
		var made struct{ ID string }
		require.NoError(b, json.Unmarshal(benchDo(b, handler, "POST", "/Users", benchUser(1), 201).Body.Bytes(), &made))
		return "/Users/" + made.ID
	}
	at := path(ours)
	reply := benchDo(b, ours, "GET", at, "", 200)
	floor := authenticated(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range reply.Header() {
			w.Header().Set(name, values[0])
		}
		_, _ = w.Write(reply.Body.Bytes())
	})
	ask := func(name string, handler http.Handler, path string) func() time.Duration {
		request := message("GET", path, testToken, "")
		body := benchDo(b, handler, "GET", path, "", 200).Body.Bytes()
		server := httptest.NewServer(handler)
		b.Cleanup(server.Close)
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(b, err)
		b.Cleanup(func() { _ = conn.Close() })
		answer := make([]byte, 16<<10)
		size := 0
		b.Cleanup(func() { b.ReportMetric(float64(size), name+"-bytes") })
		return func() time.Duration {
			start := cpu(b)
			for range block {
				_, err := conn.Write(request)
				n, readErr := conn.Read(answer) // the answer is small enough to arrive in one read
				if err != nil || readErr != nil || name != "elimity" && !bytes.HasSuffix(answer[:n], body) {
					b.Fatalf("%v %v %s", err, readErr, answer[:n])
				}
				size = n
			}
			return cpu(b) - start
		}
	}
	usher, bare := ask("usher", ours, at), ask("floor", floor, at)
	elimity := ask("elimity", authenticated(theirs.ServeHTTP), path(theirs))
	var toFloor, toElimity []float64
	for b.Loop() {
		took := float64(usher())
		toFloor = append(toFloor, float64(bare())/took)
		toElimity = append(toElimity, float64(elimity())/took)
	}
	slices.Sort(toFloor)
	slices.Sort(toElimity)
	b.ReportMetric(toFloor[len(toFloor)/2], "floor/usher")
	b.ReportMetric(toElimity[len(toElimity)/2], "elimity/usher")
	b.ReportMetric(0, "ns/op")
}

// A filter without an index is evaluated on every record.
func BenchmarkScan(b *testing.B) {
	h := benchPeers(b)["usher"]
	for i := range 10_000 {
		benchDo(b, h, "POST", "/Users", benchUser(i), 201)
	}
	b.ReportAllocs()
	for b.Loop() {
		benchDo(b, h, "GET", "/Users?filter=name.familyName%20ew%20%22N77%22", "", 200)
	}
}

// Adding or removing one member costs the same in a group of any size.
func BenchmarkAddMember(b *testing.B) {
	for _, size := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			store := &scim.Memory{}
			dir := scim.Directory{Tenant: "t1", Connection: "c1"}
			h, err := scim.NewHandler(scim.Config{Store: store, Authenticate: authenticate})
			require.NoError(b, err)
			change := &scim.MemberChange{}
			for i := range size + 1 {
				ref := scim.Ref{Type: scim.TypeUser, ID: fmt.Sprint("u", i)}
				_, err := store.Apply(b.Context(), dir, scim.Write{Op: scim.Create, Ref: ref, Doc: []byte(`{"schemas":[]}`)})
				require.NoError(b, err)
				if i < size {
					change.Add = append(change.Add, scim.Link{Ref: ref})
				}
			}
			_, err = store.Apply(b.Context(), dir, scim.Write{
				Op: scim.Create, Ref: scim.Ref{Type: scim.TypeGroup, ID: "g"}, Doc: []byte(`{"schemas":["` + groupURN + `"],"displayName":"g"}`), Members: change,
			})
			require.NoError(b, err)
			one := fmt.Sprintf(`[{"value":"u%d"}]`, size)
			b.ReportAllocs()
			for b.Loop() {
				benchDo(b, h, "PATCH", "/Groups/g", ops(`{"op":"add","path":"members","value":`+one+`}`), 204)
				benchDo(b, h, "PATCH", "/Groups/g", ops(`{"op":"remove","path":"members","value":`+one+`}`), 204)
			}
		})
	}
}

// Refusing a request costs little.
func BenchmarkHostile(b *testing.B) {
	h := benchPeers(b)["usher"]
	for name, c := range map[string]struct {
		method, path, body string
		status             int
	}{
		"parentheses": {"GET", "/Users?filter=" + strings.Repeat("(", 100_000), "", 400},
		"deep JSON":   {"POST", "/Users", strings.Repeat(`{"a":`, 100_000), 400},
		"50 MB body":  {"POST", "/Users", `{"a":"` + strings.Repeat("a", 50_000_000) + `"}`, 413},
		"long name":   {"PATCH", "/Users/1", ops(`{"op":"add","path":"` + strings.Repeat("a", 1_000_000) + `","value":1}`), 404},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				benchDo(b, h, c.method, c.path, c.body, c.status)
			}
		})
	}
}
