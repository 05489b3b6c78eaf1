package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/provisioning"
)

var update = flag.Bool("update", false, "write the golden bundled and the examples of docs/formats.md anew")

// bundled are the flags for the bundled example.
var bundled = []string{
	"-config", "testdata/config.json",
	"-snapshot", "testdata/snapshot.json",
	"-members", "testdata/members.json",
}

func TestOutput(t *testing.T) {
	for _, test := range []struct {
		golden string
		args   []string
	}{
		{"summary.txt", bundled},
		{"plan.txt", append(bundled[:len(bundled):len(bundled)], "-all")},
		{"plan.json", append(bundled[:len(bundled):len(bundled)], "-json")},
		{"explain.txt", append(bundled[:len(bundled):len(bundled)], "-explain", "Cleo.Marsh@acme.example")},
		{"nobody-in-yet.txt", append(bundled[:4:4], "-all")},
		{"what-if.txt", append(bundled[:len(bundled):len(bundled)], "-what-if", "testdata/config-8.json")}, // R108
		{"what-if-all.txt", append(bundled[:len(bundled):len(bundled)], "-what-if", "testdata/config-8.json", "-all")},
	} {
		t.Run(test.golden, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.NoError(t, runPlan(t, test.args, &stdout, &stderr))
			assert.Empty(t, stderr.String())
			golden(t, test.golden, stdout.String())
		})
	}
}

// The exit status tells whether the plan waits to be applied or approved.
func TestExitStatus(t *testing.T) {
	none := func(string) string { return "" }
	discard := func(args ...string) error { return run(t.Context(), args, none, io.Discard, io.Discard) }
	require.ErrorIs(t, discard(bundled...), terminal.ErrWaits)
	require.ErrorIs(t, discard(append(bundled[:len(bundled):len(bundled)], "-json")...), terminal.ErrWaits)
	require.NoError(t, discard(append(bundled[:len(bundled):len(bundled)], "-explain", "x")...))
	require.NoError(t, discard(append(bundled[:len(bundled):len(bundled)], "-what-if", "testdata/config-8.json")...))
	nobody := write(t, `{"format": 1, "kind": "okta", "connection": "okta-main"}`)
	require.NoError(t, discard("-config", "testdata/config.json", "-snapshot", nobody))
}

// The chart is that of the team as the plan leaves it, on standard output alone
// or in a file beside the plan, as the page of the plan is.
func TestChartAndPage(t *testing.T) {
	dir := t.TempDir()
	for form, want := range map[string]string{
		"text": "Ana Ruiz\n  Bo Chen\n", "dot": "digraph hierarchy {\n", "mermaid": "flowchart TD\n", "svg": "<svg xmlns=",
	} {
		var stdout, stderr bytes.Buffer
		require.NoError(t, runPlan(t, append(bundled[:len(bundled):len(bundled)], "-chart", form), &stdout, &stderr))
		assert.Empty(t, stderr.String())
		assert.Contains(t, stdout.String(), want)
		assert.Contains(t, stdout.String(), "Bo Chen", "who comes in is in it")
		assert.NotContains(t, stdout.String(), "Finn Oakes", "who leaves is not")
		chart := stdout.String()

		stdout.Reset()
		path := filepath.Join(dir, form)
		require.NoError(t, runPlan(t, append(bundled[:len(bundled):len(bundled)], "-chart", form+"="+path, "-html", path+".html"), &stdout, &stderr))
		assert.True(t, strings.HasPrefix(stdout.String(), "plan for okta okta-main, config 7: "))
		assert.Equal(t, "written: "+path+"\nwritten: "+path+".html\n", stderr.String())
		written, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, chart, string(written))
		page, err := os.ReadFile(path + ".html")
		require.NoError(t, err)
		assert.Contains(t, string(page), "bo.chen@acme.example")
	}
	var stdout, stderr bytes.Buffer
	require.EqualError(t, runPlan(t, append(bundled[:len(bundled):len(bundled)], "-html", dir+"/no/x.html"), &stdout, &stderr), dir+"/no/x.html: no such file or directory")
}

// The package comment shows the plan of the bundled files.
func TestPackageComment(t *testing.T) {
	var stdout bytes.Buffer
	require.NoError(t, runPlan(t, bundled, &stdout, &bytes.Buffer{}))
	want := strings.ReplaceAll(strings.TrimSuffix("\n"+stdout.String(), "\n"), "\n", "\n//\t")
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	before, rest, _ := strings.Cut(string(source), "give this plan:\n//")
	shown, after, _ := strings.Cut(rest, "\n//\n")
	require.NotEmpty(t, after)
	if *update {
		require.NoError(t, os.WriteFile("main.go", []byte(before+"give this plan:\n//"+want+"\n//\n"+after), 0o644))
		return
	}
	assert.Equal(t, want, shown)
}

