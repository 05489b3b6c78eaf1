package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/provisioning"
)

func TestEveryCheckCanFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		check, how string
		store      *broken
		want       string // a part of the error
	}{
		{"RoundTrip", "drops a field", editActions(func(_ *broken, a *provisioning.Action) { a.Member.PhoneExtension = "" }), "field phone_extension"},
		{"RoundTrip", "drops owners", editActions(func(_ *broken, a *provisioning.Action) { a.Member.Owners = provisioning.Owners{} }), "field owners"},
		{"RoundTrip", "counts in whole numbers", editMembers(func(_ *broken, m *provisioning.Member) {
			if zero, ok := m.Extra["zero"].(float64); ok {
				m.Extra["zero"] = int(zero)
			}
		}), `"zero" came back as int`},
		{"RoundTrip", "never clears", editActions(func(_ *broken, a *provisioning.Action) {
			if a.Member.Title == "" {
				a.Member.Title = "former title"
			}
		}), "field title"},
		{"RoundTrip", "gives no revision", editMembers(func(_ *broken, m *provisioning.Member) { m.Revision = "" }), "no revision"},

		{"OwnsValues", "keeps what it was given", &broken{
			apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
				for _, a := range actions {
					s.kept[a.Member.ID] = a.Member
				}
				return s.Memory.Apply(ctx, tenant, actions)
			},
			members: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
				return edited(s.Memory.Members(ctx, tenant), func(m *provisioning.Member) {
					revision := m.Revision
					*m = s.kept[m.ID]
					m.Revision = revision
				})
			},
		}, "after it was applied"},
		{"OwnsValues", "yields what it keeps", &broken{members: remembered}, "that Members yielded"},

		{"Members", "shows everybody twice", &broken{members: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
			return twice(s.Memory.Members(ctx, tenant))
		}}, "twice"},
		{"Members", "looks again for every member", &broken{members: memberByMember}, "one consistent state"},
		{"Members", "does not know the tenant", &broken{members: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
			if tenant == "nobody-yet" {
				return func(yield func(provisioning.Member, error) bool) { yield(provisioning.Member{}, errors.New("no rows")) }
			}
			return s.Memory.Members(ctx, tenant)
		}}, "no error"},

		{"Tenants", "folds their names", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			return s.Memory.Apply(ctx, strings.ToLower(tenant), actions)
		}}, `tenant "Acme"`},
		{"Tenants", "delivers for all", &broken{delivered: func(s *broken, ctx context.Context, _ string, e provisioning.Effect) error {
			for _, name := range []string{"acme", "Acme", "acme "} {
				if err := s.Memory.Delivered(ctx, name, e); err != nil {
					return err
				}
			}
			return nil
		}}, "those of other tenants"},
		{"Tenants", "shows everybody's log", &broken{audit: func(s *broken, ctx context.Context, _ string) iter.Seq2[provisioning.Record, error] {
			return s.Memory.Audit(ctx, "acme")
		}}, "of its own"},

		{"Order", "answers in another order", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			slices.Reverse(r)
			return r
		}), "in the order of the actions"},
		{"Order", "answers for one batch", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			return r[:min(len(r), 500)]
		}), "one for each"},
		{"Order", "works backwards", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			slices.Reverse(actions)
			results, err := s.Memory.Apply(ctx, tenant, actions)
			slices.Reverse(results)
			return results, err
		}}, "want it"},

		{"Sets", "does first what it can", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			order := make([]int, len(actions))
			for i := range order {
				order[i] = i
			}
			slices.SortStableFunc(order, func(i, j int) int { return -cmp.Compare(actions[i].Kind, actions[j].Kind) })
			sorted, results := make([]provisioning.Action, len(actions)), make([]provisioning.Result, len(actions))
			for to, from := range order {
				sorted[to] = actions[from]
			}
			answers, err := s.Memory.Apply(ctx, tenant, sorted)
			for to, from := range order {
				results[from] = answers[to]
			}
			return results, err
		}}, "want it"},
		{"Sets", "refuses all for one", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			if len(actions) > 100 {
				for i := range actions {
					actions[i].With = "all"
				}
			}
			return s.Memory.Apply(ctx, tenant, actions)
		}}, "want it done"},
		{"Sets", "forgets who waited", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			results, err := s.Memory.Apply(ctx, tenant, actions)
			for i := range results {
				if results[i].Err == nil && i > 100 && actions[i].With != "" {
					s.Delete(tenant, actions[i].Member.ID)
				}
			}
			return results, err
		}}, "among many actions: the team has"},

		{"Revisions", "makes them of the content", &broken{
			members: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
				return edited(s.Memory.Members(ctx, tenant), func(m *provisioning.Member) { m.Revision = provisioning.Revision("title " + m.Title) })
			},
			apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
				for i := range actions {
					actions[i].Key = fmt.Sprint(actions[i].Key, s.calls)
					actions[i].Revision = s.current(actions[i].Member.ID)
				}
				results, err := s.Memory.Apply(ctx, tenant, actions)
				for i := range results {
					results[i].Key = strings.TrimSuffix(results[i].Key, fmt.Sprint(s.calls))
				}
				return results, err
			},
		}, "came back"},
		{"Revisions", "gives another at every look", editMembers(func(s *broken, m *provisioning.Member) {
			s.calls++
			m.Revision = provisioning.Revision(fmt.Sprint(s.calls))
		}), "without a write"},

		{"Repeated", "keeps no keys", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			plain := slices.Clone(actions)
			for i := range actions {
				actions[i].Key = fmt.Sprint(s.calls, i)
			}
			results, err := s.Memory.Apply(ctx, tenant, actions)
			for i := range results {
				results[i].Key = plain[i].Key
			}
			return results, err
		}}, "done once"},
		{"Repeated", "writes all the same", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Repeated {
					s.Put(tenant, actions[i].Member)
				}
			}
			return r
		}), "wrote to the team"},
		{"Repeated", "tells nobody", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				r[i].Repeated = false
			}
			return r
		}), "done before"},
		{"Repeated", "repeats effects", &broken{effects: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Effect, error] {
			return twice(s.Memory.Effects(ctx, tenant))
		}}, "effects are due"},
		{"Repeated", "logs again", &broken{audit: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Record, error] {
			return twice(s.Memory.Audit(ctx, tenant))
		}}, "audit log has"},

		{"Stale", "looks at no revision", editActions(func(s *broken, a *provisioning.Action) { a.Revision = s.current(a.Member.ID) }), "was done, want it refused"},
		{"Stale", "stops at the first", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := 1; i < len(r); i++ {
				r[i].Err = errors.Join(r[i].Err, r[i-1].Err)
			}
			return r
		}), "does not stop the rest"},
		{"Stale", "has its own errors", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Err != nil {
					r[i].Err = errors.New("constraint failed")
				}
			}
			return r
		}), "another error"},
		{"Stale", "writes what it refuses", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Err != nil {
					s.Put(tenant, actions[i].Member)
				}
			}
			return r
		}), "changed the team"},
		{"Stale", "uses up keys", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			results, err := s.Memory.Apply(ctx, tenant, actions)
			for i, r := range results {
				if s.keys[r.Key] {
					results[i].Repeated, results[i].Err = true, nil
				}
				s.keys[r.Key] = true
			}
			return results, err
		}}, "still free"},

		{"Conflict", "compares addresses exactly", editActions(func(_ *broken, a *provisioning.Action) {
			if strings.HasPrefix(a.Member.Email, "ANA") {
				a.Member.Email = "other@acme.example"
			}
		}), "ASCII case aside"},
		{"Conflict", "looks at no identity", editActions(func(_ *broken, a *provisioning.Action) { a.Member.ExternalID = a.Member.ID }), "external ID"},
		{"Conflict", "folds more than ASCII", editActions(func(_ *broken, a *provisioning.Action) { a.Member.Email = strings.ToLower(a.Member.Email) }), "want it done"},
		{"Conflict", "compares missing addresses", editActions(func(_ *broken, a *provisioning.Action) {
			if a.Member.Email == "" {
				a.Member.Email = "none"
			}
		}), "no address"},

		{"Groups", "does what it can", editActions(func(_ *broken, a *provisioning.Action) { a.With = "" }), "whole group"},
		{"Groups", "writes what it refuses", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			if r[0].Err != nil {
				s.Put(tenant, actions[0].Member)
			}
			return r
		}), "all or none"},
		{"Swaps", "looks at one after the other", editActions(func(_ *broken, a *provisioning.Action) { a.With = "" }), "no conflict at its end"},
		{"Swaps", "cannot create among them", editActions(func(_ *broken, a *provisioning.Action) {
			if a.Kind == provisioning.KindCreate {
				a.With = ""
			}
		}), "somebody new"},

		{"Cancelled", "lists on", &broken{members: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
			return s.Memory.Members(context.WithoutCancel(ctx), tenant)
		}}, "a part must not pass"},
		{"Cancelled", "ends in silence", &broken{members: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
			return func(yield func(provisioning.Member, error) bool) {
				for m, err := range s.Memory.Members(ctx, tenant) {
					if err != nil || !yield(m, nil) {
						return
					}
				}
			}
		}}, "a part must not pass"},
		{"Cancelled", "goes on after an error", &broken{members: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
			return func(yield func(provisioning.Member, error) bool) {
				for m, err := range s.Memory.Members(ctx, tenant) {
					if !yield(m, err) || err != nil && !yield(m, nil) {
						return
					}
				}
			}
		}}, "error last"},
		{"Cancelled", "applies on", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			return s.Memory.Apply(context.WithoutCancel(ctx), tenant, actions)
		}}, "matches the context"},
		{"Cancelled", "applies on in secret", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			results, _ := s.Memory.Apply(context.WithoutCancel(ctx), tenant, actions)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return results, nil
		}}, "members, want 3"},

		{"Cancelled", "says what the driver says", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			if len(actions) < 100 {
				return s.Memory.Apply(ctx, tenant, actions)
			}
			<-ctx.Done()
			return nil, errors.New("transaction has already been rolled back")
		}}, "during Apply: it gave the error"},
		{"Cancelled", "promises too much", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			if len(actions) < 100 {
				return s.Memory.Apply(ctx, tenant, actions)
			}
			results, err := s.Memory.Apply(ctx, tenant, actions)
			s.Delete(tenant, actions[0].Member.ID)
			return results, err
		}}, "not in the team"},
		{"Cancelled", "stops without a word", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			return s.Memory.Apply(ctx, tenant, actions[:min(len(actions), 100)])
		}}, "and no error"},

		{"Concurrent", "does for each", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				r[i].Repeated = false
			}
			return r
		}), "2 times"},
		{"Concurrent", "loses an update", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			if len(actions) == 1 && strings.HasSuffix(actions[0].Key, " 3") {
				return []provisioning.Result{{Key: actions[0].Key, Kind: actions[0].Kind, MemberID: actions[0].Member.ID}}, nil
			}
			return s.Memory.Apply(ctx, tenant, actions)
		}}, "no update lost"},
		{"Concurrent", "gives up", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			if len(actions) == 20 {
				return nil, errors.New("database is locked")
			}
			return s.Memory.Apply(ctx, tenant, actions)
		}}, "beside others"},

		{"Protected", "lets plans write it", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range actions {
				s.Put(tenant, actions[i].Member)
			}
			return r
		}), "changed Protected"},
		{"Deleted", "keeps the keys", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			results, err := s.Memory.Apply(ctx, tenant, actions)
			for i, r := range results {
				results[i].Repeated = s.keys[r.Key]
				s.keys[r.Key] = true
			}
			return results, err
		}}, "created again"},

		{"Outbox", "yields the newest first", &broken{effects: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Effect, error] {
			return reversed(s.Memory.Effects(ctx, tenant))
		}}, "oldest first"},
		{"Outbox", "stores none", editActions(func(_ *broken, a *provisioning.Action) { a.Effects = nil }), "after the actions were done"},
		{"Outbox", "never marks", &broken{delivered: func(*broken, context.Context, string, provisioning.Effect) error { return nil }}, "after the first was delivered"},
		{"Outbox", "wants to know the effect", &broken{delivered: func(s *broken, ctx context.Context, tenant string, e provisioning.Effect) error {
			if all, _ := collect(s.Memory.Effects(ctx, tenant)); !slices.Contains(all, e) {
				return errors.New("no rows")
			}
			return s.Memory.Delivered(ctx, tenant, e)
		}}, "is no error"},
		{"Outbox", "marks by key", &broken{delivered: func(s *broken, ctx context.Context, tenant string, e provisioning.Effect) error {
			all, _ := collect(s.Memory.Effects(ctx, tenant))
			for _, other := range all {
				if other.Key == e.Key {
					if err := s.Memory.Delivered(ctx, tenant, other); err != nil {
						return err
					}
				}
			}
			return nil
		}}, "after the first was delivered"},

		{"Plans", "forgets", &broken{plan: func(*broken, context.Context, string, string) (*provisioning.Plan, error) {
			return nil, provisioning.ErrNoPlan
		}}, "one that was saved"},
		{"Plans", "changes a plan", &broken{plan: func(s *broken, ctx context.Context, tenant, hash string) (*provisioning.Plan, error) {
			p, err := s.Memory.Plan(ctx, tenant, hash)
			if err != nil {
				return nil, err
			}
			other := *p
			other.Unchanged++
			return &other, nil
		}}, "another than was saved"},
		{"Plans", "has its own error", &broken{plan: func(s *broken, ctx context.Context, tenant, hash string) (*provisioning.Plan, error) {
			p, err := s.Memory.Plan(ctx, tenant, hash)
			if err != nil {
				err = errors.New("no rows")
			}
			return p, err
		}}, "matches ErrNoPlan"},
		{"Plans", "shows them to every tenant", &broken{plan: func(s *broken, ctx context.Context, _, hash string) (*provisioning.Plan, error) {
			return s.Memory.Plan(ctx, tenant, hash)
		}}, "not saved for the tenant"},

		{"Audit", "forgets who", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			return s.Memory.Apply(provisioning.WithActor(ctx, ""), tenant, actions)
		}}, `want {"at"`},
		{"Audit", "forgets why", editActions(func(_ *broken, a *provisioning.Action) { a.Reasons = nil }), "audit record 0"},
		{"Audit", "logs twice", &broken{audit: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Record, error] {
			return twice(s.Memory.Audit(ctx, tenant))
		}}, "one for each action"},
		{"Audit", "shows the newest first", &broken{audit: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Record, error] {
			return reversed(s.Memory.Audit(ctx, tenant))
		}}, "audit record 0"},
		{"Audit", "has local times", &broken{audit: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Record, error] {
			return edited(s.Memory.Audit(ctx, tenant), func(r *provisioning.Record) { r.At = r.At.In(time.FixedZone("EST", -5*3600)) })
		}}, "UTC"},
		{"Audit", "mixes up times", &broken{audit: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Record, error] {
			return edited(s.Memory.Audit(ctx, tenant), func(r *provisioning.Record) {
				s.calls++
				r.At = time.Date(2026, 1, 9-s.calls%9, 0, 0, 0, 0, time.UTC)
			})
		}}, "older than the one before"},

		{"Lock", "excludes nobody", &broken{lock: func(*broken, context.Context, string) (func(), error) { return func() {}, nil }}, "want it to wait"},
		{"Lock", "has its own error", &broken{lock: func(s *broken, ctx context.Context, tenant string) (func(), error) {
			unlock, err := s.Memory.Lock(ctx, tenant)
			if err != nil {
				err = errors.New("busy")
			}
			return unlock, err
		}}, "matches ErrLocked"},
		{"Lock", "has one for all tenants", &broken{lock: func(s *broken, ctx context.Context, _ string) (func(), error) {
			return s.Memory.Lock(ctx, tenant)
		}}, "another tenant is free"},
		{"Lock", "never gives back", &broken{lock: func(s *broken, ctx context.Context, tenant string) (func(), error) {
			_, err := s.Memory.Lock(ctx, tenant)
			return func() {}, err
		}}, "that was given back"},
		{"Lock", "gives back what is another's", &broken{lock: func(s *broken, ctx context.Context, tenant string) (func(), error) {
			unlock, err := s.Memory.Lock(ctx, tenant)
			s.calls++
			if first := s.calls == 1; err != nil || !first {
				return unlock, err
			}
			return func() { // frees the tenant whoever has it
				unlock()
				s.Memory = new(provisioning.Memory)
			}, nil
		}}, "gave it back twice"},
	}
	for _, test := range tests {
		t.Run(test.check+"/"+test.how, func(t *testing.T) {
			t.Parallel()
			h := memoryHarness()
			h.New = func(*testing.T) provisioning.Store { return test.store.fresh() }
			assert.ErrorContains(t, (&bench{t: t, h: &h, store: h.New(t)}).run(test.check), test.want)
		})
	}
	seen := map[string]bool{"Crash": true} // see TestCrashCheckCanFail
	for _, test := range tests {
		seen[test.check] = true
	}
	for _, c := range checks() {
		assert.True(t, seen[c.name], "no broken store shows that %s can fail", c.name)
	}
}
