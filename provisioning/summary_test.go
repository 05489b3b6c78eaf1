package provisioning_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A summary fits a screen whatever the plan, names what each approval is, and
// says everything of a class that waits.
func TestSummaryFitsAScreen(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		plan := r.Resolve(in)
		summary := plan.Summary()
		lines := strings.Split(strings.TrimSuffix(summary, "\n"), "\n")
		require.LessOrEqual(t, len(lines), 25, "%s", summary)
		for _, line := range lines {
			require.LessOrEqual(t, utf8.RuneCountInString(line), 100)
		}
		for _, b := range plan.Breakers {
			require.Contains(t, summary, "-approve "+b.Class.String()+"="+b.Hash[:12], "%s", summary)
		}
	})
}

// A list that is cut says of how many people the rest are, a long head has a
// line of its own for the sums, and what room is left is used.
func TestSummaryIsCutByPeople(t *testing.T) {
	cfg := okta()
	cfg.Revision = strings.Repeat("revision ", 9)
	var in provisioning.Input
	in.Snapshot = allProven()
	for i := range 40 { // each with a change of its own, and leavers beside
		u := activeUser(fmt.Sprintf("u%02d", i), fmt.Sprintf("p%02d@acme.com", i))
		m := memberFor(u)
		if i%4 == 0 {
			u.Status = sources.StatusInactive
		} else {
			u.Title = fmt.Sprint("Title ", i)
		}
		in.Snapshot.Users, in.Members = append(in.Snapshot.Users, u), append(in.Members, m)
	}
	summary := resolver(t, cfg).Resolve(in).Summary()
	lines := strings.Split(strings.TrimSpace(summary), "\n")
	require.Equal(t, "  30 update, 10 deactivate", lines[1], "%s", summary)
	require.Len(t, lines, 25, "%s", summary)
	require.Contains(t, summary, "loses access, seats, profiles or capture (10):")
	require.Equal(t, 10, strings.Count(summary, "deactivate: Deactivated in the source."), "%s", summary)
	shown := strings.Count(summary, "title Title")
	require.Contains(t, summary, fmt.Sprintf("  and %d more\n", 30-shown), "%s", summary)
}