// runPlan runs the program. That the plan waits to be applied is no failure.
func runPlan(t *testing.T, args []string, stdout, stderr io.Writer) error {
	t.Helper()
	err := run(t.Context(), args, func(string) string { return "" }, stdout, stderr)
	if errors.Is(err, terminal.ErrWaits) {
		return nil
	}
	return err
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
	require.NoError(t, runPlan(t, append(bundled[:len(bundled):len(bundled)], "-json"), &stdout, &bytes.Buffer{}))
	plan, err := provisioning.ReadPlan(stdout.Bytes())
	require.NoError(t, err)
	assert.NotEmpty(t, plan.Held) // S16: held, and the status is 0 all the same
	assert.Equal(t, "local", plan.Tenant)
}

// A plan names the tenant that was given (S45).
func TestTenant(t *testing.T) {
	var stdout bytes.Buffer
	require.NoError(t, runPlan(t, append(bundled[:len(bundled):len(bundled)], "-json", "-tenant", "acme"), &stdout, &bytes.Buffer{}))
	plan, err := provisioning.ReadPlan(stdout.Bytes())
	require.NoError(t, err)
	assert.Equal(t, "acme", plan.Tenant)
}

// A slip in the word for the source is told, since it would lose locks (S33).
func TestUnknownKindGivesAWarning(t *testing.T) {
	config := write(t, `{"format": 1, "source": "salesfroce", "connection": "okta-main", "domains": {"primary": "acme.example"}}`)
	var stdout, stderr bytes.Buffer
	require.NoError(t, runPlan(t, []string{"-config", config, "-snapshot", "testdata/snapshot.json"}, &stdout, &stderr))
	assert.Contains(t, stderr.String(), config+`: warning: source: "salesfroce" is none of `)
}

func TestWarningsGoToStderr(t *testing.T) {
	config := write(t, `{"format": 1, "source": "okta", "connection": "okta-main", "domains": {"primary": "acme.example"},
		"hierarchy": {"ignore": true}}`)
	var stdout, stderr bytes.Buffer
	require.NoError(t, runPlan(t, []string{"-config", config, "-snapshot", "testdata/snapshot.json", "-all"}, &stdout, &stderr))
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
		{"config that is no JSON", "-config", "<html>", []string{".json: line 1, column 1: "}},
		{"snapshot of another format", "-snapshot", `{"format": 2}`, []string{".json: format: 2"}},
		{"snapshot cut in the middle", "-snapshot", `{"format": 1, "users": [{"id": "1"}`, []string{".json: line 1, column "}},
		{"members without ids", "-members", `[{"email": "a@acme.example"}]`, []string{".json: members[0].id"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.content)
			args := append([]string{}, bundled...)
			for i := range args {
				if args[i] == test.flag {
					args[i+1] = path
				}
			}
			var stdout, stderr bytes.Buffer
			err := runPlan(t, args, &stdout, &stderr)
			require.Error(t, err)
			assert.NotErrorIs(t, err, terminal.ErrUsage)
			assert.Equal(t, 1, strings.Count(err.Error(), path), "%s", err)
			for _, want := range test.want {
				assert.Contains(t, err.Error(), want)
			}
			assert.Empty(t, stdout.String())
		})
	}
}

func TestMissingFiles(t *testing.T) {
	for i := 1; i < len(bundled); i += 2 {
		args := append([]string{}, bundled...)
		args[i] = filepath.Join(t.TempDir(), "missing.json")
		err := runPlan(t, args, &bytes.Buffer{}, &bytes.Buffer{})
		require.ErrorIs(t, err, os.ErrNotExist)
		assert.Contains(t, err.Error(), args[i])
	}
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "-config is missing; -snapshot is missing"},
		{bundled[:2], "-snapshot is missing"},
		{append(bundled[:len(bundled):len(bundled)], "-what-if", "x", "-chart", "svg"), "-what-if compares plans"},
		{append(bundled[:len(bundled):len(bundled)], "-chart", "png"), "want svg, dot, mermaid or text"},
		{append(bundled[:len(bundled):len(bundled)], "more"), `unexpected argument "more"`},
		{append(bundled[:len(bundled):len(bundled)], "-json", "-explain", "x"), "exclude one another"},
		{append(bundled[:len(bundled):len(bundled)], "-all", "-json"), "exclude one another"},
		{[]string{"-colour"}, "-colour"},
	} {
		var stdout, stderr bytes.Buffer
		require.ErrorIs(t, runPlan(t, test.args, &stdout, &stderr), terminal.ErrUsage)
		assert.Contains(t, stderr.String(), test.want)
		assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), "%s", &stderr)
		assert.Empty(t, stdout.String())
	}
	var help bytes.Buffer
	require.ErrorIs(t, runPlan(t, []string{"-help"}, &bytes.Buffer{}, &help), flag.ErrHelp)
	for _, want := range []string{"-snapshot file", "Exit status: 0 nothing to do"} {
		assert.Contains(t, help.String(), want)
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.json")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
