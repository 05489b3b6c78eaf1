package sourcetest

import (
	"context"
	"iter"
	"net/http"
	"reflect"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A remembering source reads a made-up directory directly. It stores, for each
// cursor, the state of the directory at that time.
type remembering struct {
	*naive
	d      *fake.Directory
	forget string // the kind of change that it does not report
	then   []*sources.Snapshot
}

func (s *remembering) Users(context.Context) iter.Seq2[sources.User, error] {
	return func(yield func(sources.User, error) bool) {
		for _, u := range s.d.Users() {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (s *remembering) Groups(context.Context) iter.Seq2[sources.Group, error] {
	return func(yield func(sources.Group, error) bool) {
		for _, g := range s.d.Groups() {
			if !yield(g, nil) {
				return
			}
		}
	}
}

func (s *remembering) Changes(_ context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	return func(yield func(sources.Change, error) bool) {
		before, now := &sources.Snapshot{}, &sources.Snapshot{Users: s.d.Users(), Groups: s.d.Groups()}
		if n, err := strconv.Atoi(string(after)); err == nil {
			before = s.then[n]
		}
		s.then = append(s.then, now)
		tell := func(what string, c sources.Change) { // this test has no caller that stops early
			if what != s.forget {
				yield(c, nil)
			}
		}
		users, groups := map[string]sources.User{}, map[string]sources.Group{}
		for _, u := range before.Users {
			users[u.ID] = u
		}
		for _, g := range before.Groups {
			groups[g.ID] = g
		}
		for _, u := range now.Users {
			if was, known := users[u.ID]; !known || !reflect.DeepEqual(was, u) {
				tell("users", sources.Change{User: &u})
			}
			delete(users, u.ID)
		}
		for _, g := range now.Groups {
			if was, known := groups[g.ID]; !known || !reflect.DeepEqual(was, g) {
				tell("groups", sources.Change{Group: &g})
			}
			delete(groups, g.ID)
		}
		for id := range users {
			tell("removed users", sources.Change{UserRemoved: id})
		}
		for id := range groups {
			tell("removed groups", sources.Change{GroupRemoved: id})
		}
		yield(sources.Change{Next: sources.Cursor(strconv.Itoa(len(s.then) - 1))}, nil)
	}
}

// The histories detect a source that does not report every change.
func TestHistoryCanFail(t *testing.T) {
	for _, forget := range []string{"", "users", "groups", "removed users", "removed groups"} {
		synctest.Test(t, func(t *testing.T) {
			h := naiveHarness("")
			var d *fake.Directory
			h.Provider = func(made *fake.Directory) http.Handler {
				d = made
				return http.NotFoundHandler()
			}
			h.New = func(testing.TB, string, http.RoundTripper) sources.Source {
				return &remembering{naive: &naive{}, d: d, forget: forget}
			}
			err := h.history(t)
			if forget == "" {
				require.NoError(t, err)
			} else {
				require.Error(t, err, forget)
			}
		})
	}
}
