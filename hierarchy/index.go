package hierarchy

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"strings"
)

// A kind says which of a person's values an index is over.
type kind uint8

const (
	byKey kind = iota
	byEmail
	byID
	byName
)

// An index finds people by one kind of key. It is a hash table with open
// addressing: no copy of any key, and no allocation but its own two slices.
// The hash is seeded at random, so that nobody can choose keys that collide,
// and nothing that is found depends on the seed.
type index struct {
	kind   kind
	people []Person
	seed   maphash.Seed
	// A slot is zero while empty. Else its upper half is a part of the hash
	// and its lower half refers to whoever has the key: 1 + an index into
	// people if it is one person, sharedBit + an index into shared if several.
	slots  []uint64
	shared []bearers
}

const sharedBit = 1 << 31

// bearers are the people who have one key.
type bearers struct {
	some          int32 // one of them, active or not
	first, second int32 // active ones, None where there is none
	more          bool  // there are further active ones
}

// add counts i among the bearers, once however often it comes.
func (b *bearers) add(i int32, active bool) {
	switch {
	case !active || i == b.first || i == b.second:
	case b.first == None:
		b.first = i
	case b.second == None:
		b.second = i
	default:
		b.more = true
	}
}

// other returns the only active bearer who is not i, None if there is none,
// and whether there are several.
func (b bearers) other(i int32) (j int32, several bool) {
	switch {
	case b.more:
		return None, true
	case b.first == i:
		return b.second, false
	case b.second == i || b.second == None:
		return b.first, false
	}
	return None, true
}

func newIndex(kind kind, people []Person) *index {
	keys := len(people)
	if kind == byEmail {
		for i := range people {
			if people[i].Alias != "" {
				keys++
			}
		}
	}
	x := &index{
		kind:   kind,
		people: people,
		seed:   maphash.MakeSeed(),
		slots:  make([]uint64, 1<<bits.Len(uint(keys+keys/2))),
	}
	var buffer [64]byte
	for i := range people {
		x.insert(int32(i), x.own(buffer[:0], &people[i]))
		if kind == byEmail && people[i].Alias != "" {
			x.insert(int32(i), appendEmail(buffer[:0], people[i].Alias))
		}
	}
	return x
}

// own appends the comparable form of the key that p has, the first one.
func (x *index) own(dst []byte, p *Person) []byte {
	switch x.kind {
	case byEmail:
		return appendEmail(dst, p.Email)
	case byID:
		return append(dst, strings.TrimSpace(p.ID)...)
	case byName:
		return appendName(dst, p.GivenName, p.FamilyName)
	}
	return append(dst, p.Key...)
}

// given appends the comparable form of a key that names somebody.
func (x *index) given(dst []byte, key string) []byte {
	switch x.kind {
	case byEmail:
		return appendEmail(dst, key)
	case byID:
		return append(dst, strings.TrimSpace(key)...)
	case byName:
		return appendName(dst, key)
	}
	return append(dst, key...)
}

// has reports whether person i has the key, given in its comparable form.
func (x *index) has(i int32, key []byte) bool {
	var buffer [64]byte
	p := &x.people[i]
	return bytes.Equal(x.own(buffer[:0], p), key) ||
		x.kind == byEmail && p.Alias != "" && bytes.Equal(appendEmail(buffer[:0], p.Alias), key)
}

// active reports whether person i counts among the bearers of a key.
func (x *index) active(i int32) bool { return x.kind == byKey || x.people[i].Active }

// insert adds person i under a key in its comparable form, unless it is empty.
func (x *index) insert(i int32, key []byte) {
	if len(key) == 0 {
		return
	}
	slot, fragment := x.seek(key)
	held := uint32(*slot)
	switch {
	case held == 0:
		*slot = fragment | uint64(i+1)
	case held&sharedBit != 0:
		x.shared[held&^sharedBit].add(i, x.active(i))
	case held != uint32(i+1):
		b := bearers{some: i, first: None, second: None}
		b.add(int32(held-1), x.active(int32(held-1)))
		b.add(i, x.active(i))
		*slot = fragment | sharedBit | uint64(len(x.shared))
		x.shared = append(x.shared, b)
	}
}

// seek returns the slot of a key, an empty one if nobody has it, and the upper
// half of what the slot holds.
func (x *index) seek(key []byte) (slot *uint64, fragment uint64) {
	hash := maphash.Bytes(x.seed, key)
	fragment = hash << 32
	mask := uint64(len(x.slots) - 1)
	for at := hash >> 32; ; at++ {
		slot = &x.slots[at&mask]
		if *slot == 0 || *slot>>32 == fragment>>32 && x.has(x.bearer(uint32(*slot)), key) {
			return slot, fragment
		}
	}
}

// bearer returns one of the people to whom a slot refers.
func (x *index) bearer(held uint32) int32 {
	if held&sharedBit == 0 {
		return int32(held - 1)
	}
	return x.shared[held&^sharedBit].some
}

// find returns whom a key names as the manager of person i: the only active
// bearer other than i; i itself if no other is active and i is a bearer; or
// None and the reason.
func (x *index) find(key string, i int32) (int32, Finding) {
	var buffer [64]byte
	folded := x.given(buffer[:0], key)
	slot, _ := x.seek(folded)
	held := uint32(*slot)
	if held == 0 {
		return None, ManagerNotFound
	}
	j, several := int32(held-1), false
	if held&sharedBit != 0 {
		j, several = x.shared[held&^sharedBit].other(i)
	}
	switch {
	case several:
		return None, ambiguous[x.kind]
	case j == i, j != None && x.active(j):
		return j, NoFinding
	case x.has(i, folded):
		return i, NoFinding
	}
	return None, ManagerInactive
}

// ambiguous is the finding for a key of each kind that several people have.
var ambiguous = [...]Finding{byKey: ManagerNotFound, byEmail: AmbiguousEmail, byID: AmbiguousID, byName: AmbiguousName}
