package provisioning

import (
	"cmp"
	"slices"
)

// groups are the sets of persons whose actions must commit together: whoever
// takes an address, and who gives it up (S2).
type groups struct{ next map[int32]int32 } // a forest: towards the representative

func (p *pass) groups() groups {
	g := groups{next: make(map[int32]int32)}
	for i := range p.claims {
		if c := &p.claims[i]; c.denied == "" && c.from != none {
			g.join(c.person, c.from)
		}
	}
	return g
}

func (g groups) root(person int32) int32 {
	for {
		next, ok := g.next[person]
		if !ok || next == person {
			return person
		}
		person = next
	}
}

func (g groups) join(a, b int32) {
	a, b = g.root(a), g.root(b)
	g.next[a], g.next[b] = min(a, b), min(a, b)
}

// of returns everybody in the group of a person.
func (g groups) of(person int32) []int32 {
	root := g.root(person)
	if root == person && len(g.next) == 0 {
		return []int32{person}
	}
	members := []int32{person}
	for other := range g.next {
		if other != person && g.root(other) == root {
			members = append(members, other)
		}
	}
	return members
}

// mark writes the name of its group into each action that has one: the
// smallest key of the group.
func (g groups) mark(p *pass, actions []*Action) {
	byMember := make(map[string]*Action, len(actions))
	for _, a := range actions {
		byMember[a.Member.ID] = a
	}
	together := make(map[int32][]*Action)
	for person := range g.next {
		if at := p.draftOf[person]; at != none {
			if a := byMember[p.drafts[at].after.ID]; a != nil {
				together[g.root(person)] = append(together[g.root(person)], a)
			}
		}
	}
	for _, group := range together {
		if len(group) < 2 {
			continue
		}
		smallest := slices.MinFunc(group, func(a, b *Action) int { return cmp.Compare(a.Key, b.Key) }).Key
		for _, a := range group {
			a.With = smallest
		}
	}
}
