// Sync brings the people of a live directory into a team that lives in an SQLite
// file. It checks the connection, reads the directory, and prints what has to
// change and why; with -apply it changes it.
//
//	go run ./examples/sync -source okta|entra|salesforce|onelogin|rippling|scim -config rules.json [-apply]
//
// Credentials come from the environment; -help names the variables of each
// source. The rules are those of docs/formats.md.
//
// With -record DIR the answers of the directory are saved, without any
// credential, together with the rules: a bug report is that folder. With -replay
// DIR the program runs from such a folder and reaches nothing:
//
//	go run ./examples/sync -replay examples/sync/recordings/okta
//
// A terminal shows how far the reading has come: people, pages, and what the
// provider's rate limit makes it wait. Elsewhere these are plain lines. Ctrl-C
// leaves nothing half: a reading that is interrupted changes nothing and leaves
// no recording; a change that has begun is finished.
//
// The exit status is 0 if nothing is to do or all was done; 1 if something
// failed; 2 for a wrong command line; 3 if something waits: for -apply, or for
// an approval.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second ctrl-C ends the program at once
	err := run(ctx, os.Args[1:], system{
		env: os.Getenv, stdout: os.Stdout, stderr: os.Stderr, terminal: isTerminal(os.Stderr), transport: http.DefaultTransport,
	})
	if text := message(err); text != "" {
		fmt.Fprintln(os.Stderr, "sync:", text)
	}
	os.Exit(status(err))
}

// A system is what the program has around it.
type system struct {
	env            func(string) string
	stdout, stderr io.Writer
	terminal       bool // stderr is one
	transport      http.RoundTripper
}

// The outcomes that are no failures.
var (
	errUsage = errors.New("usage") // it has been told already
	errWaits = errors.New("something waits")
)

// status is the exit status of an outcome.
func status(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, errWaits):
		return 3
	}
	return 1
}

// message is what remains to be told of an outcome.
func message(err error) string {
	switch {
	case status(err) != 1:
		return ""
	case errors.Is(err, context.Canceled):
		return "interrupted; nothing was changed"
	}
	return err.Error()
}

// tenant is the customer whose team this is. A host with many customers keeps
// the teams of all of them in one store, each under its own name.
const tenant = "company"

func run(ctx context.Context, args []string, sys system) error {
	opt, err := parseOptions(args, sys.env, sys.stderr)
	if err != nil {
		return err
	}

	// 1. The rules.
	resolver, err := provisioning.New(opt.rules)
	if err != nil {
		return fmt.Errorf("%s: %w", opt.config, err)
	}
	for _, warning := range resolver.Warnings() {
		fmt.Fprintf(sys.stderr, "%s: warning: %s\n", opt.config, warning)
	}

	// 2. The team, as the application's own database has it.
	team, err := readTeam(ctx, opt.db)
	if err != nil {
		return err
	}

	// 3. The directory.
	snapshot, err := readDirectory(ctx, opt, sys, resolver.Queries(), len(team))
	if err != nil {
		return err
	}

	// 4. The plan: the difference between the two under the rules.
	plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: team})
	if err := showPlan(sys.stdout, opt, plan); err != nil {
		return err
	}
	told := sys.stdout
	if opt.json {
		told = sys.stderr
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !opt.apply {
		if len(plan.Actions) > 0 {
			fmt.Fprintln(told, "\nNothing was changed; -apply does it.")
		}
		if !plan.Empty() {
			return errWaits
		}
		return nil
	}

	// 5. The change. It is not interrupted once it has begun.
	ctx = provisioning.WithActor(context.WithoutCancel(ctx), "sync")
	store, err := openTeam(ctx, opt.db)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.SavePlan(ctx, tenant, plan); err != nil {
		return err
	}
	outcome, err := provisioning.Apply(ctx, store, tenant, plan, opt.approvals(plan)...)
	if err != nil {
		return err
	}
	fmt.Fprintf(told, "\napplied: %s\n", outcome)
	var failed error
	for _, result := range outcome.Results {
		failed = errors.Join(failed, result.Err)
	}
	return cmp.Or(failed, waiting(outcome))
}

// showPlan prints the plan: its first screen, its data, or every line and what
// releases the classes that wait.
func showPlan(w io.Writer, opt options, plan *provisioning.Plan) error {
	if opt.json {
		return plan.WriteJSON(w)
	}
	if !opt.all {
		_, err := io.WriteString(w, plan.Summary())
		return err
	}
	if err := plan.WriteText(w); err != nil {
		return err
	}
	for _, breaker := range plan.Breakers {
		fmt.Fprintf(w, "\n%d people wait for an approval; if it is meant: -approve %s=%.*s\n", breaker.Count, breaker.Class, minHash, breaker.Hash)
	}
	return nil
}

func waiting(outcome provisioning.Outcome) error {
	if outcome.Held > 0 {
		return errWaits
	}
	return nil
}

// readDirectory checks the connection and reads everything. What could not be
// read whole is an error: the next run may have more luck. (A host can go on with
// a part, since what is not proved takes nothing away from anybody.)
func readDirectory(ctx context.Context, opt options, sys system, queries []string, expected int) (*sources.Snapshot, error) {
	shown := newProgress(sys.stderr, sys.terminal, expected)
	defer shown.clear()
	transport, finish, err := opt.transport(sys.transport)
	if err != nil {
		return nil, err
	}
	src, err := opt.provider.open(opt.settings, opening{
		connection: opt.rules.Connection, transport: shown.counting(transport), logger: slog.New(shown),
	})
	var snapshot *sources.Snapshot
	if err == nil {
		err = sources.Check(ctx, src)
	}
	if err == nil {
		shown.line("connected: %s %s", src.Info().Kind, src.Info().Connection)
		snapshot, err = sources.Collect(ctx, src, sources.CollectConfig{Queries: queries, Progress: shown.read})
		shown.finish(err == nil)
	}
	saved := finish(ctx) // also of a reading that failed: that is what a report is for
	if opt.record != "" && saved == nil {
		shown.line("recorded: %s", opt.record)
	}
	return snapshot, errors.Join(err, saved)
}
