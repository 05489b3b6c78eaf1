package scim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/usher-go/usher/sources"
)

// Memory is a Store in the memory of the process, with the indexes that a
// database would have. The zero value is ready to use. It is the reference for
// the contract of Store. It is useful for tests, demonstrations and hosts that
// can read everything again after a restart.
type Memory struct {
	mu       sync.Mutex
	dirs     map[Directory]*memoryDirectory
	requests map[Directory]*RequestHistory
}

var (
	_ Store        = (*Memory)(nil)
	_ RequestStore = (*Memory)(nil)
)

// memoryDirectory holds one directory. Its lock makes every Apply atomic and
// assigns the sequence numbers in order of commit.
type memoryDirectory struct {
	mu      sync.RWMutex
	first   int64 // one less than the first sequence number; see directory
	seq     int64
	byID    map[string]*memoryRecord
	ordered []*memoryRecord            // sorted by Ordinal
	byType  map[string][]*memoryRecord // sorted by Ordinal
	index   map[memoryKey][]*memoryRecord
	log     []memoryChange // sorted by seq; replaced entries stay until the next compaction
	live    int            // entries of log that are not replaced
}

type memoryKey struct{ typ, name, value string }

type memoryRecord struct {
	Record                           // Links is always nil
	members []Link                   // of a group, in any order
	place   map[string]int           // member ID to its index in members
	groups  map[string]*memoryRecord // the groups this record is in, by ID
}

type memoryChange struct {
	seq int64
	rec *memoryRecord
}

// directory returns the directory. The first use creates it. Its numbers start
// at the present time, so that numbers of an earlier run of the process are
// smaller and are recognized as expired.
func (m *Memory) directory(dir Directory) *memoryDirectory {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.dirs[dir]
	if !ok {
		if m.dirs == nil {
			m.dirs = map[Directory]*memoryDirectory{}
		}
		now := time.Now().UnixMicro()
		d = &memoryDirectory{
			first:  now,
			seq:    now,
			byID:   map[string]*memoryRecord{},
			byType: map[string][]*memoryRecord{},
			index:  map[memoryKey][]*memoryRecord{},
		}
		m.dirs[dir] = d
	}
	return d
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, dir Directory, ref Ref, links bool) (Record, error) {
	d := m.directory(dir)
	d.mu.RLock()
	defer d.mu.RUnlock()
	rec, err := d.find(ref)
	if err != nil {
		return Record{}, err
	}
	return rec.answer(links), ctx.Err()
}

// List implements Store.
func (m *Memory) List(ctx context.Context, dir Directory, q Query) (Page, error) {
	d := m.directory(dir)
	d.mu.RLock()
	defer d.mu.RUnlock()
	var page Page
	if total, ok := d.memberships(q); ok {
		page.Total = total
		return page, ctx.Err()
	}
	candidates, rest := d.candidates(q)
	if len(rest) == 0 {
		if q.Count {
			page.Total = len(candidates)
		}
		start, _ := slices.BinarySearchFunc(candidates, q.After+1, byOrdinal)
		start = min(start+q.Offset, len(candidates))
		for _, rec := range candidates[start:min(start+q.Limit, len(candidates))] {
			page.Records = append(page.Records, rec.answer(q.Links))
		}
		return page, ctx.Err()
	}
	for i, rec := range candidates {
		if i%1024 == 0 && ctx.Err() != nil {
			return Page{}, ctx.Err()
		}
		if !rec.hasAll(rest) {
			continue
		}
		if q.Count {
			page.Total++
		}
		switch {
		case rec.Ordinal <= q.After:
		case q.Offset > 0:
			q.Offset--
		case len(page.Records) < q.Limit:
			page.Records = append(page.Records, rec.answer(q.Links))
		}
	}
	return page, ctx.Err()
}

// Apply implements Store.
func (m *Memory) Apply(ctx context.Context, dir Directory, w Write) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	d := m.directory(dir)
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.Op == Create {
		return d.create(w)
	}
	rec, err := d.find(w.Ref)
	if err != nil {
		return Record{}, err
	}
	if w.IfVersion != 0 && w.IfVersion != rec.Version {
		return Record{}, ErrConflict
	}
	switch w.Op {
	case Update:
		return d.update(rec, w)
	case Delete:
		return d.delete(rec, w.At), nil
	default:
		return Record{}, fmt.Errorf("write with unknown operation %d", w.Op)
	}
}

