// Command scimserver serves SCIM 2.0 for one directory, for trials with an identity
// provider: point Okta, Entra or another client at it, and it prints a line for
// each request.
//
//	SCIM_TOKEN=T go run ./examples/scimserver -addr 127.0.0.1:8080 [-db FILE] [-schema FILE] [-config RULES]
//
// It serves http://ADDR/scim/v2. Without -db it keeps everything in memory. -schema
// declares one more extension of the user by a SCIM schema document (RFC 7643
// section 7), in the form of an answer to GET /Schemas/{urn}. The token comes from
// -token, or better from the environment, where other users of the machine cannot
// see it.
//
// With -config, a file of rules as in docs/formats.md, it prints the effect of each
// push on a team in memory, which is empty at first: the lines of the plan. With
// -plan as well, it prints the plan that brings the directory in -db into an empty
// team, and ends:
//
//	go run ./examples/scimserver -db scim.db -config rules.json -plan
//
// The exit status is 0 after an interrupt, 1 if something failed, 2 for a wrong
// command line; with -plan it is 3 if the plan has something to do.
package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/elimity-com/scim/schema"
	_ "modernc.org/sqlite" // the driver of -db

	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/examples/internal/view"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

func main() {
	terminal.Main("scimserver", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	})
}

const (
	base     = "/scim/v2"
	tokenEnv = "SCIM_TOKEN"
	// The directory that is served.
	tenant, connection = "example", "scim"
)

// options are the options of the command line.
type options struct {
	addr, token, db, kind, extension, schema, config string
	skip, plan                                       bool
	view                                             view.View
}

const usage = `Usage: scimserver [flags]

Serves SCIM 2.0 for one directory, and prints a line for each request; with
-config also what becomes of a team. The token comes from ` + tokenEnv + `.

` + terminal.ExitStatus + `
`

func parseOptions(args []string, getenv func(string) string, stderr io.Writer) (options, error) {
	var opt options
	flags := flag.NewFlagSet("scimserver", flag.ContinueOnError)
	flags.StringVar(&opt.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	flags.StringVar(&opt.token, "token", "", "bearer `token` that clients must send; better in the environment, as "+tokenEnv)
	flags.StringVar(&opt.db, "db", "", "SQLite `file` to keep the directory in; none keeps it in memory")
	flags.StringVar(&opt.kind, "kind", "", "`kind` of provider that pushes (okta, entra, onelogin, rippling); none is that of the rules, or any other")
	flags.StringVar(&opt.extension, "extension", scim.DefaultUserExtension, "`URN` of the user extension")
	flags.StringVar(&opt.schema, "schema", "", "`file` with a SCIM schema document that declares one more extension of the user")
	flags.BoolVar(&opt.skip, "skip-unknown-members", false, "leave members out that are not there, instead of refusing the change")
	flags.StringVar(&opt.config, "config", "", "`file` with rules: print what each push leads to")
	flags.BoolVar(&opt.plan, "plan", false, "print the plan for the directory in -db by the rules of -config, and serve nothing; the flags below say how")
	opt.view.Register(flags)
	err := terminal.Parse(flags, args, stderr, usage, nil)
	if err != nil {
		return opt, err
	}
	opt.token = cmp.Or(opt.token, getenv(tokenEnv))
	wrong := ""
	switch {
	case opt.plan && (opt.db == "" || opt.config == ""):
		wrong = "-plan is of the directory in -db, by the rules of -config"
	case !opt.plan && opt.view != view.View{}:
		wrong = "-all, -json, -explain, -chart and -html go with -plan"
	case !opt.plan && opt.token == "":
		wrong = "no token: set " + tokenEnv + " in the environment, or -token"
	}
	return opt, terminal.Wrong(flags, wrong, opt.view.Wrong())
}

func run(ctx context.Context, args []string, getenv func(string) string, out, errOut io.Writer) error {
	stdout, stderr := terminal.NewScreen(out, getenv), terminal.NewScreen(errOut, getenv)
	opt, err := parseOptions(args, getenv, stderr)
	if err != nil {
		return err
	}
	var resolver *provisioning.Resolver
	if opt.config != "" {
		if resolver, err = files.ReadRules(opt.config, opt.kind); err != nil {
			return err
		}
		view.Warn(stderr, opt.config, resolver)
		opt.kind = resolver.Config().Source
	}
	if opt.plan {
		if _, err := os.Stat(opt.db); err != nil {
			return files.InFile(opt.db, err)
		}
	}
	cfg := scim.Config{
		Authenticate: scim.BearerTokens(scim.FixedTokens(scim.Token{
			Hash:      scim.HashToken(opt.token),
			Principal: scim.Principal{Tenant: tenant, Connection: connection, Kind: opt.kind},
		})),
		UserExtension:      opt.extension,
		PublicDiscovery:    true,
		SkipUnknownMembers: opt.skip,
	}
	if opt.schema != "" {
		declared, err := files.Read(opt.schema, maxSchema, readSchema)
		if err != nil {
			return err
		}
		cfg.UserExtensions = []schema.Schema{declared}
	}
	store, closeStore, err := openStore(ctx, opt.db)
	if err != nil {
		return err
	}
	defer func() { _ = closeStore() }()
	cfg.Store = store
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if resolver == nil {
		return errors.Join(listen(ctx, cfg, opt.addr, stdout), closeStore())
	}
	decider := &decider{resolver: resolver, store: store, extension: opt.extension, out: stdout, woken: make(chan struct{}, 1)}
	if opt.plan {
		return decider.showPlan(ctx, stderr, &opt.view)
	}
	cfg.OnChange = decider.wake
	decider.wake(ctx, scim.Event{}) // decides about the directory as it is at the start
	var running sync.WaitGroup
	running.Go(func() { decider.run(ctx) })
	err = listen(ctx, cfg, opt.addr, stdout)
	stop()
	running.Wait()
	return errors.Join(err, closeStore())
}

// maxSchema bounds a schema document, in bytes.
const maxSchema = 1 << 20

// readSchema reads a schema document.
func readSchema(text []byte) (schema.Schema, error) {
	var declared schema.Schema
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &declared); err != nil {
		return declared, fmt.Errorf("want a schema document: %w", err)
	}
	if declared.ID == "" || len(declared.Attributes) == 0 {
		return declared, errors.New("want a schema document with an id and attributes")
	}
	return declared, nil
}

