package scimtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-go/usher/scim"
)

// A bench is a store under test, with short forms of the calls of the contract.
type bench struct {
	Harness
	scim.Store
	tb  testing.TB
	ctx context.Context
	dir scim.Directory
	now time.Duration // time since the first write
}

// at returns a new time for each write, in the resolution of times in SCIM.
func (b *bench) at() time.Time {
	b.now += 1234 * time.Millisecond
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(b.now)
}

func userRef(id string) scim.Ref  { return scim.Ref{Type: scim.TypeUser, ID: id} }
func groupRef(id string) scim.Ref { return scim.Ref{Type: scim.TypeGroup, ID: id} }

// userKeys returns the keys of a user with that name; all users share one
// address.
func userKeys(name string) []scim.Key {
	return []scim.Key{
		{Name: scim.KeyUserName, Value: name, Unique: true},
		{Name: scim.KeyExternalID, Value: "ext-" + name},
		{Name: scim.KeyEmail, Value: name + "@example.com"},
		{Name: scim.KeyEmail, Value: "shared@example.com"},
	}
}

func (b *bench) newUser(id string) scim.Write {
	return scim.Write{
		Op: scim.Create, Ref: userRef(id), At: b.at(), Keys: userKeys(id),
		Doc: fmt.Appendf(nil, `{"userName":%q,"title":"Größe 漢字 \u2028"}`, id),
	}
}

func (b *bench) newGroup(id string, members ...string) scim.Write {
	w := scim.Write{
		Op: scim.Create, Ref: groupRef(id), At: b.at(), Doc: fmt.Appendf(nil, `{"displayName":%q}`, id), Display: "Group " + id,
		Keys: []scim.Key{{Name: scim.KeyDisplayName, Value: "group " + id}},
	}
	if len(members) > 0 {
		w.Members = adding(members...)
	}
	return w
}

// adding returns a change that adds members, each with its own display.
func adding(ids ...string) *scim.MemberChange {
	c := &scim.MemberChange{}
	for _, id := range ids {
		c.Add = append(c.Add, scim.Link{Ref: scim.Ref{ID: id}, Display: "Display of " + id})
	}
	return c
}

// members returns an Update of a group that changes only members.
func (b *bench) members(id string, c *scim.MemberChange) scim.Write {
	return scim.Write{Op: scim.Update, Ref: groupRef(id), At: b.at(), Members: c}
}

// have creates records: IDs that begin with "g" are groups.
func (b *bench) have(ids ...string) error {
	for _, id := range ids {
		w := b.newUser(id)
		if strings.HasPrefix(id, "g") {
			w = b.newGroup(id)
		}
		if _, err := b.do(w); err != nil {
			return err
		}
	}
	return nil
}

// do applies a write that must succeed.
func (b *bench) do(w scim.Write) (scim.Record, error) {
	rec, err := b.Apply(b.ctx, b.dir, w)
	if err != nil {
		return rec, fmt.Errorf("%s: want it done, got: %w", describe(w), err)
	}
	return rec, nil
}

// all applies writes that must succeed.
func (b *bench) all(writes ...scim.Write) error {
	for _, w := range writes {
		if _, err := b.do(w); err != nil {
			return err
		}
	}
	return nil
}

// refused applies a write that must be refused with an error that matches want.
func (b *bench) refused(w scim.Write, want error) error {
	_, err := b.Apply(b.ctx, b.dir, w)
	if !errors.Is(err, want) {
		name := map[error]string{scim.ErrNotFound: "ErrNotFound", scim.ErrDuplicate: "ErrDuplicate", scim.ErrConflict: "ErrConflict"}[want]
		return fmt.Errorf("%s: want an error that matches %s, got: %w", describe(w), name, orNone(err))
	}
	return nil
}

// noMember applies a write that must be refused because of a member.
func (b *bench) noMember(w scim.Write, id string) error {
	_, err := b.Apply(b.ctx, b.dir, w)
	var want *scim.NoMemberError
	if !errors.As(err, &want) {
		return fmt.Errorf("%s: want a *NoMemberError, got: %w", describe(w), orNone(err))
	}
	if want.ID != id {
		return fmt.Errorf("%s: the *NoMemberError names %q, want %q", describe(w), want.ID, id)
	}
	return nil
}

var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

func describe(w scim.Write) string {
	op := map[scim.Op]string{scim.Create: "create", scim.Update: "update", scim.Delete: "delete"}[w.Op]
	return fmt.Sprintf("%s %s %q", op, w.Ref.Type, w.Ref.ID)
}

// stored compares a record with the result of Get.
func (b *bench) stored(want scim.Record) error {
	got, err := b.Get(b.ctx, b.dir, want.Ref, false)
	if err != nil {
		return fmt.Errorf("get %s %q: want it, got: %w", want.Type, want.ID, err)
	}
	return same(fmt.Sprintf("get %s %q", want.Type, want.ID), got, want)
}

