// Quickstart brings the people of a Salesforce org into a team that lives in an
// SQLite file: it reads the directory, decides what has to change and why,
// shows that as a plan, applies it, and delivers what follows from it.
//
//	go run ./examples/quickstart
//
// Without flags it does so for a made-up company of about sixty people, whose
// files lie in demo/. Run it again, and nothing is left to do. Edit
// demo/users.json and run it a third time, and the plan is the difference.
//
// For a company of your own, save the answer to a query on User and write the
// rules that docs/formats.md describes:
//
//	sf data query --json --query "SELECT FIELDS(STANDARD) FROM User" > users.json
//	go run ./examples/quickstart -users users.json -config rules.json -dry-run
//
// Or read the live org; -help lists the variables that say how to log in.
//
// A terminal shows the plan in its width, in colours unless NO_COLOR is set, and
// how far a long run has come; a pipe or a file gets plain lines. -html and -chart
// write the plan and the org chart into files. Ctrl-C leaves nothing half: while
// the directory is read it changes nothing, and a change that has begun is
// finished.
//
// The exit status is 0 if nothing is to do or all was done; 1 if something
// failed; 2 for a wrong command line; 3 if something waits: for an approval, for
// whoever protects a member, or, of a dry run, to be done. The made-up company is
// a demonstration: it ends with 0 whoever waits there.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/usher-go/usher/examples/internal/team"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/examples/internal/view"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

func main() {
	terminal.Main("quickstart", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	})
}

// tenant is the customer whose team this is. A host with many customers keeps all
// teams in one store, each under its own name.
const tenant = "demo"

func run(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) error {
	stdout, stderr := terminal.NewScreen(out, env), terminal.NewScreen(errOut, env)
	opt, err := parseOptions(args, env, stderr)
	if err != nil {
		return err
	}

	// 1. The rules. An invalid config is refused here, with all its problems; what
	// is only unwise gives a warning.
	resolver, err := readRules(opt)
	if err != nil {
		return err
	}
	view.Warn(stderr, opt.configName(), resolver)

	// 2. The directory. If reading fails halfway, the snapshot has what could be
	// read and proves less, and nothing is taken away that is not proven. So it is
	// safe to continue; the error is returned at the end.
	directory, err := openDirectory(opt, env, resolver.Config().Connection, stderr)
	if err != nil {
		return err
	}
	progress := terminal.NewProgress(stderr, opt.progress)
	snapshot, incomplete := sources.Collect(ctx, directory, sources.CollectConfig{
		Queries:  resolver.Queries(),
		Progress: reading(progress),
	})
	progress.End()
	if err := ctx.Err(); err != nil {
		return err
	}
	if incomplete != nil {
		incomplete = opt.notWhole(incomplete)
		if len(snapshot.Users) == 0 {
			return incomplete
		}
	}

	// 3. The team from the application's own database.
	store, err := team.Open(ctx, tenant, opt.db, opt.looks())
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	if opt.config == "" && (store.InMemory || !opt.looks()) {
		if err := prepare(ctx, store); err != nil {
			return err
		}
	}
	members, err := store.All(ctx)
	if err != nil {
		return err
	}

	// 4. The plan: the difference between the two under the rules. This step reads
	// no clock and writes nothing, so a dry run ends after it.
	plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: members})
	if err := opt.view.Show(stdout, stderr, plan, members); err != nil {
		return err
	}
	switch told := opt.view.Told(stdout, stderr); {
	case opt.view.Explain != "":
		return incomplete
	case opt.dryRun:
		return opt.outcomeOf(incomplete, !plan.Empty())
	case ctx.Err() != nil:
		return ctx.Err()
	case stdout.Closed():
		return terminal.ErrUnread
	default:
		held, err := change(ctx, told, store, members, opt, plan, progress)
		return opt.outcomeOf(errors.Join(err, incomplete), held)
	}
}

// outcomeOf returns err, or an error that says that something waits.
func (opt options) outcomeOf(err error, waits bool) error {
	if err == nil && waits && !opt.demonstrates() {
		return terminal.ErrWaits
	}
	return err
}

// change does what the plan says, delivers the effects, and reports whether
// something waits.
func change(ctx context.Context, out *terminal.Screen, store *team.Team, members []provisioning.Member, opt options, plan *provisioning.Plan, progress *terminal.Progress) (waits bool, err error) {
	// 5. The change. Each action is done once, however often it is applied, and is
	// refused if its member has changed in the meantime. An approval is for one
	// class and for what the plan holds of it, so it is also valid for a later plan
	// that holds the same.
	outcome, err := store.Do(ctx, "quickstart", plan, opt.approve.Of(plan), progress)
	if err != nil {
		return false, err
	}
	refused := showOutcome(out, outcome)

	// 6. The effects. They are stored in the outbox together with their actions,
	// including those of a run that ended before it delivered them.
	ctx = context.WithoutCancel(ctx)
	if len(outcome.Results) > 0 {
		if members, err = store.All(ctx); err != nil {
			return false, err
		}
	}
	if err := deliver(ctx, out, store, members); err != nil {
		return false, err
	}
	if len(outcome.Results) > 0 {
		if err := showChart(out, members); err != nil {
			return false, err
		}
	}
	return outcome.Held > 0, refused
}
