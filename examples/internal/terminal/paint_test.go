package terminal_test

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/internal/text"
)

const shown = `demo/config.json: warning: assignments[5].seats: a setting needs this seat
plan for okta okta-main, config 7: 1 create, 1 deactivate, 2 held, 1 skipped
breaker deactivate: 2 of 5 people; limit 20 %
loses access, seats, profiles or capture (1):
  - finn.oakes@acme.example  deactivate: Not in the source any more; its listing was complete.
waits (2):
  ! deactivate, 2 of 5 people; limit 20 %:
      release with -approve deactivate=0123456789ab: bo@acme.example, cy@acme.example
comes in (9):
  + 9 people: create in sales, seats core (ana@acme.example, ben@acme.example, ...)
+ 서연 이                   create 서연 이 in sales, 영업, 管理者マネージャー           # match.new, tz.from_country
~ ana.ruiz@acme.example    title Manager -> Head                     # overwrites.manual_edit
. eli@elsewhere.example    skipped  # ineligible.domain
= ana@acme.example: unchanged: active in sales
    The uppermost assignment that matches. (assignment: Sales)  [assignment.first_match]
    title: Sales Intern -> Sales Development Rep of the northern and southern regions
+ comes in  ~ changes  - loses  ! needs somebody  . left out
every line: -all, the data: -json
`

func painted(t require.TestingT, columns int, line string) string {
	var out bytes.Buffer
	p := terminal.NewTerminal(&out, func() int { return columns }).Painted()
	_, err := io.WriteString(p, line)
	require.NoError(t, err)
	require.NoError(t, p.Close())
	return out.String()
}

// readable names the colours in place of their codes.
var readable = strings.NewReplacer("\x1b[1m", "<b>", "\x1b[2m", "<dim>", "\x1b[31m", "<red>", "\x1b[32m", "<green>", "\x1b[33m", "<yellow>",
	"\x1b[36m", "<cyan>", "\x1b[0m", "<>")

