package provisioning

import (
	"hash/maphash"
	"math/bits"

	"github.com/usher-go/usher/internal/blocks"
)

// An idTable finds positions in a list by ID. It is a hash table that refers to the
// list, with eight bytes a slot and two allocations in all. No result depends on
// its random seed.
type idTable struct {
	seed  maphash.Seed
	slots []uint64 // upper half: hash; lower half: position + 1; 0: free
	id    func(position int32) string
}

// newIDTable returns a table with room for n positions.
func newIDTable(n int, id func(int32) string) *idTable {
	size := 1 << bits.Len(uint(n+n/2+1))
	return &idTable{seed: maphash.MakeSeed(), slots: make([]uint64, size), id: id}
}

// add enters a position under its ID. If the ID is already in the table, it returns
// the position that was entered first.
func (t *idTable) add(position int32) (first int32, added bool) {
	id := t.id(position)
	hash := maphash.String(t.seed, id)
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := t.slots[i]
		if slot == 0 {
			t.slots[i] = hash&^(1<<32-1) | uint64(position+1)
			return position, true
		}
		if slot>>32 == hash>>32 && t.id(int32(uint32(slot))-1) == id {
			return int32(uint32(slot)) - 1, false
		}
	}
}

// find returns the position of an ID, or none.
func (t *idTable) find(id string) int32 {
	hash := maphash.String(t.seed, id)
	return t.seek(id, hash, t.slots[hash&uint64(len(t.slots)-1)])
}

// findAll finds n IDs, at most a block, and writes their positions. It reads all
// their slots before it compares IDs, so that the processor waits for many memory
// accesses at the same time.
func (t *idTable) findAll(n int, id func(k int) string, positions []int32) {
	var hashes, slots [blocks.Size]uint64
	for k := range n {
		hashes[k] = maphash.String(t.seed, id(k))
	}
	for k := range n {
		slots[k] = t.slots[hashes[k]&uint64(len(t.slots)-1)]
	}
	for k := range n {
		positions[k] = t.seek(id(k), hashes[k], slots[k])
	}
}

// seek continues the search from the first slot of an ID.
func (t *idTable) seek(id string, hash, slot uint64) int32 {
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; slot != 0; slot = t.slots[i] {
		if slot>>32 == hash>>32 {
			if position := int32(uint32(slot)) - 1; t.id(position) == id {
				return position
			}
		}
		i = (i + 1) & mask
	}
	return none
}
