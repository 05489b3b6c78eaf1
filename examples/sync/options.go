package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/examples/internal/view"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// options are the options of the command line.
type options struct {
	provider   provider
	settings   settings
	resolver   *provisioning.Resolver // by the rules
	rulesText  []byte
	config, db string
	apply      bool
	view       view.View
	record     string
	replay     *folder // nil: read the live directory
	approve    view.Approvals
}

const usage = `Usage: sync -source okta|entra|salesforce|onelogin|rippling|scim -config rules.json [flags]
       sync -replay folder [flags]

Reads a directory, shows what has to change in the team, and with -apply changes
it.

` + terminal.ExitStatus + `
`

func parseOptions(args []string, env func(string) string, stderr *terminal.Screen) (options, error) {
	var (
		opt            options
		source, replay string
	)
	flags := flag.NewFlagSet("sync", flag.ContinueOnError)
	flags.StringVar(&source, "source", "", "the `kind` of the directory")
	flags.StringVar(&opt.config, "config", "", "the `file` with the rules; with -replay, those of the recording unless given")
	flags.StringVar(&opt.db, "db", "", "the SQLite `file` with the team, made by -apply if there is none; "+liveTeam+" unless given, and with -replay one of the recording's own")
	flags.BoolVar(&opt.apply, "apply", false, "do what the plan says")
	flags.StringVar(&opt.record, "record", "", "save what the directory answers in a new `folder`, without credentials")
	flags.StringVar(&replay, "replay", "", "read such a `folder` in place of the live directory")
	flags.Var(&opt.approve, "approve", "with -apply, release what waits, by the `class=hash` that the plan shows; may be repeated")
	opt.view.Register(flags)
	err := terminal.Parse(flags, args, stderr, usage, describeVariables)
	if err != nil {
		return opt, err
	}
	if opt.record != "" {
		opt.record = filepath.Clean(opt.record) // a slash at the end names the folder, too
	}
	var wrong [3]string
	if replay != "" && opt.record != "" {
		wrong[0] = "-record and -replay exclude one another"
	}
	if replay == "" && (source == "" || opt.config == "") {
		wrong[1] = "-source and -config are required, unless -replay is given"
	}
	if len(opt.approve) > 0 && !opt.apply {
		wrong[2] = "-approve goes with -apply"
	}
	if err := terminal.Wrong(flags, append(wrong[:], opt.view.Wrong())...); err != nil {
		return opt, err
	}
	err = opt.read(source, replay, env)
	if errors.Is(err, terminal.ErrUsage) {
		return opt, terminal.Wrong(flags, strings.TrimPrefix(err.Error(), terminal.ErrUsage.Error()+": "))
	}
	return opt, err
}

// read reads the recording, the settings and the rules that the command line names.
// An error that matches terminal.ErrUsage is about the command line.
func (opt *options) read(source, replay string, env func(string) string) error {
	var err error
	if replay != "" {
		if opt.replay, err = openFolder(replay); err != nil {
			return err
		}
		if source != "" && !sources.SameKind(source, opt.replay.Source) {
			return fmt.Errorf("%w: the recording is of %s", terminal.ErrUsage, opt.replay.Source)
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
	opt.resolver, err = files.Read(opt.config, files.MaxRules, func(data []byte) (*provisioning.Resolver, error) {
		opt.rulesText = data
		return files.ParseRules(data, source)
	})
	return err
}

// liveTeam is the file with the team of a live directory.
const liveTeam = "usher-sync.db"

// replayTeam returns the file with the team of a recording: in the current folder,
// and named after the recording, so that a recording changes the live team only if
// -db says so.
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
