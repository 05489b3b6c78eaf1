package scimtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-go/usher/scim"
)

func listChecks() []check {
	return []check{
		{name: "list", core: true, run: (*bench).list,
			rule: "records are listed by ordinal; a page that holds fewer than Limit is the last one"},
		{name: "where", core: true, run: (*bench).where,
			rule: "Query.Where selects the records that have all the keys, byte for byte"},
		{name: "any", core: true, run: (*bench).any,
			rule: "Query.Any selects the records that have at least one of the keys, each once"},
		{name: "found users", core: true, run: (*bench).foundUsers,
			rule: "a source over the store finds by key whom it finds among everybody, with their groups"},
	}
}

func (b *bench) list() error {
	if err := b.lists("list an empty directory", scim.Query{Limit: 10}); err != nil {
		return err
	}
	if err := b.have("u5", "u4", "g2", "u3", "g1", "u2"); err != nil {
		return err
	}
	var ordinals []int64
	page, err := b.List(b.ctx, b.dir, scim.Query{Limit: 10})
	if err != nil {
		return err
	}
	for _, rec := range page.Records {
		ordinals = append(ordinals, rec.Ordinal)
		if err := b.stored(rec); err != nil {
			return fmt.Errorf("a listed record: %w", err)
		}
		if rec.Links != nil {
			return fmt.Errorf("list without links: %q has Links, want none", rec.ID)
		}
	}
	if err := b.listsParts(page.Records); err != nil {
		return err
	}
	// A change does not move a record in the listing.
	if _, err := b.do(scim.Write{Op: scim.Update, Ref: userRef("u4"), At: b.at(), Doc: []byte(`{}`), Keys: userKeys("u4")}); err != nil {
		return err
	}
	users := scim.Query{Type: scim.TypeUser, Limit: 10}
	with := func(change func(*scim.Query)) scim.Query {
		q := users
		change(&q)
		return q
	}
	err = errors.Join(
		b.lists("list all types", scim.Query{Limit: 10}, "u5", "u4", "g2", "u3", "g1", "u2"),
		b.lists("list users", users, "u5", "u4", "u3", "u2"),
		b.lists("list a type that there is none of", with(func(q *scim.Query) { q.Type = "Device" })),
		b.lists("list with Limit 2", with(func(q *scim.Query) { q.Limit = 2 }), "u5", "u4"),
		b.lists("list with Limit 0", with(func(q *scim.Query) { q.Limit = 0 })),
		b.lists("list with Offset 1, Limit 2", with(func(q *scim.Query) { q.Offset, q.Limit = 1, 2 }), "u4", "u3"),
		b.lists("list with Offset beyond the end", with(func(q *scim.Query) { q.Offset = 4 })),
		b.lists("list after the second", with(func(q *scim.Query) { q.After = ordinals[1] }), "u3", "u2"),
		b.lists("list after another type's", with(func(q *scim.Query) { q.After = ordinals[2] }), "u3", "u2"),
		b.lists("list after the second, Offset 1", with(func(q *scim.Query) { q.After, q.Offset = ordinals[1], 1 }), "u2"),
		b.lists("list after the last", with(func(q *scim.Query) { q.After = ordinals[5] })),
	)
	if err != nil {
		return err
	}
	for _, q := range []scim.Query{
		users, with(func(q *scim.Query) { q.Limit = 0 }), with(func(q *scim.Query) { q.Limit = 1 }), with(func(q *scim.Query) { q.Offset = 9 }),
		with(func(q *scim.Query) { q.After = ordinals[5] }), with(func(q *scim.Query) { q.After, q.Limit = ordinals[1], 1 }),
	} {
		q.Count = true
		page, err := b.List(b.ctx, b.dir, q)
		if err != nil {
			return err
		}
		if page.Total != 4 {
			return fmt.Errorf("list with Count, After %d, Offset %d, Limit %d: Total is %d, want 4, whatever the page is", q.After, q.Offset, q.Limit, page.Total)
		}
	}
	return nil
}

