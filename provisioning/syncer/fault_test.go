package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

var errDead = errors.New("the process is dead")

// mortal is a team in which the process dies at a given call. The call is done
// or not, and the caller does not learn which. All later calls fail, too, until
// the next process starts.
type mortal struct {
	*provisioning.Memory
	mu    sync.Mutex
	calls int
	dies  int  // number of the call; 0: never
	done  bool // this call is done before the process dies
	dead  bool
	roll  func() (done, lives bool) // not nil: decides each call, and the process lives
}

// call counts a call. It reports whether the call is done, and whether its
// caller gets the result.
func (m *mortal) call() (done, lives bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roll != nil {
		return m.roll()
	}
	if m.dead {
		return false, false
	}
	m.calls++
	if m.calls == m.dies {
		m.dead = true
		return m.done, false
	}
	return true, true
}

// revive starts the next process, and reports whether the last one died.
func (m *mortal) revive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.dead
	m.dead = false
	return was
}

func try[T any](m *mortal, do func() (T, error)) (T, error) {
	var none T
	done, lives := m.call()
	if !done {
		return none, errDead
	}
	value, err := do()
	if !lives {
		return none, errDead
	}
	return value, err
}

func (m *mortal) Members(ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
	if _, lives := m.call(); !lives {
		return func(yield func(provisioning.Member, error) bool) { yield(provisioning.Member{}, errDead) }
	}
	return m.Memory.Members(ctx, tenant)
}

func (m *mortal) Effects(ctx context.Context, tenant string) iter.Seq2[provisioning.Effect, error] {
	if _, lives := m.call(); !lives {
		return func(yield func(provisioning.Effect, error) bool) { yield(provisioning.Effect{}, errDead) }
	}
	return m.Memory.Effects(ctx, tenant)
}

