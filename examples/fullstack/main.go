// Fullstack is a small application that shows every part of a host of usher:
// customers that push their people by SCIM, a customer whose people are read from
// Salesforce on a schedule, a page with the people and an edit form that disables
// what the directory owns, settings that an admin can try before saving, plans
// that wait for approval, and a check at sign-in.
//
//	go run ./examples/fullstack -demo
//
// sends to the application what Okta and Entra ID send, and prints each request
// with the resulting changes of the team.
//
//	ADMIN_PASSWORD=P go run ./examples/fullstack [-addr 127.0.0.1:8080] [-db FILE | -postgres DSN] [-users FILE]
//
// serves the application. It stores everything in the SQLite file FILE, or in
// PostgreSQL, where any number of processes may serve it in parallel.
// SCIM_TOKEN_ACME and SCIM_TOKEN_GLOBEX are the tokens of the two customers that
// push; a customer without a token cannot push. Mails are written to the log.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, errUsage):
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "fullstack:", err)
	os.Exit(1)
}

// errUsage is the error for a wrong command line. The message was already
// printed.
var errUsage = errors.New("usage")

const usage = `Usage: fullstack -demo
       ADMIN_PASSWORD=P fullstack [flags]

The first plays what Okta and Entra ID send to the application, and prints what
becomes of the team. The second serves the application; the user of its pages is
admin, with that password.

SCIM_TOKEN_ACME and SCIM_TOKEN_GLOBEX are the tokens of the customers that push;
a customer without a token cannot push.

`

type options struct {
	addr, db, postgres, users string
	interval, lease           time.Duration
	demo                      bool
	now                       func() time.Time // nil means time.Now
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("fullstack", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var o options
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	flags.StringVar(&o.db, "db", "fullstack.db", "SQLite `file` in which everything is kept")
	flags.StringVar(&o.postgres, "postgres", "", "`DSN` of a PostgreSQL database to keep everything in instead")
	flags.StringVar(&o.users, "users", "", "`file` with the saved answer of Salesforce for the customer that is read; none: a made-up one")
	flags.DurationVar(&o.interval, "interval", time.Hour, "`time` between two readings of Salesforce")
	flags.DurationVar(&o.lease, "lease", 10*time.Second, "`time` after which another process takes over a customer from a process that died")
	flags.BoolVar(&o.demo, "demo", false, "play what providers send, in a database that is thrown away, and end")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, errUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "fullstack: unexpected argument %q\n", flags.Arg(0))
		flags.Usage()
		return o, errUsage
	}
	return o, nil
}

func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) error {
	return runWith(ctx, args, env, stdout, stderr, time.Now)
}

// runWith runs the program with the given clock.
func runWith(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer, now func() time.Time) error {
	opt, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	opt.now = now
	if opt.demo {
		return play(ctx, opt, stdout)
	}
	password := env("ADMIN_PASSWORD")
	if password == "" {
		return errors.New("set ADMIN_PASSWORD to a password for the pages, which show people")
	}
	stores, err := openStores(ctx, opt)
	if err != nil {
		return err
	}
	defer func() { _ = stores.Close() }()
	app, err := newApp(stores, appConfig{
		tokens:   map[string]string{"acme": env("SCIM_TOKEN_ACME"), "globex": env("SCIM_TOKEN_GLOBEX")},
		password: password, users: opt.users, interval: opt.interval, now: opt.now,
		logger: slog.New(slog.NewTextHandler(stderr, nil)),
	})
	if err != nil {
		return err
	}
	defer app.Close()
	listener, err := net.Listen("tcp", opt.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "pages http://%[1]s/ (user admin), SCIM http://%[1]s/scim/v2\n", listener.Addr())
	return app.serve(ctx, listener)
}

// serve serves the pages and the SCIM endpoint, and runs the syncer for every
// customer, until the context ends.
func (a *app) serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	server := &http.Server{Handler: a.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	go func() { _ = a.sync.Serve(ctx) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second) // a write may wait for the database for 10
	defer done()
	return server.Shutdown(grace)
}
