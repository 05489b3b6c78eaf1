package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// A broken store is the reference store with one wrong method. A nil field
// leaves its method correct.
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
	state     func(s *broken, ctx context.Context, tenant, name string) ([]byte, provisioning.Revision, error)
	setState  func(s *broken, ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error)
	erase     func(s *broken, ctx context.Context, tenant, memberID string) error
	forget    func(s *broken, ctx context.Context, tenant string, before time.Time) error
	window    func(s *broken, ctx context.Context, tenant, connection string, length time.Duration) (provisioning.Window, error)
	put       func(s *broken, tenant string, m provisioning.Member) provisioning.Member
	remove    func(s *broken, tenant, memberID string)

	mu    sync.Mutex
	calls int
	kept  map[string]provisioning.Member
	keys  map[string]bool
	saved []savedPlan
	named map[provisioning.MemberKey][]string
	seats map[string]int
	// drift is the error of Count; a fault increases it.
	drift int
}

// A savedPlan is a plan with its tenant and the number of the save.
type savedPlan struct {
	tenant string
	plan   *provisioning.Plan
	at     int
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

func (s *broken) Erase(ctx context.Context, tenant, memberID string) error {
	if s.erase == nil {
		return s.Memory.Erase(ctx, tenant, memberID)
	}
	return s.erase(s, ctx, tenant, memberID)
}

func (s *broken) Forget(ctx context.Context, tenant string, before time.Time) error {
	if s.forget == nil {
		return s.Memory.Forget(ctx, tenant, before)
	}
	return s.forget(s, ctx, tenant, before)
}

func (s *broken) State(ctx context.Context, tenant, name string) ([]byte, provisioning.Revision, error) {
	if s.state == nil {
		return s.Memory.State(ctx, tenant, name)
	}
	return s.state(s, ctx, tenant, name)
}

func (s *broken) SetState(ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
	if s.setState == nil {
		return s.Memory.SetState(ctx, tenant, name, revision, document)
	}
	return s.setState(s, ctx, tenant, name, revision, document)
}

func (s *broken) Window(ctx context.Context, tenant, connection string, length time.Duration) (provisioning.Window, error) {
	if s.window == nil {
		return s.Memory.Window(ctx, tenant, connection, length)
	}
	return s.window(s, ctx, tenant, connection, length)
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

func (s *broken) Put(tenant string, m provisioning.Member) provisioning.Member {
	if s.put == nil {
		return s.Memory.Put(tenant, m)
	}
	return s.put(s, tenant, m)
}

func (s *broken) Delete(tenant, memberID string) {
	if s.remove == nil {
		s.Memory.Delete(tenant, memberID)
		return
	}
	s.remove(s, tenant, memberID)
}

// The following functions return stores with one fault. Most do the right thing
// with the wrong input, or change a right answer.

func editActions(edit func(s *broken, a *provisioning.Action)) *broken {
	return &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
		for i := range actions {
			s.edit(tenant, &actions[i], edit)
		}
		return s.Memory.Apply(ctx, tenant, actions)
	}}
}

// edit changes an action. If the list of changes was correct before, edit
// updates it, as if the store had checked the action before its fault.
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

// writesRefused writes the member of every action that it refuses.
func writesRefused() *broken {
	return editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
		for i := range r {
			if r[i].Err != nil {
				s.Put(tenant, actions[i].Member)
			}
		}
		return r
	})
}

// usesUpKeys treats the key of a refused action as done.
func usesUpKeys() *broken {
	return &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
		results, err := s.Memory.Apply(ctx, tenant, actions)
		for i, r := range results {
			if s.keys[r.Key] {
				results[i].Repeated, results[i].Err = true, nil
			}
			s.keys[r.Key] = true
		}
		return results, err
	}}
}

// stopsAtFirst refuses all actions after the first refused one.
func stopsAtFirst() *broken {
	return editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
		for i := 1; i < len(r); i++ {
			r[i].Err = errors.Join(r[i].Err, r[i-1].Err)
		}
		return r
	})
}

// believes replaces the changes of an action by the correct ones if is returns
// true for the action and the correct changes.
func believes(is func(a *provisioning.Action, want []provisioning.Change) bool) *broken {
	return &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
		for i := range actions {
			row := s.row(tenant, actions[i].Member.ID)
			if want := provisioning.Difference(&row, &actions[i].Member); is(&actions[i], want) {
				actions[i].Changes = want
			}
		}
		return s.Memory.Apply(ctx, tenant, actions)
	}}
}

// shows reports whether an action has an equal change of the same field; same
// compares.
func shows(a *provisioning.Action, change provisioning.Change, same func(a, b provisioning.Change) bool) bool {
	return slices.ContainsFunc(a.Changes, func(c provisioning.Change) bool { return c.Field == change.Field && same(c, change) })
}

