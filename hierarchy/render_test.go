package hierarchy_test

import (
	"errors"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/hierarchy"
)

// draw returns the chart of people in all three forms.
func draw(t require.TestingT, people []hierarchy.Person, from ...int) (text, dot, mermaid string) {
	c := hierarchy.Build(people)
	var b [3]strings.Builder
	require.NoError(t, c.Text(&b[0], from...))
	require.NoError(t, c.DOT(&b[1], from...))
	require.NoError(t, c.Mermaid(&b[2], from...))
	return b[0].String(), b[1].String(), b[2].String()
}

func TestDrawings(t *testing.T) {
	people := team("zoe", "bo<zoe", "cy<bo", "ana<zoe", "lone")
	people[0].Manager = keys("nobody@acme.com", "", "")
	people[1].Manager = keys("zoe@acme.com", "", "")
	people[2].Manager = keys("ana@acme.com", "", "")
	people[1].Active = false
	people[2].GivenName = `Cy "C" O'Neil`
	text, dot, mermaid := draw(t, people)
	assert.Equal(t, `lone Doe
zoe Doe  [hierarchy.manager_not_found]
  ana Doe  [hierarchy.no_manager_key]
    Cy "C" O'Neil Doe
  bo Doe
`, text)
	assert.Equal(t, `digraph hierarchy {
  node [shape=box];
  n0 [label="Cy &#34;C&#34; O'Neil Doe"];
  n1 [label="ana Doe"];
  n2 [label="bo Doe", style=dashed];
  n3 [label="lone Doe"];
  n4 [label="zoe Doe"];
  n1 -> n0 [style=bold];
  n4 -> n1;
  n4 -> n2;
}
`, dot)
	assert.Equal(t, `flowchart TD
  classDef inactive stroke-dasharray: 4
  n0["Cy #34;C#34; O'Neil Doe"]
  n1["ana Doe"]
  n2["bo Doe"]
  class n2 inactive
  n3["lone Doe"]
  n4["zoe Doe"]
  n1 ==> n0
  n4 --> n1
  n4 --> n2
`, mermaid)

	text, dot, _ = draw(t, people, 2, 3, 2) // a part of the chart: ana and everybody below her
	assert.Equal(t, "ana Doe  [hierarchy.no_manager_key]\n  Cy \"C\" O'Neil Doe\n", text)
	assert.Equal(t, 1, strings.Count(dot, "->"))
}

func TestDrawingOfACycle(t *testing.T) { // S24
	text, dot, _ := draw(t, team("b<a", "c<b", "a<b"))
	assert.Equal(t, "a Doe  [hierarchy.cycle]\n  b Doe  [hierarchy.cycle]\n    c Doe  [hierarchy.no_manager_key]\n", text)
	assert.Contains(t, dot, "n0 -> n1;")
	assert.Contains(t, dot, "n1 -> n0;")
}

func TestDrawingOfALongChain(t *testing.T) {
	var people []hierarchy.Person
	for i := range 5000 {
		p := hierarchy.Person{Key: strings.Repeat("k", i+1), Email: "p"}
		if i > 0 {
			p.Current = people[i-1].Key
		}
		people = append(people, p)
	}
	text, _, _ := draw(t, people)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	require.Len(t, lines, 5000)
	assert.Equal(t, strings.Repeat("  ", 32)+"p", lines[32])
	assert.Equal(t, strings.Repeat("  ", 32)+"(33) p", lines[33])
	assert.Equal(t, strings.Repeat("  ", 32)+"(4999) p", lines[4999])
}

func TestLabels(t *testing.T) {
	for _, test := range []struct{ given, family, email, want string }{
		{" Ana \n Maria", "\tDoe ", "", "Ana Maria Doe"},
		{"a\x00\u202eb\u200d", "\x1b[31m", "", "ab [31m"},
		{"\xff", "", "", "\ufffd"},
		{"", " ", "bo@acme.com", "bo@acme.com"},
		{"\u200b", "", " ", "key"},
		{strings.Repeat("ä", 80), "", "", strings.Repeat("ä", 80)},
		{strings.Repeat("ä", 81), "", "", strings.Repeat("ä", 80) + "…"},
	} {
		text, _, _ := draw(t, []hierarchy.Person{{Key: "key", Email: test.email, GivenName: test.given, FamilyName: test.family}})
		assert.Equal(t, test.want+"\n", text)
	}
}

