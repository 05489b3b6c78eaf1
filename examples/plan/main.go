// Plan prints what usher would do, from files alone: it reaches no directory
// and no database, and changes nothing. An admin uses it to try a rule before
// it goes live, a support engineer to see why somebody was left out, a test to
// compare plans.
//
//	go run ./examples/plan -config C -snapshot S [-members M] [-tenant T] [-all | -json | -explain WHO] [-what-if CONFIG]
//
// The config is a provisioning.Config, the snapshot what sources.WriteSnapshot
// writes, of whatever source, and the members are the team as it is, none if
// the flag is not given. docs/formats.md describes all three. Without further
// flags the plan's first screen is printed; -all prints a line for each person,
// -json everything. With -what-if, it is who would fare otherwise if the rules
// were those of another file, before they are saved. Small files lie in testdata, and come to this plan:
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
// The exit status is 0 if there is a plan, whatever it holds back; 1 if a file
// cannot be read or is not what it should be; 2 for a wrong command line.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, errUsage):
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "plan:", err)
	os.Exit(1)
}

// errUsage is the error of a wrong command line, which has been told already.
var errUsage = errors.New("usage")

// The largest files that are read, in bytes. A person takes about 500.
const (
	maxConfig   = 16 << 20
	maxSnapshot = 1 << 30
	maxMembers  = 1 << 30
)

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("plan", flag.ContinueOnError)
	flags.SetOutput(stderr)
	configPath := flags.String("config", "", "the `file` with the rules (required)")
	snapshotPath := flags.String("snapshot", "", "the `file` with the directory (required)")
	membersPath := flags.String("members", "", "the `file` with the team as it is; none: nobody is in yet")
	tenant := flags.String("tenant", "local", "the `name` of the tenant whose plan it is; it can be applied to no other")
	all := flags.Bool("all", false, "print a line for each person, in place of the first screen")
	asJSON := flags.Bool("json", false, "print the plan as canonical JSON")
	explain := flags.String("explain", "", "print the story of one person only: an `email`, ID or full name")
	tryPath := flags.String("what-if", "", "print who would fare otherwise under the rules of this `file`, and how")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	}
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	case *configPath == "":
		wrong = "-config is missing"
	case *snapshotPath == "":
		wrong = "-snapshot is missing"
	case *explain != "" && *tryPath != "":
		wrong = "-explain and -what-if exclude one another"
	case *all && *asJSON, *all && *explain != "", *asJSON && *explain != "":
		wrong = "-all, -json and -explain exclude one another"
	}
	if wrong != "" {
		fmt.Fprintf(stderr, "plan: %s\n", wrong)
		flags.Usage()
		return errUsage
	}

	cfg, err := read(*configPath, maxConfig, provisioning.ParseConfig)
	if err != nil {
		return err
	}
	resolver, err := provisioning.New(cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", *configPath, err)
	}
	for _, warning := range resolver.Warnings() {
		fmt.Fprintf(stderr, "%s: warning: %s\n", *configPath, warning)
	}
	snapshot, err := read(*snapshotPath, maxSnapshot, sources.ReadSnapshot)
	if err != nil {
		return err
	}
	var team []provisioning.Member
	if *membersPath != "" {
		if team, err = read(*membersPath, maxMembers, provisioning.ReadMembers); err != nil {
			return err
		}
	}

	in := provisioning.Input{Tenant: *tenant, Snapshot: snapshot, Members: team}
	if *tryPath != "" {
		return whatIf(in, cfg, *tryPath, stdout, *all, *asJSON)
	}
	plan := resolver.Resolve(in)

	switch {
	case *asJSON:
		return plan.WriteJSON(stdout)
	case *explain != "":
		_, err = io.WriteString(stdout, plan.Explain(*explain))
	case *all:
		err = plan.WriteText(stdout)
	default:
		_, err = io.WriteString(stdout, plan.Summary())
	}
	return err
}

// whatIf prints what other rules would make of the team.
func whatIf(in provisioning.Input, now provisioning.Config, path string, stdout io.Writer, all, asJSON bool) error {
	next, err := read(path, maxConfig, provisioning.ParseConfig)
	if err != nil {
		return err
	}
	diff, err := provisioning.WhatIf(in, now, next)
	switch {
	case err != nil:
	case asJSON:
		err = json.NewEncoder(stdout).Encode(diff)
	case all:
		_, err = io.WriteString(stdout, diff.String())
	default:
		_, err = io.WriteString(stdout, diff.Summary())
	}
	return err
}

// read reads what a file of at most limit bytes holds.
func read[T any](path string, limit int64, parse func([]byte) (T, error)) (T, error) {
	var none T
	file, err := os.Open(path)
	if err != nil {
		return none, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return none, err
	}
	if int64(len(data)) > limit {
		return none, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	value, err := parse(data)
	if err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}
