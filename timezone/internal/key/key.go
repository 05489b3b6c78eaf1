// Package key makes table keys from names. The package timezone looks them up, and
// its generator stores them, so both must agree on every byte.
package key

import "math/bits"

// Max is the largest length of a key in bytes. Longer input has no key.
const Max = 96

// A Space separates keys of one kind from those of another.
type Space uint8

// The spaces. The keys of the first country with states are in States, those of the
// second in States+1, and so on.
const (
	Zones Space = iota
	Windows
	Labels // texts that lists show; these three have keys of FoldLabel
	West   // the same, only behind an offset west of Greenwich
	Cities // the same, only behind an offset
	Countries
	Languages
	States
)

// Text is what a key can be made of.
type Text interface{ string | []byte }

// Hash returns the hash of s within a name space. It ignores the case of ASCII
// letters. Of a long key it reads eight bytes at either end and eight in the
// middle. The generator checks that few keys have the same hash; other texts only
// have to differ from the keys.
func Hash[T Text](space Space, s T) uint64 {
	const (
		k0     = 0x9e3779b97f4a7c15
		k1     = 0xd6e8feb86659fd93
		blanks = 0x2020202020202020 // the bit that differs between the cases of a letter
	)
	seed := k0 ^ uint64(space)<<32 ^ uint64(len(s))
	if len(s) < 8 {
		return mix(seed^(short(s)|blanks), k1)
	}
	if len(s) > 16 {
		seed = mix(seed^(load8(s, len(s)/2-4)|blanks), k1)
	}
	return mix(seed^(load8(s, 0)|blanks), k1^(load8(s, len(s)-8)|blanks))
}

// EqualLower reports whether s, with its ASCII letters in lower case, equals t in
// lower case.
func EqualLower[T Text](s T, t string) bool {
	if len(s) != len(t) {
		return false
	}
	if len(s) < 8 {
		return equal8(short(s), short(t))
	}
	for i := 0; i+8 < len(s); i += 8 {
		if !equal8(load8(s, i), load8(t, i)) {
			return false
		}
	}
	return equal8(load8(s, len(s)-8), load8(t, len(s)-8))
}

// equal8 is EqualLower for eight bytes. Most are equal as they are.
func equal8(x, y uint64) bool { return x == y || lower8(x) == lower8(y) }

func mix(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

// load8 compiles to one machine load on common processors.
func load8[T Text](s T, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

// short packs a text of less than eight bytes, some of them possibly twice.
func short[T Text](s T) uint64 {
	switch n := len(s); {
	case n >= 4:
		return uint64(load4(s, 0)) | uint64(load4(s, n-4))<<32
	case n == 0:
		return 0
	default:
		return uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
}

func load4[T Text](s T, i int) uint32 {
	_ = s[i+3]
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}

// lower8 converts the upper-case ASCII letters among eight bytes to lower case.
func lower8(w uint64) uint64 {
	const ones = 0x0101010101010101
	low7 := w & (0x7f * ones)
	fromA := low7 + (0x80-'A')*ones // high bit set from 'A' on
	pastZ := low7 + (0x7f-'Z')*ones // high bit set after 'Z'
	upper := (fromA ^ pastZ) & ^w & (0x80 * ones)
	return w | upper>>2
}
