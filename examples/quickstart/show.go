package main

import (
	"context"
	"fmt"
	"io"

	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/provisioning"
)

// showPlan prints the plan: its first screen, or every line and what releases
// the classes that wait, or the JSON.
func showPlan(w io.Writer, opt options, plan *provisioning.Plan) error {
	switch {
	case opt.json:
		return plan.WriteJSON(w)
	case opt.all:
		if err := plan.WriteText(w); err != nil {
			return err
		}
		for _, breaker := range plan.Breakers {
			fmt.Fprintf(w, "\n%d people wait for an approval; if it is meant: -approve %s=%.*s\n",
				breaker.Count, breaker.Class, minHash, breaker.Hash)
		}
	default:
		fmt.Fprint(w, plan.Summary())
	}
	return nil
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

// deliver does what waits in the outbox, and marks each piece as delivered once
// it is done. A program of your own would send mails and end sessions here.
func deliver(ctx context.Context, w io.Writer, outbox provisioning.Outbox, team []provisioning.Member) error {
	var waiting []provisioning.Effect
	for effect, err := range outbox.Effects(ctx, tenant) {
		if err != nil {
			return err
		}
		waiting = append(waiting, effect)
	}
	if len(waiting) > 0 {
		fmt.Fprintln(w, "\nwhat follows:")
	}
	member := make(map[string]*provisioning.Member, len(team))
	for i := range team {
		member[team[i].ID] = &team[i]
	}
	for _, effect := range waiting {
		about, to := member[effect.About], member[effect.To]
		switch {
		case about == nil: // deleted since
		case effect.Kind == provisioning.AccessEnded:
			fmt.Fprintf(w, "  end sessions, tokens and keys of %s\n", about.Email)
		case effect.Kind == provisioning.AccessReduced:
			fmt.Fprintf(w, "  look at sessions, tokens and keys of %s\n", about.Email)
		case effect.Kind == provisioning.NotifyManager && to != nil:
			fmt.Fprintf(w, "  mail to %s: %q <%s> is new in your team\n", to.Email, about.Name(), about.Email)
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
