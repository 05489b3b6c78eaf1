//go:build unix

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/examples/internal/programtest"
	"github.com/usher-go/usher/internal/text"
)

// The exit status says whether everything is done, something failed, the command
// line is wrong, or something waits. A failure is told in one line.
func TestExitStatus(t *testing.T) {
	dir := t.TempDir()
	db, config := filepath.Join(dir, "team.db"), filepath.Join(dir, "config.json")
	rules, err := demo.ReadFile("demo/config.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(config, []byte(strings.Replace(string(rules), `"domains"`, `"brakers": {}, "domains"`, 1)), 0o600))
	users := filepath.Join(dir, "users.json") // one person, whom nothing holds
	require.NoError(t, os.WriteFile(users, []byte(`{"totalSize": 1, "done": true, "records": [{"Id": "0058c00000Kt001AAB",
		"Email": "ana@kestrel.example", "FirstName": "Ana", "LastName": "Young", "IsActive": true, "UserType": "Standard", "Department": "Sales", "Title": "Clerk"}]}`), 0o600))
	good := filepath.Join(dir, "good.json")
	require.NoError(t, os.WriteFile(good, []byte(`{"format": 1, "source": "salesforce", "domains": {"primary": "kestrel.example"}, "assignments": [{"id": "all", "match": {"all": true}}]}`), 0o600))
	kestrel := filepath.Join(dir, "kestrel.json") // the demonstration's rules as anybody's
	require.NoError(t, os.WriteFile(kestrel, rules, 0o600))
	one := []string{"-db", filepath.Join(dir, "one.db"), "-users", users, "-config", good}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"a dry run with something to do", append(one, "-dry-run"), 3, ""},
		{"all done", one, 0, ""},
		{"nothing to do", one, 0, ""},
		{"a dry run with nothing to do", append(one, "-dry-run"), 0, ""},
		{"a story", []string{"-db", db, "-explain", "nobody"}, 0, ""},
		{"what the demonstration holds", []string{"-db", db}, 0, ""},
		{"a dry run of the demonstration", []string{"-db", db, "-dry-run"}, 0, ""},
		{"something is held", []string{"-db", db, "-config", kestrel}, 3, ""},
		{"a dry run in which something is held", []string{"-db", db, "-config", kestrel, "-dry-run"}, 3, ""},
		{"an approval of something else", []string{"-db", db, "-approve", "identity=0123456789ab"}, 1, "quickstart: provisioning: apply: approval.plan_changed: "},
		{"a wrong config", []string{"-db", db, "-config", config}, 1, "quickstart: " + config + ": brakers: unknown field"},
		{"a file that is not there", []string{"-db", db, "-users", filepath.Join(dir, "none")}, 1, "quickstart: " + filepath.Join(dir, "none") + ": no such file or directory\n"},
		{"a wrong flag", []string{"-colour"}, 2, "quickstart: flag provided but not defined: -colour; -help says more\n"},
		{"help", []string{"-help"}, 0, "Usage: quickstart [flags]"},
	} {
		status, _, stderr := programtest.Run(t, c.args...)
		assert.Equal(t, c.status, status, "%s: %s", c.name, stderr)
		if c.stderr == "" {
			assert.NotContains(t, stderr, "quickstart: ", c.name)
		} else {
			assert.Contains(t, stderr, c.stderr, c.name)
		}
	}
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*[mK]|\r")

// A terminal gets colours and its own width, unless NO_COLOR or TERM say
// otherwise; a pipe the plain text.
func TestTerminal(t *testing.T) {
	db := filepath.Join(t.TempDir(), "team.db")
	_, plain, _ := programtest.Run(t, "-db", db, "-dry-run")
	assert.NotContains(t, plain, "\x1b")
	fits := func(screen string, columns uint16) {
		t.Helper()
		assert.Contains(t, screen, "\x1b[32m+ ")
		for line := range strings.Lines(escape.ReplaceAllString(screen, "")) {
			assert.LessOrEqual(t, text.Columns(strings.TrimSuffix(line, "\n")), int(columns), "%q", line)
		}
	}
	for _, columns := range []uint16{60, 80, 200} {
		status, screen := programtest.Terminal(t, columns, nil, "-db", db, "-dry-run")
		assert.Equal(t, 0, status)
		assert.Contains(t, screen, "\x1b[33mrelease with -approve identity=")
		fits(screen, columns)
		if columns != 80 {
			continue
		}
		for _, env := range []string{"NO_COLOR=1", "TERM=dumb"} {
			_, bare := programtest.Terminal(t, columns, []string{env}, "-db", db, "-dry-run")
			assert.Equal(t, escape.ReplaceAllString(screen, ""), bare, env)
		}
	}
	for _, how := range []string{"-all", "-explain=femi.adeyemi@kestrel.example"} {
		_, screen := programtest.Terminal(t, 60, nil, "-db", db, "-dry-run", how)
		fits(screen, 60)
	}
}

// Behind head and a pager that was left, the program ends quietly. A plan that
// was not shown to its end is not applied.
func TestClosedPipe(t *testing.T) {
	long := edit(t, func(users []map[string]any) []map[string]any {
		for i := range 2500 {
			user := clone(users[len(users)-1])
			user["Id"], user["Email"] = fmt.Sprintf("0058c00000L%04d", i), fmt.Sprintf("hire.%d@kestrel.example", i)
			users = append(users, user)
		}
		return users
	})
	db := filepath.Join(t.TempDir(), "team.db")
	warning := regexp.MustCompile(`^demo/config.json: warning: .*\n$`)
	for _, args := range [][]string{{"-all"}, {"-json"}} {
		status, stdout, stderr := programtest.Head(t, 100, append(args, "-db", db, "-users", long, "-dry-run")...)
		assert.Equal(t, 3, status)
		assert.Len(t, stdout, 100)
		assert.Regexp(t, warning, stderr)
	}
	status, _, stderr := programtest.Head(t, 100, "-db", db, "-users", long, "-all")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "quickstart: the output was closed before the plan was shown to its end; nothing was changed\n")
	status, _, stderr = programtest.Run(t, "-db", db, "-users", long)
	assert.Equal(t, 3, status, stderr)
}

// Ctrl-C while the directory is read changes nothing, and says so.
func TestInterrupt(t *testing.T) {
	asked, end := make(chan struct{}, 9), make(chan struct{})
	org := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-end
	}))
	defer org.Close()
	defer close(end)
	db := filepath.Join(t.TempDir(), "team.db")
	config := write(t, "config.json", `{"format": 1, "source": "salesforce", "domains": {"primary": "kestrel.example"}}`)
	cmd := programtest.Command(t, []string{
		"SALESFORCE_LOGIN_URL=" + org.URL, "SALESFORCE_CLIENT_ID=app", "SALESFORCE_CLIENT_SECRET=open sesame",
	}, "-db", db, "-config", config)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	<-asked
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Equal(t, "quickstart: interrupted; nothing was changed\n", stderr.String()[strings.LastIndex(stderr.String(), "quickstart:"):])
	assert.NoFileExists(t, db)
}