// The order of the input does not change the drawing.
func TestDrawingOrder(t *testing.T) { // L1
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.OneOf(knottedTeam(), confusedTeam()).Draw(t, "team")
		text, dot, mermaid := draw(t, people)
		assert.Equal(t, len(people), strings.Count(text, "\n"), "everybody is drawn once")
		text2, dot2, mermaid2 := draw(t, rapid.Permutation(people).Draw(t, "shuffled"))
		assert.Equal(t, []string{text, dot, mermaid}, []string{text2, dot2, mermaid2})
	})
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestDrawingErrors(t *testing.T) {
	c := hierarchy.Build(team("a", "b<a"))
	assert.ErrorIs(t, c.Text(brokenWriter{}), errBroken)
	assert.ErrorIs(t, c.DOT(brokenWriter{}), errBroken)
	assert.ErrorIs(t, c.Mermaid(brokenWriter{}), errBroken)
}

var (
	dotNode       = regexp.MustCompile(`^  n(\d) \[label="([^"]*)"\];$`)
	mermaidNode   = regexp.MustCompile(`^  n(\d)\["([^"]*)"\]$`)
	entity        = regexp.MustCompile(`#\d+;`)
	markdownStart = regexp.MustCompile("^([-+*_`>#]|\\d+[.)] )")
)

// FuzzDrawings checks that no name leaves its label, and that each label yields
// its name again.
func FuzzDrawings(f *testing.F) {
	for _, name := range []string{
		"Ana", `"]; evil -> n0 [label="`, `\`, `a\"`, `\N\G\l`, "a\nb", "&quot;]", "#quot;", "<b onclick=x>", "`**b**`",
		"1. Ana", "- Ana", "www.ana.com", "end", "]]", "%%{init: {}}%%", "style a:b#c;", "classDef x:#1;", "\u2028n1-->n0",
		"a\xff", "\xc2\u200b\x90", "O'Neil-Doe", strings.Repeat("\"", 100), "fl°°35¶ß", "n0@{ shape: x }", "--", ";",
	} {
		f.Add(name, "Doe", "a@acme.com", "key")
		f.Add("", "", name, name)
		f.Add("", "", "", name)
	}
	f.Fuzz(func(t *testing.T, given, family, email, key string) {
		people := []hierarchy.Person{
			{Key: key, GivenName: given, FamilyName: family, Email: email, Active: true},
			{Key: key + "2", GivenName: given, FamilyName: family, Email: email, Current: key, Active: true},
		}
		edges := min(len(key), 1) // an empty Current names no one
		text, dot, mermaid := draw(t, people)

		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		require.Len(t, lines, 2)
		var want []string
		for _, line := range lines {
			assert.False(t, strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
			want = append(want, strings.TrimLeft(line, " "))
		}
		slices.Sort(want)

		lines = strings.Split(dot, "\n")
		require.Len(t, lines, 6+edges)
		checkLabels(t, want, dotNode, lines[2:4], "&")
		if edges > 0 {
			assert.Regexp(t, `^  n\d -> n\d;$`, lines[4])
		}

		lines = strings.Split(mermaid, "\n")
		require.Len(t, lines, 5+edges)
		checkLabels(t, want, mermaidNode, lines[2:4], "")
		if edges > 0 {
			assert.Regexp(t, `^  n\d --> n\d$`, lines[4])
		}
	})
}

// checkLabels checks that the lines are nodes with the wanted labels. Apart
// from entities, which begin with prefix and #, the labels must contain nothing
// that has a meaning in either syntax.
func checkLabels(t *testing.T, want []string, node *regexp.Regexp, lines []string, prefix string) {
	var got []string
	for _, line := range lines {
		parts := node.FindStringSubmatch(line)
		require.NotNil(t, parts, "%q", line)
		label := parts[2]
		bare := entity.ReplaceAllString(strings.ReplaceAll(label, prefix+"#", "#"), "")
		assert.NotContains(t, bare, "--")
		assert.False(t, strings.ContainsAny(bare, "\\\"#&<>[](){}|;:%`*_~$@=/.!"), "%q", label)
		assert.NotRegexp(t, markdownStart, strings.ReplaceAll(label, prefix+"#", "&#"))
		if prefix == "" {
			label = entity.ReplaceAllStringFunc(label, func(e string) string { return "&" + e })
		}
		got = append(got, html.UnescapeString(label))
	}
	slices.Sort(got)
	assert.Equal(t, want, got)
}
