package hierarchy

import "strings"

// Build decides who reports to whom. It takes everybody at once, in any order:
// the result for a person does not depend on where in the slice anybody
// stands.
//
// A person who follows the directory gets the manager whom the deciding key
// names: the only active person, other than the person itself, who has it. If
// there is none, or if the edge would close a cycle, the current edge stays
// and the chart has a [Finding]. Building again from the result changes
// nothing and finds the same.
//
// The chart refers to people, which must not change while it is in use. Time
// and memory grow linearly with len(people), which is at most 1<<31 - 2.
func Build(people []Person) *Chart {
	b := builder{people: people}
	c := &Chart{
		people:  people,
		current: make([]int32, len(people)),
		manager: make([]int32, len(people)),
		finding: make([]Finding, len(people)),
	}
	for i := range people {
		i := int32(i)
		manager, finding := b.named(i)
		current := b.current(i, manager)
		if manager == None {
			manager = current
		}
		c.current[i], c.manager[i], c.finding[i] = current, manager, finding
	}
	c.settle()
	return c
}

// A builder holds the indexes, each made when it is first needed.
type builder struct {
	people  []Person
	indexes [byName + 1]*index
}

func (b *builder) index(kind kind) *index {
	if b.indexes[kind] == nil {
		b.indexes[kind] = newIndex(kind, b.people)
	}
	return b.indexes[kind]
}

// named returns the manager whom the directory names for person i, or None if
// the current edge stays.
func (b *builder) named(i int32) (int32, Finding) {
	p := &b.people[i]
	switch {
	case !p.Follow:
		return None, NoFinding
	case p.Manager == nil:
		return None, NoManagerKey
	case !blank(p.Manager.Email):
		return b.index(byEmail).find(p.Manager.Email, i)
	case !blank(p.Manager.ID):
		return b.index(byID).find(p.Manager.ID, i)
	case !blank(p.Manager.Name):
		return b.index(byName).find(p.Manager.Name, i)
	}
	return None, NoManagerKey
}

// current returns the manager whom person i has, given one whom it may well
// be.
func (b *builder) current(i, guess int32) int32 {
	key := b.people[i].Current
	switch {
	case key == "":
		return None
	case guess != None && b.people[guess].Key == key:
		return guess
	}
	current, _ := b.index(byKey).find(key, None)
	return current
}

func blank(key string) bool { return strings.TrimSpace(key) == "" }
