package main

import (
	"context"
	"fmt"
	"io"

	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/provisioning"
)

// showPlan prints the plan: the whole of it, or else what changes and what is
// held, since who is left out and what was found is news on the first run only.
func showPlan(w io.Writer, opt options, plan *provisioning.Plan, whole bool) error {
	if opt.json {
		return plan.WriteJSON(w)
	}
	shown := *plan
	if !whole {
		shown.Skipped, shown.Findings = nil, nil
	}
	fmt.Fprint(w, &shown)
	if !whole && len(plan.Skipped)+len(plan.Findings) > 0 {
		fmt.Fprintf(w, "(-all shows the rest: %d skipped, %d to look at)\n", len(plan.Skipped), len(plan.Findings))
	}
	return nil
}

// showHeld says how the held actions can be released, class by class.
func showHeld(w io.Writer, plan *provisioning.Plan) {
	for _, breaker := range plan.Breakers {
		fmt.Fprintf(w, "\n%d people wait for an approval; if it is meant: -approve %s=%.*s\n",
			breaker.Count, breaker.Class, minHash, plan.Hash)
	}
}

// showOutcome prints what was applied, and what was refused and why.
func showOutcome(w io.Writer, outcome provisioning.Outcome) {
	switch {
	case len(outcome.Results) > 0:
		fmt.Fprintf(w, "\napplied: %s\n", outcome)
	case outcome.Held > 0:
		fmt.Fprintln(w, "\nNothing is left to do, but for what is held.")
	default:
		fmt.Fprintln(w, "\nNothing is left to do.")
	}
	for _, result := range outcome.Results {
		if result.Err != nil {
			fmt.Fprintf(w, "! %s\n", result.Err)
		}
	}
}

// deliver sends what waits in the outbox, and marks each piece as delivered
// once it is sent.
func deliver(ctx context.Context, w io.Writer, outbox provisioning.Outbox, team []provisioning.Member) error {
	var waiting []provisioning.Effect
	for effect, err := range outbox.Effects(ctx, tenant) {
		if err != nil {
			return err
		}
		waiting = append(waiting, effect)
	}
	if len(waiting) > 0 {
		fmt.Fprintln(w, "\nmail:")
	}
	member := make(map[string]*provisioning.Member, len(team))
	for i := range team {
		member[team[i].ID] = &team[i]
	}
	for _, effect := range waiting {
		if to, about := member[effect.To], member[effect.About]; to != nil && about != nil {
			// A program of your own would send the mail here.
			fmt.Fprintf(w, "  to %s: %q <%s> is new in your team\n", to.Email, about.GivenName+" "+about.FamilyName, about.Email)
		}
		if err := outbox.Delivered(ctx, tenant, effect); err != nil {
			return err
		}
	}
	return nil
}

// showChart prints who reports to whom, of those who are active.
func showChart(w io.Writer, team []provisioning.Member) error {
	var people []hierarchy.Person
	for _, m := range team {
		if m.Active {
			people = append(people, hierarchy.Person{
				Key: m.ID, Current: m.ManagerID, Active: true,
				Email: m.Email, GivenName: m.GivenName, FamilyName: m.FamilyName,
			})
		}
	}
	fmt.Fprintln(w, "\norg chart:")
	return hierarchy.Build(people).Text(w)
}
