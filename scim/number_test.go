package scim

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Numbers compare by their exact value, however they are written (RFC 7643
// section 2.3.3: a decimal is a real number). The reference is the exact
// arithmetic of math/big.
func TestNumbersCompareExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) string {
			text := rapid.SampledFrom([]string{"", "-"}).Draw(t, label+" sign") + rapid.StringMatching(`0|[1-9][0-2]{0,20}`).Draw(t, label)
			text += rapid.SampledFrom([]string{"", ".0", ".10", ".000", ".01", ".99999999999999999999"}).Draw(t, label+" fraction")
			if rapid.Bool().Draw(t, label+" has exponent") {
				text += fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"e", "E", "e+", "e-"}).Draw(t, label+" e"), rapid.IntRange(0, 25).Draw(t, label+" exponent"))
			}
			return text
		}
		a, b := draw("a"), draw("b")
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		require.True(t, okX && okY)
		assert.Equal(t, x.Cmp(y), compareNumbers(a, b), "%s and %s", a, b)
		assert.Equal(t, x.Cmp(y) == 0, canonicalNumber(a) == canonicalNumber(b), "%s and %s", a, b)
	})
	for _, equal := range [][2]string{
		{"0", "-0.00e99999999999999999999"}, {"1", "10e-1"}, {"100", "1E2"}, {"0.001", "1e-3"},
		{"9223372036854775808", "9223372036854775808.0"},
	} {
		assert.Zero(t, compareNumbers(equal[0], equal[1]), equal)
		assert.Equal(t, canonicalNumber(equal[0]), canonicalNumber(equal[1]))
	}
}
