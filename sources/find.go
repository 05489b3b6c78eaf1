package sources

import (
	"context"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/name"
)

// A UserFinder finds users of a directory by key. With it, the decision about one
// changed person reads only the users that matter to it, and not everybody.
// Implementations are safe for concurrent use.
type UserFinder interface {
	// FindUsers returns the users that have at least one of the keys, each once and
	// in any order, with the answers to the queries. It may stop after limit users.
	// It returns FactUsers in proven if the result is complete whenever it has
	// fewer than limit users.
	FindUsers(ctx context.Context, keys []UserKey, queries []string, limit int) (users []One, proven Facts, err error)
}

// A UserKey is one value by which users are found. UserKeys returns the keys of a
// user; a finder compares them exactly.
type UserKey struct {
	By    UserKeyKind
	Value string
}

// A UserKeyKind says which value of a user a key holds.
type UserKeyKind string

// The kinds of keys. Values are folded in the way addresses and names are compared
// (rules S7, S36).
const (
	UserByID           UserKeyKind = "id"
	UserByEmail        UserKeyKind = "email"
	UserByManagerID    UserKeyKind = "manager_id"    // users whose manager has this ID
	UserByManagerEmail UserKeyKind = "manager_email" // users whose manager has this address
	UserByManagerName  UserKeyKind = "manager_name"  // users whose manager has this full name
)

// NewUserKey returns the key of a kind for a value, which it folds.
func NewUserKey(by UserKeyKind, value string) UserKey {
	switch by {
	case UserByID, UserByManagerID: // IDs are compared exactly
	case UserByEmail, UserByManagerEmail:
		value = address.Key(value)
	case UserByManagerName:
		value = string(name.AppendKey(nil, value))
	}
	return UserKey{by, value}
}

// UserKeys returns the keys by which a user is found.
func UserKeys(u *User) []UserKey {
	keys := []UserKey{{UserByID, u.ID}}
	add := func(by UserKeyKind, value string) {
		if key := NewUserKey(by, value); key.Value != "" {
			keys = append(keys, key)
		}
	}
	add(UserByEmail, u.Email)
	add(UserByManagerID, u.Manager.ID)
	add(UserByManagerEmail, u.Manager.Email)
	add(UserByManagerName, u.Manager.Name)
	return keys
}

// An Index finds the users of a snapshot by key. It refers to the snapshot, which
// must not change while the Index is used.
type Index struct {
	snapshot *Snapshot
	users    map[UserKey][]int
	groups   map[string][]int // by user ID: positions of the groups
	matches  map[string]map[string]bool
}

// NewIndex returns an index of a snapshot. Its time and memory are linear in users,
// memberships and answers.
func NewIndex(s *Snapshot) *Index {
	x := &Index{snapshot: s, users: make(map[UserKey][]int, 2*len(s.Users)), groups: make(map[string][]int), matches: make(map[string]map[string]bool, len(s.Matches))}
	for i := range s.Users {
		for _, key := range UserKeys(&s.Users[i]) {
			x.users[key] = append(x.users[key], i)
		}
	}
	for i := range s.Groups {
		for _, id := range s.Groups[i].Members {
			x.groups[id] = append(x.groups[id], i)
		}
	}
	for query, ids := range s.Matches {
		x.matches[query] = make(map[string]bool, len(ids))
		for _, id := range ids {
			x.matches[query][id] = true
		}
	}
	return x
}

// FindUsers implements UserFinder.
func (x *Index) FindUsers(ctx context.Context, keys []UserKey, queries []string, limit int) ([]One, Facts, error) {
	var found []One
	seen := make(map[int]bool)
	for _, key := range keys {
		for _, i := range x.users[key] {
			if seen[i] || len(found) == limit {
				continue
			}
			seen[i] = true
			found = append(found, x.one(&x.snapshot.Users[i], queries))
		}
	}
	return found, x.snapshot.Proven & FactUsers, ctx.Err()
}

func (x *Index) one(u *User, queries []string) One {
	one := One{Found: true, User: *u, Proven: x.snapshot.Proven &^ FactGroups}
	if !x.snapshot.Proven.Has(FactGroups) { // the user may be in a group that is not listed
		one.Proven &^= FactMemberships
	}
	for _, i := range x.groups[u.ID] {
		one.Groups = append(one.Groups, Group{ID: x.snapshot.Groups[i].ID, Name: x.snapshot.Groups[i].Name})
	}
	for _, query := range queries {
		if selected, answered := x.matches[query]; answered {
			if one.Matches == nil {
				one.Matches = make(map[string]bool, len(queries))
			}
			one.Matches[query] = selected[u.ID]
		}
	}
	return one
}
