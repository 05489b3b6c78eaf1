// Package alike groups items with equal texts, so that equal changes of many people
// are shown as one.
package alike

import (
	"cmp"
	"slices"
)

// Groups collects items by a text. The zero value is empty.
type Groups[T any] struct {
	at     map[string]int
	groups []Group[T]
}

// A Group is a text with its items, in the order in which they were added.
type Group[T any] struct {
	What string
	Of   []T
}

// Add adds an item to the group of a text.
func (g *Groups[T]) Add(what string, item T) {
	at, known := g.at[what]
	if !known {
		if g.at == nil {
			g.at = make(map[string]int)
		}
		at = len(g.groups)
		g.at[what] = at
		g.groups = append(g.groups, Group[T]{What: what})
	}
	g.groups[at].Of = append(g.groups[at].Of, item)
}

// Sorted returns the groups, the largest first, and groups of equal size ordered by
// text.
func (g *Groups[T]) Sorted() []Group[T] {
	slices.SortFunc(g.groups, func(a, b Group[T]) int {
		return cmp.Or(cmp.Compare(len(b.Of), len(a.Of)), cmp.Compare(a.What, b.What))
	})
	clear(g.at)
	for i := range g.groups {
		g.at[g.groups[i].What] = i
	}
	return g.groups
}
