package usher_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme checks the README's plan against the example that prints it.
func TestReadme(t *testing.T) {
	example, err := os.ReadFile("provisioning/example_test.go")
	require.NoError(t, err)
	_, output, found := strings.Cut(string(example), "\t// Output:\n")
	require.True(t, found)
	output, _, _ = strings.Cut(output, "}\n")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "```\n"+strings.ReplaceAll(output, "\t// ", "")+"```\n")
}
