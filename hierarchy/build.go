package hierarchy

import (
	"sync"

	"github.com/usher-go/usher/internal/blocks"
)

// Build decides who reports to whom. It takes everybody at once, in any order:
// the result for a person does not depend on where in the slice anybody
// stands.
//
// A person who follows the directory gets the manager whom the deciding key
// names: the only active person, other than the person itself, who has it. If
// there is none, if the edge would close a cycle, or if missing evidence could
// remove that person, the current edge stays. A [Finding] tells why, and also
// where another key names somebody else. Building again from the result
// changes nothing and finds the same.
//
// The people may be a part of a team. The result for those who follow the
// directory is that of the whole team if the part has everybody who bears one
// of their manager keys, and everybody above them and above those bearers,
// along current edges and along the named ones of those who follow.
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

// prefetch reads one byte of each manager key of a block. The keys are the
// directory's and stand in another order than the people: read one after the
// other, many arrive at a time. It is not inlined, since the compiler would
// then leave the reads out.
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

// A builder holds the indexes, each made when it is first needed.
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

// edge returns the manager whom person i has, the one whom the person is to
// have as far as cycles do not forbid it, and what there is to tell.
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

// keysDiffer reports whether one of the keys of person i is somebody's and not
// that of the manager, whom the key of the given kind names.
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
