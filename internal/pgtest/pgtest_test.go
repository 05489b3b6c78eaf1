package pgtest

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two schemas of one server are separate, and are gone after the test.
func TestSchemas(t *testing.T) {
	server := Start(t)
	t.Run("while the test runs", func(t *testing.T) {
		for range 2 {
			db, err := sql.Open(Driver, server.Schema(t))
			require.NoError(t, err)
			defer db.Close()
			_, err = db.Exec("CREATE TABLE probe (n BIGINT)")
			require.NoError(t, err, "the schema is empty")
		}
	})
	db, err := sql.Open(Driver, server.url.String())
	require.NoError(t, err)
	defer db.Close()
	var left int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'probe'").Scan(&left))
	assert.Zero(t, left)
}
