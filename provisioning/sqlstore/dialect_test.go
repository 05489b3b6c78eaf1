package sqlstore

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDialects(t *testing.T) {
	t.Parallel()
	const query = `UPDATE @locks SET expires_ms = NOW_MS + ? WHERE tenant = ? AND owner = ?`
	assert.Equal(t,
		`UPDATE usher_locks SET expires_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ? WHERE tenant = ? AND owner = ?`,
		newDialect(SQLite, "usher_").sql(query))
	assert.Equal(t,
		`UPDATE p_locks SET expires_ms = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + $1 WHERE tenant = $2 AND owner = $3`,
		newDialect(PostgreSQL, "p_").sql(query))
	assert.Equal(t, `SELECT 1`, newDialect(PostgreSQL, "p_").sql(`SELECT 1`))
}

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
