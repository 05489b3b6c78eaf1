//go:build unix

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/examples/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m, main) }

// What a shell sees of the exit status, and of a pipe that is closed.
func TestProcess(t *testing.T) {
	for want, args := range map[int][]string{0: append(bundled[:len(bundled):len(bundled)], "-explain", "x"), 1: {"-config", "none", "-snapshot", "none"}, 2: {"more"}, 3: bundled} {
		status, _, stderr := programtest.Run(t, args...)
		assert.Equal(t, want, status, stderr)
	}
	_, _, stderr := programtest.Run(t, "-config", "none.json", "-snapshot", "nope.json")
	assert.Equal(t, "plan: none.json: no such file or directory\nnope.json: no such file or directory\n", stderr)
	for _, how := range []string{"-all", "-json"} {
		status, _, stderr := programtest.Head(t, 1, append(bundled[:len(bundled):len(bundled)], how)...)
		assert.Equal(t, 3, status)
		assert.Empty(t, stderr)
	}
}
