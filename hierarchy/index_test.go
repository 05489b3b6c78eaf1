package hierarchy

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Keys with equal hashes are distinguished, also if the search for them begins
// at the end of the table.
func TestCollidingHashes(t *testing.T) {
	people := []Person{{ID: "a", Active: true}, {ID: "b"}, {ID: "c", Active: true}, {ID: "b", Active: true}}
	x := &index{kind: byID, people: people, slots: make([]uint64, 8)}
	const hash = 7<<32 | 1
	for i := range people {
		x.insert(int32(i), hash, false)
	}
	for key, want := range map[string]int32{"a": 0, "b": 3, "c": 2, "d": None} {
		l := lookup{index: x, key: key, hash: hash}
		l.seek()
		got, _ := l.find(None)
		assert.Equal(t, want, got, key)
	}
}
