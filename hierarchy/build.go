package hierarchy

import (
	"sync"

	"github.com/usher-go/usher/internal/blocks"
)

// Build decides who reports to whom. It takes everybody at once. The result does
// not depend on the order of people.
//
// A person who follows the directory gets the manager whom the deciding key names:
// the only active person with that key, other than the person itself. The current
// edge stays if there is no such person, if the edge would close a cycle, or if
// missing evidence could remove that manager. A [Finding] says why, and also says
// if another key names a different person. Building again from the result changes
// nothing and gives the same findings.
//
// The people may be a part of a team. The result for those who follow the directory
// equals that for the whole team if the part contains everybody who has one of
// their manager keys, and everybody above them and above those people, along
// current edges and along the edges that the directory names.
//
// The chart refers to people, which must not change while it is in use. Time and
// memory grow linearly with len(people), which is at most 1<<31 - 2.
func Build(people []Person) *Chart {
	b := &builder{people: people}
	c := &Chart{
		people:  people,
		current: make([]int32, len(people)),
		manager: make([]int32, len(people)),
		finding: make([]Finding, len(people)),
	}
	// All keys of a block are looked up before any is compared, for the reason
	// given at newIndex.
	blocks.Each(len(people), func() func(start, end int) {
		var lookups [blocks.Size]lookup
		return func(start, end int) {
			some := people[start:end]
			prefetch(some)
			for k := range some {
				lookups[k] = b.lookup(&some[k])
			}
			for k := range some {
				lookups[k].seek()
			}
			for k := range some {
				i := int32(start + k)
				c.current[i], c.manager[i], c.finding[i] = b.edge(i, &lookups[k])
			}
		}
	})
	c.breakCycles()
	return c
}

// prefetch reads one byte of each manager key of a block. The keys belong to the
// directory and are in another order in memory than the people; the processor can
// do many of these reads at the same time. It is not inlined, since the compiler
// would then remove the reads.
//
//go:noinline
func prefetch(some []Person) (sum int) {
	for k := range some {
		if m := some[k].Manager; m != nil {
			sum += len(m.Email)
		}
	}
	for k := range some {
		m := some[k].Manager
		if m == nil {
			continue
		}
		if m.Email != "" {
			sum += int(m.Email[0])
		}
		if m.ID != "" {
			sum += int(m.ID[0])
		}
	}
	return sum
}

// A builder holds the indexes. Each is made on first use.
type builder struct {
	people  []Person
	made    [kinds]sync.Once
	indexes [kinds]*index
}

func (b *builder) index(kind kind) *index {
	b.made[kind].Do(func() { b.indexes[kind] = newIndex(kind, b.people) })
	return b.indexes[kind]
}

// lookup begins to resolve the deciding key of p.
func (b *builder) lookup(p *Person) lookup {
	if !p.Follow {
		return lookup{}
	}
	kind, key := p.deciding()
	if key == "" {
		return lookup{reason: NoManagerKey}
	}
	return b.index(kind).lookup(key)
}

// edge returns the present manager of person i, the new one if cycles are ignored,
// and the finding.
func (b *builder) edge(i int32, decides *lookup) (current, manager int32, finding Finding) {
	named, finding := decides.find(i)
	by := decides.kind()
	if finding == AmbiguousEmail {
		if id := b.people[i].Manager.ID; !blank(id) {
			if j, _ := b.index(byID).find(id, i); j != None && j != i {
				named, by = j, byID
			}
		}
	}
	current = b.current(i, named)
	switch {
	case named == None:
		return current, current, finding
	case named != current && b.people[named].Open:
		return current, current, ManagerOpen
	case b.keysDiffer(i, named, by):
		return current, named, KeysDiffer
	}
	return current, named, NoFinding
}

// keysDiffer reports whether a key of person i names somebody other than the
// manager, whom the key of the given kind names.
func (b *builder) keysDiffer(i, manager int32, by kind) bool {
	keys := b.people[i].Manager
	for _, kind := range emailFirst {
		key := keys.key(kind)
		if kind != by && !blank(key) && !kind.names(&b.people[manager], key) && b.index(kind).known(key) {
			return true
		}
	}
	return false
}

// current returns the present manager of person i. guess is a person who is
// probably it.
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
