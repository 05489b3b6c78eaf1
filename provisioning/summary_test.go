package provisioning_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/provisioning"
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
