package scim

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/usher-go/usher/sources"
)

// User returns the present state of one user, or an error that matches
// sources.ErrNotFound. One also returns the other facts that a decision needs.
func (s *DirectorySource) User(ctx context.Context, id string) (sources.User, error) {
	rec, err := s.store.Get(ctx, s.dir, Ref{TypeUser, id}, false)
	if err != nil {
		return sources.User{}, s.fail("read user", err)
	}
	return s.user(rec), nil
}

// Erase deletes a user, as a provider's DELETE does: the ID and the fact of the
// deletion remain. Erasing a missing user is no error.
func (s *DirectorySource) Erase(ctx context.Context, userID string) error {
	_, err := s.store.Apply(ctx, s.dir, Write{Op: Delete, Ref: Ref{TypeUser, userID}, At: time.Now()})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return s.fail("erase user", err)
	}
	return nil
}

// One implements sources.OneReader. It supports no query language, so that it
// answers no queries.
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

// findKeys is the number of keys in one query to the store: Query.Any.
const findKeys = 500

// FindUsers implements sources.UserFinder. The store has an index of every kind
// of key, so that the cost does not grow with the directory. It answers no
// queries; see One. A push during the reading may be visible in only a part of
// the answer; the next round of Changes includes it.
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

// complete adds the other facts that a decision needs to the users. The records
// have their links. If no group is nested, as with most providers, this takes
// one query to the store.
func (s *DirectorySource) complete(ctx context.Context, users []Record) ([]sources.One, error) {
	above := make(map[string][]sources.Group) // by ID of a group, the groups that contain it
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

// storedKeys returns the keys in the store of the users that a source finds by
// key; other users may have them as well. See appendSourceKeys.
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

// SourceKeys returns, from a user's document, the keys that only FindUsers uses
// and filters do not. A store calls it for records that were written before
// these keys existed. Records that are no users, and damaged ones, have none.
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

// appendSourceKeys appends a key for every value in the document that any
// source may read as an address of the user or as a key of the manager. The
// kind and the extension of the source are known only when it reads.
func appendSourceKeys(keys []Key, doc *object) []Key {
	addKey := func(name, value string) {
		key := Key{Name: name, Value: cutKey(value)}
		if key.Value != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	add := func(name string, by sources.UserKeyKind, value string) {
		addKey(name, sources.NewUserKey(by, value).Value)
	}
	addAddress := func(value string) {
		key := sources.NewUserKey(sources.UserByEmail, value).Value
		if stored := foldText(value); stored != key || len(stored) > MaxKeyBytes {
			addKey(KeyAddress, key)
		}
	}
	addAddress(doc.text("userName"))
	for _, o := range elements(doc, "emails", "value") {
		addAddress(o.text("value"))
	}
	for _, key := range managerKeys(doc) {
		add(key.Name, managerKinds[key.Name], key.Value)
	}
	return keys
}

var managerKinds = map[string]sources.UserKeyKind{
	KeyManagerID: sources.UserByManagerID, KeyManagerEmail: sources.UserByManagerEmail, KeyManagerName: sources.UserByManagerName,
}

// managerKeys returns the values in a user's document that a source may read as
// keys of the manager, as they were sent.
func managerKeys(doc *object) (keys []Key) {
	var u sources.User
	add := func(name, value string) {
		if value != "" {
			keys = append(keys, Key{Name: name, Value: value})
		}
	}
	for _, f := range doc.fields {
		ext, ok := f.value.(*object)
		if !ok || !isURN(f.name) {
			continue
		}
		for _, g := range ext.fields {
			switch field := extensionField(&u, g.name); {
			case (sameName(f.name, enterpriseURN) || isEarlyEnterprise(f.name)) && sameName(g.name, "manager"):
				manager := readManager(g.value)
				add(KeyManagerID, manager.ID)
				add(KeyManagerEmail, manager.Email)
				add(KeyManagerName, manager.Name)
			case field == &u.Manager.Email:
				add(KeyManagerEmail, textOf(g.value))
			case field == &u.Manager.Name:
				add(KeyManagerName, textOf(g.value))
			}
		}
	}
	return keys
}

// cutKey cuts a value to the greatest length of a key.
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
