package main

import (
	"cmp"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/usher-go/usher/provisioning"
)

// demo is the made-up company: its saved Salesforce answer, its rules, and the
// team as its application had it before.
//
//go:embed demo
var demo embed.FS

// options are the command line.
type options struct {
	users, config, db string
	dryRun, json, all bool
	progress          bool
	explain           string
	approve           []approval
	live              bool // read the org that the environment names
}

// An approval is as somebody types it: the first characters of the hash do.
type approval struct {
	class provisioning.Class
	hash  string
}

// errUsage is the error of a wrong command line, which has been told already.
var errUsage = errors.New("usage")

const usage = `Usage: quickstart [flags]

Reads the users of a Salesforce org, shows what has to change in the team, and
changes it. Without -users, and without the variables below, the people and the
rules of a made-up company are used.

`

func parseOptions(args []string, env func(string) string, stderr io.Writer) (options, error) {
	var opt options
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
		fmt.Fprint(stderr, loginUsage)
	}
	flags.StringVar(&opt.users, "users", "", "a `file` with the answer to a query on User: what sf data query --json prints, or the REST API sends")
	flags.StringVar(&opt.config, "config", "", "the `file` with the rules; none: those of the made-up company")
	flags.StringVar(&opt.db, "db", "usher-quickstart.db", "the `database` with the team: a file of SQLite, made if there is none, or the URL of a PostgreSQL (postgres://...); another company wants another one")
	flags.BoolVar(&opt.dryRun, "dry-run", false, "show the plan and change nothing")
	flags.BoolVar(&opt.json, "json", false, "print the plan as JSON, and all else to standard error")
	flags.BoolVar(&opt.all, "all", false, "print a line of the plan for each person, in place of its first screen")
	flags.BoolVar(&opt.progress, "progress", false, "tell on standard error how far a long run has come, also where that is no terminal")
	flags.StringVar(&opt.explain, "explain", "", "tell one person's story in the plan, by `email`, ID or full name, and change nothing")
	flags.Func("approve", "release a held `class=hash`, as it was shown; may be repeated", func(text string) error {
		a, err := parseApproval(text)
		opt.approve = append(opt.approve, a)
		return err
	})
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return opt, err
	} else if err != nil {
		return opt, errUsage
	}
	opt.live = opt.users == "" && loginGiven(env)
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	case opt.live && opt.config == "":
		wrong = "a live org is read by rules of its own: -config is missing"
	case opt.all && opt.json, opt.all && opt.explain != "", opt.json && opt.explain != "":
		wrong = "-all, -json and -explain exclude one another"
	}
	if wrong != "" {
		fmt.Fprintf(stderr, "quickstart: %s\n\n", wrong)
		flags.Usage()
		return opt, errUsage
	}
	return opt, nil
}

// minHash is how many characters of a class's hash must be given.
const minHash = 12

func parseApproval(text string) (approval, error) {
	class, hash, _ := strings.Cut(text, "=")
	a := approval{hash: hash}
	if err := a.class.UnmarshalText([]byte(class)); err != nil {
		return a, err
	}
	if len(hash) < minHash {
		return a, fmt.Errorf("want class=hash, with at least %d characters of the hash", minHash)
	}
	return a, nil
}

// approvals are what the command line approves of the plan. The hash of what a
// class does not hold is passed on as it is, for Apply to refuse it.
func (opt options) approvals(plan *provisioning.Plan) []provisioning.Approval {
	var approvals []provisioning.Approval
	for _, a := range opt.approve {
		approval := plan.Approve(a.class)
		if !strings.HasPrefix(approval.Hash, a.hash) {
			approval.Hash = a.hash
		}
		approvals = append(approvals, approval)
	}
	return approvals
}

// configName is where the rules stand.
func (opt options) configName() string { return cmp.Or(opt.config, "demo/config.json") }

// readRules reads the config and makes the resolver that decides by it.
func readRules(opt options) (*provisioning.Resolver, error) {
	path, read := opt.configName(), os.ReadFile
	if opt.config == "" {
		read = demo.ReadFile
	}
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	cfg, err := provisioning.ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if cfg.Source != "salesforce" {
		return nil, fmt.Errorf("%s: source: is %q; this example reads salesforce (examples/plan takes a snapshot of any source)", path, cfg.Source)
	}
	return provisioning.New(cfg)
}
