package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
)

var update = flag.Bool("update", false, "write the golden files and the examples of docs/formats.md anew")

// files are the flags for the bundled example.
var files = []string{
	"-config", "testdata/config.json",
	"-snapshot", "testdata/snapshot.json",
	"-members", "testdata/members.json",
}

func TestOutput(t *testing.T) {
	for _, test := range []struct {
		golden string
		args   []string
	}{
		{"summary.txt", files},
		{"plan.txt", append(files[:len(files):len(files)], "-all")},
		{"plan.json", append(files[:len(files):len(files)], "-json")},
		{"explain.txt", append(files[:len(files):len(files)], "-explain", "Cleo.Marsh@acme.example")},
		{"nobody-in-yet.txt", append(files[:4:4], "-all")},
		{"what-if.txt", append(files[:len(files):len(files)], "-what-if", "testdata/config-8.json")}, // R108
		{"what-if-all.txt", append(files[:len(files):len(files)], "-what-if", "testdata/config-8.json", "-all")},
	} {
		t.Run(test.golden, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.NoError(t, run(test.args, &stdout, &stderr))
			assert.Empty(t, stderr.String())
			golden(t, test.golden, stdout.String())
		})
	}
}

// The package comment shows the plan of the bundled files.
func TestPackageComment(t *testing.T) {
	var stdout bytes.Buffer
	require.NoError(t, run(files, &stdout, &bytes.Buffer{}))
	want := strings.ReplaceAll(strings.TrimSuffix("\n"+stdout.String(), "\n"), "\n", "\n//\t")
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	before, rest, _ := strings.Cut(string(source), "come to this plan:\n//")
	shown, after, _ := strings.Cut(rest, "\n//\n")
	require.NotEmpty(t, after)
	if *update {
		require.NoError(t, os.WriteFile("main.go", []byte(before+"come to this plan:\n//"+want+"\n//\n"+after), 0o644))
		return
	}
	assert.Equal(t, want, shown)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// A plan that was printed is one that can be stored and approved.
func TestJSONIsReadBack(t *testing.T) {
	var stdout bytes.Buffer
	require.NoError(t, run(append(files[:len(files):len(files)], "-json"), &stdout, &bytes.Buffer{}))
	plan, err := provisioning.ReadPlan(stdout.Bytes())
	require.NoError(t, err)
	assert.NotEmpty(t, plan.Held) // S16: held, and the status is 0 all the same
	assert.Equal(t, "local", plan.Tenant)
}

// A plan names the tenant that was given (S45).
func TestTenant(t *testing.T) {
	var stdout bytes.Buffer
	require.NoError(t, run(append(files[:len(files):len(files)], "-json", "-tenant", "acme"), &stdout, &bytes.Buffer{}))
	plan, err := provisioning.ReadPlan(stdout.Bytes())
	require.NoError(t, err)
	assert.Equal(t, "acme", plan.Tenant)
}

// A slip in the word for the source is told, since it would lose locks (S33).
func TestUnknownKindIsWarnedAbout(t *testing.T) {
	config := write(t, `{"format": 1, "source": "salesfroce", "connection": "okta-main", "domains": {"primary": "acme.example"}}`)
	var stdout, stderr bytes.Buffer
	require.NoError(t, run([]string{"-config", config, "-snapshot", "testdata/snapshot.json"}, &stdout, &stderr))
	assert.Contains(t, stderr.String(), config+`: warning: source: "salesfroce" is none of `)
}

func TestWarningsGoToStderr(t *testing.T) {
	config := write(t, `{"format": 1, "source": "okta", "connection": "okta-main", "domains": {"primary": "acme.example"},
		"hierarchy": {"ignore": true}}`)
	var stdout, stderr bytes.Buffer
	require.NoError(t, run([]string{"-config", config, "-snapshot", "testdata/snapshot.json", "-all"}, &stdout, &stderr))
	assert.Equal(t, config+": warning: hierarchy.ignore: is meant for salesforce\n", stderr.String())
	assert.Contains(t, stdout.String(), "hierarchy.ignored")
}

func TestErrorsNameFileAndFinding(t *testing.T) {
	for _, test := range []struct {
		name, flag, content string
		want                []string
	}{
		{
			"config with several mistakes", "-config",
			`{"format": 1, "source": "", "domains": {"primary": "not a domain"}, "assignments": [{"mode": "manual"}]}`,
			[]string{"source: ", "domains.primary: ", "assignments[0].id: "},
		},
		{"config with unknown fields", "-config", `{"format": 1, "sauce": "okta", "breakers": {"delete": {}}}`, []string{"sauce", "breakers.delete"}},
		{"config that is no JSON", "-config", "<html>", []string{"config"}},
		{"snapshot of another format", "-snapshot", `{"format": 2}`, []string{"format: 2"}},
		{"snapshot cut in the middle", "-snapshot", `{"format": 1, "users": [{"id": "1"}`, []string{"snapshot"}},
		{"members without ids", "-members", `[{"email": "a@acme.example"}]`, []string{"members[0].id"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.content)
			args := append([]string{}, files...)
			for i := range args {
				if args[i] == test.flag {
					args[i+1] = path
				}
			}
			var stdout, stderr bytes.Buffer
			err := run(args, &stdout, &stderr)
			require.Error(t, err)
			assert.NotErrorIs(t, err, errUsage)
			assert.Contains(t, err.Error(), path)
			for _, want := range test.want {
				assert.Contains(t, err.Error(), want)
			}
			assert.Empty(t, stdout.String())
		})
	}
}

func TestMissingFiles(t *testing.T) {
	for i := 1; i < len(files); i += 2 {
		args := append([]string{}, files...)
		args[i] = filepath.Join(t.TempDir(), "missing.json")
		err := run(args, &bytes.Buffer{}, &bytes.Buffer{})
		require.ErrorIs(t, err, os.ErrNotExist)
		assert.Contains(t, err.Error(), args[i])
	}
}

func TestFilesAreBounded(t *testing.T) {
	all := func(data []byte) ([]byte, error) { return data, nil }
	_, err := read(write(t, strings.Repeat(" ", 11)), 10, all)
	require.ErrorContains(t, err, "more than 10 bytes")
	data, err := read(write(t, strings.Repeat(" ", 10)), 10, all)
	require.NoError(t, err)
	assert.Len(t, data, 10)
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "-config is missing"},
		{files[:2], "-snapshot is missing"},
		{append(files[:len(files):len(files)], "more"), `unexpected argument "more"`},
		{append(files[:len(files):len(files)], "-json", "-explain", "x"), "exclude one another"},
		{append(files[:len(files):len(files)], "-all", "-json"), "exclude one another"},
		{[]string{"-colour"}, "-colour"},
	} {
		var stdout, stderr bytes.Buffer
		require.ErrorIs(t, run(test.args, &stdout, &stderr), errUsage)
		assert.Contains(t, stderr.String(), test.want)
		assert.Contains(t, stderr.String(), "-snapshot file")
		assert.Empty(t, stdout.String())
	}
	require.ErrorIs(t, run([]string{"-help"}, &bytes.Buffer{}, &bytes.Buffer{}), flag.ErrHelp)
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.json")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