// Changes implements Store. A Memory never forgets a deletion.
func (m *Memory) Changes(ctx context.Context, dir Directory, after int64, limit int) ([]Record, error) {
	d := m.directory(dir)
	d.mu.RLock()
	defer d.mu.RUnlock()
	if after != 0 && after < d.first || after > d.seq {
		return nil, sources.ErrCursorExpired
	}
	start, _ := slices.BinarySearchFunc(d.log, after+1, func(c memoryChange, seq int64) int {
		return cmp.Compare(c.seq, seq)
	})
	var changes []Record
	for _, c := range d.log[start:] {
		if len(changes) == limit {
			break
		}
		if c.seq != c.rec.Version {
			continue
		}
		if c.rec.Deleted {
			changes = append(changes, Record{Ref: c.rec.Ref, Version: c.seq, Deleted: true})
			continue
		}
		changes = append(changes, c.rec.answer(c.rec.Type == TypeGroup))
	}
	return changes, ctx.Err()
}

func (d *memoryDirectory) find(ref Ref) (*memoryRecord, error) {
	rec, ok := d.byID[ref.ID]
	if !ok || rec.Type != ref.Type {
		return nil, ErrNotFound
	}
	return rec, nil
}

// memberships returns the total of a query that only counts the members or the
// groups of a record. It reports false for any other query.
func (d *memoryDirectory) memberships(q Query) (total int, ok bool) {
	if !q.Count || q.Limit > 0 || q.Type != "" || len(q.Where) != 1 || len(q.Any) > 0 {
		return 0, false
	}
	rec := d.byID[q.Where[0].Value]
	switch name := q.Where[0].Name; {
	case name != KeyGroup && name != KeyMember:
		return 0, false
	case rec == nil:
		return 0, true
	case name == KeyGroup:
		return len(rec.members), true
	}
	return len(rec.groups), true
}

// candidates picks the shortest indexed list that q allows. It returns the keys
// that must still be checked on each of its records.
func (d *memoryDirectory) candidates(q Query) (list []*memoryRecord, rest []Key) {
	if len(q.Any) > 0 {
		for _, key := range q.Any {
			list = append(list, d.having(key, q.Type)...)
		}
		slices.SortFunc(list, compareOrdinal)
		return slices.Compact(list), q.Where
	}
	list = d.ordered
	if q.Type != "" {
		list = d.byType[q.Type]
	}
	best := -1
	for i, key := range q.Where {
		if found := d.having(key, q.Type); best < 0 || len(found) < len(list) {
			list, best = found, i
		}
	}
	for i, key := range q.Where {
		if i != best {
			rest = append(rest, key)
		}
	}
	return list, rest
}

// having returns the records of a type that have a key, sorted by Ordinal; ""
// means all types.
func (d *memoryDirectory) having(key Key, typ string) []*memoryRecord {
	switch key.Name {
	case KeyID:
		if rec, ok := d.byID[key.Value]; ok && (typ == "" || typ == rec.Type) {
			return []*memoryRecord{rec}
		}
		return nil
	case KeyMember:
		if rec, ok := d.byID[key.Value]; ok {
			return ofType(rec.sortedGroups(), typ)
		}
		return nil
	case KeyGroup:
		group, ok := d.byID[key.Value]
		if !ok {
			return nil
		}
		found := make([]*memoryRecord, 0, len(group.members))
		for _, link := range group.members {
			found = append(found, d.byID[link.ID])
		}
		slices.SortFunc(found, compareOrdinal)
		return ofType(found, typ)
	}
	if typ != "" {
		return d.index[memoryKey{typ, key.Name, key.Value}]
	}
	var found []*memoryRecord
	for typ := range d.byType {
		found = append(found, d.index[memoryKey{typ, key.Name, key.Value}]...)
	}
	slices.SortFunc(found, compareOrdinal)
	return found
}

func (d *memoryDirectory) create(w Write) (Record, error) {
	if _, ok := d.byID[w.Ref.ID]; ok || d.taken(w.Ref, w.Keys) {
		return Record{}, ErrDuplicate
	}
	rec := &memoryRecord{Record: Record{
		Ref: w.Ref, Created: w.At, LastModified: w.At, Keys: w.Keys, Doc: w.Doc, Display: w.Display,
	}}
	d.byID[rec.ID] = rec // before the members, so that a group may be its own member
	members, err := d.knownMembers(w.Members)
	if err != nil {
		delete(d.byID, rec.ID)
		return Record{}, err
	}
	d.stamp(rec, w.At)
	rec.Ordinal = rec.Version
	d.ordered = append(d.ordered, rec)
	d.byType[rec.Type] = append(d.byType[rec.Type], rec)
	d.addKeys(rec)
	_, moved := d.changeMembers(rec, members)
	d.stampOthers(rec, moved, w.At)
	return rec.Record, nil
}

