package scim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// together runs f n times in parallel and returns the number of answers with
// each status.
func together(n int, f func(i int) int) map[int]int {
	var mu sync.Mutex
	var wait sync.WaitGroup
	counts := map[int]int{}
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			status := f(i)
			mu.Lock()
			defer mu.Unlock()
			counts[status]++
		})
	}
	close(start)
	wait.Wait()
	return counts
}

func TestRacingCreatesOfOneName(t *testing.T) {
	server := mount(t, scim.Config{})
	for round := range 5 {
		counts := together(20, func(i int) int {
			name := fmt.Sprintf("RACE%d@example.com", round)
			if i%2 == 0 {
				name = fmt.Sprintf("race%d@example.com", round)
			}
			return send(t, server, testToken, "POST", "/Users", user(name, fmt.Sprintf(`"externalId":"e%d"`, round))).status
		})
		assert.Equal(t, map[int]int{201: 1, 409: 19}, counts)
	}
}

func TestRacingPatchesLoseNothing(t *testing.T) {
	server := mount(t, scim.Config{})
	path := "/Users/" + create(t, server, "/Users", user("racer")).id()
	counts := together(40, func(i int) int {
		return send(t, server, testToken, "PATCH", path, ops(fmt.Sprintf(`{"op":"add","path":"roles","value":[{"value":"role%d"}]}`, i))).status
	})
	assert.Equal(t, map[int]int{200: 40}, counts)
	assert.Len(t, send(t, server, testToken, "GET", path, "").body["roles"], 40)
}

// Of several requests with If-Match and the same version, exactly one succeeds.
func TestRacingConditionalPatches(t *testing.T) {
	server := mount(t, scim.Config{})
	a := create(t, server, "/Users", user("cond"))
	counts := together(20, func(i int) int {
		return send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(fmt.Sprintf(`{"op":"add","path":"title","value":"t%d"}`, i)),
			"If-Match", a.header.Get("ETag")).status
	})
	assert.Equal(t, map[int]int{200: 1, 412: 19}, counts)
}

func TestRacingMembersLoseNothing(t *testing.T) {
	server := mount(t, scim.Config{})
	g := create(t, server, "/Groups", group("g"))
	var ids []string
	for i := range 30 {
		ids = append(ids, create(t, server, "/Users", user(fmt.Sprintf("m%d", i))).id())
	}
	counts := together(30, func(i int) int {
		return send(t, server, testToken, "PATCH", "/Groups/"+g.id(), ops(fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]},{"op":"replace","path":"displayName","value":"n%d"}`, ids[i], i))).status
	})
	assert.Equal(t, map[int]int{204: 30}, counts)
	assert.Len(t, send(t, server, testToken, "GET", "/Groups/"+g.id(), "").body["members"], 30)
	counts = together(30, func(i int) int {
		if i%2 == 0 {
			return send(t, server, testToken, "DELETE", "/Users/"+ids[i], "").status
		}
		return send(t, server, testToken, "PATCH", "/Groups/"+g.id(), ops(fmt.Sprintf(`{"op":"remove","path":"members[value eq %s]"}`, ids[i]))).status
	})
	assert.Equal(t, map[int]int{204: 30}, counts)
	assert.Empty(t, send(t, server, testToken, "GET", "/Groups/"+g.id(), "").body["members"])
}

// S6: many parallel restores of one person give one record.
func TestRacingRestores(t *testing.T) {
	server := mount(t, scim.Config{})
	a := create(t, server, "/Users", user("back", `"externalId":"E1"`))
	require.Equal(t, 200, send(t, server, testToken, "PATCH", "/Users/"+a.id(), ops(`{"op":"replace","path":"active","value":false}`)).status)
	counts := together(10, func(int) int {
		return send(t, server, testToken, "POST", "/Users", user("back", `"externalId":"E1"`)).status
	})
	assert.Equal(t, map[int]int{201: 1, 409: 9}, counts)
	list := send(t, server, testToken, "GET", "/Users", "").resources()
	require.Len(t, list, 1)
	assert.Equal(t, a.id(), list[0]["id"])
	assert.Equal(t, true, list[0]["active"])
}

// A meddlingStore makes another change between the read and the write of the
// first update.
type meddlingStore struct {
	scim.Store
	once   sync.Once
	meddle func()
}

func (s *meddlingStore) Apply(ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	if w.Op == scim.Update {
		s.once.Do(s.meddle)
	}
	return s.Store.Apply(ctx, dir, w)
}

// The handler builds on a change that came between. A PUT without active does
// not reactivate a user who has just been deactivated. A PATCH keeps the
// attributes that it does not name.
func TestChangesThatComeBetween(t *testing.T) {
	for name, c := range map[string]struct{ method, body string }{
		"PUT":   {"PUT", user("between", `"title":"new"`)},
		"PATCH": {"PATCH", ops(`{"op":"add","value":{"title":"new","roles":[{"value":"a","primary":true}]}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			inner := &scim.Memory{}
			store := &meddlingStore{Store: inner}
			server, direct := mount(t, scim.Config{Store: store}), mount(t, scim.Config{Store: inner})
			path := "/Users/" + create(t, direct, "/Users", user("between")).id()
			store.meddle = func() {
				a := send(t, direct, testToken, "PATCH", path, ops(`{"op":"replace","path":"active","value":false}`))
				assert.Equal(t, 200, a.status)
			}
			a := send(t, server, testToken, c.method, path, c.body)
			require.Equal(t, 200, a.status, a.text)
			assert.Equal(t, "new", a.body["title"])
			assert.Equal(t, false, a.body["active"])
		})
	}
}

// A tardyStore delays each read, so that others write meanwhile. It counts the
// writes that come too late.
type tardyStore struct {
	scim.Store
	late atomic.Int64
}

func (s *tardyStore) Get(ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
	rec, err := s.Store.Get(ctx, dir, ref, links)
	time.Sleep(time.Millisecond)
	return rec, err
}

func (s *tardyStore) Apply(ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	rec, err := s.Store.Apply(ctx, dir, w)
	if errors.Is(err, scim.ErrConflict) {
		s.late.Add(1)
	}
	return rec, err
}

// Parallel changes of one record are all done, and few of them need a second
// try.
func TestChangesOfOneRecordTakeTurns(t *testing.T) {
	const clients, each = 16, 10
	store := &tardyStore{Store: &scim.Memory{}}
	h := quiet(t, scim.Config{Store: store})
	path := postUser(t, h)
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range each {
				w := ask(h, "PATCH", path, ops(fmt.Sprintf(`{"op":"add","path":"emails","value":[{"value":"m%d-%d@example.com"}]}`, c, i)))
				assert.Equal(t, 200, w.Code, "%.200s", w.Body)
			}
		})
	}
	all.Wait()
	assert.Equal(t, clients*each, strings.Count(ask(h, "GET", path, "").Body.String(), `"value":"m`))
	assert.Less(t, store.late.Load(), int64(clients*each), "of %d", clients*each)
}
