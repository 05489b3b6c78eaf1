package hierarchy

import (
	"hash/maphash"
	"math"
	"math/bits"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/blocks"
)

// An index finds people by one kind of key. It is a hash table with open
// addressing: it copies no key, and allocates only its two slices. The hash has a
// random seed, so that nobody can choose keys that collide. The results do not
// depend on the seed.
type index struct {
	kind   kind
	people []Person
	seed   maphash.Seed
	// A slot is zero while it is empty. Otherwise its upper half is a part of the
	// hash, and its lower half refers to the people with the key: 1 + an index into
	// people for one person, sharedBit + an index into shared for several.
	slots  []uint64
	shared []bearers
}

const sharedBit = 1 << 31

// bearers are the people who have one key.
type bearers struct {
	some          int32 // one of them, active or not
	first, second int32 // active ones; None if there are fewer
	more          bool  // there are more active ones
}

// add adds i to the people. Adding a person again changes nothing.
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

// other returns the only active person other than i, or None, and whether there are
// several.
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
	// Hashing reads every key, which is most of the work. It is done first, on all
	// processors.
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

// active reports whether person i counts among the people of a key. In the index by
// Key everybody does: a current manager need not be active.
func (x *index) active(i int32) bool { return x.kind == byKey || x.people[i].Active }

// hash returns the hash of a key in its comparable form. Only the hash of the empty
// key is 0.
func (x *index) hash(key []byte) uint64 {
	if len(key) == 0 {
		return 0
	}
	return max(maphash.Bytes(x.seed, key), 1)
}

// own appends the comparable form of the value of p: of Alias if alias is set,
// which only the index by email contains.
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

// probe returns the first slot from position at that is empty or may have the hash.
func (x *index) probe(hash, at uint64) uint64 {
	for {
		at &= uint64(len(x.slots) - 1)
		if slot := x.slots[at]; slot == 0 || slot>>32 == hash&math.MaxUint32 {
			return at
		}
		at++
	}
}

// insert adds person i under its own key with the given hash, unless the key is
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

// bearer returns one of the people to whom a slot refers.
func (x *index) bearer(at uint64) int32 {
	held := uint32(x.slots[at])
	if held&sharedBit == 0 {
		return int32(held - 1)
	}
	return x.shared[held&^sharedBit].some
}

// only returns the only active person other than i among the people of a slot, and
// whether there are several. For a slot of one person, it returns that person,
// whoever it is.
func (x *index) only(slot uint64, i int32) (j int32, several bool) {
	held := uint32(slot)
	if held&sharedBit == 0 {
		return int32(held - 1), false
	}
	return x.shared[held&^sharedBit].other(i)
}
