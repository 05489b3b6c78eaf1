// Plan prints what usher would do, from files alone: it uses no directory and no
// database, and changes nothing. An admin uses it to try a rule before it goes
// live, a support engineer to see why somebody was left out, a test to compare
// plans.
//
//	go run ./examples/plan -config C -snapshot S [-members M] [-tenant T] [-all | -json | -explain WHO] [-what-if CONFIG]
//		[-chart svg|dot|mermaid|text[=FILE]] [-html FILE]
//
// The config is a provisioning.Config; the snapshot is the output of
// sources.WriteSnapshot, of any source; the members are the present team, or nobody
// if the flag is not given. docs/formats.md describes all three. By default it
// prints an overview of the plan; -all prints a line for each person, -json
// everything. -what-if prints who would differ under the rules of another file,
// before they are used. -chart draws the org chart after the plan, and -html writes
// the plan as a page. The small files in testdata give this plan:
//
//	plan for okta okta-main, config 7: 1 create, 1 adopt, 1 update, 1 deactivate, 1 held, 1 skipped
//	loses access, seats, profiles or capture (1):
//	  - finn.oakes@acme.example  deactivate: Not in the source any more; its listing was complete.
//	waits (1):
//	  ! dev.patel@acme.example  The application protects this member, so this is not done.
//	comes in (2):
//	  + cleo.marsh@acme.example  adopt in support
//	  + bo.chen@acme.example  create in sales, seats core, home revenue, profiles [revenue:seller], cap…
//	changes (1):
//	  ~ ana.ruiz@acme.example  title Sales Manager -> Head of Sales, team Sales -> EMEA Sales
//	left out (1):
//	  . eli@elsewhere.example  The address is of none of the company's domains.
//	+ comes in  ~ changes  - loses  ! needs somebody  . left out; every line: -all, the data: -json
//
// The exit status is 0 if the plan has nothing to do, and with -explain and
// -what-if, which only answer a question; 1 if a file cannot be read or is wrong; 2
// for a wrong command line; 3 if the plan waits to be applied or approved.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"

	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/examples/internal/view"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

func main() {
	terminal.Main("plan", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	})
}

// The largest files that are read, in bytes. A person takes about 500.
const (
	maxSnapshot = 1 << 30
	maxMembers  = 1 << 30
)

// options are the options of the command line.
type options struct {
	config, snapshot, members, whatIf string
	tenant                            string
	view                              view.View
}

const usage = `Usage: plan -config C -snapshot S [-members M] [flags]

Prints what usher would do, from files alone, and changes nothing.

` + terminal.ExitStatus + `
`

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var opt options
	flags := flag.NewFlagSet("plan", flag.ContinueOnError)
	flags.StringVar(&opt.config, "config", "", "the `file` with the rules (required)")
	flags.StringVar(&opt.snapshot, "snapshot", "", "the `file` with the directory (required)")
	flags.StringVar(&opt.members, "members", "", "the `file` with the team as it is; none: nobody is in yet")
	flags.StringVar(&opt.tenant, "tenant", "local", "the `name` of the tenant whose plan it is; it can be applied to no other")
	flags.StringVar(&opt.whatIf, "what-if", "", "print who would fare otherwise under the rules of this `file`, and how")
	opt.view.Register(flags)
	err := terminal.Parse(flags, args, stderr, usage, nil)
	if err != nil {
		return opt, err
	}
	var wrong [3]string
	if opt.config == "" {
		wrong[0] = "-config is missing"
	}
	if opt.snapshot == "" {
		wrong[1] = "-snapshot is missing"
	}
	if opt.whatIf != "" && (opt.view.Explain != "" || opt.view.Draws()) {
		wrong[2] = "-what-if compares plans, and goes with -all and -json only"
	}
	return opt, terminal.Wrong(flags, append(wrong[:], opt.view.Wrong())...)
}

func run(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) error {
	stdout, stderr := terminal.NewScreen(out, env), terminal.NewScreen(errOut, env)
	opt, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}

	// All problems of the files are reported at once.
	var next *provisioning.Resolver
	var team []provisioning.Member
	resolver, failed := files.ReadRules(opt.config, "")
	snapshot, err := files.Read(opt.snapshot, maxSnapshot, sources.ReadSnapshot)
	failed = errors.Join(failed, err)
	if opt.whatIf != "" {
		next, err = files.ReadRules(opt.whatIf, "")
		failed = errors.Join(failed, err)
	}
	if opt.members != "" {
		team, err = files.Read(opt.members, maxMembers, provisioning.ReadMembers)
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		return failed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	view.Warn(stderr, opt.config, resolver)

	in := provisioning.Input{Tenant: opt.tenant, Snapshot: snapshot, Members: team}
	if next != nil {
		return whatIf(stdout, opt, in, resolver.Config(), next.Config())
	}
	plan := resolver.Resolve(in)
	if err := opt.view.Show(stdout, stderr, plan, team); err != nil {
		return err
	}
	if opt.view.Explain == "" && !plan.Empty() {
		return terminal.ErrWaits
	}
	return nil
}

// whatIf prints how the team would differ under other rules.
func whatIf(stdout *terminal.Screen, opt options, in provisioning.Input, now, next provisioning.Config) error {
	diff, err := provisioning.WhatIf(in, now, next)
	if err != nil {
		return err
	}
	out := stdout.Painted()
	switch {
	case opt.view.JSON:
		err = json.NewEncoder(stdout).Encode(diff)
	case opt.view.All:
		_, err = io.WriteString(out, diff.String())
	default:
		_, err = io.WriteString(out, diff.Summary())
	}
	return errors.Join(err, out.Close())
}
