package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
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
		want       string // a part of the expected error
	}{
		{"RoundTrip", "drops a field", editActions(func(_ *broken, a *provisioning.Action) { a.Member.PhoneExtension = "" }), "field phone_extension"},
		{"RoundTrip", "drops owners", editActions(func(_ *broken, a *provisioning.Action) { a.Member.Owners = provisioning.Owners{} }), "field owners"},
		{"RoundTrip", "drops attributes", editMembers(func(_ *broken, m *provisioning.Member) { m.Attributes = nil }), "field attributes"},
		{"RoundTrip", "drops owners of attributes", editMembers(func(_ *broken, m *provisioning.Member) {
			m.Owners = m.Owners.With(provisioning.Attribute("cost_center"), provisioning.OwnerNobody)
		}), "field owners"},
		{"RoundTrip", "has owners for values alone", editMembers(func(_ *broken, m *provisioning.Member) {
			m.Owners = m.Owners.With(provisioning.Attribute("cleared"), provisioning.OwnerNobody)
		}), "field owners"},
		{"RoundTrip", "folds names of attributes", editMembers(func(_ *broken, m *provisioning.Member) {
			delete(m.Attributes, "COST_CENTER")
		}), "field attributes"},
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
		{"Stale", "stops at the first", stopsAtFirst(), "does not stop the rest"},
		{"Stale", "has its own errors", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Err != nil {
					r[i].Err = errors.New("constraint failed")
				}
			}
			return r
		}), "another error"},
		{"Stale", "writes what it refuses", writesRefused(), "changed the team"},
		{"Stale", "uses up keys", usesUpKeys(), "still free"},

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

		{"NotShown", "compares nothing", believes(func(*provisioning.Action, []provisioning.Change) bool { return true }), "leaves out a change"},
		{"NotShown", "compares what is shown alone", believes(func(a *provisioning.Action, want []provisioning.Change) bool {
			for _, c := range a.Changes {
				if !slices.ContainsFunc(want, func(w provisioning.Change) bool { return reflect.DeepEqual(w, c) }) {
					return false
				}
			}
			return true
		}), "leaves out a change"},
		{"NotShown", "compares no owners", believes(func(a *provisioning.Action, want []provisioning.Change) bool {
			for _, w := range want {
				if w.IsValue() && !shows(a, w, func(a, b provisioning.Change) bool { return reflect.DeepEqual(a.New, b.New) }) {
					return false
				}
			}
			return true
		}), "leaves out a change"},
		{"NotShown", "compares no attributes", believes(func(a *provisioning.Action, want []provisioning.Change) bool {
			for _, w := range want {
				if !strings.HasPrefix(w.Field.String(), "attributes.") && !shows(a, w, func(a, b provisioning.Change) bool { return reflect.DeepEqual(a, b) }) {
					return false
				}
			}
			return true
		}), "without attributes."},
		{"NotShown", "looks at no row", believes(func(a *provisioning.Action, want []provisioning.Change) bool {
			for _, w := range want {
				if !shows(a, w, func(a, b provisioning.Change) bool { return reflect.DeepEqual(a.New, b.New) && a.Owner == b.Owner }) {
					return false
				}
			}
			return len(want) == len(a.Changes)
		}), "another old text"},
		{"NotShown", "allows what is not made", believes(func(a *provisioning.Action, want []provisioning.Change) bool {
			for _, w := range want {
				if !shows(a, w, func(a, b provisioning.Change) bool { return reflect.DeepEqual(a, b) }) {
					return false
				}
			}
			return true
		}), "a change that is not made"},
		{"NotShown", "has its own error", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Err != nil {
					r[i].Err = errors.New("check failed")
				}
			}
			return r
		}), "another error"},
		{"NotShown", "writes what it refuses", writesRefused(), "changed the team"},
		{"NotShown", "touches what it refuses", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if row := s.row(tenant, actions[i].Member.ID); r[i].Err != nil && row.ID != "" {
					s.Put(tenant, row)
				}
			}
			return r
		}), "another revision"},
		{"NotShown", "stops at the first", stopsAtFirst(), "the others go on"},
		{"NotShown", "does what it can", editActions(func(_ *broken, a *provisioning.Action) { a.With = "" }), "whole group"},
		{"NotShown", "keeps effects", &broken{effects: func(s *broken, ctx context.Context, tenant string) iter.Seq2[provisioning.Effect, error] {
			return twice(s.Memory.Effects(ctx, tenant))
		}}, "refused actions leave nothing"},
		{"NotShown", "uses up keys", usesUpKeys(), "(Repeated), want it refused"},
		{"NotShown", "wants the types of a resolver", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				for _, c := range actions[i].Changes {
					if _, ok := c.New.([]any); ok {
						r[i].Err = provisioning.ErrNotShown
					}
				}
			}
			return r
		}), "read from JSON"},
		{"NotShown", "compares what is the host's", editResults(func(_ *broken, _ string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if actions[i].Member.Protected {
					r[i].Err = provisioning.ErrNotShown
				}
			}
			return r
		}), "has a subject"},
		{"NotShown", "creates what is the host's", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if actions[i].Member.Subject != "" {
					s.Put(tenant, actions[i].Member)
				}
			}
			return r
		}), "a create wrote what is the host's"},

		{"Needs", "looks at none", editNeeds(func(*provisioning.Action, string, []string, []string) string { return "" }), "needs what never was"},
		{"Needs", "looks at all tenants", editNeeds(func(_ *provisioning.Action, need string, _, _ []string) string {
			return strings.TrimPrefix(need, "create id-gil")
		}), "needs what another tenant did"},
		{"Needs", "takes refused for done", editNeeds(func(_ *provisioning.Action, need string, before, _ []string) string {
			if slices.Contains(before, need) {
				return ""
			}
			return need
		}), "needs what was refused"},
		{"Needs", "takes planned for done", editNeeds(func(_ *provisioning.Action, need string, before, after []string) string {
			if slices.Contains(after, need) && !slices.Contains(before, need) {
				return ""
			}
			return need
		}), "needs what comes later"},
		{"Needs", "looks at the last alone", editNeeds(func(a *provisioning.Action, need string, _, _ []string) string {
			if len(a.Needs) > 1 && need == a.Needs[1] {
				return ""
			}
			return need
		}), "needs two"},
		{"Needs", "refuses alone", editActions(func(_ *broken, a *provisioning.Action) {
			if a.With == "pair" {
				a.With = ""
			}
		}), "refused with its group"},
		{"Needs", "looks at this call alone", editNeeds(func(_ *provisioning.Action, need string, before, after []string) string {
			if slices.Contains(before, need) || slices.Contains(after, need) {
				return need
			}
			return "of another call"
		}), "in an earlier call"},
		{"Needs", "looks at earlier calls alone", editNeeds(func(a *provisioning.Action, need string, before, _ []string) string {
			if slices.Contains(before, need) && a.Key != "needs what was refused" {
				return "of this call"
			}
			return need
		}), "earlier in the same one"},
		{"Needs", "looks at what is before alone", editNeeds(func(_ *provisioning.Action, need string, _, after []string) string {
			if slices.Contains(after, need) {
				return "of this group"
			}
			return need
		}), "anywhere in the same group"},
		{"Needs", "looks again at what was done", editResults(func(_ *broken, _ string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Repeated && slices.Contains(actions[i].Needs, "unheard of") {
					r[i].Repeated, r[i].Err = false, provisioning.ErrNeeds
				}
			}
			return r
		}), "whatever it needs"},
		{"Needs", "takes a refused group for done", editNeeds(func(a *provisioning.Action, need string, _, _ []string) string {
			if a.Key == "outside" {
				return ""
			}
			return need
		}), "refused with its group is not done"},
		{"Needs", "writes what it refuses", writesRefused(), "changed the team"},
		{"Needs", "has its own error", editResults(func(_ *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Err != nil {
					r[i].Err = errors.New("foreign key")
				}
			}
			return r
		}), "another error"},

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
			if len(actions) < 100 {
				return s.Memory.Apply(ctx, tenant, actions)
			}
			return s.Memory.Apply(context.WithoutCancel(ctx), tenant, actions[:100])
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
		}), "changed Protected or Subject"},
		{"Protected", "lets plans write the subject", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range actions {
				row := s.row(tenant, actions[i].Member.ID)
				row.Subject = actions[i].Member.Subject
				s.Put(tenant, row)
			}
			return r
		}), "changed Protected or Subject"},
		{"Protected", "lets adoptions write it", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range actions {
				if actions[i].Kind == provisioning.KindAdopt {
					s.Put(tenant, actions[i].Member)
				}
			}
			return r
		}), "kind adopt"},
		{"Protected", "loses the subject", &broken{put: func(s *broken, tenant string, m provisioning.Member) provisioning.Member {
			m.Subject = ""
			return s.Memory.Put(tenant, m)
		}}, "field subject"},

		{"Deleted", "forgets the keys", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Repeated && s.row(tenant, r[i].MemberID).ID == "" {
					s.Put(tenant, actions[i].Member)
					r[i].Repeated = false
				}
			}
			return r
		}), "outlive the member"},
		{"Deleted", "makes them again", editResults(func(s *broken, tenant string, actions []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Repeated && s.row(tenant, r[i].MemberID).ID == "" {
					s.Put(tenant, actions[i].Member)
				}
			}
			return r
		}), "made somebody again"},
		{"Deleted", "forgets what others need", editNeeds(func(*provisioning.Action, string, []string, []string) string { return "of whom was deleted" }), "for those who need it"},
		{"Deleted", "remembers the member", &broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			for i := range actions {
				if a := &actions[i]; a.Kind == provisioning.KindCreate && s.keys[a.Member.ID] && s.row(tenant, a.Member.ID).ID == "" {
					a.Revision = "deleted"
				} else if a.Kind == provisioning.KindCreate {
					s.keys[a.Member.ID] = true
				}
			}
			return s.Memory.Apply(ctx, tenant, actions)
		}}, "under another key"},
		{"Deleted", "forgets which revisions it gave", editActions(func(s *broken, a *provisioning.Action) {
			if a.Key == "outdated" {
				a.Revision = s.current(a.Member.ID)
			}
		}), "deleted and created again is stale"},
		{"Deleted", "does not delete", &broken{remove: func(*broken, string, string) {}}, "after a member was deleted"},

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

		{"Plans", "looks at no hash", &broken{
			save: func(s *broken, _ context.Context, tenant string, p *provisioning.Plan) error {
				s.saved = append(s.saved, savedPlan{tenant: tenant, plan: p})
				return nil
			},
			plan: func(s *broken, _ context.Context, tenant, hash string) (*provisioning.Plan, error) {
				for _, saved := range slices.Backward(s.saved) {
					if saved.tenant == tenant && saved.plan.Hash == hash {
						return saved.plan, nil
					}
				}
				return nil, provisioning.ErrNoPlan
			},
		}, "under the hash of another plan"},

		{"Superseded", "never", superseding(func(_, _ savedPlan) bool { return false }), "supersedes the older"},
		{"Superseded", "looks at no tenant", superseding(func(older, newer savedPlan) bool {
			return older.plan.Connection == newer.plan.Connection && older.plan.About == nil && newer.plan.About == nil && newer.at > older.at
		}), "another tenant's"},
		{"Superseded", "by parts", superseding(func(older, newer savedPlan) bool {
			return older.tenant == newer.tenant && older.plan.Connection == newer.plan.Connection && older.plan.About == nil && newer.at > older.at
		}), "a part supersedes nothing"},
		{"Superseded", "supersedes parts", superseding(func(older, newer savedPlan) bool {
			return older.tenant == newer.tenant && older.plan.Connection == newer.plan.Connection && newer.plan.About == nil && newer.at > older.at
		}), "and no part"},
		{"Superseded", "looks at no connection", superseding(func(older, newer savedPlan) bool {
			return older.tenant == newer.tenant && older.plan.About == nil && newer.plan.About == nil && newer.at > older.at
		}), "another connection's"},
		{"Superseded", "folds connections", superseding(func(older, newer savedPlan) bool {
			return older.tenant == newer.tenant && strings.EqualFold(older.plan.Connection, newer.plan.Connection) && older.plan.About == nil && newer.plan.About == nil && newer.at > older.at
		}), "compared exactly"},
		{"Superseded", "goes by what was saved first", &broken{save: func(s *broken, ctx context.Context, tenant string, p *provisioning.Plan) error {
			if _, err := s.Memory.Plan(ctx, tenant, p.Hash); err == nil {
				return nil
			}
			return s.Memory.SavePlan(ctx, tenant, p)
		}}, "makes it the newest"},
		{"Superseded", "wants to know the plan", &broken{newer: func(s *broken, ctx context.Context, tenant, hash string) (bool, error) {
			if _, err := s.Memory.Plan(ctx, tenant, hash); err != nil {
				return false, err
			}
			return s.Memory.Superseded(ctx, tenant, hash)
		}}, "that was not saved"},

		{"Find", "keeps former keys", editFound(func(s *broken, keys []provisioning.MemberKey, found []provisioning.Member) []provisioning.Member {
			if len(keys) == 1 && len(found) == 0 {
				for _, id := range s.named[keys[0]] {
					if row := s.row(tenant, id); row.ID != "" {
						found = append(found, row)
					}
				}
			} else if len(keys) == 1 {
				s.named[keys[0]] = idsOf(found)
			}
			return found
		}), "after updates"},
		{"Find", "folds IDs", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has || key.By == provisioning.MemberByID && strings.EqualFold(m.ID, key.Value)
		}), "keys are alike"},
		{"Find", "trims IDs", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has || key.By == provisioning.MemberByManager && key.Value != "" && strings.TrimSpace(m.ManagerID) == strings.TrimSpace(key.Value)
		}), "keys are alike"},
		{"Find", "folds no addresses", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has && (key.By != provisioning.MemberByEmail || m.Email == key.Value)
		}), "keys are alike"},
		{"Find", "folds addresses in its own way", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has || key.By == provisioning.MemberByEmail && strings.EqualFold(m.Email, key.Value)
		}), `by the address "JOSÉ@acme.example"`},
		{"Find", "folds no names", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has && (key.By != provisioning.MemberByName || strings.EqualFold(m.Name(), key.Value))
		}), "keys are alike"},
		{"Find", "looks at no connection", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has || key.By == provisioning.MemberByExternalID && m.Managed && m.ExternalID == key.Value
		}), "after creates"},
		{"Find", "links whom no source has", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has || key.By == provisioning.MemberByExternalID && m.ExternalID == key.Value && m.Connection == key.Connection
		}), "taken out of the source"},
		{"Find", "records the inactive", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has || key.By == provisioning.MemberByRecordedBy && m.ManagerID == key.Value && len(m.Capture) > 0
		}), "after creates"},
		{"Find", "answers key by key", &broken{find: func(s *broken, ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
			var all []provisioning.Member
			for _, key := range keys {
				found, err := s.Memory.FindMembers(ctx, tenant, []provisioning.MemberKey{key}, limit-len(all))
				if all = append(all, found...); err != nil {
					return nil, err
				}
			}
			return all, nil
		}}, "once"},
		{"Find", "limits keys", &broken{find: func(s *broken, ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
			if len(keys) > 999 {
				return nil, errors.New("too many SQL variables")
			}
			return s.Memory.FindMembers(ctx, tenant, keys, limit)
		}}, "too many SQL variables"},
		{"Find", "limits rows", &broken{find: func(s *broken, ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
			if limit < len(keys) && limit < 100 { // a wrong limit: four keys of one member count as four rows
				keys = keys[:limit]
			}
			return s.Memory.FindMembers(ctx, tenant, keys, limit)
		}}, "with the limit 7"},
		{"Find", "looks at all tenants", editFound(func(s *broken, keys []provisioning.MemberKey, found []provisioning.Member) []provisioning.Member {
			return append(found, must(s.Memory.FindMembers(context.Background(), "other", keys, 1))...)
		}), "once"},
		{"Find", "wants a key", &broken{find: func(s *broken, ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
			if len(keys) == 0 {
				return nil, errors.New("syntax error near )")
			}
			return s.Memory.FindMembers(ctx, tenant, keys, limit)
		}}, "without a key"},
		{"Find", "shows a part of them", editFound(func(_ *broken, _ []provisioning.MemberKey, found []provisioning.Member) []provisioning.Member {
			for i := range found {
				found[i].Settings.Seats = nil
			}
			return found
		}), "in another state"},
		{"Find", "gives no revision", editFound(func(_ *broken, _ []provisioning.MemberKey, found []provisioning.Member) []provisioning.Member {
			for i := range found {
				found[i].Revision = ""
			}
			return found
		}), "in another state"},
		{"Find", "shows what it keeps", editFound(func(s *broken, _ []provisioning.MemberKey, found []provisioning.Member) []provisioning.Member {
			for i, m := range found {
				if kept := s.kept[m.ID]; kept.Revision == m.Revision {
					found[i] = kept
				}
				s.kept[m.ID] = found[i]
			}
			return found
		}), "was changed"},
		{"Find", "loses one beside others", scans(func(m *provisioning.Member, key provisioning.MemberKey, has bool) bool {
			return has && m.ID != "id-w2-3"
		}), "side by side"},
		{"Find", "goes on", &broken{find: func(s *broken, ctx context.Context, tenant string, keys []provisioning.MemberKey, limit int) ([]provisioning.Member, error) {
			return s.Memory.FindMembers(context.WithoutCancel(ctx), tenant, keys, limit)
		}}, "FindMembers with a context that had ended"},
		{"Find", "counts on", &broken{count: func(s *broken, ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
			return s.Memory.Count(context.WithoutCancel(ctx), tenant, connection)
		}}, "Count with a context that had ended"},

		{"Count", "counts the protected", counts(func(m *provisioning.Member, connection string) provisioning.Counts {
			plain := *m
			plain.Protected = false
			return plain.Counted(connection)
		}), "after the host protected"},
		{"Count", "counts the hand-made", counts(func(m *provisioning.Member, connection string) provisioning.Counts {
			managed := *m
			managed.Managed, managed.ExternalID = true, "x"
			if m.Connection == "" {
				managed.Connection = connection
			}
			return managed.Counted(connection)
		}), "after creates"},
		{"Count", "counts seats of the managed alone", counts(func(m *provisioning.Member, connection string) provisioning.Counts {
			counted := m.Counted(connection)
			if !m.Managed {
				counted.Seats = nil
			}
			return counted
		}), "after creates"},
		{"Count", "counts the inactive", counts(func(m *provisioning.Member, connection string) provisioning.Counts {
			active := *m
			active.Active = true
			return active.Counted(connection)
		}), "after creates"},
		{"Count", "counts a seat twice", counts(func(m *provisioning.Member, connection string) provisioning.Counts {
			counted := m.Counted(connection)
			for seat := range counted.Seats {
				counted.Seats[seat] = 0
				for _, held := range m.Seats {
					if held == seat {
						counted.Seats[seat]++
					}
				}
			}
			return counted
		}), "after creates"},
		{"State", "looks at no revision", &broken{setState: func(s *broken, ctx context.Context, tenant, name string, _ provisioning.Revision, document []byte) (provisioning.Revision, error) {
			_, revision, _ := s.Memory.State(ctx, tenant, name)
			return s.Memory.SetState(ctx, tenant, name, revision, document)
		}}, "ErrStale"},
		{"State", "folds names", &broken{state: func(s *broken, ctx context.Context, tenant, name string) ([]byte, provisioning.Revision, error) {
			return s.Memory.State(ctx, tenant, strings.ToLower(name))
		}}, `"A"`},
		{"State", "gives revisions again", &broken{setState: func(s *broken, ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
			if _, at, _ := s.Memory.State(ctx, tenant, name); revision != "" && revision != "x" || revision == "" && at != "" {
				return "", provisioning.ErrStale
			} else if document == nil {
				return s.Memory.SetState(ctx, tenant, name, at, nil)
			} else if _, err := s.Memory.SetState(ctx, tenant, name, at, document); err != nil {
				return "", err
			}
			return "x", nil
		}, state: func(s *broken, ctx context.Context, tenant, name string) ([]byte, provisioning.Revision, error) {
			document, revision, err := s.Memory.State(ctx, tenant, name)
			if revision != "" {
				revision = "x"
			}
			return document, revision, err
		}}, "ErrStale"},
		{"State", "loses one of two racing", &broken{setState: func(s *broken, ctx context.Context, tenant, name string, revision provisioning.Revision, document []byte) (provisioning.Revision, error) {
			if name == "race" && len(document) == 7 {
				return revision, nil
			}
			return s.Memory.SetState(ctx, tenant, name, revision, document)
		}}, "replaced"},
		{"Erase", "deletes the member alone", &broken{erase: func(s *broken, _ context.Context, tenant, memberID string) error {
			s.Memory.Delete(tenant, memberID)
			return nil
		}}, "erased"},
		{"Erase", "keeps the member", &broken{erase: func(*broken, context.Context, string, string) error { return nil }}, "after somebody was erased"},
		{"Forget", "forgets nothing", &broken{forget: func(*broken, context.Context, string, time.Time) error { return nil }}, "audit records"},
		{"Forget", "forgets what is new", &broken{forget: func(s *broken, ctx context.Context, tenant string, _ time.Time) error {
			return s.Memory.Forget(ctx, tenant, time.Now().Add(time.Hour))
		}}, "older than an hour"},
		{"Window", "counts what is refused", driftsInWindow(provisioning.ClassDeactivate, func(r provisioning.Result) bool { return r.Err != nil }), "refused"},
		{"Window", "counts what is repeated", driftsInWindow(provisioning.ClassCreate, func(r provisioning.Result) bool { return r.Repeated }), "repeated"},
		{"Window", "knows no approvals", editActions(func(_ *broken, a *provisioning.Action) { a.Approved = nil }), "approved"},
		{"Window", "counts no growth", &broken{window: func(s *broken, ctx context.Context, tenant, connection string, length time.Duration) (provisioning.Window, error) {
			w, err := s.Memory.Window(ctx, tenant, connection, length)
			w.Grown = 0
			return w, err
		}}, "growth"},
		{"Count", "counts the roles of the inactive", &broken{count: func(s *broken, ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
			sum, err := s.Memory.Count(ctx, tenant, connection)
			for m := range s.Memory.Members(ctx, tenant) {
				for workspace, profile := range m.Profiles {
					if !m.Active {
						sum.Roles[provisioning.Role{Workspace: workspace, Profile: profile}]++
					}
				}
			}
			return sum, err
		}}, "the roles"},
		{"Count", "joins workspace and profile", &broken{count: func(s *broken, ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
			sum, err := s.Memory.Count(ctx, tenant, connection)
			joined := make(map[string]provisioning.Role)
			for role, n := range maps.Clone(sum.Roles) {
				name := role.Workspace + "/" + role.Profile
				if other, known := joined[name]; known {
					sum.Roles[other] += n
					delete(sum.Roles, role)
				} else {
					joined[name] = role
				}
			}
			return sum, err
		}}, "the roles"},
		{"Count", "counts all connections", counts(func(m *provisioning.Member, _ string) provisioning.Counts { return m.Counted(m.Connection) }), "after creates"},
		{"Count", "folds connections", counts(func(m *provisioning.Member, connection string) provisioning.Counts {
			return m.Counted(strings.ToLower(connection))
		}), "connection Okta-Prod"},
		{"Count", "counts all tenants", &broken{count: func(s *broken, ctx context.Context, _, connection string) (provisioning.Counts, error) {
			return s.Memory.Count(ctx, tenant, connection)
		}}, "without members"},
		{"Count", "counts what is repeated", drifts(editResults(func(s *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Repeated {
					s.drift++
				}
			}
			return r
		})), "after the creates were repeated"},
		{"Count", "counts what is refused", drifts(editResults(func(s *broken, _ string, _ []provisioning.Action, r []provisioning.Result) []provisioning.Result {
			for i := range r {
				if r[i].Err != nil {
					s.drift++
				}
			}
			return r
		})), "were refused"},
		{"Count", "does not see the host", drifts(&broken{put: func(s *broken, tenant string, m provisioning.Member) provisioning.Member {
			before := s.row(tenant, m.ID)
			after := s.Memory.Put(tenant, m)
			s.drift += before.Counted(before.Connection).Population - after.Counted(after.Connection).Population
			return after
		}}), "after the host protected"},
		{"Count", "does not see who is deleted", drifts(&broken{remove: func(s *broken, tenant, id string) {
			s.Memory.Delete(tenant, id)
			s.drift++
		}}), "after the host deleted"},
		{"Count", "shows what it keeps", &broken{count: func(s *broken, ctx context.Context, tenant, connection string) (provisioning.Counts, error) {
			sum, err := s.Memory.Count(ctx, tenant, connection)
			if s.seats == nil {
				s.seats = make(map[string]int)
			}
			maps.Copy(s.seats, sum.Seats)
			return provisioning.Counts{Population: sum.Population, Seats: s.seats}, err
		}}, "spoilt by the caller"},
		{"Count", "loses one beside others", drifts(&broken{apply: func(s *broken, ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
			if actions[0].Key == "create id-w2-3" {
				s.drift--
			}
			return s.Memory.Apply(ctx, tenant, actions)
		}}), "side by side"},

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
			return func() { // unlocks the tenant for any holder
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
