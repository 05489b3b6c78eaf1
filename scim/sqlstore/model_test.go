package sqlstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/scim"
)

// For any sequence of writes, the store gives the same answers as the
// reference. Its numbers may differ, but not their order.
func TestAnswersAsMemory(t *testing.T) {
	onBoth(t, answersAsMemory)
}

func answersAsMemory(t *testing.T, p place) {
	store, run := p.store(t), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		m := &model{t: t, dir: scim.Directory{Tenant: fmt.Sprint("t", run)}, store: store, reference: &scim.Memory{}}
		for range rapid.IntRange(5, 25).Draw(t, "steps") {
			m.write()
		}
		m.compare()
	})
}

type model struct {
	t                *rapid.T
	dir              scim.Directory
	store, reference scim.Store
	clock            time.Duration
}

func (m *model) id() string {
	return rapid.SampledFrom([]string{"u1", "u2", "u3", "g1", "g2"}).Draw(m.t, "id")
}

func refOf(id string) scim.Ref {
	if id[0] == 'g' {
		return scim.Ref{Type: scim.TypeGroup, ID: id}
	}
	return scim.Ref{Type: scim.TypeUser, ID: id}
}

func (m *model) write() {
	m.clock += time.Second
	w := scim.Write{
		Op:  rapid.SampledFrom([]scim.Op{scim.Create, scim.Create, scim.Update, scim.Update, scim.Update, scim.Delete}).Draw(m.t, "op"),
		Ref: refOf(m.id()), At: time.Unix(1_800_000_000, 0).Add(m.clock).UTC(),
	}
	if w.Op == scim.Create || rapid.Bool().Draw(m.t, "document") {
		w.Doc = fmt.Appendf(nil, `{"n":%d}`, rapid.IntRange(0, 9).Draw(m.t, "n"))
		w.Display = rapid.SampledFrom([]string{"", "One", "Two"}).Draw(m.t, "display")
		for range rapid.IntRange(0, 3).Draw(m.t, "keys") {
			name := rapid.SampledFrom([]string{scim.KeyUserName, scim.KeyEmail}).Draw(m.t, "key")
			value := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(m.t, "value")
			w.Keys = append(w.Keys, scim.Key{Name: name, Value: value, Unique: name == scim.KeyUserName})
		}
	}
	if w.Ref.Type == scim.TypeGroup && w.Op != scim.Delete && rapid.Bool().Draw(m.t, "members") {
		w.Members = &scim.MemberChange{Replace: rapid.Bool().Draw(m.t, "replace"), SkipUnknown: rapid.Bool().Draw(m.t, "skip")}
		for range rapid.IntRange(0, 3).Draw(m.t, "add") {
			link := scim.Link{Ref: scim.Ref{ID: m.id()}, Display: rapid.SampledFrom([]string{"", "x", "y"}).Draw(m.t, "text")}
			w.Members.Add = append(w.Members.Add, link)
		}
		for range rapid.IntRange(0, 2).Draw(m.t, "remove") {
			w.Members.Remove = append(w.Members.Remove, m.id())
		}
	}
	got, gotErr := m.store.Apply(m.t.Context(), m.dir, w)
	want, wantErr := m.reference.Apply(m.t.Context(), m.dir, w)
	require.Equal(m.t, refusal(wantErr), refusal(gotErr), "%+v", w)
	if wantErr == nil {
		require.Equal(m.t, plain(want), plain(got), "%+v", w)
	}
}

// refusal returns the name of the contract's error that err matches.
func refusal(err error) string {
	var noMember *scim.NoMemberError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, scim.ErrNotFound), errors.Is(err, scim.ErrDuplicate), errors.Is(err, scim.ErrConflict), errors.As(err, &noMember):
		return err.Error()
	}
	return "not of the contract: " + err.Error()
}

// plain returns a record without the values that each store chooses itself.
func plain(rec scim.Record) scim.Record {
	rec.Version, rec.Ordinal, rec.Keys = 0, 0, nil
	if len(rec.Links) == 0 {
		rec.Links = nil
	}
	slices.SortFunc(rec.Links, func(a, b scim.Link) int {
		return slices.Compare([]string{a.ID, a.Display}, []string{b.ID, b.Display})
	})
	return rec
}

func (m *model) compare() {
	queries := []scim.Query{
		{Limit: 100, Links: true, Count: true}, {Type: scim.TypeUser, Limit: 1, Offset: 1, Count: true},
		{Type: scim.TypeGroup, Limit: 9, Where: []scim.Key{{Name: scim.KeyMember, Value: "u1"}}, Count: true, Links: true},
		{Limit: 9, Where: []scim.Key{{Name: scim.KeyGroup, Value: "g1"}, {Name: scim.KeyEmail, Value: "a"}}, Count: true},
		{Where: []scim.Key{{Name: scim.KeyGroup, Value: "g1"}}, Count: true},
		{Type: scim.TypeUser, Where: []scim.Key{{Name: scim.KeyGroup, Value: "g2"}}, Count: true},
		{Type: scim.TypeGroup, Where: []scim.Key{{Name: scim.KeyGroup, Value: "g1"}}, Count: true},
		{Type: scim.TypeUser, Limit: 9, Where: []scim.Key{{Name: scim.KeyUserName, Value: "a"}, {Name: scim.KeyGroup, Value: "g2"}}, Count: true},
		{Type: scim.TypeGroup, Limit: 9, Where: []scim.Key{{Name: scim.KeyID, Value: "g1"}, {Name: scim.KeyMember, Value: "u2"}}, Count: true},
	}
	for _, typ := range []string{"", scim.TypeUser, scim.TypeGroup} {
		q := scim.Query{Type: typ, Limit: 9, Count: true, Links: true}
		for range rapid.IntRange(1, 4).Draw(m.t, "keys") {
			name := rapid.SampledFrom([]string{scim.KeyUserName, scim.KeyEmail, scim.KeyID, scim.KeyMember, scim.KeyGroup}).Draw(m.t, "key")
			q.Any = append(q.Any, scim.Key{Name: name, Value: rapid.SampledFrom([]string{"a", "b", "u1", "u2", "g1", "g2"}).Draw(m.t, "value")})
		}
		queries = append(queries, q)
		q.Where = []scim.Key{{Name: scim.KeyEmail, Value: "a"}}
		queries = append(queries, q)
	}
	for _, q := range queries {
		got, err := m.store.List(m.t.Context(), m.dir, q)
		require.NoError(m.t, err)
		want, err := m.reference.List(m.t.Context(), m.dir, q)
		require.NoError(m.t, err)
		require.Equal(m.t, want.Total, got.Total, "%+v", q)
		require.Equal(m.t, all(want.Records), all(got.Records), "%+v", q)
	}
	got, err := m.store.Changes(m.t.Context(), m.dir, 0, 100)
	require.NoError(m.t, err)
	want, err := m.reference.Changes(m.t.Context(), m.dir, 0, 100)
	require.NoError(m.t, err)
	require.ElementsMatch(m.t, all(want), all(got))
}

func all(records []scim.Record) []scim.Record {
	out := make([]scim.Record, 0, len(records))
	for _, rec := range records {
		out = append(out, plain(rec))
	}
	return out
}