func (d *memoryDirectory) update(rec *memoryRecord, w Write) (Record, error) {
	if w.Doc != nil && d.taken(rec.Ref, w.Keys) {
		return Record{}, ErrDuplicate
	}
	members, err := d.knownMembers(w.Members)
	if err != nil {
		return Record{}, err
	}
	changed, moved := d.changeMembers(rec, members)
	if w.Doc != nil {
		d.removeKeys(rec)
		rec.Doc, rec.Keys, rec.Display = w.Doc, w.Keys, w.Display
		d.addKeys(rec)
		changed = true
	}
	if changed {
		d.stamp(rec, w.At)
		d.stampOthers(rec, moved, w.At)
	}
	return rec.Record, nil
}

func (d *memoryDirectory) delete(rec *memoryRecord, at time.Time) Record {
	was := rec.Record
	groups := rec.sortedGroups()
	for _, group := range groups {
		group.dropMember(rec.ID)
	}
	d.stampOthers(rec, groups, at)
	members := make([]*memoryRecord, 0, len(rec.members))
	for _, link := range rec.members {
		members = append(members, d.byID[link.ID])
		delete(d.byID[link.ID].groups, rec.ID)
	}
	d.stampOthers(rec, members, at)
	d.removeKeys(rec)
	delete(d.byID, rec.ID)
	d.ordered = withoutRecord(d.ordered, rec)
	d.byType[rec.Type] = withoutRecord(d.byType[rec.Type], rec)
	*rec = memoryRecord{Record: Record{Ref: rec.Ref, Version: rec.Version, Deleted: true}}
	d.stamp(rec, time.Time{})
	return was
}

// stampOthers stamps the other records of rec's memberships that began or
// ended.
func (d *memoryDirectory) stampOthers(rec *memoryRecord, others []*memoryRecord, at time.Time) {
	for _, other := range others {
		if other != rec {
			d.stamp(other, at)
		}
	}
}

// stamp assigns the next sequence number to rec and logs the change.
func (d *memoryDirectory) stamp(rec *memoryRecord, at time.Time) {
	rec.LastModified = at
	if rec.Version == 0 {
		d.live++
	}
	d.seq++
	rec.Version = d.seq
	d.log = append(d.log, memoryChange{d.seq, rec})
	if len(d.log) > 2*d.live+64 {
		d.log = slices.DeleteFunc(d.log, func(c memoryChange) bool { return c.seq != c.rec.Version })
	}
}

// taken reports whether another record of the type has one of the unique keys.
func (d *memoryDirectory) taken(ref Ref, keys []Key) bool {
	for _, key := range keys {
		if !key.Unique {
			continue
		}
		for _, rec := range d.index[memoryKey{ref.Type, key.Name, key.Value}] {
			if rec.ID != ref.ID {
				return true
			}
		}
	}
	return false
}

func (d *memoryDirectory) addKeys(rec *memoryRecord) {
	for _, key := range rec.Keys {
		at := memoryKey{rec.Type, key.Name, key.Value}
		list := d.index[at]
		place, found := slices.BinarySearchFunc(list, rec.Ordinal, byOrdinal)
		if !found {
			d.index[at] = slices.Insert(list, place, rec)
		}
	}
}

func (d *memoryDirectory) removeKeys(rec *memoryRecord) {
	for _, key := range rec.Keys {
		at := memoryKey{rec.Type, key.Name, key.Value}
		if list := withoutRecord(d.index[at], rec); len(list) > 0 {
			d.index[at] = list
		} else {
			delete(d.index, at)
		}
	}
}

// knownMembers returns the change without unknown members, or the error that a
// member is unknown.
func (d *memoryDirectory) knownMembers(c *MemberChange) (*MemberChange, error) {
	if c == nil {
		return nil, nil
	}
	known := *c
	known.Add = make([]Link, 0, len(c.Add))
	for _, link := range c.Add {
		if _, ok := d.byID[link.ID]; ok {
			known.Add = append(known.Add, link)
		} else if !c.SkipUnknown {
			return nil, &NoMemberError{ID: link.ID}
		}
	}
	return &known, nil
}

