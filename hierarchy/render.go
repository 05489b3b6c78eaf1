package hierarchy

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// maxIndent is the largest number of levels that Text indents, so that a long chain
// does not give a file whose size grows with the square of its length.
const maxIndent = 32

// Text writes the given people and everybody below them as an indented tree with
// one person a line, or the whole chart if no people are given. A finding follows
// the name after two spaces, which no name contains. NoManagerKey is left out for
// people without a manager, since every chart has some. A cycle begins with its
// first person. Levels deeper than 32 are indented like level 32, with the number
// of the level before the name.
//
// In Text, DOT and Mermaid people are ordered by name and then Key, whatever order
// they were given in. Names are written on one line, without unprintable
// characters, and up to 80 characters. The error is the first one of w.
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

// DOT writes the given people and everybody below them, or the whole chart if no
// people are given, as a Graphviz graph. Inactive people are dashed, changed edges
// bold. Names are escaped. See [Chart.Text] for order, names and errors.
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

// Mermaid writes the given people and everybody below them, or the whole chart if
// no people are given, as a Mermaid flowchart. Inactive people are dashed, changed
// edges thick. Names are escaped, so that they are not read as syntax, Markdown or
// HTML. Mermaid itself refuses more than 500 edges, unless its maxEdges is higher.
// See [Chart.Text] for order, names and errors.
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
// semicolon, except for letters, marks, digits, single signs inside a word and a
// few characters that no syntax uses. Graphviz reads "&#34;" and Mermaid "#34;" as
// a character without syntactic meaning. The number also keeps Mermaid from seeing
// Markdown: a list in "1. Ana", a link in "www.ana".
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
