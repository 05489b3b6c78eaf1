package scimtest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// failEnv makes the test binary run a suite that must fail.
const failEnv = "SCIMTEST_FAIL"

// The suites fail the test that calls them. To see this from outside, the test
// runs this test binary again.
func TestSuitesFail(t *testing.T) {
	switch os.Getenv(failEnv) {
	case "store":
		h := memoryHarness()
		h.New = func(testing.TB) scim.Store { return editWrite(func(_ *broken, w *scim.Write) { w.Display = "" }) }
		TestStore(t, h)
		return
	case "harness":
		TestStore(t, Harness{New: memoryHarness().New})
		return
	case "server":
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/scim+json")
			_, _ = w.Write([]byte(`{"id":"1"}`))
		}))
		defer server.Close()
		TestServer(t, Target{BaseURL: server.URL, Token: "t"})
		return
	case "target":
		TestServer(t, Target{BaseURL: "http://127.0.0.1:1"})
		return
	}
	for which, want := range map[string][]string{
		"store": {"--- FAIL: TestSuitesFail/round_trip", "Display is", "The rule: a record comes back as it was written",
			"--- PASS: TestSuitesFail/atomic", "--- SKIP: TestSuitesFail/durable"},
		"harness": {`Harness has nothing for the check "durable"`},
		"server": {"--- FAIL: TestSuitesFail/rfc7644/section_3.3:_create", "--- FAIL: TestSuitesFail/okta", "--- FAIL: TestSuitesFail/racing_creates",
			"--- SKIP: TestSuitesFail/tenants"},
		"target": {"Target.BaseURL and Target.Token are required"},
	} {
		child := exec.Command(os.Args[0], "-test.run=^TestSuitesFail$", "-test.v")
		child.Env = append(os.Environ(), failEnv+"="+which)
		output, err := child.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s", output)
		for _, text := range want {
			assert.Contains(t, string(output), text, which)
		}
	}
}
