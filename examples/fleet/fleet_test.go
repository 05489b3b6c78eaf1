package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
)

// TestMain runs the test binary as a worker if a test started it as one.
func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{{"-no"}, {"else"}, {"-tenants", "0"}, {"-pushing", "6", "-failing", "5", "-tenants", "10"}, {"-timeout", "1ms"}} {
		require.ErrorIs(t, run(t.Context(), args, nil, io.Discard, io.Discard), errUsage, "%v", args)
	}
	err := run(t.Context(), []string{"-postgres", "host=secret.example"}, nil, io.Discard, io.Discard)
	require.ErrorContains(t, err, "want a URL")
	require.NotContains(t, err.Error(), "secret")
}

// The whole demonstration: at the end, every team equals its directory. This
// includes the tenants that failed at first and the tenants that push (L2,
// S38).
func TestDemonstration(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	args := []string{"-tenants", "20", "-people", "20", "-pushing", "3", "-failing", "2", "-workers", "2", "-postgres", pgtest.Start(t).Schema(t)}
	require.NoError(t, run(t.Context(), args, nil, &out, t.Output()), "%s", &out)
	assert.Contains(t, out.String(), "each of 20 teams equals its directory")
	assert.Contains(t, out.String(), "runs failed, of up to")
}

// start starts a fleet with the given number of workers. It ends with the test.
func start(t *testing.T, opt options, workers int) *fleet {
	t.Helper()
	opt.postgres = pgtest.Start(t).Schema(t)
	opt.people, opt.jobs, opt.interval = 20, 2, time.Hour
	f, err := startFleet(t.Context(), opt, t.Output(), t.Output())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.stop()) })
	for range workers {
		require.NoError(t, f.addWorker(t.Output()))
	}
	return f
}

// A tenant has at most one job at a time, for any number of wakes. A push
// during the job is not lost (S38).
func TestUnique(t *testing.T) {
	t.Parallel()
	f := start(t, options{tenants: 1, pushing: 1, timeout: time.Minute}, 2)
	ctx, tenant := t.Context(), f.companies[0].tenant

	// Four pushes run in parallel, and each change is followed by runs that
	// have nothing to do.
	users := f.companies[0].people.Users()
	var work sync.WaitGroup
	var skipped, inserted int
	var mu sync.Mutex
	for part := range 4 {
		work.Go(func() {
			c := &company{tenant: tenant, pushes: true, ids: make(map[string]string)}
			for i := part; i < len(users); i += 4 {
				assert.NoError(t, c.push(ctx, f.base(), users[i:i+1]))
				for range 3 {
					result, err := f.client.Insert(ctx, runArgs{tenant}, nil)
					assert.NoError(t, err)
					mu.Lock()
					if result.UniqueSkippedAsDuplicate {
						skipped++
					} else {
						inserted++
					}
					mu.Unlock()
				}
			}
		})
	}
	work.Wait()
	assert.NotZero(t, skipped)
	require.NoError(t, f.begin("pushes").await(ctx, func() error { return nil }))
	require.NoError(t, f.check(ctx)) // a lost push would be missing here

	var overlapping int
	require.NoError(t, f.pool.QueryRow(ctx, `SELECT count(*) FROM river_job a JOIN river_job b ON a.kind = 'run' AND b.kind = 'run' AND a.id < b.id
		AND a.args = b.args AND a.attempted_at < b.finalized_at AND b.attempted_at < a.finalized_at`).Scan(&overlapping))
	assert.Zero(t, overlapping, "two jobs of the tenant were at work at the same time")
}

