package scimtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usher-go/usher/scim"
)

func listChecks() []check {
	return []check{
		{name: "list", core: true, run: (*bench).list,
			rule: "records are listed by ordinal; a page that holds fewer than Limit is the last one"},
		{name: "where", core: true, run: (*bench).where,
			rule: "Query.Where selects the records that have all the keys, byte for byte"},
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
	// A change does not move a record.
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
