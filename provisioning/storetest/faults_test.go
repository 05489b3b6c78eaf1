package storetest

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/usher-go/usher/provisioning"
)

// A broken store is the reference store with one method that does wrong. A
// field that is nil leaves its method right.
type broken struct {
	*provisioning.Memory
	members   func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error]
	apply     func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error)
	effects   func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Effect, error]
	delivered func(s *broken, ctx context.Context, tenant string, e provisioning.Effect) error
	plan      func(s *broken, ctx context.Context, tenant, hash string) (*provisioning.Plan, error)
	audit     func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Record, error]
	lock      func(s *broken, ctx context.Context, tenant string) (func(), error)
	save      func(s *broken, ctx context.Context, tenant string, p *provisioning.Plan) error
	newer     func(s *broken, ctx context.Context, tenant, hash string) (bool, error)
	find      func(s *broken, ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error)
	count     func(s *broken, ctx context.Context, tenant, connection string) (provisioning.Counts, error)

	mu    sync.Mutex
	calls int
	kept  map[string]provisioning.Member
	keys  map[string]bool
	// hashes says of the plans that were saved when they were, by calls.
	hashes map[string]int
}

func (s *broken) Members(ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
	if s.members == nil {
		return s.Memory.Members(ctx, tenant)
	}
	return s.members(s, ctx, tenant)
}

func (s *broken) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	if s.apply == nil {
		return s.Memory.Apply(ctx, tenant, actions)
	}
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	return s.apply(s, ctx, tenant, slices.Clone(actions))
}

func (s *broken) Effects(ctx context.Context, tenant string) iter.Seq2[provisioning.Effect, error] {
	if s.effects == nil {
		return s.Memory.Effects(ctx, tenant)
	}
	return s.effects(s, ctx, tenant)
}

func (s *broken) Delivered(ctx context.Context, tenant string, e provisioning.Effect) error {
	if s.delivered == nil {
		return s.Memory.Delivered(ctx, tenant, e)
	}
	return s.delivered(s, ctx, tenant, e)
}

func (s *broken) Plan(ctx context.Context, tenant, hash string) (*provisioning.Plan, error) {
	if s.plan == nil {
		return s.Memory.Plan(ctx, tenant, hash)
	}
	return s.plan(s, ctx, tenant, hash)
}

func (s *broken) Audit(ctx context.Context, tenant string) iter.Seq2[provisioning.Record, error] {
	if s.audit == nil {
		return s.Memory.Audit(ctx, tenant)
	}
	return s.audit(s, ctx, tenant)
}

func (s *broken) Lock(ctx context.Context, tenant string) (func(), error) {
	if s.lock == nil {
		return s.Memory.Lock(ctx, tenant)
	}
	return s.lock(s, ctx, tenant)
}

func (s *broken) SavePlan(ctx context.Context, tenant string, p *provisioning.Plan) error {
	if s.save == nil {
		return s.Memory.SavePlan(ctx, tenant, p)
	}
	return s.save(s, ctx, tenant, p)
}

func (s *broken) Superseded(ctx context.Context, tenant, hash string) (bool, error) {
	if s.newer == nil {
		return s.Memory.Superseded(ctx, tenant, hash)
	}
	return s.newer(s, ctx, tenant, hash)
}

func (s *broken) FindMembers(ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
	if s.find == nil {
		return s.Memory.FindMembers(ctx, tenant, keys, limit)
	}
	return s.find(s, ctx, tenant, keys, limit)
}

func (s *broken) Count(ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
	if s.count == nil {
		return s.Memory.Count(ctx, tenant, connection)
	}
	return s.count(s, ctx, tenant, connection)
}

// The ways to be broken: most do the right thing to the wrong input, or change
// the right answer.

func editActions(edit func(s *broken, a *provisioning.Action)) *broken {
	return &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
		for i := range actions {
			s.edit(tenant, &actions[i], edit)
		}
		return s.Memory.Apply(ctx, tenant, actions)
	}}
}

// edit changes an action. The changes of one that showed what it does show what
// it does then, as if the store had checked the action before it went wrong.
func (s *broken) edit(tenant string, a *provisioning.Action, edit func(s *broken, a *provisioning.Action)) {
	row := s.row(tenant, a.Member.ID)
	shown := a.Check(&row) == nil
	a.Member = a.Member.Clone()
	if edit(s, a); shown {
		a.Changes = provisioning.Difference(&row, &a.Member)
	}
}

func editResults(edit func(s *broken, tenant string, actions []provisioning.Action, results []provisioning.Result) []provisioning.Result) *broken {
	return &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
		results, err := s.Memory.Apply(ctx, tenant, actions)
		return edit(s, tenant, actions, results), err
	}}
}

func editMembers(edit func(s *broken, m *provisioning.Member)) *broken {
	return &broken{members: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
		return edited(s.Memory.Members(ctx, tenant), func(m *provisioning.Member) { edit(s, m) })
	}}
}

func edited[T any](listing iter.Seq2[T, error], edit func(*T)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range listing {
			edit(&value)
			if !yield(value, err) {
				return
			}
		}
	}
}

func reversed[T any](listing iter.Seq2[T, error]) iter.Seq2[T, error] {
	all, err := collect(listing)
	return func(yield func(T, error) bool) {
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		for _, value := range slices.Backward(all) {
			if !yield(value, nil) {
				return
			}
		}
	}
}

func twice[T any](listing iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range listing {
			for range 2 {
				if !yield(value, err) {
					return
				}
			}
		}
	}
}

// row returns a member as it is now, or the zero Member.
func (s *broken) row(tenant, id string) provisioning.Member {
	key := provisioning.MemberKey{By: provisioning.MemberByID, Value: id}
	for _, m := range must(s.Memory.FindMembers(context.Background(), tenant, []provisioning.MemberKey{key}, 1)) {
		return m
	}
	return provisioning.Member{}
}

// current returns the revision that a member has now.
func (s *broken) current(id string) provisioning.Revision { return s.row(tenant, id).Revision }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// memberByMember lists with a new look at the store for every member.
func memberByMember(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
	return func(yield func(provisioning.Member, error) bool) {
		team, err := collect(s.Memory.Members(ctx, tenant))
		for i := range team {
			now, _ := collect(s.Memory.Members(ctx, tenant))
			if !yield(now[i], nil) {
				return
			}
		}
		if err != nil {
			yield(provisioning.Member{}, err)
		}
	}
}

// remembered lists the members that were kept when they were first seen.
func remembered(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
	return edited(s.Memory.Members(ctx, tenant), func(m *provisioning.Member) {
		if first, ok := s.kept[m.ID]; ok {
			*m = first
		}
		s.kept[m.ID] = *m
	})
}

// fresh returns another store that is broken in the same way.
func (s *broken) fresh() *broken {
	return &broken{
		Memory: new(provisioning.Memory), members: s.members, apply: s.apply, effects: s.effects,
		delivered: s.delivered, plan: s.plan, audit: s.audit, lock: s.lock,
		save: s.save, newer: s.newer, find: s.find, count: s.count,
		kept: make(map[string]provisioning.Member), keys: make(map[string]bool), hashes: make(map[string]int),
	}
}
