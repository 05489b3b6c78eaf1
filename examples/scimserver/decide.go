package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/examples/internal/view"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// A decider prints the effect of pushes on a team in memory. A host uses package
// provisioning/syncer, which decides about a pushed person alone and stores the
// team.
type decider struct {
	resolver *provisioning.Resolver
	store    scim.Store
	// extension is the URN of the handler's user extension.
	extension string
	out       *terminal.Screen
	team      provisioning.Memory
	woken     chan struct{}
	shown     map[string]bool // lines of the last plan
}

// wake implements scim.Config.OnChange.
func (d *decider) wake(context.Context, scim.Event) {
	select {
	case d.woken <- struct{}{}:
	default: // it is awake already
	}
}

// burst is how long the decider waits for further pushes that belong together.
const burst = 200 * time.Millisecond

// run decides after each push or burst of pushes, until ctx ends.
func (d *decider) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.woken:
		}
		time.Sleep(burst)
		d.decide(ctx)
	}
}

// read returns the present directory, with the connection of the rules.
func (d *decider) read(ctx context.Context) (*sources.Snapshot, error) {
	cfg := d.resolver.Config()
	directory := scim.AsSource(d.store, tenant, connection, scim.SourceConfig{Kind: cfg.Source, UserExtension: d.extension})
	snapshot, err := sources.Collect(ctx, directory, sources.CollectConfig{Queries: d.resolver.Queries()})
	snapshot.Connection = cfg.Connection
	return snapshot, err
}

// decide applies the plan for the present directory to the team, and prints those
// of its lines that the previous plan did not have.
func (d *decider) decide(ctx context.Context) {
	text, err := d.apply(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		text = fmt.Sprintf("! %s\n", err)
	}
	lines := make(map[string]bool)
	var news strings.Builder
	for line := range strings.Lines(text) {
		said := strings.Join(strings.Fields(line), " ") // without regard to columns
		if lines[said] = true; !d.shown[said] {
			news.WriteString(margin + line)
		}
	}
	d.shown = lines
	fmt.Fprint(d.out.Painted(), news.String())
}

// margin is as wide as the time at the beginning of a request's line.
const margin = "         "

// apply returns the lines of the plan without its sums.
func (d *decider) apply(ctx context.Context) (string, error) {
	snapshot, err := d.read(ctx)
	if err != nil {
		return "", err
	}
	members, err := provisioning.Team(ctx, &d.team, tenant)
	if err != nil {
		return "", err
	}
	plan := d.resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot, Members: members})
	if _, err := provisioning.Apply(ctx, &d.team, tenant, plan); err != nil {
		return "", err
	}
	_, lines, _ := strings.Cut(plan.String(), "\n")
	return lines, nil
}

// showPlan shows the plan that brings the directory into an empty team.
func (d *decider) showPlan(ctx context.Context, stderr *terminal.Screen, how *view.View) error {
	snapshot, err := d.read(ctx)
	if err != nil {
		return err
	}
	plan := d.resolver.Resolve(provisioning.Input{Tenant: tenant, Snapshot: snapshot})
	if err := how.Show(d.out, stderr, plan, nil); err != nil {
		return err
	}
	if how.Explain == "" && !plan.Empty() {
		return terminal.ErrWaits
	}
	return nil
}
