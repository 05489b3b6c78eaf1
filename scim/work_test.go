package scim

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A work that has refused once refuses always. A nil work costs nothing.
func TestWork(t *testing.T) {
	w := &work{ctx: t.Context(), left: 10}
	assert.NoError(t, w.spend(10))
	assert.True(t, w.affords(0))
	assert.False(t, w.affords(1))
	assert.NoError(t, w.note(1000), "what something else bounds is counted beside the budget")
	err := w.spend(1)
	refused, _ := clientError(err)
	assert.Equal(t, 413, refused.Status)
	assert.Equal(t, err, w.spend(0))
	assert.Equal(t, err, w.failed())
	assert.False(t, w.affords(0))

	query := &work{ctx: t.Context(), query: true}
	refused, _ = clientError(query.spend(1))
	assert.Equal(t, 400, refused.Status)
	assert.Equal(t, "tooMany", string(refused.ScimType))

	var none *work
	assert.NoError(t, errors.Join(none.spend(1<<40), none.note(1<<40), none.failed()))
	assert.True(t, none.affords(1<<40))
	none.pause()
}

// Long requests take turns. There are as many at a time as slots, one for each
// tenant, and the tenants alternate.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		var mu sync.Mutex
		running, most := map[string]int{}, 0
		finished := map[string][]time.Duration{}
		began := time.Now()
		run := func(tenant string) {
			w := &work{ctx: t.Context(), gate: g, tenant: tenant, left: 1 << 40}
			require.NoError(t, w.spend(freeWork))
			assert.Nil(t, w.turn, "what is short does not wait")
			require.NoError(t, w.spend(workStep))
			mu.Lock()
			running[tenant]++
			assert.Equal(t, 1, running[tenant])
			sum := 0
			for _, n := range running {
				sum += n
			}
			most = max(most, sum)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running[tenant]--
			finished[tenant] = append(finished[tenant], time.Since(began))
			mu.Unlock()
			w.pause()
			w.pause()
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { run("loud") })
		}
		synctest.Wait()
		for _, tenant := range []string{"a", "b"} {
			all.Go(func() { run(tenant) })
		}
		all.Wait()
		assert.Equal(t, 2, most)
		assert.LessOrEqual(t, max(finished["a"][0], finished["b"][0]), 3*time.Second, "nobody waits behind all of another's requests")
		assert.Equal(t, 20*time.Second, finished["loud"][19].Round(time.Second))
		assert.Empty(t, g.turns.byKey, "nothing is left of who has gone")
		assert.Empty(t, g.slots)
	})
}

// After a pause for something else, long work enters the gate again at its next
// unit, and not workStep later. Otherwise a request of many short writes would
// never be in the gate.
func TestWorkIsInTheGateAgainAfterAPause(t *testing.T) {
	w := &work{ctx: t.Context(), gate: newGate(1), left: 1 << 40}
	require.NoError(t, w.spend(freeWork+1))
	require.True(t, w.slot)
	w.pause()
	require.False(t, w.slot)
	require.Nil(t, w.turn)
	require.NoError(t, w.spend(1))
	assert.True(t, w.slot)
}

// If the gate leaves no processor to short requests, long work yields to them.
func TestGateYieldsIfItLeavesNoProcessor(t *testing.T) {
	assert.False(t, newGate(runtime.GOMAXPROCS(0)-1).yields)
	assert.True(t, newGate(runtime.GOMAXPROCS(0)).yields)
}

// A request that ends while it waits gives up its place. The number of places
// of a tenant is bounded.
func TestGateIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		enter := func(ctx context.Context, tenant string) (*work, error) {
			w := &work{ctx: ctx, gate: g, tenant: tenant, left: 1 << 40}
			err := w.long()
			if err != nil {
				w.pause()
			}
			return w, err
		}
		first, err := enter(t.Context(), "a")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		for range 50 {
			waiting.Go(func() {
				_, err := enter(ctx, "a")
				assert.Equal(t, errClientGone, err)
			})
			waiting.Go(func() {
				_, err := enter(ctx, "b")
				assert.Equal(t, errClientGone, err)
			})
		}
		synctest.Wait()
		for range 50 {
			waiting.Go(func() { _, _ = enter(ctx, "a") })
		}
		synctest.Wait()
		_, err = enter(t.Context(), "a")
		refused, _ := clientError(err)
		assert.Equal(t, 503, refused.Status)
		cancel()
		waiting.Wait()
		first.pause()
		assert.Empty(t, g.turns.byKey)
		last, err := enter(t.Context(), "a")
		require.NoError(t, err)
		last.pause()
	})
}

// A filter whose work is used up examines no further values. (The filter
// allocates each member that it examines, so allocations count the members.)
func TestFilterGivesUp(t *testing.T) {
	_, group := testTypes(t)
	r := &resource{rt: group, doc: &object{}, rec: Record{Links: make([]Link, 100_000)}}
	for _, text := range []string{
		`members[display eq "x"]`, `members[not (display eq "x") and display eq "y"]`, `members.display eq "x"`, `not (members[display eq "x"])`,
		`members[display eq "x"] or members[display eq "y"] or members.display co "a"`,
	} {
		f, err := group.parseFilter(text)
		require.NoError(t, err)
		w := &work{ctx: t.Context(), left: 100}
		f.bound(w)
		assert.Less(t, testing.AllocsPerRun(1, func() { f.matches(r) }), 2_000.0, text)
		assert.Error(t, w.failed())
	}
}

// A filter allocates each member that it examines, and this is counted.
func TestFilterCountsMembersThatItMakes(t *testing.T) {
	_, group := testTypes(t)
	r := &resource{rt: group, doc: &object{}, rec: Record{Links: make([]Link, 1_000)}}
	for i := range r.rec.Links {
		r.rec.Links[i].ID = fmt.Sprint(i)
	}
	for text, members := range map[string]int{
		`members[value eq "x"]`: 1_000, `members.value eq "x"`: 1_000,
		`members[value eq "9"]`: 10, `members pr`: 1, `displayName eq "x"`: 0,
	} {
		f, err := group.parseFilter(text)
		require.NoError(t, err)
		w := &work{ctx: t.Context(), left: 1 << 30}
		f.bound(w).matches(r)
		assert.GreaterOrEqual(t, w.done, members*unitsPerLink, text)
		assert.Less(t, w.done, (members+2)*4*unitsPerLink, text)
	}
}
