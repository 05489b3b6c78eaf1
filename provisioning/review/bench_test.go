package review_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// bigPlan saves a plan of n actions: newcomers, titles that change in the same
// way, titles that each change differently, and leavers who wait for approval.
func bigPlan(tb testing.TB, h *host, n int) *provisioning.Plan {
	snapshot := &sources.Snapshot{Format: 1, Kind: "okta", Connection: "okta", Proven: sources.FactAll, Groups: []sources.Group{{ID: "g-sales"}}}
	var team []provisioning.Member
	for i := range n {
		u := user(fmt.Sprintf("person.%06d", i))
		m := provisioning.Member{
			ID: fmt.Sprintf("m%06d", i), Connection: "okta", ExternalID: u.ID, Managed: true, Active: true, Email: u.Email, GivenName: u.GivenName,
			FamilyName: u.FamilyName, Title: "Apprentice", AssignmentID: "default", Revision: "1",
		}
		switch i % 4 {
		case 0: // a newcomer
			snapshot.Groups[0].Members = append(snapshot.Groups[0].Members, u.ID)
		case 1:
			team = append(team, m)
		case 2:
			u.Title = fmt.Sprintf("Title of %d's own", i)
			team = append(team, m)
		case 3:
			u.Status = sources.StatusInactive
			team = append(team, m)
		}
		snapshot.Users = append(snapshot.Users, u)
	}
	r, err := provisioning.New(rulesOf(acme))
	require.NoError(tb, err)
	plan := r.Resolve(provisioning.Input{Tenant: "acme", Snapshot: snapshot, Members: team})
	require.Equal(tb, n, len(plan.Actions)+len(plan.Held))
	require.NoError(tb, h.store.SavePlan(tb.Context(), "acme", plan))
	return plan
}

// A stopwatch is a response writer. It records the time until the first byte
// and the size of the answer.
type stopwatch struct {
	header http.Header
	asked  time.Time
	first  time.Duration
	bytes  int
	status int
}

func (s *stopwatch) Header() http.Header    { return s.header }
func (s *stopwatch) WriteHeader(status int) { s.status = status }
func (s *stopwatch) Flush()                 {}
func (s *stopwatch) Write(b []byte) (int, error) {
	if s.bytes == 0 {
		s.first = time.Since(s.asked)
	}
	s.bytes += len(b)
	return len(b), nil
}

func ask(tb testing.TB, handler http.Handler, path string) *stopwatch {
	r := httptest.NewRequest("GET", "/admin/review/"+path, nil)
	r.Header.Set("User", "olga")
	s := &stopwatch{header: make(http.Header), asked: time.Now(), status: http.StatusOK}
	handler.ServeHTTP(s, r)
	require.Equal(tb, 200, s.status, path)
	return s
}

// views returns the most expensive pages of a plan.
func views(plan *provisioning.Plan) map[string]string {
	return map[string]string{
		"whole": "plan?hash=" + plan.Hash, "section": "plan?section=changes&page=300&hash=" + plan.Hash,
		"filter": "plan?q=9&field=title&hash=" + plan.Hash, "approve": "approve?class=deactivate&hash=" + plan.Hash,
	}
}

// The pages of a large plan stay small.
func TestPageSize(t *testing.T) {
	h := newHost(t)
	plan := bigPlan(t, h, 20_000)
	for name, path := range views(plan) {
		s := ask(t, h.handler, path)
		require.Less(t, s.bytes, 300_000, name)
		require.Greater(t, s.bytes, 3_000, name)
	}
}

// BenchmarkPlanPage measures the pages of a plan of 100,000 actions: the time
// until the first byte (budget: 100 ms), also for a plan that must be decoded
// first, and the size of a page (budget: 300 KB).
func BenchmarkPlanPage(b *testing.B) {
	h := newHost(b)
	plan := bigPlan(b, h, 100_000)
	b.Run("cold", func(b *testing.B) { measurePage(b, h.replica, views(plan)["whole"]) })
	for name, path := range views(plan) {
		b.Run(name, func(b *testing.B) {
			ask(b, h.handler, path)
			measurePage(b, func() http.Handler { return h.handler }, path)
		})
	}
}

// BenchmarkChart measures the org chart of 10,000 people, in which each manager
// has five reports: the page from the top and from a lower manager, a search,
// and the whole chart as a file. ms/page is the time until the end of the
// answer.
func BenchmarkChart(b *testing.B) {
	const people, reports = 10_000, 5
	h := newHost(b)
	for i := range people {
		m := provisioning.Member{
			ID: fmt.Sprintf("m%05d", i), Connection: "okta", ExternalID: fmt.Sprintf("u%05d", i), Managed: true, Active: true,
			Email: fmt.Sprintf("person.%05d@acme.com", i), GivenName: "Person", FamilyName: fmt.Sprintf("Number %d", i),
		}
		if i > 0 {
			m.ManagerID = fmt.Sprintf("m%05d", (i-1)/reports)
		}
		h.store.Put("acme", m)
	}
	for name, path := range map[string]string{"top": "chart", "below": "chart?at=m00007", "search": "chart?q=99", "file": "chart.svg"} {
		b.Run(name, func(b *testing.B) { measurePage(b, func() http.Handler { return h.handler }, path) })
	}
}

// measurePage reports the longest time until the first byte of a page, the
// median time until its end, and its size.
func measurePage(b *testing.B, handler func() http.Handler, path string) {
	var first time.Duration
	var whole []time.Duration
	bytes := 0
	for b.Loop() {
		began := time.Now()
		s := ask(b, handler(), path)
		whole = append(whole, time.Since(began))
		first, bytes = max(first, s.first), max(bytes, s.bytes)
	}
	slices.Sort(whole)
	b.ReportMetric(float64(first.Microseconds())/1000, "ms-first-byte")
	b.ReportMetric(float64(whole[len(whole)/2].Microseconds())/1000, "ms/page")
	b.ReportMetric(float64(bytes)/1000, "kB/page")
}
