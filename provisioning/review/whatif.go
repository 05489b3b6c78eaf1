package review

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usher-go/usher/internal/alike"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

const (
	maxMoves      = 60 // moves between assignments that a page shows
	maxMoveGroups = 25 // groups of each move
	moveLimit     = 400
)

// whatIfPage is the form for two configs, and their effects on the team.
type whatIfPage struct {
	Connection string
	Choices    []choice
	Now, Next  side
	Error      string
	Problems   []provisioning.Problem

	Tried  bool
	Sums   []sum
	Total  int
	Moves  []movePart
	Rest   int // number of people in moves that are not shown
	Taken  time.Time
	Lacks  string // the parts of the directory that could not be read
	People int
}

// A side is one of the two configs: chosen by name, or pasted.
type side struct{ Choice, Text string }

type choice struct{ Value, Label string }

// A movePart is the people who move between two assignments, or who stay in one
// assignment with a different decision.
type movePart struct {
	From, To string
	People   int
	Groups   []shiftPart
	Rest     int
}

type shiftPart struct {
	Outcome provisioning.ShiftOutcome
	What    string
	Number  int
	Some    []*provisioning.Shift
}

const (
	choiceInForce = "in force"
	choicePasted  = "pasted"
	choiceOther   = "other:"
)

func (q *request) whatIfForm() (*whatIfPage, syncer.Target, syncer.Setup, []provisioning.Config, error) {
	target, err := q.target()
	if err != nil {
		return nil, target, syncer.Setup{}, nil, err
	}
	setup, err := q.cfg.Setup(q.ctx, target)
	if err != nil {
		return nil, target, setup, nil, fmt.Errorf("setup: %w", err)
	}
	setup.Rules.Connection = target.Connection
	data := &whatIfPage{Connection: target.Connection, Choices: []choice{{choiceInForce, "the rules in force"}, {choicePasted, "what is pasted below"}}}
	var others []provisioning.Config
	if q.cfg.Rules != nil {
		if others, err = q.cfg.Rules(q.ctx, target); err != nil {
			return nil, target, setup, nil, fmt.Errorf("rules: %w", err)
		}
	}
	for i := range others {
		data.Choices = append(data.Choices, choice{choiceOther + others[i].Revision, "revision " + shown(others[i].Revision)})
	}
	return data, target, setup, others, nil
}

func (q *request) showWhatIf() error {
	data, _, setup, _, err := q.whatIfForm()
	if err != nil {
		return err
	}
	rules, err := json.MarshalIndent(setup.Rules, "", "  ")
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	data.Now, data.Next = side{choiceInForce, ""}, side{choicePasted, string(rules)}
	return q.page.show("whatif", data)
}

func (q *request) tryWhatIf() error {
	data, target, setup, others, err := q.whatIfForm()
	if err != nil {
		return err
	}
	data.Now = side{q.r.PostFormValue("now"), q.r.PostFormValue("now_text")}
	data.Next = side{q.r.PostFormValue("next"), q.r.PostFormValue("next_text")}
	var configs [2]provisioning.Config
	for i, s := range []side{data.Now, data.Next} {
		name := []string{"the config of now", "the config to try"}[i]
		configs[i], err = s.config(&setup, others)
		var invalid *provisioning.ConfigError
		switch {
		case errors.As(err, &invalid):
			data.Error, data.Problems = "There is something wrong with "+name+".", invalid.Problems
			return q.page.send(422, "whatif", data)
		case err != nil:
			data.Error = "There is something wrong with " + name + ": " + err.Error()
			return q.page.send(422, "whatif", data)
		case configs[i].Source != setup.Rules.Source || configs[i].Connection != target.Connection:
			data.Error = fmt.Sprintf("%s is for %s %s; want %s %s.", strings.ToUpper(name[:1])+name[1:],
				shown(configs[i].Source), shown(configs[i].Connection), shown(setup.Rules.Source), shown(target.Connection))
			return q.page.send(422, "whatif", data)
		}
	}
	stop := q.page.startLate(firstByte) // reading a directory may be slow
	defer stop()
	diff, err := q.whatIf(data, target, &setup, configs)
	if err != nil {
		return err
	}
	data.fill(q.access.Hide.Diff(diff))
	return q.page.show("whatif", data)
}

