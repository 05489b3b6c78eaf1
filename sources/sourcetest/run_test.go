package sourcetest

import (
	"context"
	"iter"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// failEnv names the environment variable that makes the test binary run a suite
// that must fail.
const failEnv = "SOURCETEST_FAIL"

// Test itself fails the calling test, for a broken source and for a harness
// that omits a check without a reason. The test observes that from outside, by
// running this test binary again.
func TestTestFails(t *testing.T) {
	switch os.Getenv(failEnv) {
	case "source":
		Test(t, twist(func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] { return first(2, s.Directory.Users(ctx)) }
		}))
		return
	case "harness":
		h := harness(plain)
		h.Requests = nil
		Test(t, h)
		return
	}
	for which, want := range map[string][]string{
		"source": {
			"--- FAIL: TestTestFails/users",
			`user "3" is not listed`,
			"The rule: every user is listed once and as the directory has it, and nobody else",
			"--- PASS: TestTestFails/groups",
		},
		"harness": {`Harness.Unsupported: the harness has nothing for the check "requests"`},
	} {
		child := exec.Command(os.Args[0], "-test.run=^TestTestFails$", "-test.v")
		child.Env = append(os.Environ(), failEnv+"="+which)
		output, err := child.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s", output)
		for _, text := range want {
			assert.Contains(t, string(output), text)
		}
	}
}
