package hierarchy

// A lookup resolves a key to a person, in separate steps, so that Build can do each
// step for a block of people: lookup hashes the key, seek finds the slot, find
// compares. Without an index it finds nobody, and reason says why.
type lookup struct {
	index  *index
	key    string
	hash   uint64
	at     uint64 // the first slot that may have the key, set by seek
	reason Finding
}

func (x *index) lookup(key string) lookup {
	var buffer [64]byte
	return lookup{index: x, key: key, hash: x.hash(x.kind.given(buffer[:0], key))}
}

// kind returns the kind of the key, byKey without an index.
func (l *lookup) kind() kind {
	if l.index == nil {
		return byKey
	}
	return l.index.kind
}

// seek goes to the first slot that may hold the key.
func (l *lookup) seek() {
	if l.index != nil {
		l.at = l.index.probe(l.hash, l.hash>>32)
	}
}

// slot returns, after seek, the slot that holds the key, or 0.
func (l *lookup) slot() uint64 {
	x := l.index
	for at := l.at; ; at = x.probe(l.hash, at+1) {
		if x.slots[at] == 0 || x.kind.names(&x.people[x.bearer(at)], l.key) {
			return x.slots[at]
		}
	}
}

// find returns, after seek, whom the key names as the manager of person i: the only
// active person with the key other than i; i itself if no other is active and i has
// the key; or None and the reason.
func (l *lookup) find(i int32) (int32, Finding) {
	x := l.index
	if x == nil {
		return None, l.reason
	}
	slot := l.slot()
	if slot == 0 {
		return None, ManagerNotFound
	}
	j, several := x.only(slot, i)
	switch {
	case several:
		return None, ambiguous[x.kind]
	case j != None && x.active(j):
		return j, NoFinding
	case i != None && x.kind.names(&x.people[i], l.key):
		return i, NoFinding
	}
	return None, ManagerInactive
}

// find returns whom the key names as the manager of person i, in one step.
func (x *index) find(key string, i int32) (int32, Finding) {
	l := x.lookup(key)
	l.seek()
	return l.find(i)
}

// known reports whether anybody has the key, active or not.
func (x *index) known(key string) bool {
	l := x.lookup(key)
	l.seek()
	return l.slot() != 0
}
