package scim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

var testDir = scim.Directory{Tenant: "t1", Connection: "c1"}

func put(tb testing.TB, store scim.Store, w scim.Write) scim.Record {
	tb.Helper()
	if w.At.IsZero() {
		w.At = time.Unix(1, 0)
	}
	rec, err := store.Apply(tb.Context(), testDir, w)
	require.NoError(tb, err)
	return rec
}

func userRef(id string) scim.Ref { return scim.Ref{Type: scim.TypeUser, ID: id} }

func TestMemoryListsByKeys(t *testing.T) {
	store := &scim.Memory{}
	for i := range 10 {
		put(t, store, scim.Write{Op: scim.Create, Ref: userRef(fmt.Sprint("u", i)), Doc: []byte("{}"), Keys: []scim.Key{
			{Name: scim.KeyUserName, Value: fmt.Sprint("n", i), Unique: true},
			{Name: scim.KeyDisplayName, Value: fmt.Sprint("even", i%2 == 0)},
		}})
	}
	group := scim.Ref{Type: scim.TypeGroup, ID: "g"}
	put(t, store, scim.Write{Op: scim.Create, Ref: group, Doc: []byte("{}"), Display: "G", Members: &scim.MemberChange{
		Add: []scim.Link{{Ref: scim.Ref{ID: "u1"}}, {Ref: scim.Ref{ID: "u2"}}, {Ref: scim.Ref{ID: "g"}}, {Ref: scim.Ref{ID: "u1"}, Display: "one"}},
	}})
	ids := func(q scim.Query) (ids []string, total int) {
		q.Count = true
		page, err := store.List(t.Context(), testDir, q)
		require.NoError(t, err)
		for _, rec := range page.Records {
			ids = append(ids, rec.ID)
		}
		return ids, page.Total
	}
	even := scim.Key{Name: scim.KeyDisplayName, Value: "eventrue"}
	for _, c := range []struct {
		q     scim.Query
		ids   []string
		total int
	}{
		{scim.Query{Type: scim.TypeUser, Offset: 8, Limit: 5}, []string{"u8", "u9"}, 10},
		{scim.Query{Type: scim.TypeUser, Offset: 80, Limit: 5}, nil, 10},
		{scim.Query{Offset: 9, Limit: 5}, []string{"u9", "g"}, 11},
		{scim.Query{Type: scim.TypeUser}, nil, 10},
		{scim.Query{Type: "Car", Limit: 5}, nil, 0},
		{scim.Query{Type: scim.TypeUser, Where: []scim.Key{even}, Offset: 1, Limit: 2}, []string{"u2", "u4"}, 5},
		{scim.Query{Type: scim.TypeUser, Where: []scim.Key{even, {Name: scim.KeyGroup, Value: "g"}}, Limit: 9}, []string{"u2"}, 1},
		{scim.Query{Type: scim.TypeUser, Where: []scim.Key{even, {Name: scim.KeyID, Value: "u3"}}, Limit: 9}, nil, 0},
		{scim.Query{Where: []scim.Key{{Name: scim.KeyGroup, Value: "g"}}, Limit: 9}, []string{"u1", "u2", "g"}, 3},
		{scim.Query{Type: scim.TypeGroup, Where: []scim.Key{{Name: scim.KeyMember, Value: "u1"}, {Name: scim.KeyID, Value: "g"}}, Limit: 9}, []string{"g"}, 1},
		{scim.Query{Type: scim.TypeGroup, Where: []scim.Key{{Name: scim.KeyMember, Value: "u3"}}, Limit: 9}, nil, 0},
		{scim.Query{Where: []scim.Key{{Name: scim.KeyID, Value: "u4"}}, Limit: 9}, []string{"u4"}, 1},
		{scim.Query{Where: []scim.Key{even}, Limit: 9}, []string{"u0", "u2", "u4", "u6", "u8"}, 5},
	} {
		got, total := ids(c.q)
		assert.Equal(t, c.ids, got, "%+v", c.q)
		assert.Equal(t, c.total, total, "%+v", c.q)
	}
	rec, err := store.Get(t.Context(), testDir, group, true)
	require.NoError(t, err)
	assert.ElementsMatch(t, []scim.Link{{Ref: userRef("u1"), Display: "one"}, {Ref: userRef("u2")}, {Ref: group}}, rec.Links)
	rec, err = store.Get(t.Context(), testDir, userRef("u1"), true)
	require.NoError(t, err)
	assert.Equal(t, []scim.Link{{Ref: group, Display: "G"}}, rec.Links)
}

