package sqldb

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSQL(t *testing.T) {
	t.Parallel()
	const query = `UPDATE @locks SET expires_ms = NOW_MS + ? WHERE tenant = ? AND owner = ?`
	for dialect, want := range map[Dialect]string{
		SQLite:     `UPDATE p_locks SET expires_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ? WHERE tenant = ? AND owner = ?`,
		PostgreSQL: `UPDATE p_locks SET expires_ms = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + $1 WHERE tenant = $2 AND owner = $3`,
	} {
		db, err := New(new(sql.DB), dialect, "p_")
		require.NoError(t, err)
		assert.Equal(t, want, db.SQL(query))
		assert.Equal(t, `SELECT 1`, db.SQL(`SELECT 1`))
	}
}
