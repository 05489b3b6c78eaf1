package sourcetest

import (
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A Cost says what one reading of a directory took.
type Cost struct {
	// Requests counts the requests by method and path, with {id} in place of each
	// ID.
	Requests map[string]int
	// Beyond is the largest amount of memory in bytes that was in use during the
	// reading, without what the caller kept. It is measured when a request is sent,
	// after a page of more than 1 MB, and now and then when a row is yielded. The
	// largest page has Page bytes; decoding it takes a few times that for a moment.
	Beyond, Page uint64
}

// Measure reads the made-up company of [fake.Company] with so many users and
// groups, checks that the listing is complete, and returns its cost. It keeps the
// groups and no user. Of the harness it uses New and Provider; give a provider with
// pages of full size.
func Measure(t testing.TB, h HTTPHarness, users, groups int) Cost {
	t.Helper()
	// The directory is most of the heap. Memory is measured after a collection.
	defer debug.SetGCPercent(debug.SetGCPercent(300))
	directory := fake.NewDirectory()
	fill(directory, users, groups)

	m := &meter{base: fake.Transport(h.Provider(directory)), cost: Cost{Requests: make(map[string]int)}}
	src := h.New(t, address, m)
	m.begin()
	for _, err := range src.Users(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		users--
	}
	m.end()
	members := 0
	kept := make([]sources.Group, 0, groups) // a group with all its members is in memory anyway
	m.begin()
	for g, err := range src.Groups(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		members += len(g.Members)
		kept = append(kept, g)
		m.step(len(kept)%400 == 1)
	}
	m.end()
	groups -= len(kept)
	runtime.KeepAlive(kept)

	for _, g := range directory.Groups() {
		members -= len(g.Members)
	}
	if users != 0 || groups != 0 || members != 0 {
		t.Errorf("%d users, %d groups and %d memberships of the company were not listed", users, groups, -members)
	}
	for _, request := range slices.Sorted(maps.Keys(m.cost.Requests)) {
		t.Logf("%6d %s", m.cost.Requests[request], request)
	}
	t.Logf("%.1f MB beyond what the caller kept; the largest page has %.1f MB", float64(m.cost.Beyond)/1e6, float64(m.cost.Page)/1e6)
	return m.cost
}

// A meter is a transport that counts requests and measures the memory in use.
type meter struct {
	base http.RoundTripper

	mu       sync.Mutex
	cost     Cost
	requests int
	large    int // number of pages of more than 1 MB
	most     uint64
}

// RoundTrip implements http.RoundTripper.
func (m *meter) RoundTrip(req *http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.cost.Requests[req.Method+" "+partID.ReplaceAllString(req.URL.Path, "/{id}")]++
	m.requests++
	often := m.requests%400 == 0
	m.mu.Unlock()
	m.step(often)
	resp, err := m.base.RoundTrip(req)
	if err == nil {
		size := uint64(max(resp.ContentLength, 0))
		m.mu.Lock()
		if size > 1e6 {
			m.large++
		}
		look := size > 1e6 && (m.large%20 == 1 || size > m.cost.Page)
		m.cost.Page = max(m.cost.Page, size)
		m.mu.Unlock()
		m.step(look)
	}
	return resp, err
}

// step measures the memory in use, if it is time to.
func (m *meter) step(now bool) {
	if now {
		live := live()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.most = max(m.most, live)
	}
}

func (m *meter) begin() { m.most = live() }

func (m *meter) end() { m.cost.Beyond = max(m.cost.Beyond, m.most-min(m.most, live())) }

// live returns how many bytes are in use.
func live() uint64 {
	runtime.GC()
	runtime.GC() // pools release their memory in the second collection
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// partID matches a part of a path that is an ID: three or more digits, or a long
// text with a digit.
var partID = regexp.MustCompile(`/(?:[0-9]{3,}|[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]{9,})\b`)

// fill puts a company into the directory. It is a function of its own so that
// nothing else refers to the company while memory is measured.
func fill(directory *fake.Directory, users, groups int) {
	people, teams := fake.Company(users, groups)
	directory.PutUsers(people...)
	directory.PutGroups(teams...)
}
