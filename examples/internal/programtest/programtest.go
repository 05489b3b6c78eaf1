//go:build unix

// Package programtest runs an example program as a process, with pipes or in a
// terminal.
package programtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// asProgram is the environment variable that makes a test binary run the program
// that it tests.
const asProgram = "USHER_TEST_AS_PROGRAM"

// Main is for TestMain: it runs the tests or, in a process of Command, the program.
func Main(m *testing.M, program func()) {
	if os.Getenv(asProgram) != "" {
		program()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Command returns a process of the program that has not been started.
func Command(t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "NO_COLOR=", "TERM=xterm-256color")
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = 30 * time.Second
	return cmd
}

// Run runs the program with pipes.
func Run(t testing.TB, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := Command(t, nil, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	return wait(t, cmd.Run()), out.String(), err.String()
}

// Head runs the program with a standard output that is closed after n bytes, like
// head.
func Head(t testing.TB, n int64, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := Command(t, nil, args...)
	var err bytes.Buffer
	cmd.Stderr = &err
	read, write, failed := os.Pipe()
	require.NoError(t, failed)
	cmd.Stdout = write
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	begin, failed := io.ReadAll(io.LimitReader(read, n))
	require.NoError(t, failed)
	require.NoError(t, read.Close())
	return wait(t, cmd.Wait()), string(begin), err.String()
}

// Terminal runs the program in a terminal of so many columns, and returns what it
// writes there, standard output and standard error together.
func Terminal(t testing.TB, columns uint16, env []string, args ...string) (status int, screen string) {
	t.Helper()
	cmd := Command(t, env, args...)
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: columns})
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	shown, _ := io.ReadAll(file) // the end of the terminal is an error
	return wait(t, cmd.Wait()), strings.ReplaceAll(string(shown), "\r\n", "\n")
}

func wait(t testing.TB, err error) int {
	t.Helper()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return failed.ExitCode()
	}
	require.NoError(t, err)
	return 0
}
