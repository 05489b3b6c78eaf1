package hierarchy

import (
	"hash/maphash"
	"math"
	"math/bits"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/blocks"
)

// An index finds people by one kind of key. It is a hash table with open
// addressing: no copy of any key, and no allocation but its own two slices.
// The hash has a random seed, so that nobody can choose keys that collide. What
// is found does not depend on the seed.
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

// add counts i among the bearers. Adding somebody again changes nothing.
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
	// Hashing reads every key, which is most of the work. It is done first and
	// on all processors.
	hashes := make([]uint64, len(people))
	blocks.Each(len(people), func() func(start, end int) {
		return func(start, end int) {
			for i := start; i < end; i++ {
				hashes[i] = x.hashOwn(&people[i], false)
			}
		}
	})
	for i, hash := range hashes {
		x.insert(int32(i), hash, false)
	}
	if keys > len(people) {
		for i := range people {
			x.insert(int32(i), x.hashOwn(&people[i], true), true)
		}
	}
	return x
}

// active reports whether person i counts among the bearers of a key. By Key
// everybody does: a current manager need not be active.
func (x *index) active(i int32) bool { return x.kind == byKey || x.people[i].Active }

// hash returns the hash of a key in its comparable form; it is 0 for the empty
// key only.
func (x *index) hash(key []byte) uint64 {
	if len(key) == 0 {
		return 0
	}
	return max(maphash.Bytes(x.seed, key), 1)
}

// own appends the comparable form of what p has: of the alias if asked for,
// which only an index by email holds.
func (x *index) own(buffer []byte, p *Person, alias bool) []byte {
	if alias {
		return address.AppendKey(buffer, p.Alias)
	}
	return x.kind.own(buffer, p)
}

func (x *index) hashOwn(p *Person, alias bool) uint64 {
	var buffer [64]byte
	return x.hash(x.own(buffer[:0], p, alias))
}

// probe returns the first slot from at on that is empty or may hold the hash.
func (x *index) probe(hash, at uint64) uint64 {
	for {
		at &= uint64(len(x.slots) - 1)
		if slot := x.slots[at]; slot == 0 || slot>>32 == hash&math.MaxUint32 {
			return at
		}
		at++
	}
}

// insert adds person i under its own key, whose hash is given, unless that is
// empty.
func (x *index) insert(i int32, hash uint64, alias bool) {
	if hash == 0 {
		return
	}
	at := x.probe(hash, hash>>32)
	for ; ; at = x.probe(hash, at+1) {
		if x.slots[at] == 0 {
			x.slots[at] = hash<<32 | uint64(i+1)
			return
		}
		var buffer [64]byte
		if x.kind.has(&x.people[x.bearer(at)], x.own(buffer[:0], &x.people[i], alias)) {
			break
		}
	}
	held := uint32(x.slots[at])
	if held&sharedBit == 0 {
		only := int32(held - 1)
		b := bearers{some: only, first: None, second: None}
		b.add(only, x.active(only))
		held = sharedBit | uint32(len(x.shared))
		x.slots[at] = hash<<32 | uint64(held)
		x.shared = append(x.shared, b)
	}
	x.shared[held&^sharedBit].add(i, x.active(i))
}

// bearer returns one of the people to whom the slot at refers.
func (x *index) bearer(at uint64) int32 {
	held := uint32(x.slots[at])
	if held&sharedBit == 0 {
		return int32(held - 1)
	}
	return x.shared[held&^sharedBit].some
}

// only returns, of the people to whom a slot refers, the only active one other
// than i, and whether there are several such. A slot that refers to one person
// gives that one, whoever it is.
func (x *index) only(slot uint64, i int32) (j int32, several bool) {
	held := uint32(slot)
	if held&sharedBit == 0 {
		return int32(held - 1), false
	}
	return x.shared[held&^sharedBit].other(i)
}
