package sourcetest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// An HTTPHarness is a source that reads over HTTP, a provider for it, and the
// content of the provider's directory. Provider, New and Users are required. If the
// source has an ability for which the harness lacks the data, Unsupported has to
// name its check.
type HTTPHarness struct {
	// Provider returns a handler that shows a directory as the provider does: a
	// face of package fake, or your own. Its pages are so small that Users and
	// Groups need several.
	Provider func(*fake.Directory) http.Handler
	// New returns a source that reads the provider at an address through a
	// transport.
	New func(t testing.TB, address string, transport http.RoundTripper) sources.Source

	// Users and Groups are what the directory holds, as the source lists them.
	Users  []sources.User
	Groups []sources.Group

	// Secrets are texts that no error may show: tokens, keys, passwords.
	Secrets []string

	// Links are the names of the headers, and of the members of an answer, that
	// lead to the next page.
	Links []string

	// Aside reports whether a request is not made by the source itself, such as a
	// login of the credential that the source was given. Such requests are neither
	// counted nor disturbed. Nil means that there are none.
	Aside func(*http.Request) bool

	// MissingID, Matches, BadQuery, ExpiredCursor and Unsupported are as in
	// Harness. Unsupported may also name the further subtests of TestHTTP ("chaos
	// tokens revoked").
	MissingID     string
	Matches       map[string][]string
	BadQuery      string
	ExpiredCursor sources.Cursor
	Unsupported   map[string]string
}

// address is the address of the provider of an HTTPHarness. It is on this machine,
// so that sources which require https accept it.
const address = "http://127.0.0.1:7777"

// TestHTTP runs [Test] on a source that reads over HTTP; the harness needs no
// functions for faults. It then makes things go wrong between source and provider,
// at each request of each listing; the names of the subtests say what. In all cases
// a source must list everything or return an error; close every answer; leave no
// goroutine behind; show no secret in an error; and send no request to another
// host.
func TestHTTP(t *testing.T, h HTTPHarness) {
	inner := h.harness()
	for _, problem := range inner.problems(t) {
		t.Error(problem)
	}
	if t.Failed() {
		return
	}
	// A bubble has a clock of its own, so a check needs a harness of its own.
	inBubble := func(run func(*testing.T) error) func(*testing.T) error {
		return func(t *testing.T) (err error) {
			synctest.Test(t, func(t *testing.T) { err = run(t) })
			return err
		}
	}
	for _, c := range checks() {
		inOwn := func(t *testing.T) error { return c.run(run{tb: t, Harness: h.harness()}) }
		subtest{c.name, c.rule, c.ability, inBubble(inOwn)}.start(t, h.Unsupported, inner.New)
	}
	for _, c := range h.chaosChecks() {
		subtest{chaos + c.name, c.rule, c.ability, inBubble(c.run)}.start(t, h.Unsupported, inner.New)
	}
	t.Run(chaos+"network", h.network)
}

const chaos = "chaos " // the prefix of the names of the further subtests

// harness returns what Test needs to know.
func (h HTTPHarness) harness() Harness {
	requests := new(atomic.Int64)
	shared := h.world()
	shared.wire.before = func(int, *http.Request) { requests.Add(1) }
	faults := make(map[Fault]func(testing.TB, int) (sources.Source, func() bool))
	for fault, harm := range map[Fault]harm{
		FaultCut: harms["cut body"], FaultBlank: harms["empty answer"], FaultDrift: harms["another shape"],
		FaultRateLimited: harms["429"], FaultUnavailable: harms["503"], FaultUnauthorized: harms["401"],
	} {
		faults[fault] = func(t testing.TB, at int) (sources.Source, func() bool) {
			w := h.world()
			w.wire.from, w.wire.to, w.wire.harm = at, forever, harm
			return h.New(t, address, w.wire), func() bool { return w.wire.met() > 0 }
		}
	}
	unsupported := maps.Clone(h.Unsupported)
	maps.DeleteFunc(unsupported, func(name, _ string) bool { return strings.HasPrefix(name, chaos) })
	return Harness{
		New:      func(t testing.TB) sources.Source { return h.New(t, address, shared.wire) },
		Users:    h.Users,
		Groups:   h.Groups,
		Requests: func() int { return int(requests.Load()) },
		Mutable: func(t testing.TB) (sources.Source, func()) {
			w := h.world()
			return h.New(t, address, w.wire), func() { h.change(w.directory) }
		},
		Faults:        faults,
		MissingID:     h.MissingID,
		Matches:       h.Matches,
		BadQuery:      h.BadQuery,
		ExpiredCursor: h.ExpiredCursor,
		Secrets:       h.Secrets,
		Unsupported:   unsupported,
	}
}