// changeMembers reports whether a membership changed, and which records joined
// or left.
func (d *memoryDirectory) changeMembers(group *memoryRecord, c *MemberChange) (changed bool, moved []*memoryRecord) {
	if c == nil {
		return false, nil
	}
	if c.Replace {
		keep := make(map[string]bool, len(c.Add))
		for _, link := range c.Add {
			keep[link.ID] = true
		}
		for _, link := range slices.Clone(group.members) {
			if !keep[link.ID] {
				moved = d.unlink(group, link.ID, moved)
			}
		}
	}
	for _, id := range c.Remove {
		moved = d.unlink(group, id, moved)
	}
	for _, link := range c.Add {
		at, ok := group.place[link.ID]
		switch {
		case !ok:
			moved = append(moved, d.link(group, link))
		case link.Display != "" && group.members[at].Display != link.Display:
			group.members[at].Display = link.Display
			changed = true
		}
	}
	return changed || len(moved) > 0, moved
}

// link makes a record a member and returns it.
func (d *memoryDirectory) link(group *memoryRecord, link Link) *memoryRecord {
	member := d.byID[link.ID]
	if group.place == nil {
		group.place = map[string]int{}
	}
	if member.groups == nil {
		member.groups = map[string]*memoryRecord{}
	}
	group.place[link.ID] = len(group.members)
	group.members = append(group.members, Link{Ref: member.Ref, Display: link.Display})
	member.groups[group.ID] = group
	return member
}

// unlink ends a membership, if it exists, and appends its former member to
// moved.
func (d *memoryDirectory) unlink(group *memoryRecord, id string, moved []*memoryRecord) []*memoryRecord {
	if !group.dropMember(id) {
		return moved
	}
	member := d.byID[id]
	delete(member.groups, group.ID)
	return append(moved, member)
}

// dropMember removes id from the group's list: the last member takes its index.
func (r *memoryRecord) dropMember(id string) bool {
	at, ok := r.place[id]
	if !ok {
		return false
	}
	last := len(r.members) - 1
	r.members[at] = r.members[last]
	r.place[r.members[at].ID] = at
	r.members[last] = Link{}
	r.members = r.members[:last]
	delete(r.place, id)
	return true
}

// answer copies the record for a caller.
func (r *memoryRecord) answer(links bool) Record {
	out := r.Record
	if !links {
		return out
	}
	if r.Type == TypeGroup {
		out.Links = slices.Clone(r.members)
		return out
	}
	for _, group := range r.sortedGroups() {
		out.Links = append(out.Links, Link{Ref: group.Ref, Display: group.Display})
	}
	return out
}

// hasAll reports whether the record has every one of keys.
func (r *memoryRecord) hasAll(keys []Key) bool {
	for _, want := range keys {
		ok := false
		switch want.Name {
		case KeyID:
			ok = r.ID == want.Value
		case KeyMember:
			_, ok = r.place[want.Value]
		case KeyGroup:
			_, ok = r.groups[want.Value]
		default:
			ok = slices.ContainsFunc(r.Keys, func(have Key) bool {
				return have.Name == want.Name && have.Value == want.Value
			})
		}
		if !ok {
			return false
		}
	}
	return true
}

func (r *memoryRecord) sortedGroups() []*memoryRecord {
	if len(r.groups) == 0 {
		return nil
	}
	groups := make([]*memoryRecord, 0, len(r.groups))
	for _, group := range r.groups {
		groups = append(groups, group)
	}
	slices.SortFunc(groups, compareOrdinal)
	return groups
}

func byOrdinal(rec *memoryRecord, ordinal int64) int { return cmp.Compare(rec.Ordinal, ordinal) }

func compareOrdinal(a, b *memoryRecord) int { return cmp.Compare(a.Ordinal, b.Ordinal) }

func ofType(list []*memoryRecord, typ string) []*memoryRecord {
	if typ == "" {
		return list
	}
	return slices.DeleteFunc(list, func(rec *memoryRecord) bool { return rec.Type != typ })
}

// withoutRecord removes rec from a list that is sorted by Ordinal.
func withoutRecord(list []*memoryRecord, rec *memoryRecord) []*memoryRecord {
	if at, found := slices.BinarySearchFunc(list, rec.Ordinal, byOrdinal); found {
		return slices.Delete(list, at, at+1)
	}
	return list
}
