package scimtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/usher-go/usher/scim"
)

func recordChecks() []check {
	return []check{
		{name: "round trip", core: true, run: (*bench).roundTrip,
			rule: "a record comes back as it was written, under its type and ID only"},
		{name: "update", core: true, run: (*bench).updates,
			rule: "an Update replaces document, keys and display name together; a nil Doc leaves all three"},
		{name: "delete", core: true, run: (*bench).deletes,
			rule: "a Delete answers with the record as it was, and its ID and keys are free again"},
		{name: "unique", core: true, run: (*bench).unique,
			rule: "a unique key is one record's of a type and directory; the second is refused with ErrDuplicate"},
		{name: "versions", core: true, run: (*bench).versions,
			rule: "every change takes a greater sequence number, and a write for another version is refused with ErrConflict"},
		{name: "atomic", core: true, run: (*bench).atomic,
			rule: "a write happens whole or not at all"},
		{name: "directories", core: true, run: (*bench).directories,
			rule: "nothing of one directory is seen or changed through another"},
		{name: "cancel", core: true, run: (*bench).cancel,
			rule: "a cancelled context surfaces as an error that matches it, and nothing is written"},
	}
}

func (b *bench) roundTrip() error {
	for _, w := range []scim.Write{b.newUser("u1"), b.newGroup("g1"), {
		Op: scim.Create, Ref: scim.Ref{Type: "Device", ID: "d1"}, At: b.at(), Doc: []byte(`{}`),
	}} {
		rec, err := b.do(w)
		if err != nil {
			return err
		}
		want := scim.Record{
			Ref: w.Ref, Version: rec.Version, Ordinal: rec.Version, Created: w.At, LastModified: w.At, Doc: w.Doc, Display: w.Display,
		}
		if rec.Version <= 0 {
			return fmt.Errorf("%s: Version is %d, want a positive number", describe(w), rec.Version)
		}
		if err := errors.Join(same(describe(w), rec, want), b.stored(want)); err != nil {
			return err
		}
	}
	wrong := []scim.Ref{
		groupRef("u1"), userRef("g1"), userRef(""), userRef("U1"), userRef("u1 "), userRef("u"), userRef("%"), userRef("u1' OR '1'='1"),
		userRef("u1\x00"), userRef("\xff"), userRef(strings.Repeat("u", 100_000)), {Type: "", ID: "u1"}, {Type: "user", ID: "u1"},
	}
	for _, ref := range wrong {
		gone := scim.Write{Op: scim.Delete, Ref: ref, At: b.at()}
		if err := errors.Join(b.absent(ref), b.refused(gone, scim.ErrNotFound)); err != nil {
			return err
		}
	}
	if _, err := b.Apply(b.ctx, b.dir, scim.Write{Ref: userRef("u1"), At: b.at()}); err == nil {
		return errors.New("the zero Op: want it refused, got no error")
	}
	return nil
}

func (b *bench) updates() error {
	rec, err := b.do(b.newUser("u1"))
	if err != nil {
		return err
	}
	w := scim.Write{Op: scim.Update, Ref: rec.Ref, At: b.at(), Doc: []byte(`{"userName":"new"}`), Keys: userKeys("new"), Display: "New"}
	got, err := b.do(w)
	if err != nil {
		return err
	}
	want := rec
	want.Version, want.LastModified, want.Doc, want.Display = got.Version, w.At, w.Doc, w.Display
	err = errors.Join(same(describe(w), got, want), b.stored(want),
		b.finds(scim.TypeUser, scim.KeyUserName, "new", "u1"), b.finds(scim.TypeUser, scim.KeyUserName, "u1"),
		b.finds(scim.TypeUser, scim.KeyEmail, "u1@example.com"), b.finds(scim.TypeUser, scim.KeyEmail, "shared@example.com", "u1"))
	if err != nil {
		return err
	}
	group, err := b.do(b.newGroup("g1"))
	if err != nil {
		return err
	}
	got, err = b.do(b.members("g1", adding("u1")))
	if err != nil {
		return err
	}
	if got.Version <= group.Version {
		return fmt.Errorf("a change of members: Version is %d, want more than %d", got.Version, group.Version)
	}
	group.Version, group.LastModified = got.Version, got.LastModified
	err = errors.Join(same("a write without Doc", got, group), b.stored(group), b.finds(scim.TypeGroup, scim.KeyDisplayName, "group g1", "g1"))
	if err != nil {
		return err
	}
	w = scim.Write{Op: scim.Update, Ref: rec.Ref, At: b.at(), Doc: []byte(`{}`)}
	if _, err := b.do(w); err != nil {
		return err
	}
	w.Ref = userRef("nobody")
	return errors.Join(b.finds(scim.TypeUser, scim.KeyUserName, "new"), b.refused(w, scim.ErrNotFound))
}

