package scim

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/sources"
)

// User returns one user as it is now, or an error that matches
// sources.ErrNotFound. See One for what a decision needs beside the user.
func (s *DirectorySource) User(ctx context.Context, id string) (sources.User, error) {
	rec, err := s.store.Get(ctx, s.dir, Ref{TypeUser, id}, false)
	if err != nil {
		return sources.User{}, s.fail("read user", err)
	}
	return s.user(rec), nil
}

// Erase deletes a user, as a provider's DELETE does: the ID and that it was
// deleted remain. Erasing somebody who is not there is no error.
func (s *DirectorySource) Erase(ctx context.Context, userID string) error {
	_, err := s.store.Apply(ctx, s.dir, Write{Op: Delete, Ref: Ref{TypeUser, userID}, At: time.Now()})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return s.fail("erase user", err)
	}
	return nil
}

// One implements sources.OneReader. There is no language of queries, so that
// none is answered.
func (s *DirectorySource) One(ctx context.Context, id string, _ ...string) (sources.One, error) {
	rec, err := s.store.Get(ctx, s.dir, Ref{TypeUser, id}, true)
	if errors.Is(err, ErrNotFound) {
		return sources.One{Proven: sources.FactUsers}, nil
	}
	var found []sources.One
	if err == nil {
		found, err = s.complete(ctx, []Record{rec})
	}
	if err != nil {
		return sources.One{}, s.fail("read one", err)
	}
	return found[0], nil
}

// findKeys is how many keys the store is asked for at a time: Query.Any.
const findKeys = 500

// FindUsers implements sources.UserFinder. The store has an index of every kind
// of key, so that the cost does not grow with the directory. Queries are not
// answered; see One. What is pushed while it reads may be in part of the answer,
// and is in the next round of Changes.
func (s *DirectorySource) FindUsers(ctx context.Context, keys []sources.UserKey, _ []string, limit int) ([]sources.One, sources.Facts, error) {
	wanted := make(map[sources.UserKey]bool, len(keys))
	var stored []Key
	for _, key := range keys {
		if !wanted[key] {
			wanted[key] = true
			stored = append(stored, storedKeys(key)...)
		}
	}
	var records []Record
	seen := make(map[string]bool)
	for chunk := range slices.Chunk(stored, findKeys) {
		if len(records) >= limit {
			break
		}
		for rec, err := range s.records(ctx, Query{Type: TypeUser, Any: chunk, Limit: sourceUsersPage, Links: true}) {
			if err != nil {
				return nil, 0, s.fail("find users", err)
			}
			if len(records) >= limit {
				break
			}
			u := s.user(rec)
			if !seen[rec.ID] && slices.ContainsFunc(sources.UserKeys(&u), func(key sources.UserKey) bool { return wanted[key] }) {
				seen[rec.ID] = true
				records = append(records, rec)
			}
		}
	}
	found, err := s.complete(ctx, records)
	if err != nil {
		return nil, 0, s.fail("find users", err)
	}
	return found, sources.FactUsers, nil
}

