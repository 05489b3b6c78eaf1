package hierarchy

import "slices"

// Together returns groups of people whose changed edges close no cycle only if they
// are all applied (rule S24). While a chart is being applied, some people have the
// new manager and others still the current one. No cycle can close in between if
// for each group either everybody has the new manager or nobody has. People with a
// changed edge who are in no group change independently. A group is sorted and has
// at least two people; nobody is in two groups; groups are ordered by their first
// person.
//
// It uses the graph with both edges of everybody, the current and the new one. A
// cycle of this graph is inside one strongly connected component. If all changed
// edges of the component are new, or all are current, it would be a cycle of the
// new chart, or of the current one.
func (c *Chart) Together() [][]int {
	var changed []int32
	for i := range c.manager {
		if c.Changed(i) {
			changed = append(changed, int32(i))
		}
	}
	if len(changed) < 2 {
		return nil
	}
	var groups [][]int
	for component := range c.contract(changed).components() {
		if len(component) < 2 {
			continue
		}
		group := make([]int, len(component))
		for k, v := range component {
			group[k] = int(changed[v])
		}
		slices.Sort(group)
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b []int) int { return a[0] - b[0] })
	return groups
}

// A union is the graph of current and new edges, contracted to the people with a
// changed edge: everybody else has a single edge, so a walk up from them leads to
// one such person, or to none. A vertex is an index into the sorted slice of those
// people.
type union [][2]int32 // by vertex: where the current and the new edge lead, or None

// contract returns the union of a chart, given everybody with a changed edge.
func (c *Chart) contract(changed []int32) union {
	const unknown = None - 1
	vertex := make([]int32, len(c.manager)) // by person: the first vertex on the way up, or None
	for i := range vertex {
		vertex[i] = unknown
	}
	for v, i := range changed {
		vertex[i] = int32(v)
	}
	first := func(start int32) int32 {
		at := start
		for at != None && vertex[at] == unknown {
			vertex[at] = None // stays None if the walk comes back here: the cycle has no vertex
			at = c.manager[at]
		}
		if at == None || vertex[at] == None {
			return None // also for everybody on the way
		}
		found := vertex[at]
		for j := start; j != at; j = c.manager[j] {
			vertex[j] = found
		}
		return found
	}
	u := make(union, len(changed))
	for v, i := range changed {
		u[v] = [2]int32{first(c.current[i]), first(c.manager[i])}
	}
	return u
}

// components yields the strongly connected components of the union. It uses
// Tarjan's algorithm with an explicit stack. A component is valid until the next
// one is yielded.
func (u union) components() func(yield func([]int32) bool) {
	type state struct {
		number int32 // position in the order of discovery, from 1; 0: not discovered
		low    int32 // the smallest number known to be reachable in an open component
		edge   uint8 // number of edges that were followed
		closed bool  // the component has been yielded
	}
	return func(yield func([]int32) bool) {
		states := make([]state, len(u))
		var path []int32 // from the start to the current vertex
		var open []int32 // discovered vertices of components not yielded yet
		discovered := int32(0)
		discover := func(v int32) {
			discovered++
			states[v].number, states[v].low = discovered, discovered
			path, open = append(path, v), append(open, v)
		}
		for start := range u {
			if states[start].number == 0 {
				discover(int32(start))
			}
			for len(path) > 0 {
				v := path[len(path)-1]
				s := &states[v]
				if int(s.edge) < len(u[v]) {
					w := u[v][s.edge]
					s.edge++
					switch {
					case w == None || states[w].closed:
					case states[w].number == 0:
						discover(w)
					default:
						s.low = min(s.low, states[w].number)
					}
					continue
				}
				path = path[:len(path)-1]
				if len(path) > 0 {
					below := &states[path[len(path)-1]]
					below.low = min(below.low, s.low)
				}
				if s.low < s.number {
					continue
				}
				from := len(open) - 1
				for open[from] != v {
					from--
				}
				for _, w := range open[from:] {
					states[w].closed = true
				}
				if !yield(open[from:]) {
					return
				}
				open = open[:from]
			}
		}
	}
}