func (b *bench) deletes() error {
	rec, err := b.do(b.newUser("u1"))
	if err != nil {
		return err
	}
	if err := b.have("u2"); err != nil {
		return err
	}
	gone := scim.Write{Op: scim.Delete, Ref: rec.Ref, At: b.at()}
	was, err := b.do(gone)
	if err != nil {
		return err
	}
	err = errors.Join(same(describe(gone), was, rec), b.absent(rec.Ref), b.refused(gone, scim.ErrNotFound),
		b.finds(scim.TypeUser, scim.KeyUserName, "u1"), b.lists("list users", scim.Query{Type: scim.TypeUser, Limit: 10}, "u2"))
	if err != nil {
		return err
	}
	again, err := b.do(b.newUser("u1"))
	if err != nil {
		return err
	}
	if again.Ordinal <= rec.Ordinal {
		return fmt.Errorf("created again: Ordinal is %d, want a new one after %d", again.Ordinal, rec.Ordinal)
	}
	return errors.Join(b.stored(again), b.lists("list users", scim.Query{Type: scim.TypeUser, Limit: 10}, "u2", "u1"))
}

func (b *bench) unique() error {
	if err := b.have("u1", "u2"); err != nil {
		return err
	}
	before, err := b.Get(b.ctx, b.dir, userRef("u2"), false)
	if err != nil {
		return err
	}
	taken := b.newUser("u3")
	taken.Keys = append(userKeys("u3"), userKeys("u1")[0])
	steal := scim.Write{Op: scim.Update, Ref: userRef("u2"), At: b.at(), Doc: []byte(`{"stolen":true}`), Keys: userKeys("u1")}
	sameID := b.newUser("u1")
	sameID.Keys = userKeys("other")
	otherType := b.newGroup("u1")
	err = errors.Join(b.refused(taken, scim.ErrDuplicate), b.refused(steal, scim.ErrDuplicate), b.refused(sameID, scim.ErrDuplicate),
		b.refused(otherType, scim.ErrDuplicate), b.absent(userRef("u3")), b.stored(before),
		b.finds(scim.TypeUser, scim.KeyUserName, "u3"), b.finds(scim.TypeUser, scim.KeyUserName, "u2", "u2"),
		b.finds(scim.TypeUser, scim.KeyEmail, "u3@example.com"))
	if err != nil {
		return err
	}
	const badge = "urn:example:2.0:User:badge" // a host's unique attribute
	numbered := func(id string) scim.Write {
		w := b.newUser(id)
		w.Keys = append(userKeys(id), scim.Key{Name: badge, Value: "7", Unique: true})
		return w
	}
	first, second := numbered("u6"), numbered("u7")
	err = errors.Join(b.all(first), b.refused(second, scim.ErrDuplicate), b.absent(userRef("u7")), b.finds(scim.TypeUser, badge, "7", "u6"))
	if err != nil {
		return err
	}
	own := scim.Write{Op: scim.Update, Ref: userRef("u2"), At: b.at(), Doc: []byte(`{"own":true}`), Keys: userKeys("u2")}
	device := scim.Write{Op: scim.Create, Ref: scim.Ref{Type: "Device", ID: "d1"}, At: b.at(), Doc: []byte(`{}`), Keys: userKeys("u1")}
	twice := b.newUser("u4")
	twice.Keys = append(userKeys("u4"), userKeys("u4")...)
	exact := b.newUser("u5")
	exact.Keys = []scim.Key{{Name: scim.KeyUserName, Value: "U1", Unique: true}, {Name: scim.KeyEmail, Value: strings.Repeat("é", scim.MaxKeyBytes/2)}}
	return errors.Join(b.all(own, device, twice, exact),
		b.finds(scim.TypeUser, scim.KeyEmail, "u4@example.com", "u4"),
		b.finds(scim.TypeUser, scim.KeyUserName, "U1", "u5"), b.finds(scim.TypeUser, scim.KeyEmail, exact.Keys[1].Value, "u5"))
}

func (b *bench) versions() error {
	rec, err := b.do(b.newUser("u1"))
	if err != nil {
		return err
	}
	last := rec.Version
	for range 3 {
		got, err := b.do(scim.Write{Op: scim.Update, Ref: rec.Ref, At: b.at(), IfVersion: last, Doc: rec.Doc, Keys: userKeys("u1")})
		if err != nil {
			return err
		}
		if got.Version <= last {
			return fmt.Errorf("an update with the same document: Version is %d, want more than %d", got.Version, last)
		}
		last = got.Version
	}
	other, err := b.do(b.newGroup("g1"))
	if err != nil {
		return err
	}
	if other.Version <= last {
		return fmt.Errorf("another record: Version is %d, want more than %d, the last one given in the directory", other.Version, last)
	}
	late := scim.Write{Op: scim.Update, Ref: rec.Ref, At: b.at(), IfVersion: rec.Version, Doc: []byte(`{"late":true}`)}
	lateEnd := scim.Write{Op: scim.Delete, Ref: rec.Ref, At: b.at(), IfVersion: rec.Version}
	lateMembers := b.members("g1", adding("u1"))
	lateMembers.IfVersion = other.Version - 1
	return errors.Join(b.refused(late, scim.ErrConflict), b.refused(lateEnd, scim.ErrConflict), b.refused(lateMembers, scim.ErrConflict),
		b.finds(scim.TypeUser, scim.KeyUserName, "u1", "u1"), b.linked(groupRef("g1")), b.stored(other))
}

