//go:build unix

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/examples/internal/programtest"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

func TestMain(m *testing.M) { programtest.Main(m, main) }

// Ctrl-C at any moment, as a shell sends it: afterwards there is either nothing, or
// the whole recording and the whole team.
func TestCtrlC(t *testing.T) {
	w := worlds[5]
	d := w.company()
	for i := range 300 {
		d.PutUsers(sources.User{
			ID: fmt.Sprintf(w.user, 100+i), UserName: fmt.Sprintf("p%d@linden.example", i), Email: fmt.Sprintf("p%d@linden.example", i),
			GivenName: "Pat", FamilyName: fmt.Sprintf("Lee %d", i), Status: sources.StatusActive, Attributes: map[string]sources.Values{"department": {"Sales"}},
		})
	}
	face := &fake.SCIM{Directory: d, Token: w.env["SCIM_TOKEN"], PageRows: 50}
	answers := make(chan struct{}) // closed after the first round, which cannot end before its signal
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-answers:
		case <-r.Context().Done():
			return
		}
		time.Sleep(5 * time.Millisecond)
		face.ServeHTTP(rw, r)
	}))
	defer server.Close()
	env := []string{"SCIM_URL=" + server.URL, "SCIM_TOKEN=" + w.env["SCIM_TOKEN"]}
	rules := filepath.Join(t.TempDir(), "rules.json")
	require.NoError(t, os.WriteFile(rules, []byte(w.rules()), 0o600))

	interrupted, whole := 0, 0
	for after := 20 * time.Millisecond; whole < 2 && after < 30*time.Second; after += after / 2 {
		dir := t.TempDir()
		db, recording := filepath.Join(dir, "team.db"), filepath.Join(dir, "recording")
		args := []string{"-source", w.kind, "-config", rules, "-db", db}
		var stderr bytes.Buffer
		cmd := programtest.Command(t, env, append(args, "-apply", "-record", recording)...)
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		time.AfterFunc(after, func() { _ = cmd.Process.Signal(os.Interrupt) })
		_ = cmd.Wait()
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		var names []string
		for _, entry := range left {
			names = append(names, entry.Name())
		}
		switch code := cmd.ProcessState.ExitCode(); code {
		case 0: // it was done before, or the change that had begun was finished
			whole++
			require.Equal(t, []string{"recording", "team.db"}, names)
			again := programtest.Command(t, env, append(args, "-json")...)
			again.Stderr = &stderr
			plan, err := again.Output()
			require.NoError(t, err, "something is left to do: %s%s", stderr.String(), plan)
		default: // -1: the signal came before the program could handle it
			interrupted++
			require.Contains(t, []int{-1, 1}, code, stderr.String())
			require.NotContains(t, names, "team.db")
		}
		if slices.Contains(names, "recording") {
			status, _, told := programtest.Run(t, "-replay", recording, "-db", filepath.Join(t.TempDir(), "team.db"))
			require.Equal(t, 3, status, told)
			names = slices.DeleteFunc(names, func(name string) bool { return name == "recording" || name == "team.db" })
		}
		require.Empty(t, names, "after %s: %s", after, stderr.String())
		if interrupted+whole == 1 {
			close(answers)
		}
	}
	require.Positive(t, interrupted)
	require.Positive(t, whole)
	t.Logf("%d interrupted, %d whole", interrupted, whole)
}

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
