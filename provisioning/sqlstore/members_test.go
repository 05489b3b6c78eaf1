package sqlstore

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Only ASCII has a lower case here (S7): one address is never taken for
// another.
func TestFoldASCII(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                     "",
		"Ana.Sol@ACME.example": "ana.sol@acme.example",
		"JOSÉ@acme.example":    "josÉ@acme.example",
		"\u212Aim@acme":        "\u212Aim@acme", // the Kelvin sign is no k
	} {
		assert.Equal(t, want, foldASCII(address))
	}
}