func (m *mortal) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	var all []provisioning.Result
	for group := range provisioning.CommitGroups(actions) { // each group is a transaction, and the process can die between them
		results, err := try(m, func() ([]provisioning.Result, error) { return m.Memory.Apply(ctx, tenant, group) })
		all = append(all, results...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (m *mortal) FindMembers(ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
	return try(m, func() ([]provisioning.Member, error) { return m.Memory.FindMembers(ctx, tenant, keys, limit) })
}

func (m *mortal) Count(ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
	return try(m, func() (provisioning.Counts, error) { return m.Memory.Count(ctx, tenant, connection) })
}

func (m *mortal) Lock(ctx context.Context, tenant string) (func(), error) {
	unlock, err := m.Memory.Lock(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if done, lives := m.call(); !done || !lives {
		unlock() // the lease of a dead holder ends by itself
		return nil, errDead
	}
	return unlock, nil
}

func (m *mortal) Delivered(ctx context.Context, tenant string, e provisioning.Effect) error {
	_, err := try(m, func() (any, error) { return nil, m.Memory.Delivered(ctx, tenant, e) })
	return err
}

func (m *mortal) SavePlan(ctx context.Context, tenant string, p *provisioning.Plan) error {
	_, err := try(m, func() (any, error) { return nil, m.Memory.SavePlan(ctx, tenant, p) })
	return err
}

func (m *mortal) SetState(ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
	return try(m, func() (provisioning.Revision, error) {
		return m.Memory.SetState(ctx, tenant, name, revision, document)
	})
}

func (m *mortal) Window(ctx context.Context, tenant, connection string, length time.Duration) (provisioning.Window, error) {
	return try(m, func() (provisioning.Window, error) { return m.Memory.Window(ctx, tenant, connection, length) })
}

var _ syncer.Store = (*mortal)(nil)

// A life is the result of a scripted history of pushes.
type life struct {
	team      []string       // one line for each member
	history   []string       // the actions on each person, in order
	delivered map[string]int // number of deliveries of each effect, by key
	window    provisioning.Window
	calls     int
}

// live plays a history: people join, enter a group, change, and leave. The
// leavers exceed the limit, and an approval releases them. The process dies at
// the given call of its store, and another process takes over.
func live(t *testing.T, dies int, done bool) (l life) {
	synctest.Test(t, func(t *testing.T) {
		team := &mortal{Memory: new(provisioning.Memory), dies: dies, done: done}
		l.delivered = make(map[string]int)
		cfg := syncer.Config{Store: team, Deliver: func(_ context.Context, _ string, e provisioning.Effect) error {
			l.delivered[string(e.Kind)+" "+e.Key]++
			return nil
		}}
		h := newHost(t, acme, sources.KindOkta, cfg, nil)
		limit := 2
		h.change(func(s *syncer.Setup) { s.Rules.Breakers.Deactivate = &provisioning.Limit{Count: &limit} })
		// step does something and waits until it is finished, by another
		// process if the first one dies.
		step := func(do func()) {
			do()
			synctest.Wait()
			err := h.sync.Push(t.Context(), acme)
			_, delivered := h.sync.Deliver(t.Context(), acme.Tenant)
			for _, err := range []error{err, delivered} {
				require.True(t, err == nil || errors.Is(err, errDead), "%v", err)
			}
			synctest.Wait()
			h.sync.Close()
			if !team.revive() {
				h.sync = h.replica(cfg)
				return
			}
			h.sync = h.replica(cfg)
			require.NoError(t, h.sync.Push(t.Context(), acme))
			if next := h.deliver(h.sync); !next.IsZero() { // the dead process has the lease
				require.LessOrEqual(t, time.Until(next), 10*time.Second)
				time.Sleep(time.Until(next))
				require.Zero(t, h.deliver(h.sync))
			}
			time.Sleep(2 * time.Minute) // until its other leases end
			synctest.Wait()
		}
		ids := make([]string, 6)
		for i := range ids {
			step(func() { ids[i] = h.hire(fmt.Sprintf("p%d", i)) })
		}
		var group string
		step(func() {
			group = h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales","members":[]}`, http.StatusCreated)
		})
		h.change(func(s *syncer.Setup) {
			breakers := s.Rules.Breakers
			s.Rules = rules(sources.KindOkta, group)
			s.Rules.Breakers = breakers
		})
		step(func() {
			h.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+ids[0]+`"},{"value":"`+ids[1]+`"}]}`, http.StatusNoContent)
		})
		step(func() { h.patch("/Users/"+ids[0], `{"op":"replace","value":{"title":"Lead"}}`, http.StatusOK) })
		for _, id := range ids[1:5] {
			step(func() { h.leave(id) })
		}
		// An admin views the plan and approves it. The admin repeats this until
		// it succeeds.
		for {
			plan, err := h.sync.Plan(t.Context(), acme)
			if err == nil && len(plan.Breakers) == 0 {
				break
			}
			step(func() {
				if err == nil {
					_, err = h.sync.Apply(t.Context(), acme, plan, plan.Approve(provisioning.ClassDeactivate))
				}
				require.True(t, err == nil || errors.Is(err, errDead), "%v", err)
			})
		}
		step(func() { h.leave(ids[5]) })
		team.revive()
		team.dies = 0
		l.calls = team.calls

		members, err := provisioning.Team(t.Context(), team.Memory, acme.Tenant)
		require.NoError(t, err)
		for _, m := range members {
			l.team = append(l.team, fmt.Sprint(m.Email, m.Active, m.Title, m.AssignmentID, m.Seats, m.Capture))
		}
		slices.Sort(l.team)
		for r, err := range team.Audit(t.Context(), acme.Tenant) {
			require.NoError(t, err)
			l.history = append(l.history, r.Email+" "+r.Kind.String())
		}
		slices.SortStableFunc(l.history, func(a, b string) int { return strings.Compare(a[:strings.Index(a, " ")], b[:strings.Index(b, " ")]) })
		for range team.Memory.Effects(t.Context(), acme.Tenant) {
			require.Fail(t, "an effect is left in the outbox")
		}
		l.window, err = team.Memory.Window(t.Context(), acme.Tenant, acme.Connection, provisioning.MaxWindow)
		require.NoError(t, err)
		report, err := h.sync.Run(t.Context(), acme)
		require.NoError(t, err)
		require.Empty(t, report.Plan.Actions, "L2")
		require.Equal(t, syncer.StatusOK, h.health().Status, "%+v", h.health())
	})
	return l
}

// L7, S27, S28, S38, S39, S41: for each point at which the process dies, the
// next process reaches the same team by the same actions. Each action is done
// once, the counts of the window are the same, and every effect is delivered,
// at least once and with one key.
func TestADeadProcessLosesAndRepeatsNothing(t *testing.T) {
	whole := live(t, 0, false)
	require.Len(t, whole.team, 6)
	require.NotEmpty(t, whole.delivered)
	t.Logf("%d calls of the store", whole.calls)
	for _, done := range []bool{false, true} {
		for dies := 1; dies <= whole.calls; dies++ {
			l := live(t, dies, done)
			at := fmt.Sprintf("the process dies at call %d of the store, done: %t", dies, done)
			require.Equal(t, whole.team, l.team, at)
			require.Equal(t, whole.history, l.history, at)
			require.Equal(t, whole.window, l.window, at)
			require.Equal(t, count(whole.delivered), count(l.delivered), at)
			repeated := 0
			for _, n := range l.delivered {
				repeated += n - 1
			}
			require.LessOrEqual(t, repeated, 1, "%s: only the one that was being delivered: %v", at, l.delivered)
		}
	}
}

// count returns the sorted kinds of the delivered effects, without the keys:
// another process's actions have other keys.
func count(delivered map[string]int) []string {
	var kinds []string
	for key := range delivered {
		kind, _, _ := strings.Cut(key, " ")
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// If a clock was ahead and is right again, nothing waits for the wrong time: no
// run, no group, no lease, and no retry of an effect.
func TestAClockThatWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		team := new(provisioning.Memory)
		ahead := time.Now().Add(1000 * time.Hour)
		for name, document := range map[string]string{
			"connection/okta": `{"format":1,"rounds":1,"last_run":%q,"last_push":%q,"last_proven":%q,"began":%q,"awaited":[{"id":"x","since":%q}]}`,
			"lease/effects":   `{"owner":"dead","until":%q}`,
		} {
			document = strings.ReplaceAll(document, "%q", `"`+ahead.Format(time.RFC3339)+`"`)
			_, err := team.SetState(t.Context(), acme.Tenant, name, "", []byte(document))
			require.NoError(t, err)
		}
		mail := newMailer()
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team, Deliver: mail.deliver}, nil)
		h.leave(h.hire("ana"))
		pass(10 * time.Second) // during this time, the dead process does not change its lease
		require.Len(t, h.members(), 1)
		require.Len(t, mail.tries, 1)
		health := h.health()
		require.False(t, health.LastRun.After(time.Now()))
		require.False(t, health.LastPush.After(time.Now()))
	})
}
