// Fleet keeps the teams of many tenants up to date, with several worker processes.
// A run of a tenant is a job of River (https://riverqueue.com) on PostgreSQL, which
// also stores the teams.
//
//	cd examples/fleet && go run . [-tenants 1000] [-people 200] [-workers 2]
//
// starts a PostgreSQL of its own, unless -postgres names one. It makes up a company
// with a provider for each tenant, imports all of them, changes some, and runs them
// again. At the end it compares every team with its directory. After an interrupt
// it leaves nothing behind.
//
// The files jobs.go and host.go have what a host would reuse.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/usher-go/usher/internal/pgserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, errUsage):
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "fleet:", err)
	os.Exit(1)
}

// errUsage is the error for a wrong command line. The message was already
// printed.
var errUsage = errors.New("usage")

// postgresVariable passes the DSN of the database to a worker. Other users of
// the machine can see a command line, and a DSN may hold a password.
const postgresVariable = "FLEET_POSTGRES"

type options struct {
	tenants, people, pushing, failing int
	workers, jobs                     int
	postgres                          string
	interval, timeout                 time.Duration
	verbose                           bool

	worker   bool
	provider string // the address of the made-up providers
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o := options{}
	flags.IntVar(&o.tenants, "tenants", 1000, "`number` of tenants")
	flags.IntVar(&o.people, "people", 200, "`number` of people of each tenant")
	flags.IntVar(&o.pushing, "pushing", 20, "`number` of tenants whose provider pushes by SCIM; the others are read")
	flags.IntVar(&o.failing, "failing", 5, "`number` of tenants whose provider refuses the credentials at first")
	flags.IntVar(&o.workers, "workers", 2, "`number` of worker processes")
	flags.IntVar(&o.jobs, "jobs", 2, "`number` of tenants that a worker keeps at the same time")
	flags.StringVar(&o.postgres, "postgres", os.Getenv(postgresVariable), "`URL` of a PostgreSQL to work on, in a schema that is dropped at the end; none: one of our own")
	flags.DurationVar(&o.interval, "interval", time.Hour, "`time` between two runs of a tenant")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "the most `time` that one run may take")
	flags.BoolVar(&o.verbose, "v", false, "log what the workers do")
	flags.BoolVar(&o.worker, "worker", false, "be a worker, of the database in "+postgresVariable)
	flags.StringVar(&o.provider, "provider", "", "`address` of the made-up providers, for a worker")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, errUsage
	}
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	case o.tenants < 1, o.people < 10, o.workers < 1, o.jobs < 1:
		wrong = "want at least 1 tenant, 10 people, 1 worker and 1 job"
	case o.pushing < 0, o.failing < 0, o.pushing+o.failing > o.tenants:
		wrong = "want at most as many tenants that push or fail as there are tenants"
	case o.timeout < time.Second, o.interval < time.Second:
		wrong = "want an interval and a timeout of at least a second"
	}
	if wrong != "" {
		fmt.Fprintln(stderr, "fleet:", wrong)
		return o, errUsage
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	opt, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if opt.worker {
		return work(ctx, opt, stdin, stderr)
	}
	defer func() {
		if err != nil && ctx.Err() != nil { // after an interrupt, no other error matters
			err = errors.New("interrupted")
		}
	}()
	if opt.postgres != "" {
		return demonstrate(ctx, opt, stdout, stderr)
	}
	server, err := pgserver.Start()
	if errors.Is(err, pgserver.ErrNotInstalled) {
		return fmt.Errorf("%w: install PostgreSQL (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), or name a server with -postgres", err)
	}
	if err != nil {
		return fmt.Errorf("starting a PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	opt.postgres = server.URL().String()
	fmt.Fprintf(stdout, "PostgreSQL: a throw-away server on %s\n", server.URL().Host)
	return demonstrate(ctx, opt, stdout, stderr)
}

// inSchema returns the DSN changed such that table names without a schema refer
// to the given schema.
func inSchema(dsn, schema string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return "", errors.New("-postgres: want a URL such as postgres://user@host/database") // the DSN is not printed: it may hold a password
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String(), nil
}
