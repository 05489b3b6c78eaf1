package provisioning_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A summary fits on one screen for any plan, states what each approval
// releases, and gives all details of a class that waits.
func TestSummaryFitsAScreen(t *testing.T) {
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		plan := r.Resolve(in)
		require.Equal(t, plan.Summary(), plan.SummaryIn(100))
		require.Equal(t, plan.SummaryIn(60), plan.SummaryIn(-1))
		for _, columns := range []int{60, 80, 100, 200} {
			summary := plan.SummaryIn(columns)
			lines := strings.Split(strings.TrimSuffix(summary, "\n"), "\n")
			require.LessOrEqual(t, len(lines), 25, "%s", summary)
			for _, line := range lines {
				require.LessOrEqual(t, text.Columns(line), columns)
			}
			for _, b := range plan.Breakers {
				require.Contains(t, summary, "-approve "+b.Class.String()+"="+b.Hash[:12], "%s", summary)
			}
		}
	})
}

// Letters of wide scripts and emoji take two columns, both in the columns of
// the text and in the width of a summary.
func TestColumnsOfWideScripts(t *testing.T) {
	var in provisioning.Input
	in.Snapshot = allProven()
	for i, name := range []string{"서연 이", "山田 太郎", "Zoe\u0308 Ba", "👩\u200d💻 Dev", "Ana Young"} {
		m := memberFor(activeUser(fmt.Sprint("u", i), ""))
		m.GivenName, m.FamilyName, _ = strings.Cut(name, " ")
		m.Seats, m.Title = []string{"core"}, strings.Repeat("長い肩書き", 20)
		in.Members = append(in.Members, m)
	}
	plan := resolver(t, okta()).Resolve(in)
	var at []int
	for line := range strings.Lines(plan.String()) {
		if before, _, ok := strings.Cut(line, "held: "); ok {
			at = append(at, text.Columns(before))
		}
	}
	require.Equal(t, slices.Repeat([]int{13}, 5), at, "%s", plan)

	in.Snapshot.Users = nil
	for i := range in.Members {
		u := activeUser(fmt.Sprint("u", i), fmt.Sprintf("p%d@acme.com", i))
		u.Title = strings.Repeat("新しい肩書き", 20)
		in.Snapshot.Users = append(in.Snapshot.Users, u)
	}
	summary := resolver(t, okta()).Resolve(in).Summary()
	require.Contains(t, summary, "…\n")
	for line := range strings.Lines(summary) {
		require.LessOrEqual(t, text.Columns(strings.TrimSuffix(line, "\n")), 100, "%s", line)
	}
}

// A list that is cut states how many people are left out, a long head has a
// separate line for the sums, and the remaining space is used.
func TestSummaryIsCutByPeople(t *testing.T) {
	cfg := okta()
	cfg.Revision = strings.Repeat("revision ", 9)
	var in provisioning.Input
	in.Snapshot = allProven()
	for i := range 40 { // each with a different change, and leavers besides
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