// complete adds to users what a decision needs beside them. The records have
// their links. Where no group is in another, which is so with most providers,
// it costs one question to the store.
func (s *DirectorySource) complete(ctx context.Context, users []Record) ([]sources.One, error) {
	above := make(map[string][]sources.Group) // the groups that a group is in, by ID
	var groups []Key
	for i := range users {
		for _, link := range users[i].Links {
			if _, listed := above[link.ID]; !listed {
				above[link.ID] = nil
				groups = append(groups, Key{Name: KeyMember, Value: link.ID})
			}
		}
	}
	for chunk := range slices.Chunk(groups, findKeys) {
		page, err := s.store.List(ctx, s.dir, Query{Type: TypeGroup, Any: chunk, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(page.Records) == 0 {
			continue
		}
		for _, group := range chunk {
			records, err := s.above(ctx, group.Value)
			if err != nil {
				return nil, err
			}
			for _, rec := range records {
				above[group.Value] = append(above[group.Value], sources.Group{ID: rec.ID, Name: rec.Display})
			}
		}
	}
	var found []sources.One
	for i := range users {
		one := sources.One{Found: true, User: s.user(users[i]), Proven: sources.FactUsers | sources.FactMemberships | sources.FactManagers}
		in := make(map[string]bool)
		add := func(group sources.Group) {
			if !in[group.ID] {
				in[group.ID] = true
				one.Groups = append(one.Groups, group)
			}
		}
		for _, link := range users[i].Links {
			add(sources.Group{ID: link.ID, Name: link.Display})
			for _, group := range above[link.ID] {
				add(group)
			}
		}
		found = append(found, one)
	}
	return found, nil
}

// storedKeys are the keys that a user may be stored under whom a source finds
// by key; other users may have them as well. See appendSourceKeys.
func storedKeys(key sources.UserKey) []Key {
	value := cutKey(key.Value)
	switch key.By {
	case sources.UserByID:
		return []Key{{Name: KeyID, Value: key.Value}}
	case sources.UserByEmail:
		return []Key{{Name: KeyEmail, Value: value}, {Name: KeyUserName, Value: value}, {Name: KeyAddress, Value: value}}
	case sources.UserByManagerID:
		return []Key{{Name: KeyManagerID, Value: value}}
	case sources.UserByManagerEmail:
		return []Key{{Name: KeyManagerEmail, Value: value}}
	case sources.UserByManagerName:
		return []Key{{Name: KeyManagerName, Value: value}}
	}
	return nil
}

// SourceKeys returns those keys of a user that FindUsers finds it by and filters
// do not, from its document: for a store with records that were written before
// there were these keys. Other records, and damaged ones, have none.
func SourceKeys(rec Record) []Key {
	if rec.Type != TypeUser {
		return nil
	}
	doc, err := readDoc(rec, nil)
	if err != nil {
		return nil
	}
	return appendSourceKeys(nil, doc)
}

// appendSourceKeys appends a key for whatever a source may read from the
// document as an address of the user or as a key of the manager, whatever its
// kind and extension: these are known only when it is read.
func appendSourceKeys(keys []Key, doc *object) []Key {
	add := func(name string, by sources.UserKeyKind, value string) {
		key := Key{Name: name, Value: cutKey(sources.NewUserKey(by, value).Value)}
		if key.Value != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	addAddress := func(value string) {
		if stored := foldText(value); stored != address.Key(value) || len(stored) > MaxKeyBytes {
			add(KeyAddress, sources.UserByEmail, value)
		}
	}
	addAddress(doc.text("userName"))
	for _, o := range elements(doc, "emails", "value") {
		addAddress(o.text("value"))
	}
	var u sources.User
	for _, f := range doc.fields {
		ext, ok := f.value.(*object)
		if !ok || !isURN(f.name) {
			continue
		}
		for _, g := range ext.fields {
			switch field := extensionField(&u, g.name); {
			case sameName(f.name, enterpriseURN) && sameName(g.name, "manager"):
				manager := readManager(g.value)
				add(KeyManagerID, sources.UserByManagerID, manager.ID)
				add(KeyManagerEmail, sources.UserByManagerEmail, manager.Email)
				add(KeyManagerName, sources.UserByManagerName, manager.Name)
			case field == &u.Manager.Email:
				add(KeyManagerEmail, sources.UserByManagerEmail, textOf(g.value))
			case field == &u.Manager.Name:
				add(KeyManagerName, sources.UserByManagerName, textOf(g.value))
			}
		}
	}
	return keys
}

// cutKey cuts a value to the length that a key may have.
func cutKey(value string) string {
	if len(value) <= MaxKeyBytes {
		return value
	}
	end := MaxKeyBytes
	for end > 0 && !utf8.RuneStart(value[end]) {
		end--
	}
	return value[:end]
}
