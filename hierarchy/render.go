package hierarchy

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// maxIndent bounds how many levels Text indents, so that a long chain does not
// make a file that grows with the square of its length.
const maxIndent = 32

// Text writes the people given and everybody below them as an indented tree,
// one person a line, or the whole chart if nobody is given. A finding follows
// the name after two spaces, which no name contains. NoManagerKey is left out
// for people who have no manager, since every chart has somebody at its top. A
// cycle begins with its first person. Levels deeper than 32 are indented like
// that one, and their number precedes the name.
//
// In Text, DOT and Mermaid people stand in the order of their names, then Keys,
// whatever the order they were given in. Names are shown on one line, without
// characters that do not print, and up to 80 characters. The error is the first
// one of w.
func (c *Chart) Text(w io.Writer, from ...int) error {
	d, out := c.draw(from), bufio.NewWriter(w)
	line := func(at int32, depth int) {
		out.WriteString(strings.Repeat("  ", min(depth, maxIndent)))
		if depth > maxIndent {
			fmt.Fprintf(out, "(%d) ", depth)
		}
		out.WriteString(d.label[at])
		i := d.person[at]
		if finding := c.finding[i]; finding != NoFinding && (finding != NoManagerKey || c.manager[i] != None) {
			fmt.Fprintf(out, "  [%v]", finding)
		}
		out.WriteByte('\n')
	}
	for _, root := range d.roots() {
		line(root, 0)
		for at, depth := range d.below(root) {
			line(at, depth)
		}
	}
	return out.Flush()
}

// DOT writes the people given and everybody below them, or the whole chart if
// nobody is given, as a Graphviz graph. Inactive people are dashed, edges that
// change are bold. No name is read as syntax. See [Chart.Text] for
// order, names and errors.
func (c *Chart) DOT(w io.Writer, from ...int) error {
	d, out := c.draw(from), bufio.NewWriter(w)
	out.WriteString("digraph hierarchy {\n  node [shape=box];\n")
	for at, i := range d.person {
		style := ""
		if !c.people[i].Active {
			style = ", style=dashed"
		}
		fmt.Fprintf(out, "  n%d [label=\"%s\"%s];\n", at, entities(d.label[at], "&#"), style)
	}
	for at, manager := range d.manager {
		if manager == None {
			continue
		}
		style := ""
		if c.Changed(int(d.person[at])) {
			style = " [style=bold]"
		}
		fmt.Fprintf(out, "  n%d -> n%d%s;\n", manager, at, style)
	}
	out.WriteString("}\n")
	return out.Flush()
}

// Mermaid writes the people given and everybody below them, or the whole chart
// if nobody is given, as a Mermaid flowchart. Inactive people are dashed, edges
// that change are thick. No name is read as syntax, Markdown or HTML. Mermaid
// itself refuses more than 500 edges unless its maxEdges is set higher. See [Chart.Text] for order, names and errors.
func (c *Chart) Mermaid(w io.Writer, from ...int) error {
	d, out := c.draw(from), bufio.NewWriter(w)
	out.WriteString("flowchart TD\n  classDef inactive stroke-dasharray: 4\n")
	for at, i := range d.person {
		fmt.Fprintf(out, "  n%d[\"%s\"]\n", at, entities(d.label[at], "#"))
		if !c.people[i].Active {
			fmt.Fprintf(out, "  class n%d inactive\n", at)
		}
	}
	for at, manager := range d.manager {
		if manager == None {
			continue
		}
		arrow := "-->"
		if c.Changed(int(d.person[at])) {
			arrow = "==>"
		}
		fmt.Fprintf(out, "  n%d %s n%d\n", manager, arrow, at)
	}
	return out.Flush()
}

// entities replaces each character of label by its number, between prefix and a
// semicolon, except for letters, marks, digits, single signs inside a word and
// a few characters that have no meaning in any of the syntaxes. Graphviz reads "&#34;" and Mermaid reads
// "#34;" as a character without a meaning in the syntax. The number also keeps
// Mermaid from seeing Markdown: a list in "1. Ana", a link in "www.ana".
func entities(label, prefix string) string {
	var b strings.Builder
	inWord := false
	for _, r := range label {
		letter := unicode.IsLetter(r) || unicode.IsMark(r)
		if letter || unicode.IsDigit(r) || strings.ContainsRune(" ,…", r) || inWord && (r == '-' || r == '\'') {
			b.WriteRune(r)
		} else {
			b.WriteString(prefix)
			b.WriteString(strconv.Itoa(int(r)))
			b.WriteByte(';')
		}
		inWord = letter
	}
	return b.String()
}
