package hierarchy

import (
	"iter"
	"sync"
)

// None is the index that stands for no person.
const None = -1

// A Chart says who reports to whom. A person is the index into the slice that was
// given to [Build]; an index outside it panics.
//
// If current edges form a cycle, the chart keeps it. Every walk ends on such a
// chart, too.
type Chart struct {
	people  []Person
	current []int32   // the manager each person had
	manager []int32   // the manager each person is to have
	finding []Finding // for each person
	loop    []bool    // whether each person is on a cycle of manager; nil if nobody is

	reports     forest // of manager; made by the first walk down
	makeReports sync.Once
}

// Manager returns the index of the manager of person i. It returns None if the
// person has no manager, or keeps a current manager who was not given to Build.
func (c *Chart) Manager(i int) int { return int(c.manager[i]) }

// Changed reports whether person i gets a new manager. Then Manager(i) is not None.
func (c *Chart) Changed(i int) bool { return c.manager[i] != c.current[i] }

// Finding returns the finding about the manager of person i.
func (c *Chart) Finding(i int) Finding { return c.finding[i] }

// Roots yields the people who have no manager, in ascending order. People on a
// cycle of current edges, or below one, have no root above them.
func (c *Chart) Roots() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, manager := range c.manager {
			if manager == None && !yield(i) {
				return
			}
		}
	}
}

// Reports yields the direct reports of person i, other than i, in ascending
// order.
func (c *Chart) Reports(i int) iter.Seq[int] {
	return func(yield func(int) bool) {
		f := c.down()
		for j := f.first[i]; j != None; j = f.next[j] {
			if int(j) != i && !yield(int(j)) {
				return
			}
		}
	}
}

// AllReports yields everybody below person i, each before its own reports.
func (c *Chart) AllReports(i int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for j := range c.down().below(int32(i)) {
			if !yield(int(j)) {
				return
			}
		}
	}
}

// Chain yields the managers of person i from the direct one up, each once.
func (c *Chart) Chain(i int) iter.Seq[int] {
	return func(yield func(int) bool) {
		entry := int32(None) // the first person of the chain who is on a cycle
		for j := c.manager[i]; j != None && j != int32(i) && j != entry; j = c.manager[j] {
			if entry == None && c.loop != nil && c.loop[j] {
				entry = j
			}
			if !yield(int(j)) {
				return
			}
		}
	}
}

// down returns the chart's edges from manager to report.
func (c *Chart) down() *forest {
	c.makeReports.Do(func() { c.reports = newForest(c.manager) })
	return &c.reports
}

// A forest links managers to their reports.
type forest struct {
	manager []int32
	first   []int32 // the first report of each person, or None
	next    []int32 // the next report of the same manager, or None
}

func newForest(manager []int32) forest {
	f := forest{manager: manager, first: make([]int32, len(manager)), next: make([]int32, len(manager))}
	for i := range f.first {
		f.first[i] = None
	}
	for i := len(manager) - 1; i >= 0; i-- {
		f.next[i] = None
		if m := manager[i]; m != None {
			f.next[i], f.first[m] = f.first[m], int32(i)
		}
	}
	return f
}

// below yields everybody below i, each before its own reports, and how many
// levels below i. It needs no stack: from each person it goes to the first
// report, else to the next report of the same manager, else back to the manager.
func (f *forest) below(i int32) iter.Seq2[int32, int] {
	return func(yield func(int32, int) bool) {
		depth := 0
		for at := i; ; {
			next := f.step(f.first[at], i)
			depth++
			for next == None {
				depth--
				if at == i {
					return
				}
				next = f.step(f.next[at], i)
				at = f.manager[at]
			}
			if !yield(next, depth) {
				return
			}
			at = next
		}
	}
}

// step returns j, or the next report of the same manager if j is start: on a
// cycle, the person where the walk starts is also below itself.
func (f *forest) step(j, start int32) int32 {
	if j == start {
		return f.next[j]
	}
	return j
}
