package hierarchy

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"unicode/utf8"
)

// An SVG configures Chart.SVG. The zero SVG draws everybody, without links.
type SVG struct {
	// Levels is the number of levels that are drawn, including the first. A person
	// on the last level has the number of people below. 0 means all.
	Levels int
	// Rows is the largest number of people that are drawn. A last line has the
	// number of the others. 0 means all.
	Rows int
	// Link returns the URL to which the name of a person links, or "". Nil means no
	// links.
	Link func(person int) string
	// Title describes the drawing for people who cannot see it. "" means "Org
	// chart".
	Title string
}

// Measures of an SVG, in pixels.
const (
	svgRow    = 28
	svgIndent = 26
	svgMargin = 12
	svgGlyph  = 9 // about the widest common letter at 14 px
)

// SVG writes the given people and everybody below them, or the whole chart if no
// people are given, as an SVG document: a tree with one person a line. Inactive
// people are in italics, changed edges thick. It uses presentation attributes and
// no style sheet; for style sheets of the page, its elements have the classes edge,
// changed, person, inactive and fold. Names are escaped. See [Chart.Text] for
// order, names and errors.
func (c *Chart) SVG(w io.Writer, how SVG, from ...int) error {
	d := c.draw(from)
	rows, rest := d.svgRows(&how)
	width, height := 0, len(rows)*svgRow
	for i := range rows {
		width = max(width, rows[i].x()+svgIndent+svgGlyph*(utf8.RuneCountInString(d.label[rows[i].at])+8))
	}
	if rest > 0 {
		height += svgRow
	}
	width, height = max(width, 300)+2*svgMargin, height+2*svgMargin
	title := how.Title
	if title == "" {
		title = "Org chart"
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="group" aria-label="%s" font-family="system-ui, sans-serif" font-size="14">`+"\n",
		width, height, width, height, html.EscapeString(shown(title)))
	for i := range rows {
		if rows[i].above >= 0 {
			d.svgEdge(out, rows, i)
		}
	}
	for i := range rows {
		d.svgPerson(out, &rows[i], i, how.Link)
	}
	if rest > 0 {
		fmt.Fprintf(out, `<text class="fold" x="%d" y="%d" fill="#4b5563">and %d more</text>`+"\n", svgMargin, svgMargin+len(rows)*svgRow+svgRow/2+5, rest)
	}
	out.WriteString("</svg>\n")
	return out.Flush()
}

// svgEdge draws the edge from a row up to the row of the manager.
func (d *drawing) svgEdge(out *bufio.Writer, rows []svgLine, i int) {
	r := &rows[i]
	class, thick := "edge", "1"
	if d.chart.Changed(int(d.person[r.at])) {
		class, thick = "edge changed", "3"
	}
	x := rows[r.above].x() + svgMargin/2
	fmt.Fprintf(out, `<path class="%s" d="M%d %dV%dH%d" fill="none" stroke="#6b7280" stroke-width="%s"/>`+"\n",
		class, x, r.aboveY(rows), r.y(i), r.x()-4, thick)
}

// svgPerson writes the name of a row's person, as a link if there is one.
func (d *drawing) svgPerson(out *bufio.Writer, r *svgLine, i int, linkOf func(int) string) {
	person := int(d.person[r.at])
	link := ""
	if linkOf != nil {
		link = linkOf(person)
	}
	if link != "" {
		fmt.Fprintf(out, `<a href="%s">`, html.EscapeString(link))
	}
	class, style := "person", ""
	if !d.chart.people[person].Active {
		class, style = "person inactive", ` font-style="italic"`
	}
	fmt.Fprintf(out, `<text class="%s" x="%d" y="%d" fill="#1f2937"%s>%s`, class, r.x(), r.y(i)+5, style, html.EscapeString(d.label[r.at]))
	if r.folded > 0 {
		fmt.Fprintf(out, `<tspan class="fold" fill="#4b5563"> (+%d)</tspan>`, r.folded)
	}
	out.WriteString("</text>")
	if link != "" {
		out.WriteString("</a>")
	}
	out.WriteByte('\n')
}

// An svgLine is the line of one person.
type svgLine struct {
	at     int32 // the place in the drawing
	depth  int
	above  int // the row of the manager, or -1
	folded int // the number of people below who are not drawn
}

func (r *svgLine) x() int                    { return svgMargin + min(r.depth, maxIndent)*svgIndent }
func (r *svgLine) y(line int) int            { return svgMargin + line*svgRow + svgRow/2 }
func (r *svgLine) aboveY(rows []svgLine) int { return rows[r.above].y(r.above) + svgRow/2 - 4 }

// svgRows returns the rows that are drawn, and the number of people who have no
// row, without those counted in folded.
func (d *drawing) svgRows(how *SVG) (rows []svgLine, rest int) {
	lineAt := []int{} // by depth: the row of the last person there, or -1
	add := func(at int32, depth int) {
		lineAt = append(lineAt[:min(depth, len(lineAt))], -1)
		if how.Levels > 0 && depth >= how.Levels {
			if above := lineAt[how.Levels-1]; above >= 0 {
				rows[above].folded++
			} else {
				rest++
			}
			return
		}
		if how.Rows > 0 && len(rows) >= how.Rows {
			rest++
			return
		}
		above := -1
		if depth > 0 {
			above = lineAt[depth-1]
		}
		lineAt[depth] = len(rows)
		rows = append(rows, svgLine{at: at, depth: depth, above: above})
	}
	for _, root := range d.roots() {
		add(root, 0)
		for at, depth := range d.below(root) {
			add(at, depth)
		}
	}
	return rows, rest
}
