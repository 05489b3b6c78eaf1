package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// options are the command line.
type options struct {
	provider   provider
	settings   settings
	rules      provisioning.Config
	rulesText  []byte
	config, db string
	apply      bool
	all, json  bool
	record     string
	replay     *folder // nil: the live directory is read
	approve    []approval
}

// An approval is as somebody types it: the first characters of the hash do.
type approval struct {
	class provisioning.Class
	hash  string
}

// minHash is how many characters of a class's hash must be given.
const minHash = 12

const usage = `Usage: sync -source okta|entra|salesforce|onelogin|rippling|scim -config rules.json [flags]
       sync -replay folder [flags]

Reads a directory, shows what has to change in the team, and with -apply changes
it. Exit status: 0 nothing to do or all done, 1 failed, 2 wrong command line,
3 something waits for -apply or an approval.

`

func parseOptions(args []string, env func(string) string, stderr io.Writer) (options, error) {
	var (
		opt            options
		source, replay string
	)
	flags := flag.NewFlagSet("sync", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
		describeVariables(stderr)
	}
	flags.StringVar(&source, "source", "", "the `kind` of the directory")
	flags.StringVar(&opt.config, "config", "", "the `file` with the rules; with -replay, those of the recording unless given")
	flags.StringVar(&opt.db, "db", "", "the SQLite `file` with the team, made by -apply if there is none; "+liveTeam+" unless given, and with -replay one of the recording's own")
	flags.BoolVar(&opt.apply, "apply", false, "do what the plan says")
	flags.BoolVar(&opt.all, "all", false, "print a line of the plan for each person, in place of its first screen")
	flags.BoolVar(&opt.json, "json", false, "print the plan as JSON, and all else to standard error")
	flags.StringVar(&opt.record, "record", "", "save what the directory answers in a new `folder`, without credentials")
	flags.StringVar(&replay, "replay", "", "read such a `folder` in place of the live directory")
	flags.Func("approve", "with -apply, release a held `class=hash`, as it was shown; may be repeated", func(text string) error {
		a, err := parseApproval(text)
		opt.approve = append(opt.approve, a)
		return err
	})
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return opt, err
	} else if err != nil {
		return opt, errUsage
	}
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	case replay != "" && opt.record != "":
		wrong = "-record and -replay exclude one another"
	case replay == "" && (source == "" || opt.config == ""):
		wrong = "-source and -config are required, unless -replay is given"
	case opt.all && opt.json:
		wrong = "-all and -json exclude one another"
	case len(opt.approve) > 0 && !opt.apply:
		wrong = "-approve goes with -apply"
	}
	if wrong == "" {
		if err := opt.read(source, replay, env); errors.Is(err, errUsage) {
			wrong = strings.TrimPrefix(err.Error(), errUsage.Error()+": ")
		} else if err != nil {
			return opt, err
		}
	}
	if wrong != "" {
		fmt.Fprintf(stderr, "sync: %s; -help says more\n", wrong)
		return opt, errUsage
	}
	return opt, nil
}

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

// read reads the recording, the settings and the rules that the command line
// names. An error that matches errUsage is one of the command line.
func (opt *options) read(source, replay string, env func(string) string) error {
	var err error
	if replay != "" {
		if opt.replay, err = openFolder(replay); err != nil {
			return err
		}
		if source != "" && !sources.SameKind(source, opt.replay.Source) {
			return fmt.Errorf("%w: the recording is of %s", errUsage, opt.replay.Source)
		}
		source, env = opt.replay.Source, opt.replay.env
		if opt.config == "" {
			opt.config = filepath.Join(replay, rulesFile)
		}
		if opt.db == "" {
			if opt.db, err = replayTeam(replay); err != nil {
				return err
			}
		}
	}
	opt.db = cmp.Or(opt.db, liveTeam)
	if opt.provider, err = providerOf(source); err != nil {
		return err
	}
	if opt.settings, err = opt.provider.read(env, opt.replay == nil); err != nil {
		return err
	}
	if opt.rulesText, err = os.ReadFile(opt.config); err != nil {
		return err
	}
	if opt.rules, err = provisioning.ParseConfig(opt.rulesText); err != nil {
		return fmt.Errorf("%s: %w", opt.config, err)
	}
	if !sources.SameKind(opt.rules.Source, source) {
		return fmt.Errorf("%s: source: is %q; want %q, as the directory is", opt.config, opt.rules.Source, source)
	}
	return nil
}

// liveTeam is the file of the team of a live directory.
const liveTeam = "usher-sync.db"

// replayTeam is the file of the team of a recording, in the current folder and named
// after the recording: what a recording says is never applied to the live team
// without being asked for.
func replayTeam(folder string) (string, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	return "usher-replay-" + strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r) {
			return r
		}
		return -1
	}, filepath.Base(path)) + ".db", nil
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