// A world is a directory, the provider that shows it, and the wire between source
// and provider.
type world struct {
	directory *fake.Directory
	provider  http.Handler
	wire      *wire
}

// world returns a new world without a network.
func (h HTTPHarness) world() *world { return h.worldAt(time.Now) }

// worldAt returns a world whose provider has its own clock.
func (h HTTPHarness) worldAt(clock func() time.Time) *world {
	w := &world{directory: fake.NewDirectory()}
	w.directory.SetClock(clock)
	w.directory.PutUsers(h.Users...)
	w.directory.PutGroups(h.Groups...)
	w.provider = h.Provider(w.directory)
	w.wire = &wire{base: fake.Transport(w.provider), links: h.Links, aside: h.aside, from: forever}
	return w
}

func (h HTTPHarness) aside(req *http.Request) bool { return h.Aside != nil && h.Aside(req) }

// change removes the last user, changes the first and adds one, and changes a
// group.
func (h HTTPHarness) change(d *fake.Directory) {
	users, groups := d.Users(), d.Groups()
	added := users[1]
	added.ID = nextID(users)
	for _, name := range []*string{&added.UserName, &added.Email} {
		if *name != "" {
			*name = "added@example.com"
		}
	}
	added.Manager = sources.Manager{}
	users[0].Title = "Changed"
	d.PutUsers(users[0], added)
	if len(groups) > 0 {
		g := groups[0]
		g.Members = append(g.Members, added.ID)
		d.PutGroups(g)
	}
	d.RemoveUsers(users[len(users)-1].ID)
}

// nextID returns an ID that has the form of the others and comes after them.
func nextID(users []sources.User) string {
	last := users[0].ID
	for _, u := range users {
		if len(u.ID) > len(last) || len(u.ID) == len(last) && u.ID > last {
			last = u.ID
		}
	}
	digits := []byte(last)
	for i := len(digits) - 1; i >= 0; i-- {
		switch c := digits[i]; {
		case c >= '0' && c < '9', c >= 'a' && c < 'f', c >= 'A' && c < 'F':
			digits[i]++
			return string(digits)
		case c == '9' && i > 0 && digits[i-1] < '9':
			digits[i] = '0'
		}
	}
	return "1" + last
}

// network runs the source over real connections, and checks that no connection and
// no goroutine is left. One answer is small and decompresses to more than a source
// may read.
func (h HTTPHarness) network(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	bomb := false
	world := h.world()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if bomb && r.Header.Get("Accept-Encoding") == "gzip" && !h.aside(r) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			mebibyte := packedSpaces()
			for range 1 << 10 { // members of one file (RFC 1952, section 2.2)
				if _, err := w.Write(mebibyte); err != nil {
					return // the client stops earlier
				}
			}
			return
		}
		world.provider.ServeHTTP(w, r)
	}))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	src := h.New(t, server.URL, transport)
	if err := (run{tb: t, Harness: h.harness()}).listsAll(src); err != nil {
		t.Error(err)
	}
	for _, err := range src.Users(t.Context()) {
		_ = err // one step is enough
		break
	}
	bomb = true
	users := list(h.New(t, server.URL, transport).Users(t.Context()))
	if !errors.Is(users.err, sources.ErrTooLarge) {
		t.Errorf("an answer that unpacks to 1 GiB: want an error that matches %q, got: %v", sources.ErrTooLarge, users.err)
	}

	server.Close() // waits for connections that are in use
	transport.CloseIdleConnections()
	for deadline := time.Now().Add(15 * time.Second); runtime.NumGoroutine() > goroutines; {
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines were started and have not ended", runtime.NumGoroutine()-goroutines)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// packedSpaces returns a mebibyte of white space, packed to a kilobyte.
func packedSpaces() []byte {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write(bytes.Repeat([]byte(" "), 1<<20)) // to memory
	_ = writer.Close()
	return packed.Bytes()
}
