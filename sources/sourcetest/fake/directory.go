package fake

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/usher-go/usher/sources"
)

// A Directory is a company in memory: its users and groups, when each was created
// and changed, and what was removed. It is safe for concurrent use, also while
// faces show it. Change it during a listing to test what that does to the
// provider's pages.
type Directory struct {
	now func() time.Time

	mu      sync.RWMutex
	users   shelf[sources.User]
	groups  shelf[sources.Group]
	groupOf map[string][]string // by user ID: the sorted IDs of groups
	moves   moves               // what a provider reports by a log or a delta
	seq     int64               // counts changes
}

// NewDirectory returns an empty directory.
func NewDirectory() *Directory {
	return &Directory{
		now:     time.Now,
		users:   newShelf[sources.User](),
		groups:  newShelf[sources.Group](),
		groupOf: make(map[string][]string),
		moves:   newMoves(),
	}
}

// SetClock sets the clock of the directory and its faces; changes get its time. The
// default is time.Now. Call it before the directory is used.
func (d *Directory) SetClock(now func() time.Time) { d.now = now }

// PutUsers adds users, and replaces those with the same ID.
func (d *Directory) PutUsers(users ...sources.User) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range users {
		now := d.tick()
		if before, ok := d.users.byID[u.ID]; ok && before.value.Manager.ID != u.Manager.ID {
			d.moves.add(move{stamp: now, kind: managerNew, user: u.ID, former: before.value.Manager.ID})
		}
		d.users.put(u.ID, u.Clone(), now)
	}
	d.users.arrange()
}

// RemoveUsers removes users, and takes them out of all groups.
func (d *Directory) RemoveUsers(ids ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		now := d.tick()
		if _, known := d.users.byID[id]; known {
			d.moves.add(move{stamp: now, kind: userGone, user: id})
		}
		d.users.remove(id, now)
		for _, group := range slices.Clone(d.groupOf[id]) {
			g := d.groups.byID[group]
			d.putGroup(sources.Group{ID: g.value.ID, Name: g.value.Name, Members: slices.DeleteFunc(slices.Clone(g.value.Members), func(m string) bool { return m == id })})
		}
	}
	d.users.arrange()
}

// PutGroups adds groups, and replaces those with the same ID, including their
// members. Members are kept sorted by ID, each once.
func (d *Directory) PutGroups(groups ...sources.Group) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range groups {
		members := slices.SortedFunc(slices.Values(g.Members), compareIDs)
		d.putGroup(sources.Group{ID: g.ID, Name: g.Name, Members: slices.Compact(members)})
	}
	d.groups.arrange()
}

// RemoveGroups removes groups.
func (d *Directory) RemoveGroups(ids ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		if g, ok := d.groups.byID[id]; ok {
			d.leave(id, g.value.Members)
			now := d.tick()
			d.groups.remove(id, now)
			d.related(id, g.value.Members, nil, now)
			d.moves.add(move{stamp: now, kind: groupGone, group: id})
		}
	}
	d.groups.arrange()
}

// Users returns copies of all users, ordered by ID.
func (d *Directory) Users() []sources.User {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]sources.User, 0, len(d.users.order))
	for _, item := range d.users.order {
		all = append(all, item.value.Clone())
	}
	return all
}

// Groups returns copies of all groups, ordered by ID.
func (d *Directory) Groups() []sources.Group {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]sources.Group, 0, len(d.groups.order))
	for _, item := range d.groups.order {
		g := item.value
		g.Members = slices.Clone(g.Members)
		all = append(all, g)
	}
	return all
}

func (d *Directory) putGroup(g sources.Group) {
	now := d.tick()
	var before []string
	known, was := d.groups.byID[g.ID]
	if was {
		before = known.value.Members
		d.leave(g.ID, before)
	}
	for _, user := range g.Members {
		in := d.groupOf[user]
		if i, found := slices.BinarySearchFunc(in, g.ID, compareIDs); !found {
			d.groupOf[user] = slices.Insert(in, i, g.ID)
		}
	}
	d.groups.put(g.ID, g, now)
	if item := d.groups.byID[g.ID]; item.members == (stamp{}) || !slices.Equal(before, g.Members) {
		item.members = now
	}
	if was {
		d.related(g.ID, before, g.Members, now)
	}
}

func (d *Directory) leave(group string, members []string) {
	for _, user := range members {
		d.groupOf[user] = slices.DeleteFunc(d.groupOf[user], func(id string) bool { return id == group })
		if len(d.groupOf[user]) == 0 {
			delete(d.groupOf, user)
		}
	}
}

// A stamp says when something changed: the number of the change, and the time.
type stamp struct {
	seq int64
	at  time.Time
}

func (d *Directory) tick() stamp {
	d.seq++
	return stamp{d.seq, d.now().UTC()}
}

// A shelf holds objects by ID and ordered by ID.
type shelf[T any] struct {
	byID    map[string]*item[T]
	order   []*item[T]
	removed map[string]stamp // objects that were removed and have not come back
	untidy  bool             // order has to be sorted
}

type item[T any] struct {
	id               string
	value            T
	created, changed stamp
	members          stamp // for a group: when its members changed last
	gone             bool
}

func itemID[T any](i *item[T]) string { return i.id }

func newShelf[T any]() shelf[T] {
	return shelf[T]{byID: make(map[string]*item[T]), removed: make(map[string]stamp)}
}

func (s *shelf[T]) put(id string, value T, now stamp) {
	if known, ok := s.byID[id]; ok {
		known.value, known.changed = value, now
		return
	}
	added := &item[T]{id: id, value: value, created: now, changed: now}
	s.byID[id] = added
	s.untidy = s.untidy || len(s.order) > 0 && compareIDs(s.order[len(s.order)-1].id, id) > 0
	s.order = append(s.order, added)
	delete(s.removed, id)
}

func (s *shelf[T]) remove(id string, now stamp) {
	if known, ok := s.byID[id]; ok {
		known.gone, s.untidy = true, true
		delete(s.byID, id)
		s.removed[id] = now
	}
}

// arrange sorts the shelf after changes.
func (s *shelf[T]) arrange() {
	if !s.untidy {
		return
	}
	s.order = slices.DeleteFunc(s.order, func(i *item[T]) bool { return i.gone })
	slices.SortFunc(s.order, func(a, b *item[T]) int { return compareIDs(a.id, b.id) })
	s.untidy = false
}

// positions returns the objects at the positions from first up to first+n, as far
// as they exist.
func (s *shelf[T]) positions(first, n int) []*item[T] {
	first = min(max(first, 0), len(s.order))
	return s.order[first:min(first+n, len(s.order))]
}

// compareIDs orders IDs by length and then by text, so that numbers are in the order
// of their values.
func compareIDs(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
