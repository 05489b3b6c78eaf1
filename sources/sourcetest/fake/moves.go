package fake

import "slices"

// moves says when a relation changed: who got another manager, who came into a
// group or left it. What something came into being with is no change. Only the
// latest change of each is kept.
type moves struct {
	managers    map[string]managerMove           // by user
	memberships map[string]map[string]memberMove // by group, by member
}

type managerMove struct {
	at     stamp
	former string
}

type memberMove struct {
	at stamp
	in bool
}

func newMoves() moves {
	return moves{managers: make(map[string]managerMove), memberships: make(map[string]map[string]memberMove)}
}

func (m moves) manager(user, before, after string, now stamp) {
	if before != after {
		m.managers[user] = managerMove{now, before}
	}
}

// members takes two lists in the order of IDs.
func (m moves) members(group string, before, after []string, now stamp) {
	note := func(member string, in bool) {
		if m.memberships[group] == nil {
			m.memberships[group] = make(map[string]memberMove)
		}
		m.memberships[group][member] = memberMove{now, in}
	}
	for _, member := range before {
		if _, stays := slices.BinarySearchFunc(after, member, compareIDs); !stays {
			note(member, false)
		}
	}
	for _, member := range after {
		if _, was := slices.BinarySearchFunc(before, member, compareIDs); !was {
			note(member, true)
		}
	}
}

// forget drops what is kept of a user or a group that was removed.
func (m moves) forget(id string) {
	delete(m.managers, id)
	delete(m.memberships, id)
}
