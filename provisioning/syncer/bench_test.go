package syncer_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// BenchmarkBurst measures 10,000 pushes of 16 connections, each of another
// person, until the team is true: beside the same pushes with nobody deciding
// them and one run at the end, which is the floor.
func BenchmarkBurst(b *testing.B) {
	const people, connections = 10_000, 16
	h := newHost(b, acme, sources.KindOkta, syncer.Config{}, nil)
	h.change(func(s *syncer.Setup) { s.Interval = 1000 * time.Hour })
	require.NoError(b, h.sync.Pause(b.Context(), acme, "the directory is filled"))
	ids := make([]string, people)
	for i := range ids {
		ids[i] = h.hire(fmt.Sprintf("p%05d", i))
	}
	require.NoError(b, h.sync.Resume(b.Context(), acme))
	_, err := h.sync.Run(b.Context(), acme)
	require.NoError(b, err)
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