func (s *side) config(setup *syncer.Setup, others []provisioning.Config) (cfg provisioning.Config, err error) {
	switch s.Choice {
	case choiceInForce:
		cfg = setup.Rules
	case choicePasted:
		if cfg, err = provisioning.ParseConfig([]byte(s.Text)); err != nil {
			return cfg, err
		}
		cfg.Phones = setup.Rules.Phones // the text of a config does not contain it
	default:
		at := slices.IndexFunc(others, func(c provisioning.Config) bool { return choiceOther+c.Revision == s.Choice })
		if at < 0 {
			return cfg, errors.New("want one of those that are offered")
		}
		cfg = others[at]
	}
	resolver, err := provisioning.New(cfg)
	if err != nil {
		return cfg, err
	}
	return resolver.Config(), nil
}

// whatIf reads the directory once, with the queries of both configs.
func (q *request) whatIf(data *whatIfPage, target syncer.Target, setup *syncer.Setup, configs [2]provisioning.Config) (*provisioning.Diff, error) {
	var queries []string
	for i := range configs {
		resolver, err := provisioning.New(configs[i])
		if err != nil {
			return nil, err
		}
		queries = append(queries, resolver.Queries()...)
	}
	taken := setup.Taken
	if taken.IsZero() {
		taken = time.Now()
	}
	snapshot, err := sources.Collect(q.ctx, setup.Source, sources.CollectConfig{Queries: queries, Taken: taken})
	if err != nil {
		if snapshot.Proven == 0 && len(snapshot.Users) == 0 {
			return nil, &failure{502, "The directory could not be read: " + q.hidden(shownLong(err.Error()))}
		}
		data.Lacks = q.hidden(shownLong(err.Error()))
	}
	team, err := provisioning.Team(q.ctx, q.cfg.Store, target.Tenant)
	if err != nil {
		return nil, fmt.Errorf("team: %w", err)
	}
	data.Taken, data.People = snapshot.Taken, len(snapshot.Users)
	return provisioning.WhatIf(provisioning.Input{Tenant: target.Tenant, Snapshot: snapshot, Members: team}, configs[0], configs[1])
}

// fill groups the shifts by their two assignments, and combines equal shifts.
func (data *whatIfPage) fill(diff *provisioning.Diff) {
	data.Tried, data.Total = true, len(diff.Shifts)
	outcomes := []provisioning.ShiftOutcome{provisioning.ShiftLeaves, provisioning.ShiftStaysOut, provisioning.ShiftComesIn, provisioning.ShiftChanges}
	for _, outcome := range outcomes {
		if n := diff.Count(outcome); n > 0 {
			tone := map[provisioning.ShiftOutcome]string{provisioning.ShiftLeaves: "bad", provisioning.ShiftStaysOut: "warn", provisioning.ShiftComesIn: "good"}[outcome]
			data.Sums = append(data.Sums, sum{n, string(outcome), tone})
		}
	}
	for rest := diff.Shifts; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Now == rest[0].Now && rest[n].Next == rest[0].Next {
			n++
		}
		part := movePart{From: shown(cmp.Or(rest[0].Now, "no assignment")), To: shown(cmp.Or(rest[0].Next, "no assignment")), People: n}
		for _, outcome := range outcomes {
			var groups alike.Groups[*provisioning.Shift]
			for i := range rest[:n] {
				if s := &rest[i]; s.Outcome == outcome {
					groups.Add(s.Describe(), s)
				}
			}
			for _, g := range groups.Sorted() {
				if len(part.Groups) == maxMoveGroups {
					part.Rest += len(g.Of)
					continue
				}
				part.Groups = append(part.Groups, shiftPart{outcome, clip(g.What, moveLimit), len(g.Of), g.Of[:min(len(g.Of), 20)]})
			}
		}
		rest = rest[n:]
		data.Moves = append(data.Moves, part)
	}
	slices.SortStableFunc(data.Moves, func(a, b movePart) int { return b.People - a.People })
	for _, m := range data.Moves[min(len(data.Moves), maxMoves):] {
		data.Rest += m.People
	}
	data.Moves = data.Moves[:min(len(data.Moves), maxMoves)]
}
