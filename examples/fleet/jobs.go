package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// Urgent jobs go before scheduled ones: somebody waits for the result of a
// push.
const (
	prioritySchedule = 1
	priorityPush     = 2
	priorityRun      = 3
)

// unfinished are the states of a job that is not done yet. At most one job of a
// kind and a tenant is in these states.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateScheduled, rivertype.JobStateRetryable,
}

// A job never gives up: the schedule would run the tenant again anyway.
const maxAttempts = math.MaxInt16

// runArgs is the job that decides the changes of a tenant.
type runArgs struct {
	Tenant string `json:"tenant"`
}

// Kind implements river.JobArgs.
func (runArgs) Kind() string { return "run" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (runArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: maxAttempts, Priority: priorityRun, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished},
	}
}

// A runWorker does the run jobs.
type runWorker struct {
	river.WorkerDefaults[runArgs]
	*host
}

// NextRetry implements river.Worker: each failing tenant has its own backoff.
func (w *runWorker) NextRetry(job *river.Job[runArgs]) time.Time {
	return time.Now().Add(backOff(len(job.Errors)+1, 10*time.Minute, rand.Float64()))
}

// Work implements river.Worker.
func (w *runWorker) Work(ctx context.Context, job *river.Job[runArgs]) error {
	tenant := job.Args.Tenant
	var kind string
	var woken int64
	err := w.pool.QueryRow(ctx, `SELECT kind, woken FROM fleet_tenants WHERE tenant = $1`, tenant).Scan(&kind, &woken)
	if errors.Is(err, pgx.ErrNoRows) {
		return river.JobCancel(err) // the tenant was removed
	}
	var report syncer.Report
	if err == nil {
		report, err = w.sync.Round(ctx, syncer.Target{Tenant: tenant, Connection: kind})
	}
	var failure *sources.Error
	switch {
	case errors.Is(err, syncer.ErrPaused), errors.Is(err, syncer.ErrRetired):
		report.Next = time.Now().Add(w.opt.interval) // an admin paused or retired it: no run before then
	case errors.As(err, &failure) && failure.RetryAfter > 0:
		return river.JobSnooze(time.Until(report.Next))
	case err != nil:
		return err
	}
	return w.finish(ctx, job, woken, report)
}

// soon is the time before a tenant's next run within which its job waits for
// that run.
const soon = time.Minute

// finish completes the job, inserts a job that delivers its effects, and stores
// the time of the tenant's next run, in one transaction. If the tenant was woken
// during the run, the job starts again. finish locks the row of the tenant, so
// that a wake comes either before or after it.
func (w *runWorker) finish(ctx context.Context, job *river.Job[runArgs], woken int64, report syncer.Report) error {
	tenant, wait := job.Args.Tenant, time.Until(report.Next)
	again := wait < soon
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		var now int64
		err := tx.QueryRow(ctx, `UPDATE fleet_tenants SET runs = runs + 1, due = $2 WHERE tenant = $1 RETURNING woken`, tenant, report.Next).Scan(&now)
		if err != nil {
			return err
		}
		if report.Effects {
			if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, effectsArgs{tenant}, nil); err != nil {
				return err
			}
		}
		if now != woken {
			again, wait = true, 0
		}
		if !again {
			_, err = river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		}
		return err
	})
	if err == nil && again {
		return river.JobSnooze(max(wait, 0))
	}
	return err
}

// effectsArgs is the job that delivers the effects of a tenant.
type effectsArgs struct {
	Tenant string `json:"tenant"`
}

// Kind implements river.JobArgs.
func (effectsArgs) Kind() string { return "effects" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (effectsArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: maxAttempts, Priority: priorityPush, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished},
	}
}

type effectsWorker struct {
	river.WorkerDefaults[effectsArgs]
	*host
}

// Work implements river.Worker.
func (w *effectsWorker) Work(ctx context.Context, job *river.Job[effectsArgs]) error {
	tenant := job.Args.Tenant
	next, err := w.sync.Deliver(ctx, tenant)
	if err != nil {
		return err
	}
	left := false
	err = pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		// The lock prevents a run from inserting a job for its effects between
		// the check and the end.
		if _, err := tx.Exec(ctx, `SELECT 1 FROM fleet_tenants WHERE tenant = $1 FOR UPDATE`, tenant); err != nil {
			return err
		}
		var err error
		if left, err = w.hasEffects(ctx, tenant); left || err != nil {
			return err
		}
		_, err = river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
	if err == nil && left {
		return river.JobSnooze(max(time.Until(next), 0)) // no next time means that effects came meanwhile
	}
	return err
}

// scheduleArgs is the periodic job that inserts the runs that are due.
type scheduleArgs struct{}

// Kind implements river.JobArgs.
func (scheduleArgs) Kind() string { return "schedule" }

// InsertOpts implements river.JobArgsWithInsertOpts. The job is not unique: a
// job of a dead worker would block the insertion of new ones until River
// rescues it, and two at a time do no harm.
func (scheduleArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 2, Priority: prioritySchedule}
}

// scheduleEvery is the interval between two checks for due tenants.
const scheduleEvery = 2 * time.Second

type scheduleWorker struct {
	river.WorkerDefaults[scheduleArgs]
	*host
}

// Work implements river.Worker.
func (w *scheduleWorker) Work(ctx context.Context, _ *river.Job[scheduleArgs]) error {
	return w.schedule(ctx, river.ClientFromContext[pgx.Tx](ctx))
}

// newClient returns a River client that inserts jobs and, if works is set, also
// does them.
func (h *host) newClient(works bool) (*river.Client[pgx.Tx], error) {
	config := &river.Config{Logger: h.logger}
	if works {
		workers := river.NewWorkers()
		river.AddWorker(workers, &runWorker{host: h})
		river.AddWorker(workers, &effectsWorker{host: h})
		river.AddWorker(workers, &scheduleWorker{host: h})
		config.Workers = workers
		config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: h.opt.jobs}}
		config.FetchCooldown = 10 * time.Millisecond // short, because a run takes a tenth of a second
		config.JobTimeout = h.opt.timeout
		config.RescueStuckJobsAfter = 2 * h.opt.timeout // for the jobs of a dead worker
		config.SoftStopTimeout = 5 * time.Second
		config.PeriodicJobs = []*river.PeriodicJob{river.NewPeriodicJob(
			river.PeriodicInterval(scheduleEvery),
			func() (river.JobArgs, *river.InsertOpts) { return scheduleArgs{}, nil },
			&river.PeriodicJobOpts{ID: "schedule", RunOnStart: true},
		)}
	}
	return river.NewClient(riverpgxv5.New(h.pool), config)
}

// work does jobs until the context ends, or until the process that started this
// one ends and so closes its end of the pipe.
func work(ctx context.Context, opt options, stdin io.Reader, stderr io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		stop()
	}()
	logger := slog.New(slog.DiscardHandler)
	if opt.verbose {
		logger = slog.New(slog.NewTextHandler(stderr, nil))
	}
	h, err := openHost(ctx, opt, logger)
	if err != nil {
		return err
	}
	defer h.Close()
	client, err := h.newClient(true)
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	<-client.Stopped()
	return nil
}
