package hierarchy

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLabel is the largest length of a drawn name, in characters.
const maxLabel = 80

// A drawing is the part of a chart that is drawn. Each person has a place. Places
// are numbered from 0, ordered by name and then Key, so that the output does not
// depend on the order of the people.
type drawing struct {
	chart  *Chart
	person []int32  // by place: the person
	label  []string // by place: the label
	forest          // of places; None if the manager is not drawn
}

// draw selects the people given and everybody below them, or the whole chart
// if nobody is given.
func (c *Chart) draw(from []int) *drawing {
	d := &drawing{chart: c}
	place := make([]int32, len(c.people)) // at first 0 if drawn, otherwise None
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

// roots returns the places at which the drawing begins: those whose manager is not
// drawn, and the first place of each cycle.
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

// label returns the name of p on one line: words separated by one space, without
// unprintable characters, cut at maxLabel. Without a name it is Email, and without
// an email Key.
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

// shown returns the words of all parts, separated by one space, without unprintable
// characters, such as control and format characters. Bytes that are not UTF-8
// become U+FFFD, so that removing a character between two of them cannot form
// another character.
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
