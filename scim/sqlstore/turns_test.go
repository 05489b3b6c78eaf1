package sqlstore

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// Writers of one directory take turns, and writers of other directories do not
// wait for them.
func TestTurns(t *testing.T) {
	var queue turns
	one, another := scim.Directory{Tenant: "one"}, scim.Directory{Tenant: "another"}
	first, err := queue.take(t.Context(), new(sqldb.DB).NewWait(), one)
	require.NoError(t, err)
	other, err := queue.take(t.Context(), new(sqldb.DB).NewWait(), another)
	require.NoError(t, err)
	other(0)

	impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = queue.take(impatient, new(sqldb.DB).NewWait(), one)
	require.ErrorIs(t, err, context.DeadlineExceeded, "one has the turn, and who waits may give up")

	first(0)
	second, err := queue.take(t.Context(), new(sqldb.DB).NewWait(), one)
	require.NoError(t, err)
	second(0)
	assert.Empty(t, queue.queues, "nothing is kept of who has left")
}

// The queue of a directory with many writes during a pause has one timer.
func TestTurnsRestOnce(t *testing.T) {
	dir := scim.Directory{Tenant: "one"}
	queue := turns{latest: dir} // no other directory writes, so no writer waits
	for i := range 1_000 {
		done, err := queue.take(t.Context(), new(sqldb.DB).NewWait(), dir)
		require.NoError(t, err)
		if i == 0 {
			done(100 * time.Millisecond)
		} else {
			done(0)
		}
	}
	queue.mu.Lock() // each timer that ends waits for it in a goroutine of its own
	before := runtime.NumGoroutine()
	time.Sleep(300 * time.Millisecond)
	assert.LessOrEqual(t, runtime.NumGoroutine(), before+1)
	queue.mu.Unlock()
	require.Eventually(t, func() bool {
		queue.mu.Lock()
		defer queue.mu.Unlock()
		return len(queue.queues) == 0
	}, time.Second, time.Millisecond)
}

// After a long write, a directory pauses while others write, whether its next
// writer waits already or comes later.
func TestTurnsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, another := scim.Directory{Tenant: "one"}, scim.Directory{Tenant: "another"}
		for name, c := range map[string]struct {
			held   time.Duration
			others bool
			rested time.Duration
		}{
			"long":         {40 * time.Millisecond, true, 80 * time.Millisecond},
			"longest":      {time.Minute, true, longestRest},
			"short":        {longWrite, true, 0},
			"nobody else":  {time.Second, false, 0},
			"not measured": {0, true, 0},
		} {
			var queue turns
			take := func(dir scim.Directory) func(time.Duration) {
				done, err := queue.take(t.Context(), new(sqldb.DB).NewWait(), dir)
				require.NoError(t, err)
				return done
			}
			first := take(one)
			if time.Sleep(2 * othersRecent); c.others {
				take(another)(0)
			}
			var waited time.Duration
			var waiting sync.WaitGroup
			waiting.Go(func() {
				began := time.Now()
				take(one)(0)
				waited = time.Since(began)
			})
			synctest.Wait()
			first(c.held)
			waiting.Wait()
			assert.Equal(t, c.rested, waited, name)
			take(one)(c.held)
			if c.others {
				take(another)(0)
			}
			began := time.Now()
			take(one)(0)
			assert.Equal(t, c.rested, time.Since(began), "%s: who comes later", name)

			time.Sleep(2 * longestRest)
			synctest.Wait()
			queue.mu.Lock()
			assert.Empty(t, queue.queues, "%s: nothing is kept after the pause", name)
			queue.mu.Unlock()
		}
	})
}