// same compares two records without their links. Keys are not compared: a store
// keeps them and need not return them.
func same(where string, got, want scim.Record) error {
	var wrong []error
	differ := func(field string, got, want any) {
		wrong = append(wrong, fmt.Errorf("%s: %s is %v, want %v", where, field, got, want))
	}
	if got.Ref != want.Ref {
		differ("Ref", got.Ref, want.Ref)
	}
	if got.Version != want.Version {
		differ("Version", got.Version, want.Version)
	}
	if got.Ordinal != want.Ordinal {
		differ("Ordinal", got.Ordinal, want.Ordinal)
	}
	for _, moment := range []struct {
		field     string
		got, want time.Time
	}{{"Created", got.Created, want.Created}, {"LastModified", got.LastModified, want.LastModified}} {
		if !moment.got.Equal(moment.want) || moment.got.Location() != time.UTC {
			differ(moment.field, moment.got, moment.want)
		}
	}
	if !bytes.Equal(got.Doc, want.Doc) {
		differ("Doc", string(got.Doc), string(want.Doc))
	}
	if got.Display != want.Display {
		differ("Display", got.Display, want.Display)
	}
	if got.Deleted != want.Deleted {
		differ("Deleted", got.Deleted, want.Deleted)
	}
	return errors.Join(wrong...)
}

// absent requests a record that must not exist.
func (b *bench) absent(ref scim.Ref) error {
	if _, err := b.Get(b.ctx, b.dir, ref, false); !errors.Is(err, scim.ErrNotFound) {
		return fmt.Errorf("get %s %q: want an error that matches ErrNotFound, got: %w", ref.Type, ref.ID, orNone(err))
	}
	return nil
}

// lists compares the IDs that a query lists, in order.
func (b *bench) lists(what string, q scim.Query, want ...string) error {
	page, err := b.List(b.ctx, b.dir, q)
	if err != nil {
		return fmt.Errorf("%s: want no error, got: %w", what, err)
	}
	if got := ids(page.Records); !slices.Equal(got, want) {
		return fmt.Errorf("%s: lists %q, want %q", what, got, want)
	}
	return nil
}

// finds compares the IDs of a type that have a key.
func (b *bench) finds(typ, name, value string, want ...string) error {
	q := scim.Query{Type: typ, Where: []scim.Key{{Name: name, Value: value}}, Limit: 100, Count: true}
	what := fmt.Sprintf("list %s where %s is %q", typ, name, value)
	page, err := b.List(b.ctx, b.dir, q)
	if err != nil {
		return fmt.Errorf("%s: want no error, got: %w", what, err)
	}
	if got := ids(page.Records); !slices.Equal(got, want) {
		return fmt.Errorf("%s: lists %q, want %q", what, got, want)
	}
	if page.Total != len(want) {
		return fmt.Errorf("%s: Total is %d, want %d", what, page.Total, len(want))
	}
	q.Limit = 0
	if page, err = b.List(b.ctx, b.dir, q); err != nil || page.Total != len(want) || len(page.Records) > 0 {
		return fmt.Errorf("%s, Limit 0: lists %q and Total is %d, want no record and %d: %w", what, ids(page.Records), page.Total, len(want), orNone(err))
	}
	return nil
}

func ids(records []scim.Record) []string {
	var out []string
	for _, rec := range records {
		out = append(out, rec.ID)
	}
	return out
}

// linked compares the links of a record, as "Type/ID/Display", in any order.
func (b *bench) linked(ref scim.Ref, want ...string) error {
	rec, err := b.Get(b.ctx, b.dir, ref, true)
	if err != nil {
		return fmt.Errorf("get %s %q with links: want it, got: %w", ref.Type, ref.ID, err)
	}
	return sameLinks(fmt.Sprintf("get %s %q", ref.Type, ref.ID), rec, want...)
}

func sameLinks(where string, rec scim.Record, want ...string) error {
	var got []string
	for _, link := range rec.Links {
		got = append(got, link.Type+"/"+link.ID+"/"+link.Display)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: Links are %q, want %q", where, got, want)
	}
	return nil
}

// changes reads all changes after a number, page by page.
func (b *bench) changes(after int64, limit int) ([]scim.Record, error) {
	var all []scim.Record
	for {
		page, err := b.Changes(b.ctx, b.dir, after, limit)
		if err != nil {
			return all, fmt.Errorf("changes after %d: want no error, got: %w", after, err)
		}
		for _, rec := range page {
			if rec.Version <= after {
				return all, fmt.Errorf("changes after %d: a version is %d, want a greater one", after, rec.Version)
			}
			after = rec.Version
		}
		all = append(all, page...)
		if len(page) < limit {
			return all, nil
		}
	}
}

// last returns the number of the latest change.
func (b *bench) last() (int64, error) {
	all, err := b.changes(0, 1000)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[len(all)-1].Version, nil
}

// unchanged returns an error if anything has changed since a number.
func (b *bench) unchanged(since int64, after string) error {
	now, err := b.changes(since, 100)
	if err == nil && len(now) > 0 {
		err = fmt.Errorf("%s: %q took sequence numbers, want none", after, ids(now))
	}
	return err
}