// A push does not wait for the next retry of the tenant's job (S38).
func TestAPushDoesNotWait(t *testing.T) {
	t.Parallel()
	f := start(t, options{tenants: 1, pushing: 1, timeout: time.Minute}, 1)
	ctx, c := t.Context(), f.companies[0]
	_, err := f.client.Insert(ctx, runArgs{c.tenant}, &river.InsertOpts{ScheduledAt: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	p := f.begin("pushes")
	require.NoError(t, p.await(ctx, func() error { return c.push(ctx, f.base(), c.people.Users()) }))
	require.Less(t, time.Since(p.since), 30*time.Minute, "the job was for an hour later")
	require.NoError(t, f.check(ctx))
	var due time.Time
	require.NoError(t, f.pool.QueryRow(ctx, `SELECT due FROM fleet_tenants`).Scan(&due))
	require.WithinDuration(t, time.Now().Add(time.Hour), due, 10*time.Minute, "as the syncer says")
}

// A tenant whose provider refuses the credentials backs off with a growing
// delay, and delays no other tenant.
func TestFailingTenant(t *testing.T) {
	t.Parallel()
	f := start(t, options{tenants: 6, failing: 1, timeout: time.Minute}, 1)
	ctx, failing := t.Context(), f.companies[0]
	require.NoError(t, f.save(ctx, time.Now()))
	job := func() (state rivertype.JobState, failures int, wait time.Duration) {
		var scheduled, attempted time.Time
		err := f.pool.QueryRow(ctx, `SELECT state, coalesce(cardinality(errors), 0), scheduled_at, coalesce(attempted_at, scheduled_at)
			FROM river_job WHERE kind = 'run' AND args->>'tenant' = $1`, failing.tenant).Scan(&state, &failures, &scheduled, &attempted)
		if err != nil {
			return "", 0, 0
		}
		return state, failures, scheduled.Sub(attempted)
	}
	require.Eventually(t, func() bool {
		_, failures, wait := job()
		return failures >= 3 && wait >= 2*time.Second
	}, time.Minute, 50*time.Millisecond)
	require.Eventually(t, func() bool {
		var done int
		require.NoError(t, f.pool.QueryRow(ctx, `SELECT count(*) FROM fleet_tenants WHERE runs > 0`).Scan(&done))
		return done == 5
	}, time.Minute, 50*time.Millisecond, "the others are through")
	team, err := provisioning.Team(ctx, f.team, failing.tenant)
	require.NoError(t, err)
	assert.Empty(t, team)

	failing.refuses.Store(false)
	require.Eventually(t, func() bool { state, _, _ := job(); return state == rivertype.JobStateCompleted }, time.Minute, 50*time.Millisecond)
	require.NoError(t, f.check(ctx))
}

// Another worker takes over the jobs of a killed worker. The worker is killed while
// it reads a provider, so its job cannot end before.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	f := start(t, options{tenants: 20, timeout: 4 * time.Second}, 0)
	answer, asked, goOn := f.server.Handler, make(chan struct{}, 1), make(chan struct{})
	f.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		select {
		case <-goOn:
			answer.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
	ctx, p := t.Context(), f.begin("the other worker")
	require.NoError(t, f.addWorker(t.Output()))
	require.NoError(t, f.save(ctx, p.since))
	<-asked
	victim := f.workers[0]
	require.NoError(t, victim.cmd.Process.Kill())
	var exit *exec.ExitError
	require.ErrorAs(t, victim.cmd.Wait(), &exit)
	f.workers = nil
	close(goOn)
	running := 0
	require.NoError(t, f.pool.QueryRow(ctx, `SELECT count(*) FROM river_job WHERE kind = 'run' AND state = 'running'`).Scan(&running))
	require.NotZero(t, running, "it was at work")

	require.NoError(t, f.addWorker(t.Output()))
	require.NoError(t, p.await(ctx, func() error { return nil }))
	require.NoError(t, f.check(ctx))
}

// After an interrupt, the program leaves no process, no session and no table.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	server := pgtest.StartOwn(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-tenants", "200", "-people", "20", "-postgres", server.URL().String()}, nil, writer, t.Output())
	}()
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "first import") { // the program is working now
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	interrupt()
	require.EqualError(t, <-ended, "interrupted")

	conn, err := pgx.Connect(t.Context(), server.URL().String())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	left := ""
	assert.Eventually(t, func() bool { // a session ends shortly after its connection
		err := conn.QueryRow(t.Context(), `SELECT coalesce(string_agg(what, ', '), '') FROM (
			SELECT nspname FROM pg_namespace WHERE nspname LIKE 'fleet%'
			UNION ALL SELECT query FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) left_behind (what)`).Scan(&left)
		return err == nil && left == ""
	}, time.Minute, 50*time.Millisecond)
	assert.Empty(t, left)
}

func TestBackOff(t *testing.T) {
	var waits []string
	for failures := range 5 {
		waits = append(waits, backOff(failures, 5*time.Second, 0.5).String())
	}
	assert.Equal(t, "1s 1s 2s 4s 5s", strings.Join(waits, " "))
	assert.Equal(t, 5*time.Minute, backOff(100, 10*time.Minute, 0))
}
