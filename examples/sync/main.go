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
// A terminal shows the plan in its width, in colours unless NO_COLOR is set, and
// how far the reading has come: people, pages, and what the provider's rate limit
// makes it wait. Elsewhere these are plain lines. -html and -chart write the plan
// and the org chart into files. Ctrl-C
// leaves nothing half: a reading that is interrupted changes nothing and leaves
// no recording; a change that has begun is finished.
//
// The exit status is 0 if nothing is to do or all was done; 1 if something
// failed; 2 for a wrong command line; 3 if something waits: for -apply, or for
// an approval.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/usher-go/usher/examples/internal/team"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/examples/internal/view"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

func main() {
	terminal.Main("sync", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], system{env: os.Getenv, stdout: os.Stdout, stderr: os.Stderr, transport: http.DefaultTransport})
	})
}

// A system is the environment of the program.
type system struct {
	env            func(string) string
	stdout, stderr io.Writer
	transport      http.RoundTripper
}

// tenant is the customer whose team this is. A host with many customers keeps all
// teams in one store, each under its own name.
const tenant = "company"

func run(ctx context.Context, args []string, sys system) error {
	stdout, stderr := terminal.NewScreen(sys.stdout, sys.env), terminal.NewScreen(sys.stderr, sys.env)
	opt, err := parseOptions(args, sys.env, stderr)
	if err != nil {
		return err
	}

	// 1. The rules.
	view.Warn(stderr, opt.config, opt.resolver)

	// 2. The team from the application's own database.
	members, err := team.Read(ctx, tenant, opt.db)
	if err != nil {
		return err
	}

	// 3. The directory.
	snapshot, err := readDirectory(ctx, opt, sys.transport, stderr, len(members))
	if err != nil {
		return err
	}

	// 4. The plan: the difference between the two under the rules.
	plan := opt.resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: members})
	if err := opt.view.Show(stdout, stderr, plan, members); err != nil {
		return err
	}
	told := opt.view.Told(stdout, stderr)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case opt.view.Explain != "":
		return nil
	case !opt.apply:
		if len(plan.Actions) > 0 {
			fmt.Fprintln(told, "\nNothing was changed; -apply does it.")
		}
		if !plan.Empty() {
			return terminal.ErrWaits
		}
		return nil
	case stdout.Closed():
		return terminal.ErrUnread
	}

	// 5. The change. It is not interrupted.
	store, err := team.Open(context.WithoutCancel(ctx), tenant, opt.db, false)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	outcome, err := store.Do(ctx, "sync", plan, opt.approve.Of(plan), terminal.NewProgress(stderr, true))
	if err != nil {
		return err
	}
	fmt.Fprintf(told, "\napplied: %s\n", outcome)
	var failed error
	for _, result := range outcome.Results {
		failed = errors.Join(failed, result.Err)
	}
	if failed == nil && outcome.Held > 0 {
		return terminal.ErrWaits
	}
	return failed
}

// readDirectory checks the connection and reads everything. An incomplete reading
// is an error here: the next run may succeed. (A host can continue with a part,
// since nothing is taken away that is not proven.)
func readDirectory(ctx context.Context, opt options, live http.RoundTripper, stderr *terminal.Screen, expected int) (*sources.Snapshot, error) {
	shown := newProgress(stderr, expected)
	defer shown.clear()
	transport, finish, err := opt.transport(live)
	if err != nil {
		return nil, err
	}
	src, err := opt.provider.open(opt.settings, opening{
		connection: opt.resolver.Config().Connection, transport: shown.counting(transport), logger: slog.New(shown),
	})
	var snapshot *sources.Snapshot
	if err == nil {
		err = sources.Check(ctx, src)
	}
	if err == nil {
		shown.line("connected: %s %s", src.Info().Kind, src.Info().Connection)
		snapshot, err = sources.Collect(ctx, src, sources.CollectConfig{Queries: opt.resolver.Queries(), Progress: shown.read})
		shown.finish(err == nil)
	}
	saved := finish(ctx) // also if reading failed: then the recording is a report
	if opt.record != "" && saved == nil {
		shown.line("recorded: %s", opt.record)
	}
	return snapshot, errors.Join(err, saved)
}
