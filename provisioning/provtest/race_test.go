//go:build race

package provtest_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain draws fewer companies under the race detector, which looks for
// races and not for laws: they are the same code each time.
func TestMain(m *testing.M) {
	if f := flag.Lookup("rapid.checks"); f != nil {
		_ = f.Value.Set("25") // a value given on the command line comes later and wins
	}
	flag.Parse()
	os.Exit(m.Run())
}
