package hierarchy

// breakCycles undoes edges that would close a cycle (rule S24).
//
// An edge is new if it differs from the current one. All new edges of a cycle are
// replaced by the current ones. That may close another cycle, so this is repeated
// until no cycle has a new edge. Two cycles have no person in common, because
// nobody has two managers; so their order does not matter. Everybody who was on a
// cycle gets the finding Cycle, and so does everybody on a cycle of current edges,
// which stays.
//
// An edge that is not new, or that was undone, is kept and never changes again.
// Each chain of kept edges is contracted to its top, so that only new edges are
// walked. Each edge is undone at most once. The time is nearly linear, also for
// long chains with many cycles.
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
	// top links everybody whose edge is kept to somebody further up the chain of
	// kept edges. The end of the chain is linked to itself: a person without a
	// manager, a person with a new edge, or one person of a cycle of current edges.
	top []int32
	// skip links everybody to whom markChain gave a finding to somebody further up
	// the chain of kept edges, and everybody else to themselves. It is made on
	// first use.
	skip []int32
	// path holds the people with new edges from the start of the walk to its
	// present position. state is about people with new edges.
	path  []int32
	state []progress
}

type progress uint8

const (
	unseen progress = iota
	onPath
	done // the edge is final, and so are all edges above it
)

// keep contracts the current edge of i, which does not change any more.
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

// walk follows new edges up from start and undoes those on a cycle, until no new
// edge above start is on one.
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

// takeBack undoes the new edges of the cycle that the path closes at the position
// first.
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

// markChain gives the finding Cycle to everybody on the chain of kept edges from i
// to its top, except the top.
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

// end returns the end of the chain of links from i, and shortens the chain.
func end(links []int32, i int32) int32 {
	for links[i] != i {
		links[i] = links[links[i]]
		i = links[i]
	}
	return i
}
