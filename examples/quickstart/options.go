package main

import (
	"cmp"
	"embed"
	"flag"
	"fmt"
	"io"

	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/examples/internal/view"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// demo is the made-up company: its saved Salesforce answer, its rules, and its team
// before the first run.
//
//go:embed demo
var demo embed.FS

// options are the options of the command line.
type options struct {
	users, config, db string
	dryRun, progress  bool
	view              view.View
	approve           view.Approvals
	live              bool // read the org of the environment variables
}

const usage = `Usage: quickstart [flags]

Reads the users of a Salesforce org, shows what has to change in the team, and
changes it. Without -users, and without the variables below, the people and the
rules of a made-up company are used.

` + terminal.ExitStatus + `The made-up company ends with 0 whoever waits there.

`

func parseOptions(args []string, env func(string) string, stderr *terminal.Screen) (options, error) {
	var opt options
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.StringVar(&opt.users, "users", "", "a `file` with the answer to a query on User: what sf data query --json prints, or the REST API sends")
	flags.StringVar(&opt.config, "config", "", "the `file` with the rules; none: those of the made-up company")
	flags.StringVar(&opt.db, "db", "usher-quickstart.db", "the `database` with the team: a file of SQLite, made if there is none, or the URL of a PostgreSQL (postgres://...); another company wants another one")
	flags.BoolVar(&opt.dryRun, "dry-run", false, "show the plan and change nothing")
	flags.BoolVar(&opt.progress, "progress", false, "tell on standard error how far a long run has come, also where that is no terminal")
	flags.Var(&opt.approve, "approve", "release a held `class=hash`, as it was shown; may be repeated")
	opt.view.Register(flags)
	err := terminal.Parse(flags, args, stderr, usage, func(w io.Writer) { fmt.Fprint(w, loginUsage) })
	if err != nil {
		return opt, err
	}
	wrong := ""
	if opt.live = opt.users == "" && loginGiven(env); opt.live && opt.config == "" {
		wrong = "a live org is read by rules of its own: -config is missing"
	}
	return opt, terminal.Wrong(flags, wrong, opt.view.Wrong())
}

// looks reports whether the run changes nothing.
func (opt options) looks() bool { return opt.dryRun || opt.view.Explain != "" }

// demonstrates reports whether everything is the made-up company's: then nobody has
// to handle what waits.
func (opt options) demonstrates() bool { return opt.users == "" && opt.config == "" && !opt.live }

// configName returns the name of the file with the rules.
func (opt options) configName() string { return cmp.Or(opt.config, "demo/config.json") }

// readRules reads the config and returns its resolver.
func readRules(opt options) (*provisioning.Resolver, error) {
	if opt.config != "" {
		return files.ReadRules(opt.config, sources.KindSalesforce)
	}
	data, err := demo.ReadFile(opt.configName())
	if err != nil {
		return nil, err
	}
	return files.ParseRules(data, sources.KindSalesforce)
}
