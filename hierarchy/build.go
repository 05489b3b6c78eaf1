package hierarchy

import (
	"strings"
	"sync"

	"github.com/usher-go/usher/internal/blocks"
)

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
	b := &builder{people: people}
	c := &Chart{
		people:  people,
		current: make([]int32, len(people)),
		manager: make([]int32, len(people)),
		finding: make([]Finding, len(people)),
	}
	// All keys of a block are sought before any is found, for the reason that
	// newIndex gives.
	blocks.Each(len(people), func() func(start, end int) {
		var lookups [blocks.Size]lookup
		return func(start, end int) {
			some := people[start:end]
			fetch(some)
			for k := range some {
				lookups[k] = b.lookup(&some[k])
			}
			for k := range some {
				lookups[k].seek()
			}
			for k := range some {
				i := int32(start + k)
				manager, finding := lookups[k].find(i)
				current := b.current(i, manager)
				if manager == None {
					manager = current
				}
				c.current[i], c.manager[i], c.finding[i] = current, manager, finding
			}
		}
	})
	c.settle()
	return c
}

// fetch reads a little of the keys of a block, which are the directory's and
// stand in another order than the people, so that they come many at a time. It
// is not to be inlined, since reading for nothing would then be left out.
//
//go:noinline
func fetch(some []Person) (sum int) {
	for k := range some {
		if m := some[k].Manager; m != nil {
			sum += len(m.Email)
		}
	}
	for k := range some {
		if m := some[k].Manager; m != nil && m.Email != "" {
			sum += int(m.Email[0])
		}
	}
	return sum
}

// A builder holds the indexes, each made when it is first needed.
type builder struct {
	people  []Person
	made    [byName + 1]sync.Once
	indexes [byName + 1]*index
}

func (b *builder) index(kind kind) *index {
	b.made[kind].Do(func() { b.indexes[kind] = newIndex(kind, b.people) })
	return b.indexes[kind]
}

// lookup returns what is to be looked up for the manager of p: the strongest
// key that the directory gives.
func (b *builder) lookup(p *Person) lookup {
	switch {
	case !p.Follow:
		return lookup{}
	case p.Manager == nil:
	case !blank(p.Manager.Email):
		return b.index(byEmail).lookup(p.Manager.Email)
	case !blank(p.Manager.ID):
		return b.index(byID).lookup(p.Manager.ID)
	case !blank(p.Manager.Name):
		return b.index(byName).lookup(p.Manager.Name)
	}
	return lookup{reason: NoManagerKey}
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
	l := b.index(byKey).lookup(key)
	l.seek()
	current, _ := l.find(None)
	return current
}

func blank(key string) bool { return strings.TrimSpace(key) == "" }
