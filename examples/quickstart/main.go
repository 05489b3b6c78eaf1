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
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, errUsage):
		os.Exit(2)
	}
	// A file that was cut fails every filter alike; once is enough.
	lines := slices.Compact(strings.Split(err.Error(), "\n"))
	fmt.Fprintln(os.Stderr, "quickstart:", strings.Join(lines, "\n"))
	os.Exit(1)
}

// tenant is the customer whose team this is. A host with many customers keeps
// the teams of all of them in one store, each under its own name.
const tenant = "demo"

func run(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) error {
	opt, err := parseOptions(args, env, stderr)
	if err != nil {
		return err
	}

	// 1. The rules. A config that is wrong is refused here, with everything
	// that is wrong with it; what is merely unwise comes as a warning.
	resolver, err := readRules(opt)
	if err != nil {
		return err
	}
	for _, warning := range resolver.Warnings() {
		fmt.Fprintf(stderr, "%s: warning: %s\n", opt.configName(), warning)
	}

	// 2. The directory. A reading that fails half-way gives what could be read,
	// in a snapshot that proves less, and what is not proved takes nothing away
	// from anybody. So it is safe to go on, and the error is returned at the end.
	directory, err := openDirectory(opt, env, resolver.Config().Connection, stderr)
	if err != nil {
		return err
	}
	progress := newProgress(stderr, opt.progress)
	snapshot, incomplete := sources.Collect(ctx, directory, sources.CollectConfig{
		Queries:  resolver.Queries(),
		Progress: progress.reading,
	})
	progress.end()
	if incomplete != nil {
		incomplete = fmt.Errorf("the directory was not read whole, and what was not read takes nothing away: %w", incomplete)
	}
	if incomplete != nil && len(snapshot.Users) == 0 {
		return incomplete
	}

	// 3. The team, as the application's own database has it.
	store, err := openTeam(ctx, opt)
	if err != nil {
		return err
	}
	defer store.Close()
	team, err := store.team(ctx)
	if err != nil {
		return err
	}

	// 4. The plan: the difference between the two under the rules. This step
	// reads no clock and writes nothing, so a dry run simply stops after it.
	plan := resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: team})
	if opt.explain != "" {
		fmt.Fprint(stdout, plan.Explain(opt.explain))
		return incomplete
	}
	if err := showPlan(stdout, opt, plan); err != nil {
		return err
	}
	if opt.json {
		stdout = stderr // standard output holds the plan and nothing else
	}
	if opt.dryRun {
		return incomplete
	}

	// 5. The change. Apply does what the plan says and nothing else: an action
	// is done once however often it is applied, and one whose member changed
	// meanwhile is refused. An approval is of one class and of what the plan
	// holds of it, so the plan of a later run that holds the same is released by
	// it as well.
	if err := store.SavePlan(ctx, tenant, plan); err != nil {
		return err
	}
	ctx = provisioning.WithActor(ctx, "quickstart") // for the audit log
	outcome, err := provisioning.Apply(ctx, &toldStore{teamStore: store, progress: progress, of: len(plan.Actions)}, tenant, plan, opt.approvals(plan)...)
	progress.end()
	if err != nil {
		return err
	}
	showOutcome(stdout, outcome)

	// 6. What follows. Effects are stored together with their actions and wait
	// in the outbox, those of a run that died before it delivered them too.
	if len(outcome.Results) > 0 {
		if team, err = store.team(ctx); err != nil {
			return err
		}
	}
	if err := deliver(ctx, stdout, store, team); err != nil {
		return err
	}
	if len(outcome.Results) > 0 {
		if err := showChart(stdout, team); err != nil {
			return err
		}
	}
	return incomplete
}
