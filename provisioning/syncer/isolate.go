package syncer

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// isolated is a team in which an action on which the database fails, though it
// answers everything else, is refused like any other, so that one person keeps
// nobody else waiting.
type isolated struct {
	Store
	connection string
	left       int // how many more may be set aside before it is the database that fails
}

// maxIsolated is how many people of one plan are set aside in this way.
const maxIsolated = 20

var errIsolated = errors.New("the store fails on this action alone")

// Apply implements provisioning.Store.
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

// answers reports whether the store does anything at all, a write included.
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
