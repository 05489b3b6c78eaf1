package files_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/provisioning"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// An error has the file's name once, then all that is wrong, and no name of a
// function.
func TestErrors(t *testing.T) {
	for content, want := range map[string]string{
		`{"format": 1,` + "\n}": "FILE: line 2, column 1: invalid character '}' looking for beginning of object key string",
		``:                      "FILE: line 1, column 1: unexpected end of JSON input",
		`{"format": 1, "source": "okta", "domains": {"primary": "acme.example"}}`: `FILE: source: is "okta"; want "salesforce", as the directory is`,
		`{"format": 1, "source": "okta", "domains": {"primary": "acme"}, "breaker": {}, "assignments": [{"id": "a"}, {"id": "a"}]}`: `FILE: 3 things are wrong:
  breaker: unknown field, did you mean "breakers"?
  assignments[1].id: "a" is the id of assignments[0] as well; want each id once
  source: is "okta"; want "salesforce", as the directory is`,
	} {
		path := write(t, content)
		_, err := files.ReadRules(path, "salesforce")
		require.Error(t, err, content)
		assert.Equal(t, strings.ReplaceAll(want, "FILE", path), err.Error())
	}

	var invalid *provisioning.ConfigError
	_, err := files.ReadRules(write(t, `{"format": 2}`), "")
	require.ErrorAs(t, err, &invalid)

	missing := filepath.Join(t.TempDir(), "missing.json")
	_, err = files.ReadRules(missing, "")
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, missing+": no such file or directory", err.Error())
	_, err = files.ReadRules(filepath.Dir(missing), "")
	assert.EqualError(t, err, filepath.Dir(missing)+": is a directory")

	r, err := files.ReadRules(write(t, `{"format": 1, "source": "sfdc", "domains": {"primary": "acme.example"}}`), "")
	require.NoError(t, err)
	assert.Equal(t, "acme.example", r.Config().Domains.Primary)
}

func TestFilesAreBounded(t *testing.T) {
	all := func(data []byte) ([]byte, error) { return data, nil }
	path := write(t, strings.Repeat(" ", 11))
	_, err := files.Read(path, 10, all)
	require.EqualError(t, err, path+": more than 10 bytes")
	data, err := files.Read(write(t, strings.Repeat(" ", 10)), 10, all)
	require.NoError(t, err)
	assert.Len(t, data, 10)
}
