package scim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/internal/elimitytest"
)

// The peers of the benchmarks: this handler over Memory, and the server of
// elimity-com/scim over a store with an index for the user name. Compare them
// in one run: go test -run '^$' -bench Handler ./scim. Over loopback, and with
// scimmy: make bench-peers.
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

// BenchmarkGet is GET of one user over loopback, beside a bare net/http handler
// that asks for the same token, sends the same headers and has the body. The
// budget is 0.85 of the floor's rate.
func BenchmarkGet(b *testing.B) {
	ours, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: authenticate, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	var made struct{ ID string }
	require.NoError(b, json.Unmarshal(benchDo(b, ours, "POST", "/Users", benchUser(1), 201).Body.Bytes(), &made))
	path := "/Users/" + made.ID
	reply := benchDo(b, ours, "GET", path, "", 200)
	floor := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := authenticate(r); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		for name, values := range reply.Header() {
			w.Header().Set(name, values[0])
		}
		_, _ = w.Write(reply.Body.Bytes())
	})
	for name, handler := range map[string]http.Handler{"usher": ours, "floor": floor} {
		b.Run("in process/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				benchDo(b, handler, "GET", path, "", 200)
			}
		})
		b.Run("loopback/"+name, func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			r, err := http.NewRequest("GET", server.URL+path, nil)
			require.NoError(b, err)
			r.Header.Set("Authorization", "Bearer "+testToken)
			for b.Loop() {
				answer, err := server.Client().Do(r)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, answer.Body)
				if err != nil || answer.StatusCode != 200 || n == 0 {
					b.Fatal(answer.Status, n, err)
				}
				_ = answer.Body.Close()
			}
		})
	}
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

// Adding and removing one member costs the same in any group.
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

// What is refused is refused cheaply.
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
