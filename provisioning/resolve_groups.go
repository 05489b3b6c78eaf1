package provisioning

import (
	"cmp"
	"slices"
)

// groups are the sets of persons whose actions must commit together: a person who
// gets an address and the one who gives it up (S2), persons whose edges close no
// cycle only together (S24), and persons who get seats from one another.
type groups struct {
	next map[int32]int32   // union-find: towards the representative
	sets map[int32][]int32 // by representative: the sets of several persons
}

func (c *chart) groups() groups {
	g := groups{next: make(map[int32]int32), sets: make(map[int32][]int32)}
	for i := range c.claims {
		if claim := &c.claims[i]; claim.denied == "" && claim.from != none {
			g.join(claim.person, claim.from)
		}
	}
	for _, persons := range c.together {
		for _, person := range persons[1:] {
			g.join(persons[0], person)
		}
	}
	for _, d := range c.list { // a grant may be sorted before the release that it needs
		for _, person := range d.needs {
			if _, grouped := g.next[d.person]; grouped || d.releases() {
				g.join(d.person, person)
			}
		}
	}
	for person := range g.next {
		root := g.root(person)
		g.sets[root] = append(g.sets[root], person)
	}
	return g
}

func (g groups) root(person int32) int32 {
	for {
		next, ok := g.next[person]
		if !ok || next == person {
			return person
		}
		g.next[person] = g.next[next]
		person = next
	}
}

func (g groups) join(a, b int32) {
	a, b = g.root(a), g.root(b)
	root := min(a, b)
	g.next[a], g.next[b] = root, root
}

// of returns all persons in the group of a person.
func (g groups) of(person int32) []int32 {
	if set := g.sets[g.root(person)]; set != nil {
		return set
	}
	return []int32{person}
}

// mark writes the name of its group into each action that has one: the smallest key
// in the group.
func (g groups) mark(c *chart, actions []*Action) {
	byMember := make(map[string]*Action, len(actions))
	for _, a := range actions {
		byMember[a.Member.ID] = a
	}
	for _, set := range g.sets {
		var group []*Action
		for _, person := range set {
			if at := c.draftOf[person]; at != none {
				if a := byMember[c.list[at].after.ID]; a != nil {
					group = append(group, a)
				}
			}
		}
		if len(group) < 2 {
			continue
		}
		smallest := slices.MinFunc(group, func(a, b *Action) int { return cmp.Compare(a.Key, b.Key) }).Key
		for _, a := range group {
			a.With = smallest
		}
	}
}
