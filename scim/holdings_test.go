package scim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A request that holds nothing waits until its tenant holds less, or for a bounded
// time. A request that holds something might wait for itself: it goes on up to
// twice the bound, and is then refused at once.
func TestHoldings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		w := func(tenant string) *work {
			return &work{ctx: t.Context(), gate: g, tenant: tenant, left: DefaultMaxWork}
		}
		a, b, c := w("t"), w("t"), w("t")
		require.NoError(t, a.long())
		a.hold(maxHeld)
		a.pause()
		require.NoError(t, w("other").long(), "another tenant's")
		<-g.slots
		require.NoError(t, a.long(), "it goes on")
		a.pause()

		began := time.Now()
		assert.ErrorIs(t, b.long(), errTooManyLong)
		assert.Equal(t, longestHeld, time.Since(began))
		gone, leave := context.WithCancel(t.Context())
		leave()
		assert.ErrorIs(t, (&work{ctx: gone, gate: g, tenant: "t"}).long(), errClientGone)

		done := make(chan error)
		go func() { done <- c.long() }()
		synctest.Wait()
		a.hold(maxHeld - 1)
		require.NoError(t, <-done)
		c.hold(2 * maxHeld)
		c.pause()
		began = time.Now()
		assert.ErrorIs(t, a.long(), errTooManyLong)
		assert.Zero(t, time.Since(began))
		c.hold(leastHeld - 1)
		a.hold(0)
		assert.Empty(t, g.held.bytes, "nothing is kept of a tenant that holds nothing")
	})
}
