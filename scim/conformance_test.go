package scim_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
)

// A countingStore counts calls, and fails from a given call on.
type countingStore struct {
	scim.Store
	total  *atomic.Int64
	calls  atomic.Int64
	failAt int64
	failed atomic.Bool
}

func (s *countingStore) meet() error {
	s.total.Add(1)
	if n := s.calls.Add(1); s.failAt >= 0 && n > s.failAt {
		s.failed.Store(true)
		return errDatabase
	}
	return nil
}

func (s *countingStore) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	if err := s.meet(); err != nil {
		return scim.Page{}, err
	}
	return s.Store.List(ctx, dir, q)
}

func (s *countingStore) Changes(ctx context.Context, dir scim.Directory, after int64, limit int) ([]scim.Record, error) {
	if err := s.meet(); err != nil {
		return nil, err
	}
	return s.Store.Changes(ctx, dir, after, limit)
}

func TestSourceConformance(t *testing.T) {
	const people = 1201 // three pages in the store
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	var users []sources.User
	for i := range people {
		name := fmt.Sprintf("u%d@example.com", i)
		a := create(t, server, "/Users", user(name, fmt.Sprintf(`"emails":[{"value":%q}]`, name)))
		users = append(users, sources.User{ID: a.id(), UserName: name, Email: name, Status: sources.StatusActive})
	}
	var groups []sources.Group
	for i := range 45 {
		g := sources.Group{Name: fmt.Sprintf("g%d", i), Members: []string{users[i].ID, users[i+1].ID}}
		g.ID = create(t, server, "/Groups", group(g.Name, g.Members...)).id()
		groups = append(groups, g)
	}
	const local = "the store is in this process; a wire is the host's"
	var requests atomic.Int64
	counted := func(failAt int64) *countingStore {
		return &countingStore{Store: store, total: &requests, failAt: failAt}
	}
	sourcetest.Test(t, sourcetest.Harness{
		New:      func(testing.TB) sources.Source { return scim.AsSource(counted(-1), "t1", "c1") },
		Requests: func() int { return int(requests.Load()) },
		Faults: map[sourcetest.Fault]func(testing.TB, int) (sources.Source, func() bool){
			sourcetest.FaultUnavailable: func(_ testing.TB, at int) (sources.Source, func() bool) {
				failing := counted(int64(at))
				return scim.AsSource(failing, "t1", "c1"), failing.failed.Load
			},
		},
		Users:     users,
		Groups:    groups,
		MissingID: "none",
		Mutable: func(tb testing.TB) (sources.Source, func()) {
			own := &scim.Memory{}
			server := mount(tb, scim.Config{Store: own})
			var ids []string
			for i := range 4 {
				ids = append(ids, create(tb, server, "/Users", user(fmt.Sprint("m", i))).id())
			}
			g := create(tb, server, "/Groups", group("g", ids...)).id()
			return scim.AsSource(own, "t1", "c1"), func() {
				create(tb, server, "/Users", user("new"))
				send(tb, server, testToken, "PATCH", "/Users/"+ids[0], ops(`{"op":"replace","path":"active","value":false}`))
				send(tb, server, testToken, "PATCH", "/Groups/"+g, ops(`{"op":"remove","path":"members","value":["`+ids[1]+`"]}`))
				a := send(tb, server, testToken, "DELETE", "/Users/"+ids[2], "")
				require.Equal(tb, 204, a.status, a.text)
			}
		},
		ExpiredCursor: "seq:1",
		Unsupported: map[string]string{
			"fault cut": local, "fault blank": local, "fault drift": local,
			"fault rate limited": local, "fault unauthorized": local,
		},
	})
}
