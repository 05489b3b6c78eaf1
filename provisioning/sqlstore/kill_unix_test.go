//go:build unix

package sqlstore_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/usher-go/usher/internal/rapidtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/provisioning/storetest"
)

// childVariable names the file with the task of a child process. The child is
// another instance of the test binary, which the test kills.
const childVariable = "USHER_SQLSTORE_CHILD"

// A task describes the work of a child process.
type task struct {
	DSN     string                `json:"dsn"`
	Tenant  string                `json:"tenant"`
	Actions []provisioning.Action `json:"actions"`
	// KillAt is the number of the write at which the child kills itself; 0
	// means never.
	KillAt int `json:"kill_at"`
}

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if err := runChild(context.Background(), path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	rapidtest.Main(m, 0)
}

// runChild applies a plan. The process may be killed before the end.
func runChild(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var work task
	if err := json.Unmarshal(text, &work); err != nil {
		return err
	}
	killAt := cmp.Or(work.KillAt, math.MaxInt)
	db, _ := openFaulty(new(sqlite.Driver), work.DSN, killAt, func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	})
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		return err
	}
	plan := &provisioning.Plan{Format: provisioning.PlanFormat, Tenant: work.Tenant, Actions: work.Actions}
	content := sha256.New()
	if err := plan.WriteJSON(content); err != nil {
		return err
	}
	plan.Hash = hex.EncodeToString(content.Sum(nil))
	_, err = provisioning.Apply(ctx, store, work.Tenant, plan)
	return err
}

// startChild starts a process with a task.
func startChild(t *testing.T, work task) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(work)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "task.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+path)
	child.Stderr = os.Stderr
	require.NoError(t, child.Start())
	return child
}

// wasKilled waits for a process and reports whether a signal killed it. Any
// other failure is an error.
func wasKilled(child *exec.Cmd) (bool, error) {
	err := child.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true, nil
	}
	return false, err
}

// processCrasher applies actions in a process that is killed.
type processCrasher struct {
	t   *testing.T
	dsn string
}

func (c *processCrasher) Open() (provisioning.Store, error) {
	return sqlstore.Open(c.t.Context(), sqlstore.Config{DB: openDB(c.t, c.dsn)})
}

func (c *processCrasher) Apply(_ context.Context, tenant string, actions []provisioning.Action, k int) (bool, error) {
	return wasKilled(startChild(c.t, task{DSN: c.dsn, Tenant: tenant, Actions: actions, KillAt: k}))
}

// L7: one process after another is killed, each at another write, until every
// write was covered.
func TestKillAtEveryWrite(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a process for every write")
	}
	h := harness(func(t *testing.T) provisioning.Store { return openStore(t, fileDSN(t)) })
	h.Crash = func(t *testing.T) storetest.Crasher { return &processCrasher{t, fileDSN(t)} }
	storetest.Test(t, h)
}

// L7: a process is killed at random moments, repeatedly, until it finishes. Its
// lock does not stay.
func TestKillAnywhere(t *testing.T) {
	t.Parallel()
	const people = 1000
	plan := hires(people)
	dsn := fileDSN(t)
	work := task{DSN: dsn, Tenant: tenant, Actions: plan}
	store := openStore(t, dsn)

	kills := 0
	for wait := 20 * time.Millisecond; ; wait += wait / 4 {
		child := startChild(t, work)
		killer := time.AfterFunc(time.Duration(rand.Int64N(int64(wait))), func() { _ = child.Process.Kill() })
		killed, err := wasKilled(child)
		killer.Stop()
		require.NoError(t, err)
		if !killed {
			break
		}
		kills++
		forceUnlock(t, dsn)
	}
	t.Logf("killed %d times", kills)

	team := teamOf(t, store)
	require.Len(t, team, people)
	for _, a := range plan {
		a.Member.Revision = team[a.Member.ID].Revision
		require.Equal(t, a.Member, team[a.Member.ID])
	}
	seen := make(map[provisioning.Effect]int)
	for e, err := range store.Effects(t.Context(), tenant) {
		require.NoError(t, err)
		seen[e]++
	}
	records := make(map[string]int)
	for r, err := range store.Audit(t.Context(), tenant) {
		require.NoError(t, err)
		records[r.Key]++
	}
	assert.Len(t, seen, people)
	assert.Len(t, records, people)
	for _, a := range plan {
		assert.Equal(t, 1, seen[a.Effects[0]], "effect of %s", a.Key)
		assert.Equal(t, 1, records[a.Key], "records of %s", a.Key)
	}
}

// S28: processes that apply one plan in parallel wait for each other's lock,
// and every action is done once.
func TestProcessesSideBySide(t *testing.T) {
	t.Parallel()
	const people = 700
	dsn := fileDSN(t)
	work := task{DSN: dsn, Tenant: tenant, Actions: hires(people)}
	var children []*exec.Cmd
	for range 3 {
		children = append(children, startChild(t, work))
	}
	for _, child := range children {
		require.NoError(t, child.Wait())
	}
	store := openStore(t, dsn)
	assert.Len(t, teamOf(t, store), people)
	records := 0
	for _, err := range store.Audit(t.Context(), tenant) {
		require.NoError(t, err)
		records++
	}
	assert.Equal(t, people, records)
}

// forceUnlock ends the lease of a killed holder at once, as time would.
func forceUnlock(t *testing.T, dsn string) {
	t.Helper()
	_, err := openDB(t, dsn).ExecContext(t.Context(), `UPDATE usher_locks SET expires_ms = 0`)
	require.NoError(t, err)
}
