package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// A fleet holds the parts of the demonstration: the companies with their
// providers, the process of the host that receives pushes, and the workers.
type fleet struct {
	*host
	client    *river.Client[pgx.Tx]
	companies []*company
	server    *http.Server
	workers   []*worker
	out       io.Writer
}

// demonstrate plays two hours of the life of a fleet.
func demonstrate(ctx context.Context, opt options, out, logs io.Writer) (err error) {
	f, err := startFleet(ctx, opt, out, logs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	for range opt.workers {
		if err := f.addWorker(logs); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%d tenants of %d people: %d are read from OneLogin, %d push by SCIM; %d workers with %d tenants at a time\n",
		opt.tenants, opt.people, opt.tenants-opt.pushing, opt.pushing, opt.workers, opt.jobs)

	first := f.begin("first import")
	if err := f.save(ctx, first.since); err != nil {
		return err
	}
	err = first.await(ctx, func() error {
		return f.eachPushing(func(c *company) error { return c.push(ctx, f.base(), c.people.Users()) })
	})
	if err != nil {
		return err
	}

	second := f.begin("an hour later")
	changed := 0
	for i, c := range f.companies {
		if !c.pushes && i%10 == 0 {
			changed += len(c.hour(1))
		}
	}
	if err := f.save(ctx, second.since); err != nil {
		return err
	}
	err = second.await(ctx, func() error {
		return f.eachPushing(func(c *company) error { return c.push(ctx, f.base(), c.hour(1)) })
	})
	if err != nil {
		return err
	}
	return f.check(ctx)
}

// startFleet creates the tables in a schema of their own, and starts everything
// except the workers. The caller must call stop after use.
func startFleet(ctx context.Context, opt options, out, logs io.Writer) (f *fleet, err error) {
	schema := fmt.Sprintf("fleet_%08x", rand.Uint32())
	if opt.postgres, err = inSchema(opt.postgres, schema); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, opt.postgres)
	if err != nil {
		return nil, fmt.Errorf("-postgres: %w", err)
	}
	_, err = conn.Exec(ctx, `CREATE SCHEMA `+schema)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, err
	}
	f = &fleet{host: &host{opt: opt}, companies: newCompanies(opt), out: out}
	drop := func(h *host) {
		dropping, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _ = h.pool.Exec(dropping, `DROP SCHEMA `+schema+` CASCADE`)
	}
	defer func() {
		if err != nil {
			_ = f.stop()
		}
	}()
	logger := slog.New(slog.DiscardHandler)
	if opt.verbose {
		logger = slog.New(slog.NewTextHandler(logs, nil))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	opt.provider = "http://" + listener.Addr().String()
	f.server = &http.Server{ReadHeaderTimeout: 10 * time.Second}
	if f.host, err = openHost(ctx, opt, logger); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	f.close = append(f.close, func() { drop(f.host) })
	migrator, err := rivermigrate.New(riverpgxv5.New(f.pool), &rivermigrate.Config{Logger: logger})
	if err == nil {
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err == nil {
		_, err = f.pool.Exec(ctx, tables)
	}
	if err == nil {
		f.client, err = f.newClient(false)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	push, err := f.endpoint(logger)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	f.server.Handler = scim.Mount("/scim/v2", push, readable(f.companies))
	go func() { _ = f.server.Serve(listener) }()
	_, err = f.pool.CopyFrom(ctx, pgx.Identifier{"fleet_tenants"}, []string{"tenant", "kind", "due"}, pgx.CopyFromSlice(len(f.companies), func(i int) ([]any, error) {
		return []any{f.companies[i].tenant, f.companies[i].kind(), time.Now().Add(opt.interval)}, nil
	}))
	return f, err
}

// endpoint returns the handler to which the providers push. It stores what is
// pushed and wakes the tenant's job. The provider does not wait for the
// decision.
func (f *fleet) endpoint(logger *slog.Logger) (http.Handler, error) {
	var tokens []scim.Token
	for _, c := range f.companies {
		if c.pushes {
			tokens = append(tokens, scim.Token{
				Hash:      scim.HashToken(scimToken + "-" + c.tenant),
				Principal: scim.Principal{Tenant: c.tenant, Connection: sources.KindOkta, Kind: sources.KindOkta},
			})
		}
	}
	return scim.NewHandler(scim.Config{
		Store: f.directory, Authenticate: scim.BearerTokens(scim.FixedTokens(tokens...)), Logger: logger,
		OnChange: func(ctx context.Context, e scim.Event) {
			if err := f.wake(ctx, f.client, e.Directory.Tenant); err != nil {
				logger.WarnContext(ctx, "a push is found by the schedule", "tenant", e.Directory.Tenant, "error", err)
			}
		},
	})
}

// base is the address of the SCIM endpoint.
func (f *fleet) base() string { return f.opt.provider + "/scim/v2" }

// stop ends everything, beginning with the workers.
func (f *fleet) stop() error {
	var errs []error
	for _, w := range f.workers {
		errs = append(errs, w.stop())
	}
	if f.server != nil {
		errs = append(errs, f.server.Close())
	}
	f.Close()
	return errors.Join(errs...)
}

// A worker is a separate process that runs this program.
type worker struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

func (f *fleet) addWorker(logs io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-worker", "-provider", f.opt.provider, "-jobs", fmt.Sprint(f.opt.jobs),
		"-interval", f.opt.interval.String(), "-timeout", f.opt.timeout.String(), fmt.Sprintf("-v=%t", f.opt.verbose))
	cmd.Env = append(os.Environ(), postgresVariable+"="+f.opt.postgres, workerVariable+"=1")
	cmd.Stderr = logs
	pipe, err := cmd.StdinPipe() // the pipe closes when this process ends in any way
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	f.workers = append(f.workers, &worker{cmd, pipe})
	return nil
}

// workerVariable is set in the environment of a worker. It tells a test binary
// to run as a worker.
const workerVariable = "FLEET_WORKER"

// stop gives a worker limited time to finish its jobs.
func (w *worker) stop() error {
	_ = w.pipe.Close()
	killer := time.AfterFunc(20*time.Second, func() { _ = w.cmd.Process.Kill() })
	defer killer.Stop()
	err := w.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return nil // interrupted together with this process, or killed by a test
		}
	}
	return err
}

// save saves the settings of every tenant that is read. The schedule then
// starts a new decision about everybody (R29).
func (f *fleet) save(ctx context.Context, at time.Time) error {
	_, err := f.pool.Exec(ctx, `UPDATE fleet_tenants SET due = $1, saved = saved + 1 WHERE kind <> $2`, at, sources.KindOkta)
	return err
}

// eachPushing calls do for every company that pushes, several in parallel.
func (f *fleet) eachPushing(do func(*company) error) error {
	var work sync.WaitGroup
	slots := make(chan struct{}, 4)
	errs := make([]error, len(f.companies))
	for i, c := range f.companies {
		if c.pushes {
			work.Go(func() {
				slots <- struct{}{}
				errs[i] = do(c)
				<-slots
			})
		}
	}
	work.Wait()
	return errors.Join(errs...)
}
