package pgserver

import (
	"database/sql"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What was committed before a crash is there after it, and nothing is left of a
// server that was stopped.
func TestCrash(t *testing.T) {
	server, err := Start()
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer func() {
		require.NoError(t, server.Stop())
		assert.NoDirExists(t, server.data)
	}()
	db, err := sql.Open(Driver, server.URL().String())
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("CREATE TABLE probe (n BIGINT)")
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO probe VALUES (7)")
	require.NoError(t, err)

	require.NoError(t, server.Crash())
	require.Error(t, db.Ping())
	require.NoError(t, server.Run())
	var n int
	require.NoError(t, db.QueryRow("SELECT n FROM probe").Scan(&n))
	assert.Equal(t, 7, n)
}

func TestNothingToStart(t *testing.T) {
	assert.False(t, complete(t.TempDir()), "a directory without initdb and postgres")
}