func TestMemoryRefusesWhole(t *testing.T) {
	store := &scim.Memory{}
	name := func(s string) []scim.Key { return []scim.Key{{Name: scim.KeyUserName, Value: s, Unique: true}} }
	a := put(t, store, scim.Write{Op: scim.Create, Ref: userRef("a"), Doc: []byte("{}"), Keys: name("a")})
	put(t, store, scim.Write{Op: scim.Create, Ref: userRef("b"), Doc: []byte("{}"), Keys: name("b")})
	group := scim.Ref{Type: scim.TypeGroup, ID: "g"}
	g := put(t, store, scim.Write{Op: scim.Create, Ref: group, Doc: []byte("{}"), Keys: name("a")}) // a key is unique within its type only

	unknown := &scim.MemberChange{Replace: true, Add: []scim.Link{{Ref: userRef("a")}, {Ref: userRef("nobody")}}}
	for _, c := range []struct {
		w    scim.Write
		want error
	}{
		{scim.Write{Op: scim.Create, Ref: userRef("c"), Doc: []byte("{}"), Keys: name("a")}, scim.ErrDuplicate},
		{scim.Write{Op: scim.Create, Ref: userRef("a"), Doc: []byte("{}")}, scim.ErrDuplicate},
		{scim.Write{Op: scim.Update, Ref: userRef("b"), Doc: []byte("{}"), Keys: name("a")}, scim.ErrDuplicate},
		{scim.Write{Op: scim.Update, Ref: userRef("c"), Doc: []byte("{}")}, scim.ErrNotFound},
		{scim.Write{Op: scim.Update, Ref: scim.Ref{Type: scim.TypeGroup, ID: "a"}, Doc: []byte("{}")}, scim.ErrNotFound},
		{scim.Write{Op: scim.Delete, Ref: userRef("c")}, scim.ErrNotFound},
		{scim.Write{Op: scim.Update, Ref: userRef("a"), Doc: []byte("{}"), IfVersion: a.Version + 1}, scim.ErrConflict},
		{scim.Write{Op: scim.Delete, Ref: userRef("a"), IfVersion: a.Version - 1}, scim.ErrConflict},
	} {
		_, err := store.Apply(t.Context(), testDir, c.w)
		assert.ErrorIs(t, err, c.want)
	}
	for _, op := range []scim.Op{scim.Create, scim.Update} {
		ref := group
		if op == scim.Create {
			ref.ID = "h"
		}
		_, err := store.Apply(t.Context(), testDir, scim.Write{Op: op, Ref: ref, Doc: []byte(`{"x":1}`), Members: unknown})
		var noMember *scim.NoMemberError
		require.ErrorAs(t, err, &noMember)
		assert.Equal(t, "nobody", noMember.ID)
	}
	_, err := store.Apply(t.Context(), testDir, scim.Write{Ref: userRef("a")})
	assert.Error(t, err)
	rec, err := store.Get(t.Context(), testDir, group, true)
	require.NoError(t, err)
	assert.Equal(t, g, rec)
	page, err := store.List(t.Context(), testDir, scim.Query{Count: true})
	require.NoError(t, err)
	assert.Equal(t, 3, page.Total)
}

func TestMemoryChanges(t *testing.T) {
	store := &scim.Memory{}
	changes := func(after int64) (out []string, last int64) {
		records, err := store.Changes(t.Context(), testDir, after, 100)
		require.NoError(t, err)
		last = after
		for _, rec := range records {
			assert.Greater(t, rec.Version, last)
			last = rec.Version
			out = append(out, fmt.Sprintf("%s %t %d", rec.ID, rec.Deleted, len(rec.Links)))
		}
		return out, last
	}
	put(t, store, scim.Write{Op: scim.Create, Ref: userRef("a"), Doc: []byte("{}")})
	put(t, store, scim.Write{Op: scim.Create, Ref: userRef("b"), Doc: []byte("{}")})
	group := scim.Ref{Type: scim.TypeGroup, ID: "g"}
	members := func(c scim.MemberChange) scim.Record {
		return put(t, store, scim.Write{Op: scim.Update, Ref: group, Members: &c})
	}
	put(t, store, scim.Write{Op: scim.Create, Ref: group, Doc: []byte("{}"), Members: &scim.MemberChange{Add: []scim.Link{{Ref: userRef("a")}}}})
	got, at := changes(0)
	assert.Equal(t, []string{"b false 0", "g false 1", "a false 0"}, got, "who joins is changed after the group")

	before := members(scim.MemberChange{Add: []scim.Link{{Ref: userRef("a")}}, Remove: []string{"b"}})
	got, _ = changes(at)
	assert.Empty(t, got, "nothing changed")
	after := members(scim.MemberChange{Add: []scim.Link{{Ref: userRef("b")}}})
	assert.Greater(t, after.Version, before.Version)
	put(t, store, scim.Write{Op: scim.Delete, Ref: userRef("a"), At: time.Unix(9, 0)})
	got, at = changes(at)
	assert.ElementsMatch(t, []string{"g false 1", "b false 0", "a true 0"}, got, "the group lost a member and gained another")
	rec, err := store.Get(t.Context(), testDir, group, false)
	require.NoError(t, err)
	assert.Equal(t, time.Unix(9, 0), rec.LastModified)

	for i := range 1_000 { // repeated changes of one record do not make the log longer
		put(t, store, scim.Write{Op: scim.Update, Ref: userRef("b"), Doc: []byte(fmt.Sprintf(`{"i":%d}`, i))})
	}
	got, _ = changes(at)
	assert.Equal(t, []string{"b false 0"}, got)
	_, err = store.Changes(t.Context(), testDir, 1, 10)
	assert.ErrorIs(t, err, sources.ErrCursorExpired, "a number of another run")
}
