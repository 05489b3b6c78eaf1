package syncer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// BenchmarkBurst measures the time from 10,000 pushes over 16 connections, each
// push about another person, until the team is up to date. The floor is the
// same pushes without decisions, followed by one run.
func BenchmarkBurst(b *testing.B) {
	for _, w := range worlds {
		b.Run(w.name, func(b *testing.B) { benchmarkBurst(b, w) })
	}
}

func benchmarkBurst(b *testing.B, w world) {
	const people, connections = 10_000, 16
	directory, team := w.open(b)
	h := newHost(b, acme, sources.KindOkta, syncer.Config{Store: team}, directory)
	h.change(func(s *syncer.Setup) { s.Interval = 1000 * time.Hour })
	ids := h.fill(people)
	burst := func(title string) time.Duration {
		var next atomic.Int64
		var wait sync.WaitGroup
		began := time.Now()
		for range connections {
			wait.Go(func() {
				for i := next.Add(1) - 1; i < people; i = next.Add(1) - 1 {
					h.patch("/Users/"+ids[i], `{"op":"replace","value":{"title":"`+title+`"}}`, http.StatusOK)
				}
			})
		}
		wait.Wait()
		return time.Since(began)
	}
	for round := 0; b.Loop(); round++ {
		require.NoError(b, h.sync.Pause(b.Context(), acme, "floor"))
		began := time.Now()
		burst(fmt.Sprintf("floor %d", round))
		require.NoError(b, h.sync.Resume(b.Context(), acme))
		_, err := h.sync.Run(b.Context(), acme)
		require.NoError(b, err)
		floor := time.Since(began)

		h.mu.Lock()
		h.events = nil
		h.mu.Unlock()
		began = time.Now()
		title := fmt.Sprintf("burst %d", round)
		burst(title)
		require.NoError(b, h.sync.Push(context.WithoutCancel(b.Context()), acme))
		whole := time.Since(began)
		for _, m := range h.members() {
			require.Equal(b, title, m.Title)
		}
		b.ReportMetric(float64(people)/whole.Seconds(), "pushes/s")
		b.ReportMetric(float64(len(h.told(syncer.RunEnded))), "rounds")
		b.ReportMetric(float64(whole)/float64(floor), "x-floor")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPushed measures single pushed changes, from the request to the
// answer, at the rates of design section 5. The change is in the team before
// the answer. It measures a tenant of 100,000 people and, in turn with it, the
// floor: a tenant of 100. A round loads each for five seconds. The reported
// figures are of all rounds together, because other use of the disk makes the
// figures of a single round differ by half.
func BenchmarkPushed(b *testing.B) {
	for _, w := range worlds {
		b.Run(w.name, func(b *testing.B) {
			tenants := []*pushed{openPushed(b, w, 100), openPushed(b, w, 100_000)}
			for _, rate := range []int{25, 200} {
				b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
					took := make([][]time.Duration, len(tenants))
					for b.Loop() {
						for i, p := range tenants {
							took[i] = append(took[i], p.host.load(p.ids, rate, 5*time.Second)...)
						}
					}
					for i, p := range tenants {
						slices.Sort(took[i])
						for _, percent := range []int{50, 99} {
							b.ReportMetric(milliseconds(took[i], percent), fmt.Sprintf("ms-p%d-of-%d", percent, p.people))
							b.ReportMetric(milliseconds(took[i], percent)/milliseconds(took[0], percent), fmt.Sprintf("x-p%d", percent))
						}
					}
					b.ReportMetric(0, "ns/op")
				})
			}
		})
	}
}

// pushed is a tenant that receives pushes.
type pushed struct {
	host   *host
	people int
	ids    []string
}

func openPushed(b *testing.B, w world, people int) *pushed {
	directory, team := w.open(b)
	h := newHost(b, acme, sources.KindOkta, syncer.Config{Store: team, PushWait: time.Minute}, directory)
	h.change(func(s *syncer.Setup) { s.Interval = 1000 * time.Hour })
	p := &pushed{host: h, people: people, ids: h.fill(people)}
	h.serve()
	return p
}

// milliseconds returns the given percentile of the sorted times, in
// milliseconds.
func milliseconds(sorted []time.Duration, percent int) float64 {
	return float64(sorted[len(sorted)*percent/100].Microseconds()) / 1000
}

// BenchmarkPushedDuringRun measures the same at 25 changes a second during a
// run that decides everybody in a tenant of 100,000 people. It also measures
// the length of the run.
func BenchmarkPushedDuringRun(b *testing.B) {
	for _, w := range worlds {
		b.Run(w.name, func(b *testing.B) {
			p := openPushed(b, w, 100_000)
			for b.Loop() {
				var took []time.Duration
				var run time.Duration
				var wait sync.WaitGroup
				wait.Go(func() { took = p.host.load(p.ids, 25, 8*time.Second) })
				time.Sleep(time.Second)
				began := time.Now()
				_, err := p.host.sync.Run(b.Context(), acme)
				require.NoError(b, err)
				run = time.Since(began)
				wait.Wait()
				b.ReportMetric(float64(run.Milliseconds()), "ms-run")
				b.ReportMetric(milliseconds(took, 50), "ms-p50")
				b.ReportMetric(milliseconds(took, 90), "ms-p90")
				b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-longest")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// load sends changes of titles at a constant rate, without waiting for earlier
// answers. It returns the sorted durations.
func (h *host) load(ids []string, rate int, length time.Duration) []time.Duration {
	took := make([]time.Duration, int(length.Seconds())*rate)
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	var wait sync.WaitGroup
	for i := range took {
		<-ticker.C
		id := ids[rand.IntN(len(ids))]
		wait.Go(func() {
			began := time.Now()
			h.patch("/Users/"+id, fmt.Sprintf(`{"op":"replace","value":{"title":"T%d"}}`, rand.Int()), http.StatusOK)
			took[i] = time.Since(began)
		})
	}
	wait.Wait()
	slices.Sort(took)
	return took
}
