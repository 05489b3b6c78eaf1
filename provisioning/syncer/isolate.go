package syncer

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// isolated is a Store that refuses an action if the database fails on this action
// alone and does everything else. So one failing action does not stop the actions
// for other people.
type isolated struct {
	Store
	connection string
	left       int // how many more commit groups may be refused before the error ends Apply
}

// maxIsolated is how many commit groups of one plan may be refused in this way.
const maxIsolated = 20

var errIsolated = errors.New("the store fails on this action alone")

// Apply implements provisioning.Store. After an error, it tries the next commit
// group alone. If that fails and the store still works, the group is refused with
// errIsolated, and Apply goes on with the next one.
func (s *isolated) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	var all []provisioning.Result
	for {
		results, err := s.Store.Apply(ctx, tenant, actions)
		all, actions = append(all, results...), actions[min(len(results), len(actions)):]
		if err == nil || len(actions) == 0 || ctx.Err() != nil || s.left == 0 {
			return all, err
		}
		var group []provisioning.Action
		for group = range provisioning.CommitGroups(actions) {
			break
		}
		results, again := s.Store.Apply(ctx, tenant, group)
		switch {
		case again == nil:
			all = append(all, results...)
		case s.answers(ctx, tenant):
			s.left--
			for i := range group {
				a := &group[i]
				all = append(all, provisioning.Result{Key: a.Key, Kind: a.Kind, MemberID: a.Member.ID, Err: fmt.Errorf("%w: %w", errIsolated, again)})
			}
		default:
			return all, err
		}
		if actions = actions[len(group):]; len(actions) == 0 {
			return all, nil
		}
	}
}

// answers reports whether the store works: it reads, writes and removes a test
// document.
func (s *isolated) answers(ctx context.Context, tenant string) bool {
	name := "probe/" + s.connection
	_, revision, err := s.State(ctx, tenant, name)
	if err == nil {
		revision, err = s.SetState(ctx, tenant, name, revision, []byte("{}"))
	}
	if err == nil {
		_, err = s.SetState(ctx, tenant, name, revision, nil)
	}
	return err == nil || errors.Is(err, provisioning.ErrStale)
}