func (b *bench) atomic() error {
	if err := b.have("u1", "u2"); err != nil {
		return err
	}
	group, err := b.do(b.newGroup("g1", "u1"))
	if err != nil {
		return err
	}
	since, err := b.last()
	if err != nil {
		return err
	}
	w := scim.Write{
		Op: scim.Update, Ref: group.Ref, At: b.at(), Doc: []byte(`{"new":true}`), Display: "New",
		Keys:    []scim.Key{{Name: scim.KeyDisplayName, Value: "new"}},
		Members: &scim.MemberChange{Replace: true, Add: append(adding("u2").Add, scim.Link{Ref: scim.Ref{ID: "nobody"}})},
	}
	created := b.newGroup("g2", "u1", "nobody")
	duplicate := b.newUser("u3")
	duplicate.Keys = append([]scim.Key{{Name: scim.KeyEmail, Value: "u3@example.com"}}, userKeys("u1")...)
	err = errors.Join(b.noMember(w, "nobody"), b.noMember(created, "nobody"), b.refused(duplicate, scim.ErrDuplicate))
	if err != nil {
		return err
	}
	return errors.Join(b.stored(group), b.linked(group.Ref, "User/u1/Display of u1"), b.absent(groupRef("g2")), b.absent(userRef("u3")),
		b.finds(scim.TypeGroup, scim.KeyDisplayName, "new"), b.finds(scim.TypeGroup, scim.KeyMember, "u1", "g1"),
		b.finds(scim.TypeUser, scim.KeyEmail, "u3@example.com"), b.unchanged(since, "refused writes"))
}

func (b *bench) directories() error {
	if err := errors.Join(b.have("u1", "u2"), b.all(b.newGroup("g1", "u1"))); err != nil {
		return err
	}
	home, at := b.dir, b.at()
	for _, other := range []scim.Directory{
		{Tenant: "acme", Connection: "okta-2"}, {Tenant: "Acme", Connection: "okta-1"}, {Tenant: "acme", Connection: ""},
		{Tenant: "acmeokta-", Connection: "1"}, {Tenant: "okta-1", Connection: "acme"}, {Tenant: "acme ", Connection: "okta-1"},
	} {
		b.dir = other
		last, err := b.last()
		if err != nil {
			return err
		}
		err = errors.Join(b.unchanged(last, "another directory"), b.absent(userRef("u1")), b.lists("list all", scim.Query{Limit: 10}),
			b.finds(scim.TypeUser, scim.KeyUserName, "u1"), b.finds(scim.TypeGroup, scim.KeyMember, "u1"), b.finds(scim.TypeUser, scim.KeyGroup, "g1"),
			b.refused(scim.Write{Op: scim.Update, Ref: userRef("u1"), At: at, Doc: []byte(`{}`)}, scim.ErrNotFound),
			b.refused(scim.Write{Op: scim.Delete, Ref: userRef("u1"), At: at}, scim.ErrNotFound), b.noMember(b.newGroup("g2", "u1"), "u1"))
		if err == nil {
			err = errors.Join(b.have("u1", "g1"), b.refusedMember("g1", "u2"), b.linked(groupRef("g1")))
		}
		if err != nil {
			return fmt.Errorf("in the directory %q beside %q: %w", other, home, err)
		}
	}
	b.dir = home
	return errors.Join(b.linked(groupRef("g1"), "User/u1/Display of u1"), b.lists("list all", scim.Query{Limit: 10}, "u1", "u2", "g1"))
}

func (b *bench) refusedMember(group, id string) error {
	return b.noMember(b.members(group, adding(id)), id)
}

func (b *bench) cancel() error {
	rec, err := b.do(b.newUser("u1"))
	if err != nil {
		return err
	}
	good := b.ctx
	ctx, cancel := context.WithCancel(good)
	cancel()
	b.ctx = ctx
	_, getErr := b.Get(ctx, b.dir, rec.Ref, true)
	_, listErr := b.List(ctx, b.dir, scim.Query{Limit: 1})
	_, changesErr := b.Changes(ctx, b.dir, 0, 1)
	_, applyErr := b.Apply(ctx, b.dir, b.newUser("u2"))
	b.ctx = good
	for name, err := range map[string]error{"Get": getErr, "List": listErr, "Changes": changesErr, "Apply": applyErr} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s with a cancelled context: want an error that matches context.Canceled, got: %w", name, orNone(err))
		}
	}
	return errors.Join(b.absent(userRef("u2")), b.stored(rec))
}
