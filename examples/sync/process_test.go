//go:build unix

package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/examples/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m, main) }

// What a shell sees of the exit status, and a terminal of the plan.
func TestProcess(t *testing.T) {
	db := filepath.Join(t.TempDir(), "team.db")
	for _, c := range []struct {
		status int
		args   []string
	}{
		{2, []string{"-db", db}},
		{1, []string{"-db", db, "-replay", "none"}},
		{3, []string{"-db", db, "-replay", "recordings/okta"}}, // for -apply
		{0, []string{"-db", db, "-replay", "recordings/okta", "-explain", "x"}},
		{0, []string{"-db", db, "-replay", "recordings/okta", "-apply"}},
		{0, []string{"-db", db, "-replay", "recordings/okta"}},
	} {
		status, _, stderr := programtest.Run(t, c.args...)
		assert.Equal(t, c.status, status, "%v: %s", c.args, stderr)
	}
	status, screen := programtest.Terminal(t, 80, nil, "-db", db+"2", "-replay", "recordings/okta")
	assert.Equal(t, 3, status)
	assert.Contains(t, screen, "\x1b[32m+ ")
	status, _, stderr := programtest.Head(t, 1, "-db", db+"2", "-replay", "recordings/okta", "-all")
	assert.Equal(t, 3, status)
	assert.NotContains(t, stderr, "sync: ")
}
