package hierarchy

// A lookup is a key on its way to a person. Without an index nothing is to be
// found, for the reason given.
type lookup struct {
	index  *index
	key    string
	hash   uint64
	at     uint64 // the slot where to begin, once sought
	reason Finding
}

func (x *index) lookup(key string) lookup {
	var buffer [64]byte
	return lookup{index: x, key: key, hash: x.hash(x.given(buffer[:], key))}
}

// seek goes to the first slot that may hold the key.
func (l *lookup) seek() {
	if l.index != nil {
		l.at = l.index.probe(l.hash, l.hash>>32)
	}
}

// find returns, after seek, whom the key names as the manager of person i: the
// only active bearer other than i; i itself if no other is active and i is a
// bearer; or None and the reason.
func (l *lookup) find(i int32) (int32, Finding) {
	x := l.index
	if x == nil {
		return None, l.reason
	}
	at := l.at
	for ; ; at = x.probe(l.hash, at+1) {
		if x.slots[at] == 0 {
			return None, ManagerNotFound
		}
		if x.names(l.key, x.bearer(at)) {
			break
		}
	}
	held := uint32(x.slots[at])
	j, several := int32(held-1), false
	if held&sharedBit != 0 {
		j, several = x.shared[held&^sharedBit].other(i)
	}
	switch {
	case several:
		return None, ambiguous[x.kind]
	case j != None && x.active(j):
		return j, NoFinding
	case x.names(l.key, i):
		return i, NoFinding
	}
	return None, ManagerInactive
}

// names reports whether key names person i.
func (x *index) names(key string, i int32) bool {
	if x.kind == byEmail && x.people[i].Email == key {
		return true // mostly, addresses are written alike
	}
	var buffer [64]byte
	return x.has(i, x.given(buffer[:], key))
}

// ambiguous is the finding for a key of each kind that several people have.
var ambiguous = [...]Finding{byKey: ManagerNotFound, byEmail: AmbiguousEmail, byID: AmbiguousID, byName: AmbiguousName}
