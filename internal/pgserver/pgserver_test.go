package pgserver

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func start(t *testing.T) *Server {
	server, err := Start()
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return server
}

// Data that was committed before a crash exists after it, and a stopped server
// leaves nothing behind.
func TestCrash(t *testing.T) {
	server := start(t)
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

// asProgram names the environment variable that makes TestStopAtExit act as the
// program that is killed.
const asProgram = "USHER_TEST_PGSERVER_PROGRAM"

// A server whose program was killed leaves nothing behind.
func TestStopAtExit(t *testing.T) {
	if os.Getenv(asProgram) != "" {
		server := start(t)
		require.NoError(t, server.StopAtExit())
		fmt.Println("data:", server.data, server.URL())
		select {}
	}
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestStopAtExit$")
	program.Env = append(os.Environ(), asProgram+"=1")
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	var data, url string
	for lines := bufio.NewScanner(out); data == "" && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "data: %s %s", &data, &url)
	}
	require.NoError(t, program.Process.Kill())
	require.Error(t, program.Wait())
	if data == "" {
		start(t) // start reports why the server could not be started
	}
	require.Eventually(t, func() bool {
		_, err := os.Stat(data)
		return errors.Is(err, fs.ErrNotExist)
	}, time.Minute, 10*time.Millisecond)
	db, err := sql.Open(Driver, url)
	require.NoError(t, err)
	defer db.Close()
	require.Error(t, db.Ping())
}

func TestNothingToStart(t *testing.T) {
	assert.False(t, complete(t.TempDir()), "a directory without initdb and postgres")
}
