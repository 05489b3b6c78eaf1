package sourcetest

import (
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A Cost is what one reading of a directory took.
type Cost struct {
	// Requests are counted by method and path, with {id} for each part of
	// a path that is an ID.
	Requests map[string]int
	// Beyond is the most memory that was in use at any time, in bytes, beyond
	// what the caller keeps of the listing.
	Beyond uint64
}

// Measure reads the made-up company of [fake.Company], so large, from a provider
// that is not spoiled, keeps nothing of it, checks that it came whole, and returns
// what that took. Of the harness it uses New and Provider; give a provider with
// pages of full size.
func Measure(t testing.TB, h HTTPHarness, users, groups int) Cost {
	t.Helper()
	directory := fake.NewDirectory()
	fill(directory, users, groups)

	cost := Cost{Requests: make(map[string]int)}
	var mu sync.Mutex
	base := fake.Transport(h.Provider(directory))
	src := h.New(t, address, roundTripper(func(req *http.Request) (*http.Response, error) {
		mu.Lock()
		cost.Requests[req.Method+" "+partID.ReplaceAllString(req.URL.Path, "/{id}")]++
		mu.Unlock()
		return base.RoundTrip(req)
	}))

	// What is in use is what the garbage collector found alive when it ran last,
	// which it does dozens of times.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	before := liveHeap()
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			most = max(most, liveHeap())
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	for _, err := range src.Users(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		users--
	}
	members := 0
	for g, err := range src.Groups(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		members += len(g.Members)
		groups--
	}
	close(stop)
	cost.Beyond = <-peak - before

	for _, g := range directory.Groups() {
		members -= len(g.Members)
	}
	if users != 0 || groups != 0 || members != 0 {
		t.Errorf("%d users, %d groups and %d memberships of the company were not listed", users, groups, -members)
	}
	for _, request := range slices.Sorted(maps.Keys(cost.Requests)) {
		t.Logf("%6d %s", cost.Requests[request], request)
	}
	t.Logf("%.1f MB beyond what is listed", float64(cost.Beyond)/1e6)
	return cost
}

// partID matches a part of a path that is an ID: three digits or more, or long
// with a digit in it.
var partID = regexp.MustCompile(`/(?:[0-9]{3,}|[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]{9,})\b`)

func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// fill puts a company into the directory. It is apart so that nothing else
// keeps the company while memory is measured.
func fill(directory *fake.Directory, users, groups int) {
	people, teams := fake.Company(users, groups)
	directory.PutUsers(people...)
	directory.PutGroups(teams...)
}
