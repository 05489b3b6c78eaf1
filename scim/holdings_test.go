package scim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A request that only reads waits until its tenant holds less, or for a bounded
// time. One that writes does not wait, and one whose answer has begun is not
// refused.
func TestHoldings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		reading := func(tenant string) *work {
			return &work{ctx: t.Context(), gate: g, tenant: tenant, left: DefaultMaxWork, reads: true}
		}
		took := func(w *work, want error) time.Duration {
			t.Helper()
			began := time.Now()
			assert.Equal(t, want, w.long())
			w.pause()
			return time.Since(began)
		}
		a := reading("t")
		require.NoError(t, a.long())
		a.hold(4 * maxHeld)
		a.pause()
		assert.Zero(t, took(reading("other"), nil))
		assert.Zero(t, took(a, nil), "it does not wait for itself")

		a.hold(4 * maxHeld)
		writing := &work{ctx: t.Context(), gate: g, tenant: "t", left: DefaultMaxWork}
		assert.Zero(t, took(writing, nil))
		assert.NoError(t, reading("t").spend(freeWork+workStep), "it reads no records")
		<-g.slots
		clear(g.turns.byKey)
		begun := reading("t")
		begun.begun = true
		assert.Equal(t, longestHeld, took(begun, nil))
		assert.Equal(t, longestHeld, took(reading("t"), errTooManyLong))
		gone, leave := context.WithCancel(t.Context())
		leave()
		assert.Zero(t, took(&work{ctx: gone, gate: g, tenant: "t", reads: true}, errClientGone))

		go func() { // holdings that change meanwhile do not extend the time
			for range 15 {
				time.Sleep(time.Second)
				a.hold(a.held - 1)
			}
		}()
		assert.Equal(t, longestHeld, took(reading("t"), errTooManyLong))
		time.Sleep(longestHeld)

		b := reading("t")
		done := make(chan error)
		go func() { done <- b.long() }()
		synctest.Wait()
		a.hold(maxHeld - 1)
		require.NoError(t, <-done)
		b.hold(2 * maxHeld)
		b.pause()
		a.hold(0)
		b.hold(leastHeld - 1)
		assert.Empty(t, g.held.bytes, "nothing is kept of a tenant that holds nothing")
	})
}

// A request that has written is not refused because too many others wait.
func TestAWriteIsNotRefusedAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		first := &work{ctx: t.Context(), gate: g, tenant: "t"}
		require.NoError(t, first.long())
		for range maxWaiting {
			go func() {
				w := &work{ctx: t.Context(), gate: g, tenant: "t"}
				assert.NoError(t, w.long())
				w.pause()
			}()
		}
		synctest.Wait()
		require.ErrorIs(t, (&work{ctx: t.Context(), gate: g, tenant: "t"}).long(), errTooManyLong)
		done := make(chan error)
		go func() {
			w := &work{ctx: t.Context(), gate: g, tenant: "t"}
			w.owe(unitsPerWrite)
			done <- w.long()
			w.pause()
		}()
		synctest.Wait()
		first.pause()
		assert.NoError(t, <-done)
	})
}