// listen serves what cfg describes at addr until ctx ends.
func listen(ctx context.Context, cfg scim.Config, addr string, out io.Writer) error {
	handler, err := scim.NewHandler(cfg)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprint(out, guide("http://"+listener.Addr().String()+base))
	server := &http.Server{
		Handler:           logged(scim.Mount(base, handler, nil), out),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute, // for requests that never reach the handler, such as OPTIONS *
		IdleTimeout:       2 * time.Minute,
	}
	return serve(ctx, server, listener)
}

// serve runs until ctx ends, then lets the requests in progress finish.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 15*time.Second) // a write may wait for the database for 10
	defer cancel()
	return server.Shutdown(grace)
}

// openStore opens the store that the flags choose.
func openStore(ctx context.Context, file string) (scim.Store, func() error, error) {
	if file == "" {
		return &scim.Memory{}, func() error { return nil }, nil
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, errors.Join(err, db.Close()))
	}
	return store, db.Close, nil
}

// guide returns instructions for a provider.
func guide(url string) string {
	return fmt.Sprintf(`Serving SCIM 2.0 at %[1]s

Okta: Applications, your app, Provisioning, Configure API Integration
  SCIM connector base URL   %[1]s
  Unique identifier field   userName
  Authentication mode       HTTP Header, with the token

Entra ID: Enterprise applications, your app, Provisioning
  Tenant URL                %[1]s/?aadOptscim062020
  Secret token              the token

Providers reach this machine only through a public address; a tunnel will do.

`, url)
}

// logged writes a line for each request. It writes no query, body or header, since
// these hold personal data or secrets.
func logged(next http.Handler, out io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		record := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(record, r)
		fmt.Fprintf(out, "%s %-6s %s %d %s\n", start.Format(time.TimeOnly), r.Method, r.URL.EscapedPath(),
			record.status, time.Since(start).Round(10*time.Microsecond))
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
