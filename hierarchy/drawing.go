package hierarchy

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLabel bounds, in characters, how much of a name is drawn.
const maxLabel = 80

// A drawing is the part of a chart that is written. Each person has a place,
// numbered from 0 in the order of name and then Key, so that what is written
// does not depend on the order in which people were given.
type drawing struct {
	chart  *Chart
	person []int32  // who is at each place
	label  []string // the label of each place
	forest          // over places; None where the manager is not drawn
}

// draw selects the people given and everybody below them, or the whole chart
// if nobody is given.
func (c *Chart) draw(from []int) *drawing {
	d := &drawing{chart: c}
	place := make([]int32, len(c.people)) // for now 0 if drawn, else None
	if len(from) == 0 {
		for i := range place {
			d.person = append(d.person, int32(i))
		}
	} else {
		for i := range place {
			place[i] = None
		}
		choose := func(i int) {
			if place[i] == None {
				place[i] = 0
				d.person = append(d.person, int32(i))
			}
		}
		for _, i := range from {
			choose(i)
		}
		for at := 0; at < len(d.person); at++ {
			for report := range c.Reports(int(d.person[at])) {
				choose(report)
			}
		}
	}

	type entry struct {
		label  string
		person int32
	}
	entries := make([]entry, len(d.person))
	for at, i := range d.person {
		entries[at] = entry{c.people[i].label(), i}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.label, b.label),
			strings.Compare(c.people[a.person].Key, c.people[b.person].Key))
	})
	d.label = make([]string, len(entries))
	manager := make([]int32, len(entries))
	for at, e := range entries {
		d.person[at], d.label[at], place[e.person] = e.person, e.label, int32(at)
	}
	for at, i := range d.person {
		manager[at] = None
		if m := c.manager[i]; m != None {
			manager[at] = place[m]
		}
	}
	d.forest = newForest(manager)
	return d
}

// roots returns the places at which the drawing begins: those whose manager is
// not drawn, and the first one of each cycle.
func (d *drawing) roots() []int32 {
	var roots []int32
	begun := make(map[int32]bool) // the places on cycles that already have a root
	for at, i := range d.person {
		at := int32(at)
		switch {
		case d.manager[at] == None:
			roots = append(roots, at)
		case d.chart.loop != nil && d.chart.loop[i] && !begun[at]:
			roots = append(roots, at)
			for j := at; !begun[j]; j = d.manager[j] {
				begun[j] = true
			}
		}
	}
	return roots
}

// label returns the name of p for display on one line: words separated by one
// space, without characters that do not print, cut at maxLabel. Without a name
// it is Email, else Key.
func (p *Person) label() string {
	label := shown(p.GivenName, p.FamilyName)
	if label == "" {
		label = shown(p.Email)
	}
	if label == "" {
		label = shown(p.Key)
	}
	runes := 0
	for i := range label {
		if runes++; runes > maxLabel {
			return label[:i] + "…"
		}
	}
	return label
}

// shown returns the words of all parts with one space between any two, without
// characters that do not print: control and format characters above all. Bytes
// that are not UTF-8 are shown as U+FFFD, so that dropping a character between
// two of them makes no other one.
func shown(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		for word := range strings.FieldsSeq(strings.ToValidUTF8(part, string(utf8.RuneError))) {
			space := b.Len() > 0
			for _, r := range word {
				if !unicode.IsPrint(r) {
					continue
				}
				if space {
					b.WriteByte(' ')
					space = false
				}
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}