// listsParts lists the records of the directory without some parts. What is not
// left out must be there.
func (b *bench) listsParts(whole []scim.Record) error {
	for _, q := range []scim.Query{
		{NoDoc: true}, {NoMeta: true}, {NoDoc: true, NoMeta: true}, {NoMeta: true, Links: true}, {NoDoc: true, NoMeta: true, Links: true},
		{NoMeta: true, Type: scim.TypeUser}, {NoMeta: true, Offset: 1}, {NoMeta: true, NoDoc: true, Where: userKeys("u4")[:1]},
		{NoMeta: true, Any: []scim.Key{{Name: scim.KeyID, Value: "u4"}, {Name: scim.KeyID, Value: "g1"}}},
	} {
		q.Limit = 10
		page, err := b.List(b.ctx, b.dir, q)
		if err != nil || len(page.Records) == 0 {
			return fmt.Errorf("list without parts: want records and no error, got %q and: %w", ids(page.Records), orNone(err))
		}
		for _, got := range page.Records {
			at := slices.IndexFunc(whole, func(rec scim.Record) bool { return rec.Ref == got.Ref })
			if at < 0 {
				return fmt.Errorf("list with NoDoc %t, NoMeta %t: lists %v, which is no record", q.NoDoc, q.NoMeta, got.Ref)
			}
			want := whole[at]
			if q.NoDoc {
				got.Doc = want.Doc
			}
			if q.NoMeta {
				got.Version, got.Created, got.LastModified, got.Display = want.Version, want.Created, want.LastModified, want.Display
			}
			if err := same(fmt.Sprintf("list with NoDoc %t, NoMeta %t: %q", q.NoDoc, q.NoMeta, got.ID), got, want); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) where() error {
	if err := errors.Join(b.have("u1", "u2", "u3"), b.all(b.newGroup("g1", "u1", "u2"), b.newGroup("g2", "u2", "g1"))); err != nil {
		return err
	}
	err := errors.Join(
		b.finds(scim.TypeUser, scim.KeyUserName, "u2", "u2"),
		b.finds(scim.TypeUser, scim.KeyUserName, "U2"),
		b.finds(scim.TypeUser, scim.KeyUserName, "u%"),
		b.finds(scim.TypeUser, scim.KeyUserName, "u2' --"),
		b.finds(scim.TypeUser, scim.KeyUserName, "u2\x00"),
		b.finds(scim.TypeUser, scim.KeyUserName, "\xff"),
		b.finds(scim.TypeUser, scim.KeyUserName, strings.Repeat("u", scim.MaxKeyBytes)),
		b.finds(scim.TypeUser, scim.KeyExternalID, "u2"),
		b.finds(scim.TypeUser, scim.KeyExternalID, "ext-u2", "u2"),
		b.finds(scim.TypeUser, scim.KeyEmail, "shared@example.com", "u1", "u2", "u3"),
		b.finds(scim.TypeUser, scim.KeyID, "u3", "u3"),
		b.finds(scim.TypeUser, scim.KeyID, "g1"),
		b.finds("", scim.KeyID, "g1", "g1"),
		b.finds("", scim.KeyEmail, "shared@example.com", "u1", "u2", "u3"),
		b.finds(scim.TypeGroup, scim.KeyEmail, "shared@example.com"),
		b.finds(scim.TypeGroup, scim.KeyDisplayName, "group g2", "g2"),
		b.finds(scim.TypeGroup, scim.KeyMember, "u2", "g1", "g2"),
		b.finds(scim.TypeGroup, scim.KeyMember, "g1", "g2"),
		b.finds(scim.TypeGroup, scim.KeyMember, "nobody"),
		b.finds(scim.TypeUser, scim.KeyGroup, "g1", "u1", "u2"),
		b.finds(scim.TypeGroup, scim.KeyGroup, "g2", "g1"),
		b.finds("", scim.KeyGroup, "g2", "u2", "g1"),
		b.finds("", scim.KeyGroup, "nobody"),
		b.finds("", scim.KeyMember, "u2", "g1", "g2"),
		b.finds("", scim.KeyMember, "nobody"),
		b.finds(scim.TypeUser, "no such key", "u1"),
	)
	if err != nil {
		return err
	}
	several := func(what string, keys []scim.Key, want ...string) error {
		return b.lists("list where "+what, scim.Query{Where: keys, Limit: 10}, want...)
	}
	shared := scim.Key{Name: scim.KeyEmail, Value: "shared@example.com"}
	page := scim.Query{Type: scim.TypeUser, Where: []scim.Key{shared}, Limit: 1, Offset: 1}
	first, err := b.List(b.ctx, b.dir, scim.Query{Type: scim.TypeUser, Where: []scim.Key{shared}, Limit: 1})
	if err != nil || len(first.Records) != 1 {
		return fmt.Errorf("list where emails.value is shared, Limit 1: want one record, got %q and: %w", ids(first.Records), orNone(err))
	}
	rest := scim.Query{Type: scim.TypeUser, Where: []scim.Key{shared}, Limit: 10, After: first.Records[0].Ordinal}
	return errors.Join(
		several("two keys hold", []scim.Key{shared, {Name: scim.KeyUserName, Value: "u2"}}, "u2"),
		several("one of two keys holds", []scim.Key{{Name: scim.KeyUserName, Value: "u1"}, {Name: scim.KeyExternalID, Value: "ext-u2"}}),
		several("a key and a group hold", []scim.Key{shared, {Name: scim.KeyGroup, Value: "g1"}}, "u1", "u2"),
		several("two members hold", []scim.Key{{Name: scim.KeyMember, Value: "u2"}, {Name: scim.KeyMember, Value: "u1"}}, "g1"),
		several("id and member hold", []scim.Key{{Name: scim.KeyID, Value: "g2"}, {Name: scim.KeyMember, Value: "u2"}}, "g2"),
		several("two ids cannot hold", []scim.Key{{Name: scim.KeyID, Value: "g2"}, {Name: scim.KeyID, Value: "g1"}}),
		b.lists("list where emails.value is shared, Offset 1, Limit 1", page, "u2"),
		b.lists("list where emails.value is shared, after the first", rest, "u2", "u3"),
	)
}

func (b *bench) any() error {
	err := errors.Join(b.have("u1", "u2", "u3", "u4"), b.all(b.newGroup("g1", "u1", "u2"), b.newGroup("g2", "u2", "g1"), b.newGroup("g3", "u4")))
	if err != nil {
		return err
	}
	key := func(name, value string) scim.Key { return scim.Key{Name: name, Value: value} }
	shared, name := key(scim.KeyEmail, "shared@example.com"), key(scim.KeyUserName, "u3")
	for _, test := range []struct {
		what string
		q    scim.Query
		want []string
	}{
		{"two keys of two users", scim.Query{Type: scim.TypeUser, Any: []scim.Key{name, key(scim.KeyExternalID, "ext-u1")}}, []string{"u1", "u3"}},
		{"two keys of one user", scim.Query{Type: scim.TypeUser, Any: []scim.Key{name, key(scim.KeyExternalID, "ext-u3")}}, []string{"u3"}},
		{"a key twice", scim.Query{Type: scim.TypeUser, Any: []scim.Key{name, name}}, []string{"u3"}},
		{"a key that several have", scim.Query{Type: scim.TypeUser, Any: []scim.Key{name, shared}}, []string{"u1", "u2", "u3", "u4"}},
		{"the name of one key and the value of another", scim.Query{Type: scim.TypeUser, Any: []scim.Key{key(scim.KeyUserName, "ext-u1"), key(scim.KeyExternalID, "u3")}}, nil},
		{"keys of nobody", scim.Query{Any: []scim.Key{key(scim.KeyUserName, "U3"), key("no such key", "u3"), key(scim.KeyID, "u3\x00"), key(scim.KeyEmail, "\xff")}}, nil},
		{"a key of nobody and one of somebody", scim.Query{Type: scim.TypeUser, Any: []scim.Key{key(scim.KeyID, "u3\x00"), name}}, []string{"u3"}},
		{"ids", scim.Query{Type: scim.TypeUser, Any: []scim.Key{key(scim.KeyID, "u4"), key(scim.KeyID, "u1"), key(scim.KeyID, "g1")}}, []string{"u1", "u4"}},
		{"ids, of any type", scim.Query{Any: []scim.Key{key(scim.KeyID, "g1"), key(scim.KeyID, "u1")}}, []string{"u1", "g1"}},
		{"an id, a key and a group", scim.Query{Type: scim.TypeUser, Any: []scim.Key{key(scim.KeyGroup, "g3"), key(scim.KeyID, "u1"), name}}, []string{"u1", "u3", "u4"}},
		{"members", scim.Query{Type: scim.TypeGroup, Any: []scim.Key{key(scim.KeyMember, "u1"), key(scim.KeyMember, "g1"), key(scim.KeyMember, "nobody")}}, []string{"g1", "g2"}},
		{"members, of users", scim.Query{Type: scim.TypeUser, Any: []scim.Key{key(scim.KeyMember, "u1")}}, nil},
		{"groups, of any type", scim.Query{Any: []scim.Key{key(scim.KeyGroup, "g2"), key(scim.KeyMember, "u4")}}, []string{"u2", "g1", "g3"}},
		{"groups, of groups", scim.Query{Type: scim.TypeGroup, Any: []scim.Key{key(scim.KeyGroup, "g2"), key(scim.KeyGroup, "g1")}}, []string{"g1"}},
		{"keys beside a key that all have", scim.Query{Type: scim.TypeUser, Any: []scim.Key{name, key(scim.KeyID, "u1")}, Where: []scim.Key{shared}}, []string{"u1", "u3"}},
		{"keys beside a key that one has", scim.Query{Type: scim.TypeUser, Any: []scim.Key{name, key(scim.KeyID, "u1")}, Where: []scim.Key{shared, name}}, []string{"u3"}},
	} {
		what := "list where any of " + test.what
		test.q.Limit, test.q.Count = 10, true
		page, err := b.List(b.ctx, b.dir, test.q)
		if err != nil {
			return fmt.Errorf("%s: want no error, got: %w", what, err)
		}
		if got := ids(page.Records); !slices.Equal(got, test.want) || page.Total != len(test.want) {
			return fmt.Errorf("%s: lists %q of %d, want %q", what, got, page.Total, test.want)
		}
		test.q.Limit, test.q.Count = 1, false
		var got []string
		for range len(test.want) + 1 {
			page, err := b.List(b.ctx, b.dir, test.q)
			if err != nil || len(page.Records) == 0 {
				break
			}
			got, test.q.After = append(got, ids(page.Records)...), page.Records[0].Ordinal
		}
		if !slices.Equal(got, test.want) {
			return fmt.Errorf("%s, one at a time: lists %q, want %q", what, got, test.want)
		}
	}
	return b.unseenElsewhere(scim.Query{Type: scim.TypeUser, Any: []scim.Key{name, key(scim.KeyID, "u1"), key(scim.KeyGroup, "g1")}, Limit: 10})
}

// unseenElsewhere queries another directory, which has none of these records.
func (b *bench) unseenElsewhere(q scim.Query) error {
	page, err := b.List(b.ctx, scim.Directory{Tenant: b.dir.Tenant, Connection: "okta-2"}, q)
	if err != nil || len(page.Records) > 0 {
		return fmt.Errorf("list in another directory: want nothing, got %q and: %w", ids(page.Records), orNone(err))
	}
	return nil
}