// What comes in is green, what is taken red, what waits yellow, the codes of the
// reasons dim; a long line is folded between words, below what is done.
func TestPainted(t *testing.T) {
	assert.Equal(t, `demo/config.json<yellow>: warning: <>assignments[5].seats: a setting
  needs this seat
<b>plan for okta okta-main, config 7: 1 create, 1 deactivate, 2<>
  <b>held, 1 skipped<>
`, readable.Replace(painted(t, 60, shown[:strings.Index(shown, "breaker")])))
	assert.Equal(t, `demo/config.json<yellow>: warning: <>assignments[5].seats: a setting needs this seat
<b>plan for okta okta-main, config 7: 1 create, 1 deactivate, 2 held, 1 skipped<>
<yellow>breaker deactivate: 2 of 5 people; limit 20 %<>
<b>loses access, seats, profiles or capture (1):<>
  <red>- finn.oakes@acme.example  <>deactivate: Not in the source any more; its listing
                             was complete.
<b>waits (2):<>
  <yellow>! deactivate, 2 of 5 people; limit 20 %:<>
      <yellow>release with -approve deactivate=0123456789ab: <>bo@acme.example,
        cy@acme.example
<b>comes in (9):<>
  <green>+ 9 people: <>create in sales, seats core (ana@acme.example, ben@acme.example,
              ...)
<green>+ 서연 이                   <>create 서연 이 in sales, 영업, 管理者マネージャー
                            <dim># match.new, tz.from_country<>
<cyan>~ ana.ruiz@acme.example    <>title Manager -> Head  <dim># overwrites.manual_edit<>
<dim>. eli@elsewhere.example    <>skipped  <dim># ineligible.domain<>
<dim>= ana@acme.example: <>unchanged: active in sales
    The uppermost assignment that matches. (assignment: Sales)
      <dim>[assignment.first_match]<>
    title: Sales Intern -> Sales Development Rep of the northern and southern
      regions
<dim>+ comes in  ~ changes  - loses  ! needs somebody  . left out<>
<dim>every line: -all, the data: -json<>
`, readable.Replace(painted(t, 80, shown)))
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Whatever a line holds: no row is wider than the terminal, every row ends without
// a colour, and the words are the same in the same order.
func TestPaintedKeepsTheText(t *testing.T) {
	piece := rapid.SampledFrom([]string{"+ ", "- ", "  ", " ", "# ", "  # ", ": ", "a", "word", "管理者", "👩\u200d💻", "e\u0301", "Sales -> EMEA", "[x]", "  [code]", strings.Repeat("long", 30)})
	rapid.Check(t, func(t *rapid.T) {
		line := strings.Join(rapid.SliceOfN(piece, 0, 25).Draw(t, "line"), "")
		columns := rapid.IntRange(20, 120).Draw(t, "columns")
		out := painted(t, columns, line+"\n")
		for row := range strings.Lines(out) {
			require.LessOrEqual(t, text.Columns(strings.TrimRight(escape.ReplaceAllString(row, ""), " \n")), columns, "%q", out)
			require.Equal(t, strings.Count(row, "\x1b[")%2, 0, "%q", row)
		}
		bare := func(s string) string { return strings.Join(strings.Fields(escape.ReplaceAllString(s, "")), "") }
		require.Equal(t, bare(line), bare(out))
	})
}

// A pipe gets the text as it is, a terminal a line only when it is whole.
func TestPlain(t *testing.T) {
	var out bytes.Buffer
	p := terminal.NewScreen(&out, func(string) string { return "" }).Painted()
	_, err := io.WriteString(p, shown)
	require.NoError(t, err)
	assert.Equal(t, shown, out.String())

	out.Reset()
	p = terminal.NewTerminal(&out, func() int { return 80 }).Painted()
	for _, part := range []string{"- a@b.exam", "ple  deactivate\n- ", "c"} {
		_, err := io.WriteString(p, part)
		require.NoError(t, err)
	}
	assert.Equal(t, "\x1b[31m- a@b.example  \x1b[0mdeactivate\n", out.String())
	require.NoError(t, p.Close())
	assert.True(t, strings.HasSuffix(out.String(), "\n- c"))
}

// Once nobody reads, what is written is dropped; any other failure is told.
func TestClosed(t *testing.T) {
	fails := func(err error) *terminal.Screen {
		return terminal.NewScreen(writer(func([]byte) (int, error) { return 0, err }), func(string) string { return "" })
	}
	s := fails(fmt.Errorf("write |1: %w", syscall.EPIPE))
	assert.False(t, s.Closed())
	n, err := s.Write([]byte("plan"))
	require.NoError(t, err)
	assert.Equal(t, 4, n)
	assert.True(t, s.Closed())
	_, err = fails(syscall.ENOSPC).Write([]byte("plan"))
	require.ErrorIs(t, err, syscall.ENOSPC)
}

type writer func([]byte) (int, error)

func (f writer) Write(data []byte) (int, error) { return f(data) }

// On a terminal, progress is one line that is written over and never wider than
// the terminal.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(*testing.T) {
		p := terminal.NewProgress(terminal.NewTerminal(&out, func() int { return 30 }), false)
		p.Tell("list users", "list users: 1000 users, 0 groups, 0 memberships")
		p.Tell("list users", "too soon")
		p.Tell("list users", "list users: 2000 users")
		p.Tell("match", "answers: 3")
		time.Sleep(110 * time.Millisecond)
		p.Tell("match", "answers: 9")
		p.End()
		p.End()
	})
	assert.Equal(t, "\r\x1b[Klist users: 1000 users, 0 gr…\r\x1b[Klist users: 2000 users\n\r\x1b[Kanswers: 3\r\x1b[Kanswers: 9\n", out.String())

	assert.Nil(t, terminal.NewProgress(terminal.NewScreen(&out, func(string) string { return "" }), false))
	out.Reset()
	p := terminal.NewProgress(terminal.NewScreen(&out, func(string) string { return "" }), true)
	p.Tell("apply", "apply: 1000 of 2000")
	p.Tell("apply", "apply: 1500 of 2000")
	p.Tell("apply", "apply: 2000 of 2000")
	p.End()
	assert.Equal(t, "apply: 1000 of 2000\napply: 2000 of 2000\n", out.String())
}