// editNeeds replaces the needs of actions. before and after are the keys in the
// call that come before and after the action.
func editNeeds(edit func(a *provisioning.Action, need string, before, after []string) string) *broken {
	return &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
		var keys []string
		for i := range actions {
			keys = append(keys, actions[i].Key)
		}
		for i := range actions {
			var needs []string
			for _, need := range actions[i].Needs {
				if need = edit(&actions[i], need, keys[:i], keys[i+1:]); need != "" {
					needs = append(needs, need)
				}
			}
			actions[i].Needs = needs
		}
		return s.Memory.Apply(ctx, tenant, actions)
	}}
}

// superseding decides by its own function which plan supersedes which.
func superseding(is func(older, newer savedPlan) bool) *broken {
	return &broken{
		save: func(s *broken, _ context.Context, tenant string, p *provisioning.Plan) error {
			s.calls++
			s.saved = append(s.saved, savedPlan{tenant, p, s.calls})
			return nil
		},
		newer: func(s *broken, _ context.Context, tenant, hash string) (bool, error) {
			var last savedPlan
			for _, saved := range s.saved {
				if saved.plan.Hash == hash && saved.tenant == tenant {
					last = saved
				}
			}
			return last.plan != nil && slices.ContainsFunc(s.saved, func(other savedPlan) bool { return is(last, other) }), nil
		},
	}
}

// editFound changes the found members.
func editFound(edit func(s *broken, keys []provisioning.MemberKey, found []provisioning.Member) []provisioning.Member) *broken {
	return &broken{find: func(s *broken, ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
		found, err := s.Memory.FindMembers(ctx, tenant, keys, limit)
		return edit(s, keys, found), err
	}}
}

// scans returns the members for which finds returns true. The parameter has of
// finds says whether the member really has the key.
func scans(finds func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool) *broken {
	return &broken{find: func(s *broken, ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
		if len(keys) > 100 { // a scan for so many keys is slow, and one key shows the fault
			return s.Memory.FindMembers(ctx, tenant, keys, limit)
		}
		var found []provisioning.Member
		for m, err := range s.Memory.Members(ctx, tenant) {
			if err != nil {
				return nil, err
			}
			own := m.Keys()
			if len(found) < limit && slices.ContainsFunc(keys, func(key provisioning.MemberKey) bool { return finds(&m, key, slices.Contains(own, key)) }) {
				found = append(found, m)
			}
		}
		return found, nil
	}}
}

func idsOf(members []provisioning.Member) []string {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.ID
	}
	return ids
}

// counts counts members by another rule.
func counts(counted func(m *provisioning.Member, connection string) provisioning.Counts) *broken {
	return &broken{count: func(s *broken, ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
		sum := provisioning.Counts{Seats: make(map[string]int), Roles: make(map[provisioning.Role]int)}
		for m, err := range s.Memory.Members(ctx, tenant) {
			if err != nil {
				return sum, err
			}
			one := counted(&m, connection)
			sum.Population += one.Population
			for seat, n := range one.Seats {
				sum.Seats[seat] += n
			}
			for role, n := range one.Roles {
				sum.Roles[role] += n
			}
		}
		return sum, nil
	}}
}

// drifts counts correctly and then adds the drift.
func drifts(s *broken) *broken {
	s.count = func(s *broken, ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
		sum, err := s.Memory.Count(ctx, tenant, connection)
		sum.Population += s.drift
		return sum, err
	}
	return s
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

// row returns a member in its present state, or the zero Member.
func (s *broken) row(tenant, id string) provisioning.Member {
	key := provisioning.MemberKey{By: provisioning.MemberByID, Value: id}
	for _, m := range must(s.Memory.FindMembers(context.Background(), tenant, []provisioning.MemberKey{key}, 1)) {
		return m
	}
	return provisioning.Member{}
}

// current returns the present revision of a member.
func (s *broken) current(id string) provisioning.Revision { return s.row(tenant, id).Revision }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// memberByMember reads the store again for every member of the listing.
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

// remembered lists the members in the state in which they were first seen.
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
		save: s.save, newer: s.newer, find: s.find, count: s.count, put: s.put, remove: s.remove,
		state: s.state, setState: s.setState, window: s.window, erase: s.erase, forget: s.forget,
		kept: make(map[string]provisioning.Member), keys: make(map[string]bool), named: make(map[provisioning.MemberKey][]string),
	}
}

// driftsInWindow counts the window correctly and then adds a drift. The drift
// grows with each result for which counts returns true.
func driftsInWindow(class provisioning.Class, counts func(r provisioning.Result) bool) *broken {
	s := editResults(func(s *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
		for i := range r {
			if counts(r[i]) {
				s.drift++
			}
		}
		return r
	})
	s.window = func(s *broken, ctx context.Context, tenant, connection string, length time.Duration) (provisioning.Window, error) {
		w, err := s.Memory.Window(ctx, tenant, connection, length)
		w.Done[class] += s.drift
		return w, err
	}
	return s
}
