package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
)

// IDs is a set of IDs that takes little room in a cursor: it holds a hash of width
// bytes for each ID. Has may be wrong by chance: a set of n IDs contains a foreign
// ID with a probability of n divided by 256 to the power of width.
type IDs struct {
	width int
	held  map[[idWidth]byte]bool
}

const idWidth = 8

// NewIDs returns an empty set with hashes of width bytes, at most 8.
func NewIDs(width int) IDs { return IDs{width: width, held: make(map[[idWidth]byte]bool)} }

func (s IDs) hash(id string) (short [idWidth]byte) {
	sum := sha256.Sum256([]byte(id))
	copy(short[:s.width], sum[:])
	return short
}

// Add adds an ID.
func (s IDs) Add(id string) { s.held[s.hash(id)] = true }

// Has reports whether an ID is in the set. It may report true for one that is not.
func (s IDs) Has(id string) bool { return s.held[s.hash(id)] }

// Len returns how many hashes the set holds.
func (s IDs) Len() int { return len(s.held) }

// Without returns how many hashes are in s and in none of the others.
func (s IDs) Without(others ...IDs) (n int) {
	for hash := range s.held {
		if !slices.ContainsFunc(others, func(o IDs) bool { return o.held[hash] }) {
			n++
		}
	}
	return n
}

// String returns the sorted hashes in base64.
func (s IDs) String() string {
	hashes := make([][idWidth]byte, 0, len(s.held))
	for hash := range s.held {
		hashes = append(hashes, hash)
	}
	slices.SortFunc(hashes, func(a, b [idWidth]byte) int { return bytes.Compare(a[:], b[:]) })
	all := make([]byte, 0, s.width*len(hashes))
	for _, hash := range hashes {
		all = append(all, hash[:s.width]...)
	}
	return base64.StdEncoding.EncodeToString(all)
}

// ReadIDs parses the result of String of a set with that width.
func ReadIDs(width int, text string) (IDs, error) {
	s := NewIDs(width)
	all, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return s, errors.New("want base64")
	}
	if len(all)%width != 0 {
		return s, errors.New("want a whole number of hashes")
	}
	for short := range slices.Chunk(all, width) {
		var hash [idWidth]byte
		copy(hash[:], short)
		s.held[hash] = true
	}
	return s, nil
}
