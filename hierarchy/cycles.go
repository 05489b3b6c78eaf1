package hierarchy

// breakCycles takes back the edges that would close a cycle (rule S24).
//
// An edge is new if it differs from the current one. As long as a cycle has a
// new edge, all its new edges give way to the current ones. That may uncover
// another cycle, so it goes on until none is left that has a new edge. Cycles
// have no person in common, because nobody has two managers: treating one
// leaves the others as they are, and the order in which they are treated does
// not matter. Whoever was on a cycle has the finding Cycle, and so has whoever
// is on one that consists of current edges; those stay.
//
// An edge that is not new, or has been taken back, never changes again. Each
// chain of such edges is contracted to its top, so that only new edges are
// walked, each is taken back at most once, and long chains with many cycles
// take no more than nearly linear time.
func (c *Chart) breakCycles() {
	s := cycleBreaker{Chart: c, top: make([]int32, len(c.manager))}
	for i := range s.top {
		s.top[i] = int32(i)
	}
	for i := range s.top {
		if !c.Changed(i) {
			s.keep(int32(i))
		}
	}
	for i := range s.top {
		if c.Changed(i) {
			s.walk(int32(i))
		}
	}
}

// A cycleBreaker is the state of breakCycles.
type cycleBreaker struct {
	*Chart
	// top leads from everybody whose edge is kept towards the end of the chain
	// of kept edges. The end is its own top: nobody's report, somebody with a
	// new edge, or one person of a cycle of current edges.
	top []int32
	// skip leads from everybody with a Cycle finding towards the next one up
	// the chain of kept edges without. It is made when first needed.
	skip []int32
	// path holds the people with new edges from the start of the walk to where
	// it is, and state how far each has come.
	path  []int32
	state []progress
}

type progress uint8

const (
	unseen progress = iota
	onPath
	done // the edge is settled, and so are all above it
)

// keep contracts the current edge of i, which is not going to change.
func (s *cycleBreaker) keep(i int32) {
	manager := s.manager[i]
	if manager == None {
		return
	}
	if top := end(s.top, manager); top != i {
		s.top[i] = top
		return
	}
	if s.loop == nil {
		s.loop = make([]bool, len(s.manager))
	}
	for j := manager; ; j = s.manager[j] {
		s.loop[j] = true
		s.finding[j] = Cycle
		if j == i {
			return
		}
	}
}

// walk follows new edges up from start, taking back those that are on a cycle,
// until everybody on the way leads to no cycle that has one.
func (s *cycleBreaker) walk(start int32) {
	if s.state == nil {
		s.state = make([]progress, len(s.manager))
	}
	if s.state[start] != unseen {
		return
	}
	s.push(start)
	for len(s.path) > 0 {
		last := s.path[len(s.path)-1]
		top := end(s.top, s.manager[last])
		switch {
		case s.state[top] == onPath:
			s.takeBack(top)
		case s.state[top] == unseen && s.Changed(int(top)):
			s.push(top)
		default:
			for _, i := range s.path {
				s.state[i] = done
			}
			s.path = s.path[:0]
		}
	}
}

func (s *cycleBreaker) push(i int32) {
	s.path = append(s.path, i)
	s.state[i] = onPath
}

// takeBack undoes the new edges of the cycle that the path from first to its
// end closes.
func (s *cycleBreaker) takeBack(first int32) {
	from := len(s.path) - 1
	for s.path[from] != first {
		from--
	}
	cycle := s.path[from:]
	s.path = s.path[:from]
	for _, i := range cycle {
		s.markChain(s.manager[i])
	}
	for _, i := range cycle {
		s.finding[i] = Cycle
		s.manager[i] = s.current[i]
		s.state[i] = done
	}
	for _, i := range cycle {
		s.keep(i)
	}
}

// markChain gives the finding Cycle to everybody on the chain of kept edges
// from i up to its top, the top itself excepted.
func (s *cycleBreaker) markChain(i int32) {
	if s.skip == nil {
		s.skip = make([]int32, len(s.manager))
		for j := range s.skip {
			s.skip[j] = int32(j)
		}
	}
	for i = end(s.skip, i); s.top[i] != i; i = end(s.skip, i) {
		s.finding[i] = Cycle
		s.skip[i] = s.manager[i]
	}
}

// end returns where the links from i end, and shortens the way for the next
// time.
func end(links []int32, i int32) int32 {
	for links[i] != i {
		links[i] = links[links[i]]
		i = links[i]
	}
	return i
}
