package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/examples/internal/view"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// reading reports the progress of a listing, if it is long.
func reading(progress *terminal.Progress) func(sources.Progress) {
	return func(now sources.Progress) {
		switch {
		case now.Changes+now.Users+now.Groups+now.Matches < sources.ProgressEvery:
		case strings.HasPrefix(now.Op, "match "):
			progress.Tell("match", fmt.Sprintf("answers to the filters: %d", now.Matches))
		default:
			progress.Tell(now.Op, fmt.Sprintf("%s: %d users, %d groups, %d memberships", now.Op, now.Users, now.Groups, now.Memberships))
		}
	}
}

// showOutcome prints what was applied. The error says what was refused, and why.
func showOutcome(w io.Writer, outcome provisioning.Outcome) error {
	switch {
	case len(outcome.Results) > 0:
		fmt.Fprintf(w, "\napplied: %s\n", outcome)
	case outcome.Held > 0:
		fmt.Fprintln(w, "\nNothing is left to do, but for what is held.")
	default:
		fmt.Fprintln(w, "\nNothing is left to do.")
	}
	if outcome.Held > 0 {
		fmt.Fprintln(w, "What is held waits for somebody.")
	}
	var refused error
	for _, result := range outcome.Results {
		refused = errors.Join(refused, result.Err)
	}
	return refused
}

// deliver handles the effects in the outbox, and marks each as delivered. Your own
// program would send mails and end sessions here.
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
		case about == nil: // the member was deleted in the meantime
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

// chartLines is the number of lines of the org chart that are shown below the plan.
const chartLines = 15

// showChart prints who reports to whom among the active members.
func showChart(out *terminal.Screen, members []provisioning.Member) error {
	fmt.Fprintln(out, "\norg chart:")
	chart := view.Chart(members)
	if !out.IsTerminal() {
		return chart.Text(out)
	}
	var text strings.Builder
	if err := chart.Text(&text); err != nil {
		return err
	}
	lines := strings.SplitAfter(text.String(), "\n")
	rest := len(lines) - 1 - chartLines // the last line is empty
	if rest > 1 {
		lines = append(lines[:chartLines], fmt.Sprintf("and %d more; everybody: -chart text\n", rest))
	}
	_, err := io.WriteString(out, strings.Join(lines, ""))
	return err
}
